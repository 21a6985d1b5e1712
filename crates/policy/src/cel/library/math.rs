//! Mathematics.

use std::cmp::Ordering;

use crate::cel::eval::{Answer, Fault, fail};
use crate::cel::value::Cel;

use super::overload;

pub(super) fn call<'a>(name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let overflow = || Fault::invalid("integer overflow");
    Ok(match (name, arguments) {
        ("greatest" | "least", [list]) if list.is_list() => return extreme(name, &list.items()),
        ("greatest" | "least", values) => return extreme(name, values),
        ("ceil", [Cel::Double(d)]) => Cel::Double(d.ceil()),
        ("floor", [Cel::Double(d)]) => Cel::Double(d.floor()),
        ("round", [Cel::Double(d)]) => Cel::Double(d.round()),
        ("trunc", [Cel::Double(d)]) => Cel::Double(d.trunc()),
        ("isInf", [Cel::Double(d)]) => Cel::Bool(d.is_infinite()),
        ("isNaN", [Cel::Double(d)]) => Cel::Bool(d.is_nan()),
        ("isFinite", [Cel::Double(d)]) => Cel::Bool(d.is_finite()),
        ("abs", [Cel::Int(i)]) => Cel::Int(i.checked_abs().ok_or_else(overflow)?),
        ("abs", [Cel::Uint(u)]) => Cel::Uint(*u),
        ("abs", [Cel::Double(d)]) => Cel::Double(d.abs()),
        ("sign", [Cel::Int(i)]) => Cel::Int(i.signum()),
        ("sign", [Cel::Uint(u)]) => Cel::Uint(u64::from(*u > 0)),
        ("sign", [Cel::Double(d)]) => Cel::Double(if d.is_nan() || *d == 0.0 { *d } else { d.signum() }),
        ("sqrt", [value]) if value.number().is_some() => Cel::Double(value.number().unwrap_or_default().sqrt()),
        ("bitAnd", [Cel::Int(a), Cel::Int(b)]) => Cel::Int(a & b),
        ("bitAnd", [Cel::Uint(a), Cel::Uint(b)]) => Cel::Uint(a & b),
        ("bitOr", [Cel::Int(a), Cel::Int(b)]) => Cel::Int(a | b),
        ("bitOr", [Cel::Uint(a), Cel::Uint(b)]) => Cel::Uint(a | b),
        ("bitXor", [Cel::Int(a), Cel::Int(b)]) => Cel::Int(a ^ b),
        ("bitXor", [Cel::Uint(a), Cel::Uint(b)]) => Cel::Uint(a ^ b),
        ("bitNot", [Cel::Int(i)]) => Cel::Int(!i),
        ("bitNot", [Cel::Uint(u)]) => Cel::Uint(!u),
        ("bitShiftLeft" | "bitShiftRight", [Cel::Int(_) | Cel::Uint(_), Cel::Int(by)]) if *by < 0 => {
            return fail(format!("math.{name} has a negative offset: {by}"));
        }
        ("bitShiftLeft", [Cel::Int(i), Cel::Int(by)]) => Cel::Int(if *by > 63 { 0 } else { i << by }),
        ("bitShiftLeft", [Cel::Uint(u), Cel::Int(by)]) => Cel::Uint(if *by > 63 { 0 } else { u << by }),
        // Bits are moved as they stand, without regard to the sign.
        ("bitShiftRight", [Cel::Int(i), Cel::Int(by)]) => {
            Cel::Int(if *by > 63 { 0 } else { ((*i as u64) >> by) as i64 })
        }
        ("bitShiftRight", [Cel::Uint(u), Cel::Int(by)]) => Cel::Uint(if *by > 63 { 0 } else { u >> by }),
        _ => return overload(&format!("math.{name}"), None, arguments),
    })
}

fn extreme<'a>(name: &str, values: &[Cel<'a>]) -> Answer<'a> {
    let wanted = if name == "greatest" {
        Ordering::Greater
    } else {
        Ordering::Less
    };
    let mut out: Option<&Cel<'a>> = None;
    for value in values {
        if !value.is_number() {
            return overload(&format!("math.{name}"), None, values);
        }
        if out.is_none_or(|best| value.order(best) == Some(wanted)) {
            out = Some(value);
        }
    }
    match out {
        Some(value) => Ok(value.clone()),
        None => fail(format!("math.{name} needs at least one number")),
    }
}
