//! Tables and partial metadata: the forms in which kubectl prints and controllers watch.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Kind;

use super::Call;

impl Call {
    /// `meta.k8s.io/v1 Table`: the kind's columns, one row an object.
    pub(super) fn table(&self, kind: &Kind, docs: &[Doc], version: &str, headers: bool) -> Value {
        let now = self.api.plane.now();
        let include = self.query.get("includeObject");
        let mut table = Value::object();
        table.set(&["kind"], "Table");
        table.set(&["apiVersion"], "meta.k8s.io/v1");
        table.set(&["metadata"], Value::object());
        if !version.is_empty() {
            table.set(&["metadata", "resourceVersion"], version);
        }
        if headers {
            let columns: Value = kind
                .columns
                .iter()
                .map(|column| {
                    let mut value = Value::object();
                    value.set(&["name"], column.name.as_str());
                    value.set(&["type"], column.ty.as_str());
                    value.set(&["format"], column.format.as_str());
                    value.set(&["description"], column.description.as_str());
                    value.set(&["priority"], i64::from(column.priority));
                    value
                })
                .collect();
            table.set(&["columnDefinitions"], columns);
        } else {
            table.set(&["columnDefinitions"], Value::NULL);
        }
        let rows: Value = docs
            .iter()
            .map(|doc| {
                let mut row = Value::object();
                row.set(&["cells"], kind.cells(doc.root(), now).into_iter().collect::<Value>());
                let object = match include {
                    "None" => Value::NULL,
                    "Object" => doc.root().to_value(),
                    _ => partial(doc.root()),
                };
                row.set(&["object"], object);
                row
            })
            .collect();
        table.set(&["rows"], rows);
        table
    }
}

/// `PartialObjectMetadata` of an object.
pub(super) fn partial(object: Node<'_>) -> Value {
    let mut value = Value::object();
    value.set(&["kind"], "PartialObjectMetadata");
    value.set(&["apiVersion"], "meta.k8s.io/v1");
    value.set(&["metadata"], object.get("metadata").map(Node::to_value));
    value
}
