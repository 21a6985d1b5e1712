//! The watch hub: finds the watchers of a changed key and hands each the one shared event.
//!
//! Every watcher has a bounded queue. When it is full the watcher is marked as lagging and gets nothing more; it drains
//! what it has and re-reads the rest from history, so a slow watcher costs the store no memory and no other watcher time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::error::StoreError;
use crate::model::{KeyRange, Revision, WatchEvent};
use crate::state::{Commit, State};

/// How many events wait for one watcher before it counts as lagging. A single transaction may exceed it.
pub(crate) const QUEUE_EVENTS: usize = 1024;

/// The visible half of a store: what readers and watchers see.
#[derive(Debug)]
pub(crate) struct Core {
    state: RwLock<State>,
    pub(crate) hub: Hub,
}

impl Core {
    pub(crate) fn new(state: State) -> Self {
        let hub = Hub::new(state.revision());
        Self {
            state: RwLock::new(state),
            hub,
        }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes commits visible to readers, then to watchers. One caller at a time, in revision order.
    pub(crate) fn publish(&self, commits: &[Commit]) {
        self.write().apply(commits);
        self.hub.publish(commits);
    }

    /// Registers a watcher that gets the events after the returned revision, and the revision from which it wants them.
    pub(crate) fn register(
        &self,
        keys: &KeyRange,
        from: Option<Revision>,
    ) -> Result<(Arc<Slot>, Revision, Revision), StoreError> {
        let from = self.read().resolve(from)?;
        let (slot, live_after) = self.hub.register(keys, from)?;
        Ok((slot, from, live_after))
    }
}

/// The place where a watcher's events arrive.
#[derive(Debug)]
pub(crate) struct Slot {
    id: u64,
    queue: Mutex<Queue>,
    pub(crate) arrival: Notify,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Arc<WatchEvent>>,
    /// Events up to here are not wanted from the hub, or have been accepted.
    accepted: Revision,
    /// Set when the queue overflowed: every event up to this revision was queued, later ones were dropped.
    lagging_after: Option<Revision>,
    closed: bool,
}

/// What [`Slot::take`] found.
#[derive(Debug)]
pub(crate) enum Taken {
    Event(Arc<WatchEvent>),
    /// Events after this revision must be read from history.
    Lagging(Revision),
    Empty,
    Closed,
}

impl Slot {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Taken {
        let mut queue = self.queue();
        match (queue.events.pop_front(), queue.lagging_after) {
            (Some(event), _) => Taken::Event(event),
            (None, Some(after)) => Taken::Lagging(after),
            (None, None) if queue.closed => Taken::Closed,
            (None, None) => Taken::Empty,
        }
    }

    /// The revision up to which all events have been taken, given that everything up to `published` has been offered.
    pub(crate) fn progress(&self, published: Revision) -> Revision {
        let queue = self.queue();
        match (queue.events.front(), queue.lagging_after) {
            (Some(event), _) => Revision(event.revision.0 - 1),
            (None, Some(after)) => after,
            (None, None) => published,
        }
    }

    fn offer(&self, event: &Arc<WatchEvent>) {
        let mut queue = self.queue();
        if queue.lagging_after.is_some() || event.revision < queue.accepted {
            return;
        }
        // The events of one transaction are accepted or dropped together, so that history can take over at a revision.
        if event.revision > queue.accepted && queue.events.len() >= QUEUE_EVENTS {
            queue.lagging_after = Some(Revision(event.revision.0 - 1));
        } else {
            queue.accepted = event.revision;
            queue.events.push_back(event.clone());
        }
        drop(queue);
        self.arrival.notify_one();
    }

    fn close(&self) {
        self.queue().closed = true;
        self.arrival.notify_one();
    }
}

/// All watchers of a store.
#[derive(Debug)]
pub(crate) struct Hub {
    watchers: Mutex<Watchers>,
    /// Everything up to here has been offered to the watchers.
    published: AtomicU64,
}

#[derive(Debug, Default)]
struct Watchers {
    next_id: u64,
    closed: bool,
    keys: HashMap<Bytes, BTreeMap<u64, Arc<Slot>>>,
    prefixes: HashMap<Bytes, BTreeMap<u64, Arc<Slot>>>,
    /// How many distinct watched prefixes have each length: these are the lengths to look up.
    lengths: BTreeMap<usize, usize>,
    ranges: BTreeMap<u64, (KeyRange, Arc<Slot>)>,
}

enum Route {
    Key,
    Prefix,
    Range,
}

fn route(keys: &KeyRange) -> Route {
    if *keys == KeyRange::key(keys.start.clone()) {
        Route::Key
    } else if *keys == KeyRange::prefix(keys.start.clone()) {
        Route::Prefix
    } else {
        Route::Range
    }
}

impl Watchers {
    fn insert(&mut self, keys: &KeyRange, slot: Arc<Slot>) {
        match route(keys) {
            Route::Key => {
                self.keys.entry(keys.start.clone()).or_default().insert(slot.id, slot);
            }
            Route::Prefix => {
                let slots = self.prefixes.entry(keys.start.clone()).or_default();
                if slots.is_empty() {
                    *self.lengths.entry(keys.start.len()).or_default() += 1;
                }
                slots.insert(slot.id, slot);
            }
            Route::Range => {
                self.ranges.insert(slot.id, (keys.clone(), slot));
            }
        }
    }

    fn remove(&mut self, keys: &KeyRange, id: u64) {
        match route(keys) {
            Route::Key => {
                remove_slot(&mut self.keys, &keys.start, id);
            }
            Route::Prefix => {
                let length = keys.start.len();
                if remove_slot(&mut self.prefixes, &keys.start, id)
                    && let Some(count) = self.lengths.get_mut(&length)
                {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&length);
                    }
                }
            }
            Route::Range => {
                self.ranges.remove(&id);
            }
        }
    }

    /// The watchers of a key.
    fn of(&self, key: &[u8]) -> impl Iterator<Item = &Arc<Slot>> {
        let exact = self.keys.get(key).into_iter().flat_map(BTreeMap::values);
        let prefixes = self
            .lengths
            .keys()
            .filter_map(|&length| self.prefixes.get(key.get(..length)?));
        let ranges = self
            .ranges
            .values()
            .filter(|(range, _)| range.contains(key))
            .map(|(_, slot)| slot);
        exact.chain(prefixes.flat_map(BTreeMap::values)).chain(ranges)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Slot>> {
        let grouped = self
            .keys
            .values()
            .chain(self.prefixes.values())
            .flat_map(BTreeMap::values);
        grouped.chain(self.ranges.values().map(|(_, slot)| slot))
    }
}

/// Removes a slot and, when it was the last, its group; tells whether the group is gone.
fn remove_slot(groups: &mut HashMap<Bytes, BTreeMap<u64, Arc<Slot>>>, start: &Bytes, id: u64) -> bool {
    let Some(slots) = groups.get_mut(start) else {
        return false;
    };
    slots.remove(&id);
    let gone = slots.is_empty();
    if gone {
        groups.remove(start);
    }
    gone
}

impl Hub {
    fn new(revision: Revision) -> Self {
        Self {
            watchers: Mutex::default(),
            published: AtomicU64::new(revision.0),
        }
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to this revision has been offered to every watcher.
    pub(crate) fn published(&self) -> Revision {
        Revision(self.published.load(Ordering::Acquire))
    }

    fn publish(&self, commits: &[Commit]) {
        let watchers = self.watchers();
        for commit in commits {
            for event in &commit.events {
                watchers.of(&event.key).for_each(|slot| slot.offer(event));
            }
            self.published.store(commit.revision.0, Ordering::Release);
        }
    }

    /// Adds a watcher; it will be offered every event after the returned revision that is also after `from`.
    fn register(&self, keys: &KeyRange, from: Revision) -> Result<(Arc<Slot>, Revision), StoreError> {
        let mut watchers = self.watchers();
        if watchers.closed {
            return Err(StoreError::Closed);
        }
        watchers.next_id += 1;
        // Readers see a commit a moment before watchers do, so `from` can be ahead of what is published.
        let live_after = self.published().max(from);
        let queue = Queue {
            events: VecDeque::new(),
            accepted: live_after.next(),
            lagging_after: None,
            closed: false,
        };
        let slot = Arc::new(Slot {
            id: watchers.next_id,
            queue: Mutex::new(queue),
            arrival: Notify::new(),
        });
        watchers.insert(keys, slot.clone());
        Ok((slot, live_after))
    }

    /// Ends the lagging of a slot; everything up to the returned revision must be read from history.
    pub(crate) fn resume(&self, slot: &Slot) -> Revision {
        let _no_publishing = self.watchers();
        let published = self.published();
        let mut queue = slot.queue();
        queue.lagging_after = None;
        queue.accepted = published.next();
        published
    }

    pub(crate) fn unregister(&self, keys: &KeyRange, slot: &Slot) {
        self.watchers().remove(keys, slot.id);
    }

    /// Ends all watches once they have taken what is queued.
    pub(crate) fn close(&self) {
        let mut watchers = self.watchers();
        watchers.closed = true;
        watchers.all().for_each(|slot| slot.close());
    }

    #[cfg(test)]
    pub(crate) fn watched(&self, key: &[u8]) -> usize {
        self.watchers().of(key).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::WindowBound;

    #[test]
    fn a_watcher_is_found_by_every_kind_of_range_and_gone_when_it_leaves() {
        let core = Core::new(State::new([], Revision::FIRST, Revision::FIRST, WindowBound::UNBOUNDED));
        let ranges = [
            (KeyRange::key("a/b"), vec!["a/b"]),
            (KeyRange::prefix("a/"), vec!["a/", "a/b", "a/c"]),
            (KeyRange::between("a/b", "b"), vec!["a/b", "a/c"]),
            (KeyRange::all(), vec!["a/", "a/b", "a/c", "b"]),
        ];
        let count = |key: &str| core.hub.watched(key.as_bytes());
        for (range, inside) in &ranges {
            let (slot, _, _) = core.register(range, None).unwrap();
            let (other, _, _) = core.register(range, None).unwrap();
            for key in ["a/", "a/b", "a/c", "b"] {
                assert_eq!(count(key), if inside.contains(&key) { 2 } else { 0 }, "{range:?} {key}");
            }
            core.hub.unregister(range, &slot);
            assert_eq!(count(inside[0]), 1);
            core.hub.unregister(range, &other);
            assert_eq!(count(inside[0]), 0);
        }
        let watchers = core.hub.watchers();
        assert!(watchers.keys.is_empty() && watchers.prefixes.is_empty() && watchers.lengths.is_empty());
        assert!(watchers.ranges.is_empty());
    }

    #[test]
    fn a_closed_hub_takes_no_watcher() {
        let core = Core::new(State::new([], Revision::FIRST, Revision::FIRST, WindowBound::UNBOUNDED));
        let (slot, _, _) = core.register(&KeyRange::all(), None).unwrap();
        core.hub.close();
        assert!(matches!(slot.take(), Taken::Closed));
        assert_eq!(core.register(&KeyRange::all(), None).unwrap_err(), StoreError::Closed);
    }
}
