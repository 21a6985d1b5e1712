//! [`Name`]: a member's name, hashed once.

use std::fmt;
use std::sync::Arc;

use ridgeway_doc::Key;

/// A name that many objects are asked for.
#[derive(Clone, Debug)]
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

/// What was hashed of a name, and its length: tells names apart where the right one is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u32, u32);

impl Name {
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.hash, self.text.len() as u32)
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Name) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name::new(&text.into())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
