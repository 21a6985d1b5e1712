//! Rego: modules compile to steps over slots, and steps run over documents that are read where they lie.
//!
//! ```text
//! text ─ lexer ─ parser ─→ Module ─ resolve (names → numbers) ─ lower (safe order) ─→ Program ─ eval ─→ Value
//! ```
//!
//! A body is ordered once, at compile time, so that each step knows which variables have values: a first occurrence
//! binds, every other compares. Backtracking therefore undoes nothing, it only overwrites. What has many values (a
//! reference with an open key, `walk`, `some … in`) is a step with a continuation; all else is an expression.

mod ast;
mod builtins;
mod compile;
mod engine;
mod error;
mod eval;
mod json_text;
mod lexer;
mod lower;
mod metadata;
mod narrow;
mod need;
mod number;
mod parser;
mod plan;
mod resolve;
mod share;
#[cfg(test)]
mod tests;
mod value;

pub(crate) use builtins::{md5, shown_certificate};
pub(crate) use engine::{Bindings, Engine, Request};
pub(crate) use error::Error;
pub(crate) use lexer::says;
pub(crate) use parser::Version;
pub(crate) use value::{Type, Value};
