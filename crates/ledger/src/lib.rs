//! An append-only Merkle log with signed checkpoints, proofs and an offline verifier.
//!
//! Must not know: what the entries mean.
//!
//! A [`Ledger`] is a directory: `key.pub` (who signs), `checkpoint` (the newest signed tree head) and numbered segment
//! files of framed entries, each of which begins with a signed tree head of everything before it. One owner thread
//! orders concurrent appends, writes a group, calls `fdatasync` once and only then answers each caller with its index;
//! readers see durable entries only. Every entry is a leaf of one RFC 6962 tree ([`merkle`]), so
//! [`Ledger::inclusion_proof`] and [`Ledger::consistency_proof`] convince anybody who holds a checkpoint, and
//! [`verify_dir`] recomputes everything from the files alone: a flip of any byte is found and located.
//!
//! What the signature does not promise: entries younger than the newest checkpoint (one second by default, none after
//! [`Ledger::close`]) are guarded against accidents by their frames, but not yet against somebody who can rewrite the
//! files; and nobody who holds only the directory can tell that all of it was put back to an older state. For that,
//! compare with a checkpoint that was kept elsewhere.
//!
//! The one shape of entry that the platform writes lives in [`entry`]. The log stores its JSON; beside it, a small index
//! in memory ([`query`]) answers who did what, newest first.
//!
//! A [`Journal`] lies beside it: bounded, unsigned, for material that is too large for the log.

pub mod corpus;
mod cursor;
pub mod entry;
mod error;
pub mod journal;
mod key;
mod ledger;
pub mod merkle;
pub mod note;
mod open;
mod options;
pub mod query;
mod segment;
mod shared;
mod verify;
mod writer;

pub use cursor::Cursor;
pub use entry::{Actor, Entry, ObjectId, Phase, Verdict};
pub use error::{Corruption, Damage, LedgerError, VerifyError};
pub use journal::Journal;
pub use key::{KeyError, SigningKey, VerifierKey};
pub use ledger::{Appender, Ledger};
pub use merkle::Hash;
pub use note::{Checkpoint, NoteError, SignedNote};
pub use options::{FaultPoint, Faults, Now, Options};
pub use query::{Outcome, Query, QueryPage, Record};
pub use verify::{Verified, read_dir, verify_dir, verify_dir_by};
