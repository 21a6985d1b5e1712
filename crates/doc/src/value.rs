//! [`Value`]: the editable overlay over parsed documents.

use std::fmt;
use std::sync::Arc;

use crate::arena::{Arena, Doc, Tag};
use crate::node::{Kind, Node};
use crate::number::Number;

/// An editable JSON value. Sub-trees taken from a [`Doc`] stay shared with it until first written to.
///
/// Read through [`Value::node`]; change through [`Value::as_object_mut`], [`Value::as_array_mut`], [`Value::at_mut`].
#[derive(Clone)]
pub struct Value(pub(crate) Inner);

#[derive(Clone)]
pub(crate) enum Inner {
    Null,
    Bool(bool),
    Number(Number),
    String(Box<str>),
    Array(Vec<Value>),
    Object(Map),
    /// An untouched container of a parsed document; in a [`Doc`], any node.
    Shared(Shared),
}

/// A place in an arena.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) arena: Arc<Arena>,
    pub(crate) root: u32,
}

impl Value {
    /// `null`.
    pub const NULL: Value = Value(Inner::Null);

    /// An empty object.
    pub fn object() -> Value {
        Value(Inner::Object(Map::default()))
    }

    /// An empty array.
    pub fn array() -> Value {
        Value(Inner::Array(Vec::new()))
    }

    pub(crate) fn shared(arena: &Arc<Arena>, id: u32) -> Value {
        let raw = &arena.nodes[id as usize];
        Value(match raw.tag {
            Tag::Null => Inner::Null,
            Tag::False => Inner::Bool(false),
            Tag::True => Inner::Bool(true),
            Tag::Int => Inner::Number(Number::Int(raw.bits() as i64)),
            Tag::Float => Inner::Number(Number::Float(f64::from_bits(raw.bits()))),
            Tag::String => Inner::String(arena.str(raw.a, raw.b).into()),
            Tag::Array | Tag::Object => Inner::Shared(Shared {
                arena: arena.clone(),
                root: id,
            }),
        })
    }

    /// The node to read this value through.
    pub fn node(&self) -> Node<'_> {
        Node::of_value(self)
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        self.node().kind()
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Inner::Null)
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        self.node().as_str()
    }

    /// Turns one shared level into an owned one.
    fn thaw(&mut self) {
        if let Inner::Shared(doc) = &self.0 {
            let raw = doc.arena.nodes[doc.root as usize];
            let children = raw.a..raw.a + raw.b;
            self.0 = if raw.tag == Tag::Array {
                Inner::Array(children.map(|id| Value::shared(&doc.arena, id)).collect())
            } else {
                Inner::Object(Map(children
                    .map(|id| {
                        let child = &doc.arena.nodes[id as usize];
                        (
                            doc.arena.str(child.key_start, child.key_len).into(),
                            Value::shared(&doc.arena, id),
                        )
                    })
                    .collect()))
            };
        }
    }

    /// The members to edit, if the value is an object.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        if self.kind() != Kind::Object {
            return None;
        }
        self.thaw();
        match &mut self.0 {
            Inner::Object(map) => Some(map),
            _ => None,
        }
    }

    /// The items to edit, if the value is an array.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if self.kind() != Kind::Array {
            return None;
        }
        self.thaw();
        match &mut self.0 {
            Inner::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The member to edit, if the value is an object that has it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(key)
    }

    /// The value at a path of keys, if it is there.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Value> {
        path.iter().try_fold(self, |value, key| value.get_mut(key))
    }

    /// The object at a path of keys, made (in place of anything that is not an object) where it is missing.
    pub fn object_at(&mut self, path: &[&str]) -> &mut Map {
        let mut value = self;
        for key in path {
            value = value.make_object().entry(key, Value::object);
        }
        value.make_object()
    }

    /// Sets the value at a path of keys, making the objects on the way. An empty path replaces the value itself.
    pub fn set(&mut self, path: &[&str], new: impl Into<Value>) {
        match path {
            [] => *self = new.into(),
            [parents @ .., last] => {
                self.object_at(parents).insert(*last, new.into());
            }
        }
    }

    /// Removes and returns the member at a path of keys.
    pub fn remove(&mut self, path: &[&str]) -> Option<Value> {
        let (last, parents) = path.split_last()?;
        self.at_mut(parents)?.as_object_mut()?.remove(last)
    }

    /// The members to edit; anything but an object is replaced by an empty one.
    pub fn make_object(&mut self) -> &mut Map {
        if self.kind() != Kind::Object {
            self.0 = Inner::Object(Map::default());
        }
        self.thaw();
        match &mut self.0 {
            Inner::Object(map) => map,
            _ => unreachable!("an object was put there above"),
        }
    }

    /// The items to edit; anything but an array is replaced by an empty one.
    pub fn make_array(&mut self) -> &mut Vec<Value> {
        if self.kind() != Kind::Array {
            self.0 = Inner::Array(Vec::new());
        }
        self.thaw();
        match &mut self.0 {
            Inner::Array(items) => items,
            _ => unreachable!("an array was put there above"),
        }
    }

    /// An immutable document of this value.
    pub fn into_doc(self) -> Doc {
        match self.0 {
            Inner::Shared(shared) => Doc::new(shared.arena, shared.root),
            _ => Doc::copy_of(self.node()),
        }
    }

    /// Compact JSON text.
    pub fn to_json(&self) -> String {
        self.node().to_json()
    }
}

impl Default for Value {
    fn default() -> Self {
        Value::NULL
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.node() == other.node()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node().fmt(f)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

macro_rules! from {
    ($($ty:ty => |$v:ident| $inner:expr;)*) => {$(
        impl From<$ty> for Value {
            fn from($v: $ty) -> Value {
                Value($inner)
            }
        }
    )*};
}

from! {
    bool => |v| Inner::Bool(v);
    i64 => |v| Inner::Number(Number::Int(v));
    i32 => |v| Inner::Number(Number::Int(v.into()));
    u32 => |v| Inner::Number(Number::Int(v.into()));
    f64 => |v| Inner::Number(Number::Float(v));
    Number => |v| Inner::Number(v);
    &str => |v| Inner::String(v.into());
    String => |v| Inner::String(v.into());
    &String => |v| Inner::String(v.as_str().into());
    Map => |v| Inner::Object(v);
    Vec<Value> => |v| Inner::Array(v);
}

impl From<Doc> for Value {
    fn from(doc: Doc) -> Value {
        doc.root().to_value()
    }
}

impl From<Node<'_>> for Value {
    fn from(node: Node<'_>) -> Value {
        node.to_value()
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::NULL, Into::into)
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Value {
        Value(Inner::Array(items.into_iter().map(Into::into).collect()))
    }
}

/// The members of an editable object, in insertion order. Look-ups are linear: objects in manifests are small.
#[derive(Clone, Default, Debug)]
pub struct Map(Vec<(Box<str>, Value)>);

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Map::default()
    }

    fn index(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|(k, _)| &**k == key)
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.index(key).map(|i| &self.0[i].1)
    }

    /// The value under a key, to edit.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.index(key).map(|i| &mut self.0[i].1)
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.index(key).is_some()
    }

    /// Puts a value under a key, in the key's old place if it had one; returns what was there.
    pub fn insert(&mut self, key: impl Into<Box<str>>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.index(&key) {
            Some(i) => Some(std::mem::replace(&mut self.0[i].1, value)),
            None => {
                self.0.push((key, value));
                None
            }
        }
    }

    /// The value under a key, made first where it is missing.
    pub fn entry(&mut self, key: &str, make: impl FnOnce() -> Value) -> &mut Value {
        let i = self.index(key).unwrap_or_else(|| {
            self.0.push((key.into(), make()));
            self.0.len() - 1
        });
        &mut self.0[i].1
    }

    /// Removes a key, keeping the order of the others.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.index(key).map(|i| self.0.remove(i).1)
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn nth(&self, index: usize) -> Option<(&str, &Value)> {
        self.0.get(index).map(|(k, v)| (&**k, v))
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(k, _)| &**k)
    }

    /// The members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(k, v)| (&**k, v))
    }

    /// The members, to edit.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(k, v)| (&**k, v))
    }

    /// Keeps the members for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.0.retain_mut(|(k, v)| keep(k, v));
    }

    /// Sorts members by key (Go prints maps that way).
    pub fn sort_keys(&mut self) {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
}

impl IntoIterator for Map {
    type Item = (Box<str>, Value);
    type IntoIter = std::vec::IntoIter<(Box<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Into<Box<str>>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Map {
        let mut map = Map::default();
        for (key, value) in members {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_leave_the_document_and_the_rest_shared() {
        let doc = Doc::parse_json(br#"{"a":{"b":[1,2,{"c":"x"}],"d":true},"e":{"f":null}}"#).unwrap();
        let mut value = doc.root().to_value();
        value.set(&["a", "d"], false);
        value
            .at_mut(&["a", "b"])
            .unwrap()
            .as_array_mut()
            .unwrap()
            .push("new".into());
        assert_eq!(
            value.to_json(),
            r#"{"a":{"b":[1,2,{"c":"x"},"new"],"d":false},"e":{"f":null}}"#
        );
        assert_eq!(
            doc.root().to_json(),
            r#"{"a":{"b":[1,2,{"c":"x"}],"d":true},"e":{"f":null}}"#
        );
        assert!(matches!(
            value.as_object_mut().unwrap().get("e").unwrap().0,
            Inner::Shared(_)
        ));
        assert_eq!(value.remove(&["e", "f"]), Some(Value::NULL));
        assert_eq!(value.clone().into_doc().root(), value.node());
    }

    #[test]
    fn equality_ignores_member_order_only() {
        let parse = |s: &str| Doc::parse_json(s.as_bytes()).unwrap();
        assert_eq!(parse(r#"{"a":1,"b":[1,2]}"#), parse(r#"{"b":[1,2.0],"a":1}"#));
        assert_ne!(parse(r#"[1,2]"#), parse(r#"[2,1]"#));
        assert_ne!(parse(r#"{"a":null}"#), parse("{}"));
    }
}
