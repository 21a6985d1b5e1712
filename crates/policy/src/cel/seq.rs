//! [`Seq`]: the elements of a list or map, made or borrowed from an expression.

use std::ops::Deref;
use std::sync::Arc;

/// Elements; a copy costs nothing.
pub(crate) enum Seq<'a, T> {
    /// Of a constant of an expression.
    Fixed(&'a [T]),
    /// Elements that were made.
    Shared(Arc<Vec<T>>),
}

impl<T> Clone for Seq<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        match self {
            Seq::Fixed(items) => Seq::Fixed(items),
            Seq::Shared(items) => Seq::Shared(items.clone()),
        }
    }
}

impl<T> Deref for Seq<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Seq::Fixed(items) => items,
            Seq::Shared(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for Seq<'_, T> {
    fn from(items: Vec<T>) -> Self {
        Seq::Shared(Arc::new(items))
    }
}
