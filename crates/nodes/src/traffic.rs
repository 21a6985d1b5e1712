//! What Services and Ingresses lead to: endpoint slices, and addresses from a network that exists in books only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ridgeway_cluster::{ListOptions, Status};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, LabelSelector};

use crate::kubelet::serves;
use crate::object::{controlled_by, number, template_hash};
use crate::{Nodes, Worked};

/// The selectors of the Services (or budgets) there are, so that a Pod's change finds them.
#[derive(Default)]
pub(crate) struct Selectors(Mutex<HashMap<(String, String), LabelSelector>>);

impl Selectors {
    /// An object that selects Pods came, changed or went.
    pub(crate) fn see(&self, key: &(String, String), selector: Option<LabelSelector>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match selector {
            Some(selector) => drop(all.insert(key.clone(), selector)),
            None => drop(all.remove(key)),
        }
    }

    /// Those of a namespace that select an object's labels.
    pub(crate) fn selecting(&self, namespace: &str, labels: Option<Node<'_>>) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all
            .iter()
            .filter(|((ns, _), selector)| ns == namespace && selector.matches(labels));
        here.map(|((_, name), _)| name.clone()).collect()
    }
}

/// Which Pods a Service leads to, if it says so.
pub(crate) fn service_selector(service: &Doc) -> Option<LabelSelector> {
    let selector = service.root().at(&["spec", "selector"]).filter(|s| !s.is_empty())?;
    LabelSelector::from_map(selector).ok()
}

/// Whether a Pod's change matters to Services.
pub(crate) fn endpoint_changed(old: Option<&Doc>, new: Option<&Doc>) -> bool {
    let facts = |doc: Option<&Doc>| {
        doc.map(|doc| {
            let pod = doc.root();
            let ip = pod.text_at(&["status", "podIP"]).to_owned();
            let labels = pod.at(&["metadata", "labels"]).map(Node::to_json);
            let going = pod.at(&["metadata", "deletionTimestamp"]).is_some();
            (
                ip,
                labels,
                serves(pod),
                going,
                pod.text_at(&["status", "phase"]).to_owned(),
            )
        })
    };
    facts(old) != facts(new)
}

/// An address of TEST-NET-1, which is reserved for documentation: it leads nowhere, and says so.
fn book_address(object: Node<'_>) -> Value {
    let hash = template_hash(object.get("metadata").and_then(|m| m.get("uid")).unwrap_or(object));
    let last = hash
        .bytes()
        .fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)))
        % 253
        + 1;
    let mut point = Value::object();
    point.set(&["ip"], format!("192.0.2.{last}"));
    [point].into_iter().collect()
}

impl Nodes {
    /// A Service: its slice of endpoints, and an address where it asks for a load balancer.
    pub(crate) async fn service(&self, service: &Doc) -> Result<Option<Duration>, Status> {
        let node = service.root();
        let balanced = node.text_at(&["spec", "type"]) == "LoadBalancer";
        if balanced && node.at(&["status", "loadBalancer", "ingress"]).is_none() {
            let mut status = Value::object();
            status.set(&["loadBalancer", "ingress"], book_address(node));
            self.set_status(service, status).await?;
        }
        let Some(selector) = service_selector(service) else {
            return Ok(None);
        };
        let namespace = node.text_at(&["metadata", "namespace"]);
        let options = ListOptions {
            labels: selector.to_string(),
            ..ListOptions::default()
        };
        let pods = self
            .cluster
            .list(&Worked::Pod.gvk(), Some(namespace), &options)
            .await?
            .items;
        let (endpoints, ports) = (endpoints(node, &pods), ports(node, &pods));
        let gvk = Gvk::new("discovery.k8s.io", "v1", "EndpointSlice");
        let uid = node.at(&["metadata", "uid"]).unwrap_or(node);
        let name = format!("{}-{}", node.text_at(&["metadata", "name"]), &template_hash(uid)[..5]);
        if let Some(slice) = self.find(&gvk, namespace, &name).await? {
            let mut patch = Value::object();
            patch.set(&["endpoints"], endpoints);
            patch.set(&["ports"], ports);
            return self.patch(&slice, "", patch).await.map(|_| None);
        }
        let mut slice = Value::object();
        slice.set(&["apiVersion"], "discovery.k8s.io/v1");
        slice.set(&["kind"], "EndpointSlice");
        slice.set(&["metadata", "name"], name);
        slice.set(&["metadata", "namespace"], namespace);
        slice.set(
            &["metadata", "labels", "kubernetes.io/service-name"],
            node.text_at(&["metadata", "name"]),
        );
        slice.set(
            &["metadata", "labels", "endpointslice.kubernetes.io/managed-by"],
            "ridgeway-nodes",
        );
        slice.set(&["metadata", "ownerReferences"], controlled_by(node));
        slice.set(&["addressType"], "IPv4");
        slice.set(&["endpoints"], endpoints);
        slice.set(&["ports"], ports);
        self.create(slice).await.map(|_| None)
    }

    /// An Ingress: the address of a controller that is not there.
    pub(crate) async fn ingress(&self, ingress: &Doc) -> Result<Option<Duration>, Status> {
        let node = ingress.root();
        if node.at(&["status", "loadBalancer", "ingress"]).is_none() {
            let mut status = Value::object();
            status.set(&["loadBalancer", "ingress"], book_address(node));
            self.set_status(ingress, status).await?;
        }
        Ok(None)
    }
}

fn endpoints(service: Node<'_>, pods: &[Doc]) -> Value {
    let early = service
        .at(&["spec", "publishNotReadyAddresses"])
        .and_then(Node::as_bool)
        == Some(true);
    let service_name = service.text_at(&["metadata", "name"]);
    let with_address = pods.iter().map(Doc::root).filter(|pod| {
        !pod.text_at(&["status", "podIP"]).is_empty()
            && !matches!(pod.text_at(&["status", "phase"]), "Succeeded" | "Failed")
    });
    with_address
        .map(|pod| {
            let ready = crate::object::holds(pod, "Ready");
            let going = pod.at(&["metadata", "deletionTimestamp"]).is_some();
            let mut endpoint = Value::object();
            endpoint.set(
                &["addresses"],
                [pod.text_at(&["status", "podIP"])].into_iter().collect::<Value>(),
            );
            endpoint.set(&["conditions", "ready"], early || (ready && !going));
            endpoint.set(&["conditions", "serving"], ready);
            endpoint.set(&["conditions", "terminating"], going);
            if pod.text_at(&["spec", "subdomain"]) == service_name {
                endpoint.set(&["hostname"], pod.text_at(&["spec", "hostname"]));
            }
            endpoint.set(&["nodeName"], pod.text_at(&["spec", "nodeName"]));
            endpoint.set(&["targetRef", "kind"], "Pod");
            for field in ["name", "namespace", "uid"] {
                endpoint.set(&["targetRef", field], pod.text_at(&["metadata", field]));
            }
            endpoint
        })
        .collect()
}

/// The ports behind a Service's ports; named ones are looked up in the Pods.
fn ports(service: Node<'_>, pods: &[Doc]) -> Value {
    let wanted = service.at(&["spec", "ports"]).map(Node::items).into_iter().flatten();
    wanted
        .filter_map(|port| {
            let target = port.get("targetPort").or_else(|| port.get("port"))?;
            let found = match target.as_str() {
                None => target.as_i64(),
                Some(name) => pods.iter().find_map(|pod| named_port(pod.root(), name)),
            }?;
            let mut out = Value::object();
            out.set(&["name"], port.text_at(&["name"]));
            out.set(&["port"], found);
            out.set(&["protocol"], port.str_at(&["protocol"]).unwrap_or("TCP"));
            if let Some(protocol) = port.get("appProtocol") {
                out.set(&["appProtocol"], protocol);
            }
            Some(out)
        })
        .collect()
}

fn named_port(pod: Node<'_>, name: &str) -> Option<i64> {
    let containers = pod.at(&["spec", "containers"]).map(Node::items).into_iter().flatten();
    let mut ports = containers.flat_map(|c| c.get("ports").map(Node::items).into_iter().flatten());
    ports
        .find(|port| port.text_at(&["name"]) == name)
        .and_then(|port| number(port, &["containerPort"]))
}
