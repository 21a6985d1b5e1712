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

/// How many violations the status of a constraint lists, as Gatekeeper's does.
const LISTED: usize = 20;

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
    let snapshot = shared.snapshot();
    let Some(unit) = snapshot.units.get(key) else {
        return Ok(());
    };
    let of_constraint = source::role(&key.group, &key.kind) == Some(Role::Constraint);
    let version = if of_constraint {
        source::CONSTRAINT_VERSION
    } else {
        "v1"
    };
    let gvk = Gvk::new(&key.group, version, &key.kind);
    let live = shared.cluster.get(&gvk, &key.namespace, &key.name).await?;
    let status = if of_constraint {
        violations(shared, unit)
    } else {
        status(unit, &live, &rfc3339(shared.clock.now()))
    };
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

/// The status of a constraint: how many objects violate it, and the first of them.
fn violations(shared: &Shared, unit: &Unit) -> Value {
    let action = match unit.doc.root().str_at(&["spec", "enforcementAction"]) {
        None | Some("") => "deny",
        Some(action) => action,
    };
    let all = shared.scan.violations(|object, policy, row, result| {
        if policy != unit.id {
            return None;
        }
        let mut out = Value::object();
        out.set(&["enforcementAction"], action);
        out.set(&["group"], object.group.as_str());
        out.set(&["version"], row.api_version.rsplit('/').next().unwrap_or_default());
        out.set(&["kind"], object.kind.as_str());
        out.set(&["name"], object.name.as_str());
        if !object.namespace.is_empty() {
            out.set(&["namespace"], object.namespace.as_str());
        }
        out.set(&["message"], result.author.as_str());
        Some(out)
    });
    let mut out = Value::object();
    let all: Vec<Value> = all.into_iter().flatten().collect();
    out.set(&["totalViolations"], i64::try_from(all.len()).unwrap_or(i64::MAX));
    out.set(&["violations"], all.into_iter().take(LISTED).collect::<Value>());
    out
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
