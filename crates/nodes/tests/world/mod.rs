//! A world to try workloads in.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use ridgeway_apiserver::ControlPlane;
use ridgeway_cluster::{Cluster, ListOptions, SystemClock, WriteOptions};
use ridgeway_doc::{Doc, Node, parse_yaml};
use ridgeway_krm::Gvk;
use ridgeway_nodes::{Nodes, Options};
use tokio::sync::watch;

/// A control plane in memory with its controllers and simulated nodes.
pub(crate) struct World {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) nodes: Arc<Nodes>,
    plane: ControlPlane,
    stop: watch::Sender<bool>,
}

impl World {
    pub(crate) async fn new() -> World {
        let clock = Arc::new(SystemClock);
        let plane = ControlPlane::in_memory(clock.clone());
        ridgeway_apiserver::bootstrap(&plane).await.unwrap();
        let controllers = ridgeway_apiserver::controllers::Options { root_ca: None };
        tokio::spawn(ridgeway_apiserver::controllers::run(
            plane.clone(),
            controllers,
            std::future::pending(),
        ));
        let (nodes, stop) = start(&plane);
        World {
            cluster: plane.admin(),
            nodes,
            plane,
            stop,
        }
    }

    /// Stops the nodes and starts others, as a restart of the platform does.
    pub(crate) fn restart(&mut self) {
        self.stop.send_replace(true);
        (self.nodes, self.stop) = start(&self.plane);
    }

    pub(crate) async fn apply(&self, yaml: &str) {
        for doc in parse_yaml(yaml).unwrap() {
            let options = WriteOptions::by("test", None).forced();
            self.cluster.apply(doc.root().to_value(), options).await.unwrap();
        }
    }

    pub(crate) async fn until(&self, what: &str, kind: &Gvk, name: &str, holds: impl Fn(Node<'_>) -> bool) -> Doc {
        let mut last = None;
        for _ in 0..500 {
            if let Ok(doc) = self.cluster.get(kind, "default", name).await {
                if holds(doc.root()) {
                    return doc;
                }
                last = Some(doc);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{what}: {}",
            last.map_or("not there".to_owned(), |doc| doc.root().to_yaml())
        );
    }

    pub(crate) async fn pods(&self) -> Vec<Doc> {
        self.cluster
            .list(&Gvk::new("", "v1", "Pod"), Some("default"), &ListOptions::default())
            .await
            .unwrap()
            .items
    }
}

/// A whole number at a path, or 0.
pub(crate) fn number(node: Node<'_>, path: &[&str]) -> i64 {
    node.at(path).and_then(Node::as_i64).unwrap_or(0)
}

fn start(plane: &ControlPlane) -> (Arc<Nodes>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let nodes = Nodes::new(plane.admin(), Arc::new(SystemClock), Options::default());
    tokio::spawn(nodes.clone().run(stopping));
    (nodes, stop)
}
