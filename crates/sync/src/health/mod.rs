//! Health: what state a live object is in.

mod conditions;
mod pod;
mod workload;

use std::fmt;
use std::str::FromStr;

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;

use crate::annotation;

/// The states of health, the best first: a greater one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// It works.
    Healthy,
    /// It was paused.
    Suspended,
    /// It is not there yet, but may come.
    Progressing,
    /// It is not in the cluster.
    Missing,
    /// It failed, or did not come in time.
    Degraded,
    /// Its state cannot be told.
    Unknown,
}

const NAMES: [(HealthStatus, &str); 6] = [
    (HealthStatus::Healthy, "Healthy"),
    (HealthStatus::Suspended, "Suspended"),
    (HealthStatus::Progressing, "Progressing"),
    (HealthStatus::Missing, "Missing"),
    (HealthStatus::Degraded, "Degraded"),
    (HealthStatus::Unknown, "Unknown"),
];

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(
            NAMES
                .iter()
                .find(|(status, _)| status == self)
                .map_or("", |(_, name)| name),
        )
    }
}

impl FromStr for HealthStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<HealthStatus, String> {
        NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(status, _)| *status)
            .ok_or_else(|| {
                format!(
                    "{text:?} is no health status; one of Healthy, Suspended, Progressing, Missing, Degraded, Unknown"
                )
            })
    }
}

/// A state of health with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The state.
    pub status: HealthStatus,
    /// Why, in the words that Argo CD uses; may be empty.
    pub message: String,
}

impl Health {
    fn new(status: HealthStatus, message: impl Into<String>) -> Health {
        Health {
            status,
            message: message.into(),
        }
    }
}

/// The health of a live object; `None` for kinds that have none, such as ConfigMaps.
pub fn health(object: Node<'_>) -> Option<Health> {
    // A finished hook that only its own finalizer holds is judged by what it did.
    let held = object
        .at(&["metadata", "finalizers"])
        .is_some_and(|list| list.items().any(|f| f == "argocd.argoproj.io/hook-finalizer"));
    if object
        .at(&["metadata", "deletionTimestamp"])
        .is_some_and(|t| !t.is_null())
        && !held
    {
        return Some(Health::new(HealthStatus::Progressing, "Pending deletion"));
    }
    if annotation(object, "argocd.argoproj.io/ignore-healthcheck") == "true" {
        return None;
    }
    let gvk = Gvk::of(object)?;
    let look = Look(object);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps" | "extensions", "Deployment") => Some(workload::deployment(look)),
        ("apps", "StatefulSet") => Some(workload::stateful_set(look)),
        ("apps" | "extensions", "DaemonSet") => Some(workload::daemon_set(look)),
        ("apps" | "extensions", "ReplicaSet") => Some(workload::replica_set(look)),
        ("batch", "Job") => Some(workload::job(look)),
        ("batch", "CronJob") => Some(workload::cron_job(look)),
        ("", "Pod") => Some(pod::pod(look)),
        ("", "Service") => Some(service(look)),
        ("", "PersistentVolumeClaim") => Some(claim(look)),
        ("networking.k8s.io" | "extensions", "Ingress") => Some(load_balancer(look)),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(conditions::autoscaler(look, &gvk.version)),
        ("apiregistration.k8s.io", "APIService") => Some(conditions::api_service(look)),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Some(conditions::crd(look)),
        ("argoproj.io", "Application") => application(look),
        ("argoproj.io", "Workflow") => Some(workflow(look)),
        (group, _) if is_built_in(group) => None,
        _ => conditions::generic(look),
    }
}

/// The worst of several states; `Healthy` when there are none.
pub fn aggregate(statuses: impl IntoIterator<Item = HealthStatus>) -> HealthStatus {
    statuses.into_iter().max().unwrap_or(HealthStatus::Healthy)
}

fn is_built_in(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io") && !group.ends_with(".x-k8s.io")
}

/// An object with short ways to its numbers and texts.
#[derive(Clone, Copy)]
struct Look<'a>(Node<'a>);

impl<'a> Look<'a> {
    fn text(self, path: &[&str]) -> &'a str {
        self.0.str_at(path).unwrap_or_default()
    }

    fn number(self, path: &[&str]) -> i64 {
        self.optional(path).unwrap_or(0)
    }

    fn optional(self, path: &[&str]) -> Option<i64> {
        self.0.at(path).and_then(Node::as_i64)
    }

    fn flag(self, path: &[&str]) -> bool {
        self.0.at(path).and_then(Node::as_bool) == Some(true)
    }

    fn items(self, path: &[&str]) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.0.at(path).into_iter().flat_map(Node::items)
    }

    /// The condition of a type.
    fn condition(self, kind: &str) -> Option<Node<'a>> {
        self.items(&["status", "conditions"])
            .find(|c| c.str_at(&["type"]) == Some(kind))
    }

    /// Whether the controller has seen the latest spec.
    fn is_observed(self) -> bool {
        self.number(&["metadata", "generation"]) <= self.number(&["status", "observedGeneration"])
    }
}

fn service(look: Look<'_>) -> Health {
    if look.text(&["spec", "type"]) == "LoadBalancer" {
        load_balancer(look)
    } else {
        Health::new(HealthStatus::Healthy, "")
    }
}

fn load_balancer(look: Look<'_>) -> Health {
    let assigned = look.items(&["status", "loadBalancer", "ingress"]).next().is_some();
    Health::new(
        if assigned {
            HealthStatus::Healthy
        } else {
            HealthStatus::Progressing
        },
        "",
    )
}

fn claim(look: Look<'_>) -> Health {
    Health::new(
        match look.text(&["status", "phase"]) {
            "Lost" => HealthStatus::Degraded,
            "Pending" => HealthStatus::Progressing,
            "Bound" => HealthStatus::Healthy,
            _ => HealthStatus::Unknown,
        },
        "",
    )
}

/// An Application within another is as healthy as it says. That it is missing or unknown is not passed on.
fn application(look: Look<'_>) -> Option<Health> {
    let status = look.text(&["status", "health", "status"]).parse().ok()?;
    if matches!(status, HealthStatus::Missing | HealthStatus::Unknown) {
        return None;
    }
    Some(Health::new(status, look.text(&["status", "health", "message"])))
}

fn workflow(look: Look<'_>) -> Health {
    let status = match look.text(&["status", "phase"]) {
        "" | "Pending" | "Running" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" | "Error" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Health::new(status, look.text(&["status", "message"]))
}

/// Parses the JSON text that annotations hold.
fn json(text: &str) -> Option<Doc> {
    ridgeway_doc::parse_json(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn objects_and_their_health() {
        for (yaml, want) in [
            ("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", ""),
            (
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, deletionTimestamp: '2024-01-01T00:00:00Z'}}",
                "Progressing: Pending deletion",
            ),
            (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 2}, status: {observedGeneration: 1}}",
                "Progressing: Waiting for rollout to finish: observed deployment generation less then desired generation",
            ),
            (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 3}, status: {updatedReplicas: 1}}",
                "Progressing: Waiting for rollout to finish: 1 out of 3 new replicas have been updated...",
            ),
            (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1}, status: {updatedReplicas: 1, replicas: 2}}",
                "Progressing: Waiting for rollout to finish: 1 old replicas are pending termination...",
            ),
            (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1}, status: {updatedReplicas: 1, replicas: 1}}",
                "Progressing: Waiting for rollout to finish: 0 of 1 updated replicas are available...",
            ),
            (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 1}, status: {updatedReplicas: 1, replicas: 1, availableReplicas: 1}}",
                "Healthy: ",
            ),
            (
                "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, status: {conditions: [{type: Progressing, reason: ProgressDeadlineExceeded}]}}",
                "Degraded: Deployment \"a\" exceeded its progress deadline",
            ),
            (
                "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 2}}",
                "Progressing: Waiting for statefulset spec update to be observed...",
            ),
            (
                "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 2}, status: {observedGeneration: 1, readyReplicas: 1}}",
                "Progressing: Waiting for 1 pods to be ready...",
            ),
            (
                "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 2, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}}, status: {observedGeneration: 1, readyReplicas: 2, updatedReplicas: 0}}",
                "Progressing: Waiting for partitioned roll out to finish: 0 out of 1 new pods have been updated...",
            ),
            (
                "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 0}, status: {observedGeneration: 1, updateRevision: b, currentRevision: a, updatedReplicas: 1}}",
                "Progressing: waiting for statefulset rolling update to complete 1 pods at revision b...",
            ),
            (
                "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, status: {desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1}}",
                "Progressing: Waiting for daemon set \"a\" rollout to finish: 1 of 2 updated pods are available...",
            ),
            (
                "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, status: {conditions: [{type: ReplicaFailure, status: 'True', message: quota}]}}",
                "Degraded: quota",
            ),
            (
                "{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}}",
                "Progressing: Waiting for CronJob",
            ),
            (
                "{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, status: {lastScheduleTime: '2024-01-02T00:00:00Z', lastSuccessfulTime: '2024-01-01T00:00:00Z'}}",
                "Degraded: CronJob has not completed its last execution successfully",
            ),
            (
                "{apiVersion: v1, kind: Pod, spec: {restartPolicy: Never}, status: {phase: Failed, containerStatuses: [{name: c, state: {terminated: {exitCode: 3}}}]}}",
                "Degraded: container \"c\" failed with exit code 3",
            ),
            (
                "{apiVersion: argoproj.io/v1alpha1, kind: Application, status: {health: {status: Degraded, message: m}}}",
                "Degraded: m",
            ),
            ("{apiVersion: argoproj.io/v1alpha1, kind: Application}", ""),
            ("{apiVersion: example.com/v1, kind: Thing}", ""),
            (
                "{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Ready, status: 'False', reason: Starting, message: wait}]}}",
                "Progressing: Starting: wait",
            ),
            (
                "{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Ready, status: 'False'}, {type: Stalled, status: 'True', reason: Bad, message: broken}]}}",
                "Degraded: Bad: broken",
            ),
            (
                "{apiVersion: example.com/v1, kind: Thing, metadata: {generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: 'True'}]}}",
                "Progressing: Waiting for the latest spec to be observed",
            ),
            (
                "{apiVersion: example.com/v1, kind: Thing, status: {conditions: [{type: Ready, status: 'True', message: fine}]}}",
                "Healthy: fine",
            ),
            (
                "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, status: {conditions: [{type: Established, status: 'True'}]}}",
                "Healthy: CRD is healthy",
            ),
        ] {
            let doc = parse_yaml(yaml).unwrap().remove(0);
            let got = health(doc.root()).map_or(String::new(), |h| format!("{}: {}", h.status, h.message));
            assert_eq!(got, want, "{yaml}");
        }
    }

    #[test]
    fn the_worst_counts() {
        use HealthStatus::{Degraded, Healthy, Missing, Progressing, Suspended};
        assert_eq!(aggregate([Healthy, Suspended, Progressing]), Progressing);
        assert_eq!(aggregate([Degraded, Missing]), Degraded);
        assert_eq!(aggregate([]), Healthy);
        assert_eq!("Missing".parse(), Ok(Missing));
        assert!("missing".parse::<HealthStatus>().is_err());
    }
}
