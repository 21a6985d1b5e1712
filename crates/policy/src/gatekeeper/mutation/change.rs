//! Changing an object at a location: the walk, and what is done at its end.

use ridgeway_doc::{Map, Value};

use super::image::Image;
use super::location::{PathTests, Step};

/// What is done at the end of a location.
#[derive(Debug)]
pub(super) enum Change {
    /// A value is set, where the one that is there fits.
    Set(Value, Current),
    /// Parts of an image reference are set.
    Image(Image),
    /// Items are added to a list that lack in it.
    Merge(Vec<Value>),
    /// Items are taken out of a list.
    Prune(Vec<Value>),
}

/// Which values may be replaced (`assignIf`).
#[derive(Debug, Default)]
pub(super) struct Current {
    pub(super) one_of: Vec<Value>,
    pub(super) none_of: Vec<Value>,
}

impl Current {
    fn allows(&self, value: Option<&Value>) -> bool {
        let among = |list: &[Value]| value.is_some_and(|value| list.contains(value));
        (self.one_of.is_empty() || among(&self.one_of)) && !among(&self.none_of)
    }
}

/// A walk to a location.
pub(super) struct Walk<'a> {
    pub(super) steps: &'a [Step],
    pub(super) tests: &'a PathTests,
    pub(super) change: &'a Change,
}

/// What a value is called.
fn called(value: &Value) -> &'static str {
    let node = value.node();
    if node.is_object() {
        "an object"
    } else if node.is_array() {
        "a list"
    } else if node.is_null() {
        "null"
    } else {
        "a single value"
    }
}

impl Walk<'_> {
    /// Changes an object. Says whether anything is other than before.
    pub(super) fn run(&self, object: &mut Value) -> Result<bool, String> {
        self.walk(object, 0)
    }

    /// The way to a depth, for errors.
    fn way(&self, depth: usize) -> String {
        let mut out = String::new();
        for step in &self.steps[..depth] {
            match step {
                Step::Field(name) if out.is_empty() => out.push_str(name),
                Step::Field(name) => out.push_str(&format!(".{name}")),
                Step::Items { key, value } => {
                    let value = value.as_ref().map_or_else(|| "*".to_owned(), Value::to_json);
                    out.push_str(&format!("[{key}: {value}]"));
                }
            }
        }
        if out.is_empty() { "the object".into() } else { out }
    }

    fn mismatch(&self, depth: usize, wanted: &str, found: &Value) -> String {
        format!(
            "`location` takes {} for {wanted}, and it is {}",
            self.way(depth),
            called(found)
        )
    }

    /// An empty value for the step at a depth.
    fn fresh(&self, depth: usize) -> Value {
        match self.steps.get(depth) {
            Some(Step::Items { .. }) => Value::array(),
            _ => Value::object(),
        }
    }

    fn walk(&self, current: &mut Value, depth: usize) -> Result<bool, String> {
        let last = depth + 1 == self.steps.len();
        match &self.steps[depth] {
            Step::Field(name) => {
                if !current.node().is_object() {
                    return Err(self.mismatch(depth, "an object", current));
                }
                // What is null is stored as if it were not there.
                let exists = current.node().get(name).is_some_and(|value| !value.is_null());
                if !self.tests.allows(depth, exists) {
                    return Ok(false);
                }
                let members = current.make_object();
                if last {
                    return self.put(members, name, exists);
                }
                match members.get_mut(name) {
                    Some(next) if exists => self.walk(next, depth + 1),
                    _ => {
                        let mut next = self.fresh(depth + 1);
                        let changed = self.walk(&mut next, depth + 1)?;
                        if changed {
                            members.insert(name.as_str(), next);
                        }
                        Ok(changed)
                    }
                }
            }
            Step::Items { key, value } => {
                if !current.node().is_array() {
                    return Err(self.mismatch(depth, "a list", current));
                }
                let items = current.make_array();
                let Some(wanted) = value else {
                    let mut changed = false;
                    if self.tests.allows(depth, true) {
                        for item in items.iter_mut() {
                            changed |= self.walk(item, depth + 1)?;
                        }
                    }
                    return Ok(changed);
                };
                let is_it = |item: &Value| item.node().get(key) == Some(wanted.node());
                let found = items.iter().any(is_it);
                if !self.tests.allows(depth, found) {
                    return Ok(false);
                }
                if last {
                    return self.put_item(items, is_it);
                }
                if found {
                    let mut changed = false;
                    for item in items.iter_mut().filter(|item| is_it(item)) {
                        changed |= self.walk(item, depth + 1)?;
                    }
                    return Ok(changed);
                }
                let mut next = Value::object();
                next.set(&[key], wanted.clone());
                let changed = self.walk(&mut next, depth + 1)?;
                if changed {
                    items.push(next);
                }
                Ok(changed)
            }
        }
    }

    /// Puts the value in the place of an item, or behind the others.
    fn put_item(&self, items: &mut Vec<Value>, is_it: impl Fn(&Value) -> bool) -> Result<bool, String> {
        let Change::Set(new, current) = self.change else {
            return Err("only Assign puts items into lists".into());
        };
        let place = items.iter_mut().find(|item| is_it(item));
        if !current.allows(place.as_deref()) {
            return Ok(false);
        }
        match place {
            Some(item) if item == new => return Ok(false),
            Some(item) => *item = new.clone(),
            None => items.push(new.clone()),
        }
        Ok(true)
    }

    /// Does what is to be done with a field.
    fn put(&self, members: &mut Map, name: &str, exists: bool) -> Result<bool, String> {
        let old = members.get(name).filter(|_| exists);
        let list = |old: Option<&Value>| match old {
            None => Ok(None),
            Some(old) if old.node().is_array() => Ok(Some(old.node().items().map(|i| i.to_value()).collect())),
            Some(old) => Err(self.mismatch(self.steps.len(), "a list of values", old)),
        };
        let new = match self.change {
            Change::Set(new, current) if current.allows(old) => new.clone(),
            Change::Set(..) => return Ok(false),
            Change::Image(image) => match old {
                None => Value::from(image.apply("")),
                Some(old) => match old.as_str() {
                    Some(reference) => Value::from(image.apply(reference)),
                    None => return Err(self.mismatch(self.steps.len(), "an image reference", old)),
                },
            },
            Change::Merge(values) => {
                let mut merged: Vec<Value> = list(old)?.unwrap_or_default();
                for value in values {
                    if !merged.contains(value) {
                        merged.push(value.clone());
                    }
                }
                merged.into_iter().collect()
            }
            Change::Prune(values) => {
                let Some(mut kept) = list(old)? else { return Ok(false) };
                let kept: Vec<Value> = kept.drain(..).filter(|item: &Value| !values.contains(item)).collect();
                kept.into_iter().collect()
            }
        };
        if old == Some(&new) {
            return Ok(false);
        }
        members.insert(name, new);
        Ok(true)
    }
}
