//! Functions of lists.

use std::cmp::Ordering;

use crate::cel::eval::{Answer, Fault, fail};
use crate::cel::text::Joined;
use crate::cel::value::Cel;

use super::overload;

pub(super) fn method<'a>(list: &Cel<'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    match (name, arguments) {
        ("join", []) => return join(list, ""),
        ("join", [Cel::Text(glue)]) => return join(list, glue),
        _ => {}
    }
    let items = list.items();
    Ok(match (name, arguments) {
        ("includes", [value]) => Cel::Bool(items.iter().any(|item| item.same(value))),
        ("unwrapOpt", []) => return unwrap(&items),
        ("isSorted", []) => Cel::Bool(items.windows(2).all(|w| w[0].order(&w[1]).is_some_and(Ordering::is_le))),
        ("sum", []) => return sum(&items),
        ("min", []) => return extreme(&items, Ordering::Less),
        ("max", []) => return extreme(&items, Ordering::Greater),
        ("indexOf", [value]) => place(items.iter().position(|item| item.same(value))),
        ("lastIndexOf", [value]) => place(items.iter().rposition(|item| item.same(value))),
        ("contains", [value]) => Cel::Bool(items.iter().any(|item| item.same(value))),
        ("distinct", []) => {
            let mut out: Vec<Cel<'a>> = Vec::new();
            for item in items {
                if !out.iter().any(|seen| seen.same(&item)) {
                    out.push(item);
                }
            }
            Cel::list(out)
        }
        ("flatten", []) => Cel::list(flat(items, 1)),
        ("flatten", [Cel::Int(depth)]) if *depth < 0 => return fail("flatten needs a depth that is not negative"),
        ("flatten", [Cel::Int(depth)]) => Cel::list(flat(items, (*depth).min(64))),
        ("reverse", []) => Cel::list(items.into_iter().rev().collect()),
        ("sort", []) => {
            let mut items = items;
            if let Some(pair) = items.windows(2).find(|pair| items[0].order(&pair[1]).is_none()) {
                let (a, b) = (pair[0].type_name(), pair[1].type_name());
                return fail(format!(
                    "sort needs items of one type that has an order: a {a} is not compared with a {b}"
                ));
            }
            items.sort_by(|a, b| a.order(b).unwrap_or(Ordering::Equal));
            Cel::list(items)
        }
        ("slice", [Cel::Int(from), Cel::Int(to)]) => match (usize::try_from(*from), usize::try_from(*to)) {
            (Ok(from), Ok(to)) if from <= to && to <= items.len() => Cel::list(items[from..to].to_vec()),
            _ => return fail(format!("slice {from} to {to} of a list of {}", items.len())),
        },
        ("first", []) => Cel::Optional(items.into_iter().next().map(Into::into)),
        ("last", []) => Cel::Optional(items.into_iter().next_back().map(Into::into)),
        _ => return overload(name, Some(list), arguments),
    })
}

fn place<'a>(found: Option<usize>) -> Cel<'a> {
    Cel::Int(found.map_or(-1, |at| at as i64))
}

fn join<'a>(list: &Cel<'a>, glue: &str) -> Answer<'a> {
    let mut out = Joined::take();
    let mut add = |at: usize, text: Option<&str>| {
        if at > 0 {
            out.push_str(glue);
        }
        match text {
            Some(text) => out.push_str(text),
            None => {
                let item = list.item(at).unwrap_or(Cel::Null);
                return fail(format!("join is for lists of strings, not of {}", item.type_name()));
            }
        }
        Ok(())
    };
    match list {
        Cel::Node(node) => node
            .items()
            .enumerate()
            .try_for_each(|(at, item)| add(at, item.as_str()))?,
        Cel::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| add(at, item.as_str()))?,
        _ => {}
    }
    Ok(Cel::text(&**out))
}

/// The values of the optionals that have one.
pub(super) fn unwrap<'a>(items: &[Cel<'a>]) -> Answer<'a> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Cel::Optional(inner) => out.extend(inner.as_ref().map(|inner| (**inner).clone())),
            other => return fail(format!("unwrap needs optionals, not a {}", other.type_name())),
        }
    }
    Ok(Cel::list(out))
}

fn flat<'a>(items: Vec<Cel<'a>>, depth: i64) -> Vec<Cel<'a>> {
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        if item.is_list() && depth > 0 {
            out.extend(flat(item.items(), depth - 1))
        } else {
            out.push(item)
        }
    }
    out
}

fn sum<'a>(items: &[Cel<'a>]) -> Answer<'a> {
    let overflow = || Fault::invalid("the sum overflows");
    let mut total: Option<Cel<'a>> = None;
    for item in items {
        total = Some(match (total, item) {
            (None, item) => item.clone(),
            (Some(Cel::Int(a)), Cel::Int(b)) => Cel::Int(a.checked_add(*b).ok_or_else(overflow)?),
            (Some(Cel::Uint(a)), Cel::Uint(b)) => Cel::Uint(a.checked_add(*b).ok_or_else(overflow)?),
            (Some(Cel::Double(a)), Cel::Double(b)) => Cel::Double(a + b),
            (Some(Cel::Duration(a)), Cel::Duration(b)) => Cel::Duration(a.checked_add(*b).ok_or_else(overflow)?),
            (Some(other), item) => {
                return fail(format!(
                    "sum cannot add a {} to a {}",
                    item.type_name(),
                    other.type_name()
                ));
            }
        });
    }
    Ok(total.unwrap_or(Cel::Int(0)))
}

fn extreme<'a>(items: &[Cel<'a>], wanted: Ordering) -> Answer<'a> {
    let mut out: Option<&Cel<'a>> = None;
    for item in items {
        if out.is_none_or(|best| item.order(best) == Some(wanted)) {
            out = Some(item);
        }
    }
    match out {
        Some(value) => Ok(value.clone()),
        None => fail("min and max need a list that is not empty"),
    }
}
