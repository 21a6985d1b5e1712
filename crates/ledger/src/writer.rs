//! The writer thread: orders appends, writes and syncs a group at once, publishes it, answers, and signs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::LedgerError;
use crate::key::{SigningKey, VerifierKey};
use crate::note::{Checkpoint, SignedNote};
use crate::open::{CHECKPOINT, replace, sync_dir};
use crate::options::{FaultPoint, Faults, Options};
use crate::query::Row;
use crate::segment;
use crate::shared::{OpenFile, Segment, Shared};

/// The most entries in one group, and the bytes after which it takes no more.
const GROUP: usize = 4096;
const GROUP_BYTES: usize = 4 << 20;

/// How far ahead of the entries a segment is filled with zeros. Syncing bytes that the file already has costs a fraction of
/// syncing a file that grows.
const AHEAD: u64 = 1 << 20;

/// Called by the writer thread when an entry is durable, or is not going to be.
pub(crate) type Reply = Box<dyn FnOnce(Result<u64, LedgerError>) + Send>;

/// An entry on its way.
pub(crate) struct Pending {
    pub(crate) body: Vec<u8>,
    pub(crate) row: Row,
    /// `None` for a buffered entry.
    pub(crate) reply: Option<Reply>,
}

/// Work for the writer.
pub(crate) enum Job {
    Append(Pending),
    Sign(oneshot::Sender<Result<SignedNote, LedgerError>>),
    Close(oneshot::Sender<Result<(), LedgerError>>),
}

/// The owner of the files.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    dir: PathBuf,
    key: SigningKey,
    verifier: VerifierKey,
    faults: Arc<dyn Faults>,
    checkpoint_every: Duration,
    linger: Duration,
    segment_bytes: u32,
    /// How many entries the checkpoint file covers; `None` before it was written.
    signed: Option<u64>,
    /// When the oldest entry without checkpoint became durable (or signing last failed).
    unsigned_since: Option<Instant>,
    /// Bytes behind the durable end may be left from a failed group.
    dirty: bool,
    /// How long the last segment's file is, zeros included.
    reserved: u64,
    /// Keeps other writers away until this one has ended.
    lock: File,
}

/// Entries that are to be written together.
#[derive(Default)]
struct Group {
    entries: Vec<Pending>,
    bytes: usize,
    /// Somebody waits for it.
    urgent: bool,
    /// When the first entry came (or the storage last failed).
    since: Option<Instant>,
}

impl Group {
    fn push(&mut self, pending: Pending) {
        self.bytes += pending.body.len();
        self.urgent |= pending.reply.is_some();
        self.since.get_or_insert_with(Instant::now);
        self.entries.push(pending);
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= GROUP || self.bytes >= GROUP_BYTES
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        dir: PathBuf,
        key: SigningKey,
        verifier: VerifierKey,
        options: &Options,
        lock: File,
    ) -> Self {
        Self {
            shared,
            dir,
            key,
            verifier,
            faults: options.faults.clone(),
            checkpoint_every: options.checkpoint_every,
            linger: options.linger,
            // Offsets are kept in 32 bits.
            segment_bytes: options.segment_bytes.min(1 << 30),
            signed: None,
            unsigned_since: None,
            dirty: false,
            reserved: 0,
            lock,
        }
    }

    fn len(&self) -> u64 {
        *self.shared.size.borrow()
    }

    /// Works until the ledger is closed or dropped and the queue is empty.
    pub(crate) fn run(mut self, queue: &Receiver<Job>) {
        let mut group = Group::default();
        let mut signs = Vec::new();
        let mut closing = None;
        let mut open = true;
        while open {
            let mut job = self.wait(queue, &group);
            loop {
                match job {
                    Ok(Job::Append(pending)) => group.push(pending),
                    Ok(Job::Sign(reply)) => signs.push(reply),
                    Ok(Job::Close(reply)) => {
                        closing = Some(reply);
                        open = false;
                        break;
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => {
                        open = false;
                        break;
                    }
                }
                if group.is_full() {
                    break;
                }
                job = queue.try_recv();
            }
            let due = group.since.is_some_and(|since| since.elapsed() >= self.linger);
            if !group.entries.is_empty() && (group.urgent || due || group.is_full() || !signs.is_empty() || !open) {
                self.commit(&mut group);
            }
            if !signs.is_empty() {
                let signed = self.sign();
                let answer = signed.map(|()| {
                    self.shared
                        .checkpoint
                        .read()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone()
                });
                for reply in signs.drain(..) {
                    let _ = reply.send(answer.clone());
                }
            } else if open
                && self
                    .unsigned_since
                    .is_some_and(|since| since.elapsed() >= self.checkpoint_every)
            {
                // It is tried again; meanwhile the frames guard what is unsigned.
                let _ = self.sign();
            }
        }
        let mut outcome = self.sign();
        self.trim();
        if !group.entries.is_empty() {
            let lost = group.entries.len();
            tracing::error!(lost, "buffered entries could not be written before the ledger closed");
            let path = self.dir.clone();
            outcome = Err(LedgerError::Io {
                action: "write the last entries of",
                path,
                reason: format!("{lost} are lost"),
            });
        }
        self.shared.closed.store(true, Ordering::Release);
        self.shared.size.send_modify(|_| ());
        drop(self.lock);
        if let Some(reply) = closing {
            let _ = reply.send(outcome);
        }
    }

    /// Waits for work, at most until something is due.
    fn wait(&self, queue: &Receiver<Job>, group: &Group) -> Result<Job, TryRecvError> {
        let write = group.since.map(|since| since + self.linger);
        let sign = self.unsigned_since.map(|since| since + self.checkpoint_every);
        match write.into_iter().chain(sign).min() {
            None => queue.recv().map_err(|_| TryRecvError::Disconnected),
            Some(due) => queue
                .recv_timeout(due.saturating_duration_since(Instant::now()))
                .map_err(|error| match error {
                    RecvTimeoutError::Timeout => TryRecvError::Empty,
                    RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                }),
        }
    }

    /// Makes a group durable, then visible, then known to who waits. Of a failed group nothing is kept but the buffered
    /// entries, which are tried again.
    fn commit(&mut self, group: &mut Group) {
        let Group { entries, .. } = std::mem::take(group);
        match self.write(&entries) {
            Ok(first) => {
                for (index, pending) in (first..).zip(entries) {
                    if let Some(reply) = pending.reply {
                        reply(Ok(index));
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, entries = entries.len(), "a group of entries could not be written");
                for pending in entries {
                    match pending.reply {
                        Some(reply) => reply(Err(error.clone())),
                        None => group.push(pending),
                    }
                }
            }
        }
    }

    fn write(&mut self, entries: &[Pending]) -> Result<u64, LedgerError> {
        self.repair()?;
        let bytes: usize = entries
            .iter()
            .map(|pending| pending.body.len() + segment::FRAME_HEAD)
            .sum();
        self.roll(bytes)?;
        let (first, file, start) = self.end()?;
        let mut buffer = Vec::with_capacity(bytes);
        let mut starts = Vec::with_capacity(entries.len());
        let mut leaves = Vec::with_capacity(entries.len());
        for (index, pending) in (first..).zip(entries) {
            starts.push(start + buffer.len() as u32);
            leaves.push(segment::encode(&mut buffer, index, first, &pending.body));
        }
        let end = start + buffer.len() as u32;
        if u64::from(end) > self.reserved {
            self.reserved = self.reserve(u64::from(end));
            buffer.resize((self.reserved - u64::from(start)) as usize, 0);
        }
        let written = (|| {
            self.faults.strike(FaultPoint::Write)?;
            file.file.write_all_at(&buffer, u64::from(start))?;
            self.faults.strike(FaultPoint::Sync)?;
            file.file.sync_data()
        })();
        if let Err(error) = written {
            self.dirty = true;
            let error = LedgerError::io("write", &file.path, &error);
            if let Err(error) = self.repair() {
                tracing::error!(%error, "the rest of a failed group could not be cut off; appends fail until it can");
            }
            return Err(error);
        }
        {
            let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
            for (leaf, pending) in leaves.into_iter().zip(entries) {
                state.tree.push(leaf);
                state.rows.push(pending.row);
            }
            if let Some(segment) = state.segments.last_mut() {
                segment.starts.append(&mut starts);
                segment.end = end;
            }
        }
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        self.unsigned_since.get_or_insert_with(Instant::now);
        self.shared.size.send_replace(first + entries.len() as u64);
        Ok(first)
    }

    /// How long the file becomes when entries up to `end` do not fit any more.
    fn reserve(&self, end: u64) -> u64 {
        (end + AHEAD / 2)
            .next_multiple_of(AHEAD)
            .min(u64::from(self.segment_bytes))
            .max(end)
    }

    /// Takes away the zeros behind the last entry: nobody is going to write there.
    fn trim(&mut self) {
        if let Ok((_, file, end)) = self.end()
            && u64::from(end) < self.reserved
        {
            match file.file.set_len(u64::from(end)) {
                Ok(()) => self.reserved = u64::from(end),
                Err(error) => {
                    tracing::warn!(%error, path = %file.path.display(), "the zeros behind the last entry stay")
                }
            }
        }
    }

    /// The next index, and the file and offset where its frame goes.
    fn end(&self) -> Result<(u64, Arc<OpenFile>, u32), LedgerError> {
        let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        let segment = state.segments.last().ok_or(LedgerError::Closed)?;
        Ok((state.tree.len(), segment.file.clone(), segment.end))
    }

    /// Cuts off what a failed group may have left.
    fn repair(&mut self) -> Result<(), LedgerError> {
        if self.dirty {
            let (_, file, end) = self.end()?;
            self.faults
                .strike(FaultPoint::Rollback)
                .and_then(|()| file.file.set_len(u64::from(end)))
                .and_then(|()| file.file.sync_all())
                .map_err(|error| LedgerError::io("repair", &file.path, &error))?;
            self.reserved = u64::from(end);
            self.dirty = false;
        }
        Ok(())
    }

    /// Makes sure that there is a segment to write to.
    pub(crate) fn prepare(&mut self) -> Result<(), LedgerError> {
        if let Ok((_, file, end)) = self.end() {
            let length = file.file.metadata().map(|metadata| metadata.len());
            self.reserved = length.unwrap_or_else(|_| u64::from(end));
        }
        self.roll(0)
    }

    /// Begins a new segment when there is none, or when the last one is full.
    fn roll(&mut self, bytes: usize) -> Result<(), LedgerError> {
        let full = {
            let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
            state.segments.last().is_none_or(|segment| {
                !segment.starts.is_empty() && segment.end as usize + bytes > self.segment_bytes as usize
            })
        };
        if !full {
            return Ok(());
        }
        self.trim();
        let checkpoint = self.head();
        let header = segment::header(&checkpoint.sign(&self.key, &self.verifier));
        let path = segment::path(&self.dir, checkpoint.size);
        let begin = || -> io::Result<File> {
            self.faults.strike(FaultPoint::Write)?;
            // A file of that name can only be left from a failed attempt: no entry was written to it.
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)?;
            file.write_all_at(&header, 0)?;
            self.faults.strike(FaultPoint::Sync)?;
            file.sync_all()?;
            sync_dir(&self.dir)?;
            Ok(file)
        };
        let file = begin().map_err(|error| {
            // Half a head would look like damage to a verifier.
            let _ = std::fs::remove_file(&path);
            LedgerError::io("begin", &path, &error)
        })?;
        let segment = Segment {
            first: checkpoint.size,
            file: Arc::new(OpenFile { path, file }),
            starts: Vec::new(),
            end: header.len() as u32,
        };
        self.reserved = u64::from(segment.end);
        self.shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .segments
            .push(segment);
        Ok(())
    }

    /// What is durable now.
    fn head(&self) -> Checkpoint {
        let state = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        Checkpoint {
            origin: self.verifier.name().to_owned(),
            size: state.tree.len(),
            root: state.tree.root(),
        }
    }

    /// Writes a checkpoint over everything that is durable, unless the file says so already.
    pub(crate) fn sign(&mut self) -> Result<(), LedgerError> {
        if self.signed == Some(self.len()) {
            return Ok(());
        }
        let checkpoint = self.head();
        let note = checkpoint.sign(&self.key, &self.verifier);
        let path = self.dir.join(CHECKPOINT);
        let written = self
            .faults
            .strike(FaultPoint::Checkpoint)
            .and_then(|()| replace(&path, note.as_str().as_bytes()));
        match written {
            Ok(()) => {
                *self.shared.checkpoint.write().unwrap_or_else(PoisonError::into_inner) = note;
                self.signed = Some(checkpoint.size);
                self.unsigned_since = None;
                Ok(())
            }
            Err(error) => {
                self.unsigned_since = Some(Instant::now());
                let error = LedgerError::io("write", &path, &error);
                tracing::error!(%error, "a checkpoint could not be written");
                Err(error)
            }
        }
    }
}
