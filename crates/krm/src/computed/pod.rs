//! Pods: ready containers, the one word for their state, restarts.

use std::cmp::Ordering;

use jiff::Timestamp;
use ridgeway_doc::{Node, Value};

use super::{NONE, condition, items, len, number, text};
use crate::column::age;

/// What a Pod's containers say, folded once for three cells.
struct Summary<'a> {
    ready: usize,
    total: usize,
    status: String,
    restarts: i64,
    last_restart: Option<&'a str>,
}

fn newest<'a>(a: Option<&'a str>, b: Option<&'a str>) -> Option<&'a str> {
    // RFC 3339 times in UTC sort as texts.
    match a.cmp(&b) {
        Ordering::Less => b,
        _ => a,
    }
}

fn flag(node: Node<'_>, path: &[&str]) -> bool {
    node.at(path).and_then(Node::as_bool).unwrap_or(false)
}

/// The reason of a terminated container, or its signal or exit code.
fn ending(terminated: Node<'_>) -> String {
    match (text(terminated, &["reason"]), number(terminated, &["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(terminated, &["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.into(),
    }
}

/// An init container that keeps running beside the others.
fn is_sidecar(pod: Node<'_>, name: &str) -> bool {
    items(pod, &["spec", "initContainers"])
        .any(|c| text(c, &["name"]) == name && text(c, &["restartPolicy"]) == "Always")
}

fn summary(pod: Node<'_>) -> Summary<'_> {
    let phase = text(pod, &["status", "phase"]);
    let sidecars = items(pod, &["spec", "initContainers"]).filter(|c| text(*c, &["restartPolicy"]) == "Always");
    let mut out = Summary {
        ready: 0,
        total: len(pod, &["spec", "containers"]) + sidecars.count(),
        status: match text(pod, &["status", "reason"]) {
            "" => phase.to_owned(),
            reason => reason.to_owned(),
        },
        restarts: 0,
        last_restart: None,
    };
    if condition(pod, "PodScheduled").is_some_and(|c| text(c, &["reason"]) == "SchedulingGated") {
        out.status = "SchedulingGated".into();
    }
    let restarted = |status: Node<'_>| number(status, &["restartCount"]);
    let mut initializing = false;
    let (mut sidecar_restarts, mut last_sidecar_restart) = (0, None);
    for (i, status) in items(pod, &["status", "initContainerStatuses"]).enumerate() {
        let last = status.str_at(&["lastState", "terminated", "finishedAt"]);
        out.restarts += restarted(status);
        out.last_restart = newest(out.last_restart, last);
        let sidecar = is_sidecar(pod, text(status, &["name"]));
        if sidecar {
            sidecar_restarts += restarted(status);
            last_sidecar_restart = newest(last_sidecar_restart, last);
        }
        let terminated = status.at(&["state", "terminated"]);
        if terminated.is_some_and(|t| number(t, &["exitCode"]) == 0) {
            continue;
        }
        if sidecar && flag(status, &["started"]) {
            out.ready += usize::from(flag(status, &["ready"]));
            continue;
        }
        let waiting = text(status, &["state", "waiting", "reason"]);
        out.status = match terminated {
            Some(terminated) => format!("Init:{}", ending(terminated)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{i}/{}", len(pod, &["spec", "initContainers"])),
        };
        initializing = true;
        break;
    }
    let initialized = condition(pod, "Initialized").is_some_and(|c| text(c, &["status"]) == "True");
    if !initializing || initialized {
        (out.restarts, out.last_restart) = (sidecar_restarts, last_sidecar_restart);
        let mut running = false;
        let statuses: Vec<Node<'_>> = items(pod, &["status", "containerStatuses"]).collect();
        for status in statuses.into_iter().rev() {
            out.restarts += restarted(status);
            out.last_restart = newest(
                out.last_restart,
                status.str_at(&["lastState", "terminated", "finishedAt"]),
            );
            let waiting = text(status, &["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                out.status = waiting.into();
            } else if let Some(terminated) = status.at(&["state", "terminated"]) {
                out.status = ending(terminated);
            } else if flag(status, &["ready"]) && status.at(&["state", "running"]).is_some() {
                running = true;
                out.ready += 1;
            }
        }
        if out.status == "Completed" && running {
            let ready = condition(pod, "Ready").is_some_and(|c| text(c, &["status"]) == "True");
            out.status = if ready { "Running" } else { "NotReady" }.into();
        }
    }
    if pod.at(&["metadata", "deletionTimestamp"]).is_some() {
        if text(pod, &["status", "reason"]) == "NodeLost" {
            out.status = "Unknown".into();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            out.status = "Terminating".into();
        }
    }
    out
}

pub(super) fn ready(pod: Node<'_>, _: Timestamp) -> Value {
    let summary = summary(pod);
    format!("{}/{}", summary.ready, summary.total).into()
}

pub(super) fn status(pod: Node<'_>, _: Timestamp) -> Value {
    summary(pod).status.into()
}

pub(super) fn restarts(pod: Node<'_>, now: Timestamp) -> Value {
    let summary = summary(pod);
    match summary.last_restart {
        Some(time) if summary.restarts > 0 => format!("{} ({} ago)", summary.restarts, age(time, now)).into(),
        _ => summary.restarts.to_string().into(),
    }
}

pub(super) fn readiness_gates(pod: Node<'_>, _: Timestamp) -> Value {
    let total = len(pod, &["spec", "readinessGates"]);
    if total == 0 {
        return NONE.into();
    }
    let passed = items(pod, &["spec", "readinessGates"])
        .filter(|gate| condition(pod, text(*gate, &["conditionType"])).is_some_and(|c| text(c, &["status"]) == "True"))
        .count();
    format!("{passed}/{total}").into()
}
