//! How a ledger is opened, and the seam by which tests make its storage fail.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// Gives the present, for entries that come without a time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Where a fault can strike the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultPoint {
    /// Before a group is written.
    Write,
    /// After it is written, before it is synced.
    Sync,
    /// When what was written of a failed group is cut off again.
    Rollback,
    /// When a checkpoint is written.
    Checkpoint,
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

/// How to open a [`Ledger`].
#[derive(Clone)]
pub struct Options {
    /// The name of the log and its key, when it is new; an existing log keeps its name. Without spaces and `+`.
    pub origin: String,
    /// Where the private key is; `None` = `signing.key` in the ledger's directory.
    pub private_key: Option<PathBuf>,
    /// The present, for entries that come without a time; `None` leaves their time empty.
    pub now: Option<Now>,
    /// How long at most an entry waits for a checkpoint that covers it.
    pub checkpoint_every: Duration,
    /// How long at most a buffered entry waits for others to share its group.
    pub linger: Duration,
    /// From this size on, a new segment is begun.
    pub segment_bytes: u32,
    /// Faults to inject; none by default.
    pub faults: Arc<dyn Faults>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            origin: "ridgeway".to_owned(),
            private_key: None,
            now: None,
            checkpoint_every: Duration::from_secs(1),
            linger: Duration::from_millis(20),
            segment_bytes: 64 << 20,
            faults: Arc::new(NoFaults),
        }
    }
}
