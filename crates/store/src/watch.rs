//! A running watch: first what history holds, then what the hub delivers, and history again after falling behind.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{StoreError, WatchError};
use crate::hub::{Core, Slot, Taken};
use crate::model::{KeyRange, Revision, WatchEvent};
use crate::state::Changes;

/// Where a watch reads the past.
#[async_trait]
pub(crate) trait History: Send + Sync {
    fn core(&self) -> &Core;

    /// Some events with `after < revision <= until`, whole revisions, at least one revision further than `after`.
    async fn changes(&self, keys: &KeyRange, after: Revision, until: Revision) -> Result<Changes, StoreError>;
}

/// The changes of a key range in revision order, none skipped and none repeated.
///
/// Memory per watch is bounded: a watch that is read too slowly reads what it missed from the store's history, and ends
/// with [`WatchError::Compacted`] only when that history has been compacted away.
pub struct Watch {
    keys: KeyRange,
    history: Arc<dyn History>,
    slot: Arc<Slot>,
    replay: VecDeque<Arc<WatchEvent>>,
    /// Everything up to here is delivered or in `replay`.
    replayed: Revision,
    /// History is to be read up to here; the slot has what comes after.
    replay_until: Revision,
    ended: bool,
}

impl Watch {
    pub(crate) fn start(history: Arc<dyn History>, keys: KeyRange, from: Option<Revision>) -> Result<Self, StoreError> {
        let (slot, replayed, replay_until) = history.core().register(&keys, from)?;
        Ok(Self {
            keys,
            history,
            slot,
            replay: VecDeque::new(),
            replayed,
            replay_until,
            ended: false,
        })
    }

    /// The next event; waits for it. `None` after an error or when the store is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Arc<WatchEvent>, WatchError>> {
        loop {
            let found = self.try_next().await;
            if found.is_some() || self.ended {
                return found;
            }
            self.slot.arrival.notified().await;
        }
    }

    /// The next event if it has happened already; `None` when the watch is caught up or has ended. Waits for storage if
    /// it must, but never for an event. Cancel safe.
    pub async fn try_next(&mut self) -> Option<Result<Arc<WatchEvent>, WatchError>> {
        loop {
            if let Some(event) = self.replay.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            if self.replayed < self.replay_until {
                match self.history.changes(&self.keys, self.replayed, self.replay_until).await {
                    Ok(changes) => {
                        self.replay.extend(changes.events);
                        self.replayed = changes.upto;
                    }
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error.into()));
                    }
                }
                continue;
            }
            match self.slot.take() {
                Taken::Event(event) => return Some(Ok(event)),
                Taken::Lagging(after) => {
                    self.replayed = after;
                    self.replay_until = self.history.core().hub.resume(&self.slot);
                }
                Taken::Empty => return None,
                Taken::Closed => self.ended = true,
            }
        }
    }

    /// Every event up to this revision has been delivered: where a new watch could continue, and what a bookmark says.
    /// It advances also when other keys change.
    #[must_use]
    pub fn progress(&self) -> Revision {
        if let Some(event) = self.replay.front() {
            return Revision(event.revision.0 - 1);
        }
        if self.replayed < self.replay_until {
            return self.replayed;
        }
        // Read before the queue is looked at: what was published by then is in the queue or was taken.
        let published = self.history.core().hub.published();
        self.slot.progress(published).max(self.replay_until)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.history.core().hub.unregister(&self.keys, &self.slot);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("keys", &self.keys)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
