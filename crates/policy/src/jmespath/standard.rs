//! The functions of the JMESPath specification, and Kyverno's over lists and objects.

use std::borrow::Cow;
use std::cmp::Ordering;

use ridgeway_doc::Number;

use super::function::{array, number, string, wrong};
use super::{Ast, Evaluator, Fault, Val};
use crate::kyverno::wildcard;

type Answer<'a> = Result<Val<'a>, Fault>;

pub(super) fn abs<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::float(number("abs", args, 0)?.abs()))
}

pub(super) fn ceil<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::float(number("ceil", args, 0)?.ceil()))
}

pub(super) fn floor<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::float(number("floor", args, 0)?.floor()))
}

pub(super) fn avg<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let items = array("avg", args, 0)?;
    if items.is_empty() {
        return Ok(Val::Null);
    }
    let mut sum = 0.0;
    for (i, _) in items.iter().enumerate() {
        sum += number("avg", &items, i)?;
    }
    Ok(Val::float(sum / items.len() as f64))
}

pub(super) fn contains<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match &args[0] {
        Val::Str(text) => Ok(Val::Bool(args[1].as_str().is_some_and(|part| text.contains(part)))),
        list if list.is_array() => Ok(Val::Bool(list.items().iter().any(|item| item.same(&args[1])))),
        _ => wrong("contains", args, 0, "an array or a string"),
    }
}

pub(super) fn length<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    match &args[0] {
        Val::Null | Val::Bool(_) | Val::Number(_) | Val::Scope => {
            wrong("length", args, 0, "a string, an array or an object")
        }
        other => Ok(Val::Number(Number::Int(other.len() as i64))),
    }
}

pub(super) fn keys<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    if !args[0].is_object() {
        return wrong("keys", args, 0, "an object");
    }
    Ok(Val::array(
        args[0].members().into_iter().map(|(key, _)| Val::Str(key)).collect(),
    ))
}

pub(super) fn values<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    if !args[0].is_object() {
        return wrong("values", args, 0, "an object");
    }
    Ok(Val::array(
        args[0].members().into_iter().map(|(_, value)| value).collect(),
    ))
}

pub(super) fn not_null<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(args.iter().find(|v| !v.is_null()).cloned().unwrap_or(Val::Null))
}

pub(super) fn type_of<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::str(args[0].type_name()))
}

pub(super) fn to_array<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(if args[0].is_array() {
        args[0].clone()
    } else {
        Val::array(vec![args[0].clone()])
    })
}

pub(super) fn to_string<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::text(args[0].render()))
}

pub(super) fn to_number<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(match &args[0] {
        Val::Number(n) => Val::Number(*n),
        Val::Str(text) => match Number::parse(text) {
            Some(number) => Val::Number(number),
            None => text.parse::<f64>().map_or(Val::Null, Val::float),
        },
        _ => Val::Null,
    })
}

pub(super) fn reverse<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    if let Some(text) = args[0].as_str() {
        return Ok(Val::text(text.chars().rev().collect::<String>()));
    }
    let mut items = array("reverse", args, 0)?;
    items.reverse();
    Ok(Val::array(items))
}

/// The members of all objects; those of later ones win.
pub(super) fn merge<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let mut out: Vec<(Cow<'a, str>, Val<'a>)> = Vec::new();
    for (i, object) in args.iter().enumerate() {
        if !object.is_object() {
            return wrong("merge", args, i, "an object");
        }
        for (key, value) in object.members() {
            match out.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => out.push((key, value)),
            }
        }
    }
    Ok(Val::object(out))
}

fn order<'a>(name: &str, a: &Val<'a>, b: &Val<'a>) -> Result<Ordering, Fault> {
    match (a, b) {
        (Val::Number(a), Val::Number(b)) => Ok(a.as_f64().total_cmp(&b.as_f64())),
        (Val::Str(a), Val::Str(b)) => Ok(a.cmp(b)),
        _ => Fault::invalid(format!(
            "`{name}` compares numbers with numbers or strings with strings"
        )),
    }
}

fn sorted<'a, T>(name: &str, mut items: Vec<T>, key: impl Fn(&T) -> &Val<'a>) -> Result<Vec<T>, Fault> {
    for pair in items.windows(2) {
        order(name, key(&pair[0]), key(&pair[1]))?;
    }
    items.sort_by(|a, b| order(name, key(a), key(b)).unwrap_or(Ordering::Equal));
    Ok(items)
}

pub(super) fn sort<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::array(sorted("sort", array("sort", args, 0)?, |v| v)?))
}

pub(super) fn max<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(sorted("max", array("max", args, 0)?, |v| v)?.pop().unwrap_or(Val::Null))
}

pub(super) fn min<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(sorted("min", array("min", args, 0)?, |v| v)?
        .into_iter()
        .next()
        .unwrap_or(Val::Null))
}

/// Items with the values of a `&reference` for each.
fn keyed<'a>(
    eval: &Evaluator<'_, 'a>,
    name: &str,
    items: Vec<Val<'a>>,
    reference: &Ast,
) -> Result<Vec<(Val<'a>, Val<'a>)>, Fault> {
    let Ast::Reference(ast) = reference else {
        return Fault::invalid(format!("`{name}` takes an expression with `&` before it"));
    };
    items
        .into_iter()
        .map(|item| Ok((eval.or_null(ast, &item)?, item)))
        .collect()
}

fn by<'a>(eval: &Evaluator<'_, 'a>, name: &str, args: &[Val<'a>], asts: &[Ast]) -> Result<Vec<Val<'a>>, Fault> {
    let pairs = keyed(eval, name, array(name, args, 0)?, &asts[1])?;
    Ok(sorted(name, pairs, |(key, _)| key)?
        .into_iter()
        .map(|(_, item)| item)
        .collect())
}

pub(super) fn sort_by<'a>(eval: &Evaluator<'_, 'a>, args: &[Val<'a>], asts: &[Ast]) -> Answer<'a> {
    Ok(Val::array(by(eval, "sort_by", args, asts)?))
}

pub(super) fn max_by<'a>(eval: &Evaluator<'_, 'a>, args: &[Val<'a>], asts: &[Ast]) -> Answer<'a> {
    Ok(by(eval, "max_by", args, asts)?.pop().unwrap_or(Val::Null))
}

pub(super) fn min_by<'a>(eval: &Evaluator<'_, 'a>, args: &[Val<'a>], asts: &[Ast]) -> Answer<'a> {
    Ok(by(eval, "min_by", args, asts)?.into_iter().next().unwrap_or(Val::Null))
}

pub(super) fn map<'a>(eval: &Evaluator<'_, 'a>, args: &[Val<'a>], asts: &[Ast]) -> Answer<'a> {
    let pairs = keyed(eval, "map", array("map", args, 1)?, &asts[0])?;
    Ok(Val::array(pairs.into_iter().map(|(value, _)| value).collect()))
}

pub(super) fn zip<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let lists = (0..args.len())
        .map(|i| array("zip", args, i))
        .collect::<Result<Vec<_>, _>>()?;
    let len = lists.iter().map(Vec::len).min().unwrap_or(0);
    Ok(Val::array(
        (0..len)
            .map(|i| Val::array(lists.iter().map(|list| list[i].clone()).collect()))
            .collect(),
    ))
}

/// `lookup(object_or_array, key_or_index)`
pub(super) fn lookup<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(match &args[1] {
        Val::Str(key) if args[0].is_object() => args[0].get(key),
        Val::Number(index) if args[0].is_array() => index.as_i64().and_then(|i| args[0].item(i)),
        _ => return wrong("lookup", args, 1, "a key of an object or an index of an array"),
    }
    .unwrap_or(Val::Null))
}

/// `items(object_or_array, key_name, value_name)`: members as small objects.
pub(super) fn items<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (key_name, value_name) = (
        string("items", args, 1)?.to_owned(),
        string("items", args, 2)?.to_owned(),
    );
    let pair = |key, value| {
        Val::object(vec![
            (Cow::Owned(key_name.clone()), key),
            (Cow::Owned(value_name.clone()), value),
        ])
    };
    if args[0].is_array() {
        let items = args[0].items().into_iter().enumerate();
        return Ok(Val::array(
            items
                .map(|(i, v)| pair(Val::Number(Number::Int(i as i64)), v))
                .collect(),
        ));
    }
    if !args[0].is_object() {
        return wrong("items", args, 0, "an object or an array");
    }
    let mut members = args[0].members();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Val::array(
        members.into_iter().map(|(k, v)| pair(Val::Str(k), v)).collect(),
    ))
}

pub(super) fn object_from_lists<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (keys, values) = (
        array("object_from_lists", args, 0)?,
        array("object_from_lists", args, 1)?,
    );
    let mut out = Vec::with_capacity(keys.len());
    for (i, key) in keys.iter().enumerate() {
        let key = string("object_from_lists", &keys, i).map(|_| key.render().into_owned())?;
        out.push((Cow::Owned(key), values.get(i).cloned().unwrap_or(Val::Null)));
    }
    Ok(Val::object(out))
}

/// Whether all labels of the first object are on the second; values may hold wildcards.
pub(super) fn label_match<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    for (i, value) in args.iter().enumerate() {
        if !value.is_object() {
            return wrong("label_match", args, i, "an object");
        }
    }
    let all = args[0].members().iter().all(|(key, want)| {
        let (want, have) = (want.as_str(), args[1].get(key));
        matches!((want, have.as_ref().and_then(Val::as_str)), (Some(w), Some(h)) if wildcard(w, h))
    });
    Ok(Val::Bool(all))
}
