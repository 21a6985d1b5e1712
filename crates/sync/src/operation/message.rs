//! What the step machine is told, and what it asks for.

use std::fmt;
use std::time::Duration;

use ridgeway_doc::Doc;
use ridgeway_krm::ObjectRef;

use crate::options::Propagation;
use crate::plan::{Plan, TaskId};

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Begin.
    Start,
    /// An apply came back.
    Applied {
        /// Which task.
        task: TaskId,
        /// The stored object, or why not.
        outcome: Result<Doc, String>,
    },
    /// A deletion came back.
    Deleted {
        /// Which task.
        task: TaskId,
        /// Whether it was accepted, or why not.
        outcome: Result<(), String>,
    },
    /// How a watched object is now.
    Observed {
        /// Which task.
        task: TaskId,
        /// The object; `None` when it is not there.
        live: Option<Doc>,
    },
    /// The new plan that a retry asked for.
    Replanned(Plan),
    /// Stop.
    Terminate,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Apply an object; answer with [`Event::Applied`].
    Apply {
        /// Which task.
        task: TaskId,
        /// What to apply.
        object: Doc,
        /// Put it in place of what is there.
        replace: bool,
        /// Delete and create when it cannot be changed.
        force: bool,
        /// Server-side apply.
        server_side: bool,
        /// Change nothing.
        dry_run: bool,
    },
    /// Delete an object; answer with [`Event::Deleted`].
    Delete {
        /// Which task.
        task: TaskId,
        /// Which object.
        reference: ObjectRef,
        /// What happens to its dependents.
        propagation: Propagation,
    },
    /// Tell with [`Event::Observed`] how the object is now, and when it changes.
    Watch {
        /// Which task.
        task: TaskId,
    },
    /// Wait, compare again, and answer with [`Event::Replanned`].
    Retry {
        /// How long to wait.
        after: Duration,
        /// Which retry it is, from 1.
        attempt: u32,
    },
    /// It ended.
    Done {
        /// How.
        phase: OperationPhase,
        /// Why.
        message: String,
    },
}

/// Argo CD's phases of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationPhase {
    /// Under way.
    Running,
    /// Being stopped.
    Terminating,
    /// Objects were refused, or did not become healthy.
    Failed,
    /// It could not be done.
    Error,
    /// Done.
    Succeeded,
}

impl fmt::Display for OperationPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
