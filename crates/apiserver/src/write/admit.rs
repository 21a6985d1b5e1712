//! Built-in admission: fetches what the pure functions of `crate::admission` work on.

use bytes::Bytes;
use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind};
use ridgeway_store::Revision;

use super::{Change, text};
use crate::admission::{accounts, limits, quantities, quota};
use crate::plane::ControlPlane;
use crate::{codec, fault, keys};

/// A quota's new status, to be stored together with the change that it is charged for.
pub(super) struct Charge {
    pub(super) key: Bytes,
    pub(super) seen: Revision,
    pub(super) value: Bytes,
}

impl ControlPlane {
    /// The objects of a core kind in a namespace, with their keys and revisions.
    fn in_namespace(&self, kind: &str, namespace: &str) -> Result<Vec<(Bytes, Revision, Doc)>, Status> {
        let kind = self.kind(&Gvk::new("", "v1", kind))?;
        let page = self
            .inner
            .store
            .range_latest(&keys::prefix(&kind, Some(namespace)), 0)
            .map_err(fault::store)?;
        let parse = |entry: &std::sync::Arc<ridgeway_store::Entry>| {
            Ok((entry.key.clone(), entry.mod_revision, codec::decode(entry)?))
        };
        page.entries.iter().map(parse).collect()
    }

    /// What a namespace uses of the things that a quota bounds, counted anew.
    pub(crate) fn count_usage(&self, namespace: &str, quota_object: Node<'_>) -> Result<quota::Usage, Status> {
        let mut total = quota::Usage::new();
        let Some(hard) = quota_object.at(&["spec", "hard"]) else {
            return Ok(total);
        };
        let kinds = self.kinds();
        let mut seen = std::collections::HashSet::new();
        for kind in kinds
            .kinds()
            .filter(|kind| kind.namespaced && quota::concerns(hard, kind))
        {
            // Versions of one resource share their objects.
            if !seen.insert((kind.gvk.group.clone(), kind.plural.clone())) {
                continue;
            }
            let page = self
                .inner
                .store
                .range_latest(&keys::prefix(&kind, Some(namespace)), 0)
                .map_err(fault::store)?;
            for entry in &page.entries {
                let object = codec::decode(entry)?;
                if quota::in_scope(quota_object, &kind, object.root()) {
                    quota::add(hard, &mut total, &quota::usage(&kind, object.root()));
                }
            }
        }
        Ok(total)
    }
}

impl Change<'_> {
    fn is_core(&self, kind: &str) -> bool {
        self.kind.gvk.group.is_empty() && self.kind.gvk.kind == kind
    }

    /// Defaults of the namespace: the Pod's account, and what its LimitRanges fill in.
    pub(super) fn default_from_namespace(&self, object: &mut Value) -> Result<(), Status> {
        if !self.is_core("Pod") {
            return Ok(());
        }
        let wanted = accounts::wanted(object.node()).to_owned();
        let kind = self.plane.kind(&Gvk::new("", "v1", "ServiceAccount"))?;
        let account = self.plane.entry(&kind, &self.write.namespace, &wanted)?;
        let account = account.as_deref().map(codec::decode).transpose()?;
        // The account `default` is made right after its namespace; a Pod need not wait for it.
        if account.is_none() && wanted != "default" {
            let why = format!(
                "error looking up service account {}/{wanted}: serviceaccount {wanted:?} not found; create it first, or \
                 leave spec.serviceAccountName out",
                self.write.namespace
            );
            return Err(Status::forbidden("", "pods", &self.name, &why));
        }
        accounts::assign(object, account.as_ref());
        let ranges = self.limit_ranges()?;
        limits::default_pod(object, &ranges);
        Ok(())
    }

    fn limit_ranges(&self) -> Result<Vec<Doc>, Status> {
        let ranges = self.plane.in_namespace("LimitRange", &self.write.namespace)?;
        Ok(ranges.into_iter().map(|(_, _, doc)| doc).collect())
    }

    /// Whether a new object lies within the namespace's LimitRanges.
    pub(super) fn check_limits(&self, object: Node<'_>) -> Result<(), Status> {
        let faults = if self.is_core("Pod") {
            limits::check_pod(object, &self.limit_ranges()?)
        } else if self.is_core("PersistentVolumeClaim") {
            limits::check_claim(object, &self.limit_ranges()?)
        } else {
            return Ok(());
        };
        match faults.as_slice() {
            [] => Ok(()),
            [one] => Err(Status::forbidden("", &self.kind.plural, &self.name, one)),
            many => Err(Status::forbidden(
                "",
                &self.kind.plural,
                &self.name,
                &format!("[{}]", many.join(", ")),
            )),
        }
    }

    /// Charges the change to the namespace's quotas, or says which would be exceeded.
    pub(super) fn charge_quotas(&self, old: Option<&Doc>, new: Node<'_>) -> Result<Vec<Charge>, Status> {
        // A quota is not charged for changes of itself, or it could never be raised.
        if self.write.namespace.is_empty() || old.is_some() && self.is_core("ResourceQuota") {
            return Ok(Vec::new());
        }
        let mut charges = Vec::new();
        let kind: &Kind = &self.kind;
        let mut usage = None;
        for (key, seen, object) in self.plane.in_namespace("ResourceQuota", &self.write.namespace)? {
            let root = object.root();
            let Some(hard) = root.at(&["spec", "hard"]).filter(|hard| quota::concerns(*hard, kind)) else {
                continue;
            };
            if !quota::in_scope(root, kind, new) {
                continue;
            }
            let (before, after) = usage.get_or_insert_with(|| {
                let before = old.map(|old| quota::usage(kind, old.root())).unwrap_or_default();
                (before, quota::usage(kind, new))
            });
            if before == after {
                break;
            }
            // Until a quota's usage has been counted for all that it bounds, it is counted here.
            let counted = hard
                .members()
                .all(|(name, _)| root.at(&["status", "used", name]).is_some());
            let used = if counted {
                quantities(root.at(&["status", "used"]))
                    .map(|(name, amount)| (name.to_owned(), amount))
                    .collect()
            } else {
                self.plane.count_usage(&self.write.namespace, root)?
            };
            let name = text(root, &["metadata", "name"]);
            let next = quota::charge(name, hard, &used, before, after, self.is_core("Pod") && old.is_none())
                .map_err(|why| Status::forbidden(&kind.gvk.group, &kind.plural, &self.name, &why))?;
            if next != used || !counted {
                let mut charged = root.to_value();
                charged.set(&["status"], quota::status(hard, &next));
                charges.push(Charge {
                    key,
                    seen,
                    value: codec::encode(charged.node()),
                });
            }
        }
        Ok(charges)
    }
}
