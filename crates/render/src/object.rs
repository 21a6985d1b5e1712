//! What rendering gives.

use ridgeway_doc::{Doc, Node, yaml};

use crate::error::{Fault, RenderError};

/// The objects of a source, and what they were made from.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// The objects, in the order in which they would be printed.
    pub objects: Vec<Object>,
    /// Every file that was looked for, sorted; also those that do not exist, for their appearance would matter.
    pub files: Vec<String>,
    /// Every directory that was listed, sorted.
    pub directories: Vec<String>,
}

impl Rendered {
    /// The objects as one YAML stream.
    pub fn to_yaml(&self) -> String {
        yaml::write_stream(self.objects.iter().map(|o| &o.doc))
    }
}

/// One rendered object.
#[derive(Clone, Debug)]
pub struct Object {
    /// The object.
    pub doc: Doc,
    /// The file it came from, relative to the repository root.
    pub file: String,
    /// The line on which it starts there.
    pub line: u32,
}

/// The objects of one document: the items of a list, or the document itself.
pub(crate) fn expand(doc: &Doc) -> Vec<Doc> {
    let root = doc.root();
    let is_list = root
        .get("kind")
        .and_then(Node::as_str)
        .is_some_and(|k| k.ends_with("List"));
    match root.get("items") {
        Some(items) if is_list && items.is_array() => items.items().flat_map(|item| expand(&item.to_doc())).collect(),
        _ => vec![doc.clone()],
    }
}

/// Checks that a document is an object that a cluster could take.
pub(crate) fn check(file: &str, node: Node<'_>) -> Result<(), RenderError> {
    let mut faults = Vec::new();
    let mut wants = |field: &str, path: &[&str]| {
        if node.at(path).and_then(Node::as_str).is_none_or(str::is_empty) {
            let message = "is missing or no string: every object needs apiVersion, kind and metadata.name";
            faults.push(Fault::in_file(file, message).at(node).field(field));
        }
    };
    if !node.is_object() {
        let message = format!("found a {} where an object was expected", node.kind());
        return Err(Fault::in_file(file, message).at(node).into());
    }
    wants("apiVersion", &["apiVersion"]);
    wants("kind", &["kind"]);
    if node.at(&["metadata", "generateName"]).is_none() {
        wants("metadata.name", &["metadata", "name"]);
    }
    RenderError::check(faults)
}
