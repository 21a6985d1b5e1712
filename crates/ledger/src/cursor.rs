//! Following the ledger from any entry on: for exports and live views.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::LedgerError;
use crate::query::Record;
use crate::shared::Shared;

/// How many entries are read at once.
const BATCH: u64 = 256;

/// Reads every entry from an index on, in order, and waits for what is still to come. Whoever stores [`Cursor::next_index`]
/// after handling an entry misses nothing and repeats at most one.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    next: u64,
    read: VecDeque<Record>,
    size: watch::Receiver<u64>,
}

impl Cursor {
    pub(crate) fn new(shared: Arc<Shared>, from: u64) -> Self {
        let size = shared.size.subscribe();
        Self {
            shared,
            next: from,
            read: VecDeque::new(),
            size,
        }
    }

    /// The index of the entry that [`Cursor::next`] gives next.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    /// The next entry; waits for it. `None` when the ledger is closed and everything has been read. Cancel safe.
    ///
    /// # Errors
    /// When the entry cannot be read back.
    pub async fn next(&mut self) -> Option<Result<Record, LedgerError>> {
        loop {
            if let Some(record) = self.read.pop_front() {
                self.next = record.index + 1;
                return Some(Ok(record));
            }
            let len = *self.size.borrow_and_update();
            if self.next < len {
                match self.shared.records(self.next..len.min(self.next + BATCH)) {
                    Ok(records) => self.read = records.into(),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            }
            if self.shared.is_closed() || self.size.changed().await.is_err() {
                return None;
            }
        }
    }
}
