//! Where Pods go: which nodes take a Pod, which of them is best, and why none does.
//!
//! Pure but for the small record of what lies where. Considered are: cordons, taints, node selectors, required node
//! affinity, CPU, memory and the number of Pods. Not considered: affinity between Pods and topology spread.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{LabelSelector, Operator, Quantity, Requirement};

use crate::object::active;

/// What a Pod asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// CPU in thousandths.
    pub cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
}

impl Requests {
    /// The sum over a Pod's containers; limits stand in for missing requests.
    pub fn of(pod: Node<'_>) -> Requests {
        let containers = pod.at(&["spec", "containers"]).map(Node::items).into_iter().flatten();
        containers.fold(Requests::default(), |sum, container| {
            let ask = |resource: &str| {
                let asked = container.at(&["resources", "requests", resource]);
                quantity(asked.or_else(|| container.at(&["resources", "limits", resource])))
            };
            Requests {
                cpu: sum.cpu.saturating_add(ask("cpu").milli()),
                memory: sum.memory.saturating_add(ask("memory").units()),
            }
        })
    }
}

fn quantity(node: Option<Node<'_>>) -> Quantity {
    let text = node.map(|n| n.as_str().map_or_else(|| n.to_json(), str::to_owned));
    text.and_then(|t| Quantity::parse(&t).ok()).unwrap_or_default()
}

/// A node with what lies on it already.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The Node object.
    pub node: Node<'a>,
    /// What its Pods ask for.
    pub used: Requests,
    /// How many Pods it has.
    pub pods: i64,
}

/// Chooses a node, the emptiest of those that take the Pod; else says why none does, as Kubernetes words it.
pub fn place<'a>(pod: Node<'_>, candidates: &[Candidate<'a>]) -> Result<&'a str, String> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(&Candidate<'a>, &'a str)> = None;
    for candidate in candidates {
        let name = candidate.node.text_at(&["metadata", "name"]);
        match refusal(pod, candidate) {
            Some(reason) => *reasons.entry(reason).or_default() += 1,
            None if best.is_none_or(|(b, at)| (candidate.pods, name) < (b.pods, at)) => best = Some((candidate, name)),
            None => {}
        }
    }
    if let Some((_, name)) = best {
        return Ok(name);
    }
    let total = candidates.len();
    if total == 0 {
        return Err("no nodes available to schedule pods".into());
    }
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    Err(format!("0/{total} nodes are available: {}.", reasons.join(", ")))
}

/// Whether a node takes the Pods of a DaemonSet: cordons do not count for them.
pub fn takes_daemon(pod: Node<'_>, node: Node<'_>) -> bool {
    let cordoned = |taint: &Node<'_>| taint.text_at(&["key"]) == "node.kubernetes.io/unschedulable";
    matches_node(pod, node) && taints(node).filter(|t| !cordoned(t)).all(|taint| tolerated(pod, taint))
}

fn refusal(pod: Node<'_>, candidate: &Candidate<'_>) -> Option<String> {
    let node = candidate.node;
    if node.at(&["spec", "unschedulable"]).and_then(Node::as_bool) == Some(true) {
        return Some("node(s) were unschedulable".into());
    }
    if node.at(&["metadata", "deletionTimestamp"]).is_some() || !crate::object::holds(node, "Ready") {
        return Some("node(s) were not ready".into());
    }
    if let Some(taint) = taints(node).find(|taint| !tolerated(pod, *taint)) {
        let (key, value) = (taint.text_at(&["key"]), taint.text_at(&["value"]));
        return Some(format!("node(s) had untolerated taint {{{key}: {value}}}"));
    }
    if !matches_node(pod, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".into());
    }
    let wanted = Requests::of(pod);
    let has = |resource: &str| quantity(node.at(&["status", "allocatable", resource]));
    if candidate.pods >= has("pods").units() {
        return Some("Too many pods".into());
    }
    if wanted.cpu > 0 && candidate.used.cpu.saturating_add(wanted.cpu) > has("cpu").milli() {
        return Some("Insufficient cpu".into());
    }
    if wanted.memory > 0 && candidate.used.memory.saturating_add(wanted.memory) > has("memory").units() {
        return Some("Insufficient memory".into());
    }
    None
}

fn taints(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let all = node.at(&["spec", "taints"]).map(Node::items).into_iter().flatten();
    all.filter(|taint| taint.text_at(&["effect"]) != "PreferNoSchedule")
}

fn tolerated(pod: Node<'_>, taint: Node<'_>) -> bool {
    let mut tolerations = pod.at(&["spec", "tolerations"]).map(Node::items).into_iter().flatten();
    tolerations.any(|toleration| {
        let of = |key: &str| toleration.text_at(&[key]);
        let effect = of("effect").is_empty() || of("effect") == taint.text_at(&["effect"]);
        let key = of("key") == taint.text_at(&["key"]) || (of("key").is_empty() && of("operator") == "Exists");
        effect && key && (of("operator") == "Exists" || of("value") == taint.text_at(&["value"]))
    })
}

fn matches_node(pod: Node<'_>, node: Node<'_>) -> bool {
    let labels = node.at(&["metadata", "labels"]);
    let plain = match pod.at(&["spec", "nodeSelector"]) {
        Some(selector) => LabelSelector::from_map(selector).is_ok_and(|s| s.matches(labels)),
        None => true,
    };
    let required = pod.at(&[
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
    ]);
    plain
        && required.is_none_or(|required| {
            let terms = required.get("nodeSelectorTerms").map(Node::items);
            terms.into_iter().flatten().any(|term| {
                let by_label = requirements(term.get("matchExpressions"));
                let by_field = requirements(term.get("matchFields"));
                let some = term
                    .get("matchExpressions")
                    .or_else(|| term.get("matchFields"))
                    .is_some();
                let name = node.text_at(&["metadata", "name"]);
                some && by_label.is_some_and(|s| s.matches(labels))
                    && by_field.is_some_and(|s| s.matches_with(|key| (key == "metadata.name").then_some(name)))
            })
        })
}

fn requirements(expressions: Option<Node<'_>>) -> Option<LabelSelector> {
    let expressions = expressions.map(Node::items).into_iter().flatten();
    let all: Option<Vec<Requirement>> = expressions
        .map(|expression| {
            let operator = match expression.text_at(&["operator"]) {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                "Gt" => Operator::GreaterThan,
                "Lt" => Operator::LessThan,
                _ => return None,
            };
            let values = expression.get("values").map(Node::items).into_iter().flatten();
            Some(Requirement {
                key: expression.text_at(&["key"]).into(),
                operator,
                values: values.filter_map(Node::as_str).map(Into::into).collect(),
            })
        })
        .collect();
    LabelSelector::of(all?).ok()
}

type PodKey = (String, String);

/// What lies where, fed by watches; a choice counts from the moment it is made.
#[derive(Default)]
pub(crate) struct Scheduler(Mutex<State>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<String, Doc>,
    placed: HashMap<PodKey, (String, Requests)>,
    waiting: HashSet<PodKey>,
}

impl Scheduler {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node came, changed or went.
    pub(crate) fn see_node(&self, name: &str, node: Option<&Doc>) {
        let mut state = self.state();
        match node {
            Some(node) => drop(state.nodes.insert(name.into(), node.clone())),
            None => drop(state.nodes.remove(name)),
        }
    }

    /// A Pod came, changed or went; says whether it gave room back.
    pub(crate) fn see_pod(&self, key: &PodKey, pod: Option<&Doc>) -> bool {
        let mut state = self.state();
        match pod.map(Doc::root) {
            Some(pod) if !pod.text_at(&["spec", "nodeName"]).is_empty() && active(pod) => {
                let node = pod.text_at(&["spec", "nodeName"]).to_owned();
                state.placed.insert(key.clone(), (node, Requests::of(pod)));
                state.waiting.remove(key);
                false
            }
            Some(pod) if active(pod) => false,
            _ => {
                state.waiting.remove(key);
                state.placed.remove(key).is_some()
            }
        }
    }

    /// Chooses a node for a Pod and counts it there; a Pod without a place waits.
    pub(crate) fn choose(&self, key: &PodKey, pod: Node<'_>) -> Result<String, String> {
        let mut state = self.state();
        let mut load: HashMap<&str, (Requests, i64)> = HashMap::new();
        for (node, requests) in state.placed.values() {
            let (used, pods) = load.entry(node).or_default();
            used.cpu = used.cpu.saturating_add(requests.cpu);
            used.memory = used.memory.saturating_add(requests.memory);
            *pods += 1;
        }
        let candidates: Vec<Candidate<'_>> = state
            .nodes
            .iter()
            .map(|(name, node)| {
                let (used, pods) = load.get(name.as_str()).copied().unwrap_or_default();
                Candidate {
                    node: node.root(),
                    used,
                    pods,
                }
            })
            .collect();
        match place(pod, &candidates).map(str::to_owned) {
            Ok(node) => {
                state.placed.insert(key.clone(), (node.clone(), Requests::of(pod)));
                state.waiting.remove(key);
                Ok(node)
            }
            Err(why) => {
                state.waiting.insert(key.clone());
                Err(why)
            }
        }
    }

    /// The Pods that wait for a place.
    pub(crate) fn waiting(&self) -> Vec<PodKey> {
        self.state().waiting.iter().cloned().collect()
    }

    /// Whether a node is there.
    pub(crate) fn knows(&self, node: &str) -> bool {
        self.state().nodes.contains_key(node)
    }

    /// The nodes that take a DaemonSet's Pods.
    pub(crate) fn daemon_nodes(&self, pod: Node<'_>) -> Vec<String> {
        let state = self.state();
        let takes = |(_, node): &(&String, &Doc)| takes_daemon(pod, node.root());
        state.nodes.iter().filter(takes).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn doc(yaml: &str) -> Doc {
        parse_yaml(yaml).unwrap().remove(0)
    }

    const READY: &str =
        "status: {conditions: [{type: Ready, status: 'True'}], allocatable: {cpu: '1', memory: 1Gi, pods: '3'}}";

    #[test]
    fn places_pods_where_they_fit() {
        let nodes: Vec<Doc> = [
            format!("{{metadata: {{name: a, labels: {{disk: ssd, zone: '1'}}}}, {READY}}}"),
            format!("{{metadata: {{name: b, labels: {{disk: hdd, zone: '2'}}}}, {READY}}}"),
            format!(
                "{{metadata: {{name: c}}, spec: {{taints: [{{key: gpu, value: x, effect: NoSchedule}}]}}, {READY}}}"
            ),
            format!("{{metadata: {{name: d}}, spec: {{unschedulable: true}}, {READY}}}"),
        ]
        .iter()
        .map(|yaml| doc(yaml))
        .collect();
        let candidates: Vec<Candidate<'_>> = nodes
            .iter()
            .zip([2, 0, 1, 0])
            .map(|(node, pods)| Candidate {
                node: node.root(),
                used: Requests {
                    cpu: if pods == 0 { 500 } else { 0 },
                    memory: 0,
                },
                pods,
            })
            .collect();
        let affinity = |key: &str, operator: &str, values: &str| {
            format!(
                "{{spec: {{affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: \
                 {{nodeSelectorTerms: [{{matchExpressions: [{{key: {key}, operator: {operator}, values: {values}}}]}}]}}}}}}}}}}"
            )
        };
        for (pod, want) in [
            ("spec: {}".to_owned(), Ok("b")),
            ("spec: {nodeSelector: {disk: ssd}}".into(), Ok("a")),
            (
                "spec: {tolerations: [{key: gpu, operator: Exists}], nodeSelector: {}}".into(),
                Ok("b"),
            ),
            (
                "spec: {containers: [{resources: {requests: {cpu: 600m}}}]}".into(),
                Ok("a"),
            ),
            (affinity("zone", "Gt", "['1']"), Ok("b")),
            (affinity("disk", "NotIn", "[hdd]"), Ok("a")),
            (
                "spec: {containers: [{resources: {requests: {cpu: 2}}}]}".into(),
                Err(
                    "0/4 nodes are available: 2 Insufficient cpu, 1 node(s) had untolerated taint {gpu: x}, \
                     1 node(s) were unschedulable.",
                ),
            ),
            (
                "spec: {nodeSelector: {disk: tape}}".into(),
                Err(
                    "0/4 nodes are available: 2 node(s) didn't match Pod's node affinity/selector, \
                     1 node(s) had untolerated taint {gpu: x}, 1 node(s) were unschedulable.",
                ),
            ),
        ] {
            let pod_doc = doc(&pod);
            assert_eq!(place(pod_doc.root(), &candidates), want.map_err(str::to_owned), "{pod}");
        }
        let daemon = doc("spec: {tolerations: [{operator: Exists}]}");
        assert!(takes_daemon(daemon.root(), nodes[2].root()) && takes_daemon(daemon.root(), nodes[3].root()));
        assert!(!takes_daemon(doc("spec: {}").root(), nodes[2].root()));
    }
}
