//! Everything that can go wrong in the store, each with its remedy.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Entry, Revision};

/// Why an operation failed. Cloneable because all transactions of a group commit share one fate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The revision is older than the retained history.
    #[error(
        "revision {requested} has been compacted; the oldest readable revision is {oldest}: list again from the latest"
    )]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest that can be read.
        oldest: Revision,
    },
    /// The revision does not exist yet.
    #[error("revision {requested} is in the future; the current revision is {current}: retry later")]
    Future {
        /// What was asked for.
        requested: Revision,
        /// The newest that can be read.
        current: Revision,
    },
    /// A condition of the transaction does not hold; nothing was written.
    #[error("condition {index} on key {key:?} does not hold: {}", describe(current.as_deref()))]
    Conflict {
        /// Which condition, counted from 0.
        index: usize,
        /// The key it examined.
        key: Bytes,
        /// What the key holds now.
        current: Option<Arc<Entry>>,
    },
    /// A transaction writes one key twice.
    #[error("the transaction writes key {key:?} more than once: merge the writes into one")]
    DuplicateKey {
        /// The key.
        key: Bytes,
    },
    /// A key is empty.
    #[error("a key must not be empty")]
    EmptyKey,
    /// A transaction has too many writes.
    #[error("the transaction has {count} writes, the limit is {limit}: split it")]
    TooManyOps {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Another process uses the database.
    #[error("{path} is in use by another process (lock file {path}.lock is held): stop that process or choose another data directory", path = path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a database of this store.
    #[error("{path} is not a Ridgeway store ({reason}): choose another path or move the file away", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it was recognised.
        reason: String,
    },
    /// The database was written by a newer release.
    #[error("{path} has schema version {found}, this release knows up to {supported}: run the release that wrote it, or a newer one", path = path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest that this release reads.
        supported: u32,
    },
    /// The database is damaged.
    #[error("{path} is damaged ({reason}): restore it from a backup", path = path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no room for the write; nothing was written.
    #[error("no space left to write {path} ({reason}): free disk space, compact the store or raise its size limit; reads go on working", path = path.display())]
    Full {
        /// The database file.
        path: PathBuf,
        /// What the storage said.
        reason: String,
    },
    /// The storage failed; nothing of the operation is visible. The write may still surface if the process dies before
    /// the next successful one, as with any database whose commit reported an I/O error.
    #[error("cannot {action} {path}: {reason}: check the disk and the permissions; the operation can be retried", path = path.display())]
    Storage {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the storage said.
        reason: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a watch ended. The watcher lists again and starts a new watch from the listing's revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// The watcher was so slow that the history it still needed has been compacted.
    #[error(
        "the watch fell behind: events after revision {requested} are needed, but {oldest} is the oldest retained revision: list again"
    )]
    Compacted {
        /// The last revision that was delivered in full.
        requested: Revision,
        /// The oldest revision from which a watch can start.
        oldest: Revision,
    },
    /// Reading the history failed.
    #[error("cannot read the history for the watch: {0}")]
    Storage(#[source] Box<StoreError>),
}

impl From<StoreError> for WatchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Compacted { requested, oldest } => Self::Compacted { requested, oldest },
            other => Self::Storage(Box::new(other)),
        }
    }
}

fn describe(current: Option<&Entry>) -> String {
    match current {
        Some(entry) => format!("it was last written at revision {}", entry.mod_revision),
        None => "it does not exist".to_owned(),
    }
}
