//! The status of policies: whether they are in force, for `kubectl get` and for those who wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ridgeway_cluster::{Causality, Reason, Status, WriteOptions, rfc3339};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::ObjectRef;

use crate::exception;
use crate::guard::Shared;
use crate::install::MANAGER;
use crate::mutator;
use crate::snapshot::Unit;
use crate::source::{self, Role, items};

/// How many bytes of violations the status of a constraint lists: all of them, unless the object would grow too large.
const LISTED: usize = 1 << 20;

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
    let gvk = source::written(key);
    if let Some(stand) = snapshot.exceptions.get(key) {
        let live = shared.cluster.get(&gvk, &key.namespace, &key.name).await?;
        let name = format!("exception:{}/{}", key.namespace, key.name);
        return store(shared, &live, exception::status(stand), name).await;
    }
    let Some(unit) = snapshot.units.get(key) else {
        return Ok(());
    };
    let live = shared.cluster.get(&gvk, &key.namespace, &key.name).await?;
    let now = rfc3339(shared.clock.now());
    let status = match source::role(&key.group, &key.kind) {
        Some(Role::Admission) if key.kind == "MutatingAdmissionPolicy" => return Ok(()),
        Some(Role::Admission) => checked(shared, unit, &live),
        Some(Role::Constraint) => violations(shared, unit),
        Some(role @ (Role::Mutator | Role::Expansion)) => mutator::status(unit, &live, role),
        Some(Role::Cel) => {
            let condition = condition(unit, &live, &["conditionStatus", "conditions"], &now);
            let mut out = Value::object();
            out.set(&["conditionStatus", "ready"], unit.faults.is_empty());
            out.set(&["conditionStatus", "conditions"], vec![condition]);
            out
        }
        _ => status(unit, &live, &now),
    };
    store(shared, &live, status, format!("policy:{}", unit.spoken)).await
}

/// Writes a status that is not stored already.
pub(crate) async fn store(shared: &Shared, live: &Doc, status: Value, cause: String) -> Result<(), Status> {
    if live.root().get("status") == Some(status.node()) {
        return Ok(());
    }
    let mut object = live.root().to_value();
    object.set(&["status"], status);
    let causality = Some(Causality::new(cause));
    shared
        .cluster
        .update_status(object, WriteOptions::by(MANAGER, causality))
        .await
        .map(drop)
}

/// The status of a policy of Kubernetes' own: what its expressions get wrong about the kinds that they are about.
fn checked(shared: &Shared, unit: &Unit, live: &Doc) -> Value {
    let mut out = Value::object();
    if let Some(generation) = live.root().at(&["metadata", "generation"]) {
        out.set(&["observedGeneration"], generation.to_value());
    }
    let warnings = ridgeway_policy::type_warnings(unit.doc.root(), &shared.cluster.kinds());
    // What does not compile is told in the same place: these objects have no other.
    let faults = unit
        .faults
        .iter()
        .map(|fault| (fault.path.clone(), fault.message.clone()));
    let warnings: Vec<(String, String)> = faults.chain(warnings).collect();
    let mut checking = Value::object();
    if !warnings.is_empty() {
        let one = |(field, warning): (String, String)| {
            let mut out = Value::object();
            out.set(&["fieldRef"], field);
            out.set(&["warning"], warning);
            out
        };
        checking.set(
            &["expressionWarnings"],
            warnings.into_iter().map(one).collect::<Value>(),
        );
    }
    out.set(&["typeChecking"], checking);
    out
}

/// The status of a constraint: how many objects violate it, and which.
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
    let mut size = 0;
    let fits = all.into_iter().take_while(|one| {
        size += one.node().to_json().len();
        size <= LISTED
    });
    out.set(&["violations"], fits.collect::<Value>());
    out
}

/// The condition `Ready`; the time of the last transition is kept where it stays as it was.
fn condition(unit: &Unit, live: &Doc, place: &[&str], now: &str) -> Value {
    let ready = unit.faults.is_empty();
    let conditions = live
        .root()
        .get("status")
        .into_iter()
        .flat_map(|status| items(status, place));
    let known = conditions.into_iter().find(|c| c.str_at(&["type"]) == Some("Ready"));
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
    condition
}

/// The status of a `ClusterPolicy` or `Policy` as it shall be.
fn status(unit: &Unit, live: &Doc, now: &str) -> Value {
    let condition = condition(unit, live, &["conditions"], now);
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
