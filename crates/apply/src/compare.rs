//! What changed between two states of an object.

use std::collections::BTreeMap;

use ridgeway_doc::{Kind, Node};

use crate::element::Element;
use crate::ownership::everything;
use crate::set::FieldSet;
use crate::shape::Type;

/// The fields that came, changed or went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison<'a> {
    pub(crate) added: FieldSet<'a>,
    pub(crate) modified: FieldSet<'a>,
    pub(crate) removed: FieldSet<'a>,
}

/// What became of one value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stayed,
    Added,
    Modified,
    Removed,
}

impl<'a> Comparison<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    fn push(&mut self, element: Element<'a>, fate: Fate, below: Comparison<'a>) {
        // Most elements appear in one of the three sets only; cloning is for those that appear in several.
        let many = [
            (&below.added, Fate::Added),
            (&below.modified, Fate::Modified),
            (&below.removed, Fate::Removed),
        ]
        .iter()
        .filter(|(set, mark)| !set.is_empty() || fate == *mark)
        .count();
        if many == 0 {
            return;
        }
        let Comparison {
            added,
            modified,
            removed,
        } = below;
        let mut element = Some(element);
        let mut left = many;
        for (target, set, mark) in [
            (&mut self.added, added, Fate::Added),
            (&mut self.modified, modified, Fate::Modified),
            (&mut self.removed, removed, Fate::Removed),
        ] {
            if set.is_empty() && fate != mark {
                continue;
            }
            left -= 1;
            let element = if left == 0 { element.take() } else { element.clone() };
            if let Some(element) = element {
                target.push(element, fate == mark, set);
            }
        }
    }

    fn sort(&mut self) {
        self.added.sort();
        self.modified.sort();
        self.removed.sort();
    }
}

/// What changed below two values of one type.
pub(crate) fn compare<'a>(ty: Type<'_>, old: Node<'a>, new: Node<'a>) -> Comparison<'a> {
    both(ty, old, new).1
}

fn either<'a>(ty: Type<'_>, old: Option<Node<'a>>, new: Option<Node<'a>>) -> (Fate, Comparison<'a>) {
    match (old, new) {
        (Some(old), Some(new)) => both(ty, old, new),
        (None, Some(new)) => (
            Fate::Added,
            Comparison {
                added: everything(ty, new),
                ..Comparison::default()
            },
        ),
        (Some(old), None) => (
            Fate::Removed,
            Comparison {
                removed: everything(ty, old),
                ..Comparison::default()
            },
        ),
        (None, None) => (Fate::Stayed, Comparison::default()),
    }
}

fn both<'a>(ty: Type<'_>, old: Node<'a>, new: Node<'a>) -> (Fate, Comparison<'a>) {
    let mut out = Comparison::default();
    // Sub-trees that both share are equal at a glance, and equality is far cheaper than naming every part.
    if old == new {
        return (Fate::Stayed, out);
    }
    if old.kind() == new.kind() && ty.is_granular(new) && !(old.is_empty() && new.is_empty()) {
        match new.kind() {
            Kind::Object => {
                for (name, after) in new.members() {
                    let (fate, below) = either(ty.member(name), old.get(name), Some(after));
                    out.push(Element::Field(name.into()), fate, below);
                }
                for (name, before) in old.members().filter(|(name, _)| new.get(name).is_none()) {
                    let (fate, below) = either(ty.member(name), Some(before), None);
                    out.push(Element::Field(name.into()), fate, below);
                }
                out.sort();
                return (Fate::Stayed, out);
            }
            _ => {
                if let (Ok(before), Ok(after)) = (ty.elements(old), ty.elements(new)) {
                    items(ty, (before, old), (after, new), &mut out);
                    out.sort();
                    return (Fate::Stayed, out);
                }
            }
        }
    }
    if old.kind() != new.kind() {
        out.removed = everything(ty, old);
        out.added = everything(ty, new);
    }
    (Fate::Modified, out)
}

type Side<'a> = (Vec<Element<'a>>, Node<'a>);

fn items<'a>(ty: Type<'_>, old: Side<'a>, new: Side<'a>, out: &mut Comparison<'a>) {
    // Lists in the same order are the rule: compare them pairwise without building an index.
    if old.0 == new.0 && unique(&new.0) {
        for ((element, before), after) in new.0.into_iter().zip(old.1.items()).zip(new.1.items()) {
            let (fate, below) = both(ty.item(), before, after);
            out.push(element, fate, below);
        }
        return;
    }
    let mut index: BTreeMap<Element<'a>, (Vec<Node<'a>>, Vec<Node<'a>>)> = BTreeMap::new();
    for (element, item) in old.0.into_iter().zip(old.1.items()) {
        index.entry(element).or_default().0.push(item);
    }
    for (element, item) in new.0.into_iter().zip(new.1.items()) {
        index.entry(element).or_default().1.push(item);
    }
    for (element, (before, after)) in index {
        let (fate, below) = match (&before[..], &after[..]) {
            ([before], [after]) => both(ty.item(), *before, *after),
            (before, []) => either(ty.item(), before.first().copied(), None),
            ([], after) => either(ty.item(), None, after.first().copied()),
            // Repeated keys cannot be told apart, so they change together.
            (before, after) if before == after => (Fate::Stayed, Comparison::default()),
            _ => (Fate::Modified, Comparison::default()),
        };
        out.push(element, fate, below);
    }
}

fn unique(elements: &[Element<'_>]) -> bool {
    if elements.len() > 16 {
        return elements.iter().collect::<std::collections::BTreeSet<_>>().len() == elements.len();
    }
    elements.iter().enumerate().all(|(i, e)| !elements[..i].contains(e))
}
