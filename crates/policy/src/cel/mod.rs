//! CEL, the common expression language, compiled once and evaluated over document nodes.
//!
//! The language as Kubernetes uses it: macros, optionals, and the libraries for text, lists, regular expressions,
//! quantities, URLs and time; of Kyverno's libraries those that need nothing from outside. Types are checked when a
//! function meets its arguments, not before: objects of unknown schema are dynamic anyway.

mod eval;
mod lexer;
mod library;
mod parser;
mod value;

pub(crate) use eval::{Evaluator, Fault, Scope};
pub(crate) use value::Cel;

use parser::SyntaxError;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ast: Expr,
}

impl Program {
    /// Compiles an expression.
    pub(crate) fn parse(text: &str) -> Result<Program, SyntaxError> {
        Ok(Program {
            ast: parser::parse(text)?,
        })
    }

    /// The dotted path of the first field of `object` that the expression reads, for evidence.
    pub(crate) fn first_path(&self) -> Option<String> {
        self.ast.first_path()
    }
}

/// The syntax tree.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Literal(Literal),
    Ident(Box<str>),
    Select {
        operand: Box<Expr>,
        field: Box<str>,
        optional: bool,
    },
    Has {
        operand: Box<Expr>,
        field: Box<str>,
    },
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    Call {
        target: Option<Box<Expr>>,
        name: Box<str>,
        arguments: Vec<Expr>,
    },
    List(Vec<(Expr, bool)>),
    Map(Vec<(Expr, Expr, bool)>),
    Message {
        fields: Vec<(Box<str>, Expr, bool)>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Loop(Box<Loop>),
    /// `optMap` and `optFlatMap`.
    Optional {
        operand: Box<Expr>,
        name: Box<str>,
        body: Box<Expr>,
        flat: bool,
    },
    Bind {
        name: Box<str>,
        value: Box<Expr>,
        body: Box<Expr>,
    },
}

/// A macro over a list or map.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    kind: LoopKind,
    range: Expr,
    names: (Box<str>, Option<Box<str>>),
    condition: Option<Expr>,
    body: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    /// `transformMap`: keys stay, values are made anew.
    TransformMap,
}

/// A value written in the expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Expr {
    /// `object.spec.containers`, when the expression is such a path.
    fn path(&self) -> Option<String> {
        match self {
            Expr::Ident(name) if &**name == "object" => Some(String::new()),
            Expr::Select { operand, field, .. } | Expr::Has { operand, field } => {
                let base = operand.path()?;
                Some(if base.is_empty() {
                    field.to_string()
                } else {
                    format!("{base}.{field}")
                })
            }
            Expr::Call {
                target: Some(target),
                name,
                ..
            } if matches!(&**name, "orValue" | "value" | "hasValue") => target.path(),
            _ => None,
        }
    }

    fn first_path(&self) -> Option<String> {
        if let Some(path) = self.path().filter(|path| !path.is_empty()) {
            return Some(path);
        }
        let both = |a: &Expr, b: &Expr| a.first_path().or_else(|| b.first_path());
        match self {
            Expr::Select { operand, .. } | Expr::Has { operand, .. } => operand.first_path(),
            Expr::Index { operand, .. } | Expr::Not(operand) | Expr::Negate(operand) => operand.first_path(),
            Expr::Call { target, arguments, .. } => {
                let target = target.as_ref().and_then(|t| t.first_path());
                target.or_else(|| arguments.iter().find_map(Expr::first_path))
            }
            Expr::And(a, b) | Expr::Or(a, b) | Expr::Binary(_, a, b) => both(a, b),
            Expr::Ternary(c, a, b) => c.first_path().or_else(|| both(a, b)),
            Expr::Loop(inner) => both(&inner.range, &inner.body),
            Expr::Optional { operand, .. } => operand.first_path(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
