//! Jobs: Pods that end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{EventType, Status};
use ridgeway_doc::{Doc, Node, Value};

use crate::access::cause;
use crate::kubelet::serves;
use crate::object::{active, condition, conditioned, holds, number, pod_of};
use crate::{Nodes, Worked};

impl Nodes {
    pub(crate) async fn job(&self, job: &Doc) -> Result<Option<Duration>, Status> {
        let node = job.root();
        if holds(node, "Complete") || holds(node, "Failed") {
            return self.expire(job).await;
        }
        let Some(template) = node.at(&["spec", "template"]) else {
            return Ok(None);
        };
        let suspended = node.at(&["spec", "suspend"]).and_then(Node::as_bool) == Some(true);
        let completions = number(node, &["spec", "completions"]).unwrap_or(1);
        let parallelism = number(node, &["spec", "parallelism"]).unwrap_or(1).max(0);
        let limit = number(node, &["spec", "backoffLimit"]).unwrap_or(6);
        let pods = self.owned(Worked::Pod, node).await?;
        let phase = |wanted: &str| {
            pods.iter()
                .filter(|pod| pod.root().text_at(&["status", "phase"]) == wanted)
                .count() as i64
        };
        let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
        // With `OnFailure` the node restarts the container in place; those restarts count too.
        let restarts: i64 = pods
            .iter()
            .flat_map(|pod| {
                pod.root()
                    .at(&["status", "containerStatuses"])
                    .map(Node::items)
                    .into_iter()
                    .flatten()
            })
            .filter_map(|status| number(status, &["restartCount"]))
            .sum();
        let running: Vec<&Doc> = pods.iter().filter(|pod| active(pod.root())).collect();
        let done = succeeded >= completions;
        let started = node.text_at(&["status", "startTime"]).parse::<Timestamp>().ok();
        let deadline = number(node, &["spec", "activeDeadlineSeconds"]).filter(|_| !suspended);
        let left = deadline.map(|seconds| {
            let ran = started.map_or(SignedDuration::ZERO, |at| self.clock.now().duration_since(at));
            SignedDuration::from_secs(seconds) - ran
        });
        let late = left.is_some_and(|left| !left.is_positive());
        let over = failed + restarts > limit || late;
        let ready = pods.iter().filter(|pod| serves(pod.root())).count() as i64;
        let mut live = running.len() as i64;
        if !done && !over && !suspended {
            let wanted = parallelism.min(completions - succeeded);
            while live < wanted {
                let mut pod = pod_of(template, node);
                pod.set(
                    &["metadata", "generateName"],
                    format!("{}-", node.text_at(&["metadata", "name"])),
                );
                self.create(pod).await?;
                live += 1;
            }
        } else {
            for pod in running {
                self.remove(pod, None, cause(node)).await?;
            }
            live = 0;
        }
        let now = self.now();
        let mut status = Value::object();
        for (field, value) in [
            ("active", live),
            ("succeeded", succeeded),
            ("failed", failed),
            ("ready", if live > 0 { ready } else { 0 }),
        ] {
            status.set(&[field], value);
        }
        if node.text_at(&["status", "startTime"]).is_empty() && !suspended {
            status.set(&["startTime"], now.as_str());
        }
        let mut conditions = Vec::new();
        if suspended {
            conditions.push(conditioned(
                node,
                "Suspended",
                true,
                "JobSuspended",
                "Job suspended",
                &now,
            ));
        } else if done {
            status.set(&["completionTime"], now.as_str());
            let message = "Reached expected number of succeeded pods";
            conditions.push(conditioned(node, "Complete", true, "CompletionsReached", message, &now));
        } else if over {
            let (reason, message) = if late {
                ("DeadlineExceeded", "Job was active longer than specified deadline")
            } else {
                ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
            };
            self.note(node, EventType::Warning, reason, message);
            conditions.push(conditioned(node, "Failed", true, reason, message, &now));
        }
        status.set(&["conditions"], conditions.into_iter().collect::<Value>());
        self.set_status(job, status).await?;
        Ok(left
            .filter(|left| left.is_positive())
            .map(|left| left.unsigned_abs() + Duration::from_millis(20)))
    }

    /// A finished job goes when its `ttlSecondsAfterFinished` is over.
    async fn expire(&self, job: &Doc) -> Result<Option<Duration>, Status> {
        let node = job.root();
        let Some(ttl) = number(node, &["spec", "ttlSecondsAfterFinished"]) else {
            return Ok(None);
        };
        let failed = condition(node, "Failed").map(|c| c.text_at(&["lastTransitionTime"]));
        let ended = node
            .str_at(&["status", "completionTime"])
            .or(failed)
            .unwrap_or_default();
        let Ok(ended) = ended.parse::<Timestamp>() else {
            return Ok(None);
        };
        let left = SignedDuration::from_secs(ttl) - self.clock.now().duration_since(ended);
        if left.is_positive() {
            return Ok(Some(left.unsigned_abs() + Duration::from_millis(20)));
        }
        self.remove(job, None, None).await.map(|()| None)
    }
}
