//! Health of workloads.

use ridgeway_doc::Node;

use super::{Health, HealthStatus, conditions, holds};
use crate::{number, text};

fn progressing(message: String) -> Health {
    Health::of(HealthStatus::Progressing, message)
}

fn healthy(message: impl Into<String>) -> Health {
    Health::of(HealthStatus::Healthy, message)
}

/// Whether the controller has seen the newest generation.
fn observed(object: Node<'_>) -> bool {
    number(object, &["metadata", "generation"]).unwrap_or(0) <= number(object, &["status", "observedGeneration"]).unwrap_or(0)
}

fn status(object: Node<'_>, field: &str) -> i64 {
    number(object, &["status", field]).unwrap_or(0)
}

pub(super) fn deployment(object: Node<'_>) -> Health {
    if object.at(&["spec", "paused"]).and_then(Node::as_bool) == Some(true) {
        return Health::of(HealthStatus::Suspended, "Deployment is paused");
    }
    if !observed(object) {
        return progressing("Waiting for rollout to finish: observed deployment generation less than desired generation".into());
    }
    let late = conditions(object)
        .any(|c| text(c, &["type"]) == "Progressing" && text(c, &["reason"]) == "ProgressDeadlineExceeded");
    if late {
        let name = text(object, &["metadata", "name"]);
        return Health::of(HealthStatus::Degraded, format!("Deployment {name:?} exceeded its progress deadline"));
    }
    let (updated, available) = (status(object, "updatedReplicas"), status(object, "availableReplicas"));
    match number(object, &["spec", "replicas"]) {
        Some(wanted) if updated < wanted => progressing(format!(
            "Waiting for rollout to finish: {updated} out of {wanted} new replicas have been updated..."
        )),
        _ if status(object, "replicas") > updated => progressing(format!(
            "Waiting for rollout to finish: {} old replicas are pending termination...",
            status(object, "replicas") - updated
        )),
        _ if available < updated => progressing(format!(
            "Waiting for rollout to finish: {available} of {updated} updated replicas are available..."
        )),
        _ => healthy(""),
    }
}

pub(super) fn replica_set(object: Node<'_>) -> Health {
    if !observed(object) {
        return progressing("Waiting for rollout to finish: observed replica set generation less than desired generation".into());
    }
    if let Some(failure) = holds(object, "ReplicaFailure") {
        return Health::of(HealthStatus::Degraded, text(failure, &["message"]));
    }
    let available = status(object, "availableReplicas");
    match number(object, &["spec", "replicas"]) {
        Some(wanted) if available < wanted => progressing(format!(
            "Waiting for rollout to finish: {available} out of {wanted} new replicas are available..."
        )),
        _ => healthy(""),
    }
}

pub(super) fn stateful_set(object: Node<'_>) -> Health {
    if status(object, "observedGeneration") == 0 || !observed(object) {
        return progressing("Waiting for statefulset spec update to be observed...".into());
    }
    let (ready, updated) = (status(object, "readyReplicas"), status(object, "updatedReplicas"));
    let wanted = number(object, &["spec", "replicas"]);
    if let Some(wanted) = wanted.filter(|wanted| ready < *wanted) {
        return progressing(format!("Waiting for {} pods to be ready...", wanted - ready));
    }
    let partition = number(object, &["spec", "updateStrategy", "rollingUpdate", "partition"]);
    if text(object, &["spec", "updateStrategy", "type"]) == "RollingUpdate"
        && let (Some(partition), Some(wanted)) = (partition.filter(|p| *p > 0), wanted)
    {
        let new = wanted - partition;
        if updated < new {
            return progressing(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {new} new pods have been updated..."
            ));
        }
        return healthy(format!("partitioned roll out complete: {updated} new pods have been updated..."));
    }
    if text(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return healthy(format!("statefulset has {ready} ready pods"));
    }
    let revision = text(object, &["status", "updateRevision"]);
    if revision != text(object, &["status", "currentRevision"]) {
        return progressing(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."
        ));
    }
    let current = status(object, "currentReplicas");
    healthy(format!("statefulset rolling update complete {current} pods at revision {}...", text(object, &["status", "currentRevision"])))
}

pub(super) fn daemon_set(object: Node<'_>) -> Health {
    if !observed(object) {
        return progressing("Waiting for rollout to finish: observed daemon set generation less than desired generation".into());
    }
    let name = text(object, &["metadata", "name"]);
    let (wanted, updated) = (status(object, "desiredNumberScheduled"), status(object, "updatedNumberScheduled"));
    if text(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return healthy(format!("daemon set {updated} out of {wanted} new pods have been updated"));
    }
    if updated < wanted {
        return progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {updated} out of {wanted} new pods have been updated..."
        ));
    }
    let available = status(object, "numberAvailable");
    if available < wanted {
        return progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {available} of {wanted} updated pods are available..."
        ));
    }
    healthy("")
}

pub(super) fn job(object: Node<'_>) -> Health {
    if let Some(c) = holds(object, "Failed") {
        return Health::of(HealthStatus::Degraded, text(c, &["message"]));
    }
    if let Some(c) = holds(object, "Suspended") {
        return Health::of(HealthStatus::Suspended, text(c, &["message"]));
    }
    match holds(object, "Complete") {
        Some(c) => healthy(text(c, &["message"])),
        None => progressing(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn judge(check: fn(Node<'_>) -> Health, yaml: &str) -> String {
        let health = check(parse_yaml(yaml).unwrap()[0].root());
        format!("{} {}", health.status, health.message).trim().to_owned()
    }

    #[test]
    fn deployments() {
        for (state, want) in [
            ("{spec: {paused: true}}", "Suspended Deployment is paused"),
            (
                "{metadata: {generation: 2}, status: {observedGeneration: 1}}",
                "Progressing Waiting for rollout to finish: observed deployment generation less than desired generation",
            ),
            (
                "{metadata: {name: web}, status: {conditions: [{type: Progressing, reason: ProgressDeadlineExceeded}]}}",
                "Degraded Deployment \"web\" exceeded its progress deadline",
            ),
            (
                "{spec: {replicas: 3}, status: {updatedReplicas: 1}}",
                "Progressing Waiting for rollout to finish: 1 out of 3 new replicas have been updated...",
            ),
            (
                "{spec: {replicas: 3}, status: {updatedReplicas: 3, replicas: 4}}",
                "Progressing Waiting for rollout to finish: 1 old replicas are pending termination...",
            ),
            (
                "{spec: {replicas: 3}, status: {updatedReplicas: 3, replicas: 3, availableReplicas: 2}}",
                "Progressing Waiting for rollout to finish: 2 of 3 updated replicas are available...",
            ),
            ("{spec: {replicas: 3}, status: {updatedReplicas: 3, replicas: 3, availableReplicas: 3}}", "Healthy"),
        ] {
            assert_eq!(judge(deployment, state), want, "{state}");
        }
    }

    #[test]
    fn jobs() {
        for (state, want) in [
            ("{status: {}}", "Progressing"),
            ("{status: {conditions: [{type: Complete, status: 'True', message: done}]}}", "Healthy done"),
            ("{status: {conditions: [{type: Failed, status: 'True', message: broken}]}}", "Degraded broken"),
            ("{status: {conditions: [{type: Suspended, status: 'True', message: later}]}}", "Suspended later"),
        ] {
            assert_eq!(judge(job, state), want, "{state}");
        }
    }

    #[test]
    fn stateful_sets() {
        let base = "spec: {replicas: 2}, metadata: {generation: 1}";
        for (status, want) in [
            ("{}", "Progressing Waiting for statefulset spec update to be observed..."),
            ("{observedGeneration: 1, readyReplicas: 1}", "Progressing Waiting for 1 pods to be ready..."),
            (
                "{observedGeneration: 1, readyReplicas: 2, updatedReplicas: 1, updateRevision: b, currentRevision: a}",
                "Progressing waiting for statefulset rolling update to complete 1 pods at revision b...",
            ),
            (
                "{observedGeneration: 1, readyReplicas: 2, currentReplicas: 2, updateRevision: b, currentRevision: b}",
                "Healthy statefulset rolling update complete 2 pods at revision b...",
            ),
        ] {
            assert_eq!(judge(stateful_set, &format!("{{{base}, status: {status}}}")), want);
        }
    }
}
