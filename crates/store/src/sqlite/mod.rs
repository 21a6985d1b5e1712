//! The durable store: SQLite in WAL mode with one writer thread and group commit.

mod checkpointer;
mod database;
mod history;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::hub::Core;
use crate::model::{Entry, KeyRange, Page, RangeRequest, Revision, Txn};
use crate::state::{Changes, State, WindowBound};
use crate::store::{Done, Store};
use crate::watch::{History, Watch};
use checkpointer::Checkpointer;
use database::Database;
use writer::{Job, Writer};

/// Where a fault can strike a group commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultPoint {
    /// Before anything is written.
    BeforeWrite,
    /// After the rows are written, before the transaction commits.
    BeforeCommit,
    /// After the transaction has become durable: the storage reports an error although the data is there.
    AfterCommit,
    /// When the connection is opened again after a failure.
    Reopen,
}

/// The seam by which tests make storage fail on purpose.
pub trait Faults: Send + Sync + 'static {
    /// Called at each point; an error makes the storage fail there.
    ///
    /// # Errors
    /// The failure to inject.
    fn strike(&self, point: FaultPoint) -> io::Result<()>;
}

struct NoFaults;

impl Faults for NoFaults {
    fn strike(&self, _: FaultPoint) -> io::Result<()> {
        Ok(())
    }
}

/// How to open a [`SqliteStore`].
#[derive(Clone)]
pub struct SqliteOptions {
    /// The most bytes the database file may take; further writes fail with [`StoreError::Full`]. `None` = the disk decides.
    pub max_bytes: Option<u64>,
    /// How many recent commits stay in memory for reads of old revisions and for watches that start in the past.
    pub window_commits: usize,
    /// The most bytes of keys and values that these commits may refer to.
    pub window_bytes: usize,
    /// Faults to inject; none by default.
    pub faults: Arc<dyn Faults>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            max_bytes: None,
            window_commits: 8192,
            window_bytes: 32 << 20,
            faults: Arc::new(NoFaults),
        }
    }
}

/// A store in one SQLite file (with `-wal`, `-shm` and `.lock` beside it), used by one process at a time.
///
/// The current entries are held in memory, so latest reads never touch SQLite. Commits wait for one writer thread that
/// takes all waiting transactions into one SQLite transaction (`synchronous=FULL`), and only then shows them to readers.
#[derive(Debug)]
pub struct SqliteStore {
    past: Arc<Past>,
    jobs: Option<mpsc::UnboundedSender<Job>>,
    writer: Option<JoinHandle<()>>,
    /// Dropped after the writer has ended.
    checkpointer: Option<Checkpointer>,
    /// Released last: fields drop in order.
    _lock: File,
}

impl SqliteStore {
    /// Opens the database, creating it (but not its directory) if the file is absent.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::Foreign`], [`StoreError::NewerSchema`], [`StoreError::Corrupt`],
    /// [`StoreError::Full`] or [`StoreError::Storage`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// Opens with options; otherwise as [`SqliteStore::open`].
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_with(path: impl Into<PathBuf>, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = path.into();
        let lock = lock(&path)?;
        let database = Database {
            path,
            max_bytes: options.max_bytes,
        };
        let connection = database.open()?;
        let loaded = database.load(&connection)?;
        let bound = WindowBound {
            commits: options.window_commits,
            bytes: options.window_bytes,
        };
        let state = State::new(loaded.entries, loaded.revision, loaded.compacted, bound);
        let reader = Mutex::new(Some(database.open_reader()?));
        let past = Arc::new(Past {
            core: Core::new(state),
            reader,
            database: database.clone(),
        });
        let (jobs, queue) = mpsc::unbounded_channel();
        let checkpointer = Checkpointer::start(&database)?;
        let writer = Writer::new(
            past.clone(),
            database.clone(),
            connection,
            checkpointer.due(),
            options.faults,
        );
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|error| database.io_error("start the writer thread for", &error))?;
        Ok(Self {
            past,
            jobs: Some(jobs),
            writer: Some(writer),
            checkpointer: Some(checkpointer),
            _lock: lock,
        })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.past.database.path
    }

    fn send(&self, job: Job) -> Result<(), Job> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|refused| refused.0),
            None => Err(job),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Closing the channel lets the writer finish what is queued and return.
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path().display(), "the store writer panicked");
        }
        self.checkpointer = None;
        self.past.core.hub.close();
        // Watches may outlive the store, the connection must not: the next process starts with a clean WAL.
        *self.past.reader.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Takes the lock that keeps a second process away. The kernel frees it when the process ends, however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |error: io::Error| StoreError::Storage {
        action: "lock",
        path: name.clone(),
        reason: error.to_string(),
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(failed)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(error) => Err(failed(error.into())),
    }
}

/// The readable side of the database: what is visible in memory, and a connection for what memory has dropped.
#[derive(Debug)]
pub(crate) struct Past {
    core: Core,
    reader: Mutex<Option<Connection>>,
    database: Database,
}

impl Past {
    /// Runs a query about a past that begins at `oldest` away from the async threads.
    async fn read<T: Send + 'static>(
        self: Arc<Self>,
        oldest: Revision,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let past = self.clone();
        let found = tokio::task::spawn_blocking(move || {
            let reader = past.reader.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = reader.as_ref().ok_or(StoreError::Closed)?;
            query(connection).map_err(|error| past.database.error("read history from", error))
        })
        .await
        .map_err(|_| StoreError::Closed)??;
        // Compaction raises the bound before it deletes, so a bound still below means that no row was missing.
        self.core.read().resolve(Some(oldest))?;
        Ok(found)
    }
}

/// The history of a store as its watches hold it.
struct SqliteHistory(Arc<Past>);

#[async_trait]
impl History for SqliteHistory {
    fn core(&self) -> &Core {
        &self.0.core
    }

    async fn changes(&self, keys: &KeyRange, after: Revision, until: Revision) -> Result<Changes, StoreError> {
        let in_memory = {
            let state = self.0.core.read();
            state.resolve(Some(after))?;
            state.changes(keys, after, until)
        };
        match in_memory {
            Some(changes) => Ok(changes),
            None => {
                let keys = keys.clone();
                self.0
                    .clone()
                    .read(after, move |connection| {
                        history::changes(connection, &keys, after, until)
                    })
                    .await
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn revision(&self) -> Revision {
        self.past.core.read().revision()
    }

    fn compacted(&self) -> Revision {
        self.past.core.read().compacted()
    }

    fn get_latest(&self, key: &[u8]) -> Result<Option<Arc<Entry>>, StoreError> {
        Ok(self.past.core.read().latest(key))
    }

    fn range_latest(&self, prefix: &[u8], limit: usize) -> Result<Page, StoreError> {
        Ok(self.past.core.read().range_latest(prefix, limit))
    }

    async fn get(&self, key: &[u8], at: Option<Revision>) -> Result<Option<Arc<Entry>>, StoreError> {
        let (at, in_memory) = {
            let state = self.past.core.read();
            let at = state.resolve(at)?;
            (at, state.get(key, at))
        };
        match in_memory {
            Some(entry) => Ok(entry),
            None => {
                let key = key.to_vec();
                self.past
                    .clone()
                    .read(at, move |connection| history::get(connection, &key, at))
                    .await
            }
        }
    }

    async fn range(&self, request: RangeRequest) -> Result<Page, StoreError> {
        let (at, in_memory) = {
            let state = self.past.core.read();
            let at = state.resolve(request.at)?;
            (at, state.range(&request, at))
        };
        match in_memory {
            Some(page) => Ok(page),
            None => {
                self.past
                    .clone()
                    .read(at, move |connection| history::range(connection, &request, at))
                    .await
            }
        }
    }

    fn submit(&self, txn: Txn, done: Done) {
        if let Err(Job::Commit { done, .. }) = self.send(Job::Commit { txn, done }) {
            done(Err(StoreError::Closed));
        }
    }

    async fn watch(&self, keys: KeyRange, from: Option<Revision>) -> Result<Watch, StoreError> {
        Watch::start(Arc::new(SqliteHistory(self.past.clone())), keys, from)
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Compact { revision, reply })
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}
