//! Deployments: one ReplicaSet per Pod template, rolled from one to the next.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{Causality, EventType, Status};
use ridgeway_doc::{Doc, Node, Value};

use crate::access::{cause, hand_on};
use crate::object::{condition, conditioned, controlled_by, number, template_hash};
use crate::rollout::{self, Bounds, Set, Step};
use crate::{Nodes, Worked};

/// Which rollout a ReplicaSet belongs to.
const REVISION: &str = "deployment.kubernetes.io/revision";
/// Tells the Pods of one template from those of another.
const HASH: &str = "pod-template-hash";
/// What clients write for themselves; it stays with the object they wrote.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Nodes {
    pub(crate) async fn deployment(&self, deployment: &Doc) -> Result<Option<Duration>, Status> {
        let node = deployment.root();
        let Some(template) = node.at(&["spec", "template"]) else {
            return Ok(None);
        };
        let replicas = number(node, &["spec", "replicas"]).unwrap_or(1).max(0);
        let mut sets = self.owned(Worked::ReplicaSet, node).await?;
        sets.sort_by_key(|set| revision(set.root()));
        let hash = template_hash(template);
        let paused = node.at(&["spec", "paused"]).and_then(Node::as_bool) == Some(true);
        let latest = sets.last().map_or(0, |set| revision(set.root()));
        let current = sets.iter().rposition(|set| same_template(set.root(), template));
        let new = match current {
            Some(at) => Some(sets.remove(at)),
            None if paused => None,
            None => Some(self.new_set(node, template, &hash, latest + 1).await?),
        };
        let revision_now = match &new {
            // Going back to an older template makes it the newest revision again.
            Some(set) if revision(set.root()) < latest => {
                self.set_revision(set, latest + 1).await?;
                latest + 1
            }
            Some(set) => revision(set.root()),
            None => latest,
        };
        if node.text_at(&["metadata", "annotations", REVISION]) != revision_now.to_string() {
            self.set_revision(deployment, revision_now).await?;
        }
        let view = |set: &Doc| Set {
            wanted: number(set.root(), &["spec", "replicas"]).unwrap_or(0),
            available: number(set.root(), &["status", "availableReplicas"]).unwrap_or(0),
            existing: number(set.root(), &["status", "replicas"]).unwrap_or(0),
        };
        let old: Vec<Set> = sets.iter().map(view).collect();
        if let (Some(new), false) = (&new, paused) {
            let step = self.next_step(node, replicas, view(new), &old).await?;
            for (set, wanted) in sets.iter().zip(&step.old) {
                self.scale_set(node, set, *wanted).await?;
            }
            self.scale_set(node, new, step.new).await?;
        }
        let again = self.deployment_status(deployment, new.as_ref(), &sets).await?;
        self.forget_old(node, &sets).await?;
        Ok(again)
    }

    async fn next_step(&self, node: Node<'_>, replicas: i64, new: Set, old: &[Set]) -> Result<Step, Status> {
        if node.text_at(&["spec", "strategy", "type"]) == "Recreate" {
            return Ok(rollout::recreate(replicas, new, old));
        }
        let bound = |name: &str| match node.at(&["spec", "strategy", "rollingUpdate", name]) {
            Some(value) => value.as_str().map_or_else(|| value.to_json(), str::to_owned),
            None => "25%".to_owned(),
        };
        let bounds = Bounds::resolve(&bound("maxSurge"), &bound("maxUnavailable"), replicas);
        Ok(rollout::rolling(replicas, bounds, new, old))
    }

    async fn scale_set(&self, node: Node<'_>, set: &Doc, wanted: i64) -> Result<(), Status> {
        let is = number(set.root(), &["spec", "replicas"]).unwrap_or(0);
        if is != wanted {
            self.scale(set, wanted, cause(node)).await?;
            let (direction, name) = (
                if is < wanted { "up" } else { "down" },
                set.root().text_at(&["metadata", "name"]),
            );
            let message = format!("Scaled {direction} replica set {name} from {is} to {wanted}");
            self.note(node, EventType::Normal, "ScalingReplicaSet", &message);
        }
        Ok(())
    }

    async fn new_set(&self, node: Node<'_>, template: Node<'_>, hash: &str, revision: i64) -> Result<Doc, Status> {
        let mut set = Value::object();
        set.set(&["apiVersion"], "apps/v1");
        set.set(&["kind"], "ReplicaSet");
        let name = node.text_at(&["metadata", "name"]);
        set.set(&["metadata", "name"], format!("{name}-{hash}"));
        set.set(&["metadata", "namespace"], node.text_at(&["metadata", "namespace"]));
        set.set(&["metadata", "ownerReferences"], controlled_by(node));
        if let Some(labels) = template.at(&["metadata", "labels"]) {
            set.set(&["metadata", "labels"], labels);
        }
        set.set(&["metadata", "labels", HASH], hash);
        // `kubernetes.io/change-cause` and its like tell what a revision was for.
        for (key, value) in node
            .at(&["metadata", "annotations"])
            .map(Node::members)
            .into_iter()
            .flatten()
        {
            if key != LAST_APPLIED && key != Causality::ANNOTATION {
                set.set(&["metadata", "annotations", key], value);
            }
        }
        set.set(&["metadata", "annotations", REVISION], revision.to_string());
        hand_on(cause(node).as_ref(), &mut set);
        set.set(&["spec", "replicas"], 0i64);
        if let Some(seconds) = node.at(&["spec", "minReadySeconds"]) {
            set.set(&["spec", "minReadySeconds"], seconds);
        }
        set.set(&["spec", "template"], template);
        if let Some(selector) = node.at(&["spec", "selector"]) {
            set.set(&["spec", "selector"], selector);
        }
        set.set(&["spec", "selector", "matchLabels", HASH], hash);
        set.set(&["spec", "template", "metadata", "labels", HASH], hash);
        self.create(set).await
    }

    async fn set_revision(&self, object: &Doc, revision: i64) -> Result<(), Status> {
        let mut patch = Value::object();
        patch.set(&["metadata", "annotations", REVISION], revision.to_string());
        self.patch(object, "", patch).await.map(drop)
    }

    /// Writes the status; says when to look again for the progress deadline.
    async fn deployment_status(
        &self,
        deployment: &Doc,
        new: Option<&Doc>,
        old: &[Doc],
    ) -> Result<Option<Duration>, Status> {
        let node = deployment.root();
        let now = self.now();
        let replicas = number(node, &["spec", "replicas"]).unwrap_or(1);
        let of = |set: &Doc, field: &str| number(set.root(), &["status", field]).unwrap_or(0);
        let sum = |field: &str| new.map_or(0, |s| of(s, field)) + old.iter().map(|s| of(s, field)).sum::<i64>();
        let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
        let updated = new.map_or(0, |set| of(set, "replicas"));
        let updated_available = new.map_or(0, |set| of(set, "availableReplicas"));
        let complete = updated == replicas && total == replicas && updated_available == replicas;
        let mut status = Value::object();
        status.set(&["observedGeneration"], number(node, &["metadata", "generation"]));
        for (field, count) in [
            ("replicas", total),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("unavailableReplicas", (replicas.max(total) - available).max(0)),
        ] {
            status.set(&[field], count);
        }
        let bound = match node.at(&["spec", "strategy", "rollingUpdate", "maxUnavailable"]) {
            Some(value) => value.as_str().map_or_else(|| value.to_json(), str::to_owned),
            None => "25%".to_owned(),
        };
        let enough = available >= replicas - Bounds::resolve("1", &bound, replicas).unavailable;
        let minimum = if enough {
            conditioned(
                node,
                "Available",
                true,
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
                &now,
            )
        } else {
            let message = "Deployment does not have minimum availability.";
            conditioned(node, "Available", false, "MinimumReplicasUnavailable", message, &now)
        };
        let (progress, again) = self.progress(node, new, complete, (updated, updated_available, total), &now);
        let mut conditions = vec![minimum, progress];
        let failure = new.and_then(|set| condition(set.root(), "ReplicaFailure"));
        if let Some(failure) = failure.filter(|f| f.text_at(&["status"]) == "True") {
            conditions.push(failure.to_value());
        }
        status.set(&["conditions"], conditions.into_iter().collect::<Value>());
        self.set_status(deployment, status).await?;
        Ok(again)
    }

    /// The `Progressing` condition: done, moving, or over its deadline.
    fn progress(
        &self,
        node: Node<'_>,
        new: Option<&Doc>,
        complete: bool,
        (updated, updated_available, total): (i64, i64, i64),
        now: &str,
    ) -> (Value, Option<Duration>) {
        let name = new.map_or("", |set| set.root().text_at(&["metadata", "name"]));
        let old = condition(node, "Progressing");
        let since = old.map_or(now, |c| c.text_at(&["lastUpdateTime"])).to_owned();
        let with_time = |mut condition: Value, time: &str| {
            condition.set(&["lastUpdateTime"], time);
            condition
        };
        if complete {
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            let same = old.is_some_and(|c| {
                c.text_at(&["reason"]) == "NewReplicaSetAvailable" && c.text_at(&["message"]) == message
            });
            let condition = conditioned(node, "Progressing", true, "NewReplicaSetAvailable", &message, now);
            return (with_time(condition, if same { &since } else { now }), None);
        }
        let was = |field: &str| number(node, &["status", field]).unwrap_or(0);
        let first = old.is_none_or(|c| c.text_at(&["reason"]) == "NewReplicaSetAvailable");
        let moved = first
            || updated > was("updatedReplicas")
            || updated_available > was("availableReplicas")
            || total < was("replicas")
            || number(node, &["metadata", "generation"]) != number(node, &["status", "observedGeneration"]);
        let deadline =
            Duration::from_secs(number(node, &["spec", "progressDeadlineSeconds"]).unwrap_or(600).max(1) as u64);
        let start = if moved { now } else { &since };
        let due = start
            .parse::<Timestamp>()
            .ok()
            .and_then(|at| at.checked_add(SignedDuration::try_from(deadline).ok()?).ok());
        let left = due.map(|due| due.duration_since(self.clock.now()));
        if left.is_some_and(|left| !left.is_positive()) {
            let message = format!("ReplicaSet {name:?} has timed out progressing.");
            let condition = conditioned(node, "Progressing", false, "ProgressDeadlineExceeded", &message, now);
            return (with_time(condition, start), None);
        }
        let message = format!("ReplicaSet {name:?} is progressing.");
        let condition = conditioned(node, "Progressing", true, "ReplicaSetUpdated", &message, now);
        (
            with_time(condition, start),
            left.map(|left| left.unsigned_abs() + Duration::from_millis(10)),
        )
    }

    /// Deletes empty old ReplicaSets beyond the limit.
    async fn forget_old(&self, node: Node<'_>, old: &[Doc]) -> Result<(), Status> {
        let keep = number(node, &["spec", "revisionHistoryLimit"]).unwrap_or(10).max(0) as usize;
        let empty: Vec<&Doc> = old
            .iter()
            .filter(|set| {
                let zero = |path: &[&str]| number(set.root(), path).unwrap_or(0) == 0;
                zero(&["spec", "replicas"]) && zero(&["status", "replicas"])
            })
            .collect();
        for set in empty.iter().take(empty.len().saturating_sub(keep)) {
            self.remove(set, None, cause(node)).await?;
        }
        Ok(())
    }
}

/// Whether a ReplicaSet is of a template: compared by content, so that a change of hashing starts no rollout.
fn same_template(set: Node<'_>, template: Node<'_>) -> bool {
    let Some(mine) = set.at(&["spec", "template"]) else {
        return false;
    };
    let mut mine = mine.to_value();
    mine.remove(&["metadata", "labels", HASH]);
    mine.node() == template
}

fn revision(object: Node<'_>) -> i64 {
    object
        .text_at(&["metadata", "annotations", REVISION])
        .parse()
        .unwrap_or(0)
}
