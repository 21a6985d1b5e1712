//! Filling in what was left out.

mod computed;
mod table;

use ridgeway_doc::{Kind, Node, Value};
use ridgeway_krm::{Gvk, SchemaRef, SchemaType};

use crate::edit::Edit;
use crate::meta::{is_builtin, member_of_resource};

/// Gives the object the defaults that its schema states and, for built-in kinds, those that only code states upstream.
pub fn default(schema: SchemaRef<'_>, object: &mut Value) {
    let builtin = object.node().str_at(&["apiVersion"]).is_some_and(is_builtin);
    if let Some(value) = filled(
        schema,
        object.node(),
        Reading {
            builtin,
            resource: true,
        },
    ) {
        *object = value;
    }
    if builtin
        && let Some(gvk) = Gvk::of(object.node())
        && let Some(value) = table::defaults().fill(&gvk, object.node())
    {
        *object = value;
    }
}

#[derive(Clone, Copy)]
struct Reading {
    /// `null` means absent, as Go decodes it.
    builtin: bool,
    /// The node is a whole resource.
    resource: bool,
}

fn filled(schema: SchemaRef<'_>, node: Node<'_>, reading: Reading) -> Option<Value> {
    let mut edit = Edit::new(node);
    match node.kind() {
        Kind::Object => {
            for (name, child) in node.members() {
                let found = if reading.resource {
                    member_of_resource(schema, name)
                } else {
                    schema.member(name)
                };
                let Some(found) = found else { continue };
                // Metadata is read as Go does even within custom resources.
                let builtin = reading.builtin || (reading.resource && name == "metadata");
                if child.is_null() {
                    if builtin && !found.schema().nullable && accepts_no_null(found) {
                        // In a map of texts a null is the empty text; elsewhere it is nothing.
                        if schema.property(name).is_none() && found.schema().ty == Some(SchemaType::String) {
                            edit.insert(name, "");
                        } else if !is_required_reference(schema, name, found) {
                            edit.remove(name);
                        }
                    }
                    continue;
                }
                let reading = Reading {
                    builtin,
                    resource: found.schema().embedded_resource,
                };
                if let Some(value) = filled(found, child, reading) {
                    edit.insert(name, value);
                }
            }
            for (name, id) in &schema.schema().properties {
                let property = schema.sibling(*id);
                let Some(default) = &property.schema().default else {
                    continue;
                };
                let absent = match node.get(name) {
                    None => true,
                    Some(child) => child.is_null() && !property.schema().nullable,
                };
                if absent {
                    let reading = Reading {
                        builtin: reading.builtin,
                        resource: property.schema().embedded_resource,
                    };
                    let value = filled(property, default.root(), reading).unwrap_or_else(|| default.root().to_value());
                    edit.insert(name, value);
                }
            }
        }
        Kind::Array => {
            let items = schema.items_schema()?;
            let reading = Reading {
                builtin: reading.builtin,
                resource: items.schema().embedded_resource,
            };
            edit.each_item(|item| match (&items.schema().default, item.is_null()) {
                (Some(default), true) if !items.schema().nullable => Some(default.root().to_value()),
                _ => filled(items, item, reading),
            });
        }
        _ => {}
    }
    edit.finish()
}

/// A required pointer to a structure is `null` where Go has nil, and Go's decoder is content with it.
fn is_required_reference(schema: SchemaRef<'_>, name: &str, found: SchemaRef<'_>) -> bool {
    found.schema().ty == Some(SchemaType::Object) && schema.schema().required.iter().any(|required| &**required == name)
}

/// Free-form values keep their nulls.
fn accepts_no_null(schema: SchemaRef<'_>) -> bool {
    let schema = schema.schema();
    schema.ty.is_some() || schema.int_or_string || !schema.one_of.is_empty()
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;
    use ridgeway_krm::SchemaSet;

    use super::*;

    #[test]
    fn structural_defaults() {
        let schema = r#"{"type":"object","properties":{"spec":{"type":"object","default":{},"properties":{
            "size":{"type":"integer","default":3},
            "mode":{"type":"string","nullable":true,"default":"x"},
            "list":{"type":"array","items":{"type":"object","properties":{"p":{"type":"string","default":"TCP"}}}},
            "map":{"type":"object","additionalProperties":{"type":"object","properties":{"q":{"type":"boolean","default":false}}}}
            }}}}"#;
        let mut set = SchemaSet::new();
        let id = set.add(Doc::parse_json(schema.as_bytes()).unwrap().root()).unwrap();
        for (input, want) in [
            (r#"{}"#, r#"{"spec":{"size":3,"mode":"x"}}"#),
            (
                r#"{"spec":{"size":null,"mode":null}}"#,
                r#"{"spec":{"size":3,"mode":null}}"#,
            ),
            (
                r#"{"spec":{"size":1,"mode":"y","list":[{},{"p":"UDP"}],"map":{"k":{}}}}"#,
                r#"{"spec":{"size":1,"mode":"y","list":[{"p":"TCP"},{"p":"UDP"}],"map":{"k":{"q":false}}}}"#,
            ),
            (
                r#"{"metadata":{"name":"n","creationTimestamp":null,"labels":null},"spec":{"size":1,"mode":"y"}}"#,
                r#"{"metadata":{"name":"n"},"spec":{"size":1,"mode":"y"}}"#,
            ),
        ] {
            let mut value = Value::from(Doc::parse_json(input.as_bytes()).unwrap());
            default(set.get(id), &mut value);
            assert_eq!(value.to_json(), want, "{input}");
            let once = value.clone();
            default(set.get(id), &mut value);
            assert_eq!(value, once, "defaulting twice");
        }
    }
}
