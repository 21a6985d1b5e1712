//! The scheduler's and the kubelet's part: a Pod is bound, started, probed, restarted, stopped.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Node, Value};

use crate::object::{active, conditioned, number, text};
use crate::runtime::{Container, RuntimeEvent};
use crate::{Nodes, node};

/// The first wait before a crashed container is started again; it doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_secs(10);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

impl Nodes {
    pub(crate) async fn pod(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        if node.at(&["metadata", "deletionTimestamp"]).is_some() {
            return self.end(pod).await;
        }
        match text(node, &["status", "phase"]) {
            "Succeeded" | "Failed" => Ok(None),
            _ if text(node, &["spec", "nodeName"]).is_empty() => self.bind(pod).await,
            "Running" => self.running(pod).await,
            _ => self.start(pod).await,
        }
    }

    /// Two steps, as on a real node: containers stop, then the object goes.
    async fn end(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        if text(node, &["spec", "nodeName"]).is_empty() {
            self.remove(pod, Some(0)).await?;
            return Ok(None);
        }
        let wait = self.options.runtime.stop(
            text(node, &["metadata", "namespace"]),
            text(node, &["metadata", "name"]),
        );
        tokio::time::sleep(wait).await;
        self.remove(pod, Some(0)).await?;
        Ok(None)
    }

    /// Binds to a node by the Pod's own name, which spreads Pods evenly without a count of them.
    async fn bind(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        if self.options.nodes == 0 {
            return Ok(None);
        }
        let uid = text(pod.root(), &["metadata", "uid"]);
        let hash = uid
            .bytes()
            .fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
        let mut patch = Value::object();
        patch.set(&["spec", "nodeName"], node::name(hash % self.options.nodes));
        let bound = self.patch(pod, "binding", patch).await?;
        self.start(&bound).await
    }

    /// Starts the containers for the first time.
    async fn start(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let now = self.now();
        let events = self.run_containers(pod.root(), 0, &now);
        // A container that is ready or done within a moment needs no state between: one write instead of two.
        let quick = events.iter().map(|event| event.delay()).max().unwrap_or_default();
        if quick <= Duration::from_millis(100) {
            tokio::time::sleep(quick).await;
            return self.settle(pod, &events, 0).await;
        }
        let mut status = self.base_status(pod.root(), &now);
        status.set(&["phase"], "Running");
        status.set(
            &["containerStatuses"],
            container_statuses(pod.root(), |_| running(false, 0, &now)),
        );
        status.set(
            &["conditions"],
            self.conditions(pod.root(), false, "ContainersNotReady"),
        );
        self.set_status(pod, status).await?;
        Ok(Some(quick))
    }

    /// A running Pod whose turn has come again: it becomes ready, or crashed and is started once more.
    async fn running(&self, pod: &Doc) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        if crate::object::holds(node, "Ready") {
            return Ok(None);
        }
        let statuses: Vec<Node<'_>> = node
            .at(&["status", "containerStatuses"])
            .map(Node::items)
            .into_iter()
            .flatten()
            .collect();
        let restarts = statuses
            .iter()
            .filter_map(|s| number(*s, &["restartCount"]))
            .max()
            .unwrap_or(0)
            .max(0) as u32;
        let crashed = statuses
            .iter()
            .any(|s| text(*s, &["state", "waiting", "reason"]) == "CrashLoopBackOff");
        if crashed {
            let finished = statuses
                .iter()
                .filter_map(|s| {
                    s.str_at(&["lastState", "terminated", "finishedAt"])?
                        .parse::<Timestamp>()
                        .ok()
                })
                .max();
            let due = finished.and_then(|at| at.checked_add(SignedDuration::try_from(backoff(restarts)).ok()?).ok());
            if let Some(wait) = due
                .map(|due| due.duration_since(self.clock.now()))
                .filter(|w| w.is_positive())
            {
                return Ok(Some(wait.unsigned_abs()));
            }
            let events = self.run_containers(node, restarts, &self.now());
            return self.settle(pod, &events, restarts).await;
        }
        // Started earlier, and slow: the time that its probes need may have passed.
        let started = node
            .str_at(&["status", "startTime"])
            .and_then(|t| t.parse::<Timestamp>().ok());
        let delay = self
            .behaviours(node)
            .iter()
            .map(|event| event.delay())
            .max()
            .unwrap_or_default();
        let due = started.and_then(|at| at.checked_add(SignedDuration::try_from(delay).ok()?).ok());
        if let Some(wait) = due
            .map(|due| due.duration_since(self.clock.now()))
            .filter(|w| w.is_positive())
        {
            return Ok(Some(wait.unsigned_abs()));
        }
        let events = self.behaviours(node);
        self.settle(pod, &events, restarts).await
    }

    /// Writes what became of the containers.
    async fn settle(&self, pod: &Doc, events: &[RuntimeEvent], restarts: u32) -> Result<Option<Duration>, Status> {
        let node = pod.root();
        let now = self.now();
        let always = matches!(text(node, &["spec", "restartPolicy"]), "" | "Always");
        let on_failure = text(node, &["spec", "restartPolicy"]) == "OnFailure";
        let failed = events
            .iter()
            .any(|event| matches!(event, RuntimeEvent::Exit(code, _) if *code != 0));
        let ended = events.iter().all(|event| matches!(event, RuntimeEvent::Exit(..)));
        let mut status = self.base_status(node, &now);
        if (ended || failed) && !always && !(failed && on_failure) {
            let (phase, reason) = if failed {
                ("Failed", "PodFailed")
            } else {
                ("Succeeded", "PodCompleted")
            };
            status.set(&["phase"], phase);
            status.set(
                &["containerStatuses"],
                container_statuses(node, |i| terminated(code(events.get(i)), restarts, &now)),
            );
            status.set(&["conditions"], self.conditions(node, false, reason));
            self.set_status(pod, status).await?;
            return Ok(None);
        }
        let crashes = |i: usize| matches!(events.get(i), Some(RuntimeEvent::Exit(..)));
        let ready = !(0..events.len()).any(crashes);
        status.set(&["phase"], "Running");
        status.set(
            &["containerStatuses"],
            container_statuses(node, |i| {
                if crashes(i) {
                    backing_off(code(events.get(i)), restarts + 1, &now)
                } else {
                    running(true, restarts, &now)
                }
            }),
        );
        status.set(&["conditions"], self.conditions(node, ready, "ContainersNotReady"));
        self.set_status(pod, status).await?;
        Ok((!ready).then(|| backoff(restarts + 1)))
    }

    /// Starts every container; what becomes of each.
    fn run_containers(&self, pod: Node<'_>, restart: u32, now: &str) -> Vec<RuntimeEvent> {
        let finite = matches!(text(pod, &["spec", "restartPolicy"]), "Never" | "OnFailure");
        containers(pod)
            .map(|container| {
                self.options.runtime.start(&Container {
                    namespace: text(pod, &["metadata", "namespace"]),
                    pod: text(pod, &["metadata", "name"]),
                    name: text(container, &["name"]),
                    image: text(container, &["image"]),
                    finite,
                    now,
                    restart,
                })
            })
            .collect()
    }

    /// What becomes of containers that were started before.
    fn behaviours(&self, pod: Node<'_>) -> Vec<RuntimeEvent> {
        self.run_containers(pod, 1, &self.now())
    }

    fn base_status(&self, pod: Node<'_>, now: &str) -> Value {
        let mut status = Value::object();
        let index = |name: &str| name.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        status.set(
            &["hostIP"],
            format!("10.0.0.{}", index(text(pod, &["spec", "nodeName"])) + 10),
        );
        let ip = match text(pod, &["status", "podIP"]) {
            "" => {
                let n = self.addresses.fetch_add(1, Ordering::Relaxed);
                format!("10.244.{}.{}", (n >> 8) & 0xff, n & 0xff)
            }
            ip => ip.to_owned(),
        };
        let mut entry = Value::object();
        entry.set(&["ip"], ip.as_str());
        status.set(&["podIPs"], [entry].into_iter().collect::<Value>());
        status.set(&["podIP"], ip);
        let started = match text(pod, &["status", "startTime"]) {
            "" => now,
            time => time,
        };
        status.set(&["startTime"], started);
        status
    }

    fn conditions(&self, pod: Node<'_>, ready: bool, reason: &str) -> Value {
        let now = self.now();
        let why = if ready {
            ("", "")
        } else {
            (reason, "containers with unready status")
        };
        [
            conditioned(pod, "PodReadyToStartContainers", true, "", "", &now),
            conditioned(pod, "Initialized", true, "", "", &now),
            conditioned(pod, "Ready", ready, why.0, why.1, &now),
            conditioned(pod, "ContainersReady", ready, why.0, why.1, &now),
            conditioned(pod, "PodScheduled", true, "", "", &now),
        ]
        .into_iter()
        .collect()
    }

    /// Binds a claim to a volume of its own, as a dynamic provisioner would.
    pub(crate) async fn claim(&self, claim: &Doc) -> Result<Option<Duration>, Status> {
        let node = claim.root();
        if text(node, &["status", "phase"]) == "Bound" {
            return Ok(None);
        }
        if text(node, &["spec", "volumeName"]).is_empty() {
            let mut patch = Value::object();
            patch.set(
                &["spec", "volumeName"],
                format!("pvc-{}", text(node, &["metadata", "uid"])),
            );
            self.patch(claim, "", patch).await?;
        }
        let mut status = Value::object();
        status.set(&["phase"], "Bound");
        if let Some(modes) = node.at(&["spec", "accessModes"]) {
            status.set(&["accessModes"], modes);
        }
        if let Some(storage) = node.at(&["spec", "resources", "requests", "storage"]) {
            status.set(&["capacity", "storage"], storage);
        }
        self.set_status(claim, status).await?;
        Ok(None)
    }
}

impl RuntimeEvent {
    fn delay(self) -> Duration {
        match self {
            RuntimeEvent::Ready(after) | RuntimeEvent::Exit(_, after) => after,
        }
    }
}

fn code(event: Option<&RuntimeEvent>) -> i32 {
    match event {
        Some(RuntimeEvent::Exit(code, _)) => *code,
        _ => 0,
    }
}

fn backoff(restarts: u32) -> Duration {
    BACKOFF
        .saturating_mul(1 << restarts.saturating_sub(1).min(5))
        .min(BACKOFF_MAX)
}

fn containers(pod: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    pod.at(&["spec", "containers"]).map(Node::items).into_iter().flatten()
}

fn container_statuses(pod: Node<'_>, state: impl Fn(usize) -> Value) -> Value {
    containers(pod)
        .enumerate()
        .map(|(i, container)| {
            let mut status = state(i);
            let image = text(container, &["image"]);
            status.set(&["name"], text(container, &["name"]));
            status.set(&["image"], image);
            status.set(&["imageID"], format!("simulated://{image}"));
            status
        })
        .collect()
}

fn running(ready: bool, restarts: u32, now: &str) -> Value {
    let mut status = Value::object();
    status.set(&["ready"], ready);
    status.set(&["started"], true);
    status.set(&["restartCount"], i64::from(restarts));
    status.set(&["state", "running", "startedAt"], now);
    status
}

fn terminated(code: i32, restarts: u32, now: &str) -> Value {
    let mut status = Value::object();
    status.set(&["ready"], false);
    status.set(&["started"], false);
    status.set(&["restartCount"], i64::from(restarts));
    status.set(&["state", "terminated"], termination(code, now));
    status
}

fn backing_off(code: i32, restarts: u32, now: &str) -> Value {
    let mut status = Value::object();
    status.set(&["ready"], false);
    status.set(&["started"], false);
    status.set(&["restartCount"], i64::from(restarts));
    status.set(&["state", "waiting", "reason"], "CrashLoopBackOff");
    let wait = backoff(restarts).as_secs();
    status.set(
        &["state", "waiting", "message"],
        format!("back-off {wait}s restarting failed container"),
    );
    status.set(&["lastState", "terminated"], termination(code, now));
    status
}

fn termination(code: i32, now: &str) -> Value {
    let mut state = Value::object();
    state.set(&["exitCode"], i64::from(code));
    state.set(&["reason"], if code == 0 { "Completed" } else { "Error" });
    state.set(&["startedAt"], now);
    state.set(&["finishedAt"], now);
    state
}

/// Whether a Pod serves: ready, and not going away.
pub(crate) fn serves(pod: Node<'_>) -> bool {
    active(pod) && crate::object::holds(pod, "Ready")
}
