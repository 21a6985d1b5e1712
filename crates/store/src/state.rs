//! The multi-version state that both stores share: the current entries, and the recent commits by which to undo.
//!
//! The state at an older revision is the current one with the younger commits undone, so no per-key version lists are
//! needed; the commits in the window also serve watches that start in the past.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::StoreError;
use crate::model::{Committed, Condition, Entry, KeyRange, Op, Outcome, Page, RangeRequest, Revision, Txn, WatchEvent};

/// The most writes in one transaction: SQLite row ids keep 20 bits for the position inside a revision.
pub(crate) const MAX_OPS: usize = 1 << 20;

/// How many commits one call of [`State::changes`] looks at, so that a long replay does not hold the lock for long.
const REPLAY_COMMITS: usize = 4096;

/// How many events one call of `changes` collects before it stops at the next revision boundary.
pub(crate) const REPLAY_EVENTS: usize = 256;

/// One committed transaction that changed something.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) revision: Revision,
    pub(crate) events: Vec<Arc<WatchEvent>>,
}

impl Commit {
    fn size(&self) -> usize {
        self.events.iter().map(|event| event.size()).sum()
    }
}

/// How much history is kept in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowBound {
    pub(crate) commits: usize,
    /// Bytes of keys and values that the commits refer to.
    pub(crate) bytes: usize,
}

impl WindowBound {
    pub(crate) const UNBOUNDED: Self = Self {
        commits: usize::MAX,
        bytes: usize::MAX,
    };
}

/// A stretch of history: the events of a range with revisions up to and including `upto`.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) events: Vec<Arc<WatchEvent>>,
    pub(crate) upto: Revision,
}

/// The current entries and the recent commits.
#[derive(Debug)]
pub(crate) struct State {
    revision: Revision,
    compacted: Revision,
    index: BTreeMap<Bytes, Arc<Entry>>,
    /// Commits with contiguous revisions, ending at `revision`.
    window: VecDeque<Commit>,
    window_bytes: usize,
    bound: WindowBound,
}

impl State {
    pub(crate) fn new(
        entries: impl IntoIterator<Item = Arc<Entry>>,
        revision: Revision,
        compacted: Revision,
        bound: WindowBound,
    ) -> Self {
        let index = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        Self {
            revision,
            compacted,
            index,
            window: VecDeque::new(),
            window_bytes: 0,
            bound,
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn compacted(&self) -> Revision {
        self.compacted
    }

    /// The oldest revision whose state the window can give.
    fn floor(&self) -> Revision {
        self.window
            .front()
            .map_or(self.revision, |commit| Revision(commit.revision.0 - 1))
    }

    /// The revision that `at` names, if it is readable.
    pub(crate) fn resolve(&self, at: Option<Revision>) -> Result<Revision, StoreError> {
        let Some(requested) = at else { return Ok(self.revision) };
        if requested < self.compacted {
            return Err(StoreError::Compacted {
                requested,
                oldest: self.compacted,
            });
        }
        if requested > self.revision {
            return Err(StoreError::Future {
                requested,
                current: self.revision,
            });
        }
        Ok(requested)
    }

    /// The commits with revisions greater than `after`.
    fn commits_after(&self, after: Revision) -> impl DoubleEndedIterator<Item = &Commit> {
        let known = usize::try_from(self.revision.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        self.window.range(self.window.len().saturating_sub(known)..)
    }

    /// The entry of `key` at a readable revision; `None` when the window does not reach back so far.
    pub(crate) fn get(&self, key: &[u8], at: Revision) -> Option<Option<Arc<Entry>>> {
        let current = self.index.get(key);
        // An entry that has not been written since is the answer, however old the revision is.
        if current.is_some_and(|entry| entry.mod_revision <= at) || at == self.revision {
            return Some(current.cloned());
        }
        if at < self.floor() {
            return None;
        }
        let first_later = self
            .commits_after(at)
            .flat_map(|commit| &commit.events)
            .find(|event| event.key == key);
        Some(first_later.map_or_else(|| current.cloned(), |event| event.prev.clone()))
    }

    /// The current entry of `key`.
    pub(crate) fn latest(&self, key: &[u8]) -> Option<Arc<Entry>> {
        self.index.get(key).cloned()
    }

    /// A page of the current entries below `prefix`; `limit` 0 = all.
    pub(crate) fn range_latest(&self, prefix: &[u8], limit: usize) -> Page {
        let from = self.index.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let mut below = from
            .map(|(_, entry)| entry)
            .take_while(|entry| entry.key.starts_with(prefix));
        let capacity = if limit == 0 { usize::MAX } else { limit };
        let entries: Vec<_> = below.by_ref().take(capacity).cloned().collect();
        let remaining = below.count() as u64;
        Page {
            entries,
            more: remaining > 0,
            remaining,
            revision: self.revision,
        }
    }

    /// A page at a readable revision; `None` when the window does not reach back so far.
    pub(crate) fn range(&self, request: &RangeRequest, at: Revision) -> Option<Page> {
        if at < self.floor() {
            return None;
        }
        let capacity = request.capacity();
        if request.keys.is_empty() {
            return Some(Page {
                entries: Vec::new(),
                more: false,
                remaining: 0,
                revision: at,
            });
        }
        let mut snapshot = self.snapshot(&request.keys, at);
        let entries: Vec<_> = snapshot.by_ref().take(capacity).cloned().collect();
        let remaining = snapshot.count() as u64;
        Some(Page {
            entries,
            more: remaining > 0,
            remaining,
            revision: at,
        })
    }

    /// The entries of a non-empty range, in key order, with all commits after `at` undone.
    fn snapshot<'a>(&'a self, keys: &'a KeyRange, at: Revision) -> impl Iterator<Item = &'a Arc<Entry>> {
        let mut undone: BTreeMap<&[u8], Option<&Arc<Entry>>> = BTreeMap::new();
        for event in self.commits_after(at).rev().flat_map(|commit| &commit.events) {
            if keys.contains(&event.key) {
                // Walking backwards, the oldest change is inserted last and wins.
                undone.insert(&event.key, event.prev.as_ref());
            }
        }
        let mut live = self.index.range::<[u8], _>(keys.bounds()).peekable();
        let mut undone = undone.into_iter().peekable();
        std::iter::from_fn(move || {
            loop {
                match (live.peek(), undone.peek()) {
                    (Some((key, _)), Some((changed, _))) if key[..] < **changed => {
                        return live.next().map(|(_, entry)| entry);
                    }
                    (Some(_), None) => return live.next().map(|(_, entry)| entry),
                    (None, None) => return None,
                    (key, Some((changed, _))) => {
                        if key.is_some_and(|(key, _)| key[..] == **changed) {
                            live.next();
                        }
                        if let Some((_, Some(entry))) = undone.next() {
                            return Some(entry);
                        }
                    }
                }
            }
        })
    }

    /// Some of the events with `after < revision <= until`; `None` when the window does not reach back so far.
    pub(crate) fn changes(&self, keys: &KeyRange, after: Revision, until: Revision) -> Option<Changes> {
        if after < self.floor() {
            return None;
        }
        let mut changes = Changes {
            events: Vec::new(),
            upto: after,
        };
        for commit in self.commits_after(after).take(REPLAY_COMMITS) {
            if commit.revision > until || changes.events.len() >= REPLAY_EVENTS {
                return Some(changes);
            }
            changes
                .events
                .extend(commit.events.iter().filter(|event| keys.contains(&event.key)).cloned());
            changes.upto = commit.revision;
        }
        Some(changes)
    }

    /// Makes commits visible. They must continue the revision count.
    pub(crate) fn apply(&mut self, commits: &[Commit]) {
        for commit in commits {
            debug_assert_eq!(commit.revision, self.revision.next(), "revisions are contiguous");
            for event in &commit.events {
                match &event.entry {
                    Some(entry) => self.index.insert(event.key.clone(), entry.clone()),
                    None => self.index.remove(&event.key),
                };
            }
            self.revision = commit.revision;
            self.window_bytes += commit.size();
            self.window.push_back(commit.clone());
        }
        while self.window.len() > self.bound.commits || self.window_bytes > self.bound.bytes {
            self.forget_oldest();
        }
    }

    /// Raises the oldest readable revision, which must be readable.
    pub(crate) fn compact(&mut self, revision: Revision) {
        self.compacted = self.compacted.max(revision);
        while self
            .window
            .front()
            .is_some_and(|commit| commit.revision <= self.compacted)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(commit) = self.window.pop_front() {
            self.window_bytes -= commit.size();
        }
    }
}

/// Transactions that are evaluated one after another on top of a state, before they are visible in it.
#[derive(Debug)]
pub(crate) struct Batch {
    revision: Revision,
    /// The keys that earlier transactions of the batch changed.
    pending: HashMap<Bytes, Option<Arc<Entry>>>,
    commits: Vec<Commit>,
}

impl Batch {
    pub(crate) fn on(state: &State) -> Self {
        Self {
            revision: state.revision,
            pending: HashMap::new(),
            commits: Vec::new(),
        }
    }

    /// Evaluates a transaction against the state plus the batch so far. Nothing changes when it fails.
    pub(crate) fn evaluate(&mut self, state: &State, txn: Txn) -> Result<Committed, StoreError> {
        validate(&txn)?;
        for (index, Condition { key, expect }) in txn.conditions.iter().enumerate() {
            let current = self.current(state, key);
            if !expect.holds(current.map(Arc::as_ref)) {
                return Err(StoreError::Conflict {
                    index,
                    key: key.clone(),
                    current: current.cloned(),
                });
            }
        }
        let revision = self.revision.next();
        let mut events = Vec::with_capacity(txn.ops.len());
        let mut outcomes = Vec::with_capacity(txn.ops.len());
        for op in txn.ops {
            let prev = self.current(state, op.key()).cloned();
            let entry = match &op {
                Op::Put { key, value } => Some(Arc::new(Entry {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision: prev.as_ref().map_or(revision, |prev| prev.create_revision),
                    mod_revision: revision,
                    version: prev.as_ref().map_or(1, |prev| prev.version + 1),
                })),
                Op::Delete { .. } => None,
            };
            if prev.is_some() || entry.is_some() {
                let key = op.key().clone();
                events.push(Arc::new(WatchEvent {
                    revision,
                    key,
                    prev: prev.clone(),
                    entry: entry.clone(),
                }));
            }
            outcomes.push(Outcome { prev, entry });
        }
        let changed = !events.is_empty();
        if changed {
            self.revision = revision;
            for event in &events {
                self.pending.insert(event.key.clone(), event.entry.clone());
            }
            self.commits.push(Commit { revision, events });
        }
        Ok(Committed {
            revision: self.revision,
            changed,
            outcomes,
        })
    }

    fn current<'a>(&'a self, state: &'a State, key: &[u8]) -> Option<&'a Arc<Entry>> {
        match self.pending.get(key) {
            Some(pending) => pending.as_ref(),
            None => state.index.get(key),
        }
    }

    pub(crate) fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// The revision after the batch.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }
}

fn validate(txn: &Txn) -> Result<(), StoreError> {
    if txn.ops.len() > MAX_OPS {
        return Err(StoreError::TooManyOps {
            count: txn.ops.len(),
            limit: MAX_OPS,
        });
    }
    if txn.ops.iter().any(|op| op.key().is_empty()) {
        return Err(StoreError::EmptyKey);
    }
    if txn.ops.len() > 1 {
        let mut seen = HashSet::with_capacity(txn.ops.len());
        if let Some(op) = txn.ops.iter().find(|op| !seen.insert(op.key())) {
            return Err(StoreError::DuplicateKey { key: op.key().clone() });
        }
    }
    Ok(())
}
