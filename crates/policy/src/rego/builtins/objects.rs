//! Objects, and paths into them.

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, array, builtin, object, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("object.get", 3, |_, a| {
        let default = || a[2].clone();
        if a[0].kind() != Type::Object {
            return Err(wrong(0, "object", &a[0]));
        }
        match a[1].as_array() {
            // A path, unless the object has such a key.
            Some(path) => {
                if let Some(found) = a[0].get(&a[1]) {
                    return Ok(found);
                }
                let found = path.iter().try_fold(a[0].clone(), |at, key| at.get(key));
                Ok(found.unwrap_or_else(default))
            }
            None => Ok(a[0].get(&a[1]).unwrap_or_else(default)),
        }
    }),
    builtin("object.keys", 1, |_, a| {
        Ok(Value::set(object(a, 0)?.iter().map(|(key, _)| key.clone()).collect()))
    }),
    builtin("object.remove", 2, |env, a| {
        let members = object(a, 0)?;
        let keys = Value::set(keys(a, 1)?);
        env.work(members.len())?;
        let left = members.iter().filter(|(key, _)| keys.get(key).is_none());
        Ok(Value::object(left.cloned().collect()))
    }),
    builtin("object.filter", 2, |env, a| {
        let members = object(a, 0)?;
        let keys = Value::set(keys(a, 1)?);
        env.work(members.len())?;
        let kept = members.iter().filter(|(key, _)| keys.get(key).is_some());
        Ok(Value::object(kept.cloned().collect()))
    }),
    builtin("object.union", 2, |env, a| {
        object(a, 0)?;
        object(a, 1)?;
        merged(env, &a[0], &a[1], 0)
    }),
    builtin("object.union_n", 1, |env, a| {
        let mut out = Value::object(Vec::new());
        for item in array(a, 0)?.iter() {
            if item.kind() != Type::Object {
                let kind = item.kind().name();
                return Err(Fault::Type(format!(
                    "operand 1 must be array of objects but got array containing {kind}"
                )));
            }
            out = merged(env, &out, item, 0)?;
        }
        Ok(out)
    }),
    builtin("object.subset", 2, |env, a| {
        let sup = a[0].kind();
        let allowed = matches!(sup, Type::Object | Type::Set | Type::Array);
        let same = sup == a[1].kind() || (sup == Type::Array && a[1].kind() == Type::Set);
        if !allowed || !same {
            return Err(Fault::Type(
                "both arguments object.subset must be of the same type or array and set".into(),
            ));
        }
        Ok(Value::Bool(subset(env, &a[0], &a[1], 0)?))
    }),
];

fn keys<'d>(a: &[Value<'d>], at: usize) -> Result<Vec<Value<'d>>, Fault> {
    if let Some(items) = a[at].as_list() {
        return Ok(items.to_vec());
    }
    match a[at].as_object() {
        Some(members) => Ok(members.iter().map(|(key, _)| key.clone()).collect()),
        None => Err(wrong(at, "one of {object, set, array}", &a[at])),
    }
}

fn merged<'d>(env: &Env<'_>, a: &Value<'d>, b: &Value<'d>, depth: u32) -> Answer<'d> {
    let (Some(x), Some(y)) = (a.as_object(), b.as_object()) else {
        return Ok(b.clone());
    };
    env.work(x.len() + y.len())?;
    if depth > 200 {
        return Err(Fault::value("the objects nest too deeply"));
    }
    let mut out: Vec<_> = x.iter().filter(|(key, _)| b.get(key).is_none()).cloned().collect();
    for (key, value) in y.iter() {
        let value = match a.get(key) {
            Some(before) => merged(env, &before, value, depth + 1)?,
            None => value.clone(),
        };
        out.push((key.clone(), value));
    }
    Ok(Value::object(out))
}

fn subset(env: &Env<'_>, sup: &Value<'_>, sub: &Value<'_>, depth: u32) -> Result<bool, Fault> {
    env.work(sub.len().unwrap_or(0))?;
    if depth > 200 {
        return Err(Fault::value("the values nest too deeply"));
    }
    if let (Some(_), Some(members)) = (sup.as_object(), sub.as_object()) {
        for (key, value) in members.iter() {
            match sup.get(key) {
                Some(found) if subset(env, &found, value, depth + 1)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    if let (Some(sup), Some(sub)) = (sup.as_array(), sub.as_array()) {
        return Ok(sub.is_empty() || sup.windows(sub.len()).any(|window| window == &sub[..]));
    }
    if let (Some(sup), Some(sub)) = (sup.as_list(), sub.as_set()) {
        return Ok(sub.iter().all(|item| sup.contains(item)));
    }
    Ok(sup == sub)
}
