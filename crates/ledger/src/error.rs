//! Everything that can go wrong with a ledger, each with the place and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use crate::key::KeyError;
use crate::merkle::OutOfRange;
use crate::note::NoteError;

/// A damaged place: file, byte, entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}, entry {index}: {damage}", file.display())]
pub struct Corruption {
    /// The file.
    pub file: PathBuf,
    /// Where the damaged part begins.
    pub offset: u64,
    /// The entry that stands there, or should.
    pub index: u64,
    /// What is wrong.
    pub damage: Damage,
}

/// What is wrong at a damaged place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The bytes of a frame do not fit its checksum.
    #[error("the bytes were changed; restore the file from a backup")]
    Frame,
    /// A frame is whole but is another entry's.
    #[error("entry {found} stands there; entries were removed or moved, restore the file from a backup")]
    Misplaced {
        /// The index that the frame names.
        found: u64,
    },
    /// The file ends inside a frame.
    #[error(
        "the file ends in the middle of an entry; after a crash, opening the ledger removes an unacknowledged last entry"
    )]
    Incomplete,
    /// The head of the segment is not as it was written.
    #[error("the head of the segment was changed; restore the file from a backup")]
    Header,
    /// The signed tree head at the beginning of the segment does not fit.
    #[error("the signed head of the segment does not fit: {0}")]
    SegmentNote(NoteError),
    /// A segment begins at another entry than the one before ends.
    #[error(
        "the next segment begins with entry {found}; entries were cut off, or a segment is missing or was renamed, restore it from a backup"
    )]
    Gap {
        /// The first entry of the segment that is there.
        found: u64,
    },
    /// Every frame is well-formed, but together they are not what was signed.
    #[error("entries {from} to {} are well-formed but are not the entries that were signed; restore them from a backup", to.saturating_sub(1))]
    Root {
        /// The first entry that the signature covers beyond the last one that fits.
        from: u64,
        /// The entry after the last that the signature covers.
        to: u64,
    },
    /// The checkpoint covers more entries than there are.
    #[error("the checkpoint covers {covered} entries; the last {} are missing, restore the file from a backup", covered.saturating_sub(*there))]
    Missing {
        /// How many the checkpoint covers.
        covered: u64,
        /// How many there are.
        there: u64,
    },
    /// There are entries but nothing signed.
    #[error("the file is missing although the ledger has entries; restore it from a backup")]
    NoCheckpoint,
    /// The checkpoint is not signed by this ledger's key.
    #[error("the checkpoint does not fit: {0}")]
    Checkpoint(NoteError),
}

impl Corruption {
    pub(crate) fn new(file: &Path, offset: usize, index: u64, damage: Damage) -> Self {
        Self {
            file: file.to_owned(),
            offset: offset as u64,
            index,
            damage,
        }
    }
}

/// Why the ledger does not do what was asked. Cloneable because all entries of a group share one fate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Another process writes to the ledger.
    #[error("{} is in use by another process: stop it or choose another directory (reading and verifying need no lock)", dir.display())]
    Locked {
        /// The ledger's directory.
        dir: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {reason}; check the disk and the permissions", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no room; nothing of the group was kept.
    #[error("no space left to write {}: free disk space; nothing can be recorded, so nothing can be changed, until then", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The key cannot be used.
    #[error("{0}")]
    Key(String),
    /// The private key is not the one whose public half the ledger holds.
    #[error("{} is not the key that signs this ledger ({}): restore the right one", private.display(), public.display())]
    WrongKey {
        /// The private key file.
        private: PathBuf,
        /// The public key file.
        public: PathBuf,
    },
    /// What is on disk is not what was written.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// An entry is larger than an entry may be.
    #[error("the entry has {size} bytes, the limit is {limit}: keep large bodies elsewhere and record their digest")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The entry is not there (yet).
    #[error("there is no entry {index}: the ledger has {len}")]
    NoEntry {
        /// What was asked for.
        index: u64,
        /// How many there are.
        len: u64,
    },
    /// No such proof.
    #[error(transparent)]
    Proof(#[from] OutOfRange),
    /// An entry's JSON has another shape than this release knows.
    #[error("entry {index} cannot be read: {reason}; it was written by another release")]
    Shape {
        /// The entry.
        index: u64,
        /// What the parser said.
        reason: String,
    },
    /// The ledger has been closed.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    pub(crate) fn io(action: &'static str, path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io {
                action,
                path,
                reason: error.to_string(),
            },
        }
    }
}

impl From<KeyError> for LedgerError {
    fn from(error: KeyError) -> Self {
        Self::Key(chain(&error))
    }
}

/// The message with its causes, which `KeyError` keeps apart.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Why a ledger on disk is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// `key.pub` does not hold a verifier key.
    #[error("{} is damaged at byte 0: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// `key.pub` is not the key that the caller trusts.
    #[error("{} is not the trusted key {expected}: the ledger was signed by somebody else", path.display())]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// The trusted key.
        expected: String,
    },
    /// Something was changed.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
}
