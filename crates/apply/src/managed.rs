//! `metadata.managedFields`: who owns what.

use std::borrow::Cow;
use std::cell::OnceCell;

use ridgeway_doc::{Node, Value};

use crate::set::FieldSet;
use crate::shape::Type;

/// More managers that only update than this are folded into one.
const MOST_UPDATERS: usize = 10;

/// The manager that stands for those folded.
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own its fields. The order is the order in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// Who a manager is. Those that apply are the same whatever API version they use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) operation: Operation,
    pub(crate) api_version: Cow<'a, str>,
    pub(crate) subresource: Cow<'a, str>,
}

impl Manager<'_> {
    fn is(&self, other: &Manager<'_>) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

/// A manager with what it owns.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) manager: Manager<'a>,
    pub(crate) time: Cow<'a, str>,
    /// Read from the stored form when somebody asks.
    set: OnceCell<FieldSet<'a>>,
    /// The stored form, as long as the set is what it says.
    stored: Option<Node<'a>>,
}

impl<'a> Entry<'a> {
    pub(crate) fn set(&self) -> &FieldSet<'a> {
        self.set
            .get_or_init(|| self.stored.map(FieldSet::decode).unwrap_or_default())
    }

    fn replace(&mut self, set: FieldSet<'a>) {
        self.set = OnceCell::from(set);
        self.stored = None;
    }

    fn owns_nothing(&self) -> bool {
        match (self.stored, self.set.get()) {
            (_, Some(set)) => set.is_empty(),
            (stored, None) => stored.is_none_or(Node::is_empty),
        }
    }

    fn encode(&self) -> Value {
        let mut entry = Value::object();
        entry.set(&["manager"], &*self.manager.name);
        let operation = if self.manager.operation == Operation::Apply {
            "Apply"
        } else {
            "Update"
        };
        entry.set(&["operation"], operation);
        entry.set(&["apiVersion"], &*self.manager.api_version);
        if !self.time.is_empty() {
            entry.set(&["time"], &*self.time);
        }
        entry.set(&["fieldsType"], "FieldsV1");
        entry.set(
            &["fieldsV1"],
            self.stored.map_or_else(|| self.set().encode(), Node::to_value),
        );
        if !self.manager.subresource.is_empty() {
            entry.set(&["subresource"], &*self.manager.subresource);
        }
        entry
    }
}

/// All managers of an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Managed<'a> {
    entries: Vec<Entry<'a>>,
    changed: bool,
}

impl<'a> Managed<'a> {
    /// Reads the list of an object; `None` when it holds what is no entry.
    pub(crate) fn of(object: Node<'a>) -> Option<Managed<'a>> {
        let mut managed = Managed::default();
        let Some(list) = object.at(&["metadata", "managedFields"]) else {
            return Some(managed);
        };
        for entry in list.items() {
            let text = |key: &str| Cow::Borrowed(entry.str_at(&[key]).unwrap_or_default());
            let operation = match &*text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            let stored = entry.get("fieldsV1");
            managed.entries.push(Entry {
                manager: Manager {
                    name: text("manager"),
                    operation,
                    api_version: text("apiVersion"),
                    subresource: text("subresource"),
                },
                time: text("time"),
                set: OnceCell::new(),
                stored,
            });
        }
        Some(managed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Brings sets in step with a schema that changed since they were written. Schemas of built-in kinds do not.
    pub(crate) fn follow_schema(&mut self, ty: Type<'_>, object: Node<'_>) {
        if object.str_at(&["apiVersion"]).is_none_or(ridgeway_schema::is_builtin) {
            return;
        }
        for entry in &mut self.entries {
            if let Some(set) = entry.set().following_schema(ty, object) {
                entry.replace(set);
                self.changed = true;
            }
        }
    }

    /// Whether any entry differs from what was read, times aside.
    pub(crate) fn changed(&self) -> bool {
        self.changed
    }

    fn position(&self, manager: &Manager<'_>) -> Option<usize> {
        self.entries.iter().position(|entry| entry.manager.is(manager))
    }

    pub(crate) fn find(&self, manager: &Manager<'_>) -> Option<&Entry<'a>> {
        self.position(manager).map(|i| &self.entries[i])
    }

    pub(crate) fn others<'s>(&'s self, manager: &'s Manager<'_>) -> impl Iterator<Item = &'s Entry<'a>> {
        self.entries.iter().filter(|entry| !entry.manager.is(manager))
    }

    /// Takes fields away from everybody but one manager.
    pub(crate) fn take_from_others(&mut self, manager: &Manager<'_>, fields: &FieldSet<'_>) {
        for entry in self.entries.iter_mut().filter(|entry| !entry.manager.is(manager)) {
            shrink(entry, fields, &mut self.changed);
        }
        self.drop_empty();
    }

    /// Takes fields away from everybody.
    pub(crate) fn take_from_all(&mut self, fields: &FieldSet<'_>) {
        for entry in &mut self.entries {
            shrink(entry, fields, &mut self.changed);
        }
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        self.entries.retain(|entry| !entry.owns_nothing());
    }

    /// Makes a manager own exactly these fields. `touched` says that it changed the object, which moves its time.
    pub(crate) fn put(&mut self, manager: Manager<'a>, set: FieldSet<'a>, now: &'a str, touched: bool) {
        match self.position(&manager) {
            Some(i) if set.is_empty() => {
                self.entries.remove(i);
                self.changed = true;
            }
            Some(i) => {
                let entry = &mut self.entries[i];
                let differs = *entry.set() != set || entry.manager.api_version != manager.api_version;
                if differs {
                    entry.replace(set);
                    entry.manager.api_version = manager.api_version;
                    self.changed = true;
                }
                if touched || differs {
                    entry.time = now.into();
                }
            }
            None if set.is_empty() => {}
            None => {
                self.entries.push(Entry {
                    manager,
                    time: now.into(),
                    set: OnceCell::from(set),
                    stored: None,
                });
                self.changed = true;
            }
        }
    }

    /// Folds the oldest managers that update into one, when there are too many.
    pub(crate) fn cap(&mut self) {
        let updaters = |entries: &[Entry<'_>]| {
            entries
                .iter()
                .filter(|e| e.manager.operation == Operation::Update && e.manager.name != ANCIENT)
                .count()
        };
        while updaters(&self.entries) > MOST_UPDATERS {
            let oldest = self
                .entries
                .iter()
                .enumerate()
                .filter(|(_, e)| e.manager.operation == Operation::Update && e.manager.name != ANCIENT)
                .min_by(|(_, a), (_, b)| a.time.cmp(&b.time))
                .map(|(i, _)| i);
            let Some(oldest) = oldest else { return };
            let mut entry = self.entries.remove(oldest);
            entry.manager.name = ANCIENT.into();
            entry.manager.subresource = "".into();
            match self.position(&entry.manager) {
                Some(i) => {
                    let bucket = &mut self.entries[i];
                    bucket.replace(bucket.set().clone().union(entry.set().clone()));
                    bucket.time = entry.time;
                }
                None => self.entries.push(entry),
            }
            self.changed = true;
        }
    }

    /// Writes the list into an object.
    pub(crate) fn write(mut self, object: &mut Value) {
        if self.entries.is_empty() {
            object.remove(&["metadata", "managedFields"]);
            return;
        }
        self.entries.sort_by(|a, b| {
            let key = |e: &Entry<'_>| (e.manager.operation, e.time.clone().into_owned());
            key(a)
                .cmp(&key(b))
                .then_with(|| a.manager.name.cmp(&b.manager.name))
                .then_with(|| a.manager.api_version.cmp(&b.manager.api_version))
                .then_with(|| a.manager.subresource.cmp(&b.manager.subresource))
        });
        let list: Value = self.entries.iter().map(Entry::encode).collect();
        object.set(&["metadata", "managedFields"], list);
    }
}

fn shrink(entry: &mut Entry<'_>, fields: &FieldSet<'_>, changed: &mut bool) {
    if fields.is_empty() || entry.set().intersection(fields).is_empty() {
        return;
    }
    entry.replace(entry.set().difference(fields));
    *changed = true;
}
