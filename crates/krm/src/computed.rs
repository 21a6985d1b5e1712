//! Cells that no path can express: counts, summaries and states as clients print them.

mod pod;
mod storage;
mod traffic;
mod workload;

use jiff::Timestamp;
use ridgeway_doc::{Node, Value};

use crate::column::age;
use crate::duration::human_age;
use crate::labels::LabelSelector;

/// Computes a cell of an object at a time.
pub(crate) type Computed = fn(Node<'_>, Timestamp) -> Value;

/// The computed cell of a name in `data/columns.txt`.
pub(crate) fn by_name(name: &str) -> Option<Computed> {
    Some(match name {
        "pod-ready" => pod::ready,
        "pod-status" => pod::status,
        "pod-restarts" => pod::restarts,
        "readiness-gates" => pod::readiness_gates,
        "ready-of-replicas" => workload::ready_of_replicas,
        "containers" => workload::containers,
        "images" => workload::images,
        "job-template-containers" => workload::job_template_containers,
        "job-template-images" => workload::job_template_images,
        "template-containers" => workload::template_containers,
        "template-images" => workload::template_images,
        "template-labels" => workload::template_labels,
        "job-status" => workload::job_status,
        "job-completions" => workload::job_completions,
        "job-duration" => workload::job_duration,
        "suspended" => workload::suspended,
        "metric-targets" => workload::metric_targets,
        "scale-target" => workload::scale_target,
        "external-address" => traffic::external_address,
        "service-ports" => traffic::service_ports,
        "endpoints" => traffic::endpoints,
        "slice-ports" => traffic::slice_ports,
        "slice-endpoints" => traffic::slice_endpoints,
        "ingress-hosts" => traffic::ingress_hosts,
        "ingress-ports" => traffic::ingress_ports,
        "load-balancer" => traffic::load_balancer,
        "address-ranges" => traffic::address_ranges,
        "class-parameters" => traffic::class_parameters,
        "parent-reference" => traffic::parent_reference,
        "access-modes" => storage::access_modes,
        "volume-status" => storage::volume_status,
        "volume-claim" => storage::volume_claim,
        "default-class" => storage::default_class,
        "quota-requests" => storage::quota_requests,
        "quota-limits" => storage::quota_limits,
        "none" => |_, _| NONE.into(),
        "data" => |o, _| ((len(o, &["data"]) + len(o, &["binaryData"])) as i64).into(),
        "secrets" => |o, _| (len(o, &["secrets"]) as i64).into(),
        "active" => |o, _| (len(o, &["status", "active"]) as i64).into(),
        "webhooks" => |o, _| (len(o, &["webhooks"]) as i64).into(),
        "validations" => |o, _| (len(o, &["spec", "validations"]) as i64).into(),
        "mutations" => |o, _| (len(o, &["spec", "mutations"]) as i64).into(),
        "selector" => |o, _| selector(o.at(&["spec", "selector"])).into(),
        "pod-selector" => |o, _| selector(o.at(&["spec", "podSelector"])).into(),
        "plain-selector" => |o, _| labels(o.at(&["spec", "selector"])).into(),
        "node-selector" => |o, _| labels(o.at(&["spec", "template", "spec", "nodeSelector"])).into(),
        "controller" => controller,
        "node-status" => node_status,
        "node-roles" => node_roles,
        "role-reference" => {
            |o, _| format!("{}/{}", text(o, &["roleRef", "kind"]), text(o, &["roleRef", "name"])).into()
        }
        "subject-users" => |o, _| subjects(o, "User").into(),
        "subject-groups" => |o, _| subjects(o, "Group").into(),
        "subject-accounts" => |o, _| subjects(o, "ServiceAccount").into(),
        "parameter-kind" => parameter_kind,
        "parameter-reference" => parameter_reference,
        "last-seen" => last_seen,
        "first-seen" => first_seen,
        "event-object" => event_object,
        "event-source" => event_source,
        "event-message" => event_message,
        "event-count" => event_count,
        "api-service" => api_service,
        "api-available" => api_available,
        "requested-duration" => requested_duration,
        "certificate-condition" => certificate_condition,
        _ => return None,
    })
}

const NONE: &str = "<none>";

fn text<'a>(object: Node<'a>, path: &[&str]) -> &'a str {
    object.str_at(path).unwrap_or_default()
}

fn number(object: Node<'_>, path: &[&str]) -> i64 {
    object.at(path).and_then(Node::as_i64).unwrap_or(0)
}

fn len(object: Node<'_>, path: &[&str]) -> usize {
    object.at(path).map_or(0, Node::len)
}

fn items<'a>(object: Node<'a>, path: &[&str]) -> impl Iterator<Item = Node<'a>> + use<'a> {
    object.at(path).map(Node::items).into_iter().flatten()
}

fn or_none(text: String) -> String {
    if text.is_empty() { NONE.into() } else { text }
}

fn join<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    or_none(texts.collect::<Vec<_>>().join(","))
}

/// The status of a condition, if it is there.
fn condition<'a>(object: Node<'a>, ty: &str) -> Option<Node<'a>> {
    items(object, &["status", "conditions"]).find(|c| c.str_at(&["type"]) == Some(ty))
}

fn selector(node: Option<Node<'_>>) -> String {
    match LabelSelector::from_node(node) {
        Ok(selector) => or_none(selector.to_string()),
        Err(_) => "<error>".into(),
    }
}

fn labels(node: Option<Node<'_>>) -> String {
    let mut pairs: Vec<String> = node
        .map(Node::members)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    or_none(pairs.join(","))
}

fn controller(object: Node<'_>, _: Timestamp) -> Value {
    let owner = items(object, &["metadata", "ownerReferences"])
        .find(|owner| owner.get("controller").and_then(Node::as_bool) == Some(true));
    let Some(owner) = owner else { return NONE.into() };
    let kind = text(owner, &["kind"]).to_lowercase();
    let group = text(owner, &["apiVersion"]).split_once('/').map(|(group, _)| group);
    let kind = group.map_or(kind.clone(), |group| format!("{kind}.{group}"));
    format!("{kind}/{}", text(owner, &["name"])).into()
}

fn node_status(object: Node<'_>, _: Timestamp) -> Value {
    let mut status = match condition(object, "Ready").map(|c| text(c, &["status"])) {
        Some("True") => "Ready",
        Some("Unknown") | None => "Unknown",
        Some(_) => "NotReady",
    }
    .to_owned();
    if object.at(&["spec", "unschedulable"]).and_then(Node::as_bool) == Some(true) {
        status.push_str(",SchedulingDisabled");
    }
    status.into()
}

fn node_roles(object: Node<'_>, _: Timestamp) -> Value {
    let mut roles: Vec<&str> = object
        .at(&["metadata", "labels"])
        .map(Node::members)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key {
            "kubernetes.io/role" => value.as_str(),
            _ => key.strip_prefix("node-role.kubernetes.io/"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    join(roles.into_iter()).into()
}

/// Subjects of one kind; service accounts with their namespace. Empty when there are none.
fn subjects(object: Node<'_>, kind: &str) -> String {
    let names = items(object, &["subjects"])
        .filter(|s| text(*s, &["kind"]) == kind)
        .map(|subject| {
            let name = text(subject, &["name"]);
            match kind {
                "ServiceAccount" => format!("{}/{name}", text(subject, &["namespace"])),
                _ => name.to_owned(),
            }
        });
    names.collect::<Vec<_>>().join(", ")
}

fn parameter_kind(object: Node<'_>, _: Timestamp) -> Value {
    match object.at(&["spec", "paramKind"]) {
        Some(kind) => format!("{}/{}", text(kind, &["apiVersion"]), text(kind, &["kind"])).into(),
        None => "<unset>".into(),
    }
}

fn parameter_reference(object: Node<'_>, _: Timestamp) -> Value {
    match object.at(&["spec", "paramRef"]) {
        Some(reference) if !text(reference, &["name"]).is_empty() => {
            let (namespace, name) = (text(reference, &["namespace"]), text(reference, &["name"]));
            let namespace = if namespace.is_empty() { "*" } else { namespace };
            format!("{namespace}/{name}").into()
        }
        Some(reference) => selector(reference.get("selector")).into(),
        None => "<unset>".into(),
    }
}

/// Events of `v1` and `events.k8s.io/v1` name the same things differently.
fn either<'a>(object: Node<'a>, paths: [&[&str]; 2]) -> &'a str {
    paths
        .iter()
        .map(|path| text(object, path))
        .find(|t| !t.is_empty())
        .unwrap_or_default()
}

fn seen(object: Node<'_>, paths: &[&[&str]], now: Timestamp) -> Value {
    match paths.iter().map(|path| text(object, path)).find(|t| !t.is_empty()) {
        Some(time) => age(time, now).into(),
        None => "<unknown>".into(),
    }
}

fn first_seen(object: Node<'_>, now: Timestamp) -> Value {
    let paths: [&[&str]; 4] = [
        &["firstTimestamp"],
        &["deprecatedFirstTimestamp"],
        &["eventTime"],
        &["metadata", "creationTimestamp"],
    ];
    seen(object, &paths, now)
}

fn last_seen(object: Node<'_>, now: Timestamp) -> Value {
    let paths: [&[&str]; 5] = [
        &["series", "lastObservedTime"],
        &["lastTimestamp"],
        &["deprecatedLastTimestamp"],
        &["eventTime"],
        &["metadata", "creationTimestamp"],
    ];
    seen(object, &paths, now)
}

fn event_object(object: Node<'_>, _: Timestamp) -> Value {
    let kind = either(object, [&["involvedObject", "kind"], &["regarding", "kind"]]).to_lowercase();
    let name = either(object, [&["involvedObject", "name"], &["regarding", "name"]]);
    if name.is_empty() {
        kind.into()
    } else {
        format!("{kind}/{name}").into()
    }
}

fn event_source(object: Node<'_>, _: Timestamp) -> Value {
    let component = [
        text(object, &["source", "component"]),
        text(object, &["deprecatedSource", "component"]),
        either(object, [&["reportingComponent"], &["reportingController"]]),
    ]
    .into_iter()
    .find(|t| !t.is_empty());
    let host = [
        text(object, &["source", "host"]),
        text(object, &["deprecatedSource", "host"]),
        text(object, &["reportingInstance"]),
    ]
    .into_iter()
    .find(|t| !t.is_empty());
    let parts: Vec<&str> = component.into_iter().chain(host).collect();
    parts.join(", ").into()
}

fn event_message(object: Node<'_>, _: Timestamp) -> Value {
    either(object, [&["message"], &["note"]]).trim().into()
}

fn event_count(object: Node<'_>, _: Timestamp) -> Value {
    let counts = [
        number(object, &["series", "count"]),
        number(object, &["count"]),
        number(object, &["deprecatedCount"]),
    ];
    counts.into_iter().find(|n| *n > 0).unwrap_or(1).into()
}

fn api_service(object: Node<'_>, _: Timestamp) -> Value {
    match object.at(&["spec", "service"]) {
        Some(service) => format!("{}/{}", text(service, &["namespace"]), text(service, &["name"])).into(),
        None => "Local".into(),
    }
}

fn api_available(object: Node<'_>, _: Timestamp) -> Value {
    match condition(object, "Available") {
        None => "Unknown".into(),
        Some(c) if text(c, &["status"]) == "True" => "True".into(),
        Some(c) => format!("{} ({})", text(c, &["status"]), text(c, &["reason"])).into(),
    }
}

fn requested_duration(object: Node<'_>, _: Timestamp) -> Value {
    match object.at(&["spec", "expirationSeconds"]).and_then(Node::as_i64) {
        Some(seconds) => human_age(seconds).into(),
        None => NONE.into(),
    }
}

fn certificate_condition(object: Node<'_>, _: Timestamp) -> Value {
    let has = |ty| condition(object, ty).is_some();
    let mut state = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(object, &["status", "certificate"]).is_empty() {
        state.push_str(",Issued");
    }
    state.into()
}
