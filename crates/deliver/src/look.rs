//! What one look at an Application gathers on its way from what is seen to what is written down.

use std::time::Duration;

use jiff::Timestamp;
use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Node, Value};
use ridgeway_git::CommitId;

use crate::desired::Desired;
use crate::project::Project;
use crate::rollback::Trust;
use crate::spec::Application;
use crate::status::Condition;

/// A revision that was synced, as the status remembers it: the one that is deployed, or the one tried last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) revision: String,
    pub(crate) digest: String,
    /// When its sync ended.
    pub(crate) at: Option<Timestamp>,
    /// How its sync failed, if it did.
    pub(crate) failure: Option<String>,
}

/// The revision that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) revision: Option<CommitId>,
    /// Whether the revision is only what is deployed, because the right one cannot be had.
    pub(crate) waiting: bool,
}

/// A revision with all it wants.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) commit: CommitId,
    pub(crate) digest: String,
    pub(crate) source_type: String,
    pub(crate) desired: Desired,
}

/// What one look gathers on its way to the status.
pub(crate) struct Look<'a> {
    pub(crate) app: &'a Application,
    pub(crate) instance: String,
    pub(crate) project: Project,
    pub(crate) now: Timestamp,
    pub(crate) trust: Trust,
    pub(crate) deployed: Synced,
    /// The last sync of the whole Application.
    pub(crate) attempt: Synced,
    pub(crate) status: Value,
    pub(crate) conditions: Vec<Condition>,
    /// When to look again.
    pub(crate) again: Duration,
    /// The `operation` in the object is done with.
    pub(crate) operation_done: bool,
    pub(crate) refreshed: bool,
}

impl Look<'_> {
    pub(crate) fn condition(&mut self, kind: &'static str, message: impl Into<String>) {
        let condition = Condition {
            kind,
            message: message.into(),
        };
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    pub(crate) fn again_in(&mut self, pause: Duration) {
        self.again = self.again.min(pause.max(Duration::from_millis(5)));
    }
}

/// What a Promotion says about an Application's revision.
pub(crate) enum Pin {
    /// It follows its own target.
    Free,
    /// It deploys this commit.
    To(String),
    /// Nothing may come yet.
    Waiting(String),
}

/// Where the status keeps what is deployed: its field, and the name of the time in it.
pub(crate) const DEPLOYED: (&str, &str) = ("deployed", "at");
/// Where it keeps the last sync of the whole Application.
pub(crate) const ATTEMPT: (&str, &str) = ("lastAttempt", "finishedAt");

impl Synced {
    pub(crate) fn read(status: Option<Node<'_>>, (field, time): (&str, &str)) -> Synced {
        let Some(node) = status.and_then(|status| status.get(field)) else {
            return Synced::default();
        };
        Synced {
            revision: node.text_at(&["revision"]).into(),
            digest: node.text_at(&["digest"]).into(),
            at: node.text_at(&[time]).parse().ok(),
            failure: node.str_at(&["failure"]).map(str::to_owned),
        }
    }

    pub(crate) fn write(&self, status: &mut Value, (field, time): (&str, &str)) {
        if self.revision.is_empty() {
            return;
        }
        let mut value = Value::object();
        value.set(&["revision"], &self.revision);
        value.set(&["digest"], &self.digest);
        value.set(&[time], self.at.map(rfc3339));
        value.set(&["failure"], self.failure.as_deref());
        status.set(&[field], value);
    }
}

/// A commit as people write it.
pub(crate) fn short(revision: &str) -> &str {
    revision.get(..7).unwrap_or(revision)
}
