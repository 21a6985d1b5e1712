//! The status of Pods as the kubelet writes it: containers, conditions, addresses.

use ridgeway_doc::{Node, Value};

use crate::object::conditioned;
use crate::runtime::Termination;

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not started yet, and why.
    Waiting(&'static str),
    /// Running; whether its probes succeed.
    Running { ready: bool },
    /// Ended for good.
    Ended(Termination),
    /// Ended, and waiting for its next start after so many seconds.
    BackingOff(Termination, u64),
}

/// The entry of one container in `containerStatuses`. `old` is its entry until now.
pub(crate) fn container(spec: Node<'_>, state: &State, restarts: u32, old: Option<Node<'_>>, now: &str) -> Value {
    let image = spec.text_at(&["image"]);
    let mut status = Value::object();
    status.set(&["name"], spec.text_at(&["name"]));
    status.set(&["image"], image);
    status.set(&["restartCount"], i64::from(restarts));
    let running = matches!(state, State::Running { .. });
    status.set(
        &["ready"],
        *state == State::Running { ready: true } || is_completed(state),
    );
    status.set(&["started"], running);
    if !matches!(state, State::Waiting(_)) {
        status.set(&["imageID"], format!("simulated://{image}"));
        status.set(
            &["containerID"],
            format!("simulated://{}-{restarts}", spec.text_at(&["name"])),
        );
    } else {
        status.set(&["imageID"], "");
    }
    let since = old
        .and_then(|old| old.str_at(&["state", "running", "startedAt"]))
        .unwrap_or(now);
    match state {
        State::Waiting(reason) => status.set(&["state", "waiting", "reason"], *reason),
        State::Running { .. } => {
            status.set(&["state", "running", "startedAt"], since);
            if let Some(last) = old.and_then(|old| old.get("lastState")) {
                status.set(&["lastState"], last);
            }
        }
        State::Ended(end) => status.set(&["state", "terminated"], terminated(*end, since, now)),
        State::BackingOff(end, wait) => {
            status.set(&["state", "waiting", "reason"], "CrashLoopBackOff");
            let message = format!(
                "back-off {wait}s restarting failed container={}",
                spec.text_at(&["name"])
            );
            status.set(&["state", "waiting", "message"], message);
            status.set(&["lastState", "terminated"], terminated(*end, since, now));
        }
    }
    status
}

/// Init containers count as ready when they have done their work.
fn is_completed(state: &State) -> bool {
    matches!(state, State::Ended(Termination { code: 0, init: true }))
}

fn terminated(end: Termination, since: &str, now: &str) -> Value {
    let mut state = Value::object();
    state.set(&["exitCode"], i64::from(end.code));
    state.set(&["reason"], if end.code == 0 { "Completed" } else { "Error" });
    state.set(&["startedAt"], since);
    state.set(&["finishedAt"], now);
    state
}

/// What the conditions are made of.
pub(crate) struct Facts<'a> {
    pub(crate) initialized: bool,
    pub(crate) ready: bool,
    /// Why it is not ready.
    pub(crate) reason: &'a str,
    /// Names of the containers that are not.
    pub(crate) unready: Vec<&'a str>,
}

const OURS: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
];

/// The conditions of a Pod on a node; those that others set (readiness gates) stay and hold back `Ready`.
pub(crate) fn conditions(pod: Node<'_>, facts: &Facts<'_>, now: &str) -> Value {
    let message = match facts.unready.as_slice() {
        [] => String::new(),
        names => format!("containers with unready status: [{}]", names.join(" ")),
    };
    let gates = pod
        .at(&["spec", "readinessGates"])
        .map(Node::items)
        .into_iter()
        .flatten();
    let open = gates
        .into_iter()
        .all(|gate| crate::object::holds(pod, gate.text_at(&["conditionType"])));
    let not_ready = if facts.ready {
        ("", "")
    } else {
        (facts.reason, message.as_str())
    };
    let gated = if facts.ready && !open {
        (
            "ReadinessGatesNotReady",
            "the status of pod readiness gate conditions is not all True",
        )
    } else {
        not_ready
    };
    let init = if facts.initialized {
        ("", "")
    } else {
        ("ContainersNotInitialized", "init containers have not ended")
    };
    let make = |kind, status, why: (&str, &str)| conditioned(pod, kind, status, why.0, why.1, now);
    let others = pod.at(&["status", "conditions"]).map(Node::items).into_iter().flatten();
    let others = others
        .filter(|c| !OURS.contains(&c.text_at(&["type"])))
        .map(Node::to_value);
    [
        make("PodReadyToStartContainers", true, ("", "")),
        make("Initialized", facts.initialized, init),
        make("Ready", facts.ready && open, gated),
        make("ContainersReady", facts.ready, not_ready),
        make("PodScheduled", true, ("", "")),
    ]
    .into_iter()
    .chain(others)
    .collect()
}
