//! Health of single objects, in the words of Argo CD (`gitops-engine/pkg/health`).

mod pod;
mod workload;

use std::fmt;

use ridgeway_doc::Node;
use ridgeway_krm::Gvk;

use crate::{annotation, text};

/// How an object is; a greater one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HealthStatus {
    /// It does what it is for.
    Healthy,
    /// It is halted on purpose.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is not there.
    Missing,
    /// It failed.
    Degraded,
    /// It cannot be said.
    Unknown,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HealthStatus::Healthy => "Healthy",
            HealthStatus::Suspended => "Suspended",
            HealthStatus::Progressing => "Progressing",
            HealthStatus::Missing => "Missing",
            HealthStatus::Degraded => "Degraded",
            HealthStatus::Unknown => "Unknown",
        })
    }
}

impl std::str::FromStr for HealthStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        const ALL: [HealthStatus; 6] = [
            HealthStatus::Healthy,
            HealthStatus::Suspended,
            HealthStatus::Progressing,
            HealthStatus::Missing,
            HealthStatus::Degraded,
            HealthStatus::Unknown,
        ];
        ALL.into_iter().find(|status| status.to_string() == text).ok_or(())
    }
}

/// A judgement with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How it is.
    pub status: HealthStatus,
    /// Why; may be empty.
    pub message: String,
}

impl Health {
    pub(crate) fn of(status: HealthStatus, message: impl Into<String>) -> Health {
        Health { status, message: message.into() }
    }
}

/// The worst of several; nothing at all is healthy.
pub fn aggregate(statuses: impl IntoIterator<Item = HealthStatus>) -> HealthStatus {
    statuses.into_iter().max().unwrap_or(HealthStatus::Healthy)
}

/// The health of a live object; `None` for kinds that have none, which count as healthy.
pub fn health(object: Node<'_>) -> Option<Health> {
    let hook_held = object
        .at(&["metadata", "finalizers"])
        .is_some_and(|list| list.items().any(|f| f == "argocd.argoproj.io/hook-finalizer"));
    if object.at(&["metadata", "deletionTimestamp"]).is_some() && !hook_held {
        return Some(Health::of(HealthStatus::Progressing, "Pending deletion"));
    }
    if annotation(object, "argocd.argoproj.io/ignore-healthcheck") == "true" {
        return None;
    }
    let gvk = Gvk::of(object)?;
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps", "Deployment") => Some(workload::deployment(object)),
        ("apps", "StatefulSet") => Some(workload::stateful_set(object)),
        ("apps", "DaemonSet") => Some(workload::daemon_set(object)),
        ("apps", "ReplicaSet") => Some(workload::replica_set(object)),
        ("batch", "Job") => Some(workload::job(object)),
        ("", "Pod") => Some(pod::pod(object)),
        ("", "Service") => Some(service(object)),
        ("", "PersistentVolumeClaim") => Some(claim(object)),
        ("networking.k8s.io" | "extensions", "Ingress") => Some(ingress(object)),
        ("apiregistration.k8s.io", "APIService") => Some(api_service(object)),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(autoscaler(object)),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Some(definition(object)),
        ("argoproj.io", "Application") => application(object),
        _ => None,
    }
}

/// The conditions of a status.
fn conditions(object: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    object.at(&["status", "conditions"]).map(Node::items).into_iter().flatten()
}

/// A condition that stands at `True`.
fn holds<'a>(object: Node<'a>, kind: &str) -> Option<Node<'a>> {
    conditions(object).find(|c| text(*c, &["type"]) == kind && text(*c, &["status"]) == "True")
}

fn has_address(object: Node<'_>) -> bool {
    object.at(&["status", "loadBalancer", "ingress"]).is_some_and(|list| !list.is_empty())
}

fn service(object: Node<'_>) -> Health {
    if text(object, &["spec", "type"]) == "LoadBalancer" && !has_address(object) {
        return Health::of(HealthStatus::Progressing, "");
    }
    Health::of(HealthStatus::Healthy, "")
}

fn ingress(object: Node<'_>) -> Health {
    Health::of(if has_address(object) { HealthStatus::Healthy } else { HealthStatus::Progressing }, "")
}

fn claim(object: Node<'_>) -> Health {
    let status = match text(object, &["status", "phase"]) {
        "Lost" => HealthStatus::Degraded,
        "Pending" => HealthStatus::Progressing,
        "Bound" => HealthStatus::Healthy,
        _ => HealthStatus::Unknown,
    };
    Health::of(status, "")
}

fn api_service(object: Node<'_>) -> Health {
    match conditions(object).find(|c| text(*c, &["type"]) == "Available") {
        Some(c) => {
            let message = format!("{}: {}", text(c, &["reason"]), text(c, &["message"]));
            let up = text(c, &["status"]) == "True";
            Health::of(if up { HealthStatus::Healthy } else { HealthStatus::Progressing }, message)
        }
        None => Health::of(HealthStatus::Progressing, "Waiting to be processed"),
    }
}

/// Follows the conditions of `autoscaling/v2`.
fn autoscaler(object: Node<'_>) -> Health {
    const FAULTS: [&str; 8] = [
        "FailedGetScale",
        "FailedUpdateScale",
        "FailedGetResourceMetric",
        "InvalidSelector",
        "InvalidMetricSourceType",
        "FailedGetObjectMetric",
        "FailedGetPodsMetric",
        "FailedGetExternalMetric",
    ];
    let faulty = conditions(object).find(|c| FAULTS.contains(&text(*c, &["reason"])));
    if let Some(c) = faulty {
        return Health::of(HealthStatus::Degraded, text(c, &["message"]));
    }
    for (kind, reason) in [("ScalingLimited", "TooManyReplicas"), ("ScalingLimited", "TooFewReplicas"), ("AbleToScale", "")] {
        let found = holds(object, kind).filter(|c| reason.is_empty() || text(*c, &["reason"]) == reason);
        if let Some(c) = found {
            return Health::of(HealthStatus::Healthy, text(c, &["message"]));
        }
    }
    Health::of(HealthStatus::Progressing, "Waiting to Autoscale")
}

fn definition(object: Node<'_>) -> Health {
    if let Some(c) = conditions(object).find(|c| text(*c, &["type"]) == "NamesAccepted" && text(*c, &["status"]) == "False") {
        return Health::of(HealthStatus::Degraded, text(c, &["message"]));
    }
    match holds(object, "Established") {
        Some(_) => Health::of(HealthStatus::Healthy, "CRD is healthy"),
        None => Health::of(HealthStatus::Progressing, "Status conditions not found"),
    }
}

/// An Application within another: what its own status says. Missing and Unknown are not passed on.
fn application(object: Node<'_>) -> Option<Health> {
    let status: HealthStatus = text(object, &["status", "health", "status"]).parse().ok()?;
    if matches!(status, HealthStatus::Missing | HealthStatus::Unknown) {
        return None;
    }
    Some(Health::of(status, text(object, &["status", "health", "message"])))
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn judge(yaml: &str) -> Option<(HealthStatus, String)> {
        health(parse_yaml(yaml).unwrap()[0].root()).map(|h| (h.status, h.message))
    }

    #[test]
    fn kinds_without_health_count_as_healthy() {
        assert_eq!(judge("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"), None);
        assert_eq!(aggregate([]), HealthStatus::Healthy);
        assert_eq!(aggregate([HealthStatus::Healthy, HealthStatus::Degraded, HealthStatus::Missing]), HealthStatus::Degraded);
    }

    #[test]
    fn what_is_going_away_progresses() {
        let going = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z'}}";
        assert_eq!(judge(going), Some((HealthStatus::Progressing, "Pending deletion".into())));
    }

    #[test]
    fn services_wait_for_their_address() {
        let service = |kind: &str, status: &str| judge(&format!("{{apiVersion: v1, kind: Service, spec: {{type: {kind}}}, status: {status}}}")).unwrap().0;
        assert_eq!(service("ClusterIP", "{}"), HealthStatus::Healthy);
        assert_eq!(service("LoadBalancer", "{}"), HealthStatus::Progressing);
        assert_eq!(service("LoadBalancer", "{loadBalancer: {ingress: [{ip: 10.0.0.1}]}}"), HealthStatus::Healthy);
    }
}
