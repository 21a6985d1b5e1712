//! Defaults that depend on their surroundings. Each function sees the part that its rule stands in.

use ridgeway_doc::{Node, Value};

/// Gives the value to put, or nothing to leave all as it is.
pub(super) type Computed = fn(Node<'_>) -> Option<Value>;

/// The function that the table calls by that name.
pub(super) fn named(name: &str) -> Option<Computed> {
    Some(match name {
        "pull-policy" => pull_policy,
        "empty-volume" => empty_volume,
        "requests-from-limits" => requests_from_limits,
        "host-ports" => host_ports,
        "labels-of-template" => labels_of_template,
        "target-port" => target_port,
        "policy-types" => policy_types,
        _ => return None,
    })
}

fn absent(node: Node<'_>, key: &str) -> bool {
    node.get(key).is_none_or(|n| n.is_null() || n.as_str() == Some(""))
}

/// `Always` for images that move, which are those without a tag or with `latest`.
fn pull_policy(container: Node<'_>) -> Option<Value> {
    if !absent(container, "imagePullPolicy") {
        return None;
    }
    let image = container.str_at(&["image"]).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or(image);
    let moves = !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    Some(if moves { "Always" } else { "IfNotPresent" }.into())
}

/// A volume that names no source is an empty directory.
fn empty_volume(volume: Node<'_>) -> Option<Value> {
    let bare = volume.members().all(|(key, value)| key == "name" || value.is_null());
    bare.then(Value::object)
}

/// A limit without a request requests as much.
fn requests_from_limits(container: Node<'_>) -> Option<Value> {
    let requests = container.at(&["resources", "requests"]);
    let mut out: Option<Value> = None;
    for (name, limit) in container.at(&["resources", "limits"])?.members() {
        if requests.is_none_or(|r| r.get(name).is_none()) {
            let all = out.get_or_insert_with(|| {
                requests
                    .filter(|r| r.is_object())
                    .map_or_else(Value::object, Node::to_value)
            });
            all.make_object().insert(name, limit);
        }
    }
    out
}

/// On the host's network a container's port is the host's.
fn host_ports(spec: Node<'_>) -> Option<Value> {
    if spec.get("hostNetwork").and_then(Node::as_bool) != Some(true) {
        return None;
    }
    let containers = spec.get("containers")?;
    let mut out: Option<Value> = None;
    for (c, container) in containers.items().enumerate() {
        let Some(ports) = container.get("ports") else { continue };
        for (p, port) in ports.items().enumerate() {
            let (None, Some(number)) = (port.get("hostPort"), port.get("containerPort")) else {
                continue;
            };
            let slot = out.get_or_insert_with(|| containers.to_value()).make_array().get_mut(c);
            let slot = slot
                .and_then(|c| c.get_mut("ports"))
                .and_then(|ports| ports.make_array().get_mut(p));
            if let Some(port) = slot {
                port.make_object().insert("hostPort", number);
            }
        }
    }
    out
}

/// A replication controller without a selector selects its own template's labels.
fn labels_of_template(spec: Node<'_>) -> Option<Value> {
    let labels = spec.at(&["template", "metadata", "labels"]).filter(|l| !l.is_empty())?;
    spec.get("selector")
        .is_none_or(|s| s.is_empty())
        .then(|| labels.to_value())
}

/// A service port goes to the same port of the Pods.
fn target_port(port: Node<'_>) -> Option<Value> {
    let unset = absent(port, "targetPort") || port.get("targetPort").and_then(Node::as_i64) == Some(0);
    if unset {
        port.get("port").map(Node::to_value)
    } else {
        None
    }
}

/// A network policy always isolates ingress, and egress once it has a rule for it.
fn policy_types(spec: Node<'_>) -> Option<Value> {
    if spec.get("policyTypes").is_some_and(|t| !t.is_empty()) {
        return None;
    }
    let egress = spec.get("egress").is_some_and(|rules| !rules.is_empty());
    Some(
        ["Ingress", "Egress"]
            .into_iter()
            .take(if egress { 2 } else { 1 })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn images_that_move_are_always_pulled() {
        for (image, want) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx", "Always"),
            ("registry:5000/team/nginx:1", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ] {
            let doc = Doc::parse_json(format!(r#"{{"image":{image:?}}}"#).as_bytes()).unwrap();
            assert_eq!(pull_policy(doc.root()), Some(want.into()), "{image}");
        }
    }
}
