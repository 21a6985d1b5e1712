//! LimitRanger: default requests and limits of containers, and the smallest and largest that a namespace allows.

use std::cmp::Ordering;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Quantity;

use super::{quantities, quantity};

fn items<'a>(range: &'a Doc, kind: &'a str) -> impl Iterator<Item = Node<'a>> {
    let limits = range
        .root()
        .at(&["spec", "limits"])
        .map(Node::items)
        .into_iter()
        .flatten();
    limits.filter(move |item| item.str_at(&["type"]) == Some(kind))
}

/// Fills in what containers leave out; says in an annotation what it set, as upstream does.
pub(crate) fn default_pod(pod: &mut Value, ranges: &[Doc]) {
    let mut said = Vec::new();
    for item in ranges.iter().flat_map(|range| items(range, "Container")) {
        for list in ["initContainers", "containers"] {
            let Some(containers) = pod.at_mut(&["spec", list]).filter(|list| list.node().is_array()) else {
                continue;
            };
            for container in containers.make_array() {
                let name = container.node().str_at(&["name"]).unwrap_or_default().to_owned();
                let mut set = Vec::new();
                for (from, to) in [("defaultRequest", "requests"), ("default", "limits")] {
                    set_missing(container, item.get(from), to, &mut set);
                }
                let what = if list == "containers" {
                    "container"
                } else {
                    "init container"
                };
                for (part, resources) in set {
                    said.push(format!("{resources} {part} for {what} {name}"));
                }
            }
        }
    }
    if !said.is_empty() {
        let text = format!("LimitRanger plugin set: {}", said.join("; "));
        pod.set(&["metadata", "annotations", "kubernetes.io/limit-ranger"], text);
    }
}

fn set_missing(container: &mut Value, defaults: Option<Node<'_>>, to: &str, said: &mut Vec<(&'static str, String)>) {
    let missing: Vec<(&str, Node<'_>)> = defaults
        .map(Node::members)
        .into_iter()
        .flatten()
        .filter(|(resource, _)| container.node().at(&["resources", to, resource]).is_none())
        .collect();
    if missing.is_empty() {
        return;
    }
    for (resource, value) in &missing {
        container.set(&["resources", to, resource], *value);
    }
    let mut names: Vec<&str> = missing.iter().map(|(resource, _)| *resource).collect();
    names.sort_unstable();
    said.push((if to == "limits" { "limit" } else { "request" }, names.join(", ")));
}

/// What of a Pod lies outside of the ranges, in upstream's sentences.
pub(crate) fn check_pod(pod: Node<'_>, ranges: &[Doc]) -> Vec<String> {
    let mut faults = Vec::new();
    let containers = |list: &'static str| pod.at(&["spec", list]).map(Node::items).into_iter().flatten();
    for item in ranges.iter().flat_map(|range| items(range, "Container")) {
        for container in containers("initContainers").chain(containers("containers")) {
            let resources = container.get("resources");
            let part = |kind: &str, name: &str| resources.and_then(|r| r.at(&[kind, name])).and_then(quantity);
            check(
                item,
                "Container",
                &|name| part("requests", name),
                &|name| part("limits", name),
                &mut faults,
            );
        }
    }
    for item in ranges.iter().flat_map(|range| items(range, "Pod")) {
        // A Pod asks for the sum of its containers; one without a value makes the sum unknown to `min` and `max`.
        let sum = |kind: &str, name: &str| {
            containers("containers")
                .filter_map(|c| c.at(&["resources", kind, name]).and_then(quantity))
                .reduce(|a, b| a + b)
        };
        check(
            item,
            "Pod",
            &|name| sum("requests", name),
            &|name| sum("limits", name),
            &mut faults,
        );
    }
    faults
}

/// What of a PersistentVolumeClaim lies outside of the ranges.
pub(crate) fn check_claim(claim: Node<'_>, ranges: &[Doc]) -> Vec<String> {
    let mut faults = Vec::new();
    let request = |name: &str| claim.at(&["spec", "resources", "requests", name]).and_then(quantity);
    for item in ranges.iter().flat_map(|range| items(range, "PersistentVolumeClaim")) {
        for (name, min) in quantities(item.get("min")) {
            at_least("PersistentVolumeClaim", name, min, request(name), &mut faults);
        }
        for (name, max) in quantities(item.get("max")) {
            if let Some(asked) = request(name).filter(|asked| *asked > max) {
                faults.push(format!(
                    "maximum {name} usage per PersistentVolumeClaim is {max}, but request is {asked}"
                ));
            }
        }
    }
    faults
}

type Part<'a> = &'a dyn Fn(&str) -> Option<Quantity>;

fn check(item: Node<'_>, what: &str, request: Part<'_>, limit: Part<'_>, faults: &mut Vec<String>) {
    for (name, min) in quantities(item.get("min")) {
        // A limit stands for the request where none is given.
        at_least(what, name, min, request(name).or_else(|| limit(name)), faults);
    }
    for (name, max) in quantities(item.get("max")) {
        match limit(name) {
            None => faults.push(format!(
                "maximum {name} usage per {what} is {max}.  No limit is specified"
            )),
            Some(limit) if limit > max => {
                faults.push(format!(
                    "maximum {name} usage per {what} is {max}, but limit is {limit}"
                ));
            }
            Some(_) => {}
        }
    }
    for (name, ratio) in quantities(item.get("maxLimitRequestRatio")) {
        let (Some(limit), Some(request)) = (limit(name), request(name)) else {
            faults.push(format!(
                "{name} max limit to request ratio per {what} is {ratio}, but no request is specified or request is 0"
            ));
            continue;
        };
        let found = limit.nano() as f64 / request.nano() as f64;
        if found.partial_cmp(&(ratio.nano() as f64 / 1e9)) == Some(Ordering::Greater) {
            faults.push(format!(
                "{name} max limit to request ratio per {what} is {ratio}, but provided ratio is {found:.6}"
            ));
        }
    }
}

fn at_least(what: &str, name: &str, min: Quantity, asked: Option<Quantity>, faults: &mut Vec<String>) {
    match asked {
        None => faults.push(format!(
            "minimum {name} usage per {what} is {min}.  No request is specified"
        )),
        Some(asked) if asked < min => {
            faults.push(format!(
                "minimum {name} usage per {what} is {min}, but request is {asked}"
            ));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::yaml;

    fn range(limits: &str) -> Vec<Doc> {
        vec![yaml(&format!("spec: {{limits: [{limits}]}}")).into_doc()]
    }

    #[test]
    fn defaults_fill_gaps_only() {
        let ranges = range("{type: Container, default: {cpu: 500m, memory: 1Gi}, defaultRequest: {cpu: 100m}}");
        let mut pod = yaml("spec: {containers: [{name: a, resources: {limits: {cpu: 2}}}, {name: b}]}");
        default_pod(&mut pod, &ranges);
        let resources = |i: usize| {
            pod.node()
                .at(&["spec", "containers"])
                .unwrap()
                .item(i)
                .unwrap()
                .get("resources")
                .unwrap()
                .to_value()
        };
        assert_eq!(
            resources(0),
            yaml("{limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 100m}}")
        );
        assert_eq!(
            resources(1),
            yaml("{requests: {cpu: 100m}, limits: {cpu: 500m, memory: 1Gi}}")
        );
        assert_eq!(
            pod.node()
                .str_at(&["metadata", "annotations", "kubernetes.io/limit-ranger"]),
            Some(
                "LimitRanger plugin set: cpu request for container a; memory limit for container a; \
                 cpu request for container b; cpu, memory limit for container b"
            )
        );
    }

    #[test]
    fn bounds_of_containers_pods_and_claims() {
        let check = |limits: &str, pod: &str, want: &[&str]| {
            assert_eq!(check_pod(yaml(pod).node(), &range(limits)), want, "{limits} {pod}");
        };
        let one = |resources: &str| format!("spec: {{containers: [{{name: a, resources: {resources}}}]}}");
        let bounds = "{type: Container, min: {cpu: 100m}, max: {cpu: 1}}";
        check(bounds, &one("{requests: {cpu: 100m}, limits: {cpu: 1}}"), &[]);
        check(bounds, &one("{limits: {cpu: 500m}}"), &[]);
        check(
            bounds,
            &one("{requests: {cpu: 50m}, limits: {cpu: 1500m}}"),
            &[
                "minimum cpu usage per Container is 100m, but request is 50m",
                "maximum cpu usage per Container is 1, but limit is 1500m",
            ],
        );
        check(
            bounds,
            &one("{}"),
            &[
                "minimum cpu usage per Container is 100m.  No request is specified",
                "maximum cpu usage per Container is 1.  No limit is specified",
            ],
        );
        check(
            "{type: Container, maxLimitRequestRatio: {cpu: 2}}",
            &one("{requests: {cpu: 100m}, limits: {cpu: 400m}}"),
            &["cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000"],
        );
        check(
            "{type: Pod, max: {memory: 1Gi}}",
            "spec: {containers: [{name: a, resources: {limits: {memory: 700Mi}}}, {name: b, resources: {limits: {memory: 700Mi}}}]}",
            &["maximum memory usage per Pod is 1Gi, but limit is 1400Mi"],
        );
        let claim = yaml("spec: {resources: {requests: {storage: 20Gi}}}");
        assert_eq!(
            check_claim(
                claim.node(),
                &range("{type: PersistentVolumeClaim, max: {storage: 10Gi}}")
            ),
            ["maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 20Gi"]
        );
    }
}
