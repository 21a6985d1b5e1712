//! Merging a configuration into an object, and taking fields out of it.

use std::collections::BTreeMap;

use ridgeway_doc::{Kind, Node, Value};

use crate::element::Element;
use crate::set::FieldSet;
use crate::shape::Type;

/// The live value with the configuration's fields in; `None` when that changes nothing.
pub(crate) fn merge(ty: Type<'_>, live: Node<'_>, config: Node<'_>) -> Option<Value> {
    if live.kind() == config.kind() && ty.is_granular(config) {
        match config.kind() {
            Kind::Object => return merge_maps(ty, live, config),
            _ => {
                if let (Ok(before), Ok(after)) = (ty.elements(live), ty.elements(config)) {
                    return merge_lists(ty, (&before, live), (&after, config));
                }
            }
        }
    }
    (live != config).then(|| config.to_value())
}

fn merge_maps(ty: Type<'_>, live: Node<'_>, config: Node<'_>) -> Option<Value> {
    let mut out: Option<Value> = None;
    for (name, wanted) in config.members() {
        let (below, have) = (ty.member(name), live.get(name));
        if wanted.is_null() && !below.takes_null() {
            // A null where the type knows none means nothing: it takes a scalar out and leaves a container be.
            if have.is_some_and(|have| have.is_empty() || !below.is_granular(have)) {
                out.get_or_insert_with(|| live.to_value()).make_object().remove(name);
            }
            continue;
        }
        let change = match have {
            Some(have) => merge(below, have, wanted),
            None => Some(wanted.to_value()),
        };
        if let Some(change) = change {
            out.get_or_insert_with(|| live.to_value())
                .make_object()
                .insert(name, change);
        }
    }
    out
}

/// Items of both lists in the configuration's order; items of the live list alone keep their place among them.
fn merge_lists(
    ty: Type<'_>,
    (before, live): (&[Element<'_>], Node<'_>),
    (after, config): (&[Element<'_>], Node<'_>),
) -> Option<Value> {
    let item_type = ty.item();
    if before == after {
        // The configuration has the items in their order: nothing moves. Its elements are unique, so these are too.
        let mut out: Option<Value> = None;
        for (index, (have, wanted)) in live.items().zip(config.items()).enumerate() {
            if let Some(change) = merge(item_type, have, wanted) {
                out.get_or_insert_with(|| live.to_value()).make_array()[index] = change;
            }
        }
        return out;
    }
    let mut lefts: BTreeMap<&Element<'_>, Node<'_>> = BTreeMap::new();
    for (element, item) in before.iter().zip(live.items()) {
        lefts.entry(element).or_insert(item);
    }
    let rights: BTreeMap<&Element<'_>, Node<'_>> = after.iter().zip(config.items()).collect();
    let mut shared = after.iter().filter(|e| lefts.contains_key(e)).peekable();
    let mut changed = false;
    let mut out: Vec<Value> = Vec::with_capacity(before.len().max(after.len()));
    let (mut l, mut r) = (0, 0);
    while l < before.len() || r < after.len() {
        if l < before.len() {
            let element = &before[l];
            if !rights.contains_key(element) {
                changed |= out.len() != l;
                out.extend(live.item(l).map(Node::to_value));
                l += 1;
                continue;
            }
            // A shared item that is not the next to come was put elsewhere by the configuration, or was placed.
            if shared.peek().is_none_or(|next| *next != element) {
                changed = true;
                l += 1;
                continue;
            }
        }
        let Some(element) = after.get(r) else { break };
        let wanted = rights[element];
        let value = match lefts.get(element) {
            None => {
                changed = true;
                wanted.to_value()
            }
            Some(have) => {
                shared.next();
                let merged = merge(item_type, *have, wanted);
                changed |= merged.is_some();
                if l < before.len() && &before[l] == element {
                    changed |= out.len() != l;
                    l += 1;
                } else {
                    changed = true;
                }
                merged.unwrap_or_else(|| have.to_value())
            }
        };
        out.push(value);
        r += 1;
    }
    changed.then(|| Value::from(out))
}

/// The value without the fields of a set; `None` when it had none of them.
pub(crate) fn remove(ty: Type<'_>, node: Node<'_>, gone: &FieldSet<'_>) -> Option<Value> {
    if !ty.is_granular(node) {
        return None;
    }
    match node.kind() {
        Kind::Object => {
            let mut out: Option<Value> = None;
            for (name, child) in node.members() {
                let (member, below) = gone.at(&Element::Field(name.into()));
                if member {
                    out.get_or_insert_with(|| node.to_value()).make_object().remove(name);
                } else if let Some(below) = below
                    && let Some(rest) = remove(ty.member(name), child, below)
                {
                    out.get_or_insert_with(|| node.to_value())
                        .make_object()
                        .insert(name, rest);
                }
            }
            out
        }
        _ => {
            let elements = ty.elements(node).ok()?;
            let mut changed = false;
            let mut out = Vec::with_capacity(elements.len());
            for (element, item) in elements.iter().zip(node.items()) {
                let (member, below) = gone.at(element);
                if member {
                    changed = true;
                    continue;
                }
                let rest = below.and_then(|below| remove(ty.item(), item, below));
                changed |= rest.is_some();
                out.push(rest.unwrap_or_else(|| item.to_value()));
            }
            changed.then(|| Value::from(out))
        }
    }
}
