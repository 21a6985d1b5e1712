//! Equality and order across representations and number types.

use std::cmp::Ordering;

use super::value::Cel;

impl Cel<'_> {
    /// Equality; values of different types are different, but numbers are compared by what they count.
    pub(crate) fn same(&self, other: &Cel<'_>) -> bool {
        match (self, other) {
            (Cel::Null, Cel::Null) => true,
            (Cel::Bool(a), Cel::Bool(b)) => a == b,
            (Cel::Text(a), Cel::Text(b)) => a == b,
            (Cel::Bytes(a), Cel::Bytes(b)) => a == b,
            (Cel::Duration(a), Cel::Duration(b)) => a == b,
            (Cel::Time(a), Cel::Time(b)) => a == b,
            (Cel::Quantity(a), Cel::Quantity(b)) => a == b,
            (Cel::Type(a), Cel::Type(b)) => a == b,
            (Cel::Url(a), Cel::Url(b)) => a == b,
            (Cel::Ip(a), Cel::Ip(b)) => a.to_canonical() == b.to_canonical(),
            (Cel::Cidr(a, m), Cel::Cidr(b, n)) => a == b && m == n,
            (Cel::Semver(a), Cel::Semver(b)) => a == b,
            (Cel::Enum(a, m), Cel::Enum(b, n)) => a == b && m == n,
            (Cel::Message(a), Cel::Message(b)) => a.same(b),
            (Cel::Optional(a), Cel::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() && b.is_none(),
            },
            (a, b) if a.is_list() && b.is_list() => {
                a.len() == b.len()
                    && (0..a.len()).all(|i| matches!((a.item(i), b.item(i)), (Some(a), Some(b)) if a.same(&b)))
            }
            (a, b) if a.is_map() && b.is_map() => {
                a.len() == b.len() && a.members().iter().all(|(k, v)| b.index(k).is_some_and(|o| v.same(&o)))
            }
            (a, b) => a.order_of_numbers(b) == Some(Ordering::Equal),
        }
    }

    /// Order of values of one kind; `None` when they have none.
    pub(crate) fn order(&self, other: &Cel<'_>) -> Option<Ordering> {
        match (self, other) {
            (Cel::Text(a), Cel::Text(b)) => Some((**a).cmp(&**b)),
            (Cel::Bool(a), Cel::Bool(b)) => Some(a.cmp(b)),
            (Cel::Bytes(a), Cel::Bytes(b)) => Some(a.cmp(b)),
            (Cel::Duration(a), Cel::Duration(b)) => Some(a.cmp(b)),
            (Cel::Time(a), Cel::Time(b)) => Some(a.cmp(b)),
            (Cel::Quantity(a), Cel::Quantity(b)) => Some(a.cmp(b)),
            (a, b) => a.order_of_numbers(b),
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Cel::Int(_) | Cel::Uint(_) | Cel::Double(_))
    }

    fn order_of_numbers(&self, other: &Cel<'_>) -> Option<Ordering> {
        match (self, other) {
            (Cel::Int(a), Cel::Int(b)) => Some(a.cmp(b)),
            (Cel::Uint(a), Cel::Uint(b)) => Some(a.cmp(b)),
            (Cel::Int(a), Cel::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Cel::Uint(a), Cel::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Cel::Double(a), Cel::Double(b)) => a.partial_cmp(b),
            (Cel::Int(a), Cel::Double(b)) => (*a as f64).partial_cmp(b),
            (Cel::Double(a), Cel::Int(b)) => a.partial_cmp(&(*b as f64)),
            (Cel::Uint(a), Cel::Double(b)) => (*a as f64).partial_cmp(b),
            (Cel::Double(a), Cel::Uint(b)) => a.partial_cmp(&(*b as f64)),
            _ => None,
        }
    }

    /// The number as a double.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Cel::Int(i) => Some(*i as f64),
            Cel::Uint(u) => Some(*u as f64),
            Cel::Double(d) => Some(*d),
            _ => None,
        }
    }
}
