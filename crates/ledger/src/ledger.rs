//! [`Ledger`]: opening, appending, reading and proving. The writer thread is in `writer`.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, oneshot, watch};

use crate::cursor::Cursor;
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::key::VerifierKey;
use crate::merkle::Hash;
use crate::note::SignedNote;
use crate::open::{keys, load, lock};
use crate::options::{Now, Options};
use crate::query::{Query, QueryPage, Record, Row};
use crate::segment::MAX_BODY;
use crate::shared::Shared;
use crate::writer::{Job, Pending, Reply, Writer};

const PRIVATE_KEY: &str = "signing.key";

/// How many appends may wait for the writer before callers wait to enqueue.
const WAITING: usize = 4096;

/// Pages without a limit.
const DEFAULT_LIMIT: usize = 100;

/// The log. One process writes to a directory at a time; dropping the ledger closes it.
#[derive(Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
    dir: PathBuf,
    verifier: VerifierKey,
    waiting: Arc<Semaphore>,
    appender: Appender,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A way to append that does not keep the ledger from closing: for callbacks, which may outlive who made them.
#[derive(Debug, Clone)]
pub struct Appender {
    jobs: Option<Sender<Job>>,
    now: Stamp,
}

impl Appender {
    /// As [`Ledger::append_buffered`].
    ///
    /// # Errors
    /// As [`Ledger::append_buffered`].
    pub fn append_buffered(&self, entry: &Entry) -> Result<(), LedgerError> {
        self.send(self.pending(entry, None)?)
    }

    fn pending(&self, entry: &Entry, reply: Option<Reply>) -> Result<Job, LedgerError> {
        let stamped;
        let entry = match &self.now.0 {
            Some(now) if entry.time.is_empty() => {
                stamped = Entry {
                    time: now().to_string(),
                    ..entry.clone()
                };
                &stamped
            }
            _ => entry,
        };
        let body = serde_json::to_vec(entry).expect("an entry is made of texts and numbers");
        if body.len() > MAX_BODY {
            return Err(LedgerError::TooLarge {
                size: body.len(),
                limit: MAX_BODY,
            });
        }
        Ok(Job::Append(Pending {
            body,
            row: Row::of(entry),
            reply,
        }))
    }

    fn send(&self, job: Job) -> Result<(), LedgerError> {
        let jobs = self.jobs.as_ref().ok_or(LedgerError::Closed)?;
        jobs.send(job).map_err(|_| LedgerError::Closed)
    }
}

#[derive(Clone)]
struct Stamp(Option<Now>);

impl std::fmt::Debug for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}

impl Ledger {
    /// Opens the ledger in a directory, creating it (with a new key) when there is none. Everything is verified; a last
    /// group that a crash cut off, which nobody was told of, is removed.
    ///
    /// # Errors
    /// [`LedgerError::Locked`], [`LedgerError::Corrupt`], [`LedgerError::WrongKey`] or a failure of the storage.
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Arc<Self>, LedgerError> {
        let dir = dir.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|e| LedgerError::io("create", &dir, &e))?;
        let lock = lock(&dir)?;
        let private = options.private_key.clone().unwrap_or_else(|| dir.join(PRIVATE_KEY));
        let (key, verifier) = keys(&dir, &private, &options.origin)?;
        let (state, torn) = load(&dir, &verifier)?;
        if torn > 0 {
            tracing::warn!(dir = %dir.display(), bytes = torn, "removed the end of a group that a crash cut off");
        }
        let size = state.tree.len();
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            size: watch::Sender::new(size),
            checkpoint: RwLock::new(SignedNote::from_text("")),
            closed: AtomicBool::new(false),
            groups: AtomicU64::new(0),
        });
        let mut writer = Writer::new(shared.clone(), dir.clone(), key, verifier.clone(), &options, lock);
        // What is on disk is signed before anything is added.
        writer.sign()?;
        writer.prepare()?;
        let (jobs, queue): (_, Receiver<Job>) = channel();
        let writer = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| LedgerError::io("start the writer thread for", &dir, &error))?;
        Ok(Arc::new(Self {
            shared,
            dir,
            verifier,
            waiting: Arc::new(Semaphore::new(WAITING)),
            appender: Appender {
                jobs: Some(jobs),
                now: Stamp(options.now),
            },
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// A way to append that does not keep the ledger from closing.
    pub fn appender(&self) -> Appender {
        self.appender.clone()
    }

    /// Appends an entry and returns its index once it has survived any crash. Dropping the future does not take it back.
    ///
    /// # Errors
    /// The entry is not in the ledger.
    pub async fn append(&self, entry: &Entry) -> Result<u64, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.append_then(entry, move |index| drop(reply.send(index))).await?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// Appends an entry and, once it has survived any crash, lets the writer thread call `then` with its index: what must
    /// not happen before goes on from there without waking anybody in between. `then` must not block. Returns when the entry
    /// is queued.
    ///
    /// # Errors
    /// The entry cannot be queued; then `then` is not called. When it cannot be written, `then` gets the error.
    pub async fn append_then(
        &self,
        entry: &Entry,
        then: impl FnOnce(Result<u64, LedgerError>) + Send + 'static,
    ) -> Result<(), LedgerError> {
        let place = self.waiting.clone().acquire_owned().await;
        let place = place.map_err(|_| LedgerError::Closed)?;
        let reply = move |index| {
            drop(place);
            then(index);
        };
        let job = self.appender.pending(entry, Some(Box::new(reply)))?;
        self.appender.send(job)
    }

    /// Appends an entry that nobody waits for: durable with the next group, at the latest after the linger time. Should
    /// the storage fail, it is tried again. Only for entries that follow an awaited one, which bounds how many wait.
    ///
    /// # Errors
    /// When it can never be written: too large, or the ledger is closed.
    pub fn append_buffered(&self, entry: &Entry) -> Result<(), LedgerError> {
        self.appender.append_buffered(entry)
    }

    /// The number of durable entries.
    pub fn len(&self) -> u64 {
        *self.shared.size.borrow()
    }

    /// Whether there is no entry yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// Who signs, in the form that auditors keep.
    pub fn key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many groups were written and synced since the ledger was opened.
    pub fn groups(&self) -> u64 {
        self.shared.groups.load(Ordering::Relaxed)
    }

    /// Follows the number of durable entries.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.size.subscribe()
    }

    /// Reads every entry from an index on, those to come included.
    pub fn cursor(&self, from: u64) -> Cursor {
        Cursor::new(self.shared.clone(), from)
    }

    /// One entry.
    ///
    /// # Errors
    /// [`LedgerError::NoEntry`], or it cannot be read back.
    pub fn get(&self, index: u64) -> Result<Record, LedgerError> {
        self.shared.record(index)
    }

    /// The bytes that the leaf at an index hashes.
    ///
    /// # Errors
    /// As [`Ledger::get`].
    pub fn body(&self, index: u64) -> Result<Vec<u8>, LedgerError> {
        self.shared.body(index)
    }

    /// Some entries in order; those that are not there yet are left out.
    ///
    /// # Errors
    /// An entry cannot be read back.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Record>, LedgerError> {
        self.shared.records(range.start..range.end.min(self.len()))
    }

    /// One page of the entries that match, newest first.
    ///
    /// # Errors
    /// An entry cannot be read back.
    pub fn query(&self, query: &Query) -> Result<QueryPage, LedgerError> {
        let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit };
        let len = self.len();
        let mut page = QueryPage {
            records: Vec::new(),
            next: None,
            len,
        };
        let mut before = query.before.unwrap_or(len).min(len);
        loop {
            // One more than the page holds tells whether there is another page.
            let wanted = limit + 1 - page.records.len();
            let candidates = self.shared.read().rows.candidates(query, before, wanted);
            let last = candidates.len() < wanted;
            for index in candidates {
                before = index;
                let record = self.shared.record(index)?;
                if query.accepts(&record.entry) {
                    page.records.push(record);
                }
            }
            if page.records.len() > limit {
                page.records.truncate(limit);
                page.next = page.records.last().map(|record| record.index);
                return Ok(page);
            }
            if last {
                return Ok(page);
            }
        }
    }

    /// The newest signed tree head.
    pub fn checkpoint(&self) -> SignedNote {
        self.shared
            .checkpoint
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Signs what is durable now, buffered entries included.
    ///
    /// # Errors
    /// The storage failed, or the ledger is closed.
    pub async fn checkpoint_now(&self) -> Result<SignedNote, LedgerError> {
        let (reply, answer) = oneshot::channel();
        self.appender.send(Job::Sign(reply))?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    /// The root over the first `size` entries.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.shared.read().tree.root_at(size)
    }

    /// The proof that the entry at `index` is in the tree of the first `size` entries.
    ///
    /// # Errors
    /// Unless `index < size <= len`.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        Ok(self.shared.read().tree.inclusion_proof(index, size)?)
    }

    /// The proof that the tree of the first `old` entries is a prefix of that of the first `new`.
    ///
    /// # Errors
    /// Unless `old <= new <= len`.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        Ok(self.shared.read().tree.consistency_proof(old, new)?)
    }

    /// Writes what waits, signs everything and stops. The directory is free for another writer then; here,
    /// reading goes on and appending fails. Closing twice is fine.
    ///
    /// # Errors
    /// The last checkpoint could not be written.
    pub async fn close(&self) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        if self.appender.send(Job::Close(reply)).is_err() {
            return Ok(());
        }
        answer.await.unwrap_or(Ok(()))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Closing the channel lets the writer finish what is queued, sign it and return.
        self.appender.jobs = None;
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!(dir = %self.dir.display(), "the ledger writer panicked");
        }
    }
}
