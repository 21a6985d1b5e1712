//! One edit of an object.

use ridgeway_doc::{Node, Value};

use crate::path::{FieldPath, Segment};

/// A field that is set, or taken out.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    pub(crate) at: FieldPath,
    /// What it is set to; `None` to take it out.
    pub value: Option<Value>,
    /// Whether the value only stands for one that a person must choose.
    pub placeholder: bool,
    /// Whether it makes no sense without the edit before it.
    pub(crate) bound: bool,
}

/// A step of an edit's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A member of an object.
    Key(&'a str),
    /// An item of a list.
    Index(usize),
}

impl Edit {
    /// The dotted path.
    pub fn path(&self) -> String {
        self.at.to_string()
    }

    /// The path's steps.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.at.0.iter().map(|segment| match segment {
            Segment::Key(key) => Step::Key(key),
            Segment::Index(index) => Step::Index(*index),
        })
    }

    pub(crate) fn set(path: FieldPath, value: impl Into<Value>) -> Edit {
        Edit {
            at: path,
            value: Some(value.into()),
            placeholder: false,
            bound: false,
        }
    }

    pub(crate) fn remove(path: FieldPath) -> Edit {
        Edit {
            at: path,
            value: None,
            placeholder: false,
            bound: false,
        }
    }
}

/// The object with the edits.
pub(crate) fn apply(object: Node<'_>, edits: &[Edit]) -> Value {
    let mut out = object.to_value();
    for edit in edits {
        match &edit.value {
            Some(value) => {
                if let Some(place) = reach(&mut out, &edit.at.0) {
                    *place = value.clone();
                }
            }
            None => remove(&mut out, &edit.at.0),
        }
    }
    out
}

/// The place of a path; objects on the way are made, items of lists are not.
fn reach<'v>(value: &'v mut Value, path: &[Segment]) -> Option<&'v mut Value> {
    let Some((first, rest)) = path.split_first() else {
        return Some(value);
    };
    match first {
        Segment::Key(key) => {
            if !value.is_null() && !value.node().is_object() {
                return None;
            }
            reach(value.make_object().entry(key, || Value::NULL), rest)
        }
        Segment::Index(index) => reach(value.as_array_mut()?.get_mut(*index)?, rest),
    }
}

fn remove(value: &mut Value, path: &[Segment]) {
    match path {
        [] => {}
        [Segment::Key(key)] => {
            if let Some(map) = value.as_object_mut() {
                map.remove(key);
            }
        }
        [Segment::Index(index)] => {
            if let Some(list) = value.as_array_mut()
                && *index < list.len()
            {
                list.remove(*index);
            }
        }
        [Segment::Key(key), rest @ ..] => {
            if let Some(member) = value.get_mut(key) {
                remove(member, rest);
            }
        }
        [Segment::Index(index), rest @ ..] => {
            if let Some(item) = value.as_array_mut().and_then(|list| list.get_mut(*index)) {
                remove(item, rest);
            }
        }
    }
}

/// The last edit of each field; what lies below a field edited later goes.
pub(crate) fn merged(edits: Vec<Edit>) -> Vec<Edit> {
    let mut out: Vec<Edit> = Vec::new();
    for edit in edits {
        out.retain(|other| !other.at.0.starts_with(&edit.at.0));
        out.push(edit);
    }
    out
}
