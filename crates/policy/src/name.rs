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

impl Name {
    /// Whether two names are one where that is expected: by what was hashed of them, without their texts.
    #[inline]
    pub(crate) fn expected(&self, other: &Name) -> bool {
        let one = self.hash == other.hash && self.text.len() == other.text.len();
        debug_assert!(!one || self.text == other.text);
        one
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
