//! The Promotion controller: sees how its Applications are, and lets revisions on.

use ridgeway_cluster::{Body, EventType, PatchKind, Write, WriteOptions};
use ridgeway_doc::{Node, Value};

use crate::controller::{Deliver, Work, key_of};
use crate::look::{DEPLOYED, Synced};
use crate::names;
use crate::promotion::{PromotionSpec, StagePhase, StageSeen, StageStatus, step};
use crate::rollback::Trust;
use crate::spec::AppKey;
use crate::status::merge_patch;

impl Deliver {
    /// Wakes the Promotions that have an Application as a stage.
    pub(crate) fn wake_promotions(&self, app: &AppKey) {
        for doc in self.promotions() {
            if PromotionSpec::read(doc.root())
                .0
                .stages
                .iter()
                .any(|stage| stage.app == *app)
            {
                self.queue.add(Work::Promotion(key_of(&doc)));
            }
        }
    }

    /// Looks at a Promotion and moves revisions on.
    pub(crate) async fn promote(&self, key: &AppKey) {
        let Some(doc) = self.promotion(key) else { return };
        let (spec, faults) = PromotionSpec::read(doc.root());
        let old = doc.root().get("status");
        let known: Vec<StageStatus> = old
            .and_then(|status| status.get("stages"))
            .map(|stages| stages.items().map(StageStatus::read).collect())
            .unwrap_or_default();
        // A stage is known by its Application: the list may have been edited.
        let names: Vec<String> = old
            .and_then(|status| status.get("stages"))
            .map(|stages| {
                stages
                    .items()
                    .map(|s| s.str_at(&["application"]).unwrap_or_default().to_owned())
                    .collect()
            })
            .unwrap_or_default();
        let before: Vec<StageStatus> = spec
            .stages
            .iter()
            .map(|stage| {
                let at = names.iter().position(|name| *name == stage.app.name);
                at.and_then(|at| known.get(at)).cloned().unwrap_or_default()
            })
            .collect();
        let seen: Vec<StageSeen> = spec.stages.iter().map(|stage| self.seen(&stage.app)).collect();
        let now = self.clock.now();
        let (after, again) = step(&spec, &before, &seen, now);
        if let Some(again) = again {
            self.queue.add_after(Work::Promotion(key.clone()), again);
        }
        let mut status = old.map_or_else(Value::object, Node::to_value);
        let stages: Value = after
            .iter()
            .zip(&spec.stages)
            .map(|(state, stage)| state.to_value(stage))
            .collect();
        status.set(&["stages"], stages);
        let phase = overall(&after, &faults);
        status.set(&["phase"], phase);
        let message = match faults.as_slice() {
            [] => after
                .iter()
                .rev()
                .find(|s| !s.revision.is_empty())
                .map(|s| s.message.clone())
                .unwrap_or_default(),
            faults => faults.join("; "),
        };
        status.set(&["message"], message);
        for ((state, was), stage) in after.iter().zip(&before).zip(&spec.stages) {
            if state.phase != was.phase || state.revision != was.revision {
                let (kind, reason) = match state.phase {
                    StagePhase::Stopped => (EventType::Warning, "PromotionStopped"),
                    StagePhase::Passed => (EventType::Normal, "StagePassed"),
                    StagePhase::Deploying => (EventType::Normal, "Promoted"),
                    StagePhase::AwaitingApproval => (EventType::Normal, "AwaitingApproval"),
                    StagePhase::Waiting | StagePhase::Soaking => continue,
                };
                self.event(doc.root(), kind, reason, &format!("{}: {}", stage.name, state.message));
            }
        }
        let Some(patch) = merge_patch(old, status.node()) else {
            return;
        };
        let mut body = Value::object();
        body.set(&["status"], patch);
        let write = Write {
            gvk: names::promotion(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            subresource: "status".into(),
            body: Body::Patch(PatchKind::Merge, body.into_doc()),
            options: WriteOptions::by(names::STATUS_MANAGER, None),
        };
        if let Err(error) = self.cluster.write(write).await {
            tracing::warn!(promotion = %key, %error, "the status could not be written");
            self.queue
                .add_after(Work::Promotion(key.clone()), std::time::Duration::from_millis(500));
        }
    }

    /// What is seen of a stage's Application.
    fn seen(&self, key: &AppKey) -> StageSeen {
        let Some(doc) = self.application(key, None) else {
            return StageSeen::default();
        };
        let status = doc.root().get("status");
        let part = |path: &[&str]| {
            status
                .and_then(|status| status.str_at(path))
                .unwrap_or_default()
                .to_owned()
        };
        let busy = matches!(part(&["operationState", "phase"]).as_str(), "Running" | "Terminating");
        StageSeen {
            exists: true,
            target: part(&["sync", "revision"]),
            deployed: Synced::read(status, DEPLOYED).revision,
            synced: !busy && part(&["sync", "status"]) == "Synced",
            health: part(&["health", "status"]),
            quarantined: Trust::read(status)
                .quarantined
                .into_iter()
                .map(|q| (q.revision, q.reason))
                .collect(),
        }
    }
}

/// The whole in one word: the most telling of its stages.
fn overall(stages: &[StageStatus], faults: &[String]) -> &'static str {
    let any = |phase: StagePhase| stages.iter().any(|stage| stage.phase == phase);
    if !faults.is_empty() {
        "Invalid"
    } else if any(StagePhase::Stopped) {
        "Stopped"
    } else if any(StagePhase::AwaitingApproval) {
        "AwaitingApproval"
    } else if any(StagePhase::Deploying) || any(StagePhase::Soaking) {
        "Progressing"
    } else if !stages.is_empty() && stages.iter().all(|stage| stage.phase == StagePhase::Passed) {
        "Complete"
    } else {
        "Waiting"
    }
}
