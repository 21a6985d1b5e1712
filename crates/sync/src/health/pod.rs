//! Pods.

use ridgeway_doc::Node;

use super::{Health, HealthStatus, Look};
use crate::plan::is_hook;

use HealthStatus::{Degraded, Healthy, Progressing, Unknown};

/// Says that a Pod which is not restarted is meant to run for ever all the same.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

pub(super) fn pod(look: Look<'_>) -> Health {
    // A Pod with an end is not judged by its trouble on the way: the trouble may pass, and a hook must not fail early.
    let policy = look.text(&["spec", "restartPolicy"]);
    let ignored = look.0.at(&["metadata", "annotations", IGNORE_RESTART_POLICY]).is_some();
    let endless = matches!(policy, "" | "Always") || ignored && !is_hook(look.0);
    let message = look.text(&["status", "message"]);
    let containers = || look.items(&["status", "containerStatuses"]);
    if endless {
        let troubles: Vec<&str> = containers()
            .filter_map(|c| c.at(&["state", "waiting"]))
            .filter(|waiting| {
                let reason = waiting.str_at(&["reason"]).unwrap_or_default();
                reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
            })
            .map(|waiting| waiting.str_at(&["message"]).unwrap_or_default())
            .collect();
        if !troubles.is_empty() {
            return Health::new(Degraded, troubles.join(", "));
        }
    }
    match look.text(&["status", "phase"]) {
        "" | "Pending" => Health::new(Progressing, message),
        "Succeeded" => Health::new(Healthy, message),
        "Failed" if !message.is_empty() => Health::new(Degraded, message),
        "Failed" => {
            let all = look.items(&["status", "initContainerStatuses"]).chain(containers());
            Health::new(Degraded, all.filter_map(failure).next().unwrap_or_default())
        }
        "Running" if endless => {
            let ready = look
                .condition("Ready")
                .is_some_and(|c| c.str_at(&["status"]) == Some("True"));
            let crashed = || containers().any(|c| c.at(&["lastState", "terminated"]).is_some());
            let status = if ready {
                Healthy
            } else if crashed() {
                Degraded
            } else {
                Progressing
            };
            Health::new(status, message)
        }
        "Running" if matches!(policy, "OnFailure" | "Never") => Health::new(Progressing, message),
        _ => Health::new(Unknown, message),
    }
}

/// Why a container ended, if it did not end well.
fn failure(container: Node<'_>) -> Option<String> {
    let ended = container.at(&["state", "terminated"])?;
    let text = |key: &str| ended.str_at(&[key]).unwrap_or_default();
    if !text("message").is_empty() {
        return Some(text("message").to_owned());
    }
    if text("reason") == "OOMKilled" {
        return Some("OOMKilled".to_owned());
    }
    let code = ended.get("exitCode").and_then(Node::as_i64).unwrap_or(0);
    let name = container.str_at(&["name"]).unwrap_or_default();
    (code != 0).then(|| format!("container {name:?} failed with exit code {code}"))
}
