//! Services, endpoints and ingresses: addresses and ports.

use jiff::Timestamp;
use ridgeway_doc::{Node, Value};

use super::{NONE, items, join, number, or_none, text};

fn ingress_addresses(object: Node<'_>) -> Vec<&str> {
    let mut all: Vec<&str> = items(object, &["status", "loadBalancer", "ingress"])
        .map(|point| match text(point, &["ip"]) {
            "" => text(point, &["hostname"]),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) fn load_balancer(object: Node<'_>, _: Timestamp) -> Value {
    ingress_addresses(object).join(",").into()
}

pub(super) fn external_address(object: Node<'_>, _: Timestamp) -> Value {
    let given: Vec<&str> = items(object, &["spec", "externalIPs"])
        .filter_map(Node::as_str)
        .collect();
    match text(object, &["spec", "type"]) {
        "ExternalName" => text(object, &["spec", "externalName"]).into(),
        "LoadBalancer" => {
            let all: Vec<&str> = ingress_addresses(object).into_iter().chain(given).collect();
            if all.is_empty() {
                "<pending>".into()
            } else {
                all.join(",").into()
            }
        }
        _ => join(given.into_iter()).into(),
    }
}

pub(super) fn service_ports(object: Node<'_>, _: Timestamp) -> Value {
    let ports = items(object, &["spec", "ports"]).map(|port| {
        let protocol = port.str_at(&["protocol"]).unwrap_or("TCP");
        match number(port, &["nodePort"]) {
            0 => format!("{}/{protocol}", number(port, &["port"])),
            node => format!("{}:{node}/{protocol}", number(port, &["port"])),
        }
    });
    or_none(ports.collect::<Vec<_>>().join(",")).into()
}

/// The first three, and how many more there are.
fn first_three(all: Vec<String>) -> Value {
    match all.len() {
        0 => NONE.into(),
        1..=3 => all.join(",").into(),
        n => format!("{} + {} more...", all[..3].join(","), n - 3).into(),
    }
}

pub(super) fn endpoints(object: Node<'_>, _: Timestamp) -> Value {
    let mut all = Vec::new();
    for subset in items(object, &["subsets"]) {
        let ports: Vec<i64> = items(subset, &["ports"]).map(|port| number(port, &["port"])).collect();
        for address in items(subset, &["addresses"]) {
            let ip = text(address, &["ip"]);
            if ports.is_empty() {
                all.push(ip.to_owned());
            }
            all.extend(ports.iter().map(|port| format!("{ip}:{port}")));
        }
    }
    first_three(all)
}

pub(super) fn slice_ports(object: Node<'_>, _: Timestamp) -> Value {
    let ports = items(object, &["ports"]).map(|port| match port.get("port").and_then(Node::as_i64) {
        Some(number) => number.to_string(),
        None => "*".into(),
    });
    let ports: Vec<String> = ports.collect();
    if ports.is_empty() {
        "<unset>".into()
    } else {
        first_three(ports)
    }
}

pub(super) fn slice_endpoints(object: Node<'_>, _: Timestamp) -> Value {
    let addresses = items(object, &["endpoints"]).flat_map(|endpoint| items(endpoint, &["addresses"]));
    let addresses: Vec<String> = addresses.filter_map(Node::as_str).map(Into::into).collect();
    if addresses.is_empty() {
        "<unset>".into()
    } else {
        first_three(addresses)
    }
}

pub(super) fn ingress_hosts(object: Node<'_>, _: Timestamp) -> Value {
    let hosts = items(object, &["spec", "rules"])
        .map(|rule| text(rule, &["host"]))
        .filter(|host| !host.is_empty());
    let hosts: Vec<String> = hosts.map(Into::into).collect();
    if hosts.is_empty() {
        "*".into()
    } else {
        first_three(hosts)
    }
}

pub(super) fn ingress_ports(object: Node<'_>, _: Timestamp) -> Value {
    let tls = object.at(&["spec", "tls"]).is_some_and(|tls| !tls.is_empty());
    if tls { "80, 443".into() } else { "80".into() }
}

pub(super) fn address_ranges(object: Node<'_>, _: Timestamp) -> Value {
    items(object, &["spec", "cidrs"])
        .filter_map(Node::as_str)
        .collect::<Vec<_>>()
        .join(",")
        .into()
}

pub(super) fn class_parameters(object: Node<'_>, _: Timestamp) -> Value {
    let Some(parameters) = object.at(&["spec", "parameters"]) else {
        return NONE.into();
    };
    let kind = text(parameters, &["kind"]);
    let kind = match text(parameters, &["apiGroup"]) {
        "" => kind.to_owned(),
        group => format!("{kind}.{group}"),
    };
    format!("{kind}/{}", text(parameters, &["name"])).into()
}

pub(super) fn parent_reference(object: Node<'_>, _: Timestamp) -> Value {
    let Some(parent) = object.at(&["spec", "parentRef"]) else {
        return NONE.into();
    };
    let resource = match text(parent, &["group"]) {
        "" => text(parent, &["resource"]).to_owned(),
        group => format!("{}.{group}", text(parent, &["resource"])),
    };
    let parts = [resource.as_str(), text(parent, &["namespace"]), text(parent, &["name"])];
    parts
        .into_iter()
        .filter(|p| !p.is_empty())
        .collect::<Vec<_>>()
        .join("/")
        .into()
}
