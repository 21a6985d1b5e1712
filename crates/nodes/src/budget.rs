//! Disruption budgets: how many Pods may be taken away at present.

use std::collections::BTreeMap;
use std::time::Duration;

use ridgeway_cluster::{ListOptions, Status};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::LabelSelector;

use crate::kubelet::serves;
use crate::object::{active, conditioned, number, owner};
use crate::{Nodes, Worked};

/// Which Pods a budget is about. An empty selector is about all of a namespace, none about none.
pub(crate) fn selector(budget: &Doc) -> Option<LabelSelector> {
    LabelSelector::from_node(budget.root().at(&["spec", "selector"])).ok()
}

/// What a budget comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    expected: i64,
    desired: i64,
    healthy: i64,
    allowed: i64,
}

/// A count, or a share of `whole`; shares are rounded up.
fn count_of(value: Node<'_>, whole: i64) -> Option<i64> {
    if let Some(count) = value.as_i64() {
        return Some(count);
    }
    let percent: i64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    Some((whole.saturating_mul(percent).saturating_add(99)) / 100)
}

/// `pods` there are, `healthy` of them serve, and their workloads ask for `scale`.
fn reckon(spec: Option<Node<'_>>, pods: i64, healthy: i64, scale: i64) -> Budget {
    let part = |name: &str| spec.and_then(|spec| spec.get(name)).filter(|value| !value.is_null());
    let (expected, desired) = match (part("maxUnavailable"), part("minAvailable")) {
        (Some(max), _) => (scale, scale - count_of(max, scale).unwrap_or(0)),
        (None, Some(min)) if min.as_i64().is_some() => (pods, min.as_i64().unwrap_or(0)),
        (None, Some(min)) => (scale, count_of(min, scale).unwrap_or(scale)),
        (None, None) => (pods, 1),
    };
    let desired = desired.max(0);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    Budget {
        expected,
        desired,
        healthy,
        allowed,
    }
}

impl Nodes {
    /// A disruption budget: its status.
    pub(crate) async fn budget(&self, budget: &Doc) -> Result<Option<Duration>, Status> {
        let node = budget.root();
        let Some(selector) = selector(budget) else {
            return Ok(None);
        };
        let namespace = node.text_at(&["metadata", "namespace"]);
        let options = ListOptions {
            labels: selector.to_string(),
            ..ListOptions::default()
        };
        let listed = self
            .cluster
            .list(&Worked::Pod.gvk(), Some(namespace), &options)
            .await?
            .items;
        // Selectors that match nothing have no text of their own.
        let pods: Vec<Node<'_>> = listed
            .iter()
            .map(Doc::root)
            .filter(|pod| active(*pod) && selector.matches(pod.at(&["metadata", "labels"])))
            .collect();
        let healthy = pods.iter().filter(|pod| serves(**pod)).count() as i64;
        let scale = self.scale_of(namespace, &pods).await?;
        let reckoned = reckon(node.get("spec"), pods.len() as i64, healthy, scale);
        let mut status = Value::object();
        status.set(&["observedGeneration"], number(node, &["metadata", "generation"]));
        for (field, count) in [
            ("expectedPods", reckoned.expected),
            ("desiredHealthy", reckoned.desired),
            ("currentHealthy", reckoned.healthy),
            ("disruptionsAllowed", reckoned.allowed),
        ] {
            status.set(&[field], count);
        }
        let (allowed, reason) = match reckoned.allowed {
            0 => (false, "InsufficientPods"),
            _ => (true, "SufficientPods"),
        };
        let condition = conditioned(node, "DisruptionAllowed", allowed, reason, "", &self.now());
        status.set(&["conditions"], [condition].into_iter().collect::<Value>());
        self.set_status(budget, status).await?;
        Ok(None)
    }

    /// How many Pods the workloads behind these ask for; Pods without one count for themselves.
    async fn scale_of(&self, namespace: &str, pods: &[Node<'_>]) -> Result<i64, Status> {
        let mut scales: BTreeMap<String, i64> = BTreeMap::new();
        let mut alone = 0;
        for pod in pods {
            let set = owner(*pod)
                .map(|owner| (owner.text_at(&["kind"]), owner.text_at(&["name"])))
                .and_then(|(kind, name)| Some((Worked::by_kind(kind)?, name)))
                .filter(|(kind, _)| matches!(kind, Worked::ReplicaSet | Worked::StatefulSet));
            let Some((kind, name)) = set else {
                alone += 1;
                continue;
            };
            let Some(set) = self.find(&kind.gvk(), namespace, name).await? else {
                continue;
            };
            let above = owner(set.root()).filter(|owner| owner.text_at(&["kind"]) == "Deployment");
            let workload = match above {
                Some(above) => {
                    self.find(&Worked::Deployment.gvk(), namespace, above.text_at(&["name"]))
                        .await?
                }
                None => Some(set),
            };
            if let Some(workload) = workload {
                let uid = workload.root().text_at(&["metadata", "uid"]).to_owned();
                let replicas = number(workload.root(), &["spec", "replicas"]).unwrap_or(1);
                scales.insert(uid, replicas);
            }
        }
        Ok(scales.values().sum::<i64>() + alone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_reckoned_as_kubernetes_does() {
        for (spec, (pods, healthy, scale), (expected, desired, allowed)) in [
            ("{minAvailable: 2}", (3, 3, 3), (3, 2, 1)),
            ("{minAvailable: 2}", (3, 1, 3), (3, 2, 0)),
            ("{minAvailable: 50%}", (3, 3, 3), (3, 2, 1)),
            ("{minAvailable: '100%'}", (4, 4, 3), (3, 3, 1)),
            ("{maxUnavailable: 1}", (4, 4, 3), (3, 2, 2)),
            ("{maxUnavailable: 25%}", (3, 3, 3), (3, 2, 1)),
            ("{maxUnavailable: 5}", (3, 0, 3), (3, 0, 0)),
            ("{minAvailable: 0}", (0, 0, 0), (0, 0, 0)),
            ("{}", (2, 2, 2), (2, 1, 1)),
        ] {
            let doc = ridgeway_doc::parse_yaml(&format!("spec: {spec}")).unwrap().remove(0);
            let budget = reckon(doc.root().get("spec"), pods, healthy, scale);
            assert_eq!(
                (budget.expected, budget.desired, budget.allowed),
                (expected, desired, allowed),
                "{spec} {pods} {healthy} {scale}"
            );
        }
    }
}
