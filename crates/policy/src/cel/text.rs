//! [`Text`]: a text of the document, or one that was made.

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A text; a copy costs nothing.
#[derive(Clone, Debug)]
#[repr(u64)]
pub(crate) enum Text<'a> {
    /// A text of a document.
    Borrowed(&'a str),
    /// A text of an expression, or one that was made.
    Shared(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl PartialEq<Text<'_>> for Text<'_> {
    fn eq(&self, other: &Text<'_>) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// What a buffer may keep when nobody uses it.
const KEPT: usize = 16 << 10;

thread_local! {
    static BUFFER: Cell<String> = const { Cell::new(String::new()) };
}

/// A text that is being joined, in a buffer that the thread keeps.
pub(crate) struct Joined(String);

impl Joined {
    /// An empty text.
    pub(crate) fn take() -> Joined {
        let mut buffer = BUFFER.take();
        buffer.clear();
        Joined(buffer)
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if self.0.capacity() <= KEPT {
            BUFFER.set(std::mem::take(&mut self.0));
        }
    }
}

impl Deref for Joined {
    type Target = String;

    fn deref(&self) -> &String {
        &self.0
    }
}

impl DerefMut for Joined {
    fn deref_mut(&mut self) -> &mut String {
        &mut self.0
    }
}
