//! What the journal of admissions keeps of a change: what was put before the policies and what they decided, so that other
//! policies can be asked about it later. The ledger is the proof, this is the material.
//!
//! A change costs a few copies of texts and counters here; its line is made on the journal's thread. Values of Secrets are
//! not in it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use ridgeway_cluster::{Identity, Operation, Refusal};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind, is_secret, kept, kept_json};

use super::record::Logged;
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
    logged: Option<Logged>,
    /// The stored form.
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
            logged: None,
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
        self.logged = index.map(|index| Logged {
            index,
            before: String::new(),
            after: String::new(),
        });
        self
    }

    /// What is known once it is stored; `last` is what a removed object looked like at the end.
    pub(super) fn stored(mut self, logged: Option<Logged>, after: Option<Bytes>, last: Option<&Doc>) -> Draft {
        if let (Some(Object::Stored), None, Some(last)) = (&self.object, &after, last) {
            self.object = Some(Object::Found(last.clone().into()));
        }
        self.logged = logged;
        self.after = after;
        self
    }

    /// The line. Without an object to put before rules there is none.
    fn line(self) -> Option<Vec<u8>> {
        let gvk = &self.kind.gvk;
        let mut out = Value::object();
        out.set(&["time"], self.time.as_str());
        if let Some(logged) = &self.logged {
            out.set(&["ledger", "index"], i64::try_from(logged.index).unwrap_or(i64::MAX));
            for (key, digest) in [("before", &logged.before), ("after", &logged.after)] {
                if !digest.is_empty() {
                    out.set(&["ledger", key], digest.as_str());
                }
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
        let mut request = Value::object();
        request.set(&["operation"], self.operation.as_str());
        request.set(&["kind"], named(gvk));
        for (key, text) in [
            ("subResource", &self.subresource),
            ("namespace", &self.namespace),
            ("name", &self.name),
        ] {
            if !text.is_empty() {
                request.set(&[key], text.as_str());
            }
        }
        request.set(&["userInfo"], crate::review::user_info(&self.user));
        // Stored forms are JSON already: most are written as they are.
        let object = match self.object {
            Some(Object::Found(found)) => Some(Cow::Owned(kept(found, gvk).to_json())),
            Some(Object::Stored) => stored(self.after.as_deref()).and_then(|json| kept_json(json, gvk)),
            None => None,
        };
        let old = self.old.map(|old| kept(old.into(), gvk).to_json());
        if object.is_none() && old.is_none() {
            return None;
        }
        let mut request = request.to_json();
        for (key, json) in [("object", object.as_deref()), ("oldObject", old.as_deref())] {
            if let Some(json) = json {
                member(&mut request, key, json);
            }
        }
        let mut line = out.to_json();
        member(&mut line, "request", &request);
        Some(line.into_bytes())
    }
}

/// Adds a member to the text of an object that has some.
fn member(object: &mut String, key: &str, json: &str) {
    object.pop();
    object.extend([",\"", key, "\":", json, "}"]);
}

fn named(gvk: &Gvk) -> Value {
    let mut out = Value::object();
    out.set(&["group"], gvk.group.as_str());
    out.set(&["version"], gvk.version.as_str());
    out.set(&["kind"], gvk.kind.as_str());
    out
}

/// The JSON of a stored form.
fn stored(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?.get(codec::HEAD..)?).ok()
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
