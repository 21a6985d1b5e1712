//! Judging an object against its schema.

mod composite;
mod format;
mod pattern;
mod scalar;

use std::collections::HashMap;

use ridgeway_doc::{Kind, Node};
use ridgeway_krm::{ListType, SchemaRef, SchemaType};

use crate::meta::is_builtin;
use crate::path::Path;
use crate::violation::{Fault, Violation, printed, type_name};

/// All faults of `new` against its schema. What was already wrong in `old` and has not changed is not held against it.
///
/// Fields that no schema declares are not faults: decoding finds and prunes them.
pub fn validate(schema: SchemaRef<'_>, new: Node<'_>, old: Option<Node<'_>>) -> Vec<Violation> {
    let custom = !new.str_at(&["apiVersion"]).is_some_and(is_builtin);
    let mut judge = Judge {
        found: Vec::new(),
        custom,
        ratchets: true,
    };
    let place = Place {
        parent: None,
        path: Path::Root,
        new,
        old,
    };
    judge.visit(schema, &place);
    judge.found
}

/// Collects faults.
struct Judge {
    found: Vec<Violation>,
    /// A custom resource: its schema is all the validation there is, so list semantics are enforced too.
    custom: bool,
    /// Whether unchanged faults are forgiven; not within alternatives, where a fault decides which one fits.
    ratchets: bool,
}

/// A place in the object with the same place in the old one, linked towards the root.
struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    path: Path<'p>,
    new: Node<'p>,
    old: Option<Node<'p>>,
}

impl<'p> Place<'p> {
    /// Whether the value, or something that contains it, is what it was.
    fn unchanged(&self) -> bool {
        let mut place = Some(self);
        while let Some(here) = place {
            if here.old.is_some_and(|old| old == here.new) {
                return true;
            }
            place = here.parent;
        }
        false
    }

    fn member(&'p self, name: &'p str, new: Node<'p>) -> Place<'p> {
        let old = self.old.and_then(|old| old.get(name));
        Place {
            parent: Some(self),
            path: self.path.field(name),
            new,
            old,
        }
    }
}

impl Judge {
    fn report(&mut self, place: &Place<'_>, violation: Violation) {
        if !(self.ratchets && place.unchanged()) {
            self.found.push(violation);
        }
    }

    fn invalid(&mut self, place: &Place<'_>, value: String, detail: String) {
        self.report(place, Violation::of(&place.path, Fault::Invalid, Some(value), detail));
    }

    fn visit(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let node = place.new;
        // Built-in kinds are decoded as Go does, for which a null structure is one that was not given.
        let absent = !self.custom && schema.schema().ty == Some(SchemaType::Object);
        if node.is_null() && (schema.schema().nullable || absent) {
            return;
        }
        if let Some(wanted) = wrong_type(schema, node) {
            let found = type_name(node);
            let detail = format!("{} in body must be of type {wanted}: {found:?}", place.path);
            self.report(
                place,
                Violation::of(&place.path, Fault::TypeInvalid, Some(format!("{found:?}")), detail),
            );
            return;
        }
        self.enumeration(schema, place);
        match node.kind() {
            Kind::String => self.text(schema, place),
            Kind::Number => self.number(schema, place),
            Kind::Object => self.object(schema, place),
            Kind::Array => self.list(schema, place),
            Kind::Null | Kind::Bool => {}
        }
        self.composite(schema, place);
    }

    fn enumeration(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let allowed = &schema.schema().enumeration;
        if allowed.is_empty() || allowed.iter().any(|value| value.root() == place.new) {
            return;
        }
        let texts: Vec<String> = allowed
            .iter()
            .map(|v| v.root().as_str().map_or_else(|| v.root().to_json(), Into::into))
            .collect();
        self.report(
            place,
            Violation::not_supported(&place.path, place.new, texts.iter().map(String::as_str)),
        );
    }

    fn object(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let rules = schema.schema();
        for name in &rules.required {
            if place.new.get(name).is_none() {
                self.report(place, Violation::required(&place.path.field(name), ""));
            }
        }
        if rules.embedded_resource {
            for name in ["apiVersion", "kind"] {
                if place.new.str_at(&[name]).unwrap_or_default().is_empty() {
                    self.report(place, Violation::required(&place.path.field(name), "must not be empty"));
                }
            }
        }
        let count = place.new.len() as u64;
        let (min, max) = rules.property_count;
        if let Some(max) = max.filter(|max| count > *max) {
            self.report(place, too_many(place, count, max));
        }
        if let Some(min) = min.filter(|min| count < *min) {
            let detail = format!("{} in body should have at least {min} properties", place.path);
            self.invalid(place, count.to_string(), detail);
        }
        for (name, child) in place.new.members() {
            if let Some(schema) = schema.member(name) {
                self.visit(schema, &place.member(name, child));
            }
        }
    }

    fn list(&mut self, schema: SchemaRef<'_>, place: &Place<'_>) {
        let rules = schema.schema();
        let count = place.new.len() as u64;
        let (min, max) = rules.item_count;
        if let Some(max) = max.filter(|max| count > *max) {
            self.report(place, too_many(place, count, max));
        }
        if let Some(min) = min.filter(|min| count < *min) {
            let detail = format!("{} in body should have at least {min} items", place.path);
            self.invalid(place, count.to_string(), detail);
        }
        if rules.unique_items && first_duplicate(place.new).is_some() {
            let detail = format!("{} in body shouldn't contain duplicates", place.path);
            self.invalid(place, place.new.to_json(), detail);
        }
        let keys: &[String] = match &rules.list_type {
            Some(ListType::Set) if self.custom => {
                if let Some(index) = first_duplicate(place.new)
                    && let Some(item) = place.new.item(index)
                {
                    let path = place.path.index(index);
                    self.report(place, Violation::of(&path, Fault::Duplicate, Some(printed(item)), ""));
                }
                &[]
            }
            Some(ListType::Map(keys)) => keys,
            _ => &[],
        };
        let old = self.correlated(keys, place);
        if self.custom && !keys.is_empty() {
            self.unique_keys(keys, place);
        }
        let Some(items) = schema.items_schema() else { return };
        for (index, item) in place.new.items().enumerate() {
            let old = old.as_ref().and_then(|old| old.get(&identity(keys, item)).copied());
            let path = place.path.index(index);
            self.visit(
                items,
                &Place {
                    parent: Some(place),
                    path,
                    new: item,
                    old,
                },
            );
        }
    }

    /// The old items by their keys: only list-maps can tell which item was which.
    fn correlated<'p>(&self, keys: &[String], place: &Place<'p>) -> Option<HashMap<String, Node<'p>>> {
        let old = place.old.filter(|_| !keys.is_empty() && self.ratchets)?;
        Some(old.items().map(|item| (identity(keys, item), item)).collect())
    }

    fn unique_keys(&mut self, keys: &[String], place: &Place<'_>) {
        let mut seen = HashMap::new();
        for (index, item) in place.new.items().enumerate().filter(|(_, item)| item.is_object()) {
            let identity = identity(keys, item);
            if seen.contains_key(&identity) {
                let path = place.path.index(index);
                self.report(
                    place,
                    Violation::of(&path, Fault::Duplicate, Some(identity.clone()), ""),
                );
            }
            seen.insert(identity, ());
        }
    }
}

/// The keys of a list-map's item as JSON, which is also how messages show them.
fn identity(keys: &[String], item: Node<'_>) -> String {
    let mut out = String::from("{");
    for key in keys {
        let Some(value) = item.get(key) else { continue };
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&format!("{key:?}:{}", value.to_json()));
    }
    out.push('}');
    out
}

fn too_many(place: &Place<'_>, count: u64, max: u64) -> Violation {
    let detail = format!("must have at most {max} item{}", if max == 1 { "" } else { "s" });
    Violation::of(&place.path, Fault::TooMany, Some(count.to_string()), detail)
}

/// The index of the first item that equals an earlier one.
fn first_duplicate(list: Node<'_>) -> Option<usize> {
    let mut texts: HashMap<&str, ()> = HashMap::new();
    let mut others: Vec<Node<'_>> = Vec::new();
    for (index, item) in list.items().enumerate() {
        let seen = match item.as_str() {
            Some(text) => texts.insert(text, ()).is_some(),
            None => {
                let seen = others.contains(&item);
                others.push(item);
                seen
            }
        };
        if seen {
            return Some(index);
        }
    }
    None
}

/// The types that a schema wants, if the node is of none of them.
fn wrong_type(schema: SchemaRef<'_>, node: Node<'_>) -> Option<&'static str> {
    let rules = schema.schema();
    if rules.int_or_string {
        let fits = node.as_str().is_some() || node.as_i64().is_some();
        return (!fits).then_some("integer,string");
    }
    let (fits, wanted) = match rules.ty? {
        SchemaType::Object => (node.is_object(), "object"),
        SchemaType::Array => (node.is_array(), "array"),
        SchemaType::String => (node.kind() == Kind::String, "string"),
        SchemaType::Integer => (node.as_i64().is_some(), "integer"),
        SchemaType::Number => (node.kind() == Kind::Number, "number"),
        SchemaType::Boolean => (node.kind() == Kind::Bool, "boolean"),
    };
    (!fits).then_some(wanted)
}

#[cfg(test)]
mod tests;
