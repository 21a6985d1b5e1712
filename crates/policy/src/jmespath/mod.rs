//! JMESPath, compiled once and evaluated over document nodes: the published grammar and the functions policies use.
//!
//! Expressions read a [`Scope`] (named roots such as `request` or `element`) or a node. Nothing is converted: a
//! [`Val`] borrows from the document until a function has to make something new.
//!
//! Unlike plain JMESPath, a missing key is not `null` but the fault [`Fault::NotFound`], because a policy that reads a
//! field which is not there must not silently compare with nothing. `||`, `&&`, `!`, comparisons, flattening, filters
//! and `not_null` take it as `null`, projections leave the element out.

mod arithmetic;
mod eval;
mod function;
mod lexer;
mod parser;
mod standard;
mod text;
mod time;
mod value;

pub use eval::{Evaluator, Fault, Scope};
pub use parser::SyntaxError;
pub use value::Val;

use ridgeway_doc::Value;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(crate) ast: Ast,
    text: Box<str>,
}

impl Expression {
    /// Compiles an expression.
    pub fn parse(text: &str) -> Result<Expression, SyntaxError> {
        Ok(Expression {
            ast: parser::parse(text)?,
            text: text.trim().into(),
        })
    }

    /// The source text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The dotted path, when the expression is nothing but one: `request.object.spec.hostNetwork`, also when a
    /// default follows (`… || 'x'`). Projections give `[]`.
    pub fn plain_path(&self) -> Option<String> {
        fn walk(ast: &Ast, out: &mut String) -> bool {
            match ast {
                Ast::Field(name) => {
                    if !out.is_empty() && !out.ends_with('.') {
                        out.push('.');
                    }
                    out.push_str(name);
                    true
                }
                Ast::Sub(left, right) => walk(left, out) && walk(right, out),
                Ast::Or(left, _) => walk(left, out),
                Ast::Flatten(inner) => {
                    let ok = walk(inner, out);
                    out.push_str("[]");
                    ok
                }
                Ast::Projection(left, right) => {
                    let flat = matches!(**left, Ast::Flatten(_));
                    let ok = walk(left, out);
                    if !flat {
                        out.push_str("[]");
                    }
                    ok && (matches!(**right, Ast::Identity) || walk(right, out))
                }
                Ast::Index(i) => {
                    out.push_str(&format!("[{i}]"));
                    true
                }
                _ => false,
            }
        }
        let mut out = String::new();
        walk(&self.ast, &mut out).then_some(out)
    }
}

/// The syntax tree.
#[derive(Clone, Debug)]
pub(crate) enum Ast {
    Identity,
    Field(Box<str>),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    /// `a.b` and `a | b`: the right side sees the left side's value.
    Sub(Box<Ast>, Box<Ast>),
    /// As `Sub`, but ends a projection.
    Pipe(Box<Ast>, Box<Ast>),
    Projection(Box<Ast>, Box<Ast>),
    ValueProjection(Box<Ast>, Box<Ast>),
    Filter(Box<Ast>, Box<Ast>, Box<Ast>),
    Flatten(Box<Ast>),
    List(Vec<Ast>),
    Hash(Vec<(Box<str>, Ast)>),
    Literal(Value),
    Compare(Comparison, Box<Ast>, Box<Ast>),
    And(Box<Ast>, Box<Ast>),
    Or(Box<Ast>, Box<Ast>),
    Not(Box<Ast>),
    Call(&'static function::Function, Vec<Ast>),
    Reference(Box<Ast>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[cfg(test)]
mod tests;
