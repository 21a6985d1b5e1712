//! From wanted changes to a JSON patch (RFC 6902) that works on the object as it is.

use ridgeway_doc::{Map, Node, Value};

use super::at;
use crate::path::{FieldPath, Segment};

/// Changes wanted of an object.
pub(crate) struct Changes<'a> {
    object: Node<'a>,
    work: Value,
    /// Roots of what is set: the first part of the path that is missing, or the field itself.
    sets: Vec<FieldPath>,
    removals: Vec<FieldPath>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(object: Node<'a>) -> Changes<'a> {
        Changes {
            object,
            work: object.to_value(),
            sets: Vec::new(),
            removals: Vec::new(),
        }
    }

    /// Wants a field to hold a value; the objects on the way are made. Items of lists are not made up, and the object as
    /// a whole is no field.
    pub(crate) fn set(&mut self, path: &FieldPath, value: Value) {
        if path.0.is_empty() {
            return;
        }
        let Some(place) = reach(&mut self.work, &path.0) else {
            return;
        };
        *place = value;
        let mut len = 1;
        while len < path.0.len() && at(self.object, &FieldPath(path.0[..len].to_vec())).is_some() {
            len += 1;
        }
        let root = FieldPath(path.0[..len].to_vec());
        if !self.sets.contains(&root) {
            self.sets.push(root);
        }
    }

    /// Wants a field gone.
    pub(crate) fn remove(&mut self, path: &FieldPath) {
        if !path.0.is_empty() && at(self.object, path).is_some() && !self.removals.contains(path) {
            self.removals.push(path.clone());
        }
    }

    /// The patch, if anything is wanted.
    pub(crate) fn patch(self) -> Option<Value> {
        let mut ops = Vec::new();
        for path in &self.sets {
            let Some(value) = at(self.work.node(), path) else {
                continue;
            };
            let op = if at(self.object, path).is_some() {
                "replace"
            } else {
                "add"
            };
            ops.push(operation(op, path, Some(value.to_value())));
        }
        // From the back, so that indexes of lists stay right.
        for path in self.removals.iter().rev() {
            ops.push(operation("remove", path, None));
        }
        (!ops.is_empty()).then(|| ops.into())
    }
}

fn operation(op: &str, path: &FieldPath, value: Option<Value>) -> Value {
    let mut out = Map::new();
    out.insert("op", op);
    out.insert("path", path.pointer());
    if let Some(value) = value {
        out.insert("value", value);
    }
    out.into()
}

fn reach<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Value> {
    let Some((first, rest)) = path.split_first() else {
        return Some(value);
    };
    match first {
        Segment::Key(key) => {
            let null = value.is_null();
            if !null && !value.node().is_object() {
                return None;
            }
            reach(value.make_object().entry(key, || Value::NULL), rest)
        }
        Segment::Index(index) => reach(value.as_array_mut()?.get_mut(*index)?, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_as_a_whole_is_not_replaced() {
        let object = ridgeway_doc::parse_json(b"{}").unwrap();
        let mut changes = Changes::new(object.root());
        changes.set(&FieldPath(Vec::new()), Value::from("x"));
        changes.remove(&FieldPath(Vec::new()));
        assert!(changes.patch().is_none());
    }
}
