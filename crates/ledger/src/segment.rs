//! The bytes of a segment: a signed head, then one frame an entry. Reading them back, and telling a torn end from damage.
//!
//! Head: magic, length of the note, the note (a signed tree head of everything before), checksum.
//! Frame: index, index of the first entry of its group, length, checksum, body. The checksum covers the other three and
//! the leaf hash, so a frame costs no second pass over the body. A group is written by one call and synced before the
//! next begins: a frame of a later group proves that every earlier group was durable. Behind the last frame there may be
//! zeros, reserved for what comes; no frame begins with that many, for its checksum is not zero.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::error::{Corruption, Damage};
use crate::key::VerifierKey;
use crate::merkle::{Hash, Tree, leaf_hash};
use crate::note::{Checkpoint, NoteError, SignedNote};

const MAGIC: &[u8; 8] = b"RWLEDG1\n";
const CHECK: usize = 12;
const NOTE_AT: usize = MAGIC.len() + 4;

/// Bytes of a frame before its body.
pub(crate) const FRAME_HEAD: usize = 8 + 8 + 4 + CHECK;

/// The largest body.
pub(crate) const MAX_BODY: usize = 1 << 20;

const SUFFIX: &str = ".segment";

fn check(parts: &[&[u8]]) -> [u8; CHECK] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut check = [0; CHECK];
    check.copy_from_slice(&context.finish().as_ref()[..CHECK]);
    check
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The file of the segment whose first entry is `first`.
pub(crate) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}{SUFFIX}"))
}

/// The segments of a directory, in order.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(SUFFIX));
        // Any other name with the suffix is no segment of ours; were it one that was renamed, its entries are missed.
        if let Some(first) = stem.filter(|stem| stem.len() == 20).and_then(|stem| stem.parse().ok()) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

/// The head of a segment.
pub(crate) fn header(note: &SignedNote) -> Vec<u8> {
    let text = note.as_str().as_bytes();
    let length = u32::try_from(text.len())
        .expect("a note is a few hundred bytes")
        .to_le_bytes();
    [MAGIC, &length[..], text, &check(&[MAGIC, &length, text])].concat()
}

/// Appends a frame and returns the leaf hash of its body.
pub(crate) fn encode(out: &mut Vec<u8>, index: u64, group: u64, body: &[u8]) -> Hash {
    let leaf = leaf_hash(body);
    let start = out.len();
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(
        &u32::try_from(body.len())
            .expect("the size was checked against MAX_BODY")
            .to_le_bytes(),
    );
    let check = check(&[&out[start..], &leaf]);
    out.extend_from_slice(&check);
    out.extend_from_slice(body);
    leaf
}

/// A whole frame.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) index: u64,
    pub(crate) group: u64,
    pub(crate) leaf: Hash,
    pub(crate) body: &'a [u8],
    /// Where the next frame begins.
    pub(crate) end: usize,
}

/// The frame at an offset, whichever entry it is.
pub(crate) fn decode(bytes: &[u8], at: usize) -> Result<Frame<'_>, Damage> {
    let head = bytes.get(at..at + FRAME_HEAD).ok_or(Damage::Incomplete)?;
    let (Some(index), Some(group), Some(length)) = (u64_at(head, 0), u64_at(head, 8), u32_at(head, 16)) else {
        return Err(Damage::Incomplete);
    };
    if length as usize > MAX_BODY {
        return Err(Damage::Frame);
    }
    let end = at + FRAME_HEAD + length as usize;
    let body = bytes.get(at + FRAME_HEAD..end).ok_or(Damage::Incomplete)?;
    let leaf = leaf_hash(body);
    if check(&[&head[..20], &leaf]) != head[20..] {
        return Err(Damage::Frame);
    }
    Ok(Frame {
        index,
        group,
        leaf,
        body,
        end,
    })
}

/// Whether a frame behind a damaged one belongs to a later group than the entry `lost`, which was then durable.
fn was_durable(bytes: &[u8], from: usize, lost: u64) -> bool {
    (from..bytes.len().saturating_sub(FRAME_HEAD - 1)).any(|at| {
        let plausible = u64_at(bytes, at + 8).is_some_and(|group| group > lost)
            && u64_at(bytes, at).is_some_and(|index| index > lost && index - lost < 1 << 32)
            && u32_at(bytes, at + 16).is_some_and(|length| length as usize <= MAX_BODY);
        plausible && decode(bytes, at).is_ok_and(|frame| frame.group > lost && frame.group <= frame.index)
    })
}

/// The signed tree head of a segment, and where its frames begin.
fn read_header(bytes: &[u8]) -> Result<(SignedNote, usize), Damage> {
    let length = u32_at(bytes, MAGIC.len()).ok_or(Damage::Header)? as usize;
    let text = NOTE_AT
        .checked_add(length)
        .and_then(|end| bytes.get(NOTE_AT..end))
        .ok_or(Damage::Header)?;
    let end = NOTE_AT + length + CHECK;
    let found = bytes.get(NOTE_AT + length..end).ok_or(Damage::Header)?;
    if !bytes.starts_with(MAGIC) || check(&[MAGIC, &bytes[MAGIC.len()..NOTE_AT], text]) != found {
        return Err(Damage::Header);
    }
    let text = std::str::from_utf8(text).map_err(|_| Damage::Header)?;
    Ok((SignedNote::from_text(text), end))
}

/// What to do with the end of the last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// A torn end is damage.
    Strict,
    /// Entries behind the checkpoint that were never acknowledged may be cut off.
    Recover,
}

/// Everything in the segments, walked once.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) tree: Tree,
    /// First entry, file and length up to the last whole frame.
    pub(crate) segments: Vec<(u64, PathBuf, u64)>,
    /// How many bytes behind the last whole frame are to be cut off.
    pub(crate) torn: u64,
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum WalkError {
    Io(PathBuf, io::Error),
    Corrupt(Corruption),
}

impl From<Corruption> for WalkError {
    fn from(corruption: Corruption) -> Self {
        Self::Corrupt(corruption)
    }
}

/// Reads every segment, checks every frame and every signed head, and the checkpoint against the whole.
pub(crate) fn walk(
    dir: &Path,
    key: &VerifierKey,
    checkpoint: &Checkpoint,
    tail: Tail,
    mut each: impl FnMut(&Frame<'_>, usize),
) -> Result<Walked, WalkError> {
    let mut walked = Walked::default();
    let list = list(dir).map_err(|error| WalkError::Io(dir.to_owned(), error))?;
    // The place of the last tree head that fits: what comes behind it is suspect when the next one does not.
    let mut anchor: Option<(PathBuf, usize, u64)> = None;
    for (position, (first, path)) in list.iter().enumerate() {
        let bytes = fs::read(path).map_err(|error| WalkError::Io(path.clone(), error))?;
        let next = walked.tree.len();
        let last = position + 1 == list.len();
        if *first != next {
            // Missing entries are missing behind the segment before.
            let before = walked.segments.last().filter(|_| *first > next);
            let (file, offset) = match before {
                Some((_, path, length)) => (path, usize::try_from(*length).unwrap_or_default()),
                None => (path, 0),
            };
            return Err(Corruption::new(file, offset, next, Damage::Gap { found: *first }).into());
        }
        let (note, mut at) = match read_header(&bytes) {
            Ok(found) => found,
            // A segment without a durable head never held an acknowledged entry.
            Err(_) if tail == Tail::Recover && last && next >= checkpoint.size && !was_durable(&bytes, 0, next) => {
                walked.segments.push((next, path.clone(), 0));
                walked.torn = bytes.len() as u64;
                break;
            }
            Err(damage) => return Err(Corruption::new(path, 0, next, damage).into()),
        };
        let head = note
            .verify(key)
            .map_err(|error| Corruption::new(path, NOTE_AT, next, Damage::SegmentNote(error)))?;
        if head.size != next || head.origin != checkpoint.origin {
            let error = NoteError::Checkpoint("it speaks of another place in the log");
            return Err(Corruption::new(path, NOTE_AT, next, Damage::SegmentNote(error)).into());
        }
        if head.root != walked.tree.root() {
            let (file, offset, from) = anchor.unwrap_or_else(|| (path.clone(), at, 0));
            return Err(Corruption::new(&file, offset, from, Damage::Root { from, to: next }).into());
        }
        anchor = Some((path.clone(), at, next));
        while at < bytes.len() {
            let index = walked.tree.len();
            let frame = decode(&bytes, at).and_then(|frame| match frame.index == index && frame.group <= index {
                true => Ok(frame),
                false => Err(Damage::Misplaced { found: frame.index }),
            });
            match frame {
                Ok(frame) => {
                    each(&frame, at);
                    walked.tree.push(frame.leaf);
                    at = frame.end;
                }
                // Reserved for entries that have not come.
                Err(_) if bytes[at..].iter().all(|byte| *byte == 0) => break,
                Err(_)
                    if tail == Tail::Recover
                        && last
                        && index >= checkpoint.size
                        && !was_durable(&bytes, at + 1, index) =>
                {
                    walked.torn = (bytes.len() - at) as u64;
                    break;
                }
                Err(damage) => return Err(Corruption::new(path, at, index, damage).into()),
            }
        }
        walked.segments.push((*first, path.clone(), at as u64));
    }
    let (file, offset, from) = anchor.unwrap_or_else(|| (path(dir, 0), 0, 0));
    let there = walked.tree.len();
    match walked.tree.root_at(checkpoint.size) {
        Some(root) if root == checkpoint.root => Ok(walked),
        Some(_) => {
            // The checkpoint may end before the last segment does; the heads in between have already been checked.
            let from = from.min(checkpoint.size);
            Err(Corruption::new(
                &file,
                offset,
                from,
                Damage::Root {
                    from,
                    to: checkpoint.size,
                },
            )
            .into())
        }
        None => {
            let end = walked
                .segments
                .last()
                .map_or(offset, |(_, _, length)| usize::try_from(*length).unwrap_or(offset));
            let damage = Damage::Missing {
                covered: checkpoint.size,
                there,
            };
            Err(Corruption::new(&file, end, there, damage).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_no_byte_of_it_can_change() {
        let mut bytes = Vec::new();
        let leaf = encode(&mut bytes, 7, 5, b"body");
        let frame = decode(&bytes, 0).unwrap();
        assert_eq!(
            (frame.index, frame.group, frame.leaf, frame.body, frame.end),
            (7, 5, leaf, &b"body"[..], bytes.len())
        );
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(decode(&changed, 0).is_err(), "byte {at}, bit {bit}");
            }
            assert!(decode(&bytes[..at], 0).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn only_a_later_group_proves_that_a_lost_entry_was_durable() {
        let mut same = vec![0; 50];
        encode(&mut same, 8, 5, b"of the same group");
        assert!(!was_durable(&same, 0, 7));
        let mut later = vec![0; 50];
        encode(&mut later, 8, 8, b"of the next group");
        assert!(was_durable(&later, 0, 7));
        assert!(!was_durable(&later, 0, 8));
        assert!(!was_durable(&later[..later.len() - 1], 0, 7));
    }
}
