//! Sets of fields.

use std::cmp::Ordering;
use std::fmt::Write;

use ridgeway_doc::{Map, Node, Value};

use crate::element::Element;
use crate::shape::Type;

/// A set of field paths, as a tree: each level sorted by element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet<'a>(Vec<Entry<'a>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry<'a> {
    element: Element<'a>,
    /// Whether the path that ends here is in the set.
    member: bool,
    children: FieldSet<'a>,
}

impl<'a> FieldSet<'a> {
    /// Reads a `fieldsV1` object. Elements of unknown kinds are skipped.
    pub(crate) fn decode(node: Node<'a>) -> FieldSet<'a> {
        let mut set = FieldSet(Vec::with_capacity(node.len()));
        for (name, child) in node.members() {
            if name == "." {
                continue;
            }
            let Some(element) = Element::parse(name) else { continue };
            set.0.push(Entry {
                element,
                member: child.is_empty() || child.get(".").is_some(),
                children: FieldSet::decode(child),
            });
        }
        set.sort();
        set
    }

    /// The `fieldsV1` object.
    pub(crate) fn encode(&self) -> Value {
        let mut map = Map::new();
        self.encode_into(&mut map);
        map.into()
    }

    fn encode_into(&self, map: &mut Map) {
        for entry in &self.0 {
            let mut inner = Map::new();
            if entry.member && !entry.children.is_empty() {
                inner.insert(".", Value::object());
            }
            entry.children.encode_into(&mut inner);
            map.insert(entry.element.field_name(), inner);
        }
    }

    /// Adds one element of a level. Call [`FieldSet::sort`] once the level is complete.
    pub(crate) fn push(&mut self, element: Element<'a>, member: bool, children: FieldSet<'a>) {
        if member || !children.is_empty() {
            self.0.push(Entry {
                element,
                member,
                children,
            });
        }
    }

    /// Puts a level in order; equal elements become one.
    pub(crate) fn sort(&mut self) {
        if self.0.windows(2).all(|pair| pair[0].element < pair[1].element) {
            return;
        }
        self.0.sort_by(|a, b| a.element.cmp(&b.element));
        let mut out: Vec<Entry<'a>> = Vec::with_capacity(self.0.len());
        for entry in self.0.drain(..) {
            match out.last_mut() {
                Some(last) if last.element == entry.element => {
                    last.member |= entry.member;
                    last.children = std::mem::take(&mut last.children).union(entry.children);
                }
                _ => out.push(entry),
            }
        }
        self.0 = out;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, element: &Element<'_>) -> Option<&Entry<'a>> {
        self.0
            .binary_search_by(|e| e.element.cmp(element))
            .ok()
            .map(|i| &self.0[i])
    }

    /// Whether the one-step path is in the set, and what of the set lies below it.
    pub(crate) fn at(&self, element: &Element<'_>) -> (bool, Option<&FieldSet<'a>>) {
        match self.find(element) {
            Some(entry) => (entry.member, Some(&entry.children).filter(|c| !c.is_empty())),
            None => (false, None),
        }
    }

    /// Everything that is in either.
    pub(crate) fn union(self, other: FieldSet<'a>) -> FieldSet<'a> {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let mut out = Vec::with_capacity(self.0.len().max(other.0.len()));
        let (mut left, mut right) = (self.0.into_iter().peekable(), other.0.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l.element.cmp(&r.element),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            match order {
                Ordering::Less => out.extend(left.next()),
                Ordering::Greater => out.extend(right.next()),
                Ordering::Equal => {
                    if let (Some(l), Some(r)) = (left.next(), right.next()) {
                        out.push(Entry {
                            element: l.element,
                            member: l.member || r.member,
                            children: l.children.union(r.children),
                        });
                    }
                }
            }
        }
        FieldSet(out)
    }

    /// What is in this set and not in the other.
    pub(crate) fn difference(&self, other: &FieldSet<'_>) -> FieldSet<'a> {
        if other.is_empty() {
            return self.clone();
        }
        let mut out = FieldSet::default();
        for entry in &self.0 {
            match other.find(&entry.element) {
                None => out.0.push(entry.clone()),
                Some(theirs) => out.push(
                    entry.element.clone(),
                    entry.member && !theirs.member,
                    entry.children.difference(&theirs.children),
                ),
            }
        }
        out
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &FieldSet<'_>) -> FieldSet<'a> {
        let mut out = FieldSet::default();
        for entry in &self.0 {
            if let Some(theirs) = other.find(&entry.element) {
                out.push(
                    entry.element.clone(),
                    entry.member && theirs.member,
                    entry.children.intersection(&theirs.children),
                );
            }
        }
        out
    }

    /// Keeps the elements of the first level for which `keep` says so; below it, edits the children.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&Element<'a>, &mut bool, &mut FieldSet<'a>)) {
        self.0.retain_mut(|entry| {
            keep(&entry.element, &mut entry.member, &mut entry.children);
            entry.member || !entry.children.is_empty()
        });
    }

    /// The set with every declared field that leads to a member made a member itself.
    pub(crate) fn with_declared_fields(mut self, ty: Type<'_>) -> FieldSet<'a> {
        for entry in &mut self.0 {
            let below = match &entry.element {
                Element::Field(name) => {
                    entry.member |= ty.declares(name);
                    ty.member(name)
                }
                _ => ty.item(),
            };
            entry.children = std::mem::take(&mut entry.children).with_declared_fields(below);
        }
        self
    }

    /// The set as the schema of today has it: where a value became atomic, owning a part of it is owning it whole.
    /// `None` when nothing changes.
    pub(crate) fn following_schema(&self, ty: Type<'_>, node: Node<'_>) -> Option<FieldSet<'a>> {
        let mut out: Option<FieldSet<'a>> = None;
        for (index, entry) in self
            .0
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.children.is_empty())
        {
            let below = match &entry.element {
                Element::Field(name) => node.get(name).map(|child| (ty.member(name), child)),
                element => ty.elements(node).ok().and_then(|elements| {
                    let place = elements.iter().position(|e| e == element)?;
                    Some((ty.item(), node.item(place)?))
                }),
            };
            let Some((ty, child)) = below else { continue };
            let collapsed = (child.is_object() || child.is_array()) && !ty.is_granular(child);
            if collapsed {
                let entry = &mut out.get_or_insert_with(|| self.clone()).0[index];
                entry.member = true;
                entry.children = FieldSet::default();
            } else if let Some(children) = entry.children.following_schema(ty, child) {
                out.get_or_insert_with(|| self.clone()).0[index].children = children;
            }
        }
        out
    }

    /// The paths, printed.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.paths_into(&mut String::new(), &mut out);
        out
    }

    fn paths_into(&self, prefix: &mut String, out: &mut Vec<String>) {
        for entry in &self.0 {
            let length = prefix.len();
            let _ = write!(prefix, "{}", entry.element);
            if entry.member {
                out.push(prefix.clone());
            }
            entry.children.paths_into(prefix, out);
            prefix.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    fn set(text: &str) -> FieldSet<'static> {
        let doc: &'static Doc = Box::leak(Box::new(Doc::parse_json(text.as_bytes()).unwrap()));
        FieldSet::decode(doc.root())
    }

    const A: &str = r#"{"f:a":{},"f:m":{".":{},"f:x":{},"k:{\"n\":\"1\"}":{".":{},"f:v":{}}},"v:1":{}}"#;

    #[test]
    fn encodes_what_it_decodes() {
        assert_eq!(set(A).encode().to_json(), A);
        assert_eq!(
            set(A).paths(),
            [".a", ".m", ".m.x", r#".m[n="1"]"#, r#".m[n="1"].v"#, "[=1]"]
        );
        let shuffled = set(r#"{"v:1":{},"f:m":{"f:x":{},".":{},"k:{\"n\":\"1\"}":{"f:v":{},".":{}}},"f:a":{}}"#);
        assert_eq!(shuffled, set(A));
    }

    #[test]
    fn algebra() {
        for (left, right, union, difference, intersection) in [
            (A, "{}", A, A, "{}"),
            (A, A, A, "{}", A),
            (
                r#"{"f:a":{"f:b":{}}}"#,
                r#"{"f:a":{}}"#,
                r#"{"f:a":{".":{},"f:b":{}}}"#,
                r#"{"f:a":{"f:b":{}}}"#,
                "{}",
            ),
            (
                r#"{"f:a":{".":{},"f:b":{}},"f:c":{}}"#,
                r#"{"f:a":{},"f:d":{}}"#,
                r#"{"f:a":{".":{},"f:b":{}},"f:c":{},"f:d":{}}"#,
                r#"{"f:a":{"f:b":{}},"f:c":{}}"#,
                r#"{"f:a":{}}"#,
            ),
        ] {
            let (l, r) = (set(left), set(right));
            assert_eq!(l.clone().union(r.clone()), set(union), "{left} ∪ {right}");
            assert_eq!(l.difference(&r), set(difference), "{left} − {right}");
            assert_eq!(l.intersection(&r), set(intersection), "{left} ∩ {right}");
        }
    }
}
