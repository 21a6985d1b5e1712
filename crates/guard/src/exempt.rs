//! What policies are not asked about: the platform's own ground, and objects that only record. Kubernetes' own policies
//! are asked there too.

use ridgeway_cluster::Identity;
use ridgeway_doc::Node;
use ridgeway_krm::Gvk;

use crate::source::{self, Role};

/// Namespaces whose objects are judged by Pod Security labels alone: a rule gone wrong must not lock the platform out.
const NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "ridgeway-system"];

/// Whether rules leave a namespace alone.
pub(crate) fn namespace(name: &str) -> bool {
    NAMESPACES.contains(&name)
}

/// Whether an object lies in (or is) a namespace that rules leave alone.
pub(crate) fn place(gvk: &Gvk, object_namespace: &str, name: &str) -> bool {
    namespace(object_namespace) || gvk.group.is_empty() && gvk.kind == "Namespace" && namespace(name)
}

/// Whether objects of a kind are never put before the rules.
pub(crate) fn kind(group: &str, kind: &str) -> bool {
    match (group, kind) {
        ("" | "events.k8s.io", "Event") | ("coordination.k8s.io", "Lease") => true,
        // Nodes belong to the platform; ReplicaSets repeat what was judged of their Deployment.
        ("", "Node" | "Binding" | "ComponentStatus") | ("apps", "ReplicaSet" | "ControllerRevision") => true,
        ("apiregistration.k8s.io", "APIService") => true,
        ("authentication.k8s.io" | "authorization.k8s.io", _) => true,
        ("wgpolicyk8s.io" | "openreports.io" | "reports.kyverno.io", _) => true,
        // The policies themselves are compiled instead; a rule about them could make itself irremovable.
        _ => matches!(
            source::role(group, kind),
            Some(
                Role::Policy
                    | Role::Cel
                    | Role::Admission
                    | Role::Binding
                    | Role::Cleanup
                    | Role::Template
                    | Role::Constraint
                    | Role::Mutator
                    | Role::Expansion
                    | Role::Config
                    | Role::SyncSet
                    | Role::Global
            )
        ),
    }
}

/// The groups of the platform's own parts.
const PARTS: [&str; 2] = [
    "system:serviceaccounts:kube-system",
    "system:serviceaccounts:ridgeway-system",
];

/// Whether Kubernetes' own policies are asked about what all others leave alone. They are everywhere, except about the
/// objects that decide admission, so that no rule makes itself irremovable, and about reviews. The platform's own parts
/// and its nodes go on working on the ground that they stand on; what somebody delivers is somebody's.
pub(crate) fn asks_admission(gvk: &Gvk, user: &Identity) -> bool {
    let decides = matches!(
        &*gvk.group,
        "admissionregistration.k8s.io" | "authentication.k8s.io" | "authorization.k8s.io"
    );
    // By their groups, which only an authenticator gives: anybody may say anything of where a request comes from.
    let part = PARTS.iter().any(|group| user.in_group(group)) && user.name != Identity::controller("deliver").name;
    !decides && !part && !user.in_group("system:nodes")
}

/// Whether a subresource is never put before the rules.
pub(crate) fn subresource(name: &str) -> bool {
    matches!(name, "status" | "finalize" | "binding" | "token" | "approval")
}

/// Whether two states of an object differ in something that rules may ask about.
///
/// Status and bookkeeping change all the time and on their own.
pub(crate) fn differs(old: Node<'_>, new: Node<'_>) -> bool {
    fn parts<'a>(node: Node<'a>, skipped: &'static [&'static str]) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        node.members().filter(move |(key, _)| !skipped.contains(key))
    }
    const ROOT: &[&str] = &["status", "metadata"];
    const METADATA: &[&str] = &["managedFields", "resourceVersion", "generation"];
    let same = |old: Option<Node<'_>>, new: Option<Node<'_>>, skipped: &'static [&'static str]| match (old, new) {
        (Some(old), Some(new)) => {
            parts(old, skipped).count() == parts(new, skipped).count()
                && parts(old, skipped).all(|(key, value)| new.get(key).is_some_and(|other| other == value))
        }
        (None, None) => true,
        _ => false,
    };
    !(same(Some(old), Some(new), ROOT) && same(old.get("metadata"), new.get("metadata"), METADATA))
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn differences_that_count() {
        let base = r#"{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"x":1},"status":{"y":1}}"#;
        for (other, want) in [
            (
                r#"{"metadata":{"name":"a","resourceVersion":"2"},"spec":{"x":1},"status":{"y":2}}"#,
                false,
            ),
            (
                r#"{"metadata":{"name":"a","resourceVersion":"1"},"spec":{"x":1}}"#,
                false,
            ),
            (
                r#"{"metadata":{"name":"a","resourceVersion":"2"},"spec":{"x":2},"status":{"y":1}}"#,
                true,
            ),
            (
                r#"{"metadata":{"name":"a","labels":{"l":"m"}},"spec":{"x":1},"status":{"y":1}}"#,
                true,
            ),
            (r#"{"metadata":{"name":"a"},"status":{"y":1}}"#, true),
        ] {
            let (old, new) = (
                Doc::parse_json(base.as_bytes()).unwrap(),
                Doc::parse_json(other.as_bytes()).unwrap(),
            );
            assert_eq!(differs(old.root(), new.root()), want, "{other}");
            assert_eq!(differs(new.root(), old.root()), want, "{other}");
        }
    }

    #[test]
    fn exempt_places() {
        let namespace = Gvk::new("", "v1", "Namespace");
        let pod = Gvk::new("", "v1", "Pod");
        assert!(place(&namespace, "", "kube-system") && place(&pod, "ridgeway-system", "x"));
        assert!(!place(&namespace, "", "shop") && !place(&pod, "shop", "kube-system"));
    }
}
