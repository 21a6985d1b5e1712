//! Booking a write that is not an apply.

use ridgeway_doc::{Node, Value};
use ridgeway_krm::SchemaRef;

use crate::compare::compare;
use crate::error::ApplyError;
use crate::ignore::Scope;
use crate::managed::{Managed, Manager, Operation};
use crate::shape::Type;

/// Books a create, update or patch: what it added or changed belongs to `manager` from now on, what it removed belongs
/// to nobody. Returns `new` with its `managedFields`.
///
/// The list that `new` carries is taken as the state before, unless it is empty; a list of one empty entry
/// (`[{}]`) starts anew. Writes to a subresource cannot edit the list.
pub fn update(
    old: Option<Node<'_>>,
    new: Node<'_>,
    schema: Option<SchemaRef<'_>>,
    manager: &str,
    subresource: &str,
    now: &str,
) -> Result<Value, ApplyError> {
    let nothing = Value::object();
    let before = old.unwrap_or_else(|| nothing.node());
    let ty = Type::resource(schema);
    let scope = Scope::of(new, subresource);

    let mut change = compare(ty, before, new);
    scope.strip(&mut change.added);
    scope.strip(&mut change.modified);
    scope.strip(&mut change.removed);

    let mut managed = managers(old, new, subresource);
    managed.follow_schema(ty, before);
    let me = Manager {
        name: manager.into(),
        operation: Operation::Update,
        api_version: new.str_at(&["apiVersion"]).unwrap_or_default().into(),
        subresource: subresource.into(),
    };
    let taken = change.added.union(change.modified);
    managed.take_from_others(&me, &taken);
    managed.take_from_all(&change.removed);
    if !taken.is_empty() {
        let own = managed.find(&me).map(|entry| entry.set().clone()).unwrap_or_default();
        managed.put(me, own.union(taken), now, true);
    }
    managed.cap();

    let mut object = new.to_value();
    managed.write(&mut object);
    Ok(object)
}

fn managers<'a>(old: Option<Node<'a>>, new: Node<'a>, subresource: &str) -> Managed<'a> {
    let list = new.at(&["metadata", "managedFields"]);
    if list.is_some_and(|list| list.len() == 1 && list.item(0).is_some_and(|e| e.is_object() && e.is_empty())) {
        return Managed::default();
    }
    let sent = if subresource.is_empty() { Managed::of(new) } else { None };
    match sent {
        Some(managed) if !managed.is_empty() => managed,
        _ => old.and_then(Managed::of).unwrap_or_default(),
    }
}
