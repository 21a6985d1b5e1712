//! Health of a Pod.

use ridgeway_doc::Node;

use super::{Health, HealthStatus, holds};
use crate::{number, text};

fn statuses(object: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let of = move |key: &str| object.at(&["status", key]).map(Node::items).into_iter().flatten();
    of("initContainerStatuses").chain(of("containerStatuses"))
}

pub(super) fn pod(object: Node<'_>) -> Health {
    let always = matches!(text(object, &["spec", "restartPolicy"]), "" | "Always");
    if always {
        // A waiting container whose reason is a fault: it will not get better by waiting.
        let faults: Vec<&str> = statuses(object)
            .filter_map(|s| s.at(&["state", "waiting"]))
            .filter(|w| {
                let reason = text(*w, &["reason"]);
                reason.starts_with("Err") || reason.ends_with("Error") || reason.ends_with("BackOff")
            })
            .map(|w| text(w, &["message"]))
            .collect();
        if !faults.is_empty() {
            return Health::of(HealthStatus::Degraded, faults.join(", "));
        }
    }
    let message = text(object, &["status", "message"]);
    match text(object, &["status", "phase"]) {
        "Pending" => Health::of(HealthStatus::Progressing, message),
        "Succeeded" => Health::of(HealthStatus::Healthy, message),
        "Failed" => Health::of(HealthStatus::Degraded, failure(object)),
        "Running" if always => {
            if holds(object, "Ready").is_some() {
                return Health::of(HealthStatus::Healthy, message);
            }
            // Not ready, and it ended before: it is crashing.
            if statuses(object).any(|s| s.at(&["lastState", "terminated"]).is_some()) {
                return Health::of(HealthStatus::Degraded, message);
            }
            Health::of(HealthStatus::Progressing, message)
        }
        // Pods that are to end are on their way while they run.
        "Running" => Health::of(HealthStatus::Progressing, message),
        _ => Health::of(HealthStatus::Unknown, message),
    }
}

fn failure(object: Node<'_>) -> String {
    let message = text(object, &["status", "message"]);
    if !message.is_empty() {
        return message.to_owned();
    }
    for status in statuses(object) {
        let Some(end) = status.at(&["state", "terminated"]) else { continue };
        if !text(end, &["message"]).is_empty() {
            return text(end, &["message"]).to_owned();
        }
        if text(end, &["reason"]) == "OOMKilled" {
            return "OOMKilled".to_owned();
        }
        if let Some(code) = number(end, &["exitCode"]).filter(|code| *code != 0) {
            return format!("container {:?} failed with exit code {code}", text(status, &["name"]));
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn pods() {
        for (state, want) in [
            ("status: {phase: Pending}", "Progressing"),
            ("status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}", "Healthy"),
            ("status: {phase: Running}", "Progressing"),
            ("status: {phase: Running, containerStatuses: [{lastState: {terminated: {exitCode: 1}}}]}", "Degraded"),
            (
                "status: {phase: Running, containerStatuses: [{state: {waiting: {reason: CrashLoopBackOff, message: again}}}]}",
                "Degraded again",
            ),
            ("spec: {restartPolicy: Never}, status: {phase: Running}", "Progressing"),
            ("spec: {restartPolicy: Never}, status: {phase: Succeeded}", "Healthy"),
            (
                "status: {phase: Failed, containerStatuses: [{name: app, state: {terminated: {exitCode: 3}}}]}",
                "Degraded container \"app\" failed with exit code 3",
            ),
        ] {
            let health = pod(parse_yaml(&format!("{{{state}}}")).unwrap()[0].root());
            assert_eq!(format!("{} {}", health.status, health.message).trim(), want, "{state}");
        }
    }
}
