//! The admission that Kubernetes has built in and that people rely on, as pure functions over documents.
//!
//! [`accounts`] gives Pods their service account, [`limits`] is LimitRanger, [`quota`] counts what objects use. Fetching
//! the LimitRanges, quotas and accounts they work on is the pipeline's part (`write/admit.rs`).

pub(crate) mod accounts;
pub(crate) mod limits;
pub(crate) mod quota;

use ridgeway_doc::Node;
use ridgeway_krm::Quantity;

/// A quantity as manifests write it: text or number.
pub(crate) fn quantity(node: Node<'_>) -> Option<Quantity> {
    match node.as_str() {
        Some(text) => Quantity::parse(text).ok(),
        None => Quantity::parse(&node.to_json()).ok(),
    }
}

/// The members of an object of quantities.
pub(crate) fn quantities<'a>(node: Option<Node<'a>>) -> impl Iterator<Item = (&'a str, Quantity)> {
    node.map(Node::members)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name, quantity(value)?)))
}
