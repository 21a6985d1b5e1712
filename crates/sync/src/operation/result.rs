//! What came of the objects of a sync.

use ridgeway_doc::Value;
use ridgeway_krm::ObjectRef;

use super::{Standing, State};
use crate::plan::{Action, Phase, Task};

/// What came of one object, as `status.operationState.syncResult.resources` holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceResult {
    /// Which object.
    pub reference: ObjectRef,
    /// Its API version.
    pub version: String,
    /// `Synced`, `SyncFailed`, `Pruned` or `PruneSkipped`; empty while it is under way.
    pub status: &'static str,
    /// What happened.
    pub message: String,
    /// `Running`, `Succeeded` or `Failed`.
    pub hook_phase: &'static str,
    /// The part of the sync.
    pub sync_phase: Phase,
    /// The hook type, for hooks.
    pub hook: Option<Phase>,
}

pub(super) fn result(task: &Task, state: &State) -> ResourceResult {
    let status = match (state.standing, task.action) {
        (Standing::Failed, _) => "SyncFailed",
        (_, Action::PruneSkipped) => "PruneSkipped",
        (Standing::Running | Standing::Succeeded, Action::Prune) => "Pruned",
        (Standing::Running | Standing::Succeeded, Action::Apply) => "Synced",
        _ => "",
    };
    let hook_phase = match state.standing {
        Standing::Failed => "Failed",
        Standing::Succeeded => "Succeeded",
        _ => "Running",
    };
    ResourceResult {
        reference: task.reference.clone(),
        version: task.gvk.version.clone(),
        status,
        message: state.message.clone(),
        hook_phase,
        sync_phase: task.phase,
        hook: task.hook,
    }
}

impl ResourceResult {
    /// As Argo CD writes it.
    pub fn to_value(&self) -> Value {
        let mut value = Value::object();
        for (key, text) in [
            ("group", self.reference.group.as_str()),
            ("version", &self.version),
            ("kind", &self.reference.kind),
            ("namespace", &self.reference.namespace),
            ("name", &self.reference.name),
        ] {
            value.set(&[key], text);
        }
        if !self.status.is_empty() {
            value.set(&["status"], self.status);
        }
        if !self.message.is_empty() {
            value.set(&["message"], self.message.as_str());
        }
        value.set(&["hookPhase"], self.hook_phase);
        value.set(&["syncPhase"], self.sync_phase.to_string());
        if let Some(hook) = self.hook {
            value.set(&["hookType"], hook.to_string());
        }
        value
    }
}
