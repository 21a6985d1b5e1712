//! Values: borrowed documents and what rules make of them, in one order.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use ridgeway_doc::{Kind, Node, Number};

use super::number::Num;

/// A value. Containers of a document are read where they lie, until somebody looks into them.
///
/// The kind has a word of its own, so that values move word by word: bytes copied across the border of two writes wait
/// for both.
#[derive(Clone, Debug)]
#[repr(u64)]
pub(crate) enum Value<'d> {
    Null,
    Bool(bool),
    Num(Num),
    /// Text that lies in a document.
    Text(&'d str),
    Str(Arc<str>),
    Array(Arc<Vec<Value<'d>>>),
    /// Members, sorted by key.
    Object(Arc<Vec<(Value<'d>, Value<'d>)>>),
    /// Elements, sorted.
    Set(Arc<Vec<Value<'d>>>),
    /// An array or object of a document.
    Node(Node<'d>),
}

/// What kind of value it is, in the order of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Type {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
    Set,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Boolean => "boolean",
            Type::Number => "number",
            Type::String => "string",
            Type::Array => "array",
            Type::Object => "object",
            Type::Set => "set",
        }
    }
}

pub(crate) type Members<'d> = Arc<Vec<(Value<'d>, Value<'d>)>>;
pub(crate) type Items<'d> = Arc<Vec<Value<'d>>>;

impl<'d> Value<'d> {
    /// The same value, its text borrowed.
    #[inline]
    pub(crate) fn view(&'d self) -> Value<'d> {
        match self {
            Value::Str(text) => Value::Text(text),
            other => other.clone(),
        }
    }

    pub(crate) fn str(text: impl Into<Arc<str>>) -> Value<'d> {
        Value::Str(text.into())
    }

    pub(crate) fn int(int: i64) -> Value<'d> {
        Value::Num(Num::Int(int))
    }

    pub(crate) fn usize(int: usize) -> Value<'d> {
        Value::Num(Num::Int(i64::try_from(int).unwrap_or(i64::MAX)))
    }

    pub(crate) fn array(items: Vec<Value<'d>>) -> Value<'d> {
        Value::Array(Arc::new(items))
    }

    /// A set of elements in any order, with repetitions.
    pub(crate) fn set(mut items: Vec<Value<'d>>) -> Value<'d> {
        if !items.windows(2).all(|pair| pair[0] < pair[1]) {
            items.sort();
            items.dedup();
        }
        Value::Set(Arc::new(items))
    }

    /// An object of members in any order; a later member wins.
    pub(crate) fn object(mut members: Vec<(Value<'d>, Value<'d>)>) -> Value<'d> {
        if !members.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            members.reverse();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members.dedup_by(|a, b| a.0 == b.0);
        }
        Value::Object(Arc::new(members))
    }

    /// An object of named members.
    pub(crate) fn named<const N: usize>(members: [(&'static str, Value<'d>); N]) -> Value<'d> {
        Value::object(members.into_iter().map(|(k, v)| (Value::Text(k), v)).collect())
    }

    pub(crate) fn from_node(node: Node<'d>) -> Value<'d> {
        match node.kind() {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(node.as_bool() == Some(true)),
            Kind::Number => Value::Num(match node.as_number() {
                Some(Number::Int(int)) => Num::Int(int),
                Some(Number::Float(float)) => Num::Float(float),
                None => Num::Int(0),
            }),
            Kind::String => Value::Text(node.as_str().unwrap_or_default()),
            Kind::Array | Kind::Object => Value::Node(node),
        }
    }

    /// A copy that borrows nothing.
    pub(crate) fn to_owned(&self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(b) => Value::Bool(*b),
            Value::Num(n) => Value::Num(n.clone()),
            Value::Text(text) => Value::str(*text),
            Value::Str(text) => Value::Str(text.clone()),
            Value::Set(items) => Value::Set(Arc::new(items.iter().map(Value::to_owned).collect())),
            Value::Array(_) | Value::Object(_) | Value::Node(_) => {
                if let Some(items) = self.as_array() {
                    return Value::array(items.iter().map(Value::to_owned).collect());
                }
                let members = self.as_object().unwrap_or_default();
                let copy = members.iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
                Value::Object(Arc::new(copy.collect()))
            }
        }
    }

    pub(crate) fn kind(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Boolean,
            Value::Num(_) => Type::Number,
            Value::Text(_) | Value::Str(_) => Type::String,
            Value::Array(_) => Type::Array,
            Value::Object(_) => Type::Object,
            Value::Set(_) => Type::Set,
            Value::Node(node) if node.is_array() => Type::Array,
            Value::Node(_) => Type::Object,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_num(&self) -> Option<&Num> {
        match self {
            Value::Num(num) => Some(num),
            _ => None,
        }
    }

    pub(crate) fn as_i64(&self) -> Option<i64> {
        self.as_num().and_then(Num::as_i64)
    }

    pub(crate) fn is_false(&self) -> bool {
        matches!(self, Value::Bool(false))
    }

    pub(crate) fn as_array(&self) -> Option<Items<'d>> {
        match self {
            Value::Array(items) => Some(items.clone()),
            Value::Node(node) if node.is_array() => Some(Arc::new(node.items().map(Value::from_node).collect())),
            _ => None,
        }
    }

    pub(crate) fn as_set(&self) -> Option<Items<'d>> {
        match self {
            Value::Set(items) => Some(items.clone()),
            _ => None,
        }
    }

    /// The elements of an array or set.
    pub(crate) fn as_list(&self) -> Option<Items<'d>> {
        match self {
            Value::Set(items) => Some(items.clone()),
            _ => self.as_array(),
        }
    }

    pub(crate) fn as_object(&self) -> Option<Members<'d>> {
        match self {
            Value::Object(members) => Some(members.clone()),
            Value::Node(node) if node.is_object() => {
                let member = |(key, value)| (Value::Text(key), Value::from_node(value));
                let text = |value: &Value<'d>| match value {
                    Value::Text(text) => *text,
                    _ => "",
                };
                let mut members: Vec<_> = node.members().map(member).collect();
                if !members.windows(2).all(|pair| text(&pair[0].0) < text(&pair[1].0)) {
                    members.sort_by(|a, b| text(&a.0).cmp(text(&b.0)));
                    members.dedup_by(|a, b| text(&a.0) == text(&b.0));
                }
                Some(Arc::new(members))
            }
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Value::Array(items) | Value::Set(items) => Some(items.len()),
            Value::Object(members) => Some(members.len()),
            Value::Node(node) => Some(node.len()),
            _ => None,
        }
    }

    /// What stands under a key, index or element.
    pub(crate) fn get(&self, key: &Value<'d>) -> Option<Value<'d>> {
        match self {
            Value::Object(members) => {
                let at = members.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                Some(members[at].1.clone())
            }
            Value::Array(items) => items.get(usize::try_from(key.as_i64()?).ok()?).cloned(),
            Value::Set(items) => {
                let at = items.binary_search(key).ok()?;
                Some(items[at].clone())
            }
            Value::Node(node) if node.is_object() => node.get(key.as_str()?).map(Value::from_node),
            Value::Node(node) => node.item(usize::try_from(key.as_i64()?).ok()?).map(Value::from_node),
            _ => None,
        }
    }

    /// What stands under a key, index or element of a value that is no document's.
    pub(crate) fn member(&self, key: &Value<'d>) -> Option<&Value<'d>> {
        match self {
            Value::Object(members) => {
                let at = members.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                Some(&members[at].1)
            }
            Value::Array(items) => items.get(usize::try_from(key.as_i64()?).ok()?),
            Value::Set(items) => Some(&items[items.binary_search(key).ok()?]),
            _ => None,
        }
    }

    /// The same for a name.
    pub(crate) fn named_member(&self, key: &str) -> Option<&Value<'d>> {
        let order = |k: &Value<'d>| match k.as_str() {
            Some(text) => text.cmp(key),
            None => k.kind().cmp(&Type::String),
        };
        match self {
            Value::Object(members) => Some(&members[members.binary_search_by(|(k, _)| order(k)).ok()?].1),
            Value::Set(items) => Some(&items[items.binary_search_by(order).ok()?]),
            _ => None,
        }
    }

    /// What stands under a name.
    pub(crate) fn field(&self, key: &str) -> Option<Value<'d>> {
        match self {
            Value::Object(members) => {
                let at = members.binary_search_by(|(k, _)| match k.as_str() {
                    Some(text) => text.cmp(key),
                    None => k.kind().cmp(&Type::String),
                });
                at.ok().map(|at| members[at].1.clone())
            }
            Value::Node(node) if node.is_object() => node.get(key).map(Value::from_node),
            _ => None,
        }
    }

    /// Visits keys and values: of an object, of an array by index, of a set by element. `false` ends the visit.
    pub(crate) fn each<E>(&self, mut visit: impl FnMut(Value<'d>, Value<'d>) -> Result<bool, E>) -> Result<bool, E> {
        match self {
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    if !visit(Value::usize(i), item.clone())? {
                        return Ok(false);
                    }
                }
            }
            Value::Set(items) => {
                for item in items.iter() {
                    if !visit(item.clone(), item.clone())? {
                        return Ok(false);
                    }
                }
            }
            Value::Node(node) if node.is_array() => {
                for (i, item) in node.items().enumerate() {
                    if !visit(Value::usize(i), Value::from_node(item))? {
                        return Ok(false);
                    }
                }
            }
            Value::Object(_) | Value::Node(_) => {
                for (key, value) in self.as_object().unwrap_or_default().iter() {
                    if !visit(key.clone(), value.clone())? {
                        return Ok(false);
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// The value as JSON: sets are arrays, keys are texts.
    pub(crate) fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    pub(crate) fn write_json(&self, out: &mut String) {
        match self {
            Value::Null | Value::Bool(_) | Value::Num(_) => {
                let _ = write!(out, "{self}");
            }
            Value::Text(text) => quote(text, out),
            Value::Str(text) => quote(text, out),
            Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Node(_) => {
                if let Some(items) = self.as_list() {
                    out.push('[');
                    for (i, item) in items.iter().enumerate() {
                        if i > 0 {
                            out.push(',');
                        }
                        item.write_json(out);
                    }
                    out.push(']');
                    return;
                }
                out.push('{');
                let members = self.as_object().unwrap_or_default();
                let mut texts: Vec<(String, &Value<'d>)> =
                    members.iter().map(|(key, value)| (key.json_key(), value)).collect();
                texts.sort_by(|a, b| a.0.cmp(&b.0));
                for (i, (key, value)) in texts.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    /// A key of a JSON object.
    pub(crate) fn json_key(&self) -> String {
        match self.as_str() {
            Some(text) => text.to_owned(),
            None => self.to_json(),
        }
    }

    fn write_term(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Num(num) => {
                let _ = write!(out, "{num}");
            }
            Value::Text(text) => quote(text, out),
            Value::Str(text) => quote(text, out),
            Value::Set(items) if items.is_empty() => out.push_str("set()"),
            _ => {
                let list = |out: &mut String, items: &[Value<'d>]| {
                    for (i, item) in items.iter().enumerate() {
                        if i > 0 {
                            out.push_str(", ");
                        }
                        item.write_term(out);
                    }
                };
                if let Some(items) = self.as_array() {
                    out.push('[');
                    list(out, &items);
                    out.push(']');
                } else if let Some(items) = self.as_set() {
                    out.push('{');
                    list(out, &items);
                    out.push('}');
                } else {
                    out.push('{');
                    for (i, (key, value)) in self.as_object().unwrap_or_default().iter().enumerate() {
                        if i > 0 {
                            out.push_str(", ");
                        }
                        key.write_term(out);
                        out.push_str(": ");
                        value.write_term(out);
                    }
                    out.push('}');
                }
            }
        }
    }
}

/// A JSON text in quotes.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The value as a term of the language.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write_term(&mut out);
        f.write_str(&out)
    }
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Node(a), Value::Node(b)) => a == b,
            _ => match (self.as_str(), other.as_str()) {
                (Some(a), Some(b)) => a == b,
                (None, None) => self.cmp(other) == Ordering::Equal,
                _ => false,
            },
        }
    }
}

impl Eq for Value<'_> {}

impl PartialOrd for Value<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Up to how many members objects are compared without being sorted first.
const SMALL: usize = 48;

/// The order of two containers of documents. Most differ early: the members are not sorted, but sought one by one.
fn order(a: Node<'_>, b: Node<'_>) -> Ordering {
    if a.is_array() && b.is_array() {
        return a.items().map(Value::from_node).cmp(b.items().map(Value::from_node));
    }
    if a.is_array() != b.is_array() {
        return b.is_array().cmp(&a.is_array());
    }
    let mut last: Option<&str> = None;
    loop {
        let (left, right) = (after(a, last), after(b, last));
        let (Some((key, value)), Some((other_key, other))) = (left, right) else {
            return left.is_some().cmp(&right.is_some());
        };
        let order = key
            .cmp(other_key)
            .then_with(|| Value::from_node(value).cmp(&Value::from_node(other)));
        if order != Ordering::Equal {
            return order;
        }
        last = Some(key);
    }
}

/// The member whose name comes next.
fn after<'d>(node: Node<'d>, last: Option<&str>) -> Option<(&'d str, Node<'d>)> {
    let later = node.members().filter(|(key, _)| last.is_none_or(|last| *key > last));
    later.min_by(|a, b| a.0.cmp(b.0))
}

impl Ord for Value<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Some(a), Some(b)) = (self.as_str(), other.as_str()) {
            return a.cmp(b);
        }
        match (self, other) {
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Num(a), Value::Num(b)) => a.cmp(b),
            (Value::Set(a), Value::Set(b)) | (Value::Array(a), Value::Array(b)) => a.cmp(b),
            (Value::Node(a), Value::Node(b)) if a.len().max(b.len()) <= SMALL => order(*a, *b),
            _ => {
                let order = self.kind().cmp(&other.kind());
                if order != Ordering::Equal {
                    return order;
                }
                if let (Some(a), Some(b)) = (self.as_array(), other.as_array()) {
                    return a.cmp(&b);
                }
                match (self.as_object(), other.as_object()) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => Ordering::Equal,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ridgeway_doc::parse_json;

    use super::*;

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof!["[0-9]", "\"[ab]\"", Just("null".to_owned()), Just("true".to_owned())];
        leaf.prop_recursive(3, 12, 4, |inner| {
            let members = prop::collection::btree_map("[abc]", inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                members.prop_map(|members| {
                    let members: Vec<String> = members.iter().rev().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        /// Containers of documents are ordered as their copies are.
        #[test]
        fn nodes_are_ordered_as_values((a, b) in (json(), json())) {
            let (a, b) = (parse_json(a.as_bytes()).unwrap(), parse_json(b.as_bytes()).unwrap());
            let (left, right) = (Value::from_node(a.root()), Value::from_node(b.root()));
            prop_assert_eq!(left.cmp(&right), left.to_owned().cmp(&right.to_owned()));
            prop_assert_eq!(left == right, left.to_owned() == right.to_owned());
        }
    }
}
