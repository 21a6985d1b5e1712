//! What is durable, as readers and the writer share it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::error::{Corruption, Damage, LedgerError};
use crate::merkle::Tree;
use crate::note::SignedNote;
use crate::query::{Record, Rows};
use crate::segment;

/// An open segment file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
}

/// A segment as readers use it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) file: Arc<OpenFile>,
    /// Where each entry's frame begins.
    pub(crate) starts: Vec<u32>,
    /// Where the last frame ends.
    pub(crate) end: u32,
}

/// What is durable.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) rows: Rows,
    pub(crate) segments: Vec<Segment>,
}

/// What readers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: RwLock<State>,
    pub(crate) size: watch::Sender<u64>,
    pub(crate) checkpoint: RwLock<SignedNote>,
    pub(crate) closed: AtomicBool,
    pub(crate) groups: AtomicU64,
}

impl Shared {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The bytes of an entry, checked.
    pub(crate) fn body(&self, index: u64) -> Result<Vec<u8>, LedgerError> {
        let (file, start, end) = {
            let state = self.read();
            let segment = &state.segments[state.segments.partition_point(|segment| segment.first <= index).max(1) - 1];
            let position = usize::try_from(index - segment.first).unwrap_or(usize::MAX);
            let Some(&start) = segment.starts.get(position) else {
                return Err(LedgerError::NoEntry {
                    index,
                    len: state.tree.len(),
                });
            };
            (
                segment.file.clone(),
                start,
                segment.starts.get(position + 1).copied().unwrap_or(segment.end),
            )
        };
        let mut bytes = vec![0; (end - start) as usize];
        file.file
            .read_exact_at(&mut bytes, u64::from(start))
            .map_err(|error| LedgerError::io("read", &file.path, &error))?;
        let damaged = |damage| Corruption::new(&file.path, start as usize, index, damage);
        let frame = segment::decode(&bytes, 0).map_err(damaged)?;
        if frame.index != index {
            return Err(damaged(Damage::Misplaced { found: frame.index }).into());
        }
        let body = bytes.len() - frame.body.len();
        Ok(bytes.split_off(body))
    }

    pub(crate) fn record(&self, index: u64) -> Result<Record, LedgerError> {
        let body = self.body(index)?;
        let entry = serde_json::from_slice(&body).map_err(|error| LedgerError::Shape {
            index,
            reason: error.to_string(),
        })?;
        let state = self.read();
        Ok(Record {
            index,
            entry,
            outcome: state.rows.outcome_of(index),
            result: state.rows.result(index),
        })
    }

    pub(crate) fn records(&self, range: Range<u64>) -> Result<Vec<Record>, LedgerError> {
        range.map(|index| self.record(index)).collect()
    }
}
