//! [`Slot`]: the value of one variable of a policy, once it is known.

use std::cell::{Cell, OnceCell};

use super::eval::Answer;
use crate::name::{Mark, Name};

/// A variable, evaluated when it is first read.
pub(crate) struct Slot<'a> {
    pub(crate) mark: Mark,
    pub(crate) value: OnceCell<Answer<'a>>,
    /// Whether it is being evaluated.
    pub(crate) busy: Cell<bool>,
}

impl<'a> Slot<'a> {
    /// A variable that is not known yet.
    pub(crate) fn unread(name: &Name) -> Slot<'a> {
        Slot {
            mark: name.mark(),
            value: OnceCell::new(),
            busy: Cell::new(false),
        }
    }
}
