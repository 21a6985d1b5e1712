//! Paths into JSON: filter, remove, patch.

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, array, builtin, list, object};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("json.filter", 2, |env, a| {
        object(a, 0)?;
        let tree = Tree::of(&paths(env, a)?);
        Ok(filter(&a[0], &tree))
    }),
    builtin("json.remove", 2, |env, a| {
        object(a, 0)?;
        let mut out = a[0].clone();
        for path in paths(env, a)? {
            out = remove(&out, &path);
        }
        Ok(out)
    }),
    builtin("json.patch", 2, patch),
];

type Path<'d> = Vec<Value<'d>>;

/// The paths of the second argument: texts with `/` or arrays.
fn paths<'d>(env: &Env<'_>, a: &[Value<'d>]) -> Result<Vec<Path<'d>>, Fault> {
    let mut out = Vec::new();
    for item in list(a, 1)?.iter() {
        env.work(16)?;
        // The empty text is a name here, not the whole.
        out.push(match item.as_str() {
            Some("") => vec![item.clone()],
            _ => path(item)?,
        });
    }
    Ok(out)
}

fn path<'d>(value: &Value<'d>) -> Result<Path<'d>, Fault> {
    if let Some(items) = value.as_array() {
        return Ok(items.to_vec());
    }
    let Some(text) = value.as_str() else {
        return Err(Fault::Type(format!(
            "operand 2 must be one of {{set, array}} containing string paths or array of path segments but got {}",
            value.kind().name()
        )));
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = text.strip_prefix('/').unwrap_or(text);
    let unescape = |part: &str| Value::str(part.replace("~1", "/").replace("~0", "~"));
    Ok(text.split('/').map(unescape).collect())
}

/// A step along a path; array positions may be written as text.
fn position(value: &Value<'_>, key: &Value<'_>) -> Option<usize> {
    value.as_array()?;
    match key.as_i64() {
        Some(at) => usize::try_from(at).ok(),
        // Only plain digits, without zeros before them.
        None => {
            let digits = key.as_str()?;
            let at: usize = digits.parse().ok()?;
            (at.to_string() == digits).then_some(at)
        }
    }
}

fn child<'d>(value: &Value<'d>, key: &Value<'d>) -> Option<Value<'d>> {
    match position(value, key) {
        Some(at) => value.as_array()?.get(at).cloned(),
        None => value.get(key),
    }
}

/// Paths that share their beginnings.
#[derive(Default)]
struct Tree<'d> {
    whole: bool,
    below: Vec<(Value<'d>, Tree<'d>)>,
}

impl<'d> Tree<'d> {
    fn of(paths: &[Path<'d>]) -> Tree<'d> {
        let mut out = Tree::default();
        for path in paths {
            let mut at = &mut out;
            for key in path {
                let found = at.below.iter().position(|(k, _)| k == key);
                let found = found.unwrap_or_else(|| {
                    at.below.push((key.clone(), Tree::default()));
                    at.below.len() - 1
                });
                at = &mut at.below[found].1;
            }
            at.whole = true;
        }
        out
    }
}

fn filter<'d>(value: &Value<'d>, tree: &Tree<'d>) -> Value<'d> {
    if tree.whole {
        return value.clone();
    }
    let kept = |key: &Value<'d>| tree.below.iter().find(|(k, _)| k == key).map(|(_, below)| below);
    if let Some(items) = value.as_array() {
        let mut out = Vec::new();
        for (i, item) in items.iter().enumerate() {
            let below = kept(&Value::usize(i)).or_else(|| kept(&Value::str(i.to_string())));
            if let Some(below) = below {
                out.push(filter(item, below));
            }
        }
        return Value::array(out);
    }
    if let Some(items) = value.as_set() {
        let out = items.iter().filter_map(|item| Some(filter(item, kept(item)?)));
        return Value::set(out.collect());
    }
    match value.as_object() {
        Some(members) => Value::object(
            members
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), filter(value, kept(key)?))))
                .collect(),
        ),
        None => value.clone(),
    }
}

fn remove<'d>(value: &Value<'d>, path: &[Value<'d>]) -> Value<'d> {
    let Some((key, rest)) = path.split_first() else {
        return value.clone();
    };
    let Some(found) = child(value, key) else {
        return value.clone();
    };
    let new = if rest.is_empty() {
        None
    } else {
        Some(remove(&found, rest))
    };
    replaced(value, key, new)
}

/// A container with one entry replaced or taken away.
fn replaced<'d>(value: &Value<'d>, key: &Value<'d>, new: Option<Value<'d>>) -> Value<'d> {
    if let Some(at) = position(value, key) {
        let mut items = value.as_array().map_or_else(Vec::new, |items| items.to_vec());
        if at < items.len() {
            match new {
                Some(new) => items[at] = new,
                None => {
                    items.remove(at);
                }
            }
        }
        return Value::array(items);
    }
    if let Some(items) = value.as_set() {
        let kept = items.iter().filter(|item| *item != key).cloned();
        return Value::set(kept.chain(new).collect());
    }
    let members = value.as_object().unwrap_or_default();
    let kept = members.iter().filter(|(k, _)| k != key).cloned();
    Value::object(kept.chain(new.map(|new| (key.clone(), new))).collect())
}

fn at_path<'d>(value: &Value<'d>, path: &[Value<'d>]) -> Option<Value<'d>> {
    path.iter().try_fold(value.clone(), |at, key| child(&at, key))
}

/// Puts a value at a path: arrays grow, all else is replaced.
fn add<'d>(value: &Value<'d>, path: &[Value<'d>], new: Value<'d>) -> Option<Value<'d>> {
    let Some((key, rest)) = path.split_first() else {
        return Some(new);
    };
    if !rest.is_empty() {
        let inner = add(&child(value, key)?, rest, new)?;
        return Some(replaced(value, key, Some(inner)));
    }
    if let Some(items) = value.as_array() {
        let mut items = items.to_vec();
        let at = if key.as_str() == Some("-") {
            items.len()
        } else {
            position(value, key).filter(|at| *at <= items.len())?
        };
        items.insert(at, new);
        return Some(Value::array(items));
    }
    match value.kind() {
        Type::Set if new == *key => Some(Value::set(value.as_set()?.iter().cloned().chain([new]).collect())),
        Type::Object => Some(replaced(value, key, Some(new))),
        _ => None,
    }
}

fn patch<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let mut out = a[0].clone();
    for operation in array(a, 1)?.iter() {
        env.work(64)?;
        if operation.kind() != Type::Object {
            return Err(Fault::value(
                "must be an array of JSON-Patch objects, but at least one element is not an object",
            ));
        }
        let field = |name: &str| {
            let missing = || Fault::value(format!("missing required attribute '{name}'"));
            operation.field(name).ok_or_else(missing)
        };
        let op = field("op")?;
        let to = path(&field("path")?)?;
        let from = || path(&field("from")?);
        let gone = || Fault::value("the path does not exist");
        out = match op.as_str() {
            Some("add") => add(&out, &to, field("value")?).ok_or_else(gone)?,
            Some("remove") => {
                at_path(&out, &to).ok_or_else(gone)?;
                remove(&out, &to)
            }
            Some("replace") => {
                at_path(&out, &to).ok_or_else(gone)?;
                let new = field("value")?;
                if to.is_empty() {
                    new
                } else {
                    add(&remove(&out, &to), &to, new).ok_or_else(gone)?
                }
            }
            Some("move") => {
                let from = from()?;
                let value = at_path(&out, &from).ok_or_else(gone)?;
                add(&remove(&out, &from), &to, value).ok_or_else(gone)?
            }
            Some("copy") => {
                let value = at_path(&out, &from()?).ok_or_else(gone)?;
                add(&out, &to, value).ok_or_else(gone)?
            }
            Some("test") => {
                if at_path(&out, &to) != Some(field("value")?) {
                    return Err(Fault::value("the value is not the one that was tested for"));
                }
                out
            }
            _ => return Err(Fault::value(format!("unrecognized op {op}"))),
        };
    }
    Ok(out)
}
