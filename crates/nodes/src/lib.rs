//! Simulated nodes and the workload controllers over the Cluster trait.
//!
//! Must not know: which substrate answers, Git, policies.
//!
//! One queue of keys, fed by live copies of the kinds concerned; one worker a key at a time. A key of a workload runs its
//! controller in [`workload`]: it reads what is there now, plans (pure functions in [`rollout`]), and acts through the
//! [`Cluster`], so each step passes access, policy and ledger like everybody's. A key of a Pod runs the kubelet's part in
//! [`kubelet`], which drives a [`Runtime`], once [`scheduler`] has found it a node. The simulated runtime is the first one: **no container runs**; what an image
//! does is read from its tag ([`SimulatedRuntime`]). Node labels say so.

mod access;
mod budget;
mod claim;
pub mod cron;
mod kubelet;
mod node;
mod object;
mod pod_status;
pub mod rollout;
mod runtime;
pub mod scheduler;
mod traffic;
mod workload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ridgeway_cluster::{
    Change, Clock, Cluster, EventRecorder, EventType, ListOptions, Queue, Reason, Reflector, Status,
};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use runtime::{Behaviour, Container, LogLine, Runtime, RuntimeEvent, SimulatedRuntime, Termination};

use crate::object::owner;

/// How many keys are worked at a time.
const WORKERS: usize = 4;
/// The longest wait before a key that failed is worked again.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How the simulation is set up.
#[derive(Clone)]
pub struct Options {
    /// How many nodes there are.
    pub nodes: u32,
    /// What runs the containers.
    pub runtime: Arc<dyn Runtime>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            nodes: 3,
            runtime: Arc::new(SimulatedRuntime::default()),
        }
    }
}

/// What is worked: a kind of this crate with namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Worked,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// The kinds that this crate works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Worked {
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Pod,
    Claim,
    Node,
    Service,
    Ingress,
    Budget,
}

impl Worked {
    /// Nodes first: Pods are placed on what is known.
    const ALL: [Worked; 12] = [
        Worked::Node,
        Worked::Deployment,
        Worked::ReplicaSet,
        Worked::StatefulSet,
        Worked::DaemonSet,
        Worked::Job,
        Worked::CronJob,
        Worked::Pod,
        Worked::Claim,
        Worked::Service,
        Worked::Ingress,
        Worked::Budget,
    ];

    pub(crate) fn gvk(self) -> Gvk {
        match self {
            Worked::Deployment => Gvk::new("apps", "v1", "Deployment"),
            Worked::ReplicaSet => Gvk::new("apps", "v1", "ReplicaSet"),
            Worked::StatefulSet => Gvk::new("apps", "v1", "StatefulSet"),
            Worked::DaemonSet => Gvk::new("apps", "v1", "DaemonSet"),
            Worked::Job => Gvk::new("batch", "v1", "Job"),
            Worked::CronJob => Gvk::new("batch", "v1", "CronJob"),
            Worked::Pod => Gvk::new("", "v1", "Pod"),
            Worked::Claim => Gvk::new("", "v1", "PersistentVolumeClaim"),
            Worked::Node => Gvk::new("", "v1", "Node"),
            Worked::Service => Gvk::new("", "v1", "Service"),
            Worked::Ingress => Gvk::new("networking.k8s.io", "v1", "Ingress"),
            Worked::Budget => Gvk::new("policy", "v1", "PodDisruptionBudget"),
        }
    }

    fn by_kind(kind: &str) -> Option<Worked> {
        Worked::ALL.into_iter().find(|worked| worked.gvk().kind == kind)
    }
}

/// The simulated nodes of one cluster, with the controllers that make Pods of workloads.
pub struct Nodes {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) queue: Queue<Key>,
    pub(crate) addresses: std::sync::atomic::AtomicU32,
    pub(crate) scheduler: scheduler::Scheduler,
    pub(crate) kubelet: kubelet::Kubelet,
    selectors: traffic::Selectors,
    budgets: traffic::Selectors,
    events: OnceLock<EventRecorder>,
    /// How often in a row a key has failed.
    failures: Mutex<HashMap<Key, u32>>,
}

impl Nodes {
    /// Nodes over a cluster; [`Nodes::run`] starts them.
    pub fn new(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>, options: Options) -> Arc<Nodes> {
        Arc::new(Nodes {
            cluster,
            clock,
            options,
            queue: Queue::new(),
            addresses: std::sync::atomic::AtomicU32::new(1),
            scheduler: scheduler::Scheduler::default(),
            kubelet: kubelet::Kubelet::default(),
            selectors: traffic::Selectors::default(),
            budgets: traffic::Selectors::default(),
            events: OnceLock::new(),
            failures: Mutex::default(),
        })
    }

    /// Works until told to stop.
    pub fn run(self: Arc<Self>, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        self.drive(stop).boxed()
    }

    async fn drive(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let work = async {
            self.events
                .get_or_init(|| EventRecorder::new(self.cluster.clone(), "ridgeway-nodes", self.clock.clone()));
            self.register_nodes().await;
            let mut reflectors: Vec<Arc<Reflector>> = Vec::new();
            for kind in Worked::ALL {
                reflectors.push(self.follow(kind));
                if let (Worked::Node, Some(nodes)) = (kind, reflectors.last()) {
                    nodes.synced().await;
                }
            }
            let mut workers = JoinSet::new();
            for _ in 0..WORKERS {
                workers.spawn(self.clone().work());
            }
            while workers.join_next().await.is_some() {}
        };
        tokio::select! {
            () = work => {}
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
    }

    /// Lines of a container's latest run (or of the one before), oldest first. `None` when there was no such run here.
    pub fn logs(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Vec<LogLine>> {
        self.options.runtime.logs(namespace, pod, container, previous)
    }

    fn follow(self: &Arc<Self>, kind: Worked) -> Arc<Reflector> {
        let nodes: Weak<Nodes> = Arc::downgrade(self);
        Reflector::start(
            self.cluster.clone(),
            kind.gvk(),
            ListOptions::default(),
            move |change| {
                if let Some(nodes) = nodes.upgrade() {
                    nodes.see(kind, change);
                }
            },
        )
    }

    /// Takes note of a change, and queues what it concerns.
    fn see(&self, kind: Worked, change: &Change) {
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        match kind {
            Worked::Node => self.scheduler.see_node(&change.key.1, new),
            Worked::Service => self.selectors.see(&change.key, new.and_then(traffic::service_selector)),
            Worked::Budget => self.budgets.see(&change.key, new.and_then(budget::selector)),
            Worked::Pod => {
                // Addresses given out by an earlier run of the platform are taken.
                let ip = new.map_or("", |doc| doc.root().text_at(&["status", "podIP"]));
                if let Some(taken) = kubelet::address_number(ip) {
                    self.addresses
                        .fetch_max(taken + 1, std::sync::atomic::Ordering::Relaxed);
                }
                if self.scheduler.see_pod(&change.key, new) {
                    self.wake_waiting();
                }
                if traffic::endpoint_changed(old, new) {
                    for doc in [old, new].into_iter().flatten() {
                        self.wake_selecting(doc);
                    }
                }
            }
            _ => {}
        }
        for doc in [old, new].into_iter().flatten() {
            enqueue(&self.queue, kind, doc);
        }
    }

    fn wake_waiting(&self) {
        for (namespace, name) in self.scheduler.waiting() {
            self.queue.add(Key {
                kind: Worked::Pod,
                namespace,
                name,
            });
        }
    }

    /// Queues the Services and disruption budgets that select a Pod.
    fn wake_selecting(&self, pod: &Doc) {
        let namespace = pod.root().text_at(&["metadata", "namespace"]);
        let labels = pod.root().at(&["metadata", "labels"]);
        for (kind, selectors) in [(Worked::Service, &self.selectors), (Worked::Budget, &self.budgets)] {
            for name in selectors.selecting(namespace, labels) {
                self.queue.add(Key {
                    kind,
                    namespace: namespace.to_owned(),
                    name,
                });
            }
        }
    }

    /// A node came, changed or went: Pods without a place may have one now, DaemonSets follow their nodes, and Pods
    /// whose node is gone go too.
    async fn nodes_changed(&self, name: &str) -> Result<(), Status> {
        self.wake_waiting();
        if !self.scheduler.knows(name) {
            let here = ListOptions {
                fields: format!("spec.nodeName={name}"),
                ..ListOptions::default()
            };
            for pod in self.cluster.list(&Worked::Pod.gvk(), None, &here).await?.items {
                self.remove(&pod, Some(0), None).await?;
            }
        }
        let sets = self
            .cluster
            .list(&Worked::DaemonSet.gvk(), None, &ListOptions::default())
            .await?;
        for set in &sets.items {
            enqueue(&self.queue, Worked::DaemonSet, set);
        }
        Ok(())
    }

    /// Tells people something about an object.
    pub(crate) fn note(&self, about: Node<'_>, event_type: EventType, reason: &str, message: &str) {
        if let Some(events) = self.events.get() {
            events.record(about, event_type, reason, message);
        }
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>) {
        loop {
            let key = self.queue.next().await;
            let outcome = self.reconcile(&key).await;
            self.queue.done(&key);
            if outcome.is_ok() {
                self.failures().remove(&key);
            }
            match outcome {
                Ok(Some(again)) => self.queue.add_after(key, again),
                Ok(None) => {}
                Err(status) if status.reason == Reason::NotFound => {}
                Err(status) => {
                    // What a policy or quota refuses now, it will refuse in a second: ask less and less often.
                    let times = {
                        let mut failures = self.failures();
                        let times = failures.entry(key.clone()).or_default();
                        *times += 1;
                        *times
                    };
                    let stale = matches!(status.reason, Reason::Conflict | Reason::AlreadyExists);
                    let first = if stale {
                        Duration::from_millis(5)
                    } else {
                        Duration::from_secs(1)
                    };
                    let wait = (first * (1 << (times - 1).min(20))).min(LONGEST_WAIT);
                    tracing::debug!(kind = ?key.kind, key.namespace, key.name, %status, ?wait, "will be tried again");
                    self.queue.add_after(key, wait);
                }
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, Status> {
        if key.kind == Worked::Node {
            return self.nodes_changed(&key.name).await.map(|()| None);
        }
        let Some(object) = self.find(&key.kind.gvk(), &key.namespace, &key.name).await? else {
            if key.kind == Worked::Pod {
                self.forget_pod(&key.namespace, &key.name);
            }
            return Ok(None);
        };
        let deleting = object.root().at(&["metadata", "deletionTimestamp"]).is_some();
        match key.kind {
            Worked::Pod => self.pod(&object).await,
            _ if deleting => Ok(None),
            Worked::Deployment => self.deployment(&object).await,
            Worked::ReplicaSet => self.replica_set(&object).await,
            Worked::StatefulSet => self.stateful_set(&object).await,
            Worked::DaemonSet => self.daemon_set(&object).await,
            Worked::Job => self.job(&object).await,
            Worked::CronJob => self.cron_job(&object).await,
            Worked::Claim => self.claim(&object).await,
            Worked::Service => self.service(&object).await,
            Worked::Ingress => self.ingress(&object).await,
            Worked::Budget => self.budget(&object).await,
            Worked::Node => Ok(None),
        }
    }
}

/// The object itself, and the workload that controls it.
fn enqueue(queue: &Queue<Key>, kind: Worked, doc: &Doc) {
    let namespace = doc.root().text_at(&["metadata", "namespace"]).to_owned();
    let name = doc.root().text_at(&["metadata", "name"]).to_owned();
    if let Some(owner) = owner(doc.root())
        && let Some(kind) = Worked::by_kind(owner.text_at(&["kind"]))
    {
        queue.add(Key {
            kind,
            namespace: namespace.clone(),
            name: owner.text_at(&["name"]).to_owned(),
        });
    }
    queue.add(Key { kind, namespace, name });
}
