//! Lists in strategic merge patches.

use std::collections::HashMap;

use ridgeway_doc::{Node, Value};

use crate::element::Scalar;
use crate::error::ApplyError;
use crate::strategic::{PATCH, Strategy, fault, merge_maps};

/// A list and all that a patch says of it.
pub(crate) struct List<'a, 's> {
    /// The field's name, for messages.
    pub(crate) name: &'a str,
    /// The list as it is.
    pub(crate) have: Option<Node<'a>>,
    /// Items to add or merge.
    pub(crate) patch: Option<Node<'a>>,
    /// `$deleteFromPrimitiveList`.
    pub(crate) delete: Option<Node<'a>>,
    /// `$setElementOrder`.
    pub(crate) order: Option<Node<'a>>,
    /// What the schema says of the list.
    pub(crate) strategy: Option<Strategy<'s>>,
}

/// The list that a patch replaces another by: directives among its items are obeyed, so that none is stored.
pub(crate) fn replacement(patch: Node<'_>, strategy: Option<Strategy<'_>>) -> Result<Value, ApplyError> {
    let items = strategy.and_then(Strategy::items);
    let nothing = Value::object();
    let mut out = Vec::with_capacity(patch.len());
    let mut changed = false;
    for item in patch.items() {
        match item.get(PATCH) {
            Some(_) if item.len() == 1 || item.str_at(&[PATCH]) == Some("delete") => changed = true,
            Some(_) => {
                changed = true;
                let mut plain = item.to_value();
                plain.make_object().remove(PATCH);
                out.push(merge_maps(nothing.node(), plain.node(), items)?);
            }
            None => out.push(item.to_value()),
        }
    }
    Ok(if changed { out.into() } else { patch.to_value() })
}

/// Merges one list.
pub(crate) fn merge(list: List<'_, '_>) -> Result<Value, ApplyError> {
    match list.strategy.and_then(Strategy::merge_key) {
        Some(key) => merge_by_key(&list, key),
        None => merge_scalars(&list),
    }
}

fn merge_scalars(list: &List<'_, '_>) -> Result<Value, ApplyError> {
    let mut items: Vec<(Scalar<'_>, Value)> = Vec::new();
    let deleted: Vec<Scalar<'_>> = list
        .delete
        .map(Node::items)
        .into_iter()
        .flatten()
        .map(Scalar::of)
        .collect();
    let present = list.have.map(Node::items).into_iter().flatten();
    for item in present.chain(list.patch.map(Node::items).into_iter().flatten()) {
        if item.is_object() || item.is_array() {
            return Err(fault(format!(
                "{:?} merges as a set of scalars, found {item}",
                list.name
            )));
        }
        let identity = Scalar::of(item);
        if !deleted.contains(&identity) && !items.iter().any(|(have, _)| *have == identity) {
            items.push((identity, item.to_value()));
        }
    }
    let wanted: Vec<Scalar<'_>> = list
        .order
        .map(Node::items)
        .into_iter()
        .flatten()
        .map(Scalar::of)
        .collect();
    let before: Vec<Scalar<'_>> = list
        .have
        .map(Node::items)
        .into_iter()
        .flatten()
        .map(Scalar::of)
        .collect();
    Ok(ordered(list, items, &wanted, &before)?
        .into_iter()
        .map(|(_, value)| value)
        .collect())
}

fn merge_by_key(list: &List<'_, '_>, key: &str) -> Result<Value, ApplyError> {
    let item_strategy = list.strategy.and_then(Strategy::items);
    let identify = |item: Node<'_>| -> Result<Scalar<'static>, ApplyError> {
        match item.get(key) {
            Some(value) => Ok(Scalar::of(value).into_owned()),
            None => Err(fault(format!(
                "an item of {:?} lacks its merge key {key:?}: {item}; name the item it means",
                list.name
            ))),
        }
    };
    let patch: Vec<Node<'_>> = list.patch.map(Node::items).into_iter().flatten().collect();
    let replaces = patch
        .iter()
        .any(|item| item.str_at(&[PATCH]) == Some("replace") && item.get(key).is_none());
    let mut items: Vec<(Scalar<'static>, Value)> = Vec::new();
    if !replaces {
        for (place, item) in list.have.map(Node::items).into_iter().flatten().enumerate() {
            // What cannot be told apart stays where it is and is never merged.
            let identity = item.get(key).map_or_else(
                || Scalar::Json(format!("\u{0}{place}")),
                |value| Scalar::of(value).into_owned(),
            );
            items.push((identity, item.to_value()));
        }
    }
    let nothing = Value::object();
    for item in patch {
        match item.get(PATCH).map(Node::as_str) {
            Some(Some("replace")) if item.get(key).is_none() => {}
            Some(Some("delete")) => {
                let gone = identify(item)?;
                items.retain(|(identity, _)| *identity != gone);
            }
            None | Some(Some("replace" | "merge")) => {
                let identity = identify(item)?;
                match items.iter_mut().find(|(have, _)| *have == identity) {
                    Some((_, value)) => *value = merge_maps(value.node(), item, item_strategy)?,
                    None => items.push((identity, merge_maps(nothing.node(), item, item_strategy)?)),
                }
            }
            Some(other) => {
                return Err(fault(format!("`$patch` is {other:?}: write replace, delete or merge")));
            }
        }
    }
    let keys = |node: Option<Node<'_>>| -> Vec<Scalar<'static>> {
        let items = node.map(Node::items).into_iter().flatten();
        items
            .filter_map(|item| item.get(key))
            .map(|value| Scalar::of(value).into_owned())
            .collect()
    };
    let (wanted, before) = (keys(list.order), keys(list.have));
    Ok(ordered(list, items, &wanted, &before)?
        .into_iter()
        .map(|(_, value)| value)
        .collect())
}

/// Puts items in the order that the patch asks for. Items it does not mention keep their place among those that were
/// there before.
fn ordered<'a>(
    list: &List<'_, '_>,
    items: Vec<(Scalar<'a>, Value)>,
    wanted: &[Scalar<'_>],
    before: &[Scalar<'_>],
) -> Result<Vec<(Scalar<'a>, Value)>, ApplyError> {
    if list.order.is_none() {
        return Ok(items);
    }
    let place = |order: &[Scalar<'_>], identity: &Scalar<'_>| order.iter().position(|o| o == identity);
    let patched: Vec<Scalar<'_>> = match list.strategy.and_then(Strategy::merge_key) {
        Some(key) => {
            let added = list.patch.map(Node::items).into_iter().flatten();
            added
                .filter(|i| i.get(PATCH).is_none())
                .filter_map(|i| i.get(key))
                .map(Scalar::of)
                .collect()
        }
        None => list
            .patch
            .map(Node::items)
            .into_iter()
            .flatten()
            .map(Scalar::of)
            .collect(),
    };
    if let Some(stray) = patched.iter().find(|p| place(wanted, p).is_none()) {
        return Err(fault(format!(
            "the patch adds {stray} to {:?}, which its `$setElementOrder` does not list; add it there",
            list.name
        )));
    }
    let (mut asked, kept): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|(identity, _)| place(wanted, identity).is_some());
    asked.sort_by_key(|(identity, _)| place(wanted, identity));
    let position: HashMap<String, usize> = before
        .iter()
        .enumerate()
        .map(|(i, identity)| (identity.to_string(), i))
        .collect();
    let at = |identity: &Scalar<'_>| position.get(&identity.to_string()).copied();
    let mut out = Vec::with_capacity(asked.len() + kept.len());
    let (mut kept, mut asked) = (kept.into_iter().peekable(), asked.into_iter().peekable());
    loop {
        let first_kept = match (kept.peek(), asked.peek()) {
            (Some((left, _)), Some((right, _))) => matches!((at(left), at(right)), (Some(l), Some(r)) if l < r),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        out.extend(if first_kept { kept.next() } else { asked.next() });
    }
    Ok(out)
}
