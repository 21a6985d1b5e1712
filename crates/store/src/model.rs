//! The words of the store: revisions, keys, entries, requests, transactions and events.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

/// A point in the store's history. One counter for the whole store; each transaction that changes anything adds exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of a store in which nothing has been written yet. It is 1, as in etcd, because 0 means
    /// "any revision" on the Kubernetes wire.
    pub const FIRST: Self = Self(1);

    /// The revision that the next changing transaction gets.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One key with the value it had at some revision.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, unique in the store.
    pub key: Bytes,
    /// The value, opaque to the store.
    pub value: Bytes,
    /// The revision that created the key (after its latest deletion).
    pub create_revision: Revision,
    /// The revision that wrote this value.
    pub mod_revision: Revision,
    /// How often the key was written since it was created; 1 for a new key.
    pub version: u64,
}

impl Entry {
    /// Bytes of key and value together, the measure that memory bounds use.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.len() + self.value.len()
    }
}

impl fmt::Debug for Entry {
    /// Shows the size instead of the value: values may be secret and are long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("value_bytes", &self.value.len())
            .field("create_revision", &self.create_revision.0)
            .field("mod_revision", &self.mod_revision.0)
            .field("version", &self.version)
            .finish()
    }
}

/// A half-open interval of keys in byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key, inclusive.
    pub start: Bytes,
    /// The end, exclusive; `None` reaches to the last key.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self {
            start: Bytes::new(),
            end: None,
        }
    }

    /// `start <= key < end`.
    pub fn between(start: impl Into<Bytes>, end: impl Into<Bytes>) -> Self {
        Self {
            start: start.into(),
            end: Some(end.into()),
        }
    }

    /// Exactly one key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        let start = key.into();
        let end = Some(successor(&start));
        Self { start, end }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let start = prefix.into();
        let end = prefix_end(&start);
        Self { start, end }
    }

    /// Whether `key` lies inside.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }

    /// Whether no key can lie inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = self
            .end
            .as_ref()
            .map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        (Bound::Included(&self.start[..]), end)
    }
}

/// The smallest key greater than `key`: where the page after `key` starts.
#[must_use]
pub fn successor(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

/// The smallest key greater than every key with this prefix; `None` when there is none (an empty prefix, or all `0xff`).
fn prefix_end(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end.into())
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRequest {
    /// The keys to list, in byte order.
    pub keys: KeyRange,
    /// The most entries in one page; 0 = all.
    pub limit: usize,
    /// The snapshot to read; `None` = the latest. Later pages of one listing pass the first page's [`Page::revision`].
    pub at: Option<Revision>,
    /// Return no entries, only their number (in [`Page::remaining`]).
    pub count_only: bool,
}

impl RangeRequest {
    /// Everything in `keys` at the latest revision.
    #[must_use]
    pub fn new(keys: KeyRange) -> Self {
        Self {
            keys,
            limit: 0,
            at: None,
            count_only: false,
        }
    }

    /// Everything below `prefix` at the latest revision.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self::new(KeyRange::prefix(prefix))
    }

    /// At most `limit` entries in the page; 0 = all.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Reads the snapshot at `revision`.
    #[must_use]
    pub fn at(mut self, revision: Revision) -> Self {
        self.at = Some(revision);
        self
    }

    /// Only counts.
    #[must_use]
    pub fn count_only(mut self) -> Self {
        self.count_only = true;
        self
    }

    /// How many entries the page may hold.
    pub(crate) fn capacity(&self) -> usize {
        match (self.count_only, self.limit) {
            (true, _) => 0,
            (false, 0) => usize::MAX,
            (false, limit) => limit,
        }
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries in key order.
    pub entries: Vec<Arc<Entry>>,
    /// Whether entries after this page remain.
    pub more: bool,
    /// How many entries of the range, in the same snapshot, come after this page.
    pub remaining: u64,
    /// The snapshot that was read.
    pub revision: Revision,
}

impl Page {
    /// The key at which the next page starts; `None` when this is the last.
    #[must_use]
    pub fn next_start(&self) -> Option<Bytes> {
        if self.more {
            self.entries.last().map(|entry| successor(&entry.key))
        } else {
            None
        }
    }
}

/// What a transaction demands of a key before it may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The key that is examined.
    pub key: Bytes,
    /// What must hold.
    pub expect: Expect,
}

/// The demand of a [`Condition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key exists and was last written at exactly this revision.
    ModRevision(Revision),
    /// The key does not exist.
    Absent,
    /// The key exists.
    Exists,
}

impl Expect {
    pub(crate) fn holds(self, current: Option<&Entry>) -> bool {
        match self {
            Self::ModRevision(revision) => current.is_some_and(|entry| entry.mod_revision == revision),
            Self::Absent => current.is_none(),
            Self::Exists => current.is_some(),
        }
    }
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes the value, creating the key if needed. Writing an equal value is still a change.
    Put {
        /// The key to write.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Removes the key; removing an absent key changes nothing.
    Delete {
        /// The key to remove.
        key: Bytes,
    },
}

impl Op {
    /// The key that is written.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// A transaction: all conditions hold and all writes happen at one revision, or nothing happens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Txn {
    /// Checked in order; the first that fails is reported.
    pub conditions: Vec<Condition>,
    /// The writes; no key may occur twice.
    pub ops: Vec<Op>,
}

impl Txn {
    /// An empty transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates `key`; conflicts if it exists.
    pub fn create(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Self::new().expect(key.clone(), Expect::Absent).put(key, value)
    }

    /// Replaces the value of `key`, last written at `seen`.
    pub fn replace(key: impl Into<Bytes>, seen: Revision, value: impl Into<Bytes>) -> Self {
        let key = key.into();
        Self::new()
            .expect(key.clone(), Expect::ModRevision(seen))
            .put(key, value)
    }

    /// Removes `key`, last written at `seen`.
    pub fn remove(key: impl Into<Bytes>, seen: Revision) -> Self {
        let key = key.into();
        Self::new().expect(key.clone(), Expect::ModRevision(seen)).delete(key)
    }

    /// Adds a condition.
    #[must_use]
    pub fn expect(mut self, key: impl Into<Bytes>, expect: Expect) -> Self {
        self.conditions.push(Condition {
            key: key.into(),
            expect,
        });
        self
    }

    /// Adds a write.
    #[must_use]
    pub fn put(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.ops.push(Op::Put {
            key: key.into(),
            value: value.into(),
        });
        self
    }

    /// Adds a removal.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Bytes>) -> Self {
        self.ops.push(Op::Delete { key: key.into() });
        self
    }
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The revision of the transaction, or the current one when nothing changed.
    pub revision: Revision,
    /// Whether anything changed.
    pub changed: bool,
    /// One outcome per op, in order.
    pub outcomes: Vec<Outcome>,
}

/// What one op did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The entry before the transaction.
    pub prev: Option<Arc<Entry>>,
    /// The entry after it.
    pub entry: Option<Arc<Entry>>,
}

/// One key changed at one revision. A transaction yields one event per changed key, all with its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvent {
    /// The revision of the transaction.
    pub revision: Revision,
    /// The key that changed.
    pub key: Bytes,
    /// The entry before; `None` when the key was created.
    pub prev: Option<Arc<Entry>>,
    /// The entry after; `None` when the key was deleted.
    pub entry: Option<Arc<Entry>>,
}

impl WatchEvent {
    pub(crate) fn size(&self) -> usize {
        let part = |entry: &Option<Arc<Entry>>| entry.as_ref().map_or(0, |entry| entry.size());
        self.key.len() + part(&self.prev) + part(&self.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ranges_end_after_the_last_key_with_the_prefix() {
        let cases: &[(&[u8], Option<&[u8]>)] = &[
            (b"", None),
            (b"a", Some(b"b")),
            (b"/pods/", Some(b"/pods0")),
            (b"a\xff", Some(b"b")),
            (b"a\xff\xff", Some(b"b")),
            (b"\xff\xff", None),
        ];
        for (prefix, end) in cases {
            let range = KeyRange::prefix(prefix.to_vec());
            assert_eq!(range.end.as_deref(), *end, "{prefix:?}");
            assert!(range.contains(prefix));
            assert!(range.contains(&[prefix, &b"\xff\xff"[..]].concat()));
        }
    }

    #[test]
    fn one_key_range_holds_one_key() {
        let range = KeyRange::key("a");
        let inside: Vec<&[u8]> = [&b"a"[..], b"a\0", b"aa", b"", b"b"]
            .into_iter()
            .filter(|key| range.contains(key))
            .collect();
        assert_eq!(inside, [b"a"]);
        assert!(!range.is_empty());
        assert!(KeyRange::between("b", "a").is_empty());
    }

    #[test]
    fn debug_output_never_shows_a_value() {
        let entry = Entry {
            key: "k".into(),
            value: "hunter2".into(),
            create_revision: Revision(2),
            mod_revision: Revision(2),
            version: 1,
        };
        let shown = format!("{entry:?}");
        assert!(
            !shown.contains("hunter2") && shown.contains("value_bytes: 7"),
            "{shown}"
        );
    }
}
