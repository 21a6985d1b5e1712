//! Which objects are policies, what they are called here, and how they are read.

use ridgeway_doc::{Doc, Node, parse_yaml};
use ridgeway_krm::{Gvk, ObjectRef};

/// Kyverno's group.
const KYVERNO: &str = "kyverno.io";
/// The group of Kyverno's policies in CEL.
const CEL: &str = "policies.kyverno.io";
/// The group of Kubernetes' own policies.
const ADMISSION: &str = "admissionregistration.k8s.io";
/// The group of constraint templates.
const TEMPLATES: &str = "templates.gatekeeper.sh";
/// The group of constraints.
pub(crate) const CONSTRAINTS: &str = "constraints.gatekeeper.sh";
/// The version that constraints are served in.
pub(crate) const CONSTRAINT_VERSION: &str = "v1beta1";
/// The group of mutators.
const MUTATIONS: &str = "mutations.gatekeeper.sh";
/// The group of expansion templates.
const EXPANSION: &str = "expansion.gatekeeper.sh";
/// The group of Gatekeeper's `Config`.
const CONFIG: &str = "config.gatekeeper.sh";
/// The group of sets of kinds for the inventory.
const SYNC_SETS: &str = "syncset.gatekeeper.sh";
/// Identifies the view of Pod Security Standards, which no object stands for.
pub(crate) const POD_SECURITY: &str = "pod-security-standards";

/// What part a policy object plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `ClusterPolicy` or `Policy`.
    Policy,
    /// A policy in CEL that judges, changes or generates.
    Cel,
    /// `PolicyException`, of either group.
    Exception,
    /// What deletes by a schedule: `CleanupPolicy`, `DeletingPolicy` and their twins.
    Cleanup,
    /// `ValidatingAdmissionPolicy` or `MutatingAdmissionPolicy`.
    Admission,
    /// What binds one of these.
    Binding,
    /// `ConstraintTemplate`.
    Template,
    /// A constraint.
    Constraint,
    /// `Assign`, `AssignImage`, `AssignMetadata` or `ModifySet`.
    Mutator,
    /// `ExpansionTemplate`.
    Expansion,
    /// Gatekeeper's `Config`.
    Config,
    /// `SyncSet`.
    SyncSet,
    /// `GlobalContextEntry`.
    Global,
}

/// The kinds that are always followed.
pub(crate) fn kinds() -> Vec<Gvk> {
    [
        Gvk::new(KYVERNO, "v1", "ClusterPolicy"),
        Gvk::new(KYVERNO, "v1", "Policy"),
        Gvk::new(KYVERNO, "v2", "PolicyException"),
        Gvk::new(KYVERNO, "v2", "ClusterCleanupPolicy"),
        Gvk::new(KYVERNO, "v2", "CleanupPolicy"),
        Gvk::new(KYVERNO, "v2", "GlobalContextEntry"),
    ]
    .into_iter()
    .chain(CEL_KINDS.iter().map(|kind| Gvk::new(CEL, "v1", kind)))
    .chain(ADMISSION_KINDS.iter().map(|kind| Gvk::new(ADMISSION, "v1", kind)))
    .chain([template()])
    .chain(MUTATORS.iter().map(|kind| Gvk::new(MUTATIONS, "v1", kind)))
    .chain([
        Gvk::new(EXPANSION, "v1beta1", "ExpansionTemplate"),
        Gvk::new(CONFIG, "v1alpha1", "Config"),
        Gvk::new(SYNC_SETS, "v1alpha1", "SyncSet"),
    ])
    .collect()
}

/// The kinds of mutators.
const MUTATORS: [&str; 4] = ["Assign", "AssignImage", "AssignMetadata", "ModifySet"];

/// The kinds of Kyverno's newer group.
const CEL_KINDS: [&str; 9] = [
    "ValidatingPolicy",
    "NamespacedValidatingPolicy",
    "MutatingPolicy",
    "NamespacedMutatingPolicy",
    "GeneratingPolicy",
    "NamespacedGeneratingPolicy",
    "DeletingPolicy",
    "NamespacedDeletingPolicy",
    "PolicyException",
];

/// Kubernetes' own policies with what binds them; these kinds are built in.
const ADMISSION_KINDS: [&str; 4] = [
    "ValidatingAdmissionPolicy",
    "MutatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicyBinding",
];

/// The kind of a policy in the version that it is written in.
pub(crate) fn written(key: &ObjectRef) -> Gvk {
    if key.group == CONSTRAINTS {
        return constraint(&key.kind);
    }
    let known = kinds()
        .into_iter()
        .find(|gvk| gvk.group == key.group && gvk.kind == key.kind);
    known.unwrap_or_else(|| Gvk::new(&key.group, "v1", &key.kind))
}

/// The kind of constraint templates.
pub(crate) fn template() -> Gvk {
    Gvk::new(TEMPLATES, "v1", "ConstraintTemplate")
}

/// The kind of the constraints of a template.
pub(crate) fn constraint(kind: &str) -> Gvk {
    Gvk::new(CONSTRAINTS, CONSTRAINT_VERSION, kind)
}

/// What part objects of a kind play; `None` for kinds that are no policies.
pub(crate) fn role(group: &str, kind: &str) -> Option<Role> {
    match (group, kind) {
        (KYVERNO, "ClusterPolicy" | "Policy") => Some(Role::Policy),
        (KYVERNO | CEL, "PolicyException") => Some(Role::Exception),
        (KYVERNO, "CleanupPolicy" | "ClusterCleanupPolicy") | (CEL, "DeletingPolicy" | "NamespacedDeletingPolicy") => {
            Some(Role::Cleanup)
        }
        (CEL, kind) if CEL_KINDS.contains(&kind) => Some(Role::Cel),
        (ADMISSION, "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy") => Some(Role::Admission),
        (ADMISSION, "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => Some(Role::Binding),
        (TEMPLATES, "ConstraintTemplate") => Some(Role::Template),
        (CONSTRAINTS, _) => Some(Role::Constraint),
        (MUTATIONS, kind) if MUTATORS.contains(&kind) => Some(Role::Mutator),
        (EXPANSION, "ExpansionTemplate") => Some(Role::Expansion),
        (CONFIG, "Config") => Some(Role::Config),
        (SYNC_SETS, "SyncSet") => Some(Role::SyncSet),
        (KYVERNO, "GlobalContextEntry") => Some(Role::Global),
        _ => None,
    }
}

/// The name under which results speak of a policy: `name`, `namespace/name`, `Kind/name` for
/// Gatekeeper's.
pub(crate) fn spoken(key: &ObjectRef) -> String {
    match role(&key.group, &key.kind) {
        Some(Role::Constraint | Role::Mutator | Role::Expansion) => format!("{}/{}", key.kind, key.name),
        _ if key.namespace.is_empty() => key.name.clone(),
        _ => format!("{}/{}", key.namespace, key.name),
    }
}

/// Whether a binding is one of a policy.
pub(crate) fn binds(binding_key: &ObjectRef, binding: Node<'_>, policy: &ObjectRef) -> bool {
    role(&binding_key.group, &binding_key.kind) == Some(Role::Binding)
        && binding_key.group == policy.group
        && binding_key.kind.strip_suffix("Binding") == Some(&policy.kind)
        && text(binding, &["spec", "policyName"]) == policy.name
}

/// A policy's id from the name that results use; safe in URLs.
pub(crate) fn id(spoken: &str) -> String {
    spoken.replace('/', "~")
}

/// A policy as it is shown and compiled: without bookkeeping, with positions of its YAML form.
pub(crate) fn readable(object: Node<'_>) -> Doc {
    let mut value = object.to_value();
    value.remove(&["metadata", "managedFields"]);
    value.remove(&["status"]);
    let text = value.node().to_yaml();
    parse_yaml(&text)
        .ok()
        .and_then(|docs| docs.into_iter().next())
        .unwrap_or_else(|| value.into_doc())
}

/// Text at a path, or nothing.
pub(crate) fn text<'a>(node: Node<'a>, path: &[&str]) -> &'a str {
    node.str_at(path).unwrap_or_default()
}

/// The items of a list at a path.
pub(crate) fn items<'a>(node: Node<'a>, path: &[&str]) -> impl Iterator<Item = Node<'a>> {
    node.at(path).into_iter().flat_map(Node::items)
}

/// The reference of an object whose kind is known (lists may leave it out).
pub(crate) fn reference(gvk: &Gvk, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: gvk.group.clone(),
        kind: gvk.kind.clone(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids() {
        for (gvk, namespace, name, want) in [
            (Gvk::new(KYVERNO, "v1", "ClusterPolicy"), "", "p", "p"),
            (Gvk::new(KYVERNO, "v1", "Policy"), "shop", "p", "shop~p"),
            (constraint("K8sRequiredLabels"), "", "owner", "K8sRequiredLabels~owner"),
        ] {
            assert_eq!(id(&spoken(&reference(&gvk, namespace, name))), want);
        }
    }

    #[test]
    fn a_readable_policy_has_lines() {
        let json =
            r#"{"spec":{"rules":[{"name":"a"}]},"metadata":{"name":"p","managedFields":[{}]},"kind":"ClusterPolicy"}"#;
        let doc = readable(Doc::parse_json(json.as_bytes()).unwrap().root());
        let rule = doc
            .root()
            .at(&["spec", "rules"])
            .and_then(|rules| rules.item(0))
            .unwrap();
        assert_eq!(rule.position().unwrap().line, 6);
        assert!(doc.root().at(&["metadata", "managedFields"]).is_none());
    }
}
