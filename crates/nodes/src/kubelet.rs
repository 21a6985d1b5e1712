//! The scheduler's and the kubelet's part: a Pod is bound, started, probed, restarted, stopped.
//!
//! What will become of a Pod's containers is known when they start (the runtime says so), so nothing polls: the Pod's
//! key comes back when the next thing is due. The memory of it is [`Tracked`]; a Pod that is found running without one
//! (the platform was restarted) is started anew, without a trace in its status.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{EventType, Status};
use ridgeway_doc::{Doc, Node, Value};
use tokio::time::Instant;

use crate::Nodes;
use crate::object::{active, condition, conditioned, holds, number};
use crate::pod_status::{Facts, State, conditions, container};
use crate::runtime::{Container, RuntimeEvent, Termination};

/// The first wait before a crashed container is started again; it doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_secs(10);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A start that is over so soon is written once, when it is over.
const MOMENT: Duration = Duration::from_millis(100);

/// What is known of the Pods that run here.
#[derive(Default)]
pub(crate) struct Kubelet(Mutex<HashMap<(String, String), Tracked>>);

/// One Pod here: what was started, and when something is due.
#[derive(Clone, Debug)]
struct Tracked {
    uid: String,
    restarts: u32,
    due: Instant,
    stage: Stage,
    /// The first init container that fails, with its exit code.
    failed_init: Option<(usize, i32)>,
    events: Vec<RuntimeEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Started; at `due` it is known what has become of it.
    Starting,
    /// As it should be; nothing is due.
    Settled,
    /// Crashed; started again at `due`.
    BackingOff,
    /// Told to stop; gone at `due`.
    Stopping,
}

impl Kubelet {
    fn pods(&self) -> MutexGuard<'_, HashMap<(String, String), Tracked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, pod: Node<'_>) -> Option<Tracked> {
        let uid = pod.text_at(&["metadata", "uid"]);
        self.pods().get(&key(pod)).filter(|tracked| tracked.uid == uid).cloned()
    }

    fn put(&self, pod: Node<'_>, tracked: Tracked) {
        self.pods().insert(key(pod), tracked);
    }
}

fn key(pod: Node<'_>) -> (String, String) {
    let part = |field| pod.text_at(&["metadata", field]).to_owned();
    (part("namespace"), part("name"))
}

/// How long until `due`; `None` when it is now.
fn left(due: Instant) -> Option<Duration> {
    Some(due.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

impl Nodes {
    pub(crate) async fn pod(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        let host = node.text_at(&["spec", "nodeName"]);
        if node.at(&["metadata", "deletionTimestamp"]).is_some() {
            return self.end(pod).await;
        }
        match node.text_at(&["status", "phase"]) {
            "Succeeded" | "Failed" => Ok(None),
            _ if host.is_empty() => self.bind(pod).await,
            _ if self.scheduler.knows(host) => self.advance(pod).await,
            // On a node that is not one of ours: somebody else's to run.
            _ => Ok(None),
        }
    }

    /// A Pod that is gone.
    pub(crate) fn forget_pod(&self, namespace: &str, name: &str) {
        self.kubelet.pods().remove(&(namespace.to_owned(), name.to_owned()));
        self.options.runtime.forget(namespace, name);
    }

    /// Two steps, as on a real node: containers stop, then the object goes.
    async fn end(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        if let Some(mut tracked) = self.kubelet.get(node) {
            if tracked.stage != Stage::Stopping {
                let (namespace, name) = key(node);
                tracked.due = Instant::now() + self.options.runtime.stop(&namespace, &name);
                tracked.stage = Stage::Stopping;
                self.kubelet.put(node, tracked.clone());
            }
            if let Some(left) = left(tracked.due) {
                return Ok(Some(left));
            }
        }
        self.remove(pod, Some(0), None).await?;
        Ok(None)
    }

    async fn bind(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        let scheduler = node.text_at(&["spec", "schedulerName"]);
        if !matches!(scheduler, "" | "default-scheduler") {
            return Ok(None);
        }
        if node
            .at(&["spec", "schedulingGates"])
            .is_some_and(|gates| !gates.is_empty())
        {
            self.not_scheduled(
                pod,
                "SchedulingGated",
                "Scheduling is blocked due to non-empty scheduling gates",
            )
            .await?;
            return Ok(None);
        }
        match self.scheduler.choose(&key(node), node) {
            Ok(host) => {
                let mut patch = Value::object();
                patch.set(&["spec", "nodeName"], host);
                let bound = self.patch(pod, "binding", patch).await;
                if bound.is_err() {
                    self.scheduler.see_pod(&key(node), None);
                }
                self.advance(&bound?).await
            }
            Err(why) => {
                self.note(node, EventType::Warning, "FailedScheduling", &why);
                self.not_scheduled(pod, "Unschedulable", &why).await?;
                Ok(None)
            }
        }
    }

    async fn not_scheduled(&self, pod: &Doc, reason: &str, why: &str) -> Result<(), Status> {
        let condition = conditioned(pod.root(), "PodScheduled", false, reason, why, &self.now());
        let mut status = Value::object();
        status.set(&["conditions"], [condition].into_iter().collect::<Value>());
        self.set_status(pod, status).await
    }

    /// The next thing in a bound Pod's life, if it is due.
    async fn advance(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        let Some(tracked) = self.kubelet.get(node) else {
            return self.start(pod, restarts_of(node)).await;
        };
        match (tracked.stage, left(tracked.due)) {
            (Stage::Settled | Stage::Stopping, _) => Ok(None),
            (_, Some(left)) => Ok(Some(left)),
            (Stage::Starting, None) => self.settle(pod, tracked).await,
            (Stage::BackingOff, None) => self.start(pod, tracked.restarts).await,
        }
    }

    /// Starts the containers: for the first time, after a crash, or because the platform itself was restarted.
    async fn start(&self, pod: &Doc, restarts: u32) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        let now = self.now();
        let (failed_init, init_delay) = self.run_init(node, restarts, &now);
        let events = match failed_init {
            Some(_) => Vec::new(),
            None => self.run_containers(node, restarts, &now),
        };
        let delay = init_delay + events.iter().map(|event| event.delay()).max().unwrap_or_default();
        let known = holds(node, "Ready");
        let tracked = Tracked {
            uid: node.text_at(&["metadata", "uid"]).into(),
            restarts,
            due: Instant::now() + if known { Duration::ZERO } else { delay },
            stage: Stage::Starting,
            failed_init,
            events,
        };
        self.kubelet.put(node, tracked.clone());
        if known || delay.is_zero() {
            return self.settle(pod, tracked).await;
        }
        if delay > MOMENT {
            let initialized = init_delay.is_zero();
            let state = if initialized {
                State::Running { ready: false }
            } else {
                State::Waiting("PodInitializing")
            };
            let phase = if initialized { "Running" } else { "Pending" };
            let init = if initialized {
                ended(0)
            } else {
                State::Running { ready: false }
            };
            self.write(
                pod,
                phase,
                "ContainersNotReady",
                restarts,
                |_| init.clone(),
                |_| state.clone(),
            )
            .await?;
        }
        Ok(Some(delay))
    }

    /// Writes what has become of the containers.
    async fn settle(&self, pod: &Doc, mut tracked: Tracked) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        let policy = node.text_at(&["spec", "restartPolicy"]);
        let codes: Vec<Option<i32>> = match tracked.failed_init {
            Some((_, code)) => vec![Some(code)],
            None => tracked.events.iter().map(|event| event.code()).collect(),
        };
        let failed = codes.iter().flatten().any(|code| *code != 0);
        let all_ended = codes.iter().all(Option::is_some) && !codes.is_empty();
        // Only what ended and may not be started again is over.
        let restarts_it = match policy {
            "Never" => false,
            "OnFailure" => failed,
            _ => true,
        };
        let init_failed = tracked.failed_init;
        if (all_ended || (failed && policy == "Never")) && !restarts_it {
            let (phase, reason) = if failed {
                ("Failed", "PodFailed")
            } else {
                ("Succeeded", "PodCompleted")
            };
            let state = |i: usize| match (init_failed, codes.get(i)) {
                (Some(_), _) => State::Waiting("PodInitializing"),
                (None, Some(Some(code))) => ended_container(*code),
                // Containers beside a failed one are stopped with it.
                (None, _) => ended_container(0),
            };
            let init = |i: usize| init_state(i, init_failed, None);
            self.write(pod, phase, reason, tracked.restarts, init, state).await?;
            tracked.stage = Stage::Settled;
            self.kubelet.put(node, tracked);
            return Ok(None);
        }
        let crashed = codes.iter().any(Option::is_some);
        if !crashed {
            self.write(
                pod,
                "Running",
                "ContainersNotReady",
                tracked.restarts,
                |_| ended(0),
                |_| State::Running { ready: true },
            )
            .await?;
            tracked.stage = Stage::Settled;
            self.kubelet.put(node, tracked);
            return Ok(None);
        }
        let restarts = tracked.restarts + 1;
        let wait = backoff(restarts);
        let state = |i: usize| match (init_failed, codes.get(i)) {
            (Some(_), _) => State::Waiting("PodInitializing"),
            (None, Some(Some(code))) => State::BackingOff(
                Termination {
                    code: *code,
                    init: false,
                },
                wait.as_secs(),
            ),
            (None, _) => State::Running { ready: true },
        };
        let init = |i: usize| init_state(i, init_failed, Some(wait.as_secs()));
        let phase = if init_failed.is_some() { "Pending" } else { "Running" };
        self.write(pod, phase, "ContainersNotReady", restarts, init, state)
            .await?;
        let message = format!(
            "Back-off restarting failed container in pod {}",
            node.text_at(&["metadata", "name"])
        );
        self.note(node, EventType::Warning, "BackOff", &message);
        tracked.restarts = restarts;
        tracked.stage = Stage::BackingOff;
        tracked.due = Instant::now() + wait;
        self.kubelet.put(node, tracked);
        Ok(Some(wait))
    }

    async fn write(
        &self,
        pod: &Doc,
        phase: &str,
        reason: &str,
        restarts: u32,
        init: impl Fn(usize) -> State,
        state: impl Fn(usize) -> State,
    ) -> Result<(), Status> {
        let node = pod.root();
        let now = self.now();
        let mut status = self.base_status(node, &now);
        status.set(&["phase"], phase);
        let mut unready = Vec::new();
        let mut initialized = true;
        for (list, field) in [
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
        ] {
            let is_init = list == "initContainers";
            let mut statuses = Vec::new();
            for (i, spec) in each(node, list).enumerate() {
                let state = match is_init {
                    true if is_sidecar(spec) => State::Running { ready: true },
                    true => init(i),
                    false => state(i),
                };
                initialized &= !is_init || is_sidecar(spec) || state == ended(0);
                if !is_init && state != (State::Running { ready: true }) {
                    unready.push(spec.text_at(&["name"]));
                }
                let counted = if is_init && !matches!(state, State::BackingOff(..)) {
                    0
                } else {
                    restarts
                };
                let old = old_status(node, field, spec.text_at(&["name"]));
                statuses.push(container(spec, &state, counted, old, &now));
            }
            if !statuses.is_empty() {
                status.set(&[field], statuses);
            }
        }
        let facts = Facts {
            initialized,
            ready: initialized && unready.is_empty(),
            reason,
            unready,
        };
        status.set(&["conditions"], conditions(node, &facts, &now));
        self.set_status(pod, status).await
    }

    /// Runs the init containers one after the other: which fails first, and how long they take.
    fn run_init(&self, pod: Node<'_>, restart: u32, now: &str) -> (Option<(usize, i32)>, Duration) {
        let mut total = Duration::ZERO;
        for (i, spec) in each(pod, "initContainers").enumerate() {
            let event = self.run_container(pod, spec, !is_sidecar(spec), restart, now);
            match event {
                RuntimeEvent::Exit(code, after) if code != 0 => return (Some((i, code)), total + after),
                // The simulation's plain images end at once here: nobody waits for what does nothing.
                RuntimeEvent::Exit(_, after) if after <= MOMENT => {}
                event => total += event.delay(),
            }
        }
        (None, total)
    }

    fn run_containers(&self, pod: Node<'_>, restart: u32, now: &str) -> Vec<RuntimeEvent> {
        let finite = matches!(pod.text_at(&["spec", "restartPolicy"]), "Never" | "OnFailure");
        each(pod, "containers")
            .map(|spec| self.run_container(pod, spec, finite, restart, now))
            .collect()
    }

    fn run_container(&self, pod: Node<'_>, spec: Node<'_>, finite: bool, restart: u32, now: &str) -> RuntimeEvent {
        self.options.runtime.start(&Container {
            namespace: pod.text_at(&["metadata", "namespace"]),
            pod: pod.text_at(&["metadata", "name"]),
            name: spec.text_at(&["name"]),
            image: spec.text_at(&["image"]),
            finite,
            now,
            restart,
        })
    }

    fn base_status(&self, pod: Node<'_>, now: &str) -> Value {
        let mut status = Value::object();
        let host = pod.text_at(&["spec", "nodeName"]);
        let index = host.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        let address = |ip: &str| {
            let mut entry = Value::object();
            entry.set(&["ip"], ip);
            [entry].into_iter().collect::<Value>()
        };
        let host_ip = crate::node::address(index);
        status.set(&["hostIPs"], address(&host_ip));
        status.set(&["hostIP"], host_ip.as_str());
        let on_host = pod.at(&["spec", "hostNetwork"]).and_then(Node::as_bool) == Some(true);
        let ip = match pod.text_at(&["status", "podIP"]) {
            "" if on_host => host_ip,
            "" => {
                let n = self.addresses.fetch_add(1, Ordering::Relaxed);
                format!("10.244.{}.{}", (n / 254) & 0xff, n % 254 + 1)
            }
            ip => ip.to_owned(),
        };
        status.set(&["podIPs"], address(&ip));
        status.set(&["podIP"], ip);
        let started = Some(pod.text_at(&["status", "startTime"])).filter(|time| !time.is_empty());
        status.set(&["startTime"], started.unwrap_or(now));
        if let Some(generation) = number(pod, &["metadata", "generation"]) {
            status.set(&["observedGeneration"], generation);
        }
        status
    }
}

impl RuntimeEvent {
    fn delay(self) -> Duration {
        match self {
            RuntimeEvent::Ready(after) | RuntimeEvent::Exit(_, after) => after,
        }
    }

    /// The exit code, if the container ends.
    fn code(self) -> Option<i32> {
        match self {
            RuntimeEvent::Exit(code, _) => Some(code),
            RuntimeEvent::Ready(_) => None,
        }
    }
}

fn ended(code: i32) -> State {
    State::Ended(Termination { code, init: true })
}

fn ended_container(code: i32) -> State {
    State::Ended(Termination { code, init: false })
}

/// The state of an init container when the one at `failed` has failed.
fn init_state(i: usize, failed: Option<(usize, i32)>, wait: Option<u64>) -> State {
    match failed {
        Some((at, code)) if i == at => match wait {
            Some(wait) => State::BackingOff(Termination { code, init: true }, wait),
            None => ended(code),
        },
        Some((at, _)) if i > at => State::Waiting("PodInitializing"),
        _ => ended(0),
    }
}

fn backoff(restarts: u32) -> Duration {
    BACKOFF
        .saturating_mul(1 << restarts.saturating_sub(1).min(5))
        .min(BACKOFF_MAX)
}

fn each<'a>(pod: Node<'a>, list: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    pod.at(&["spec", list]).map(Node::items).into_iter().flatten()
}

fn is_sidecar(spec: Node<'_>) -> bool {
    spec.text_at(&["restartPolicy"]) == "Always"
}

fn old_status<'a>(pod: Node<'a>, field: &str, name: &str) -> Option<Node<'a>> {
    pod.at(&["status", field])?
        .items()
        .find(|status| status.text_at(&["name"]) == name)
}

fn restarts_of(pod: Node<'_>) -> u32 {
    let lists = ["containerStatuses", "initContainerStatuses"].into_iter();
    let statuses = lists.flat_map(|field| pod.at(&["status", field]).map(Node::items).into_iter().flatten());
    let most = statuses
        .filter_map(|status| number(status, &["restartCount"]))
        .max()
        .unwrap_or(0);
    u32::try_from(most).unwrap_or(0)
}

/// The place of a Pod address in the order in which they are given out.
pub(crate) fn address_number(ip: &str) -> Option<u32> {
    let (high, low) = ip.strip_prefix("10.244.")?.split_once('.')?;
    Some(high.parse::<u32>().ok()? * 254 + low.parse::<u32>().ok()?.checked_sub(1)?)
}

/// Whether a Pod serves: ready, and not going away.
pub(crate) fn serves(pod: Node<'_>) -> bool {
    active(pod) && holds(pod, "Ready")
}

/// How many of the Pods have served for `minReadySeconds` of `owner`, and when one more will have.
pub(crate) fn available<'a>(
    pods: impl Iterator<Item = Node<'a>>,
    owner: Node<'_>,
    now: Timestamp,
) -> (i64, Option<Duration>) {
    let least = SignedDuration::from_secs(number(owner, &["spec", "minReadySeconds"]).unwrap_or(0).max(0));
    let (mut count, mut next) = (0, None::<Duration>);
    for pod in pods.filter(|pod| serves(*pod)) {
        let since = condition(pod, "Ready").and_then(|c| c.text_at(&["lastTransitionTime"]).parse::<Timestamp>().ok());
        let left = since.map_or(SignedDuration::ZERO, |since| least - now.duration_since(since));
        if least.is_zero() || !left.is_positive() {
            count += 1;
        } else {
            // Times are kept in whole seconds: look a little later than exactly.
            let left = left.unsigned_abs() + Duration::from_millis(20);
            next = Some(next.map_or(left, |next| next.min(left)));
        }
    }
    (count, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<u64> = (1..8).map(|restarts| backoff(restarts).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }
}
