//! [`Node`]: the borrowed handle through which every engine reads a document.

use std::fmt;
use std::sync::Arc;

use crate::arena::{Arena, Doc, Raw, Tag};
use crate::number::Number;
use crate::value::{Inner, Value};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for Kind {
    /// The JSON Schema names of types.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Null => "null",
            Kind::Bool => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        })
    }
}

/// Line and column in a source text, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// Line 1, column 1.
    pub const START: Position = Position { line: 1, column: 1 };

    /// The position of byte `offset` of `text`.
    pub fn in_text(text: &str, offset: usize) -> Position {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line = before.iter().filter(|&&b| b == b'\n').count() as u32 + 1;
        let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        // UTF-8 continuation bytes do not start a character.
        let column = before[start..].iter().filter(|&&b| b & 0xc0 != 0x80).count() as u32 + 1;
        Position { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// FNV-1a folded to 32 bits: constant-evaluable, and good enough to tell keys of one object apart.
pub(crate) const fn key_hash(key: &[u8]) -> u32 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < key.len() {
        hash = (hash ^ key[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    (hash ^ (hash >> 32)) as u32
}

/// A member key prepared once, looked up often: compares a hash before it compares bytes.
///
/// ```
/// use ridgeway_doc::{Doc, Key};
/// const SPEC: Key = Key::new("spec");
/// let doc = Doc::parse_json(br#"{"spec":{"replicas":2}}"#).unwrap();
/// assert_eq!(doc.root().member(SPEC).unwrap().get("replicas").unwrap().as_i64(), Some(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'k> {
    text: &'k str,
    hash: u32,
}

impl<'k> Key<'k> {
    /// Prepares a key.
    pub const fn new(text: &'k str) -> Self {
        Key {
            text,
            hash: key_hash(text.as_bytes()),
        }
    }

    /// The key's text.
    pub const fn text(self) -> &'k str {
        self.text
    }

    /// The hash, to be kept beside an owned text.
    pub const fn hash(self) -> u32 {
        self.hash
    }

    /// A key whose hash was taken from the same text before.
    pub const fn hashed(text: &'k str, hash: u32) -> Self {
        Key { text, hash }
    }
}

/// A borrowed node of a [`Doc`] or a [`Value`]; `Copy`, two words.
///
/// Two words and nothing that tells them apart: such a pair travels in registers, where one more tag would send every
/// node through memory. What the node lies in, an arena or a value, is read where the pair points.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    /// The value, or what shares the arena of the node.
    value: &'a Value,
    /// The place in the arena; 0 for values.
    id: u32,
}

/// Where a node lies.
enum Repr<'a> {
    Arena(&'a Arc<Arena>, u32),
    Value(&'a Inner),
}

impl<'a> Node<'a> {
    /// The node of a value; a value that still shares a document's sub-tree is read there.
    #[inline]
    pub(crate) fn of_value(value: &'a Value) -> Self {
        let id = match &value.0 {
            Inner::Shared(shared) => shared.root,
            _ => 0,
        };
        Node { value, id }
    }

    /// Another node of the same arena.
    #[inline]
    fn beside(self, id: u32) -> Self {
        Node { id, ..self }
    }

    #[inline]
    fn repr(self) -> Repr<'a> {
        match &self.value.0 {
            Inner::Shared(shared) => Repr::Arena(&shared.arena, self.id),
            inner => Repr::Value(inner),
        }
    }

    /// Where the node lies in memory: nodes with the same place are the same node, for as long as what they borrow from
    /// lives. For caches that must not look into sub-trees.
    #[inline]
    pub fn place(self) -> (usize, u32) {
        match self.repr() {
            Repr::Arena(arena, id) => (Arc::as_ptr(arena) as usize, id),
            Repr::Value(_) => (std::ptr::from_ref(self.value) as usize, u32::MAX),
        }
    }

    #[inline]
    fn raw(arena: &'a Arc<Arena>, id: u32) -> &'a Raw {
        &arena.nodes[id as usize]
    }

    /// What the node is.
    #[inline]
    pub fn kind(self) -> Kind {
        match self.repr() {
            Repr::Arena(arena, id) => match Self::raw(arena, id).tag {
                Tag::Null => Kind::Null,
                Tag::False | Tag::True => Kind::Bool,
                Tag::Int | Tag::Float => Kind::Number,
                Tag::String => Kind::String,
                Tag::Array => Kind::Array,
                Tag::Object => Kind::Object,
            },
            Repr::Value(inner) => match inner {
                Inner::Null => Kind::Null,
                Inner::Bool(_) => Kind::Bool,
                Inner::Number(_) => Kind::Number,
                Inner::String(_) => Kind::String,
                Inner::Array(_) => Kind::Array,
                Inner::Object(_) => Kind::Object,
                // `repr` has sent it the other way.
                Inner::Shared(_) => Kind::Null,
            },
        }
    }

    /// Whether the node is `null`.
    #[inline]
    pub fn is_null(self) -> bool {
        match self.repr() {
            Repr::Arena(arena, id) => Self::raw(arena, id).tag == Tag::Null,
            Repr::Value(_) => self.kind() == Kind::Null,
        }
    }

    /// Whether the node is an object.
    #[inline]
    pub fn is_object(self) -> bool {
        match self.repr() {
            Repr::Arena(arena, id) => Self::raw(arena, id).tag == Tag::Object,
            Repr::Value(_) => self.kind() == Kind::Object,
        }
    }

    /// Whether the node is an array.
    #[inline]
    pub fn is_array(self) -> bool {
        match self.repr() {
            Repr::Arena(arena, id) => Self::raw(arena, id).tag == Tag::Array,
            Repr::Value(_) => self.kind() == Kind::Array,
        }
    }

    /// The boolean, if it is one.
    #[inline]
    pub fn as_bool(self) -> Option<bool> {
        match self.repr() {
            Repr::Arena(arena, id) => match Self::raw(arena, id).tag {
                Tag::True => Some(true),
                Tag::False => Some(false),
                _ => None,
            },
            Repr::Value(Inner::Bool(b)) => Some(*b),
            Repr::Value(_) => None,
        }
    }

    /// The number, if it is one.
    #[inline]
    pub fn as_number(self) -> Option<Number> {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let raw = Self::raw(arena, id);
                match raw.tag {
                    Tag::Int => Some(Number::Int(raw.bits() as i64)),
                    Tag::Float => Some(Number::Float(f64::from_bits(raw.bits()))),
                    _ => None,
                }
            }
            Repr::Value(Inner::Number(n)) => Some(*n),
            Repr::Value(_) => None,
        }
    }

    /// The number as `i64`, if it is a whole one.
    pub fn as_i64(self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// The number as `f64`.
    pub fn as_f64(self) -> Option<f64> {
        self.as_number().map(Number::as_f64)
    }

    /// The string, if it is one.
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let raw = Self::raw(arena, id);
                (raw.tag == Tag::String).then(|| arena.str(raw.a, raw.b))
            }
            Repr::Value(Inner::String(s)) => Some(s),
            Repr::Value(_) => None,
        }
    }

    /// How many items or members a container has; 0 for scalars.
    #[inline]
    pub fn len(self) -> usize {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let raw = Self::raw(arena, id);
                if matches!(raw.tag, Tag::Array | Tag::Object) {
                    raw.b as usize
                } else {
                    0
                }
            }
            Repr::Value(Inner::Array(items)) => items.len(),
            Repr::Value(Inner::Object(map)) => map.len(),
            Repr::Value(_) => 0,
        }
    }

    /// Whether a container is empty (true for scalars).
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The member of that name, if the node is an object that has it.
    #[inline]
    pub fn get(self, key: &str) -> Option<Node<'a>> {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let raw = Self::raw(arena, id);
                if raw.tag != Tag::Object {
                    return None;
                }
                arena.named(raw, key).map(|id| self.beside(id))
            }
            Repr::Value(Inner::Object(map)) => map.get(key).map(Node::of_value),
            Repr::Value(_) => None,
        }
    }

    /// The member of a prepared key.
    #[inline]
    pub fn member(self, key: Key<'_>) -> Option<Node<'a>> {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let raw = Self::raw(arena, id);
                if raw.tag != Tag::Object {
                    return None;
                }
                arena.member(raw, key).map(|id| self.beside(id))
            }
            Repr::Value(Inner::Object(map)) => map.get(key.text).map(Node::of_value),
            Repr::Value(_) => None,
        }
    }

    /// The node that a chain of prepared keys leads to.
    #[inline]
    pub fn descend<'k>(self, keys: impl IntoIterator<Item = Key<'k>>) -> Option<Node<'a>> {
        match self.repr() {
            Repr::Arena(arena, mut id) => {
                let arena: &Arena = arena;
                for key in keys {
                    let raw = &arena.nodes[id as usize];
                    if raw.tag != Tag::Object {
                        return None;
                    }
                    id = arena.member(raw, key)?;
                }
                Some(self.beside(id))
            }
            Repr::Value(_) => self.descend_values(keys),
        }
    }

    #[cold]
    fn descend_values<'k>(self, keys: impl IntoIterator<Item = Key<'k>>) -> Option<Node<'a>> {
        keys.into_iter().try_fold(self, |node, key| node.member(key))
    }

    /// The member at a path of keys: `node.at(&["metadata", "name"])`.
    pub fn at(self, path: &[&str]) -> Option<Node<'a>> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The string at a path of keys.
    pub fn str_at(self, path: &[&str]) -> Option<&'a str> {
        self.at(path).and_then(Node::as_str)
    }

    /// The text at a path of keys; nothing where there is no text.
    pub fn text_at(self, path: &[&str]) -> &'a str {
        self.str_at(path).unwrap_or_default()
    }

    /// The item at an index, if the node is an array that long.
    #[inline]
    pub fn item(self, index: usize) -> Option<Node<'a>> {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let raw = Self::raw(arena, id);
                (raw.tag == Tag::Array && index < raw.b as usize).then(|| self.beside(raw.a + index as u32))
            }
            Repr::Value(Inner::Array(items)) => items.get(index).map(Node::of_value),
            Repr::Value(_) => None,
        }
    }

    /// The items of an array (nothing for other kinds).
    #[inline]
    pub fn items(self) -> Items<'a> {
        Items {
            node: self,
            next: 0,
            end: if self.is_array() { self.len() } else { 0 },
        }
    }

    /// The members of an object in document order (nothing for other kinds).
    #[inline]
    pub fn members(self) -> Members<'a> {
        Members {
            node: self,
            next: 0,
            end: if self.is_object() { self.len() } else { 0 },
        }
    }

    #[inline]
    fn member_at(self, index: usize) -> Option<(&'a str, Node<'a>)> {
        match self.repr() {
            Repr::Arena(arena, id) => {
                let child = Self::raw(arena, id).a + index as u32;
                let raw = Self::raw(arena, child);
                Some((arena.str(raw.key_start, raw.key_len), self.beside(child)))
            }
            Repr::Value(Inner::Object(map)) => map.nth(index).map(|(k, v)| (k, Node::of_value(v))),
            Repr::Value(_) => None,
        }
    }

    /// Where the node stands in its source text; `None` for nodes that were edited in or built.
    pub fn position(self) -> Option<Position> {
        match self.repr() {
            Repr::Arena(arena, id) if arena.source_len > 0 => Some(arena.position(Self::raw(arena, id).offset)),
            _ => None,
        }
    }

    /// An editable value that shares this sub-tree until it is changed. Cheap for parsed nodes.
    pub fn to_value(self) -> Value {
        match self.repr() {
            Repr::Arena(arena, id) => Value::shared(arena, id),
            Repr::Value(_) => self.value.clone(),
        }
    }

    /// A document whose root is this node: a cheap cut for parsed nodes, a copy for edited ones.
    pub fn to_doc(self) -> Doc {
        match self.repr() {
            Repr::Arena(arena, id) => Doc::new(arena.clone(), id),
            Repr::Value(_) => Doc::copy_of(self),
        }
    }

    /// Compact JSON text.
    pub fn to_json(self) -> String {
        let mut out = Vec::with_capacity(256);
        self.write_json(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// YAML text as `kubectl -o yaml` prints it: keys sorted, ends with a newline.
    pub fn to_yaml(self) -> String {
        crate::yaml::to_yaml(self)
    }

    /// Appends compact JSON to `out`: members in document order, numbers as Go prints them.
    pub fn write_json(self, out: &mut Vec<u8>) {
        crate::write::json(self, out);
    }
}

/// Objects are equal whatever the order of their members; `1` equals `1.0`.
impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        if let (Repr::Arena(a, i), Repr::Arena(b, j)) = (self.repr(), other.repr())
            && Arc::ptr_eq(a, b)
            && i == j
        {
            return true;
        }
        match (self.kind(), other.kind()) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool, Kind::Bool) => self.as_bool() == other.as_bool(),
            (Kind::Number, Kind::Number) => self.as_number() == other.as_number(),
            (Kind::String, Kind::String) => self.as_str() == other.as_str(),
            (Kind::Array, Kind::Array) => {
                self.len() == other.len() && self.items().zip(other.items()).all(|(a, b)| a == b)
            }
            (Kind::Object, Kind::Object) => {
                self.len() == other.len()
                    && self
                        .members()
                        .all(|(key, member)| other.get(key).is_some_and(|o| o == member))
            }
            _ => false,
        }
    }
}

impl PartialEq<str> for Node<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Node<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(other)
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// Items of an array. See [`Node::items`].
#[derive(Clone)]
pub struct Items<'a> {
    node: Node<'a>,
    next: usize,
    end: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Node<'a>> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        self.node.item(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for Items<'_> {}

impl DoubleEndedIterator for Items<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        self.end -= 1;
        self.node.item(self.end)
    }
}

/// Members of an object. See [`Node::members`].
#[derive(Clone)]
pub struct Members<'a> {
    node: Node<'a>,
    next: usize,
    end: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        self.next += 1;
        self.node.member_at(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl ExactSizeIterator for Members<'_> {}
