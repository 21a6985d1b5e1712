//! Opening: the lock, the keys, reading everything back, and repairing what a crash left.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::entry::Entry;
use crate::error::{Corruption, Damage, LedgerError, VerifyError};
use crate::key::{SigningKey, VerifierKey};
use crate::merkle::empty_root;
use crate::note::Checkpoint;
use crate::query::{Row, Rows};
use crate::segment::{self, Tail, WalkError, Walked};
use crate::shared::{OpenFile, Segment, State};
use crate::verify::{read_checkpoint, read_key};

/// The newest signed tree head.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The verifier key.
pub(crate) const PUBLIC_KEY: &str = "key.pub";
const LOCK: &str = ".lock";

/// Takes the lock that keeps a second writer away. The kernel frees it when the process ends, however it ends.
pub(crate) fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join(LOCK);
    let failed = |error: &io::Error| LedgerError::io("lock", &path, error);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LedgerError::Locked { dir: dir.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// The key pair of the ledger; made when the ledger is new.
pub(crate) fn keys(dir: &Path, private: &Path, origin: &str) -> Result<(SigningKey, VerifierKey), LedgerError> {
    let public = dir.join(PUBLIC_KEY);
    if !public.exists() {
        let begun = segment::list(dir).map_err(|error| LedgerError::io("read", dir, &error))?;
        if !begun.is_empty() || dir.join(CHECKPOINT).exists() {
            return Err(LedgerError::Key(format!(
                "{} is missing; restore it from a backup",
                public.display()
            )));
        }
        let key = SigningKey::load_or_generate(private)?;
        let verifier = key.verifier(origin)?;
        replace(&public, format!("{verifier}\n").as_bytes())
            .map_err(|error| LedgerError::io("write", &public, &error))?;
        sync_dir(dir).map_err(|error| LedgerError::io("sync", dir, &error))?;
        return Ok((key, verifier));
    }
    let verifier = read_key(dir).map_err(unverified)?;
    let key = SigningKey::load(private)?;
    if key.verifier(verifier.name())? != verifier {
        return Err(LedgerError::WrongKey {
            private: private.to_owned(),
            public,
        });
    }
    Ok((key, verifier))
}

/// Reads everything back, and cuts off what a crash left behind. Also tells how many bytes that were.
pub(crate) fn load(dir: &Path, key: &VerifierKey) -> Result<(State, u64), LedgerError> {
    let checkpoint = match read_checkpoint(dir, key).map_err(unverified)? {
        Some(checkpoint) => checkpoint,
        None => {
            let begun = segment::list(dir).map_err(|error| LedgerError::io("read", dir, &error))?;
            if !begun.is_empty() {
                return Err(Corruption::new(&dir.join(CHECKPOINT), 0, 0, Damage::NoCheckpoint).into());
            }
            Checkpoint {
                origin: key.name().to_owned(),
                size: 0,
                root: empty_root(),
            }
        }
    };
    let (mut rows, mut starts) = (Rows::default(), Vec::new());
    let walked = segment::walk(dir, key, &checkpoint, Tail::Recover, |frame, at| {
        // An entry of another release is kept and proved like any other; only queries do not find it.
        let entry: Entry = serde_json::from_slice(frame.body).unwrap_or_default();
        rows.push(Row::of(&entry));
        starts.push(u32::try_from(at).unwrap_or(u32::MAX));
    });
    let Walked {
        tree,
        segments: found,
        torn,
    } = walked.map_err(|error| match error {
        WalkError::Io(path, error) => LedgerError::io("read", &path, &error),
        WalkError::Corrupt(corruption) => corruption.into(),
    })?;
    let mut segments = Vec::new();
    let ends = found.iter().skip(1).map(|(first, _, _)| *first).chain([tree.len()]);
    for ((first, path, length), next) in found.iter().zip(ends) {
        let failed = |action| move |error: io::Error| LedgerError::io(action, path, &error);
        if *length == 0 {
            fs::remove_file(path).map_err(failed("remove"))?;
            sync_dir(dir).map_err(failed("remove"))?;
            continue;
        }
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("open"))?;
        if next == tree.len() && torn > 0 {
            file.set_len(*length)
                .and_then(|()| file.sync_all())
                .map_err(failed("repair"))?;
        }
        let entries = usize::try_from(next - first).unwrap_or(usize::MAX);
        let rest = starts.split_off(entries.min(starts.len()));
        let starts = std::mem::replace(&mut starts, rest);
        let end = u32::try_from(*length).unwrap_or(u32::MAX);
        segments.push(Segment {
            first: *first,
            file: Arc::new(OpenFile {
                path: path.clone(),
                file,
            }),
            starts,
            end,
        });
    }
    Ok((State { tree, rows, segments }, torn))
}

fn unverified(error: VerifyError) -> LedgerError {
    match error {
        VerifyError::Corrupt(corruption) => corruption.into(),
        VerifyError::Io { path, reason } => LedgerError::Io {
            action: "read",
            path,
            reason,
        },
        other => LedgerError::Key(other.to_string()),
    }
}

/// Replaces a small file so that it is never seen half written.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_added_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&next, path)
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
