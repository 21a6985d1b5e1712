//! Strategic merge patches, as a table.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use ridgeway_apply::strategic_merge_patch;
use ridgeway_doc::Doc;
use ridgeway_krm::SchemaSet;

const SCHEMA: &str = r#"{"type":"object","properties":{
    "value":{"type":"integer"},
    "list":{"type":"array","x-kubernetes-patch-strategy":"merge","x-kubernetes-patch-merge-key":"name","items":{"type":"object",
        "properties":{"name":{"type":"string"},"value":{"type":"integer"},"other":{"type":"integer"},
        "inner":{"type":"array","x-kubernetes-patch-strategy":"merge","x-kubernetes-patch-merge-key":"name",
            "items":{"type":"object"}}}}},
    "set":{"type":"array","x-kubernetes-patch-strategy":"merge","items":{"type":"string"}},
    "plain":{"type":"array","items":{"type":"integer"}},
    "map":{"type":"object","additionalProperties":{"type":"object"}},
    "union":{"type":"object","x-kubernetes-patch-strategy":"retainKeys","properties":{"a":{},"b":{},"c":{}}},
    "whole":{"type":"object","x-kubernetes-patch-strategy":"replace","properties":{"a":{},"b":{}}}}}"#;

fn patched(target: &str, patch: &str) -> String {
    let mut set = SchemaSet::new();
    let doc = |text: &str| Doc::parse_json(text.as_bytes()).unwrap();
    let id = set.add(doc(SCHEMA).root()).unwrap();
    match strategic_merge_patch(doc(target).root(), doc(patch).root(), Some(set.get(id))) {
        Ok(value) => value.to_json(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn patches() {
    for (target, patch, want) in [
        (
            r#"{"value":1,"x":1}"#,
            r#"{"value":2,"x":null,"y":3}"#,
            r#"{"value":2,"y":3}"#,
        ),
        (r#"{"plain":[1,2]}"#, r#"{"plain":[3]}"#, r#"{"plain":[3]}"#),
        (
            r#"{"list":[{"name":"1","value":1},{"name":"2","value":2}]}"#,
            r#"{"list":[{"name":"2","other":5},{"name":"3","value":null}]}"#,
            r#"{"list":[{"name":"1","value":1},{"name":"2","value":2,"other":5},{"name":"3"}]}"#,
        ),
        (
            r#"{"list":[{"name":"1"},{"name":"2"}]}"#,
            r#"{"list":[{"name":"1","$patch":"delete"},{"name":"9","$patch":"delete"}]}"#,
            r#"{"list":[{"name":"2"}]}"#,
        ),
        (
            r#"{"list":[{"name":"1"},{"name":"2"}]}"#,
            r#"{"list":[{"$patch":"replace"},{"name":"3"}]}"#,
            r#"{"list":[{"name":"3"}]}"#,
        ),
        (
            r#"{"list":[{"name":"1","value":1}]}"#,
            r#"{"list":[{"name":"1","$patch":"replace","other":2}]}"#,
            r#"{"list":[{"name":"1","other":2}]}"#,
        ),
        (
            r#"{"list":[{"name":"1","inner":[{"name":"a"}]}]}"#,
            r#"{"list":[{"name":"1","inner":[{"name":"b"},{"name":"a","$patch":"delete"}]}]}"#,
            r#"{"list":[{"name":"1","inner":[{"name":"b"}]}]}"#,
        ),
        (
            r#"{"list":[{"name":"1"},{"name":"2"},{"name":"3"},{"name":"4"}]}"#,
            r#"{"$setElementOrder/list":[{"name":"4"},{"name":"2"},{"name":"1"}],"list":[{"name":"4","value":4}]}"#,
            r#"{"list":[{"name":"3"},{"name":"4","value":4},{"name":"2"},{"name":"1"}]}"#,
        ),
        (
            r#"{"set":["a","b","c"]}"#,
            r#"{"$deleteFromPrimitiveList/set":["b"],"set":["d","a"]}"#,
            r#"{"set":["a","c","d"]}"#,
        ),
        (
            r#"{"set":["a","b"]}"#,
            r#"{"$deleteFromPrimitiveList/set":["b"]}"#,
            r#"{"set":["a"]}"#,
        ),
        (
            r#"{"set":["a","b","s"]}"#,
            r#"{"$setElementOrder/set":["c","b","a"],"set":["c"]}"#,
            r#"{"set":["c","b","a","s"]}"#,
        ),
        (
            r#"{"set":["a","b"]}"#,
            r#"{"$setElementOrder/set":["b","a"]}"#,
            r#"{"set":["b","a"]}"#,
        ),
        (
            r#"{}"#,
            r#"{"$setElementOrder/set":["b"],"list":[{"name":"1","$patch":"delete"}]}"#,
            r#"{"list":[]}"#,
        ),
        (
            r#"{"map":{"a":{"x":1},"b":{"y":1}}}"#,
            r#"{"map":{"a":{"$patch":"replace","z":1}}}"#,
            r#"{"map":{"a":{"z":1},"b":{"y":1}}}"#,
        ),
        (
            r#"{"map":{"a":{"x":1}}}"#,
            r#"{"map":{"a":{"$patch":"delete"},"b":null}}"#,
            r#"{"map":{"a":{}}}"#,
        ),
        (
            r#"{"union":{"a":1,"b":1}}"#,
            r#"{"union":{"$retainKeys":["b","c"],"c":2}}"#,
            r#"{"union":{"b":1,"c":2}}"#,
        ),
        (
            r#"{"whole":{"a":1,"b":1}}"#,
            r#"{"whole":{"a":2}}"#,
            r#"{"whole":{"a":2}}"#,
        ),
        (
            r#"{"metadata":{"finalizers":["a"],"ownerReferences":[{"uid":"1","name":"x"}]}}"#,
            r#"{"metadata":{"finalizers":["b"],"ownerReferences":[{"uid":"1","$patch":"delete"}]}}"#,
            r#"{"metadata":{"finalizers":["a","b"],"ownerReferences":[]}}"#,
        ),
        (
            "{}",
            r#"{"list":[{"value":1}]}"#,
            r#"error: strategic merge patch: an item of "list" lacks its merge key "name": {"value":1}; name the item it means"#,
        ),
        (
            "{}",
            r#"{"union":{"$retainKeys":["a"],"b":1}}"#,
            r#"error: strategic merge patch: the patch sets "b", which its `$retainKeys` does not list; add it there"#,
        ),
        (
            r#"{"set":["a"]}"#,
            r#"{"$setElementOrder/set":["a"],"set":["b"]}"#,
            r#"error: strategic merge patch: the patch adds "b" to "set", which its `$setElementOrder` does not list; add it there"#,
        ),
        (
            "{}",
            r#"{"map":{"$patch":"frob"}}"#,
            r#"error: strategic merge patch: `$patch` is "frob": write replace, delete or merge"#,
        ),
        (
            "{}",
            "[]",
            "error: strategic merge patch: the patch must be an object, found array",
        ),
    ] {
        assert_eq!(patched(target, patch), want, "{target} {patch}");
    }
}
