//! What is wrong with an object, in Kubernetes' words.

use std::fmt;

use ridgeway_doc::{Kind, Node};

use crate::path::Path;

/// The classes of faults that Kubernetes tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Something must be there and is not.
    Required,
    /// A value is not acceptable.
    Invalid,
    /// A value has the wrong type.
    TypeInvalid,
    /// A value is none of the listed ones.
    NotSupported,
    /// Something appears twice.
    Duplicate,
    /// Something refers to what is not there.
    NotFound,
    /// Something may not be set here.
    Forbidden,
    /// A text is too long.
    TooLong,
    /// There are too many of something.
    TooMany,
}

/// One fault of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a dotted path.
    pub path: String,
    /// What kind of fault.
    pub fault: Fault,
    /// The offending value as it is printed; `None` where it adds nothing.
    pub value: Option<String>,
    /// What is wrong or what would be right; may be empty.
    pub detail: String,
}

impl Violation {
    /// The machine-readable reason of a status cause, such as `FieldValueRequired`.
    pub fn reason(&self) -> &'static str {
        match self.fault {
            Fault::Required => "FieldValueRequired",
            Fault::Invalid => "FieldValueInvalid",
            Fault::TypeInvalid => "FieldValueTypeInvalid",
            Fault::NotSupported => "FieldValueNotSupported",
            Fault::Duplicate => "FieldValueDuplicate",
            Fault::NotFound => "FieldValueNotFound",
            Fault::Forbidden => "FieldValueForbidden",
            Fault::TooLong => "FieldValueTooLong",
            Fault::TooMany => "FieldValueTooMany",
        }
    }

    /// The sentence without the path: `Invalid value: "x": must be …`.
    pub fn message(&self) -> String {
        let class = match self.fault {
            Fault::Required => "Required value",
            Fault::Invalid | Fault::TypeInvalid => "Invalid value",
            Fault::NotSupported => "Unsupported value",
            Fault::Duplicate => "Duplicate value",
            Fault::NotFound => "Not found",
            Fault::Forbidden => "Forbidden",
            Fault::TooLong => "Too long",
            Fault::TooMany => "Too many",
        };
        let mut out = class.to_owned();
        for part in self.value.iter().chain(Some(&self.detail).filter(|d| !d.is_empty())) {
            out.push_str(": ");
            out.push_str(part);
        }
        out
    }

    pub(crate) fn required(path: &Path<'_>, detail: impl Into<String>) -> Violation {
        Violation {
            path: path.to_string(),
            fault: Fault::Required,
            value: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn invalid(path: &Path<'_>, value: Node<'_>, detail: impl Into<String>) -> Violation {
        Violation::of(path, Fault::Invalid, Some(printed(value)), detail)
    }

    pub(crate) fn forbidden(path: &Path<'_>, detail: impl Into<String>) -> Violation {
        Violation::of(path, Fault::Forbidden, None, detail)
    }

    pub(crate) fn not_supported<'s>(
        path: &Path<'_>,
        value: Node<'_>,
        supported: impl IntoIterator<Item = &'s str>,
    ) -> Violation {
        let list: Vec<String> = supported.into_iter().map(|s| format!("{s:?}")).collect();
        Violation::of(
            path,
            Fault::NotSupported,
            Some(printed(value)),
            format!("supported values: {}", list.join(", ")),
        )
    }

    pub(crate) fn of(path: &Path<'_>, fault: Fault, value: Option<String>, detail: impl Into<String>) -> Violation {
        Violation {
            path: path.to_string(),
            fault,
            value,
            detail: detail.into(),
        }
    }
}

/// `spec.replicas: Invalid value: …`.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message())
    }
}

/// A value as messages show it: texts quoted, the rest as JSON.
pub(crate) fn printed(value: Node<'_>) -> String {
    match value.as_str() {
        Some(text) => format!("{text:?}"),
        None => value.to_json(),
    }
}

/// The JSON Schema name of what a node is.
pub(crate) fn type_name(value: Node<'_>) -> &'static str {
    match value.kind() {
        Kind::Null => "null",
        Kind::Bool => "boolean",
        Kind::Number if value.as_i64().is_some() => "integer",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::Array => "array",
        Kind::Object => "object",
    }
}
