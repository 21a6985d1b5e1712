//! StatefulSets: Pods with names that stay, in order.

use std::time::Duration;

use ridgeway_cluster::{Reason, Status};
use ridgeway_doc::{Doc, Node, Value};

use crate::access::cause;
use crate::kubelet::{available, serves};
use crate::object::{number, pod_of, template_hash};
use crate::{Nodes, Worked};

/// Tells the Pods of one template from those of another.
const REVISION: &str = "controller-revision-hash";

impl Nodes {
    pub(crate) async fn stateful_set(&self, set: &Doc) -> Result<Option<Duration>, Status> {
        let node = set.root();
        let Some(template) = node.at(&["spec", "template"]) else {
            return Ok(None);
        };
        let name = node.text_at(&["metadata", "name"]);
        let replicas = number(node, &["spec", "replicas"]).unwrap_or(1).max(0);
        let update = format!("{name}-{}", template_hash(template));
        let parallel = node.text_at(&["spec", "podManagementPolicy"]) == "Parallel";
        let pods = self.owned(Worked::Pod, node).await?;
        let ordinal = |pod: &Doc| {
            pod.root()
                .text_at(&["metadata", "name"])
                .rsplit('-')
                .next()
                .and_then(|n| n.parse::<i64>().ok())
        };
        let at = |index: i64| pods.iter().find(|pod| ordinal(pod) == Some(index));
        self.next_pod(node, template, &update, replicas, parallel, &at).await?;
        // What is too much goes from the end, one at a time unless parallel.
        let mut surplus: Vec<&Doc> = pods
            .iter()
            .filter(|pod| ordinal(pod).is_some_and(|i| i >= replicas))
            .collect();
        surplus.sort_by_key(|pod| std::cmp::Reverse(ordinal(pod)));
        for pod in surplus.iter().take(if parallel { usize::MAX } else { 1 }) {
            if pod.root().at(&["metadata", "deletionTimestamp"]).is_none() {
                self.remove(pod, None, cause(node)).await?;
            }
        }
        let all_serve = (0..replicas).all(|i| at(i).is_some_and(|pod| serves(pod.root())));
        if all_serve && surplus.is_empty() {
            self.replace_outdated(node, &update, replicas, &at).await?;
        }
        let revision = |pod: &Doc| pod.root().text_at(&["metadata", "labels", REVISION]) == update;
        let count = |test: &dyn Fn(&Doc) -> bool| pods.iter().filter(|pod| test(pod)).count() as i64;
        let updated = count(&revision);
        let ready = count(&|pod| serves(pod.root()));
        let (available, next) = available(pods.iter().map(Doc::root), node, self.clock.now());
        let current = match node.text_at(&["status", "currentRevision"]) {
            old if old.is_empty() || updated == replicas => update.as_str(),
            old => old,
        };
        let mut status = Value::object();
        status.set(&["observedGeneration"], number(node, &["metadata", "generation"]));
        for (field, value) in [
            ("replicas", pods.len() as i64),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("updatedReplicas", updated),
            (
                "currentReplicas",
                if current == update {
                    updated
                } else {
                    pods.len() as i64 - updated
                },
            ),
        ] {
            status.set(&[field], value);
        }
        status.set(&["currentRevision"], current);
        status.set(&["updateRevision"], update.as_str());
        self.set_status(set, status).await?;
        Ok(next)
    }

    /// Makes the missing Pods; in order means that the one before must serve first.
    async fn next_pod<'d>(
        &self,
        node: Node<'_>,
        template: Node<'_>,
        update: &str,
        replicas: i64,
        parallel: bool,
        at: &impl Fn(i64) -> Option<&'d Doc>,
    ) -> Result<(), Status> {
        for index in 0..replicas {
            match at(index) {
                Some(pod) if parallel || serves(pod.root()) => {}
                Some(_) => return Ok(()),
                None => {
                    self.claims_of(node, index).await?;
                    let name = format!("{}-{index}", node.text_at(&["metadata", "name"]));
                    let mut pod = pod_of(template, node);
                    pod.set(&["metadata", "name"], name.as_str());
                    pod.set(&["metadata", "labels", REVISION], update);
                    pod.set(
                        &["metadata", "labels", "statefulset.kubernetes.io/pod-name"],
                        name.as_str(),
                    );
                    pod.set(
                        &["metadata", "labels", "apps.kubernetes.io/pod-index"],
                        index.to_string(),
                    );
                    pod.set(&["spec", "hostname"], name.as_str());
                    pod.set(&["spec", "subdomain"], node.text_at(&["spec", "serviceName"]));
                    self.create(pod).await?;
                    if !parallel {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Rolling update: the highest outdated Pod goes; it comes back with the new template.
    async fn replace_outdated<'d>(
        &self,
        node: Node<'_>,
        update: &str,
        replicas: i64,
        at: &impl Fn(i64) -> Option<&'d Doc>,
    ) -> Result<(), Status> {
        if node.text_at(&["spec", "updateStrategy", "type"]) == "OnDelete" {
            return Ok(());
        }
        let partition = number(node, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or(0);
        let outdated = |pod: &&Doc| pod.root().text_at(&["metadata", "labels", REVISION]) != update;
        match (partition..replicas).rev().filter_map(at).find(outdated) {
            Some(pod) => self.remove(pod, None, cause(node)).await,
            None => Ok(()),
        }
    }

    async fn claims_of(&self, node: Node<'_>, index: i64) -> Result<(), Status> {
        let templates = node
            .at(&["spec", "volumeClaimTemplates"])
            .map(Node::items)
            .into_iter()
            .flatten();
        for template in templates {
            let mut claim = template.to_value();
            claim.set(&["apiVersion"], "v1");
            claim.set(&["kind"], "PersistentVolumeClaim");
            let (volume, set) = (
                template.text_at(&["metadata", "name"]),
                node.text_at(&["metadata", "name"]),
            );
            claim.set(&["metadata", "name"], format!("{volume}-{set}-{index}"));
            claim.set(&["metadata", "namespace"], node.text_at(&["metadata", "namespace"]));
            claim.remove(&["status"]);
            match self.create(claim).await {
                Err(status) if status.reason == Reason::AlreadyExists => {}
                other => drop(other?),
            }
        }
        Ok(())
    }
}
