//! A control plane for tests: in memory, with its start-up objects, at a fixed time.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of it")]

pub mod server;

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use ridgeway_apiserver::{ControlPlane, Parts, SeededRandomness, bootstrap, controllers};
use ridgeway_cluster::{Clock, Cluster, Reason, WriteOptions};
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_ledger::Ledger;
use ridgeway_store::MemoryStore;
use tokio::task::JoinHandle;

/// What tests publish as the authority's certificate.
pub const ROOT_CA: &str = "-----BEGIN CERTIFICATE-----\n";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }
}

/// A plane and what runs beside it.
pub struct Plane {
    plane: ControlPlane,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    ledger: Option<(Arc<Ledger>, tempfile::TempDir)>,
}

impl Deref for Plane {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.plane
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.tasks.lock().unwrap().iter().for_each(JoinHandle::abort);
    }
}

impl Plane {
    pub async fn start() -> Plane {
        Plane::at(Arc::new(Still)).await
    }

    /// With another clock.
    pub async fn at(clock: Arc<dyn Clock>) -> Plane {
        let plane = ControlPlane::in_memory(clock);
        bootstrap(&plane).await.unwrap();
        Plane {
            plane,
            tasks: Mutex::default(),
            ledger: None,
        }
    }

    /// With a ledger.
    pub async fn recorded() -> Plane {
        Plane::recorded_at(Arc::new(Still)).await
    }

    /// With a ledger and another clock.
    pub async fn recorded_at(clock: Arc<dyn Clock>) -> Plane {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path(), ridgeway_ledger::Options::default()).unwrap();
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            ledger: Some(ledger.clone()),
            kinds: KindTable::builtin(),
            clock,
            randomness: Arc::new(SeededRandomness::new(3)),
        };
        let plane = ControlPlane::open(parts).await.unwrap();
        bootstrap(&plane).await.unwrap();
        Plane {
            plane,
            tasks: Mutex::default(),
            ledger: Some((ledger, directory)),
        }
    }

    pub fn ledger(&self) -> &Arc<Ledger> {
        &self
            .ledger
            .as_ref()
            .expect("the plane was started with Plane::recorded")
            .0
    }

    pub fn run_controllers(&self) {
        let options = controllers::Options {
            root_ca: Some(ROOT_CA.into()),
        };
        let run = controllers::run(self.plane.clone(), options, std::future::pending());
        self.tasks.lock().unwrap().push(tokio::spawn(run));
    }
}

/// An object from YAML.
pub fn yaml(text: &str) -> Value {
    ridgeway_doc::parse_yaml(text).unwrap().remove(0).into()
}

/// Waits until something holds, for ten seconds at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still not so: {what}");
}

/// A kind of the core group.
pub fn core(kind: &str) -> Gvk {
    Gvk::new("", "v1", kind)
}

/// Text at a path, or nothing.
pub fn text(doc: &Doc, path: &[&str]) -> String {
    doc.root().str_at(path).unwrap_or_default().to_owned()
}

/// Options of a field manager.
pub fn by(manager: &str) -> WriteOptions {
    WriteOptions::by(manager, None)
}

/// A ConfigMap in the namespace `default`.
pub fn config(name: &str, value: &str) -> Value {
    yaml(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}, data: {{k: \"{value}\"}}}}"
    ))
}

/// Whether a ConfigMap of the namespace `default` is gone.
pub async fn is_gone(cluster: &dyn Cluster, name: &str) -> bool {
    cluster
        .get(&core("ConfigMap"), "default", name)
        .await
        .is_err_and(|status| status.reason == Reason::NotFound)
}
