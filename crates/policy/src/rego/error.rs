//! What goes wrong: before evaluation and in it.

use super::ast::Pos;
use crate::budget::Exhausted;

/// A fault of a module or of an evaluation. It is rare and answers are many: it lies apart, so that these are small.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0.code, .0.message)]
pub(crate) struct Error(Box<Told>);

/// What an error tells, by the code the language gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) pos: Pos,
    /// Which of several modules it is in, where that is known.
    pub(crate) module: Option<usize>,
}

impl std::ops::Deref for Error {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

impl Error {
    pub(crate) fn new(code: &'static str, pos: Pos, message: impl Into<String>) -> Error {
        Error(Box::new(Told {
            code,
            message: message.into(),
            pos,
            module: None,
        }))
    }

    /// The same fault, told of one of several modules.
    pub(crate) fn of_module(mut self, module: usize) -> Error {
        self.0.module = Some(module);
        self
    }

    /// The same fault, told of another place.
    pub(crate) fn at(mut self, pos: Pos) -> Error {
        self.0.pos = pos;
        self
    }

    pub(crate) fn parse(pos: Pos, message: impl Into<String>) -> Error {
        Error::new("rego_parse_error", pos, message)
    }

    pub(crate) fn compile(pos: Pos, message: impl Into<String>) -> Error {
        Error::new("rego_compile_error", pos, message)
    }

    pub(crate) fn type_error(pos: Pos, message: impl Into<String>) -> Error {
        Error::new("rego_type_error", pos, message)
    }

    pub(crate) fn unsafe_var(pos: Pos, message: impl Into<String>) -> Error {
        Error::new("rego_unsafe_var_error", pos, message)
    }

    pub(crate) fn conflict(pos: Pos, message: impl Into<String>) -> Error {
        Error::new("eval_conflict_error", pos, message)
    }
}

impl From<Exhausted> for Error {
    fn from(exhausted: Exhausted) -> Error {
        Error::new("eval_cancel_error", Pos::default(), exhausted.to_string())
    }
}

/// What a built-in function answers instead of a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// An operand of the wrong type.
    Type(String),
    /// An operand of a wrong value.
    Value(String),
    /// No value, and no error.
    Undefined,
    /// Ends the evaluation, strict or not.
    Halt(Error),
}

impl From<Exhausted> for Fault {
    fn from(exhausted: Exhausted) -> Fault {
        Fault::Halt(exhausted.into())
    }
}

impl Fault {
    pub(crate) fn value(message: impl Into<String>) -> Fault {
        Fault::Value(message.into())
    }
}
