//! The `Store` trait: what every backend offers.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::memory::MemoryStore;
use crate::model::{Committed, Entry, KeyRange, Page, RangeRequest, Revision, Txn};
use crate::watch::Watch;

/// What is told when a transaction has been committed, or has not.
pub type Done = Box<dyn FnOnce(Result<Committed, StoreError>) + Send>;

/// A revisioned ordered key-value store, after the model of etcd. Used as `Arc<dyn Store>`.
///
/// Reads at the latest revision are answered from memory; reads of old revisions may wait for storage.
/// Dropping the store closes it: watches end, later operations answer [`StoreError::Closed`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The latest committed revision.
    fn revision(&self) -> Revision;

    /// The oldest revision that can be read, and from which a watch can start.
    fn compacted(&self) -> Revision;

    /// The entry of `key` at a revision (`None` = latest).
    async fn get(&self, key: &[u8], at: Option<Revision>) -> Result<Option<Arc<Entry>>, StoreError>;

    /// The latest entry of `key`, from memory: for synchronous callers.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when a backend can no longer answer.
    fn get_latest(&self, key: &[u8]) -> Result<Option<Arc<Entry>>, StoreError>;

    /// The first `limit` (0 = all) latest entries below `prefix`, from memory: for synchronous callers.
    ///
    /// # Errors
    /// [`StoreError::Closed`] when a backend can no longer answer.
    fn range_latest(&self, prefix: &[u8], limit: usize) -> Result<Page, StoreError>;

    /// One page of the entries in a range, in key order.
    async fn range(&self, request: RangeRequest) -> Result<Page, StoreError>;

    /// Checks the conditions and writes, atomically and durably, and then calls `done`. When it gets `Ok`, the writes have
    /// survived any crash, and reads and watches show them. Returns when the transaction is queued, so that it can be called
    /// from any thread; transactions of one caller keep their order. `done` may run on the thread that writes: it must
    /// not block.
    fn submit(&self, txn: Txn, done: Done);

    /// The same for callers that wait. Dropping the future does not take the transaction back.
    async fn commit(&self, txn: Txn) -> Result<Committed, StoreError> {
        let (reply, answer) = oneshot::channel();
        // A committer that went away does not want its answer.
        self.submit(txn, Box::new(move |committed| drop(reply.send(committed))));
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// The changes of `keys` with revisions greater than `from` (`None` = the latest: only what comes), in order.
    async fn watch(&self, keys: KeyRange, from: Option<Revision>) -> Result<Watch, StoreError>;

    /// Forgets the history before `revision`, which stays readable itself. Compacting again to an older revision does nothing.
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;

    /// A store of its own that begins as this one is at `at` (`None` = latest). Entries are shared, not copied; writes
    /// stay in memory and continue the revision count; neither store sees the other's later writes.
    async fn fork(&self, at: Option<Revision>) -> Result<MemoryStore, StoreError> {
        let page = self
            .range(RangeRequest {
                at,
                ..RangeRequest::new(KeyRange::all())
            })
            .await?;
        Ok(MemoryStore::from_snapshot(page.entries, page.revision))
    }
}
