//! ReplicaSets: as many Pods as are asked for.

use std::time::Duration;

use ridgeway_cluster::{EventType, Status};
use ridgeway_doc::{Doc, Node, Value};

use super::give_up_order;
use crate::access::cause;
use crate::kubelet::{available, serves};
use crate::object::{active, number, pod_of};
use crate::{Nodes, Worked};

impl Nodes {
    pub(crate) async fn replica_set(&self, set: &Doc) -> Result<Option<Duration>, Status> {
        let node = set.root();
        let wanted = number(node, &["spec", "replicas"]).unwrap_or(1).max(0) as usize;
        let pods = self.owned(Worked::Pod, node).await?;
        let mut running: Vec<&Doc> = pods.iter().filter(|pod| active(pod.root())).collect();
        let mut fault = None;
        if let Some(template) = node.at(&["spec", "template"]) {
            for _ in running.len()..wanted {
                let mut pod = pod_of(template, node);
                pod.set(
                    &["metadata", "generateName"],
                    format!("{}-", node.text_at(&["metadata", "name"])),
                );
                if let Err(status) = self.create(pod).await {
                    let message = format!("Error creating: {}", status.message);
                    self.note(node, EventType::Warning, "FailedCreate", &message);
                    // What stands in the way (a policy, a quota) is told where people look: in the status.
                    fault = Some(status);
                    break;
                }
            }
        }
        if running.len() > wanted {
            let surplus = running.len() - wanted;
            give_up_order(&mut running);
            for pod in running.drain(..surplus) {
                self.remove(pod, None, cause(node)).await?;
            }
        }
        let ready = running.iter().filter(|pod| serves(pod.root())).count() as i64;
        let (available, next) = available(running.iter().map(|pod| pod.root()), node, self.clock.now());
        let mut status = Value::object();
        let existing = if fault.is_some() { running.len() } else { wanted };
        status.set(&["replicas"], existing as i64);
        status.set(&["fullyLabeledReplicas"], existing as i64);
        status.set(&["readyReplicas"], ready);
        status.set(&["availableReplicas"], available);
        status.set(&["observedGeneration"], number(node, &["metadata", "generation"]));
        match &fault {
            Some(fault) => {
                let now = self.now();
                let failure =
                    crate::object::conditioned(node, "ReplicaFailure", true, "FailedCreate", &fault.message, &now);
                status.set(&["conditions"], [failure].into_iter().collect::<Value>());
            }
            None if node.at(&["status", "conditions"]).is_some_and(|c| !Node::is_empty(c)) => {
                status.set(&["conditions"], Value::array());
            }
            None => {}
        }
        self.set_status(set, status).await?;
        fault.map_or(Ok(next), Err)
    }
}
