//! What a suite gives beside its policies and resources: objects to look up, images, parameters, bindings.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use super::key_of;
use crate::request::Data;

/// Objects and images that a suite gives beside its resources, and the parameters of policies.
pub(super) struct Context(pub(super) Vec<Doc>, pub(super) Vec<Doc>);

impl Context {
    fn listed(&self, key: &'static str) -> impl Iterator<Item = Node<'_>> {
        self.0
            .iter()
            .flat_map(move |doc| doc.root().at(&["spec", key]).into_iter().flat_map(Node::items))
            .chain(self.1.iter().filter(move |_| key == "resources").map(Doc::root))
    }
}

impl Data for Context {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        let wanted = (
            gvk.group.clone(),
            gvk.kind.clone(),
            namespace.to_owned(),
            name.to_owned(),
        );
        self.listed("resources")
            .find(|object| key_of(*object) == wanted)
            .map(Node::to_doc)
    }

    fn api(&self, path: &str) -> Option<Value> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural, name @ ..] => (*namespace, *plural, name.first()),
            [plural, name @ ..] => ("", *plural, name.first()),
            [] => return None,
        };
        let mut found = self.listed("resources").filter(|object| {
            let (_, kind, of, _) = key_of(*object);
            object.str_at(&["apiVersion"]) == Some(&version)
                && crate::cel_policy::plural(&kind) == plural
                && (namespace.is_empty() || of == namespace)
        });
        match name {
            Some(name) => found.find(|object| key_of(*object).3 == **name).map(Node::to_value),
            None => {
                let mut list = Value::object();
                list.set(&["items"], found.map(Node::to_value).collect::<Value>());
                Some(list)
            }
        }
    }

    fn image_metadata(&self, image: &str) -> Option<Value> {
        self.listed("images")
            .find(|entry| entry.str_at(&["image"]) == Some(image))
            .map(Node::to_value)
    }
}

pub(super) fn kind_of(doc: &Doc) -> &str {
    doc.root().str_at(&["kind"]).unwrap_or_default()
}

/// What binds a policy of Kubernetes' own; where a suite gives nothing, it is bound everywhere.
pub(super) fn bound(policy: &Doc, bindings: &[Doc]) -> Vec<Doc> {
    let (kind, name) = (kind_of(policy), policy.root().str_at(&["metadata", "name"]));
    if !kind.ends_with("AdmissionPolicy") {
        return Vec::new();
    }
    let binds = |binding: &&Doc| {
        kind_of(binding).strip_suffix("Binding") == Some(kind) && binding.root().str_at(&["spec", "policyName"]) == name
    };
    let found: Vec<Doc> = bindings.iter().filter(binds).cloned().collect();
    if !found.is_empty() {
        return found;
    }
    let mut everywhere = Value::object();
    everywhere.set(&["apiVersion"], "admissionregistration.k8s.io/v1");
    everywhere.set(&["kind"], format!("{kind}Binding"));
    everywhere.set(&["metadata", "name"], name.unwrap_or_default());
    everywhere.set(&["spec", "policyName"], name.unwrap_or_default());
    if kind.starts_with("Validating") {
        everywhere.set(&["spec", "validationActions"], vec![Value::from("Deny")]);
    }
    vec![everywhere.into_doc()]
}
