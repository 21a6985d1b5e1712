//! Fields that no schema declares: finding and dropping them.

use ridgeway_doc::{Kind, Node, Value};
use ridgeway_krm::SchemaRef;

use crate::edit::Edit;
use crate::meta::member_of_resource;
use crate::path::Path;

/// What a schema says of one member.
enum Member<'a> {
    /// It has a schema of its own.
    Declared(SchemaRef<'a>),
    /// Anything may be there.
    Free,
    /// Nothing may be there.
    Unknown,
}

fn member<'a>(schema: SchemaRef<'a>, name: &str, resource: bool) -> Member<'a> {
    if resource {
        match name {
            "apiVersion" | "kind" => return Member::Free,
            "metadata" => {
                return member_of_resource(schema, name).map_or(Member::Free, Member::Declared);
            }
            _ => {}
        }
    }
    match schema.member(name) {
        Some(found) => Member::Declared(found),
        None if schema.allows_member(name) || is_open(schema) => Member::Free,
        None => Member::Unknown,
    }
}

/// A schema whose fields stand in its alternatives only, or that accepts any type at all.
fn is_open(schema: SchemaRef<'_>) -> bool {
    let schema = schema.schema();
    schema.ty.is_none() && schema.properties.is_empty() && schema.additional.is_none()
}

/// The dotted paths of all fields that the schema of the object does not know, in document order.
pub fn unknown_fields(schema: SchemaRef<'_>, node: Node<'_>) -> Vec<String> {
    let mut found = Vec::new();
    unknown(schema, node, true, &Path::Root, &mut found);
    found
}

fn unknown(schema: SchemaRef<'_>, node: Node<'_>, resource: bool, path: &Path<'_>, found: &mut Vec<String>) {
    match node.kind() {
        Kind::Object => {
            for (name, child) in node.members() {
                let path = path.field(name);
                match member(schema, name, resource) {
                    Member::Declared(schema) => {
                        unknown(schema, child, schema.schema().embedded_resource, &path, found);
                    }
                    Member::Free => {}
                    Member::Unknown => found.push(path.to_string()),
                }
            }
        }
        Kind::Array => {
            if let Some(items) = schema.items_schema() {
                for (index, item) in node.items().enumerate() {
                    unknown(items, item, items.schema().embedded_resource, &path.index(index), found);
                }
            }
        }
        _ => {}
    }
}

/// Drops all fields that the schema of the object does not know.
pub fn prune(schema: SchemaRef<'_>, object: &mut Value) {
    if let Some(pruned) = pruned(schema, object.node(), true) {
        *object = pruned;
    }
}

fn pruned(schema: SchemaRef<'_>, node: Node<'_>, resource: bool) -> Option<Value> {
    let mut edit = Edit::new(node);
    match node.kind() {
        Kind::Object => {
            for (name, child) in node.members() {
                match member(schema, name, resource) {
                    Member::Declared(schema) => {
                        if let Some(value) = pruned(schema, child, schema.schema().embedded_resource) {
                            edit.insert(name, value);
                        }
                    }
                    Member::Free => {}
                    Member::Unknown => edit.remove(name),
                }
            }
        }
        Kind::Array => {
            let items = schema.items_schema()?;
            edit.each_item(|item| pruned(items, item, items.schema().embedded_resource));
        }
        _ => {}
    }
    edit.finish()
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;
    use ridgeway_krm::SchemaSet;

    use super::*;

    #[test]
    fn finds_and_prunes_what_no_schema_declares() {
        let schema = r#"{"type":"object","properties":{
            "spec":{"type":"object","properties":{
                "list":{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}}},
                "map":{"type":"object","additionalProperties":{"type":"object","properties":{"x":{"type":"integer"}}}},
                "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true,
                        "properties":{"known":{"type":"object","properties":{"y":{"type":"string"}}}}},
                "embedded":{"type":"object","x-kubernetes-embedded-resource":true,
                        "properties":{"spec":{"type":"object","properties":{"z":{"type":"string"}}}}},
                "any":{"type":"object"}
            }},
            "metadata":{"type":"object"}}}"#;
        let mut set = SchemaSet::new();
        let id = set.add(Doc::parse_json(schema.as_bytes()).unwrap().root()).unwrap();
        let cases = [
            (
                r#"{"apiVersion":"a/v1","kind":"K","metadata":{"name":"n"},"spec":{}}"#,
                vec![],
                None,
            ),
            (
                r#"{"kind":"K","metadata":{"name":"n","nmae":"m"},"spek":1}"#,
                vec!["metadata.nmae", "spek"],
                Some(r#"{"kind":"K","metadata":{"name":"n"}}"#),
            ),
            (
                r#"{"spec":{"list":[{"a":"1"},{"a":"2","b":3}],"map":{"k":{"x":1,"w":2}}}}"#,
                vec!["spec.list[1].b", "spec.map.k.w"],
                Some(r#"{"spec":{"list":[{"a":"1"},{"a":"2"}],"map":{"k":{"x":1}}}}"#),
            ),
            (
                r#"{"spec":{"free":{"q":1,"known":{"y":"1","n":2}},"any":{"r":{"s":1}}}}"#,
                vec!["spec.free.known.n"],
                Some(r#"{"spec":{"free":{"q":1,"known":{"y":"1"}},"any":{"r":{"s":1}}}}"#),
            ),
            (
                r#"{"spec":{"embedded":{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":"b"},"o":1},"t":1,"spec":{}}}}"#,
                vec!["spec.embedded.metadata.o", "spec.embedded.t"],
                Some(
                    r#"{"spec":{"embedded":{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":"b"}},"spec":{}}}}"#,
                ),
            ),
        ];
        for (input, unknown, pruned) in cases {
            let doc = Doc::parse_json(input.as_bytes()).unwrap();
            assert_eq!(unknown_fields(set.get(id), doc.root()), unknown, "{input}");
            let mut value = doc.root().to_value();
            prune(set.get(id), &mut value);
            assert_eq!(value.to_json(), pruned.unwrap_or(input));
        }
    }
}
