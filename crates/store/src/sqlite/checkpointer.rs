//! Moves what the write-ahead log holds into the database file, beside the writer instead of between two of its groups.
//!
//! The log starts over only when all of it has been copied, and while it does not it grows, which makes every sync slower. So
//! when the thread here has copied the bulk, the writer copies the few groups that came meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::database::Database;
use crate::error::StoreError;
use crate::state::Commit;

/// Log bytes after which the log is copied.
const EVERY: usize = 4 << 20;
/// What a group and a row add to the log at least: the pages of the table and of its index.
const GROUP_BYTES: usize = 3 << 12;

/// The thread that copies.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    copied: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The writer's side: counts what it has written and says when it is time.
pub(crate) struct Due {
    wake: SyncSender<()>,
    copied: Arc<AtomicBool>,
    written: usize,
}

impl Due {
    /// These commits are in the log now. Whether the rest of the log is to be copied before the next.
    pub(crate) fn wrote(&mut self, commits: &[Commit]) -> bool {
        let rows: usize = commits
            .iter()
            .flat_map(|commit| &commit.events)
            .map(|event| event.key.len() + event.entry.as_ref().map_or(0, |entry| entry.value.len()))
            .sum();
        self.written += GROUP_BYTES + rows;
        // When a copy is under way or asked for already, it is tried again after the next group.
        if self.written >= EVERY && self.wake.try_send(()).is_ok() {
            self.written = 0;
        }
        self.copied.swap(false, Ordering::AcqRel)
    }
}

/// Copies what no reader needs in the log, and waits for nobody.
pub(crate) fn copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

impl Checkpointer {
    /// Starts the thread with a connection of its own.
    pub(crate) fn start(database: &Database) -> Result<Self, StoreError> {
        let connection = database.open_checkpointer()?;
        let path = database.path.clone();
        let (wake, due) = sync_channel(1);
        let copied = Arc::new(AtomicBool::new(false));
        let done = copied.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while due.recv().is_ok() {
                    match copy(&connection) {
                        Ok(()) => done.store(true, Ordering::Release),
                        Err(error) => {
                            tracing::warn!(%error, path = %path.display(), "the write-ahead log could not be copied; it is tried again");
                        }
                    }
                }
            })
            .map_err(|error| database.io_error("start the checkpoint thread for", &error))?;
        Ok(Self {
            wake: Some(wake),
            copied,
            thread: Some(thread),
        })
    }

    /// What the writer tells its progress to.
    pub(crate) fn due(&self) -> Due {
        Due {
            wake: self
                .wake
                .clone()
                .expect("it is there until the checkpointer is dropped"),
            copied: self.copied.clone(),
            written: 0,
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}
