//! Services, ingresses and network policies.

use std::collections::HashSet;

use ridgeway_doc::Node;

use super::Report;
use crate::path::Path;

/// A Service.
pub(super) fn service(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("spec");
    let get = |key: &str| object.get("spec").and_then(|s| s.get(key));
    report.one_of(
        &path.field("type"),
        get("type"),
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
    );
    report.one_of(
        &path.field("sessionAffinity"),
        get("sessionAffinity"),
        &["ClientIP", "None"],
    );
    let external = get("type").and_then(Node::as_str) == Some("ExternalName");
    let headless = get("clusterIP").and_then(Node::as_str) == Some("None");
    let ports = get("ports");
    if external {
        report.required_text(&path.field("externalName"), get("externalName"));
    } else if !headless && ports.is_none_or(Node::is_empty) {
        report.required(&path.field("ports"), "");
    }
    if let Some(selector) = get("selector") {
        report.labels(&path.field("selector"), selector);
    }
    let several = ports.map_or(0, Node::len) > 1;
    let list = path.field("ports");
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    for (i, port) in ports.map(Node::items).into_iter().flatten().enumerate() {
        let path = list.index(i);
        match port.get("name").filter(|n| n.as_str() != Some("")) {
            None if several => report.required(&path.field("name"), ""),
            None => {}
            Some(name) => {
                report.label(&path.field("name"), name);
                if !names.insert(name.as_str().unwrap_or_default()) {
                    report.duplicate(&path.field("name"), name);
                }
            }
        }
        if let Some(number) = port.get("port") {
            report.port_number(&path.field("port"), number);
            let protocol = port.str_at(&["protocol"]).unwrap_or("TCP");
            if !numbers.insert((number.as_i64(), protocol)) {
                report.duplicate(&path, port);
            }
        }
        report.one_of(&path.field("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"]);
        if let Some(target) = port.get("targetPort") {
            report.port(&path.field("targetPort"), Some(target));
        }
    }
    let was = old.and_then(|o| o.str_at(&["spec", "clusterIP"])).unwrap_or_default();
    if !was.is_empty() && !external {
        let address = get("clusterIP");
        if let Some(address) = address.filter(|a| a.as_str() != Some(was)) {
            let detail = "may not change once set";
            report.invalid(&path.field("clusterIPs").index(0), address, detail);
        }
    }
}

/// An Ingress.
pub(super) fn ingress(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let Some(spec) = object.get("spec") else { return };
    let rules = spec.get("rules");
    if rules.is_none_or(Node::is_empty) && spec.get("defaultBackend").is_none() {
        report.invalid(&path, spec, "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(found) = spec.get("defaultBackend") {
        backend(report, &path.field("defaultBackend"), found);
    }
    let list = path.field("rules");
    for (i, rule) in rules.map(Node::items).into_iter().flatten().enumerate() {
        let path = list.index(i);
        if let Some(host) = rule.get("host").filter(|h| h.as_str() != Some(""))
            && let Some(text) = host.as_str()
            && let Err(why) = ridgeway_krm::validate_subdomain(text.strip_prefix("*.").unwrap_or(text))
        {
            report.invalid(&path.field("host"), host, why);
        }
        let Some(http) = rule.get("http").filter(|h| h.is_object()) else {
            continue;
        };
        let http_path = path.field("http");
        let paths = http_path.field("paths");
        if http.get("paths").is_some_and(Node::is_empty) {
            report.required(&paths, "");
        }
        for (i, entry) in http.get("paths").map(Node::items).into_iter().flatten().enumerate() {
            let path = paths.index(i);
            report.one_of(
                &path.field("pathType"),
                entry.get("pathType"),
                &["Exact", "ImplementationSpecific", "Prefix"],
            );
            if let Some(text) = entry.get("path")
                && matches!(entry.str_at(&["pathType"]), Some("Exact" | "Prefix"))
                && text.as_str().is_some_and(|t| !t.starts_with('/'))
            {
                report.invalid(&path.field("path"), text, "must be an absolute path");
            }
            if let Some(found) = entry.get("backend") {
                backend(report, &path.field("backend"), found);
            }
        }
    }
}

fn backend(report: &mut Report, path: &Path<'_>, backend: Node<'_>) {
    match (backend.get("service"), backend.get("resource")) {
        (Some(_), Some(_)) => {
            report.invalid(path, backend, "cannot set both resource and service backends");
        }
        (None, None) => report.required(path, "port name or number is required"),
        (Some(service), None) => {
            let path = path.field("service");
            report.not_empty(&path.field("name"), service.get("name"));
            let port = service.get("port");
            let named = port.and_then(|p| p.str_at(&["name"])).is_some_and(|n| !n.is_empty());
            let number = port.and_then(|p| p.get("number")).filter(|n| n.as_i64() != Some(0));
            match (named, number) {
                (false, None) => report.required(&path, "port name or number is required"),
                (false, Some(number)) => report.port_number(&path.field("port").field("number"), number),
                (true, Some(_)) => report.invalid(&path, service, "cannot set both port name & port number"),
                (true, None) => {}
            }
        }
        (None, Some(_)) => {}
    }
}

/// A NetworkPolicy.
pub(super) fn policy(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let Some(spec) = object.get("spec") else { return };
    if let Some(selector) = spec.get("podSelector") {
        report.selector(&path.field("podSelector"), selector);
    }
    let types = path.field("policyTypes");
    for (i, kind) in spec
        .get("policyTypes")
        .map(Node::items)
        .into_iter()
        .flatten()
        .enumerate()
    {
        report.one_of(&types.index(i), Some(kind), &["Egress", "Ingress"]);
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let list = path.field(direction);
        for (i, rule) in spec.get(direction).map(Node::items).into_iter().flatten().enumerate() {
            let path = list.index(i);
            let ports = path.field("ports");
            for (i, port) in rule.get("ports").map(Node::items).into_iter().flatten().enumerate() {
                let path = ports.index(i);
                report.one_of(&path.field("protocol"), port.get("protocol"), &["SCTP", "TCP", "UDP"]);
                if let Some(number) = port.get("port") {
                    report.port(&path.field("port"), Some(number));
                }
            }
            let list = path.field(peers);
            for (i, peer) in rule.get(peers).map(Node::items).into_iter().flatten().enumerate() {
                network_peer(report, &list.index(i), peer);
            }
        }
    }
}

fn network_peer(report: &mut Report, path: &Path<'_>, peer: Node<'_>) {
    let block = peer.get("ipBlock").filter(|b| b.is_object());
    if peer.is_empty() {
        report.required(path, "must specify a peer");
    } else if block.is_some() && peer.len() > 1 {
        report.forbidden(path, "may not specify both ipBlock and another peer");
    }
    for selector in ["podSelector", "namespaceSelector"] {
        if let Some(found) = peer.get(selector) {
            report.selector(&path.field(selector), found);
        }
    }
    if let Some(block) = block {
        report.not_empty(&path.field("ipBlock").field("cidr"), block.get("cidr"));
    }
}
