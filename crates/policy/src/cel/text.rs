//! [`Text`]: a text of the document, or one that was made.

use std::fmt;
use std::ops::Deref;
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
