//! Deletion: preconditions, finalizers, grace, and when an object is finally gone.

use ridgeway_cluster::{DeleteOptions, Propagation, Status};
use ridgeway_doc::{Doc, Node, Value};

use super::{Change, Outcome, strategy, text};

/// Keeps an object until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Keeps an object until its dependents have forgotten it.
pub(crate) const ORPHAN: &str = "orphan";

impl Change<'_> {
    /// Marks the object for deletion, or removes it when nothing holds it.
    pub(super) fn compose_delete(&self, old: Option<&Doc>, options: &DeleteOptions) -> Result<Outcome, Status> {
        let (group, plural) = (&self.kind.gvk.group, &self.kind.plural);
        let Some(old) = old else {
            return Err(Status::not_found(group, plural, &self.name));
        };
        if let Some(why) = strategy::forbids_deletion(self) {
            return Err(Status::forbidden(group, plural, &self.name, why));
        }
        let old = old.root();
        let uid = text(old, &["metadata", "uid"]);
        let version = text(old, &["metadata", "resourceVersion"]);
        for (name, wanted, have) in [
            ("UID", &options.preconditions.uid, uid),
            ("ResourceVersion", &options.preconditions.resource_version, version),
        ] {
            if let Some(wanted) = wanted
                && wanted != have
            {
                let why =
                    format!("Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {have}");
                return Err(Status::conflict(group, plural, &self.name, &why));
            }
        }
        let mut object = old.to_value();
        let mut finalizers: Vec<String> = old
            .at(&["metadata", "finalizers"])
            .map(|list| list.items().filter_map(Node::as_str).map(Into::into).collect())
            .unwrap_or_default();
        let finalizer = match options.propagation {
            Propagation::Background => None,
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
        };
        if let Some(finalizer) = finalizer
            && !finalizers.iter().any(|f| f == finalizer)
        {
            finalizers.push(finalizer.into());
        }
        let grace = strategy::grace(self, old, options.grace_period_seconds);
        let marked = old.at(&["metadata", "deletionTimestamp"]).is_some();
        let held = !finalizers.is_empty() || strategy::holds_itself(self, old);
        if !held && grace == 0 {
            return Ok(Outcome::Remove);
        }
        let shorter = old
            .at(&["metadata", "deletionGracePeriodSeconds"])
            .and_then(Node::as_i64)
            .is_some_and(|g| grace < g);
        let same_finalizers = finalizers.len() == old.at(&["metadata", "finalizers"]).map_or(0, Node::len);
        if marked && !shorter && same_finalizers {
            return Ok(Outcome::Unchanged);
        }
        if !finalizers.is_empty() {
            object.set(&["metadata", "finalizers"], finalizers.iter().collect::<Value>());
        }
        if !marked {
            object.set(&["metadata", "deletionTimestamp"], strategy::deletion_time(self, grace));
            let generation = old.at(&["metadata", "generation"]).and_then(Node::as_i64).unwrap_or(0);
            if generation > 0 {
                object.set(&["metadata", "generation"], generation + 1);
            }
        }
        object.set(&["metadata", "deletionGracePeriodSeconds"], grace);
        strategy::on_mark_deleted(self, &mut object);
        Ok(Outcome::Put { object, book: false })
    }
}

/// Marked for deletion, and nothing holds it any more.
pub(super) fn is_released(object: Node<'_>) -> bool {
    object.at(&["metadata", "deletionTimestamp"]).is_some()
        && object
            .at(&["metadata", "deletionGracePeriodSeconds"])
            .and_then(Node::as_i64)
            .unwrap_or(0)
            == 0
        && object.at(&["metadata", "finalizers"]).is_none_or(Node::is_empty)
        && object
            .at(&["spec", "finalizers"])
            .filter(|_| text(object, &["kind"]) == "Namespace")
            .is_none_or(Node::is_empty)
}
