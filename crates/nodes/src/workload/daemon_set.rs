//! DaemonSets: one Pod on each node.

use std::time::Duration;

use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Value};

use crate::access::cause;
use crate::kubelet::{available, serves};
use crate::object::{active, number, pod_of, template_hash};
use crate::{Nodes, Worked};

const REVISION: &str = "controller-revision-hash";

impl Nodes {
    pub(crate) async fn daemon_set(&self, set: &Doc) -> Result<Option<Duration>, Status> {
        let root = set.root();
        let Some(template) = root.at(&["spec", "template"]) else {
            return Ok(None);
        };
        let hash = template_hash(template);
        let pods = self.owned(Worked::Pod, root).await?;
        let (mut current, mut updated, mut ready) = (0, 0, 0);
        let mut replacing = false;
        let nodes = self.scheduler.daemon_nodes(template);
        let lost = |pod: &&Doc| {
            !nodes
                .iter()
                .any(|name| name == pod.root().text_at(&["spec", "nodeName"]))
        };
        let misplaced: Vec<&Doc> = pods.iter().filter(|pod| active(pod.root())).filter(lost).collect();
        for pod in &misplaced {
            self.remove(pod, None, cause(root)).await?;
        }
        for name in &nodes {
            let mut here = pods
                .iter()
                .filter(|pod| active(pod.root()) && pod.root().text_at(&["spec", "nodeName"]) == *name);
            match here.next() {
                None => {
                    let mut pod = pod_of(template, root);
                    pod.set(
                        &["metadata", "generateName"],
                        format!("{}-", root.text_at(&["metadata", "name"])),
                    );
                    pod.set(&["metadata", "labels", REVISION], hash.as_str());
                    pod.set(&["spec", "nodeName"], name.as_str());
                    self.create(pod).await?;
                    current += 1;
                    updated += 1;
                }
                Some(pod) => {
                    current += 1;
                    ready += i64::from(serves(pod.root()));
                    if pod.root().text_at(&["metadata", "labels", REVISION]) == hash {
                        updated += 1;
                        replacing |= !serves(pod.root());
                    } else if !replacing && root.text_at(&["spec", "updateStrategy", "type"]) != "OnDelete" {
                        // One node at a time.
                        self.remove(pod, None, cause(root)).await?;
                        replacing = true;
                    }
                }
            }
            for double in here {
                self.remove(double, None, cause(root)).await?;
            }
        }
        let wanted = nodes.len() as i64;
        let (available, next) = available(pods.iter().map(Doc::root), root, self.clock.now());
        let mut status = Value::object();
        status.set(&["observedGeneration"], number(root, &["metadata", "generation"]));
        for (field, value) in [
            ("desiredNumberScheduled", wanted),
            ("currentNumberScheduled", current),
            ("updatedNumberScheduled", updated),
            ("numberReady", ready),
            ("numberAvailable", available),
            ("numberUnavailable", wanted - available),
            ("numberMisscheduled", misplaced.len() as i64),
        ] {
            status.set(&[field], value);
        }
        self.set_status(set, status).await?;
        Ok(next)
    }
}
