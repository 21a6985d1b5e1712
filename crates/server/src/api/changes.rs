//! What an entry of the ledger changed: the object before and after, from the store's history.

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, HIDDEN, is_secret, shown};
use ridgeway_ledger::Record;
use serde_json::{Value, json};

use crate::Shared;

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
    let after_revision = outcome
        .as_ref()
        .and_then(|o| revision(o, "revision"))
        .or_else(|| revision(record, "revision"));
    let at = async |revision: Option<u64>| match revision {
        Some(revision) => {
            shared
                .plane
                .object_at(&kind.gvk, &object.namespace, &object.name, revision)
                .await
        }
        None => None,
    };
    let before = at(revision(record, "beforeRevision")).await;
    let after = at(after_revision).await;
    let changes = match (&before, &after) {
        (Some(before), Some(after)) => differences(before.root(), after.root(), &kind.gvk),
        _ => Vec::new(),
    };
    let show = |doc: Option<Doc>| doc.map(|doc| yaml(&doc, &kind.gvk));
    Versions {
        before: show(before),
        after: show(after),
        changes,
    }
}

/// YAML for people: without bookkeeping, Secret values hidden.
pub(crate) fn yaml(doc: &Doc, gvk: &Gvk) -> String {
    shown(doc.root().to_value(), gvk).node().to_yaml()
}

/// Whether a change within a Secret may be shown: that of a name or label, not of a value or of what holds one.
fn is_harmless(pointer: &str) -> bool {
    let annotation = "/metadata/annotations";
    pointer.starts_with("/metadata/labels")
        || pointer.starts_with("/type")
        || (pointer.starts_with("/metadata/") && !pointer.starts_with(annotation))
        || (pointer.strip_prefix(annotation).is_some_and(|rest| rest.len() > 1) && !pointer.contains("last-applied"))
}

/// Differences as `DiffEntry`s, without bookkeeping.
pub(crate) fn differences(before: Node<'_>, after: Node<'_>, gvk: &Gvk) -> Vec<Value> {
    let secret = is_secret(gvk);
    let patch = ridgeway_apply::json_diff(before, after);
    let mut entries = Vec::new();
    for operation in patch.node().items() {
        let text = |key: &str| operation.str_at(&[key]).unwrap_or_default();
        let pointer = text("path");
        if pointer.starts_with("/metadata/managedFields") || pointer == "/metadata/resourceVersion" {
            continue;
        }
        let hidden = secret && !is_harmless(pointer);
        let value = |node: Node<'_>| if hidden { json!(HIDDEN) } else { json_of(node) };
        let old = ridgeway_doc::Pointer::parse(pointer)
            .ok()
            .and_then(|p| p.resolve(before));
        let reason = reason("edited", "changed by this request", None);
        entries.push(diff_entry(
            pointer,
            old.map(value),
            operation.get("value").map(value),
            reason,
        ));
    }
    entries
}

/// `DiffEntry` of the contract; a side that has no value is left out.
pub(crate) fn diff_entry(pointer: &str, before: Option<Value>, after: Option<Value>, reason: Value) -> Value {
    let mut entry = json!({"path": dotted(pointer), "reason": reason});
    for (side, value) in [("before", before), ("after", after)] {
        if let Some(value) = value {
            entry[side] = value;
        }
    }
    entry
}

/// `DiffReason` of the contract.
pub(crate) fn reason(kind: &str, text: &str, actor: Option<&str>) -> Value {
    json!({"kind": kind, "text": text, "actor": actor, "at": null, "ledgerIndex": null})
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
    use ridgeway_doc::parse_yaml;

    use super::*;

    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

    #[test]
    fn secrets_are_nowhere_in_a_shown_secret_or_its_changes() {
        let read = |value: &str| {
            let text = format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  labels: {{tier: {value}-label}}\n  annotations:\n    \
                 {LAST_APPLIED}: '{{\"stringData\":\"{value}\"}}'\nstringData: {{key: {value}}}\ndata: {{other: {value}}}\n"
            );
            parse_yaml(&text).unwrap().remove(0)
        };
        let (before, after) = (read("hunter2"), read("hunter3"));
        let gvk = Gvk::new("", "v1", "Secret");
        let shown = yaml(&before, &gvk);
        assert_eq!(
            shown.matches("hunter2").count(),
            shown.matches("hunter2-label").count(),
            "{shown}"
        );
        assert_eq!(shown.matches(HIDDEN).count(), 3, "{shown}");
        let changes = differences(before.root(), after.root(), &gvk);
        let told = serde_json::to_string(&changes).unwrap();
        assert_eq!(changes.len(), 4, "{told}");
        assert_eq!(told.matches("hunter").count(), 2, "only the label's two values: {told}");
        let map = Gvk::new("", "v1", "ConfigMap");
        assert!(
            differences(before.root(), after.root(), &map)
                .iter()
                .all(|d| d["before"] != HIDDEN)
        );
    }

    #[test]
    fn paths_read_as_people_write_them() {
        for (pointer, path) in [
            ("", ""),
            ("/spec/containers/0/image", "spec.containers[0].image"),
            (
                "/metadata/annotations/example.org~1note",
                "metadata.annotations[\"example.org/note\"]",
            ),
        ] {
            assert_eq!(dotted(pointer), path);
        }
    }
}
