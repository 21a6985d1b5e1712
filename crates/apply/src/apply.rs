//! Server-side apply.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, SchemaRef};

use crate::compare::compare;
use crate::error::{ApplyError, Conflict};
use crate::ignore::Scope;
use crate::managed::{Managed, Manager, Operation};
use crate::merge::{merge, remove};
use crate::ownership::{claimed, everything};
use crate::set::FieldSet;
use crate::shape::Type;

/// Where `kubectl apply` without `--server-side` remembers its configuration.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who owns what was there before anybody was asked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The outcome of an apply.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object as it should be stored.
    pub object: Value,
    /// Whether it differs from the live one, ownership included; times alone make no difference.
    pub changed: bool,
}

/// Merges a configuration into the live object as `manager`.
///
/// Fields that the manager applied before and does not apply now go away, unless another manager owns them. Changing
/// what others own is a conflict, unless `force` takes it from them. With the manager `kubectl`, fields that its
/// client-side apply set are its own.
pub fn apply(
    live: Option<Node<'_>>,
    applied: Node<'_>,
    schema: Option<SchemaRef<'_>>,
    manager: &str,
    force: bool,
    subresource: &str,
    now: &str,
) -> Result<Applied, ApplyError> {
    if applied
        .at(&["metadata", "managedFields"])
        .is_some_and(|list| !list.is_empty())
    {
        return Err(ApplyError::Invalid("metadata.managedFields must be nil".into()));
    }
    let ty = Type::resource(schema);
    let scope = Scope::of(applied, subresource);
    let claim = claimed(ty, applied).map_err(|e| ApplyError::Typed {
        object: object_name(applied),
        path: e.path,
        message: e.message,
    })?;
    let api_version = applied.str_at(&["apiVersion"]).unwrap_or_default();
    let me = Manager {
        name: manager.into(),
        operation: Operation::Apply,
        api_version: api_version.into(),
        subresource: subresource.into(),
    };
    let Some(live) = live else {
        let mut own = claim;
        scope.strip(&mut own);
        let mut managed = Managed::default();
        managed.put(me, own, now, true);
        let mut object = applied.to_value();
        managed.write(&mut object);
        return Ok(Applied { object, changed: true });
    };

    let mut managed = Managed::of(live).unwrap_or_default();
    managed.follow_schema(ty, live);
    if managed.is_empty() {
        let mut all = everything(ty, live);
        Scope::of(live, "").strip(&mut all);
        let before = Manager {
            name: BEFORE_FIRST_APPLY.into(),
            operation: Operation::Update,
            api_version: live.str_at(&["apiVersion"]).unwrap_or_default().into(),
            subresource: "".into(),
        };
        managed.put(before, all, now, true);
    }

    let merged = merge(ty, live, applied);
    let pruned = {
        let merged = merged.as_ref().map_or(live, Value::node);
        abandoned(ty, &managed, &me, &claim).and_then(|gone| remove(ty, merged, &gone))
    };
    let result = pruned.or(merged);

    // The comparison borrows from the result, the ownership it leads to goes into a copy of it.
    let mut change = result
        .as_ref()
        .map(|result| compare(ty, live, result.node()))
        .unwrap_or_default();
    for set in [&mut change.added, &mut change.modified, &mut change.removed] {
        scope.strip(set);
    }
    let touched = !change.is_empty();
    let taken = change.added.union(change.modified);
    let conflicts = conflicts(&managed, &me, &taken);
    if !conflicts.is_empty() && !force {
        let left = if manager == "kubectl" {
            beyond_last_applied(ty, live, &managed, &me, &taken)
        } else {
            None
        };
        match left {
            Some(left) if left.is_empty() => {}
            Some(left) => return Err(ApplyError::Conflicts(left)),
            None => return Err(ApplyError::Conflicts(conflicts)),
        }
    }
    managed.take_from_others(&me, &taken);
    managed.take_from_others(&me, &change.removed);
    let mut own = claim;
    scope.strip(&mut own);
    managed.put(me, own, now, touched);
    managed.cap();

    let mut out = result.clone().unwrap_or_else(|| live.to_value());
    let mut changed = touched || managed.changed();
    if manager == "kubectl" {
        changed |= remember(live, applied, &mut out);
    }
    if !changed {
        return Ok(Applied {
            object: live.to_value(),
            changed,
        });
    }
    managed.write(&mut out);
    Ok(Applied { object: out, changed })
}

/// What the manager applied before and now leaves to nobody.
fn abandoned<'a>(ty: Type<'_>, managed: &Managed<'a>, me: &Manager<'_>, claim: &FieldSet<'a>) -> Option<FieldSet<'a>> {
    let last = managed.find(me)?.set();
    if last.difference(claim).is_empty() {
        return None;
    }
    let kept = managed
        .others(me)
        .fold(claim.clone(), |all, entry| all.union(entry.set().clone()))
        .with_declared_fields(ty);
    let gone = last.clone().with_declared_fields(ty).difference(&kept);
    (!gone.is_empty()).then_some(gone)
}

/// The fields of other managers among those that would change, sorted by manager.
fn conflicts(managed: &Managed<'_>, me: &Manager<'_>, taken: &FieldSet<'_>) -> Vec<Conflict> {
    let mut out: Vec<Conflict> = Vec::new();
    if taken.is_empty() {
        return out;
    }
    for entry in managed.others(me) {
        let updates = entry.manager.operation == Operation::Update;
        for path in entry.set().intersection(taken).paths() {
            out.push(Conflict {
                path,
                manager: entry.manager.name.clone().into_owned(),
                subresource: entry.manager.subresource.clone().into_owned(),
                api_version: if updates {
                    entry.manager.api_version.clone().into_owned()
                } else {
                    String::new()
                },
            });
        }
    }
    let key = |c: &Conflict| (c.manager.clone(), c.subresource.clone(), c.api_version.clone());
    out.sort_by_key(key);
    out
}

/// The conflicts that remain once the fields of the last client-side apply count as the manager's own; `None` when
/// the object remembers no such apply.
fn beyond_last_applied(
    ty: Type<'_>,
    live: Node<'_>,
    managed: &Managed<'_>,
    me: &Manager<'_>,
    taken: &FieldSet<'_>,
) -> Option<Vec<Conflict>> {
    let text = live.str_at(&["metadata", "annotations", LAST_APPLIED])?;
    let last = Doc::parse_json(text.as_bytes()).ok()?;
    let claim = claimed(ty, last.root()).ok()?;
    // What is no longer as it was applied has been changed by somebody else.
    let drift = compare(ty, last.root(), live);
    let own = claim
        .difference(&drift.modified)
        .difference(&drift.added)
        .difference(&drift.removed);
    Some(conflicts(managed, me, &taken.difference(&own)))
}

/// Keeps the memory of client-side apply in step, where there is one. Returns whether it changed.
fn remember(live: Node<'_>, applied: Node<'_>, object: &mut Value) -> bool {
    let Some(before) = live.str_at(&["metadata", "annotations", LAST_APPLIED]) else {
        return false;
    };
    let mut config = applied.to_value();
    config.remove(&["metadata", "annotations", LAST_APPLIED]);
    let text = config.to_json() + "\n";
    if text == before {
        return false;
    }
    object.set(&["metadata", "annotations", LAST_APPLIED], text);
    true
}

fn object_name(object: Node<'_>) -> String {
    let text = |keys: &[&str]| object.str_at(keys).unwrap_or_default();
    let gvk = Gvk::of(object).unwrap_or_default();
    format!(
        "{}/{}; {gvk}",
        text(&["metadata", "namespace"]),
        text(&["metadata", "name"])
    )
}
