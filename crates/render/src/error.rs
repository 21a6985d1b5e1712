//! What can be wrong with a source, and where.

use std::fmt;

use ridgeway_doc::{Node, ParseError};

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The file, relative to the repository root; empty when no file is to blame.
    pub file: String,
    /// The line in the file.
    pub line: Option<u32>,
    /// The field, such as `patches[2].target`; empty when no field is to blame.
    pub field: String,
    /// What is wrong and what would make it right.
    pub message: String,
}

impl Fault {
    pub(crate) fn in_file(file: &str, message: impl Into<String>) -> Fault {
        Fault {
            file: file.into(),
            message: message.into(),
            ..Fault::default()
        }
    }

    pub(crate) fn at(mut self, node: Node<'_>) -> Fault {
        self.line = node.position().map(|p| p.line);
        self
    }

    pub(crate) fn field(mut self, field: impl Into<String>) -> Fault {
        self.field = field.into();
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Why a source could not be rendered: every fault that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct RenderError {
    /// The faults; never empty.
    pub faults: Vec<Fault>,
}

impl From<Fault> for RenderError {
    fn from(fault: Fault) -> RenderError {
        RenderError { faults: vec![fault] }
    }
}

impl RenderError {
    pub(crate) fn parse(file: &str, error: &ParseError) -> RenderError {
        Fault {
            file: file.into(),
            line: Some(error.position.line),
            field: String::new(),
            message: error.to_string(),
        }
        .into()
    }

    /// `Ok` when there is no fault.
    pub(crate) fn check(faults: Vec<Fault>) -> Result<(), RenderError> {
        if faults.is_empty() {
            Ok(())
        } else {
            Err(RenderError { faults })
        }
    }
}
