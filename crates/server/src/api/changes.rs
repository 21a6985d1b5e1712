//! What an entry of the ledger changed: the object before and after, from the store's history.

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;
use ridgeway_ledger::Record;
use serde_json::{Value, json};

use crate::Shared;

/// Values that stand in a Secret.
const HIDDEN: &str = "<hidden>";

/// An object at two moments.
#[derive(Default)]
pub(crate) struct Versions {
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) changes: Vec<Value>,
}

/// The versions that an entry is about, as far as the history is kept.
pub(crate) async fn of(shared: &Shared, record: &Record) -> Versions {
    let object = &record.entry.object;
    let kinds = shared.plane.kinds();
    let Some(kind) = kinds.by_resource(&object.group, &object.version, object.main_resource()) else {
        return Versions::default();
    };
    let revision = |record: &Record, key: &str| record.entry.detail.get(key).and_then(|text| text.parse::<u64>().ok());
    let outcome = match record.outcome {
        Some(index) => shared.ledger.get(index).ok(),
        None => None,
    };
    let after_revision = outcome.as_ref().and_then(|o| revision(o, "revision")).or_else(|| revision(record, "revision"));
    let at = async |revision: Option<u64>| match revision {
        Some(revision) => shared.plane.object_at(&kind.gvk, &object.namespace, &object.name, revision).await,
        None => None,
    };
    let before = at(revision(record, "beforeRevision")).await;
    let after = at(after_revision).await;
    let changes = match (&before, &after) {
        (Some(before), Some(after)) => differences(before.root(), after.root(), &kind.gvk),
        _ => Vec::new(),
    };
    let show = |doc: Option<Doc>| doc.map(|doc| yaml(&doc, &kind.gvk));
    Versions { before: show(before), after: show(after), changes }
}

/// YAML for people: without bookkeeping, Secret values hidden.
pub(crate) fn yaml(doc: &Doc, gvk: &Gvk) -> String {
    let mut value = doc.root().to_value();
    value.remove(&["metadata", "managedFields"]);
    if gvk.group.is_empty() && gvk.kind == "Secret" {
        for part in ["data", "stringData"] {
            let keys: Vec<String> =
                doc.root().get(part).map(Node::members).into_iter().flatten().map(|(key, _)| key.to_owned()).collect();
            for key in keys {
                value.set(&[part, &key], HIDDEN);
            }
        }
    }
    value.node().to_yaml()
}

/// Differences as `DiffEntry`s, without bookkeeping.
pub(crate) fn differences(before: Node<'_>, after: Node<'_>, gvk: &Gvk) -> Vec<Value> {
    let secret = gvk.group.is_empty() && gvk.kind == "Secret";
    let patch = ridgeway_apply::json_diff(before, after);
    let mut entries = Vec::new();
    for operation in patch.node().items() {
        let text = |key: &str| operation.str_at(&[key]).unwrap_or_default();
        let pointer = text("path");
        if pointer.starts_with("/metadata/managedFields") || pointer == "/metadata/resourceVersion" {
            continue;
        }
        let hidden = secret && (pointer.starts_with("/data") || pointer.starts_with("/stringData"));
        let value = |node: Option<Node<'_>>| match node {
            None => Value::Null,
            Some(_) if hidden => json!(HIDDEN),
            Some(node) => json_of(node),
        };
        let old = ridgeway_doc::Pointer::parse(pointer).ok().and_then(|p| p.resolve(before));
        entries.push(json!({
            "path": dotted(pointer),
            "before": value(old),
            "after": value(operation.get("value")),
            "reason": {"kind": "edited", "text": "changed by this request", "actor": null, "at": null, "ledgerIndex": null},
        }));
    }
    entries
}

/// A document's node as JSON value of the API.
pub(crate) fn json_of(node: Node<'_>) -> Value {
    serde_json::from_str(&node.to_json()).unwrap_or(Value::Null)
}

/// `/spec/containers/0/image` as `spec.containers[0].image`.
pub(crate) fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        if token.bytes().all(|b| b.is_ascii_digit()) && !token.is_empty() {
            out.push_str(&format!("[{token}]"));
        } else if token.contains(['.', '/']) {
            out.push_str(&format!("[{token:?}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&token);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_read_as_people_write_them() {
        for (pointer, path) in [
            ("", ""),
            ("/spec/containers/0/image", "spec.containers[0].image"),
            ("/metadata/annotations/example.org~1note", "metadata.annotations[\"example.org/note\"]"),
        ] {
            assert_eq!(super::dotted(pointer), path);
        }
    }
}
