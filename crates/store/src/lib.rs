//! A revisioned ordered key-value store with watch and transactions.
//!
//! Must not know: what the values mean.
//!
//! The model is etcd's: one counter, the [`Revision`], grows by exactly one with every transaction that changes
//! anything; every entry remembers the revision that created it and the one that last wrote it; the past stays readable
//! until it is compacted. A [`Txn`] is a list of conditions and a list of writes. A list followed by a watch from the
//! list's revision misses nothing and repeats nothing:
//!
//! ```
//! # use ridgeway_store::{KeyRange, MemoryStore, RangeRequest, Store, Txn};
//! # tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(async {
//! let store = MemoryStore::new();
//! store.commit(Txn::create("/pods/a", "1")).await?;
//! let page = store.range(RangeRequest::prefix("/pods/")).await?;
//! let mut watch = store.watch(KeyRange::prefix("/pods/"), Some(page.revision)).await?;
//!
//! let what_if = store.fork(None).await?; // shares the entries, keeps its own writes
//! what_if.commit(Txn::remove("/pods/a", page.entries[0].mod_revision)).await?;
//!
//! store.commit(Txn::replace("/pods/a", page.entries[0].mod_revision, "2")).await?;
//! let event = watch.next().await.expect("the store is open")?;
//! assert_eq!(event.revision, page.revision.next());
//! assert_eq!(event.prev.as_ref().map(|entry| &entry.value[..]), Some(&b"1"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).expect("the example works");
//! ```
//!
//! Inside: [`MemoryStore`] and [`SqliteStore`] share one multi-version state (the current entries in an ordered map, and
//! the recent commits, from which an older state is reached by undoing) and one watch hub (an index of watched ranges;
//! each event exists once and is shared). They differ in where history ends up: SQLite keeps what the memory window drops.

mod error;
mod hub;
mod memory;
mod model;
mod sqlite;
mod state;
mod store;
mod watch;

pub use error::{StoreError, WatchError};
pub use memory::MemoryStore;
pub use model::{
    Committed, Condition, Entry, Expect, KeyRange, Op, Outcome, Page, RangeRequest, Revision, Txn, WatchEvent,
    successor,
};
pub use sqlite::{FaultPoint, Faults, SqliteOptions, SqliteStore};
pub use store::{Done, Store};
pub use watch::Watch;
