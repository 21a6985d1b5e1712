//! What tells its health by conditions.

use ridgeway_doc::Node;

use super::{Health, HealthStatus, Look, json};

use HealthStatus::{Degraded, Healthy, Progressing, Suspended};

/// Conditions with which an autoscaler cannot work.
const AUTOSCALER_FAILURES: [(&str, &str); 8] = [
    ("AbleToScale", "FailedGetScale"),
    ("AbleToScale", "FailedUpdateScale"),
    ("ScalingActive", "FailedGetResourceMetric"),
    ("ScalingActive", "FailedGetContainerResourceMetric"),
    ("ScalingActive", "FailedGetObjectMetric"),
    ("ScalingActive", "FailedGetPodsMetric"),
    ("ScalingActive", "FailedGetExternalMetric"),
    ("ScalingActive", "InvalidSelector"),
];

pub(super) fn autoscaler(look: Look<'_>, version: &str) -> Health {
    // v1 keeps its conditions as text in an annotation.
    let annotation = ["metadata", "annotations", "autoscaling.alpha.kubernetes.io/conditions"];
    let parsed = (version == "v1").then(|| json(look.text(&annotation))).flatten();
    let conditions: Vec<Node<'_>> = match &parsed {
        Some(doc) => doc.root().items().collect(),
        None => look.items(&["status", "conditions"]).collect(),
    };
    let text = |c: &Node<'_>, key: &str| c.str_at(&[key]).unwrap_or_default().to_owned();
    let failed = conditions
        .iter()
        .find(|c| AUTOSCALER_FAILURES.contains(&(text(c, "type").as_str(), text(c, "reason").as_str())));
    if let Some(failed) = failed {
        return Health::new(Degraded, text(failed, "message"));
    }
    let healthy = conditions
        .iter()
        .find(|c| matches!(text(c, "type").as_str(), "AbleToScale" | "ScalingLimited") && text(c, "status") == "True");
    match healthy {
        Some(healthy) => Health::new(Healthy, text(healthy, "message")),
        None => Health::new(Progressing, "Waiting to Autoscale"),
    }
}

pub(super) fn api_service(look: Look<'_>) -> Health {
    let Some(available) = look.condition("Available") else {
        return Health::new(Progressing, "Waiting to be processed");
    };
    let text = |key: &str| available.str_at(&[key]).unwrap_or_default();
    let status = if text("status") == "True" { Healthy } else { Progressing };
    Health::new(status, format!("{}: {}", text("reason"), text("message")))
}

pub(super) fn crd(look: Look<'_>) -> Health {
    if look.items(&["status", "conditions"]).next().is_none() {
        return Health::new(Progressing, "Status conditions not found");
    }
    let is = |kind: &str, status: &str| look.condition(kind).filter(|c| c.str_at(&["status"]) == Some(status));
    let message = |c: Option<Node<'_>>| c.and_then(|c| c.str_at(&["message"])).unwrap_or_default().to_owned();
    if let Some(ending) = is("Terminating", "True") {
        return Health::new(
            Progressing,
            format!("CRD is being terminated: {}", message(Some(ending))),
        );
    }
    if let Some(taken) = is("NamesAccepted", "False") {
        return Health::new(
            Degraded,
            format!("CRD names have not been accepted: {}", message(Some(taken))),
        );
    }
    if is("Established", "True").is_none() {
        let why = message(look.condition("Established"));
        return Health::new(Degraded, format!("CRD is not established: {why}"));
    }
    if let Some(loose) = is("NonStructuralSchema", "True") {
        return Health::new(Degraded, format!("Schema violations found: {}", message(Some(loose))));
    }
    Health::new(Healthy, "CRD is healthy")
}

/// What custom resources commonly say: the conditions of kstatus, and `Ready` or `Available`.
pub(super) fn generic(look: Look<'_>) -> Option<Health> {
    if look.flag(&["spec", "suspend"]) || look.flag(&["spec", "paused"]) {
        return Some(Health::new(Suspended, "suspended by its spec"));
    }
    if look.optional(&["status", "observedGeneration"]).is_some() && !look.is_observed() {
        return Some(Health::new(Progressing, "Waiting for the latest spec to be observed"));
    }
    let words = |c: Node<'_>| {
        let text = |key: &str| c.str_at(&[key]).unwrap_or_default().to_owned();
        match (text("reason"), text("message")) {
            (reason, message) if message.is_empty() => reason,
            (reason, message) if reason.is_empty() => message,
            (reason, message) => format!("{reason}: {message}"),
        }
    };
    let is = |kind: &str, status: &str| look.condition(kind).filter(|c| c.str_at(&["status"]) == Some(status));
    for kind in ["Stalled", "Failed", "Degraded"] {
        if let Some(bad) = is(kind, "True") {
            return Some(Health::new(Degraded, words(bad)));
        }
    }
    if let Some(busy) = is("Reconciling", "True") {
        return Some(Health::new(Progressing, words(busy)));
    }
    for kind in ["Ready", "Available"] {
        let Some(condition) = look.condition(kind) else {
            continue;
        };
        return Some(match condition.str_at(&["status"]) {
            Some("True") => Health::new(Healthy, condition.str_at(&["message"]).unwrap_or_default()),
            _ => Health::new(Progressing, words(condition)),
        });
    }
    None
}
