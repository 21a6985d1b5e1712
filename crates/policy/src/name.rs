//! [`Name`]: a member's name, hashed once.

use std::sync::Arc;

use ridgeway_doc::Key;

/// A name that many objects are asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) text: Arc<str>,
    hash: u32,
}

impl Name {
    pub(crate) fn new(text: &Arc<str>) -> Name {
        Name {
            hash: Key::new(text).hash(),
            text: text.clone(),
        }
    }

    /// The key to look it up by.
    #[inline]
    pub(crate) fn key(&self) -> Key<'_> {
        Key::hashed(&self.text, self.hash)
    }
}
