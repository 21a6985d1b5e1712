//! The nodes themselves: objects that say what they are.

use ridgeway_cluster::{Reason, WriteOptions};
use ridgeway_doc::Value;
use ridgeway_krm::Gvk;

use crate::Nodes;

/// The name of a node.
pub(crate) fn name(index: u32) -> String {
    format!("simulated-{index}")
}

/// The address of a node.
pub(crate) fn address(index: u32) -> String {
    format!("10.0.{}.{}", (index + 10) >> 8 & 0xff, (index + 10) & 0xff)
}

impl Nodes {
    /// Makes the nodes that are not there yet.
    pub(crate) async fn register_nodes(&self) {
        for index in 0..self.options.nodes {
            if let Err(status) = self.register(index).await {
                tracing::warn!(node = name(index), %status, "a node could not be registered");
            }
        }
    }

    async fn register(&self, index: u32) -> Result<(), ridgeway_cluster::Status> {
        let mut node = Value::object();
        node.set(&["apiVersion"], "v1");
        node.set(&["kind"], "Node");
        node.set(&["metadata", "name"], name(index));
        for (key, value) in [
            ("kubernetes.io/hostname", name(index).as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("ridgeway.dev/runtime", "simulated"),
            ("ridgeway.dev/simulated", "true"),
        ] {
            node.set(&["metadata", "labels", key], value);
        }
        node.set(
            &["metadata", "annotations", "ridgeway.dev/note"],
            "simulated: no container runs on this node",
        );
        let options = WriteOptions::by("ridgeway-nodes", None);
        let node = match self.cluster.create(node, options).await {
            Ok(node) => node,
            Err(status) if status.reason == Reason::AlreadyExists => {
                self.cluster.get(&Gvk::new("", "v1", "Node"), "", &name(index)).await?
            }
            Err(status) => return Err(status),
        };
        let mut status = Value::object();
        for part in ["capacity", "allocatable"] {
            for (resource, amount) in [("cpu", "16"), ("memory", "64Gi"), ("pods", "500")] {
                status.set(&[part, resource], amount);
            }
        }
        let now = self.now();
        let ready = crate::object::conditioned(
            node.root(),
            "Ready",
            true,
            "SimulatedReady",
            "simulated node is ready",
            &now,
        );
        let mut conditions = vec![ready];
        for (kind, reason) in [
            ("MemoryPressure", "KubeletHasSufficientMemory"),
            ("DiskPressure", "KubeletHasNoDiskPressure"),
            ("PIDPressure", "KubeletHasSufficientPID"),
        ] {
            let message = "simulated: nothing here uses any";
            conditions.push(crate::object::conditioned(
                node.root(),
                kind,
                false,
                reason,
                message,
                &now,
            ));
        }
        for condition in &mut conditions {
            condition.set(&["lastHeartbeatTime"], now.as_str());
        }
        status.set(&["conditions"], conditions);
        for (key, value) in [
            (
                "kubeletVersion",
                concat!("v1.36.0-ridgeway.", env!("CARGO_PKG_VERSION"), "-simulated"),
            ),
            ("containerRuntimeVersion", "simulated://0 (no container runs)"),
            ("osImage", "Ridgeway simulated node"),
            ("operatingSystem", "linux"),
            ("architecture", "amd64"),
        ] {
            status.set(&["nodeInfo", key], value);
        }
        let mut address = Value::object();
        address.set(&["type"], "InternalIP");
        address.set(&["address"], crate::node::address(index));
        let mut hostname = Value::object();
        hostname.set(&["type"], "Hostname");
        hostname.set(&["address"], name(index));
        status.set(&["addresses"], [address, hostname].into_iter().collect::<Value>());
        self.set_status(&node, status).await
    }
}
