//! The arena behind [`Doc`]: nodes in one vector, children of a container contiguous, text kept once.

use std::fmt;
use std::sync::Arc;

use crate::node::{Key, Node, Position, key_hash};
use crate::number::Number;
use crate::value::{Inner, Shared, Value};

/// What a raw node is; the payload words `a` and `b` mean what the comments say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    False,
    True,
    /// `a`, `b`: low and high half of the `i64`.
    Int,
    /// `a`, `b`: low and high half of the `f64` bits.
    Float,
    /// `a`: start in `text`, `b`: length.
    String,
    /// `a`: first child, `b`: how many.
    Array,
    /// `a`: first member, `b`: how many.
    Object,
}

/// One node with the key under which its parent holds it (empty for array items and roots).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw {
    pub(crate) tag: Tag,
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) key_start: u32,
    pub(crate) key_len: u32,
    pub(crate) key_hash: u32,
    /// Byte offset of the node in the source text.
    pub(crate) offset: u32,
}

impl Raw {
    /// The payload of a number.
    #[inline]
    pub(crate) fn bits(&self) -> u64 {
        u64::from(self.a) | u64::from(self.b) << 32
    }
}

#[derive(Debug)]
pub(crate) struct Arena {
    /// The source, then every string that could not be a slice of it.
    pub(crate) text: Box<str>,
    /// How much of `text` is source.
    pub(crate) source_len: u32,
    pub(crate) nodes: Vec<Raw>,
}

impl Arena {
    #[inline]
    pub(crate) fn str(&self, start: u32, len: u32) -> &str {
        &self.text[start as usize..(start + len) as usize]
    }

    /// The bytes of a text: comparing them needs no look at where characters begin.
    #[inline]
    pub(crate) fn bytes(&self, start: u32, len: u32) -> &[u8] {
        &self.text.as_bytes()[start as usize..(start + len) as usize]
    }

    /// The member of an object.
    #[inline]
    pub(crate) fn member(&self, object: &Raw, key: Key<'_>) -> Option<u32> {
        let (from, to) = (object.a as usize, (object.a + object.b) as usize);
        let members = self.nodes.get(from..to)?;
        // Hashes alone first: a loop that needs few registers.
        let found = members.iter().position(|member| member.key_hash == key.hash())?;
        let id = object.a + found as u32;
        if self.is_key(&members[found], key.text().as_bytes()) {
            return Some(id);
        }
        self.member_after(id, to as u32, key.text().as_bytes())
    }

    /// The member of an object by a key that nobody has hashed: lengths tell most keys apart, and cost less than a hash.
    pub(crate) fn named(&self, object: &Raw, key: &str) -> Option<u32> {
        let key = key.as_bytes();
        let members = self.nodes.get(object.a as usize..(object.a + object.b) as usize)?;
        let found = members.iter().position(|member| {
            member.key_len as usize == key.len() && same(self.bytes(member.key_start, member.key_len), key)
        })?;
        Some(object.a + found as u32)
    }

    /// Whether a node lies under a key.
    #[inline(never)]
    fn is_key(&self, member: &Raw, key: &[u8]) -> bool {
        same(self.bytes(member.key_start, member.key_len), key)
    }

    /// The member, where one before it has the same hash.
    #[cold]
    fn member_after(&self, before: u32, end: u32, key: &[u8]) -> Option<u32> {
        (before + 1..end).find(|&id| self.is_key(&self.nodes[id as usize], key))
    }

    pub(crate) fn position(&self, offset: u32) -> Position {
        let end = offset.min(self.source_len) as usize;
        Position::in_text(&self.text[..self.source_len as usize], end)
    }
}

/// Whether two short texts are the same bytes: most keys are shorter than what a call to compare memory would cost.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
    }
    a.len() == b.len()
        && match a.len() {
            0..2 => a.first() == b.first(),
            2..4 => ends::<2>(a, b),
            4..8 => ends::<4>(a, b),
            8..=16 => ends::<8>(a, b),
            _ => a == b,
        }
}

/// An immutable document, or a sub-tree of one. Cloning is one atomic increment.
///
/// Always a value that shares an arena: a node points at one or the other.
#[derive(Clone)]
pub struct Doc(Value);

impl Doc {
    pub(crate) fn new(arena: Arc<Arena>, root: u32) -> Doc {
        Doc(Value(Inner::Shared(Shared { arena, root })))
    }

    fn shared(&self) -> &Shared {
        match &self.0.0 {
            Inner::Shared(shared) => shared,
            _ => unreachable!("`Doc::new` makes no other"),
        }
    }

    /// The root node.
    #[inline]
    pub fn root(&self) -> Node<'_> {
        Node::of_value(&self.0)
    }

    /// Parses one JSON document. See [`crate::parse_json`].
    pub fn parse_json(text: &[u8]) -> Result<Doc, crate::ParseError> {
        crate::parse_json(text)
    }

    /// Parses a stream of YAML documents. See [`crate::parse_yaml`].
    pub fn parse_yaml(text: &str) -> Result<Vec<Doc>, crate::ParseError> {
        crate::parse_yaml(text)
    }

    /// Copies any node into an arena of its own, dropping the text of its neighbours.
    pub fn copy_of(node: Node<'_>) -> Doc {
        let mut builder = DocBuilder::default();
        builder.node(node);
        builder.finish()
    }

    /// Bytes held by the arena (shared by all documents cut from it).
    pub fn heap_bytes(&self) -> usize {
        let arena = &self.shared().arena;
        arena.text.len() + arena.nodes.capacity() * size_of::<Raw>()
    }
}

impl fmt::Debug for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

impl PartialEq for Doc {
    fn eq(&self, other: &Self) -> bool {
        self.root() == other.root()
    }
}

/// Builds an arena bottom-up from events: scalars, then the container that closes over them.
///
/// Containers are opened, filled and closed in document order; [`DocBuilder::key`] names the next value of an object.
/// Parsers use it, and so does whoever turns another format (TOML, HCL) into a document.
#[derive(Default)]
pub struct DocBuilder {
    pub(crate) text: String,
    pub(crate) source_len: u32,
    pub(crate) nodes: Vec<Raw>,
    pub(crate) stack: Vec<Raw>,
    open: Vec<(usize, Raw)>,
    pending_key: (u32, u32, u32),
    offset: u32,
}

impl DocBuilder {
    /// A builder whose node positions are byte offsets into `source`.
    pub fn with_source(source: &str) -> Self {
        let mut text = String::with_capacity(source.len() + 16);
        text.push_str(source);
        // A container costs one node a member; one node per 14 source bytes is what manifests show.
        let guess = source.len() / 14 + 8;
        DocBuilder {
            source_len: source.len() as u32,
            text,
            nodes: Vec::with_capacity(guess),
            stack: Vec::with_capacity(32),
            ..DocBuilder::default()
        }
    }

    /// Sets the source offset given to the nodes that follow.
    pub fn at(&mut self, offset: usize) {
        self.offset = offset as u32;
    }

    /// Names the next value (inside an object).
    pub fn key(&mut self, key: &str) {
        let start = self.push_text(key);
        self.key_span(start, key.len() as u32);
    }

    /// Names the next value by a slice of the text.
    pub(crate) fn key_span(&mut self, start: u32, len: u32) {
        let hash = key_hash(&self.text.as_bytes()[start as usize..(start + len) as usize]);
        self.pending_key = (start, len, hash);
    }

    pub(crate) fn push_text(&mut self, text: &str) -> u32 {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        start
    }

    pub(crate) fn raw(&mut self, tag: Tag, a: u32, b: u32) -> Raw {
        let (key_start, key_len, key_hash) = std::mem::take(&mut self.pending_key);
        Raw {
            tag,
            a,
            b,
            key_start,
            key_len,
            key_hash,
            offset: self.offset,
        }
    }

    /// Adds `null`.
    pub fn null(&mut self) {
        let raw = self.raw(Tag::Null, 0, 0);
        self.stack.push(raw);
    }

    /// Adds a boolean.
    pub fn bool(&mut self, value: bool) {
        let raw = self.raw(if value { Tag::True } else { Tag::False }, 0, 0);
        self.stack.push(raw);
    }

    /// Adds a number.
    pub fn number(&mut self, value: Number) {
        let (tag, bits) = match value {
            Number::Int(i) => (Tag::Int, i as u64),
            Number::Float(f) => (Tag::Float, f.to_bits()),
        };
        let raw = self.raw(tag, bits as u32, (bits >> 32) as u32);
        self.stack.push(raw);
    }

    /// Adds a string.
    pub fn string(&mut self, value: &str) {
        let start = self.push_text(value);
        self.string_span(start, value.len() as u32);
    }

    pub(crate) fn string_span(&mut self, start: u32, len: u32) {
        let raw = self.raw(Tag::String, start, len);
        self.stack.push(raw);
    }

    /// Opens an array; items follow until [`DocBuilder::close`].
    pub fn open_array(&mut self) {
        let raw = self.raw(Tag::Array, 0, 0);
        self.open.push((self.stack.len(), raw));
    }

    /// Opens an object; `key`, value pairs follow until [`DocBuilder::close`].
    pub fn open_object(&mut self) {
        let raw = self.raw(Tag::Object, 0, 0);
        self.open.push((self.stack.len(), raw));
    }

    /// Closes the container opened last; without one it does nothing.
    pub fn close(&mut self) {
        if let Some((base, mut raw)) = self.open.pop() {
            raw.a = self.nodes.len() as u32;
            raw.b = (self.stack.len() - base) as u32;
            self.nodes.extend(self.stack.drain(base..));
            self.stack.push(raw);
        }
    }

    /// The two keys of the container open now that are equal, if any: what a duplicate-key check needs.
    pub(crate) fn duplicate_key(&self) -> Option<(&str, u32)> {
        let (base, _) = *self.open.last()?;
        let members = &self.stack[base..];
        let text = |m: &Raw| &self.text[m.key_start as usize..(m.key_start + m.key_len) as usize];
        if members.len() <= 24 {
            for (i, m) in members.iter().enumerate() {
                for n in &members[..i] {
                    if n.key_hash == m.key_hash && text(n) == text(m) {
                        return Some((text(m), m.offset));
                    }
                }
            }
            return None;
        }
        let mut seen = std::collections::HashSet::with_capacity(members.len());
        members
            .iter()
            .find(|m| !seen.insert(text(m)))
            .map(|m| (text(m), m.offset))
    }

    /// Whether a container is open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Adds a whole sub-tree, copied.
    pub fn node(&mut self, node: Node<'_>) {
        use crate::node::Kind;
        match node.kind() {
            Kind::Null => self.null(),
            Kind::Bool => self.bool(node.as_bool() == Some(true)),
            Kind::Number => self.number(node.as_number().unwrap_or(Number::Int(0))),
            Kind::String => self.string(node.as_str().unwrap_or_default()),
            Kind::Array => {
                self.open_array();
                for item in node.items() {
                    self.node(item);
                }
                self.close();
            }
            Kind::Object => {
                self.open_object();
                for (key, member) in node.members() {
                    self.key(key);
                    self.node(member);
                }
                self.close();
            }
        }
    }

    /// Ends one document of several: returns its root's place for [`DocBuilder::finish_all`].
    pub(crate) fn end_document(&mut self) -> u32 {
        while !self.open.is_empty() {
            self.close();
        }
        let raw = self.stack.pop().unwrap_or(Raw {
            tag: Tag::Null,
            a: 0,
            b: 0,
            key_start: 0,
            key_len: 0,
            key_hash: 0,
            offset: self.offset,
        });
        self.stack.clear();
        self.nodes.push(raw);
        (self.nodes.len() - 1) as u32
    }

    /// The documents whose roots [`DocBuilder::end_document`] returned, over one shared arena.
    pub(crate) fn finish_all(self, roots: &[u32]) -> Vec<Doc> {
        let arena = Arc::new(Arena {
            text: self.text.into_boxed_str(),
            source_len: self.source_len,
            nodes: self.nodes,
        });
        roots.iter().map(|&root| Doc::new(arena.clone(), root)).collect()
    }

    /// The document. An empty builder gives `null`; open containers are closed.
    pub fn finish(mut self) -> Doc {
        let root = self.end_document();
        let arena = Arc::new(Arena {
            text: self.text.into_boxed_str(),
            source_len: self.source_len,
            nodes: self.nodes,
        });
        Doc::new(arena, root)
    }
}
