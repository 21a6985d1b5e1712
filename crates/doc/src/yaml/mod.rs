//! YAML: Kubernetes' reading of it, and go-yaml's way of printing it.

mod emit;
mod layout;
mod order;
mod parse;
mod scalar;
mod style;

pub use parse::{parse_yaml, parse_yaml_as};
pub use scalar::Reading;

use crate::arena::Doc;
use crate::node::Node;

/// Prints a node as `kubectl -o yaml` and kustomize do: keys sorted, two blanks of indentation, list items at the
/// indentation of their key, lines folded at 80 columns.
pub fn to_yaml(node: Node<'_>) -> String {
    emit::print(node)
}

/// Prints documents as one stream, with `---` lines between them.
pub fn write_stream<'a>(docs: impl IntoIterator<Item = &'a Doc>) -> String {
    let mut out = String::new();
    for doc in docs {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        out.push_str(&to_yaml(doc.root()));
    }
    out
}

#[cfg(test)]
mod tests;
