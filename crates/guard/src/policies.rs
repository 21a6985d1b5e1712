//! The stored policies, as they were last seen.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::ObjectRef;

use crate::source;

/// A stored policy.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Without bookkeeping; its positions are those of its YAML form.
    pub(crate) doc: Doc,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// Differs from state to state.
    pub(crate) version: u64,
}

/// Policies by reference.
#[derive(Debug, Default)]
pub(crate) struct Policies(Mutex<(u64, BTreeMap<ObjectRef, Stored>)>);

/// The creation time of an object.
pub(crate) fn created(object: Node<'_>) -> Timestamp {
    object
        .str_at(&["metadata", "creationTimestamp"])
        .and_then(|t| t.parse().ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Policies {
    /// Takes in a policy's state, or that it is gone. Says whether that matters to its rules.
    pub(crate) fn put(&self, key: ObjectRef, object: Option<&Doc>) -> bool {
        let mut content = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (serial, all) = &mut *content;
        // A policy that is on its way out still counts until it is gone.
        let Some(object) = object else {
            return all.remove(&key).is_some();
        };
        let doc = source::readable(object.root());
        let known = all.get(&key);
        let rule_parts = |doc: &Doc| {
            let root = doc.root();
            [
                root.get("spec"),
                root.at(&["metadata", "annotations"]),
                root.at(&["metadata", "labels"]),
                root.at(&["metadata", "uid"]),
            ]
            .map(|part| part.map(Node::to_json))
        };
        if known.is_some_and(|known| rule_parts(&known.doc) == rule_parts(&doc)) {
            return false;
        }
        *serial += 1;
        all.insert(
            key,
            Stored {
                created: created(object.root()),
                version: *serial,
                doc,
            },
        );
        true
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> BTreeMap<ObjectRef, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}
