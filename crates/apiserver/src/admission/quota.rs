//! ResourceQuota: what an object uses, whether a quota counts it, and whether that is still within its bounds.

use std::collections::BTreeMap;

use ridgeway_doc::{Node, Value};
use ridgeway_krm::{Kind, LabelSelector, Operator, Quantity, Requirement};

use super::{quantities, quantity};

/// Amounts by the names that quotas use.
pub(crate) type Usage = BTreeMap<String, Quantity>;

fn one() -> Quantity {
    Quantity::from_units(1)
}

/// `count/deployments.apps`, `count/secrets`.
fn count_name(kind: &Kind) -> String {
    match kind.gvk.group.as_str() {
        "" => format!("count/{}", kind.plural),
        group => format!("count/{}.{group}", kind.plural),
    }
}

/// Whether a quota's `hard` has anything to do with a kind, so that others need no look at the object.
pub(crate) fn concerns(hard: Node<'_>, kind: &Kind) -> bool {
    let count = count_name(kind);
    let core = kind.gvk.group.is_empty();
    hard.members().any(|(name, _)| {
        name == count
            || core && name == kind.plural
            || core && kind.plural == "pods" && !name.contains('/') && !OBJECT_COUNTS.contains(&name)
            || core && kind.plural == "services" && name.starts_with("services.")
            || core
                && kind.plural == "persistentvolumeclaims"
                && (name.ends_with("storage") || name.ends_with("claims"))
    })
}

const OBJECT_COUNTS: [&str; 8] = [
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// What an object uses.
pub(crate) fn usage(kind: &Kind, object: Node<'_>) -> Usage {
    let mut usage = Usage::new();
    usage.insert(count_name(kind), one());
    if !kind.gvk.group.is_empty() {
        return usage;
    }
    match kind.plural.as_str() {
        "pods" => pod_usage(object, &mut usage),
        "services" => {
            usage.insert("services".into(), one());
            let ports = object.at(&["spec", "ports"]).map_or(0, Node::len) as i64;
            match object.str_at(&["spec", "type"]) {
                Some("NodePort") => {
                    usage.insert("services.nodeports".into(), Quantity::from_units(ports));
                }
                Some("LoadBalancer") => {
                    usage.insert("services.nodeports".into(), Quantity::from_units(ports));
                    usage.insert("services.loadbalancers".into(), one());
                }
                _ => {}
            }
        }
        "persistentvolumeclaims" => {
            usage.insert("persistentvolumeclaims".into(), one());
            let storage = object
                .at(&["spec", "resources", "requests", "storage"])
                .and_then(quantity);
            let class = object
                .str_at(&["spec", "storageClassName"])
                .filter(|class| !class.is_empty());
            if let Some(class) = class {
                usage.insert(
                    format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"),
                    one(),
                );
            }
            if let Some(storage) = storage {
                usage.insert("requests.storage".into(), storage);
                if let Some(class) = class {
                    usage.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), storage);
                }
            }
        }
        other if OBJECT_COUNTS.contains(&other) => {
            usage.insert(other.into(), one());
        }
        _ => {}
    }
    usage
}

/// A finished Pod uses nothing but its place among the counted objects.
fn pod_usage(pod: Node<'_>, usage: &mut Usage) {
    if matches!(pod.str_at(&["status", "phase"]), Some("Succeeded" | "Failed")) {
        return;
    }
    usage.insert("pods".into(), one());
    for (part, prefix) in [("requests", "requests."), ("limits", "limits.")] {
        for (name, amount) in pod_resources(pod, part) {
            // `cpu` is another name of `requests.cpu`.
            if part == "requests" && matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
                usage.insert(name.clone(), amount);
            }
            usage.insert(format!("{prefix}{name}"), amount);
        }
    }
}

/// The larger of all containers together and the most demanding init container, plus overhead.
fn pod_resources(pod: Node<'_>, part: &str) -> Usage {
    let list = |name: &'static str| pod.at(&["spec", name]).map(Node::items).into_iter().flatten();
    let mut sum = Usage::new();
    let add = |sum: &mut Usage, resources: Option<Node<'_>>| {
        for (name, amount) in quantities(resources) {
            let total = sum.entry(name.to_owned()).or_default();
            *total = *total + amount;
        }
    };
    list("containers").for_each(|c| add(&mut sum, c.at(&["resources", part])));
    for container in list("initContainers") {
        if container.str_at(&["restartPolicy"]) == Some("Always") {
            add(&mut sum, container.at(&["resources", part]));
            continue;
        }
        for (name, amount) in quantities(container.at(&["resources", part])) {
            let most = sum.entry(name.to_owned()).or_default();
            *most = (*most).max(amount);
        }
    }
    add(&mut sum, pod.at(&["spec", "overhead"]));
    sum
}

/// Whether a quota's scopes cover an object. Scopes are about Pods; a quota with scopes counts nothing else.
pub(crate) fn in_scope(quota: Node<'_>, kind: &Kind, object: Node<'_>) -> bool {
    let scopes = quota
        .at(&["spec", "scopes"])
        .map(Node::items)
        .into_iter()
        .flatten()
        .filter_map(Node::as_str);
    let selectors = quota
        .at(&["spec", "scopeSelector", "matchExpressions"])
        .map(Node::items)
        .into_iter()
        .flatten();
    let mut scopes = scopes.peekable();
    let mut selectors = selectors.peekable();
    if scopes.peek().is_none() && selectors.peek().is_none() {
        return true;
    }
    if !kind.gvk.group.is_empty() || kind.plural != "pods" {
        return false;
    }
    scopes.all(|scope| pod_in_scope(scope, object)) && selectors.all(|selector| selected(selector, object))
}

fn pod_in_scope(scope: &str, pod: Node<'_>) -> bool {
    let terminating = pod
        .at(&["spec", "activeDeadlineSeconds"])
        .is_some_and(|n| n.as_i64().is_some_and(|n| n >= 0));
    let best_effort = pod_resources(pod, "requests").is_empty() && pod_resources(pod, "limits").is_empty();
    match scope {
        "Terminating" => terminating,
        "NotTerminating" => !terminating,
        "BestEffort" => best_effort,
        "NotBestEffort" => !best_effort,
        "PriorityClass" => pod
            .str_at(&["spec", "priorityClassName"])
            .is_some_and(|name| !name.is_empty()),
        _ => false,
    }
}

fn selected(selector: Node<'_>, pod: Node<'_>) -> bool {
    let scope = selector.str_at(&["scopeName"]).unwrap_or_default();
    let values: Vec<String> = selector
        .get("values")
        .map(Node::items)
        .into_iter()
        .flatten()
        .filter_map(Node::as_str)
        .map(Into::into)
        .collect();
    let operator = match selector.str_at(&["operator"]) {
        Some("In") => Operator::In,
        Some("NotIn") => Operator::NotIn,
        Some("DoesNotExist") => return !pod_in_scope(scope, pod),
        _ => return pod_in_scope(scope, pod),
    };
    // Only priority classes have values to choose from.
    let class = pod
        .str_at(&["spec", "priorityClassName"])
        .filter(|name| !name.is_empty());
    let requirement = Requirement {
        key: "priority".into(),
        operator,
        values,
    };
    LabelSelector::of(vec![requirement]).is_ok_and(|selector| selector.matches_with(|_| class))
}

/// What `used` becomes when an object changes, or why it may not: `exceeded quota: …`, `failed quota: …`.
///
/// `before` is what the object used until now.
pub(crate) fn charge(
    quota: &str,
    hard: Node<'_>,
    used: &Usage,
    before: &Usage,
    after: &Usage,
    pod: bool,
) -> Result<Usage, String> {
    let mut next = used.clone();
    let (mut missing, mut exceeded) = (Vec::new(), Vec::new());
    for (name, bound) in quantities(Some(hard)) {
        let had = before.get(name).copied().unwrap_or_default();
        let has = after.get(name).copied().unwrap_or_default();
        let total = used.get(name).copied().unwrap_or_default();
        // A Pod that says nothing about a bounded resource cannot be counted.
        let must_say = pod
            && after.contains_key("pods")
            && !after.contains_key(name)
            && (name.starts_with("requests.") && name != "requests.storage"
                || name.starts_with("limits.")
                || matches!(name, "cpu" | "memory" | "ephemeral-storage"));
        if must_say {
            missing.push(name.to_owned());
            continue;
        }
        if had == has {
            continue;
        }
        let new_total = total + has - had;
        if has > had && new_total > bound {
            exceeded.push((name.to_owned(), has - had, total, bound));
        }
        next.insert(name.to_owned(), new_total);
    }
    if !missing.is_empty() {
        missing.sort();
        return Err(format!(
            "failed quota: {quota}: must specify {}; set it on each container, or let a LimitRange give a default",
            missing.join(",")
        ));
    }
    if !exceeded.is_empty() {
        exceeded.sort();
        let list = |part: fn(&(String, Quantity, Quantity, Quantity)) -> Quantity| {
            exceeded
                .iter()
                .map(|e| format!("{}={}", e.0, part(e)))
                .collect::<Vec<_>>()
                .join(",")
        };
        return Err(format!(
            "exceeded quota: {quota}, requested: {}, used: {}, limited: {}",
            list(|e| e.1),
            list(|e| e.2),
            list(|e| e.3)
        ));
    }
    Ok(next)
}

/// Adds up, for the names that a quota bounds.
pub(crate) fn add(hard: Node<'_>, total: &mut Usage, usage: &Usage) {
    for (name, _) in hard.members() {
        if let Some(amount) = usage.get(name) {
            let sum = total.entry(name.to_owned()).or_default();
            *sum = *sum + *amount;
        }
    }
}

/// `status` of a quota: every bounded name with what is used of it.
pub(crate) fn status(hard: Node<'_>, used: &Usage) -> Value {
    let mut status = Value::object();
    status.set(&["hard"], hard);
    status.set(&["used"], Value::object());
    for (name, _) in hard.members() {
        status.set(&["used", name], used.get(name).copied().unwrap_or_default().to_string());
    }
    status
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ridgeway_krm::{Gvk, KindTable};

    use super::*;
    use crate::testing::yaml;

    fn kind(group: &str, kind: &str) -> Arc<Kind> {
        KindTable::builtin().get(&Gvk::new(group, "v1", kind)).unwrap()
    }

    fn shown(usage: &Usage) -> String {
        usage
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_objects_use() {
        let check = |group: &str, name: &str, object: &str, want: &str| {
            assert_eq!(shown(&usage(&kind(group, name), yaml(object).node())), want, "{object}");
        };
        check("", "ConfigMap", "{}", "configmaps=1 count/configmaps=1");
        check("apps", "Deployment", "{}", "count/deployments.apps=1");
        check(
            "",
            "Service",
            "spec: {type: LoadBalancer, ports: [{}, {}]}",
            "count/services=1 services=1 services.loadbalancers=1 services.nodeports=2",
        );
        check(
            "",
            "Pod",
            "spec: {containers: [{resources: {requests: {cpu: 1}}}, {resources: {requests: {cpu: 500m}, limits: {cpu: 2}}}], \
             initContainers: [{resources: {requests: {cpu: 2}}}]}",
            "count/pods=1 cpu=2 limits.cpu=2 pods=1 requests.cpu=2",
        );
        check("", "Pod", "status: {phase: Failed}", "count/pods=1");
    }

    #[test]
    fn charging() {
        let hard = yaml("{pods: 2, requests.cpu: 1}");
        let amounts = |text: &str| {
            quantities(Some(yaml(text).node()))
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<Usage>()
        };
        let used = amounts("{pods: 1, requests.cpu: 800m}");
        let charge = |after: &str| {
            charge("q", hard.node(), &used, &Usage::new(), &amounts(after), true).map(|usage| shown(&usage))
        };
        assert_eq!(
            charge("{pods: 1, requests.cpu: 200m}").unwrap(),
            "pods=2 requests.cpu=1"
        );
        assert_eq!(
            charge("{pods: 1, requests.cpu: 300m}").unwrap_err(),
            "exceeded quota: q, requested: requests.cpu=300m, used: requests.cpu=800m, limited: requests.cpu=1"
        );
        assert!(
            charge("{pods: 1}")
                .unwrap_err()
                .starts_with("failed quota: q: must specify requests.cpu")
        );
    }

    #[test]
    fn scopes() {
        let pods = kind("", "Pod");
        let check = |spec: &str, pod: &str| {
            in_scope(
                yaml(&format!("spec: {spec}")).node(),
                &pods,
                yaml(&format!("spec: {pod}")).node(),
            )
        };
        assert!(check("{}", "{}"));
        assert!(check("{scopes: [BestEffort, NotTerminating]}", "{containers: [{}]}"));
        assert!(!check(
            "{scopes: [BestEffort]}",
            "{containers: [{resources: {limits: {cpu: 1}}}]}"
        ));
        let high = "{scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [high]}]}}";
        assert!(check(high, "{priorityClassName: high}"));
        assert!(!check(high, "{priorityClassName: low}"));
        assert!(!in_scope(
            yaml("spec: {scopes: [BestEffort]}").node(),
            &kind("", "Secret"),
            yaml("{}").node()
        ));
    }

    #[test]
    fn which_kinds_a_quota_concerns() {
        let check = |hard: &str, group: &str, name: &str| concerns(yaml(hard).node(), &kind(group, name));
        assert!(check("{requests.cpu: 1}", "", "Pod"));
        assert!(!check("{requests.cpu: 1}", "", "ConfigMap"));
        assert!(!check("{secrets: 1}", "", "Pod"));
        assert!(check("{count/deployments.apps: 1}", "apps", "Deployment"));
        assert!(check("{services.nodeports: 1}", "", "Service"));
    }
}
