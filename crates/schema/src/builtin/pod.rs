//! Pods and the templates that make them.

use std::collections::HashSet;

use ridgeway_doc::{Node, Value};

use super::{Report, quantity};
use crate::path::Path;
use crate::violation::{Fault, Violation};

/// A Pod of its own.
pub(super) fn pod(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("spec");
    let Some(pod_spec) = object.get("spec") else {
        report.required(&path.field("containers"), "");
        return;
    };
    spec(report, &path, pod_spec, &[]);
    if let Some(old) = old.and_then(|o| o.get("spec")) {
        unchanged(report, &path, pod_spec, old);
    }
}

/// The template of a workload. `claims` are volumes that the workload gives its Pods.
pub(super) fn template<'a>(report: &mut Report, path: &Path<'_>, template: Option<Node<'a>>, claims: &[&'a str]) {
    let spec_path = path.field("spec");
    let Some(template) = template else { return };
    match template.get("spec") {
        Some(pod_spec) => spec(report, &spec_path, pod_spec, claims),
        None => report.required(&spec_path.field("containers"), ""),
    }
    if let Some(labels) = template.at(&["metadata", "labels"]) {
        report.labels(&path.field("metadata").field("labels"), labels);
    }
}

/// A Pod spec.
fn spec<'a>(report: &mut Report, path: &Path<'_>, spec: Node<'a>, claims: &[&'a str]) {
    report.one_of(
        &path.field("restartPolicy"),
        spec.get("restartPolicy"),
        &["Always", "OnFailure", "Never"],
    );
    report.one_of(
        &path.field("dnsPolicy"),
        spec.get("dnsPolicy"),
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
    );
    report.non_negative(
        &path.field("terminationGracePeriodSeconds"),
        spec.get("terminationGracePeriodSeconds"),
    );
    report.positive(&path.field("activeDeadlineSeconds"), spec.get("activeDeadlineSeconds"));
    if let Some(selector) = spec.get("nodeSelector") {
        report.labels(&path.field("nodeSelector"), selector);
    }
    if let Some(name) = spec.get("serviceAccountName").filter(|n| n.as_str() != Some(""))
        && let Some(text) = name.as_str()
        && let Err(why) = ridgeway_krm::validate_subdomain(text)
    {
        report.invalid(&path.field("serviceAccountName"), name, why);
    }
    let mut volumes = volumes(report, &path.field("volumes"), spec.get("volumes"));
    volumes.extend(claims);
    let containers = path.field("containers");
    let list = spec.get("containers");
    if list.is_some_and(|c| c.is_array() && c.is_empty()) {
        report.required(&containers, "");
    }
    let mut names = HashSet::new();
    let init = path.field("initContainers");
    for (path, list) in [(&containers, list), (&init, spec.get("initContainers"))] {
        for (i, item) in list.map(Node::items).into_iter().flatten().enumerate() {
            let path = path.index(i);
            container(report, &path, item, &volumes);
            if let Some(name) = item.get("name")
                && !names.insert(name.as_str().unwrap_or_default())
            {
                report.duplicate(&path.field("name"), name);
            }
        }
    }
    host_ports(report, &containers, list);
}

/// The names of the volumes, each checked.
fn volumes<'a>(report: &mut Report, path: &Path<'_>, volumes: Option<Node<'a>>) -> HashSet<&'a str> {
    let mut names = HashSet::new();
    for (i, volume) in volumes.map(Node::items).into_iter().flatten().enumerate() {
        let path = path.index(i);
        match volume.get("name") {
            Some(name) if name.as_str() != Some("") => {
                report.label(&path.field("name"), name);
                if !names.insert(name.as_str().unwrap_or_default()) {
                    report.duplicate(&path.field("name"), name);
                }
            }
            name => report.not_empty(&path.field("name"), name),
        }
        let mut sources = volume
            .members()
            .filter(|(key, value)| *key != "name" && !value.is_null());
        if sources.next().is_some()
            && let Some((second, _)) = sources.next()
        {
            report.forbidden(&path.field(second), "may not specify more than 1 volume type");
        }
        for (kind, field) in [
            ("secret", "secretName"),
            ("persistentVolumeClaim", "claimName"),
            ("hostPath", "path"),
        ] {
            if let Some(source) = volume.get(kind).filter(|s| s.is_object()) {
                let field_path = path.field(kind);
                if kind == "secret" {
                    report.required_text(&field_path.field(field), source.get(field));
                } else {
                    report.not_empty(&field_path.field(field), source.get(field));
                }
            }
        }
    }
    names
}

fn container(report: &mut Report, path: &Path<'_>, container: Node<'_>, volumes: &HashSet<&str>) {
    match container.get("name") {
        Some(name) if name.as_str() != Some("") => report.label(&path.field("name"), name),
        name => report.not_empty(&path.field("name"), name),
    }
    let image = container.get("image");
    report.required_text(&path.field("image"), image);
    if let Some(image) = image
        && let Some(text) = image.as_str()
        && text != text.trim()
    {
        report.invalid(
            &path.field("image"),
            image,
            "must not have leading or trailing whitespace",
        );
    }
    report.one_of(
        &path.field("imagePullPolicy"),
        container.get("imagePullPolicy"),
        &["Always", "IfNotPresent", "Never"],
    );
    report.one_of(
        &path.field("terminationMessagePolicy"),
        container.get("terminationMessagePolicy"),
        &["File", "FallbackToLogsOnError"],
    );
    ports(report, &path.field("ports"), container.get("ports"));
    environment(report, path, container);
    mounts(
        report,
        &path.field("volumeMounts"),
        container.get("volumeMounts"),
        volumes,
    );
    if let Some(found) = container.get("resources") {
        resources(report, &path.field("resources"), found);
    }
    for probe_name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get(probe_name).filter(|p| p.is_object()) {
            probe(report, &path.field(probe_name), found, probe_name == "readinessProbe");
        }
    }
}

fn ports(report: &mut Report, path: &Path<'_>, ports: Option<Node<'_>>) {
    let mut names = HashSet::new();
    for (i, port) in ports.map(Node::items).into_iter().flatten().enumerate() {
        let path = path.index(i);
        if let Some(number) = port.get("containerPort") {
            report.port_number(&path.field("containerPort"), number);
        }
        if let Some(number) = port.get("hostPort").filter(|n| n.as_i64() != Some(0)) {
            report.port_number(&path.field("hostPort"), number);
        }
        report.one_of(&path.field("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"]);
        if let Some(name) = port.get("name").filter(|n| n.as_str() != Some("")) {
            report.port(&path.field("name"), Some(name));
            if !names.insert(name.as_str().unwrap_or_default()) {
                report.duplicate(&path.field("name"), name);
            }
        }
    }
}

fn environment(report: &mut Report, path: &Path<'_>, container: Node<'_>) {
    let list = path.field("env");
    for (i, variable) in container.get("env").map(Node::items).into_iter().flatten().enumerate() {
        let path = list.index(i);
        let name = variable.get("name");
        report.required_text(&path.field("name"), name);
        if let Some(name) = name
            && name
                .as_str()
                .is_some_and(|text| text.contains('=') || !text.bytes().all(|b| (b' '..=b'~').contains(&b)))
        {
            let detail = "a valid environment variable name must consist only of printable ASCII characters other \
                          than '='";
            report.invalid(&path.field("name"), name, detail);
        }
        let given = variable.get("value").filter(|v| v.as_str() != Some(""));
        if let Some(source) = variable.get("valueFrom").filter(|s| s.is_object()) {
            let path = path.field("valueFrom");
            match source.len() {
                0 => report.found.push(Violation::invalid(
                    &path,
                    Value::from("").node(),
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
                )),
                1 if given.is_none() => {}
                1 => report.found.push(Violation::invalid(
                    &path,
                    Value::from("").node(),
                    "may not be specified when `value` is not empty",
                )),
                _ => report.found.push(Violation::invalid(
                    &path,
                    Value::from("").node(),
                    "may not have more than one field specified at a time",
                )),
            }
            for kind in ["configMapKeyRef", "secretKeyRef"] {
                if let Some(reference) = source.get(kind) {
                    report.not_empty(&path.field(kind).field("key"), reference.get("key"));
                }
            }
        }
    }
}

fn mounts(report: &mut Report, path: &Path<'_>, mounts: Option<Node<'_>>, volumes: &HashSet<&str>) {
    let mut targets = HashSet::new();
    for (i, mount) in mounts.map(Node::items).into_iter().flatten().enumerate() {
        let path = path.index(i);
        match mount.get("name") {
            Some(name) if name.as_str() != Some("") => {
                if name.as_str().is_some_and(|text| !volumes.contains(text)) {
                    report.not_found(&path.field("name"), name);
                }
            }
            name => report.not_empty(&path.field("name"), name),
        }
        let target = mount.get("mountPath");
        report.not_empty(&path.field("mountPath"), target);
        if let Some(target) = target
            && !targets.insert(target.as_str().unwrap_or_default())
        {
            report.invalid(&path.field("mountPath"), target, "must be unique");
        }
        if mount.get("subPath").is_some_and(|s| s.as_str() != Some(""))
            && mount.get("subPathExpr").is_some_and(|s| s.as_str() != Some(""))
            && let Some(expression) = mount.get("subPathExpr")
        {
            report.invalid(
                &path.field("subPathExpr"),
                expression,
                "subPathExpr and subPath are mutually exclusive",
            );
        }
    }
}

fn resources(report: &mut Report, path: &Path<'_>, resources: Node<'_>) {
    for part in ["limits", "requests"] {
        if let Some(map) = resources.get(part) {
            report.quantities(&path.field(part), map);
        }
    }
    let (Some(requests), Some(limits)) = (resources.get("requests"), resources.get("limits")) else {
        return;
    };
    for (name, request) in requests.members() {
        if let (Some(request_value), Some(limit)) = (quantity(request), limits.get(name))
            && let Some(limit_value) = quantity(limit)
            && request_value > limit_value
        {
            let detail = format!("must be less than or equal to {name} limit of {limit_value}");
            report.invalid(&path.field("requests"), request, detail);
        }
    }
}

fn probe(report: &mut Report, path: &Path<'_>, probe: Node<'_>, readiness: bool) {
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
    let mut given = handlers.iter().filter(|h| probe.get(h).is_some_and(|n| !n.is_null()));
    if given.next().is_none() {
        report.required(path, "must specify a handler type");
    } else if let Some(second) = given.next() {
        report.forbidden(&path.field(second), "may not specify more than 1 handler type");
    }
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        report.non_negative(&path.field(field), probe.get(field));
    }
    if !readiness
        && let Some(threshold) = probe
            .get("successThreshold")
            .filter(|n| n.as_i64().is_some_and(|n| n > 1))
    {
        report.invalid(&path.field("successThreshold"), threshold, "must be 1");
    }
    for handler in ["httpGet", "tcpSocket"] {
        if let Some(action) = probe.get(handler).filter(|n| n.is_object()) {
            report.port(&path.field(handler).field("port"), action.get("port"));
        }
    }
    if let Some(exec) = probe.get("exec")
        && exec.get("command").is_none_or(Node::is_empty)
    {
        report.required(&path.field("exec").field("command"), "");
    }
}

/// No two containers of a Pod take the same port of the host.
fn host_ports(report: &mut Report, path: &Path<'_>, containers: Option<Node<'_>>) {
    let mut taken = HashSet::new();
    for (c, container) in containers.map(Node::items).into_iter().flatten().enumerate() {
        for (p, port) in container
            .get("ports")
            .map(Node::items)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let Some(number) = port.get("hostPort").and_then(Node::as_i64).filter(|n| *n != 0) else {
                continue;
            };
            let protocol = port.str_at(&["protocol"]).unwrap_or("TCP");
            let address = port.str_at(&["hostIP"]).unwrap_or_default();
            if !taken.insert((number, protocol, address)) {
                let container = path.index(c);
                let ports = container.field("ports");
                let port = ports.index(p);
                let text = format!("\"{protocol}/{address}/{number}\"");
                report
                    .found
                    .push(Violation::of(&port.field("hostPort"), Fault::Duplicate, Some(text), ""));
            }
        }
    }
}

/// What may change in a Pod once it exists: images, deadlines that get shorter, tolerations that are added.
fn unchanged(report: &mut Report, path: &Path<'_>, new: Node<'_>, old: Node<'_>) {
    if new == old {
        return;
    }
    let (mut candidate, reference) = (new.to_value(), old.to_value());
    for (list, others) in [
        ("containers", old.get("containers")),
        ("initContainers", old.get("initContainers")),
    ] {
        let Some(items) = candidate.get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        let others = others.map(Node::items).into_iter().flatten();
        for (item, other) in items.iter_mut().zip(others) {
            match (other.get("image"), item.as_object_mut()) {
                (Some(image), Some(item)) => drop(item.insert("image", image)),
                _ => return report_frozen(report, path),
            }
        }
    }
    for free in [
        "activeDeadlineSeconds",
        "terminationGracePeriodSeconds",
        "tolerations",
        "nodeName",
        "ephemeralContainers",
        "schedulingGates",
    ] {
        match old.get(free) {
            Some(value) => candidate.set(&[free], value),
            None => drop(candidate.remove(&[free])),
        }
    }
    // Resources of running containers change through the resize subresource; the server does not tell them apart here.
    for list in ["containers", "initContainers"] {
        let others: Vec<Option<Value>> = old
            .get(list)
            .map(Node::items)
            .into_iter()
            .flatten()
            .map(|c| c.get("resources").map(Node::to_value))
            .collect();
        let Some(items) = candidate.get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        for (item, resources) in items.iter_mut().zip(others) {
            match resources {
                Some(resources) => item.set(&["resources"], resources),
                None => drop(item.remove(&["resources"])),
            }
        }
    }
    if candidate != reference {
        report_frozen(report, path);
    }
}

fn report_frozen(report: &mut Report, path: &Path<'_>) {
    report.forbidden(
        path,
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
         `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    );
}
