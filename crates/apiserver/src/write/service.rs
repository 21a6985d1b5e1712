//! Addresses and ports of Services: free ones, found by probing from a place that the Service's name decides.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Node, Value};

use super::{Change, text};
use crate::{codec, fault, keys};

/// Node ports lie in 30000..=32767.
const FIRST_PORT: u32 = 30_000;
const PORTS: u32 = 2_768;
/// Cluster addresses lie in 10.96.0.0/16; its ends are not given out, and the first is the API server's.
const ADDRESSES: u32 = 0xffff - 2;

/// What other Services have.
#[derive(Default)]
struct Taken {
    addresses: HashSet<String>,
    ports: HashSet<i64>,
}

/// Gives a Service a cluster address and node ports, as its type asks for.
pub(super) fn addresses(change: &Change<'_>, object: &mut Value) -> Result<(), Status> {
    let kind = text(object.node(), &["spec", "type"]).to_owned();
    if kind == "ExternalName" {
        return Ok(());
    }
    let given = text(object.node(), &["spec", "clusterIP"]).to_owned();
    let needs_address = given.is_empty();
    if !needs_address && object.node().at(&["spec", "clusterIPs"]).is_none_or(Node::is_empty) {
        object.set(&["spec", "clusterIPs"], [given.as_str()].into_iter().collect::<Value>());
    }
    let exposed = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        && object
            .node()
            .at(&["spec", "allocateLoadBalancerNodePorts"])
            .and_then(Node::as_bool)
            != Some(false);
    let port_of = |port: Node<'_>| port.get("nodePort").and_then(Node::as_i64).unwrap_or(0);
    let needs_ports = exposed
        && object
            .node()
            .at(&["spec", "ports"])
            .map(Node::items)
            .into_iter()
            .flatten()
            .any(|port| port_of(port) == 0);
    if !needs_address && !needs_ports {
        return Ok(());
    }
    let mut taken = taken(change)?;
    let start = format!("{}/{}", change.write.namespace, change.name)
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    if needs_address {
        let address = (0..ADDRESSES)
            .map(|step| 2 + (start % ADDRESSES + step) % ADDRESSES)
            .map(|host| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + host).to_string())
            .find(|address| !taken.addresses.contains(address))
            .ok_or_else(|| fault::internal("all cluster addresses are taken; delete Services that are not needed"))?;
        object.set(&["spec", "clusterIP"], address.as_str());
        object.set(
            &["spec", "clusterIPs"],
            [address.as_str()].into_iter().collect::<Value>(),
        );
        object.set(&["spec", "ipFamilies"], ["IPv4"].into_iter().collect::<Value>());
        object.set(&["spec", "ipFamilyPolicy"], "SingleStack");
    }
    if needs_ports && let Some(ports) = object.at_mut(&["spec", "ports"]) {
        for port in ports.make_array() {
            if port_of(port.node()) != 0 {
                continue;
            }
            let free = (0..PORTS)
                .map(|step| i64::from(FIRST_PORT + (start % PORTS + step) % PORTS))
                .find(|port| !taken.ports.contains(port))
                .ok_or_else(|| fault::internal("all node ports are taken; delete Services that are not needed"))?;
            taken.ports.insert(free);
            port.set(&["nodePort"], free);
        }
    }
    Ok(())
}

fn taken(change: &Change<'_>) -> Result<Taken, Status> {
    let page = change
        .plane
        .store()
        .range_latest(&keys::prefix(&change.kind, None), 0)
        .map_err(fault::store)?;
    let own = keys::object(&change.kind, &change.write.namespace, &change.name);
    let mut taken = Taken::default();
    for entry in page.entries.iter().filter(|entry| entry.key != own) {
        let service: Doc = codec::decode(entry)?;
        let spec = service.root().get("spec");
        if let Some(address) = spec.and_then(|spec| spec.str_at(&["clusterIP"])) {
            taken.addresses.insert(address.to_owned());
        }
        let ports = spec
            .and_then(|spec| spec.get("ports"))
            .map(Node::items)
            .into_iter()
            .flatten();
        taken
            .ports
            .extend(ports.filter_map(|port| port.get("nodePort").and_then(Node::as_i64)));
    }
    Ok(taken)
}
