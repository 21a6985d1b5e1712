//! Writing down what was seen.

use std::time::Duration;

use jiff::Timestamp;
use ridgeway_cluster::{WriteOptions, rfc3339};
use ridgeway_doc::Value;
use ridgeway_sync::{Health, HealthStatus};

use crate::compare::Comparison;
use crate::controller::{Deliver, Memory, Work};
use crate::look::{ATTEMPT, DEPLOYED, Look, Target, Wanted, short};
use crate::names;
use crate::status::{self};

impl Deliver {
    /// Writes what was seen into the status.
    pub(crate) fn describe(
        &self,
        look: &mut Look<'_>,
        memory: &Memory,
        target: &Target,
        head: Option<&Wanted>,
        effective: Option<&Wanted>,
        comparison: &Comparison,
    ) {
        let at_target = match (head, effective) {
            (Some(head), Some(effective)) => head.commit == effective.commit && !target.waiting,
            _ => false,
        };
        let sync = match (head, target.waiting) {
            (None, false) => "Unknown",
            _ if at_target && comparison.synced => "Synced",
            _ => "OutOfSync",
        };
        look.status.set(&["sync", "status"], sync);
        if let Some(revision) = target.revision.filter(|_| !target.waiting) {
            look.status.set(&["sync", "revision"], revision.to_string());
        }
        look.status.set(&["sync", "comparedTo"], status::compared_to(look.app));
        if effective.is_some() || head.is_some() {
            look.status.set(&["resources"], status::resources(comparison));
            look.status.set(&["summary"], status::summary(comparison));
        }
        let health = match (&comparison.health, effective) {
            (Some(health), Some(_)) => health.clone(),
            _ if target.waiting => Health {
                status: HealthStatus::Missing,
                message: "nothing has come here yet".into(),
            },
            _ => status::unknown_health(""),
        };
        let old = look
            .app
            .status()
            .and_then(|status| status.str_at(&["health", "status"]))
            .map(str::to_owned);
        let changed = old.as_deref() != Some(health.status.to_string().as_str());
        let mut value = status::health_value(&health);
        let since = look
            .app
            .status()
            .and_then(|status| status.str_at(&["health", "lastTransitionTime"]));
        let since = since
            .filter(|_| !changed)
            .map_or_else(|| rfc3339(look.now), str::to_owned);
        value.set(&["lastTransitionTime"], since);
        look.status.set(&["health"], value);
        for resource in &comparison.resources {
            if let Some(other) = &resource.other {
                let text = format!(
                    "{} is managed by Application {other} as well, which has it now; take it out of one of them",
                    resource.place.reference()
                );
                look.condition(status::SHARED, text);
            }
        }
        if let Some(failure) = &look.attempt.failure
            && memory.running.is_none()
            && effective.is_some_and(|effective| effective.commit.to_string() == look.attempt.revision)
        {
            let text = format!("sync of {} failed: {failure}", short(&look.attempt.revision));
            look.condition(status::SYNC_ERROR, text);
            look.again_in(self.options.retry_failed);
        }
    }

    pub(crate) async fn write_status(&self, mut look: Look<'_>, memory: &mut Memory) {
        look.trust.write(&mut look.status);
        look.deployed.write(&mut look.status, DEPLOYED);
        look.attempt.write(&mut look.status, ATTEMPT);
        let app = look.app;
        let old = app.status();
        let conditions = status::conditions(
            &look.conditions,
            old.and_then(|status| status.get("conditions")),
            look.now,
        );
        look.status.set(&["conditions"], conditions);
        look.status
            .set(&["controllerNamespace"], self.options.control_plane.as_str());
        let mut patch = Value::object();
        let reconciled = old
            .and_then(|status| status.str_at(&["reconciledAt"]))
            .and_then(|t| t.parse::<Timestamp>().ok());
        let stale =
            reconciled.is_none_or(|at| look.now.duration_since(at).as_secs() >= self.options.resync.as_secs() as i64);
        let inner = status::merge_patch(old, look.status.node());
        if inner.is_some() || stale || look.refreshed {
            look.status.set(&["reconciledAt"], rfc3339(look.now));
            patch.set(
                &["status"],
                status::merge_patch(old, look.status.node()).unwrap_or_else(Value::object),
            );
        }
        if look.refreshed {
            patch.set(&["metadata", "annotations", names::REFRESH], Value::NULL);
        }
        if look.operation_done {
            patch.set(&["operation"], Value::NULL);
        }
        if let Some(pause) = memory.wake(look.again) {
            self.queue.add_after(Work::Application(app.key.clone()), pause);
        }
        if patch.node().is_empty() {
            return;
        }
        let options = WriteOptions::by(names::STATUS_MANAGER, None);
        let (namespace, name) = (&app.key.namespace, &app.key.name);
        match self
            .cluster
            .merge_patch(&names::application(), namespace, name, patch, options)
            .await
        {
            Ok(doc) => memory.latest = Some(doc),
            Err(error) => {
                tracing::warn!(application = %app.key, %error, "the status could not be written");
                self.queue
                    .add_after(Work::Application(app.key.clone()), Duration::from_millis(200));
            }
        }
    }
}
