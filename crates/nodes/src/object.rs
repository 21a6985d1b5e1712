//! Reading and making the objects that workloads consist of.

use ridgeway_doc::{Node, Value};

/// A whole number at a path.
pub(crate) fn number(node: Node<'_>, path: &[&str]) -> Option<i64> {
    node.at(path).and_then(Node::as_i64)
}

/// The owner reference that controls an object.
pub(crate) fn owner(object: Node<'_>) -> Option<Node<'_>> {
    let owners = object.at(&["metadata", "ownerReferences"])?;
    owners
        .items()
        .find(|owner| owner.get("controller").and_then(Node::as_bool) == Some(true))
}

/// Whether an object is controlled by the one of that uid.
pub(crate) fn owned_by(object: Node<'_>, uid: &str) -> bool {
    owner(object).is_some_and(|owner| owner.text_at(&["uid"]) == uid)
}

/// `ownerReferences` that make `owner` the controller.
pub(crate) fn controlled_by(owner: Node<'_>) -> Value {
    let mut reference = Value::object();
    for field in ["apiVersion", "kind"] {
        reference.set(&[field], owner.text_at(&[field]));
    }
    for field in ["name", "uid"] {
        reference.set(&[field], owner.text_at(&["metadata", field]));
    }
    reference.set(&["controller"], true);
    reference.set(&["blockOwnerDeletion"], true);
    [reference].into_iter().collect()
}

/// A condition of a status list, by type.
pub(crate) fn condition<'a>(object: Node<'a>, kind: &str) -> Option<Node<'a>> {
    let conditions = object.at(&["status", "conditions"])?;
    conditions.items().find(|c| c.text_at(&["type"]) == kind)
}

/// Whether a condition stands at `True`.
pub(crate) fn holds(object: Node<'_>, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| c.text_at(&["status"]) == "True")
}

/// Whether a Pod counts for its workload: not finished, not going away.
pub(crate) fn active(pod: Node<'_>) -> bool {
    !matches!(pod.text_at(&["status", "phase"]), "Succeeded" | "Failed")
        && pod.at(&["metadata", "deletionTimestamp"]).is_none()
}

/// A Pod of a template, owned by its workload, without a name.
pub(crate) fn pod_of(template: Node<'_>, owner: Node<'_>) -> Value {
    let mut pod = Value::object();
    pod.set(&["apiVersion"], "v1");
    pod.set(&["kind"], "Pod");
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.at(&["metadata", field]) {
            pod.set(&["metadata", field], value);
        }
    }
    pod.set(&["metadata", "namespace"], owner.text_at(&["metadata", "namespace"]));
    pod.set(&["metadata", "ownerReferences"], controlled_by(owner));
    if let Some(spec) = template.get("spec") {
        pod.set(&["spec"], spec);
    }
    crate::access::hand_on(crate::access::cause(owner).as_ref(), &mut pod);
    pod
}

/// A short hash of a Pod template in the letters that Kubernetes uses in names.
pub(crate) fn template_hash(template: Node<'_>) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut stack = vec![template];
    // Members in order of their keys, so that equal templates have equal hashes however they were written.
    while let Some(node) = stack.pop() {
        let mut feed = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        if node.is_object() {
            let mut members: Vec<_> = node.members().collect();
            members.sort_by_key(|(key, _)| *key);
            feed(b"{");
            for (key, member) in members {
                feed(key.as_bytes());
                feed(b":");
                stack.push(member);
            }
        } else if node.is_array() {
            feed(b"[");
            stack.extend(node.items());
        } else {
            feed(node.to_json().as_bytes());
        }
    }
    (0..10)
        .map(|i| LETTERS[((hash >> (i * 6)) % LETTERS.len() as u64) as usize] as char)
        .collect()
}

/// A condition whose transition time is kept while its status stays.
pub(crate) fn conditioned(object: Node<'_>, kind: &str, status: bool, reason: &str, message: &str, now: &str) -> Value {
    let word = if status { "True" } else { "False" };
    let old = condition(object, kind);
    let same = old.is_some_and(|c| c.text_at(&["status"]) == word);
    let since = old.filter(|_| same).map_or(now, |c| c.text_at(&["lastTransitionTime"]));
    let mut value = Value::object();
    value.set(&["type"], kind);
    value.set(&["status"], word);
    if !reason.is_empty() {
        value.set(&["reason"], reason);
        value.set(&["message"], message);
    }
    value.set(&["lastTransitionTime"], since);
    value
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn hashes_follow_content_not_order() {
        let hash = |json: &str| template_hash(Doc::parse_json(json.as_bytes()).unwrap().root());
        assert_eq!(hash(r#"{"a":1,"b":[1,2]}"#), hash(r#"{"b":[1,2],"a":1}"#));
        assert_ne!(hash(r#"{"a":1,"b":[1,2]}"#), hash(r#"{"a":1,"b":[2,1]}"#));
        assert_ne!(hash(r#"{"a":{"x":1},"b":{}}"#), hash(r#"{"a":{},"b":{"x":1}}"#));
        assert_eq!(hash("{}").len(), 10);
    }
}
