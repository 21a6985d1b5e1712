//! Desired and live state to a plan: diff, health, sync order, the step machine.
//!
//! Must not know: clocks, files, clusters; a controller feeds it objects and carries out what it says.
//!
//! - [`diff()`] says where a live object differs from what Git wants, after what every server adds is set aside.
//! - [`health()`] judges one live object, in the words of Argo CD.
//! - [`plan()`] puts targets in order: phase, wave, kind, name, with namespaces and definitions before what needs them.
//! - [`Operation`] steps through a plan: events in, effects out, no waiting inside.

mod changes;
pub mod corpus;
mod diff;
mod error;
mod health;
mod ignore;
mod operation;
mod options;
mod order;
mod owner;
mod plan;
mod retry;
mod tracking;

pub use diff::{Change, Diff, DiffOptions, diff};
pub use error::SyncError;
pub use health::{Health, HealthStatus, aggregate, health};
pub use ignore::IgnoreRule;
pub use operation::{Effect, Event, Operation, OperationPhase, ResourceResult};
pub use options::{Propagation, PruneMode, SyncOptions};
pub use plan::{Action, DeletePolicy, HookType, Phase, Plan, PlanOptions, Target, Task, TaskId, plan};
pub use retry::Retry;
pub use tracking::{TRACKING_ANNOTATION, TrackingId};

use ridgeway_doc::Node;

/// Text at a path, or nothing.
fn text<'a>(node: Node<'a>, path: &[&str]) -> &'a str {
    node.str_at(path).unwrap_or_default()
}

/// An annotation, or nothing.
fn annotation<'a>(node: Node<'a>, key: &str) -> &'a str {
    text(node, &["metadata", "annotations", key])
}
