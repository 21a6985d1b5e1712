//! Simulated nodes and the workload controllers over the Cluster trait.
//!
//! Must not know: which substrate answers, Git, policies.
//!
//! One queue of keys, fed by live copies of the kinds concerned; one worker a key at a time. A key of a workload runs its
//! controller in [`workload`]: it reads what is there now, plans (pure functions in [`rollout`]), and acts through the
//! [`Cluster`], so each step passes access, policy and ledger like everybody's. A key of a Pod runs the kubelet's part in
//! [`kubelet`], which drives a [`Runtime`]. The simulated runtime is the first one: **no container runs**; what an image
//! does is read from its tag ([`SimulatedRuntime`]). Node labels say so.

mod access;
mod kubelet;
mod node;
mod object;
pub mod rollout;
mod runtime;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use ridgeway_cluster::{Clock, Cluster, ListOptions, Queue, Reason, Reflector};
use ridgeway_doc::Doc;
use ridgeway_krm::Gvk;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use runtime::{Behaviour, Container, LogLine, Runtime, RuntimeEvent, SimulatedRuntime};

use crate::object::{owner, text};

/// How many keys are worked at a time.
const WORKERS: usize = 4;

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
    Pod,
    Claim,
}

impl Worked {
    const ALL: [Worked; 7] = [
        Worked::Deployment,
        Worked::ReplicaSet,
        Worked::StatefulSet,
        Worked::DaemonSet,
        Worked::Job,
        Worked::Pod,
        Worked::Claim,
    ];

    pub(crate) fn gvk(self) -> Gvk {
        match self {
            Worked::Deployment => Gvk::new("apps", "v1", "Deployment"),
            Worked::ReplicaSet => Gvk::new("apps", "v1", "ReplicaSet"),
            Worked::StatefulSet => Gvk::new("apps", "v1", "StatefulSet"),
            Worked::DaemonSet => Gvk::new("apps", "v1", "DaemonSet"),
            Worked::Job => Gvk::new("batch", "v1", "Job"),
            Worked::Pod => Gvk::new("", "v1", "Pod"),
            Worked::Claim => Gvk::new("", "v1", "PersistentVolumeClaim"),
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
        })
    }

    /// Works until told to stop.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let work = async {
            self.register_nodes().await;
            let _reflectors: Vec<Arc<Reflector>> = Worked::ALL.into_iter().map(|kind| self.follow(kind)).collect();
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

    /// Lines of a container's log, oldest first. `None` when no such container has run here.
    pub fn logs(&self, namespace: &str, pod: &str, container: &str) -> Option<Vec<LogLine>> {
        self.options.runtime.logs(namespace, pod, container)
    }

    fn follow(self: &Arc<Self>, kind: Worked) -> Arc<Reflector> {
        let queue = self.queue.clone();
        Reflector::start(
            self.cluster.clone(),
            kind.gvk(),
            ListOptions::default(),
            move |change| {
                for doc in [&change.old, &change.new].into_iter().flatten() {
                    enqueue(&queue, kind, doc);
                }
            },
        )
    }

    async fn work(self: Arc<Self>) {
        loop {
            let key = self.queue.next().await;
            let outcome = self.reconcile(&key).await;
            self.queue.done(&key);
            match outcome {
                Ok(Some(again)) => self.queue.add_after(key, again),
                Ok(None) => {}
                Err(status) if matches!(status.reason, Reason::Conflict | Reason::AlreadyExists) => {
                    self.queue.add_after(key, Duration::from_millis(5));
                }
                Err(status) if status.reason == Reason::NotFound => {}
                Err(status) => {
                    tracing::debug!(kind = ?key.kind, key.namespace, key.name, %status, "will be tried again");
                    self.queue.add_after(key, Duration::from_secs(1));
                }
            }
        }
    }

    async fn reconcile(&self, key: &Key) -> Result<Option<Duration>, ridgeway_cluster::Status> {
        let Some(object) = self.find(&key.kind.gvk(), &key.namespace, &key.name).await? else {
            if key.kind == Worked::Pod {
                self.options.runtime.stop(&key.namespace, &key.name);
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
            Worked::Claim => self.claim(&object).await,
        }
    }
}

/// The object itself, and the workload that controls it.
fn enqueue(queue: &Queue<Key>, kind: Worked, doc: &Doc) {
    let namespace = text(doc.root(), &["metadata", "namespace"]).to_owned();
    let name = text(doc.root(), &["metadata", "name"]).to_owned();
    if let Some(owner) = owner(doc.root())
        && let Some(kind) = Worked::by_kind(text(owner, &["kind"]))
    {
        queue.add(Key {
            kind,
            namespace: namespace.clone(),
            name: text(owner, &["name"]).to_owned(),
        });
    }
    queue.add(Key { kind, namespace, name });
}
