//! Container logs: the control plane asks whoever runs the containers.

use std::sync::{Arc, PoisonError, RwLock};

use ridgeway_cluster::Status;
use tokio::sync::mpsc;

/// What `kubectl logs` asks for.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Namespace of the Pod.
    pub namespace: String,
    /// The Pod.
    pub pod: String,
    /// The container; empty when the Pod has one.
    pub container: String,
    /// Keep sending new lines.
    pub follow: bool,
    /// The log of the container's previous run.
    pub previous: bool,
    /// Only the last lines.
    pub tail: Option<usize>,
    /// Prefix each line with its time.
    pub timestamps: bool,
}

/// Somebody who has logs.
pub trait LogSource: Send + Sync {
    /// Lines (each with its newline), until the log ends or the receiver is dropped.
    fn logs(&self, query: &LogQuery) -> Result<mpsc::Receiver<String>, Status>;
}

/// The log source in use, if any.
#[derive(Default)]
pub struct Logs(RwLock<Option<Arc<dyn LogSource>>>);

impl Logs {
    /// Sets the source.
    pub fn set(&self, source: Arc<dyn LogSource>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// The source.
    pub fn get(&self) -> Option<Arc<dyn LogSource>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
