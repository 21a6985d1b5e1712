//! The status of policies: whether they are in force, for `kubectl get` and for those who wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ridgeway_cluster::{Causality, Reason, Status, WriteOptions, rfc3339};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, ObjectRef};

use crate::guard::Shared;
use crate::install::MANAGER;
use crate::snapshot::Unit;
use crate::source::{self, Role, items};

/// Works the queue until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    loop {
        let key = shared.statuses.next().await;
        if let Err(status) = write(&shared, &key).await
            && !matches!(status.reason, Reason::NotFound | Reason::Conflict)
        {
            tracing::warn!(policy = %key, %status, "the status of a policy could not be written");
        }
        shared.statuses.done(&key);
    }
}

async fn write(shared: &Shared, key: &ObjectRef) -> Result<(), Status> {
    // Constraints have no status here: their violations are a view.
    if source::role(&key.group, &key.kind) != Some(Role::Policy) {
        return Ok(());
    }
    let snapshot = shared.snapshot();
    let Some(unit) = snapshot.units.get(key) else {
        return Ok(());
    };
    let gvk = Gvk::new(&key.group, "v1", &key.kind);
    let live = shared.cluster.get(&gvk, &key.namespace, &key.name).await?;
    let status = status(unit, &live, &rfc3339(shared.clock.now()));
    if live.root().get("status") == Some(status.node()) {
        return Ok(());
    }
    let mut object = live.root().to_value();
    object.set(&["status"], status);
    let causality = Some(Causality::new(format!("policy:{}", unit.spoken)));
    shared
        .cluster
        .update_status(object, WriteOptions::by(MANAGER, causality))
        .await
        .map(drop)
}

/// The status as it shall be; the time of the last transition is kept where the condition stays as it was.
fn status(unit: &Unit, live: &Doc, now: &str) -> Value {
    let ready = unit.faults.is_empty();
    let known = items(live.root(), &["status", "conditions"]).find(|c| c.str_at(&["type"]) == Some("Ready"));
    let since = known
        .filter(|known| known.str_at(&["status"]) == Some(if ready { "True" } else { "False" }))
        .and_then(|known| known.str_at(&["lastTransitionTime"]))
        .unwrap_or(now);
    let mut condition = Value::object();
    condition.set(&["type"], "Ready");
    condition.set(&["status"], if ready { "True" } else { "False" });
    condition.set(&["reason"], if ready { "Succeeded" } else { "Failed" });
    let faults: Vec<String> = unit.faults.iter().map(ToString::to_string).collect();
    condition.set(&["message"], if ready { "Ready".to_owned() } else { faults.join("; ") });
    condition.set(&["lastTransitionTime"], since);
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for rule in items(unit.doc.root(), &["spec", "rules"]) {
        for (field, count) in [
            ("validate", "validate"),
            ("mutate", "mutate"),
            ("generate", "generate"),
            ("verifyImages", "verifyimages"),
        ] {
            *counts.entry(count).or_default() += i64::from(rule.get(field).is_some_and(Node::is_object));
        }
    }
    let mut out = Value::object();
    out.set(&["conditions"], vec![condition]);
    for (name, count) in counts {
        out.set(&["rulecount", name], count);
    }
    out
}
