//! The built-in functions, by meaning.

mod aws;
mod collections;
mod der;
mod digest;
mod encoding;
mod format;
mod glob;
mod graphql;
mod json;
mod jwt;
mod keys;
mod layout;
mod net;
mod numbers;
mod objects;
mod patterns;
mod re2;
mod schemas;
pub(super) mod signatures;
mod strings;
mod system;
mod template;
mod time;
mod types;
mod units;
mod uri;
mod versions;
mod x509;

pub(crate) use digest::md5;
pub(crate) use x509::shown_certificate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::error::Fault;
use super::number::Num;
use super::plan::Patterns;
use super::value::{Items, Members, Value};
use crate::budget::Fuel;

pub(crate) type Answer<'d> = Result<Value<'d>, Fault>;

/// A built-in function.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// How many arguments it takes.
    pub(crate) arity: usize,
    pub(crate) call: Call,
}

pub(crate) type Call = for<'p, 'a, 'd> fn(&mut Env<'p>, &'a [Value<'d>]) -> Answer<'d>;

impl PartialEq for Builtin {
    fn eq(&self, other: &Builtin) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn builtin(name: &'static str, arity: usize, call: Call) -> Builtin {
    Builtin { name, arity, call }
}

/// What functions may ask besides their arguments.
pub(crate) struct Env<'p> {
    pub(crate) fuel: &'p Fuel,
    /// Whether a function's error ends the evaluation.
    pub(crate) strict: bool,
    /// Nanoseconds since 1970.
    pub(crate) now: i128,
    /// Where random numbers begin.
    pub(crate) seed: u64,
    patterns: &'p Patterns,
    /// The regular expressions used last, found without a lock.
    recent: RefCell<Vec<(Box<str>, Arc<regex::Regex>)>>,
}

impl<'p> Env<'p> {
    pub(crate) fn new(fuel: &'p Fuel, patterns: &'p Patterns) -> Self {
        Env {
            fuel,
            strict: false,
            now: 0,
            seed: 0,
            patterns,
            recent: RefCell::default(),
        }
    }

    /// A regular expression, compiled once for all evaluations.
    fn pattern(&self, text: &str) -> Result<Arc<regex::Regex>, Fault> {
        const RECENT: usize = 4;
        if let Some((_, found)) = self.recent.borrow().iter().find(|(of, _)| **of == *text) {
            return Ok(found.clone());
        }
        let found = self.compiled(text)?;
        let mut recent = self.recent.borrow_mut();
        recent.truncate(RECENT - 1);
        recent.insert(0, (text.into(), found.clone()));
        Ok(found)
    }

    fn compiled(&self, text: &str) -> Result<Arc<regex::Regex>, Fault> {
        const KEPT: usize = 256;
        let compile = || {
            let ours = re2::translated(text);
            let ours = ours.map_err(|why| Fault::value(format!("error parsing regexp: {why}")))?;
            regex::RegexBuilder::new(&ours)
                .size_limit(1 << 20)
                .build()
                .map(Arc::new)
                .map_err(|error| Fault::value(format!("error parsing regexp: {error}")))
        };
        let Ok(mut known) = self.patterns.0.lock() else {
            return compile();
        };
        if let Some(found) = known.get(text) {
            return Ok(found.clone());
        }
        self.fuel.burn(64)?;
        let regex = compile()?;
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(text.to_owned(), regex.clone());
        Ok(regex)
    }

    /// Counts work on something of that size.
    fn work(&self, size: usize) -> Result<(), Fault> {
        Ok(self.fuel.burn(1 + size as u64 / 16)?)
    }
}

/// A function by its name.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    static TABLE: OnceLock<HashMap<&'static str, &'static Builtin>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let groups: [&'static [Builtin]; 21] = [
            aws::BUILTINS,
            collections::BUILTINS,
            digest::BUILTINS,
            encoding::BUILTINS,
            glob::BUILTINS,
            graphql::BUILTINS,
            json::BUILTINS,
            jwt::BUILTINS,
            net::BUILTINS,
            numbers::BUILTINS,
            objects::BUILTINS,
            patterns::BUILTINS,
            schemas::BUILTINS,
            strings::BUILTINS,
            system::BUILTINS,
            time::BUILTINS,
            types::BUILTINS,
            units::BUILTINS,
            uri::BUILTINS,
            versions::BUILTINS,
            x509::BUILTINS,
        ];
        groups
            .into_iter()
            .flatten()
            .map(|builtin| (builtin.name, builtin))
            .collect()
    });
    table.get(name).copied()
}

/// The name of a function in messages.
pub(crate) fn shown(name: &'static str) -> &'static str {
    name.strip_prefix("internal.").unwrap_or(name)
}

fn wrong(at: usize, wanted: &str, found: &Value<'_>) -> Fault {
    Fault::Type(format!(
        "operand {} must be {wanted} but got {}",
        at + 1,
        found.kind().name()
    ))
}

fn text<'a>(args: &'a [Value<'_>], at: usize) -> Result<&'a str, Fault> {
    args[at].as_str().ok_or_else(|| wrong(at, "string", &args[at]))
}

fn num<'a>(args: &'a [Value<'_>], at: usize) -> Result<&'a Num, Fault> {
    args[at].as_num().ok_or_else(|| wrong(at, "number", &args[at]))
}

fn integer(args: &[Value<'_>], at: usize) -> Result<i64, Fault> {
    num(args, at)?.as_i64().ok_or_else(|| {
        Fault::Type(format!(
            "operand {} must be integer number but got floating-point number",
            at + 1
        ))
    })
}

fn array<'d>(args: &[Value<'d>], at: usize) -> Result<Items<'d>, Fault> {
    args[at].as_array().ok_or_else(|| wrong(at, "array", &args[at]))
}

fn set<'d>(args: &[Value<'d>], at: usize) -> Result<Items<'d>, Fault> {
    args[at].as_set().ok_or_else(|| wrong(at, "set", &args[at]))
}

/// An array or a set.
fn list<'d>(args: &[Value<'d>], at: usize) -> Result<Items<'d>, Fault> {
    args[at]
        .as_list()
        .ok_or_else(|| wrong(at, "one of {array, set}", &args[at]))
}

fn object<'d>(args: &[Value<'d>], at: usize) -> Result<Members<'d>, Fault> {
    args[at].as_object().ok_or_else(|| wrong(at, "object", &args[at]))
}
