//! What functions answered: asked the same again, they are not run again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::super::number::Num;
use super::super::value::Value;

/// How many answers are kept.
const KEPT: usize = 4096;

/// Answers by the function and its arguments. Containers count as the same only where they are the same in memory: the
/// answers hold on to them, so that no other can take their place.
#[derive(Clone, Default)]
pub(super) struct Calls<'d>(HashMap<u64, Box<Called<'d>>, BuildHasherDefault<Ready>>);

#[derive(Clone)]
struct Called<'d> {
    rule: usize,
    args: Box<[Value<'d>]>,
    answer: Option<Value<'d>>,
}

impl<'d> Calls<'d> {
    /// The answer to a call, where it is known.
    pub(super) fn get(&self, key: u64, rule: usize, args: &[Value<'d>]) -> Option<&Option<Value<'d>>> {
        let called = self.0.get(&key)?;
        let same = called.rule == rule && called.args.len() == args.len();
        (same && called.args.iter().zip(args).all(|(a, b)| is_same(a, b))).then_some(&called.answer)
    }

    /// Keeps an answer.
    pub(super) fn put(&mut self, key: u64, rule: usize, args: &[Value<'d>], answer: Option<Value<'d>>) {
        if self.0.len() < KEPT {
            let args = args.into();
            // Boxed, for a table that stays small is cheap to make.
            let called = Called { rule, args, answer };
            self.0.entry(key).or_insert_with(|| Box::new(called));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A number for a function and its arguments; `None` where these are not cheap to tell apart.
pub(super) fn key(rule: usize, args: &[Value<'_>]) -> Option<u64> {
    let mut key = mixed(0, rule as u64);
    for arg in args {
        key = match arg {
            Value::Null => mixed(key, 1),
            Value::Bool(yes) => mixed(key, 2 + u64::from(*yes)),
            Value::Num(Num::Int(int)) => mixed(key ^ 4, int.cast_unsigned()),
            Value::Num(_) => return None,
            Value::Text(text) => text_key(key, text)?,
            Value::Str(text) => text_key(key, text)?,
            Value::Node(node) => {
                let (whole, at) = node.place();
                mixed(mixed(key, whole as u64), u64::from(at))
            }
            Value::Array(items) | Value::Set(items) => mixed(key, Arc::as_ptr(items) as u64),
            Value::Object(members) => mixed(key, Arc::as_ptr(members) as u64),
        };
    }
    Some(key)
}

fn is_same(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Node(a), Value::Node(b)) => a.place() == b.place(),
        (Value::Array(a), Value::Array(b)) | (Value::Set(a), Value::Set(b)) => Arc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => Arc::ptr_eq(a, b),
        (
            Value::Node(_) | Value::Array(_) | Value::Set(_) | Value::Object(_),
            Value::Node(_) | Value::Array(_) | Value::Set(_) | Value::Object(_),
        ) => false,
        (a, b) => a == b,
    }
}

fn text_key(key: u64, text: &str) -> Option<u64> {
    const LONGEST: usize = 256;
    if text.len() > LONGEST {
        return None;
    }
    let mut key = mixed(key ^ 8, text.len() as u64);
    let mut chunks = text.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        key = mixed(key, chunk.try_into().map_or(0, u64::from_le_bytes));
    }
    let mut rest = [0; 8];
    let left = chunks.remainder();
    rest[..left.len()].copy_from_slice(left);
    Some(mixed(key, u64::from_le_bytes(rest)))
}

/// Two numbers to one, spread over all bits (the finalizer of splitmix64).
fn mixed(key: u64, more: u64) -> u64 {
    let mut z = key.rotate_left(23) ^ more.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

/// Keys are spread already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
