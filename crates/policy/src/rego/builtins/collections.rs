//! Arrays, sets and graphs.

use std::collections::{BTreeMap, BTreeSet};

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::Value;
use super::{Answer, Builtin, Env, array, builtin, integer, list, object, set, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("count", 1, |_, a| match (a[0].len(), a[0].as_str()) {
        (Some(len), _) => Ok(Value::usize(len)),
        (None, Some(text)) => Ok(Value::usize(text.chars().count())),
        _ => Err(wrong(0, "one of {array, object, set, string}", &a[0])),
    }),
    builtin("sum", 1, |_, a| fold(a, Num::Int(0), Num::add)),
    builtin("product", 1, |_, a| fold(a, Num::Int(1), Num::mul)),
    builtin("max", 1, |_, a| {
        list(a, 0)?.iter().max().cloned().ok_or(Fault::Undefined)
    }),
    builtin("min", 1, |_, a| {
        list(a, 0)?.iter().min().cloned().ok_or(Fault::Undefined)
    }),
    builtin("sort", 1, |env, a| {
        let mut items = list(a, 0)?.to_vec();
        env.work(items.len() * 16)?;
        items.sort();
        Ok(Value::array(items))
    }),
    builtin("all", 1, |_, a| {
        let items = list(a, 0)?;
        Ok(Value::Bool(items.iter().all(|item| matches!(item, Value::Bool(true)))))
    }),
    builtin("any", 1, |_, a| {
        let items = list(a, 0)?;
        Ok(Value::Bool(items.iter().any(|item| matches!(item, Value::Bool(true)))))
    }),
    builtin("array.concat", 2, |env, a| {
        let mut out = array(a, 0)?.to_vec();
        out.extend(array(a, 1)?.iter().cloned());
        env.work(out.len())?;
        Ok(Value::array(out))
    }),
    builtin("array.slice", 3, |_, a| {
        let items = array(a, 0)?;
        let bound = |at: usize| -> Result<usize, Fault> {
            let at = integer(a, at)?.max(0);
            Ok(usize::try_from(at).unwrap_or(usize::MAX).min(items.len()))
        };
        let (from, to) = (bound(1)?, bound(2)?);
        Ok(Value::array(items.get(from..to).unwrap_or_default().to_vec()))
    }),
    builtin("array.reverse", 1, |_, a| {
        let mut items = array(a, 0)?.to_vec();
        items.reverse();
        Ok(Value::array(items))
    }),
    builtin("array.flatten", 1, |_, a| {
        let mut out = Vec::new();
        for item in array(a, 0)?.iter() {
            match item.as_array() {
                Some(inner) => out.extend(inner.iter().cloned()),
                None => out.push(item.clone()),
            }
        }
        Ok(Value::array(out))
    }),
    builtin("and", 2, |_, a| {
        let (x, y) = (set(a, 0)?, set(a, 1)?);
        let both = x.iter().filter(|item| y.binary_search(item).is_ok());
        Ok(Value::set(both.cloned().collect()))
    }),
    builtin("or", 2, |env, a| {
        let mut out = set(a, 0)?.to_vec();
        out.extend(set(a, 1)?.iter().cloned());
        env.work(out.len())?;
        Ok(Value::set(out))
    }),
    builtin("set_diff", 2, |_, a| {
        let (x, y) = (set(a, 0)?, set(a, 1)?);
        let left = x.iter().filter(|item| y.binary_search(item).is_err());
        Ok(Value::set(left.cloned().collect()))
    }),
    builtin("union", 1, |env, a| {
        let mut out = Vec::new();
        for item in set(a, 0)?.iter() {
            let items = item.as_set().ok_or_else(|| element(item))?;
            env.work(items.len())?;
            out.extend(items.iter().cloned());
        }
        Ok(Value::set(out))
    }),
    builtin("intersection", 1, |_, a| {
        let mut out: Option<Vec<Value<'_>>> = None;
        for item in set(a, 0)?.iter() {
            let items = item.as_set().ok_or_else(|| element(item))?;
            out = Some(match out {
                None => items.to_vec(),
                Some(mut both) => {
                    both.retain(|item| items.binary_search(item).is_ok());
                    both
                }
            });
        }
        Ok(Value::set(out.unwrap_or_default()))
    }),
    builtin("internal.member_2", 2, |env, a| {
        env.work(a[1].len().unwrap_or(0))?;
        Ok(Value::Bool(match &a[1] {
            Value::Set(items) => items.binary_search(&a[0]).is_ok(),
            other => !other.each(|_, value| Ok::<bool, Fault>(value != a[0]))?,
        }))
    }),
    builtin("internal.member_3", 3, |_, a| {
        Ok(Value::Bool(a[2].get(&a[0]).is_some_and(|value| value == a[1])))
    }),
    builtin("graph.reachable", 2, reachable),
    builtin("graph.reachable_paths", 2, reachable_paths),
];

fn element(found: &Value<'_>) -> Fault {
    Fault::Type(format!(
        "operand 1 must be set of sets but got set containing {}",
        found.kind().name()
    ))
}

fn fold<'d>(a: &[Value<'d>], start: Num, op: fn(&Num, &Num) -> Num) -> Answer<'d> {
    let mut out = start;
    for item in list(a, 0)?.iter() {
        let Some(num) = item.as_num() else {
            let kind = if a[0].as_set().is_some() { "set" } else { "array" };
            let of = item.kind().name();
            return Err(Fault::Type(format!(
                "operand 1 must be {kind} of numbers but got {kind} containing {of}"
            )));
        };
        out = op(&out, num);
    }
    Ok(Value::Num(out))
}

fn reachable<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let graph = object(a, 0)?;
    let edges: BTreeMap<_, _> = graph.iter().map(|(k, v)| (k, v)).collect();
    let mut queue = list(a, 1)?.to_vec();
    let mut seen = BTreeSet::new();
    while let Some(node) = queue.pop() {
        env.fuel.burn(1)?;
        let Some(next) = edges.get(&node) else { continue };
        if seen.insert(node) {
            queue.extend(next.as_list().unwrap_or_default().iter().cloned());
        }
    }
    Ok(Value::set(seen.into_iter().collect()))
}

fn reachable_paths<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    object(a, 0)?;
    let mut out = Vec::new();
    for start in list(a, 1)?.iter() {
        let Some(next) = a[0].get(start) else { continue };
        let next = next.as_list().unwrap_or_default();
        if next.is_empty() {
            out.push(Value::array(vec![start.clone()]));
        }
        // Each with the path that led to it.
        let mut left: Vec<(Vec<Value<'d>>, Value<'d>)> =
            next.iter().map(|node| (vec![start.clone()], node.clone())).collect();
        while let Some((mut path, node)) = left.pop() {
            env.fuel.burn(1 + path.len() as u64)?;
            // A path ends before what is not in the graph, and before what it has been to.
            let next = a[0].get(&node).filter(|_| path.len() == 1 || !path.contains(&node));
            let Some(next) = next else {
                out.push(Value::array(path));
                continue;
            };
            path.push(node);
            let next = next.as_list().unwrap_or_default();
            if next.is_empty() {
                out.push(Value::array(path));
                continue;
            }
            left.extend(next.iter().map(|node| (path.clone(), node.clone())));
        }
    }
    Ok(Value::set(out))
}
