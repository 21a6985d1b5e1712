//! CEL, the common expression language, compiled once and evaluated over document nodes.
//!
//! ```text
//! text ─ lexer, parser, macros ─→ tree ─ resolve(Env) ─→ tree ─ check(Env) ─→ type, or what cannot work
//!                                                         └ lower ─→ code ─ Evaluator(Scope, Fuel) ─→ Cel
//! ```
//!
//! The whole language with its extensions, the libraries of Kubernetes, and of Kyverno's those that need nothing from
//! outside. Messages exist where an [`Env`] describes them; documents are dynamic. Every step costs fuel.

mod ast;
mod calls;
mod check;
mod code;
mod compare;
mod descriptor;
mod env;
mod eval;
mod inspect;
mod lexer;
mod library;
mod loops;
mod lower;
mod macros;
mod message;
mod operators;
mod parser;
mod resolve;
mod select;
mod seq;
mod signatures;
mod slot;
mod text;
mod truth;
mod types;
mod value;
mod wire;

use std::sync::{Arc, OnceLock};

pub(crate) use check::{CheckError, check};
pub(crate) use code::{Beginning, Global, Root, Variable};
pub(crate) use descriptor::{Field, FieldKind, Shape, Types};
pub(crate) use env::Env;
pub(crate) use eval::{Evaluator, Fault, Scope};
pub(crate) use library::authorizer;
pub(crate) use message::Message;
pub(crate) use parser::{RESERVED, SyntaxError};
pub(crate) use signatures::Overload;
pub(crate) use slot::Slot;
pub(crate) use types::{Type, parameter};
pub(crate) use value::Cel;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    ast: Arc<ast::Expr>,
    code: Arc<code::Code>,
}

impl Program {
    /// Compiles an expression of a policy: any name may be looked up, and messages become objects.
    pub(crate) fn parse(text: &str) -> Result<Program, SyntaxError> {
        Program::parse_among(text, &[])
    }

    /// The same for a policy whose variables are known: they are found by their place. Whoever evaluates may have
    /// other variables, or these in another order; then they are found by their names.
    pub(crate) fn parse_among(text: &str, variables: &[&str]) -> Result<Program, SyntaxError> {
        static OPEN: OnceLock<Env> = OnceLock::new();
        let env = OPEN.get_or_init(|| Env {
            open_messages: true,
            types: Arc::new(Types::read_all(&[])),
            ..Env::default()
        });
        Program::compile_among(text, env, variables)
    }

    /// Compiles an expression against an environment.
    pub(crate) fn compile(text: &str, env: &Env) -> Result<Program, SyntaxError> {
        Program::compile_among(text, env, &[])
    }

    fn compile_among(text: &str, env: &Env, variables: &[&str]) -> Result<Program, SyntaxError> {
        let ast = parser::parse(text)?;
        let ast = resolve::resolve(ast, env).map_err(|why| SyntaxError::new(text, 0, &why))?;
        Ok(Program {
            code: Arc::new(lower::lower(&ast, variables)),
            ast: Arc::new(ast),
        })
    }

    /// The functions that the expression calls, modules with theirs.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &str> {
        inspect::calls(&self.ast)
    }

    /// Whether the expression reads a field of a name, or the name as a whole.
    pub(crate) fn reads(&self, root: &str, field: &str) -> bool {
        inspect::reads(&self.ast, root, field)
    }

    /// Whether the expression reads a name, or something in it.
    pub(crate) fn names(&self, root: &str) -> bool {
        inspect::names(&self.ast, root)
    }

    /// Why an object to be applied cannot be one: its parts are named by their place.
    pub(crate) fn misnamed_object(&self) -> Option<String> {
        inspect::misnamed_object(&self.ast)
    }

    /// Whether numbers or names are converted to constants of an enumeration.
    pub(crate) fn converts_enums(&self) -> bool {
        format!("{:?}", self.ast).contains("Convert {")
    }

    /// The dotted path of the first field of `object` that the expression reads, for evidence.
    pub(crate) fn first_path(&self) -> Option<String> {
        self.ast.first_path()
    }
}

#[cfg(test)]
mod tests;
