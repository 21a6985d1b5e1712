//! What the journal of admissions keeps of a change: what was put before the policies and what they decided, so that other
//! policies can be asked about it later. The ledger is the proof, this is the material.
//!
//! A change costs a few copies of texts and counters here; its line is made on the journal's thread. Values of Secrets are
//! not in it.

use std::sync::Arc;

use bytes::Bytes;
use ridgeway_cluster::{Identity, Operation, Refusal};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind, is_secret, kept};
use ridgeway_store::Entry;

use super::record::digest;
use super::{Change, text};
use crate::codec;

/// A change on its way into the journal.
pub(super) struct Draft {
    kind: Arc<Kind>,
    operation: Operation,
    subresource: String,
    namespace: String,
    name: String,
    user: Identity,
    time: String,
    object: Option<Object>,
    old: Option<Doc>,
    namespace_object: Option<Doc>,
    refusal: Option<(Vec<String>, String)>,
    /// The ledger's entry about it.
    index: Option<u64>,
    /// The stored forms, for the digests that the ledger has of them.
    before: Option<Arc<Entry>>,
    after: Option<Bytes>,
}

/// The object as it was put before the policies.
enum Object {
    /// As policies found it, before they changed it.
    Found(Value),
    /// As it is stored.
    Stored,
}

impl Draft {
    /// What is known once the policies have been asked; `found` is the object where they changed it.
    pub(super) fn new(
        change: &Change<'_>,
        operation: Operation,
        found: Option<Value>,
        old: Option<&Doc>,
        namespace: Option<&Doc>,
    ) -> Draft {
        Draft {
            kind: change.kind.clone(),
            operation,
            subresource: change.write.subresource.clone(),
            namespace: change.write.namespace.clone(),
            name: change.name.clone(),
            user: change.user.clone(),
            time: change.now.clone(),
            object: match (operation, found) {
                (Operation::Delete, _) => None,
                (_, Some(found)) => Some(Object::Found(found)),
                (_, None) => Some(Object::Stored),
            },
            old: old.cloned(),
            namespace_object: namespace.cloned(),
            refusal: None,
            index: None,
            before: None,
            after: None,
        }
    }

    /// What is known once it was refused.
    pub(super) fn refused(mut self, refusals: &[Refusal], message: &str, index: Option<u64>) -> Draft {
        let by = refusals.iter().map(|refusal| match refusal.rule.as_str() {
            "" => refusal.policy.clone(),
            rule => format!("{}/{rule}", refusal.policy),
        });
        let mut by: Vec<String> = by.collect();
        by.dedup();
        self.refusal = Some((by, message.to_owned()));
        self.index = index;
        self
    }

    /// What is known once it is stored; `last` is what a removed object looked like at the end.
    pub(super) fn stored(
        mut self,
        index: Option<u64>,
        before: Option<Arc<Entry>>,
        after: Option<Bytes>,
        last: Option<&Doc>,
    ) -> Draft {
        if let (Some(Object::Stored), None, Some(last)) = (&self.object, &after, last) {
            self.object = Some(Object::Found(last.clone().into()));
        }
        self.index = index;
        self.before = before;
        self.after = after;
        self
    }

    /// The line. Without an object to put before rules there is none.
    fn line(self) -> Option<Vec<u8>> {
        let gvk = &self.kind.gvk;
        let mut out = Value::object();
        out.set(&["time"], self.time.as_str());
        if let Some(index) = self.index.and_then(|index| i64::try_from(index).ok()) {
            out.set(&["ledger", "index"], index);
        }
        for (key, bytes) in [
            ("before", self.before.as_ref().map(|entry| &entry.value)),
            ("after", self.after.as_ref()),
        ] {
            if let Some(bytes) = bytes {
                out.set(&["ledger", key], digest(bytes.get(codec::HEAD..).unwrap_or_default()));
            }
        }
        let request = out.object_at(&["request"]);
        request.insert("operation", self.operation.as_str());
        request.insert("kind", named(gvk));
        for (key, text) in [
            ("subResource", &self.subresource),
            ("namespace", &self.namespace),
            ("name", &self.name),
        ] {
            if !text.is_empty() {
                request.insert(key, text.as_str());
            }
        }
        request.insert("userInfo", crate::review::user_info(&self.user));
        let object = match self.object {
            Some(Object::Found(found)) => Some(found),
            Some(Object::Stored) => self.after.as_ref().and_then(|bytes| stored(bytes)),
            None => None,
        };
        let old = self.old.map(Value::from);
        if object.is_none() && old.is_none() {
            return None;
        }
        for (key, value) in [("object", object), ("oldObject", old)] {
            if let Some(value) = value {
                request.insert(key, kept(value, gvk));
            }
        }
        if let Some(namespace) = &self.namespace_object {
            out.set(&["namespaceObject"], of_namespace(namespace.root()));
        }
        out.set(&["decision", "allowed"], self.refusal.is_none());
        if let Some((by, message)) = self.refusal {
            out.set(&["decision", "by"], by.into_iter().collect::<Value>());
            // What a policy says of a Secret may quote it.
            if !is_secret(gvk) {
                out.set(&["decision", "message"], message);
            }
        }
        Some(out.to_json().into_bytes())
    }
}

fn named(gvk: &Gvk) -> Value {
    let mut out = Value::object();
    out.set(&["group"], gvk.group.as_str());
    out.set(&["version"], gvk.version.as_str());
    out.set(&["kind"], gvk.kind.as_str());
    out
}

/// An object from its stored form.
fn stored(bytes: &[u8]) -> Option<Value> {
    Doc::parse_json(bytes.get(codec::HEAD..)?).ok().map(Value::from)
}

/// What rules read of a namespace.
fn of_namespace(namespace: Node<'_>) -> Value {
    let mut out = Value::object();
    out.set(&["metadata", "name"], text(namespace, &["metadata", "name"]));
    for key in ["labels", "annotations"] {
        if let Some(members) = namespace.at(&["metadata", key]) {
            out.set(&["metadata", key], members.to_value());
        }
    }
    kept(out, &Gvk::new("", "v1", "Namespace"))
}

impl Change<'_> {
    /// A draft of a change that was put before all rules, where a journal is kept.
    pub(super) fn draft(
        &self,
        judged: bool,
        operation: Operation,
        found: Option<Value>,
        old: Option<&Doc>,
        namespace: Option<&Doc>,
    ) -> Option<Draft> {
        let wanted = judged && !self.write.options.dry_run && self.plane.journal().is_some();
        wanted.then(|| Draft::new(self, operation, found, old, namespace))
    }

    /// Hands a draft to the journal. Never waits, never fails: what is left out is counted.
    pub(super) fn keep(&self, draft: Draft) {
        if let Some(journal) = self.plane.journal() {
            journal.offer(move || draft.line());
        }
    }
}
