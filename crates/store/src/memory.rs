//! The store without storage: for forks, simulations and tests.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::StoreError;
use crate::hub::Core;
use crate::model::{Committed, Entry, KeyRange, Page, RangeRequest, Revision, Txn};
use crate::state::{Batch, Changes, State, WindowBound};
use crate::store::{Done, Store};
use crate::watch::{History, Watch};

/// A store in memory. Its history grows until it is compacted.
#[derive(Debug)]
pub struct MemoryStore {
    core: Arc<Core>,
    /// Held from evaluation to publication, so that watchers see commits in order.
    committing: Mutex<()>,
}

impl MemoryStore {
    /// An empty store at [`Revision::FIRST`].
    #[must_use]
    pub fn new() -> Self {
        Self::from_snapshot([], Revision::FIRST)
    }

    /// A store that holds `entries` at `revision`; earlier revisions are not readable.
    pub fn from_snapshot(entries: impl IntoIterator<Item = Arc<Entry>>, revision: Revision) -> Self {
        let state = State::new(entries, revision, revision, WindowBound::UNBOUNDED);
        Self {
            core: Arc::new(Core::new(state)),
            committing: Mutex::new(()),
        }
    }

    fn commit_now(&self, txn: Txn) -> Result<Committed, StoreError> {
        let _in_order = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        let (batch, committed) = {
            let state = self.core.read();
            let mut batch = Batch::on(&state);
            let committed = batch.evaluate(&state, txn)?;
            (batch, committed)
        };
        self.core.publish(batch.commits());
        Ok(committed)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.core.hub.close();
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn revision(&self) -> Revision {
        self.core.read().revision()
    }

    fn compacted(&self) -> Revision {
        self.core.read().compacted()
    }

    fn get_latest(&self, key: &[u8]) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.core.read().latest(key))
    }

    fn range_latest(&self, prefix: &[u8], limit: usize) -> Result<Page, StoreError> {
        Ok(self.core.read().range_latest(prefix, limit))
    }

    async fn get(&self, key: &[u8], at: Option<Revision>) -> Result<Option<Arc<Entry>>, StoreError> {
        let state = self.core.read();
        let at = state.resolve(at)?;
        Ok(state
            .get(key, at)
            .expect("the window of a memory store reaches back to the compacted revision"))
    }

    async fn range(&self, request: RangeRequest) -> Result<Page, StoreError> {
        let state = self.core.read();
        let at = state.resolve(request.at)?;
        Ok(state
            .range(&request, at)
            .expect("the window of a memory store reaches back to the compacted revision"))
    }

    fn submit(&self, txn: Txn, done: Done) {
        done(self.commit_now(txn));
    }

    async fn watch(&self, keys: KeyRange, from: Option<Revision>) -> Result<Watch, StoreError> {
        Watch::start(self.core.clone(), keys, from)
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let mut state = self.core.write();
        if revision > state.compacted() {
            state.resolve(Some(revision))?;
            state.compact(revision);
        }
        Ok(())
    }
}

#[async_trait]
impl History for Core {
    fn core(&self) -> &Core {
        self
    }

    async fn changes(&self, keys: &KeyRange, after: Revision, until: Revision) -> Result<Changes, StoreError> {
        let state = self.read();
        state.resolve(Some(after))?;
        Ok(state
            .changes(keys, after, until)
            .expect("the window of a memory store reaches back to the compacted revision"))
    }
}
