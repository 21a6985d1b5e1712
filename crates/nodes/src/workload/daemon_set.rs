//! DaemonSets: one Pod on each node.

use std::time::Duration;

use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Value};

use crate::kubelet::serves;
use crate::object::{active, number, pod_of, template_hash, text};
use crate::{Nodes, Worked, node};

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
        for index in 0..self.options.nodes {
            let name = node::name(index);
            let mut here = pods
                .iter()
                .filter(|pod| active(pod.root()) && text(pod.root(), &["spec", "nodeName"]) == name);
            match here.next() {
                None => {
                    let mut pod = pod_of(template, root);
                    pod.set(
                        &["metadata", "generateName"],
                        format!("{}-", text(root, &["metadata", "name"])),
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
                    if text(pod.root(), &["metadata", "labels", REVISION]) == hash {
                        updated += 1;
                        replacing |= !serves(pod.root());
                    } else if !replacing && text(root, &["spec", "updateStrategy", "type"]) != "OnDelete" {
                        // One node at a time.
                        self.remove(pod, None).await?;
                        replacing = true;
                    }
                }
            }
            for double in here {
                self.remove(double, None).await?;
            }
        }
        let wanted = i64::from(self.options.nodes);
        let mut status = Value::object();
        status.set(&["observedGeneration"], number(root, &["metadata", "generation"]));
        for (field, value) in [
            ("desiredNumberScheduled", wanted),
            ("currentNumberScheduled", current),
            ("updatedNumberScheduled", updated),
            ("numberReady", ready),
            ("numberAvailable", ready),
            ("numberUnavailable", wanted - ready),
            ("numberMisscheduled", 0),
        ] {
            status.set(&[field], value);
        }
        self.set_status(set, status).await?;
        Ok(None)
    }
}
