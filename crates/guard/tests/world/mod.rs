//! A control plane in memory with a guard before it.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each file of tests uses its part"
)]
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_apiserver::{ControlPlane, Parts, SeededRandomness};
use ridgeway_cluster::{Clock, Cluster, DeleteOptions, Identity, Status, WriteOptions};
use ridgeway_doc::{Doc, Node, parse_yaml};
use ridgeway_guard::{Guard, PolicyView};
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_ledger::Ledger;
use ridgeway_store::MemoryStore;
use tokio::sync::watch;

/// A clock that is moved by hand.
pub struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Hand {
    pub fn forward(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now += SignedDuration::from_secs(seconds);
    }
}

pub struct World {
    pub plane: ControlPlane,
    pub cluster: Arc<dyn Cluster>,
    pub guard: Arc<Guard>,
    pub clock: Arc<Hand>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    pub async fn new() -> World {
        let clock = hand();
        World::over(ControlPlane::in_memory(clock.clone()), clock).await
    }

    /// A world whose changes are recorded.
    pub async fn recorded(ledger: Arc<Ledger>) -> World {
        let clock = hand();
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            ledger: Some(ledger),
            kinds: KindTable::builtin(),
            clock: clock.clone(),
            randomness: Arc::new(SeededRandomness::new(7)),
        };
        World::over(ControlPlane::open(parts).await.unwrap(), clock).await
    }

    async fn over(plane: ControlPlane, clock: Arc<Hand>) -> World {
        ridgeway_apiserver::bootstrap(&plane).await.unwrap();
        let (guard, stop, running) = start(&plane, &clock).await;
        World {
            cluster: plane.admin(),
            plane,
            guard,
            clock,
            stop,
            running,
        }
    }

    /// Ends the guard and starts another one, as a restart does.
    pub async fn restart(&mut self) {
        self.stop.send_replace(true);
        (&mut self.running).await.unwrap();
        (self.guard, self.stop, self.running) = start(&self.plane, &self.clock).await;
    }

    /// Ends the guard; `begin` starts another one.
    pub async fn end(&mut self) {
        self.stop.send_replace(true);
        (&mut self.running).await.unwrap();
    }

    pub async fn begin(&mut self) {
        (self.guard, self.stop, self.running) = start(&self.plane, &self.clock).await;
    }

    pub async fn try_apply(&self, yaml: &str) -> Result<(), Status> {
        for doc in parse_yaml(yaml).unwrap() {
            let mut object = doc.root().to_value();
            let gvk = Gvk::of(doc.root()).unwrap();
            let namespaced = self.cluster.kinds().get(&gvk).is_some_and(|kind| kind.namespaced);
            if namespaced && doc.root().at(&["metadata", "namespace"]).is_none() {
                object.set(&["metadata", "namespace"], "default");
            }
            self.cluster
                .apply(object, WriteOptions::by("test", None).forced())
                .await?;
        }
        Ok(())
    }

    pub async fn apply(&self, yaml: &str) {
        self.try_apply(yaml).await.unwrap();
    }

    /// Applies policies and waits until they are in force.
    pub async fn enforce(&self, yaml: &str) {
        self.apply(yaml).await;
        let names: Vec<String> = parse_yaml(yaml)
            .unwrap()
            .iter()
            .map(|doc| doc.root().str_at(&["metadata", "name"]).unwrap().to_owned())
            .collect();
        self.until("the policies are in force", || {
            let views = self.guard.policies();
            names.iter().all(|name| views.iter().any(|view| view.name == *name))
        })
        .await;
    }

    pub async fn delete(&self, gvk: &Gvk, namespace: &str, name: &str) {
        let (delete, options) = (DeleteOptions::default(), WriteOptions::by("test", None));
        self.cluster
            .delete(gvk, namespace, name, delete, options)
            .await
            .unwrap();
    }

    pub async fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        self.cluster.get(gvk, namespace, name).await.ok()
    }

    pub async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        for _ in 0..400 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: not within time; policies: {:#?}", self.guard.policies());
    }

    pub async fn until_object(
        &self,
        what: &str,
        gvk: &Gvk,
        at: (&str, &str),
        holds: impl Fn(Option<Node<'_>>) -> bool,
    ) {
        let mut last = None;
        for _ in 0..400 {
            last = self.get(gvk, at.0, at.1).await;
            if holds(last.as_ref().map(Doc::root)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{what}: {}",
            last.map_or("not there".to_owned(), |doc| doc.root().to_yaml())
        );
    }

    pub fn policy(&self, id: &str) -> PolicyView {
        self.guard.policies().into_iter().find(|view| view.id == id).unwrap()
    }
}

fn hand() -> Arc<Hand> {
    Arc::new(Hand(Mutex::new("2026-05-04T10:00:00Z".parse().unwrap())))
}

async fn start(
    plane: &ControlPlane,
    clock: &Arc<Hand>,
) -> (Arc<Guard>, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let guard = Guard::new(plane.client(Identity::controller("guard")), clock.clone());
    guard.install_crds().await.unwrap();
    plane.set_gate(guard.gate());
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(guard.clone().run(stopping));
    guard.synced().await;
    (guard, stop, running)
}

/// A file of the examples.
pub fn example(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The policies of the demo organisation.
pub fn demo_policies() -> String {
    let names = [
        "namespace-defaults",
        "require-labels",
        "require-non-root",
        "require-resource-limits",
    ];
    let texts = names.map(|name| example(&format!("demo/platform/cluster/policies/{name}.yaml")));
    texts.join("---\n")
}

pub fn gvk(api_version: &str, kind: &str) -> Gvk {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Gvk::new(group, version, kind)
}
