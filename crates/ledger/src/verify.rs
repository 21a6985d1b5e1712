//! The offline verifier: proves a ledger from its files alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::error::{Corruption, Damage, VerifyError};
use crate::key::VerifierKey;
use crate::merkle::Hash;
use crate::note::{Checkpoint, NoteError, SignedNote};
use crate::open::{CHECKPOINT, PUBLIC_KEY};
use crate::segment::{self, Tail, WalkError};

/// A last entry of a ledger in use may be half written when it is read; it is whole a moment later.
const ATTEMPTS: u32 = 4;

/// What was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who signed.
    pub key: VerifierKey,
    /// The newest signed tree head.
    pub checkpoint: Checkpoint,
    /// All entries there are.
    pub size: u64,
    /// The root over all of them.
    pub root: Hash,
    /// How many segment files hold them.
    pub segments: usize,
}

impl Verified {
    /// How many entries are younger than the checkpoint: whole, but not signed yet.
    pub fn after_checkpoint(&self) -> u64 {
        self.size - self.checkpoint.size
    }
}

/// Checks every byte of the ledger in a directory: frames, signed heads, checkpoint. Needs no lock; a ledger in use is fine.
///
/// # Errors
/// The first place where something is not as it was written.
pub fn verify_dir(dir: &Path) -> Result<Verified, VerifyError> {
    verify_with(dir, || (), |(), _| ()).map(|(verified, ())| verified)
}

/// As [`verify_dir`], and gives the bodies of all entries, oldest first.
///
/// # Errors
/// As [`verify_dir`].
pub fn read_dir(dir: &Path) -> Result<(Verified, Vec<Vec<u8>>), VerifyError> {
    verify_with(dir, Vec::new, |bodies, body| bodies.push(body.to_vec()))
}

fn verify_with<T>(
    dir: &Path,
    start: impl Fn() -> T,
    mut each: impl FnMut(&mut T, &[u8]),
) -> Result<(Verified, T), VerifyError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let key = read_key(dir)?;
        // The checkpoint first: segments that are read later hold at least what it covers.
        let Some(checkpoint) = read_checkpoint(dir, &key)? else {
            return Err(Corruption::new(&dir.join(CHECKPOINT), 0, 0, Damage::NoCheckpoint).into());
        };
        let mut gathered = start();
        match segment::walk(dir, &key, &checkpoint, Tail::Strict, |frame, _| {
            each(&mut gathered, frame.body)
        }) {
            Ok(walked) => {
                let (size, root) = (walked.tree.len(), walked.tree.root());
                let segments = walked.segments.len();
                return Ok((
                    Verified {
                        key,
                        checkpoint,
                        size,
                        root,
                        segments,
                    },
                    gathered,
                ));
            }
            Err(WalkError::Corrupt(found)) if found.index >= checkpoint.size && attempts < ATTEMPTS => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(WalkError::Corrupt(corruption)) => return Err(corruption.into()),
            Err(WalkError::Io(path, error)) => {
                return Err(VerifyError::Io {
                    path,
                    reason: error.to_string(),
                });
            }
        }
    }
}

/// As [`verify_dir`], and `key.pub` must be a key that the caller got from elsewhere.
///
/// # Errors
/// As [`verify_dir`], or [`VerifyError::OtherKey`].
pub fn verify_dir_by(dir: &Path, trusted: &VerifierKey) -> Result<Verified, VerifyError> {
    let verified = verify_dir(dir)?;
    if verified.key != *trusted {
        return Err(VerifyError::OtherKey {
            path: dir.join(PUBLIC_KEY),
            expected: trusted.to_string(),
        });
    }
    Ok(verified)
}

/// The verifier key of a ledger.
pub(crate) fn read_key(dir: &Path) -> Result<VerifierKey, VerifyError> {
    let path = dir.join(PUBLIC_KEY);
    let text = fs::read(&path).map_err(|error| VerifyError::Io {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    let wrong = |reason: String| VerifyError::Key {
        path: path.clone(),
        reason,
    };
    let text = String::from_utf8(text).map_err(|_| wrong("it is not text; restore it from a backup".into()))?;
    let key: VerifierKey = text
        .trim_end_matches('\n')
        .parse()
        .map_err(|error| wrong(format!("{error}")))?;
    if text != format!("{key}\n") {
        return Err(wrong(
            "it does not read as it was written; restore it from a backup".into(),
        ));
    }
    Ok(key)
}

/// The newest signed tree head, if there is one.
pub(crate) fn read_checkpoint(dir: &Path, key: &VerifierKey) -> Result<Option<Checkpoint>, VerifyError> {
    let path = dir.join(CHECKPOINT);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(VerifyError::Io {
                path,
                reason: error.to_string(),
            });
        }
    };
    let checkpoint = String::from_utf8(text)
        .map_err(|_| NoteError::Form("it is not text"))
        .and_then(|text| SignedNote::from_text(text).verify(key))
        .and_then(|checkpoint| match checkpoint.origin == key.name() {
            true => Ok(checkpoint),
            false => Err(NoteError::Checkpoint("it is of another log")),
        });
    match checkpoint {
        Ok(checkpoint) => Ok(Some(checkpoint)),
        Err(error) => Err(Corruption::new(&path, 0, 0, Damage::Checkpoint(error)).into()),
    }
}
