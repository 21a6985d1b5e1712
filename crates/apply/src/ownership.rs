//! Which fields a value sets.

use std::collections::BTreeSet;

use ridgeway_doc::{Kind, Node};

use crate::element::Element;
use crate::set::FieldSet;
use crate::shape::Type;

/// Where and why a configuration cannot be read.
pub(crate) struct Unreadable {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl Unreadable {
    fn here(message: impl Into<String>) -> Unreadable {
        Unreadable {
            path: String::new(),
            message: message.into(),
        }
    }

    fn below(mut self, element: &Element<'_>) -> Unreadable {
        self.path.insert_str(0, &element.to_string());
        self
    }
}

/// The fields that an applied configuration claims: its leaves, the items of its lists, the entries of its maps.
pub(crate) fn claimed<'a>(ty: Type<'_>, node: Node<'a>) -> Result<FieldSet<'a>, Unreadable> {
    claim(ty, node).map(|(_, set)| set)
}

/// Whether the value itself is claimed, and what below it is.
fn claim<'a>(ty: Type<'_>, node: Node<'a>) -> Result<(bool, FieldSet<'a>), Unreadable> {
    let mut set = FieldSet::default();
    if !ty.is_granular(node) {
        return Ok((true, set));
    }
    match node.kind() {
        Kind::Object => {
            for (name, child) in node.members() {
                let element = Element::Field(name.into());
                if !ty.allows(name) {
                    return Err(Unreadable::here("field not declared in schema").below(&element));
                }
                let (own, below) = claim(ty.member(name), child).map_err(|e| e.below(&element))?;
                set.push(element, own || !ty.declares(name), below);
            }
            set.sort();
            Ok((node.is_empty(), set))
        }
        _ => {
            let elements = ty.elements(node).map_err(Unreadable::here)?;
            let mut seen = BTreeSet::new();
            if let Some(twice) = elements.iter().find(|e| !seen.insert(*e)) {
                return Err(Unreadable::here(format!("duplicate entries for key {twice}")));
            }
            let item_type = ty.item();
            for (element, item) in elements.into_iter().zip(node.items()) {
                let (_, below) = claim(item_type, item).map_err(|e| e.below(&element))?;
                set.push(element, true, below);
            }
            set.sort();
            Ok((node.is_empty(), set))
        }
    }
}

/// Every path below a value, containers included.
pub(crate) fn everything<'a>(ty: Type<'_>, node: Node<'a>) -> FieldSet<'a> {
    let mut set = FieldSet::default();
    if !ty.is_granular(node) {
        return set;
    }
    match node.kind() {
        Kind::Object => {
            for (name, child) in node.members() {
                set.push(Element::Field(name.into()), true, everything(ty.member(name), child));
            }
        }
        _ => {
            let Ok(elements) = ty.elements(node) else { return set };
            for (element, item) in elements.into_iter().zip(node.items()) {
                set.push(element, true, everything(ty.item(), item));
            }
        }
    }
    set.sort();
    set
}
