//! What a rule looks at while it is evaluated, written down when somebody asks.

use std::cell::{Cell, RefCell};
use std::fmt;

use ridgeway_doc::{Node, Value};

use crate::kyverno::Expected;
use crate::path::FieldPath;

/// The part of a rule that looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Part {
    /// `preconditions`.
    #[default]
    Precondition,
    /// `pattern` or `anyPattern`.
    Pattern,
    /// `deny.conditions`: the rule is violated when they hold.
    Deny,
    /// An expression (CEL, Rego) that reads the field.
    Expression,
    /// The result itself.
    Result,
}

/// What was asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// A leaf pattern: `?*`, `>=2`, `!*:latest`, and the value it stands for where it is one.
    Pattern(String, Option<Value>),
    /// To be there.
    Present,
    /// Not to be there.
    Absent,
    /// To be an object, a list, or a list with a certain item.
    Shape(String),
    /// A comparison of a condition.
    Condition {
        /// `Equals`, `AnyIn`, …
        operator: &'static str,
        /// What it is compared with.
        value: Value,
    },
    /// An expression read it.
    Read,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Pattern(text, _) if text.is_empty() => f.write_str("\"\""),
            Asked::Pattern(text, _) => f.write_str(text),
            Asked::Present => f.write_str("present"),
            Asked::Absent => f.write_str("absent"),
            Asked::Shape(shape) => f.write_str(shape),
            Asked::Condition { operator, value } => write!(f, "{operator} {value}"),
            Asked::Read => f.write_str("read"),
        }
    }
}

/// One look at one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Which part of the rule.
    pub part: Part,
    /// Where in the object, as a dotted path; an expression's text where it is no plain path.
    pub path: String,
    /// What was asked.
    pub asked: Asked,
    /// What was there.
    pub found: Option<Value>,
    /// Whether what was asked holds.
    pub holds: bool,
}

/// Collects looks.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    part: Cell<Part>,
    base: RefCell<FieldPath>,
    looks: RefCell<Vec<Look>>,
}

impl Trace {
    /// From here on it is this part that looks.
    pub(crate) fn part(&self, part: Part) {
        self.part.set(part);
    }

    /// From here on paths are below this one; gives the one before.
    pub(crate) fn within(&self, base: FieldPath) -> FieldPath {
        self.base.replace(base)
    }

    /// A look of a pattern.
    pub(crate) fn pattern(&self, path: &FieldPath, expected: &Expected, found: Option<Node<'_>>, holds: bool) {
        let asked = match expected {
            Expected::Leaf(text, value) => Asked::Pattern(text.clone(), value.clone()),
            Expected::Present => Asked::Present,
            Expected::Absent => Asked::Absent,
            Expected::SomeItem => Asked::Shape("a list with a matching item".into()),
            Expected::Shape(shape) => Asked::Shape((*shape).into()),
        };
        let path = path.clone().under(&self.base.borrow()).to_string();
        self.add(path, asked, found.map(Node::to_value), holds);
    }

    /// A look of a condition; `path` is the plain path of its key.
    pub(crate) fn condition(
        &self,
        path: Option<String>,
        operator: &'static str,
        value: Value,
        found: Value,
        holds: bool,
    ) {
        let path = path.unwrap_or_default();
        let inner = |rest: &str| {
            let base = self.base.borrow().to_string();
            if base.is_empty() {
                rest.trim_start_matches('.').to_owned()
            } else {
                format!("{base}{rest}")
            }
        };
        let path = match (path.strip_prefix("request.object."), path.strip_prefix("element")) {
            (Some(rest), _) => rest.to_owned(),
            (None, Some(rest)) if rest.is_empty() || rest.starts_with(['.', '[']) => inner(rest),
            _ => path,
        };
        self.add(path, Asked::Condition { operator, value }, Some(found), holds);
    }

    fn add(&self, path: String, asked: Asked, found: Option<Value>, holds: bool) {
        let look = Look {
            part: self.part.get(),
            path,
            asked,
            found: found.filter(|value| !value.is_null()),
            holds,
        };
        let mut looks = self.looks.borrow_mut();
        if !looks.contains(&look) {
            looks.push(look);
        }
    }

    /// Everything that was looked at.
    pub(crate) fn into_looks(self) -> Vec<Look> {
        self.looks.into_inner()
    }
}
