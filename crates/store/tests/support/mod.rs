//! What the store's tests share.
#![allow(clippy::unwrap_used, dead_code, reason = "each test file uses some of it")]

use std::path::Path;
use std::sync::Arc;

use ridgeway_store::{MemoryStore, SqliteOptions, SqliteStore, Store, WatchEvent};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

/// Every kind of store under test: in memory, durable, and durable with so little memory that history comes from the file.
pub(crate) fn stores(dir: &Path) -> Vec<(&'static str, Arc<dyn Store>)> {
    let narrow = SqliteOptions {
        window_commits: 2,
        ..SqliteOptions::default()
    };
    let forgetful = SqliteOptions {
        window_bytes: 0,
        ..SqliteOptions::default()
    };
    vec![
        ("memory", Arc::new(MemoryStore::new())),
        ("sqlite", Arc::new(SqliteStore::open(dir.join("wide.db")).unwrap())),
        (
            "sqlite, two commits in memory",
            Arc::new(SqliteStore::open_with(dir.join("narrow.db"), narrow).unwrap()),
        ),
        (
            "sqlite, no history in memory",
            Arc::new(SqliteStore::open_with(dir.join("none.db"), forgetful).unwrap()),
        ),
    ]
}

/// `revision key=new(old)`, with `-` for what does not exist.
pub(crate) fn show(event: &WatchEvent) -> String {
    let value = |entry: &Option<Arc<ridgeway_store::Entry>>| {
        entry.as_ref().map_or("-".to_owned(), |entry| {
            String::from_utf8_lossy(&entry.value).into_owned()
        })
    };
    let key = String::from_utf8_lossy(&event.key);
    format!(
        "{} {key}={}({})",
        event.revision,
        value(&event.entry),
        value(&event.prev)
    )
}
