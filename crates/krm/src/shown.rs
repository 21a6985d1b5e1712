//! Objects as they may be seen, and kept, where their secrets may not.

use std::borrow::Cow;

use ridgeway_doc::{Doc, Node, Value};

use crate::name::Gvk;

/// What stands in place of a value that nobody is to see.
pub const HIDDEN: &str = "<hidden>";
/// Where kubectl keeps what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether objects of a kind hold values that nobody is to see.
pub fn is_secret(gvk: &Gvk) -> bool {
    gvk.group.is_empty() && gvk.kind == "Secret"
}

/// An object as people may see it: without bookkeeping, Secret values hidden.
pub fn shown(mut object: Value, gvk: &Gvk) -> Value {
    object.remove(&["metadata", "managedFields"]);
    if is_secret(gvk) {
        for part in ["data", "stringData"] {
            let members = object.node().get(part).map(Node::members).into_iter().flatten();
            let keys: Vec<String> = members.map(|(key, _)| key.to_owned()).collect();
            for key in keys {
                object.set(&[part, &key], HIDDEN);
            }
        }
        // kubectl keeps a copy of the whole object there.
        if object.node().at(&["metadata", "annotations", LAST_APPLIED]).is_some() {
            object.set(&["metadata", "annotations", LAST_APPLIED], HIDDEN);
        }
    }
    object
}

/// The same to be kept: without the copy that kubectl makes of every object.
pub fn kept(object: Value, gvk: &Gvk) -> Value {
    let mut object = shown(object, gvk);
    object.remove(&["metadata", "annotations", LAST_APPLIED]);
    object
}

/// The same of an object's JSON text, which is mostly as it may be kept already; `None` when it is no JSON.
pub fn kept_json<'j>(json: &'j str, gvk: &Gvk) -> Option<Cow<'j, str>> {
    if !is_secret(gvk) && !json.contains("managedFields") && !json.contains(LAST_APPLIED) {
        return Some(Cow::Borrowed(json));
    }
    let object = Doc::parse_json(json.as_bytes()).ok()?;
    Some(Cow::Owned(kept(object.into(), gvk).to_json()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_secret_are_its_keys() {
        let text = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: s, managedFields: [{{manager: hunter2}}], annotations: {{a: b, \
             {LAST_APPLIED}: hunter2}}}}, stringData: {{key: hunter2}}, data: {{other: hunter2}}}}"
        );
        let object = ridgeway_doc::parse_yaml(&text).unwrap().remove(0);
        let json = |gvk: &Gvk| {
            let json = kept(object.root().to_value(), gvk).to_json();
            let text = object.root().to_json();
            assert_eq!(kept_json(&text, gvk).as_deref(), Some(&*json));
            json
        };
        let secret = json(&Gvk::new("", "v1", "Secret"));
        assert!(
            !secret.contains("hunter2") && secret.contains("\"key\":\"<hidden>\""),
            "{secret}"
        );
        assert!(secret.contains("\"a\":\"b\""), "{secret}");
        let other = json(&Gvk::new("", "v1", "ConfigMap"));
        assert_eq!(other.matches("hunter2").count(), 2, "{other}");
        let plain = r#"{"kind":"ConfigMap","data":{"a":"b"}}"#;
        assert!(matches!(
            kept_json(plain, &Gvk::new("", "v1", "ConfigMap")),
            Some(Cow::Borrowed(text)) if text == plain
        ));
        assert_eq!(kept_json("{", &Gvk::new("", "v1", "Secret")), None);
    }
}
