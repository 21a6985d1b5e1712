//! Copy-on-write editing of one level of a document.

use ridgeway_doc::{Node, Value};

/// A node and, once something was changed, the value that takes its place.
pub(crate) struct Edit<'a> {
    node: Node<'a>,
    out: Option<Value>,
}

impl<'a> Edit<'a> {
    pub(crate) fn new(node: Node<'a>) -> Self {
        Edit { node, out: None }
    }

    fn value(&mut self) -> &mut Value {
        self.out.get_or_insert_with(|| self.node.to_value())
    }

    /// Puts a member in.
    pub(crate) fn insert(&mut self, key: &str, value: impl Into<Value>) {
        self.value().make_object().insert(key, value);
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, key: &str) {
        self.value().make_object().remove(key);
    }

    /// Replaces an item.
    pub(crate) fn replace(&mut self, index: usize, value: Value) {
        if let Some(slot) = self.value().make_array().get_mut(index) {
            *slot = value;
        }
    }

    /// Rewrites every item for which `rewrite` gives a value.
    pub(crate) fn each_item(&mut self, mut rewrite: impl FnMut(Node<'a>) -> Option<Value>) {
        for (index, item) in self.node.items().enumerate() {
            if let Some(value) = rewrite(item) {
                self.replace(index, value);
            }
        }
    }

    /// What the level became; `None` when nothing changed.
    pub(crate) fn finish(self) -> Option<Value> {
        self.out
    }
}
