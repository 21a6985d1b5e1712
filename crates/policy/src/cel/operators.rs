//! Operators.

use std::cmp::Ordering;

use super::ast::Operator;
use super::eval::{Answer, Fault, fail};
use super::library::time;
use super::value::Cel;

fn overload<'a>(operator: Operator, left: &Cel<'a>, right: &Cel<'a>) -> Answer<'a> {
    fail(format!(
        "no such overload: {} {} {}",
        left.type_name(),
        operator.sign(),
        right.type_name()
    ))
}

/// `-value`
pub(super) fn negate<'a>(value: &Cel<'a>) -> Answer<'a> {
    match value {
        Cel::Int(i) => whole(i.checked_neg().map(Cel::Int)),
        Cel::Double(d) => Ok(Cel::Double(-d)),
        other => fail(format!("no such overload: -{}", other.type_name())),
    }
}

fn whole<'a>(value: Option<Cel<'a>>) -> Answer<'a> {
    value.ok_or_else(|| Fault::invalid("integer overflow"))
}

pub(super) fn binary<'a>(operator: Operator, left: &Cel<'a>, right: &Cel<'a>) -> Answer<'a> {
    let ordered = |wanted: fn(Ordering) -> bool| match left.order(right) {
        Some(order) => Ok(Cel::Bool(wanted(order))),
        // NaN is less than nothing, and nothing is less than it.
        None if left.is_number() && right.is_number() => Ok(Cel::Bool(false)),
        None => overload(operator, left, right),
    };
    match operator {
        Operator::Equal => Ok(Cel::Bool(left.same(right))),
        Operator::NotEqual => Ok(Cel::Bool(!left.same(right))),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::In => contains(left, right),
        Operator::Add => match (left, right) {
            (Cel::Text(a), Cel::Text(b)) => Ok(Cel::text([&**a, &**b].concat())),
            (Cel::Bytes(a), Cel::Bytes(b)) => Ok(Cel::Bytes([&**a, &**b].concat().into())),
            (Cel::Duration(a), Cel::Duration(b)) => duration(i128::from(*a) + i128::from(*b)),
            (Cel::Time(t), Cel::Duration(d)) | (Cel::Duration(d), Cel::Time(t)) => {
                time::checked(**t + i128::from(*d)).map(Cel::time)
            }
            (a, b) if a.is_list() && b.is_list() && b.len() == 0 => Ok(a.clone()),
            (a, b) if a.is_list() && b.is_list() && a.len() == 0 => Ok(b.clone()),
            (a, b) if a.is_list() && b.is_list() => {
                let mut items = a.items();
                items.extend(b.items());
                Ok(Cel::list(items))
            }
            _ => arithmetic(operator, left, right),
        },
        Operator::Subtract => match (left, right) {
            (Cel::Duration(a), Cel::Duration(b)) => duration(i128::from(*a) - i128::from(*b)),
            (Cel::Time(t), Cel::Duration(d)) => time::checked(**t - i128::from(*d)).map(Cel::time),
            (Cel::Time(a), Cel::Time(b)) => duration(**a - **b),
            _ => arithmetic(operator, left, right),
        },
        _ => arithmetic(operator, left, right),
    }
}

fn duration<'a>(nanos: i128) -> Answer<'a> {
    match i64::try_from(nanos) {
        Ok(nanos) => Ok(Cel::Duration(nanos)),
        Err(_) => fail("the duration is out of range"),
    }
}

fn contains<'a>(item: &Cel<'a>, range: &Cel<'a>) -> Answer<'a> {
    Ok(Cel::Bool(match range {
        Cel::List(items) => items.iter().any(|other| other.same(item)),
        Cel::Node(node) if node.is_array() => node.items().any(|other| Cel::of(other).same(item)),
        range if range.is_map() => range.index(item).is_some(),
        _ => return overload(Operator::In, item, range),
    }))
}

/// Arithmetic of numbers of one type.
fn arithmetic<'a>(operator: Operator, left: &Cel<'a>, right: &Cel<'a>) -> Answer<'a> {
    let zero = matches!((left, right), (Cel::Int(_), Cel::Int(0)) | (Cel::Uint(_), Cel::Uint(0)));
    if zero && matches!(operator, Operator::Divide | Operator::Modulo) {
        return fail(if operator == Operator::Divide {
            "division by zero"
        } else {
            "modulus by zero"
        });
    }
    match (left, right) {
        (Cel::Int(a), Cel::Int(b)) => whole(
            match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                Operator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Cel::Int),
        ),
        (Cel::Uint(a), Cel::Uint(b)) => whole(
            match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                Operator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Cel::Uint),
        ),
        (Cel::Double(a), Cel::Double(b)) if operator != Operator::Modulo => Ok(Cel::Double(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            _ => a / b,
        })),
        _ => overload(operator, left, right),
    }
}
