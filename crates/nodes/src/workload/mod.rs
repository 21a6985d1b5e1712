//! The workload controllers, one file each.

mod cron_job;
mod daemon_set;
mod deployment;
mod job;
mod replica_set;
mod stateful_set;

use ridgeway_cluster::{Causality, Status};
use ridgeway_doc::{Doc, Value};

use crate::Nodes;

impl Nodes {
    /// Sets `spec.replicas` of a set, if it is another number. What makes it so is handed on to the set.
    async fn scale(&self, set: &Doc, replicas: i64, cause: Option<Causality>) -> Result<(), Status> {
        if crate::object::number(set.root(), &["spec", "replicas"]) == Some(replicas) {
            return Ok(());
        }
        let mut patch = Value::object();
        patch.set(&["spec", "replicas"], replicas);
        let said = cause.as_ref().map(Causality::as_str);
        if said.is_some() || crate::access::cause(set.root()).is_some() {
            patch.set(&["metadata", "annotations", Causality::ANNOTATION], said);
        }
        self.patch_for(cause, set, "", patch).await.map(drop)
    }
}

/// The order in which Pods are given up: those that serve least first, then the youngest.
fn give_up_order(pods: &mut [&Doc]) {
    pods.sort_by_key(|pod| {
        let node = pod.root();
        let scheduled = !node.text_at(&["spec", "nodeName"]).is_empty();
        let created = std::cmp::Reverse(node.text_at(&["metadata", "creationTimestamp"]).to_owned());
        (
            crate::kubelet::serves(node),
            scheduled,
            created,
            node.text_at(&["metadata", "name"]).to_owned(),
        )
    });
}
