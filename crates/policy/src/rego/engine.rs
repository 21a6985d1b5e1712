//! The front door: compile modules, ask for a rule or a query.

use super::ast::{Module, Name, Term};
use super::compile::compile;
use super::error::Error;
use super::eval::Eval;
use super::lower::Lower;
use super::parser::{Version, parse_module, parse_query, parse_term};
use super::plan::{Program, Steps};
use super::resolve::{Globals, Resolver};
use super::value::Value;
use crate::budget::Fuel;

/// Compiled modules.
pub(crate) struct Engine {
    program: Program,
    /// The package of the first module.
    package: Vec<Name>,
}

/// The variables of one solution.
pub(crate) type Bindings<'d> = Vec<(Name, Value<'d>)>;

/// What an evaluation is given.
pub(crate) struct Request<'e, 'd> {
    pub(crate) input: Option<Value<'d>>,
    pub(crate) data: Value<'d>,
    pub(crate) fuel: &'e Fuel,
    /// Whether the first error of a built-in function ends the evaluation.
    pub(crate) strict: bool,
    /// Nanoseconds since 1970.
    pub(crate) now: i128,
}

/// A compiled query.
struct Query {
    steps: Steps,
    names: Vec<(Name, u32)>,
    slots: usize,
}

impl Engine {
    /// Compiles modules in one version of the language.
    pub(crate) fn compile(sources: &[&str], version: Version) -> Result<Engine, Error> {
        let parse = |(i, source): (usize, &&str)| parse_module(source, version).map_err(|error| error.of_module(i));
        let modules: Vec<Module> = sources.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        let program = compile(&modules).map_err(|error| match modules.len() {
            1 => error.of_module(0),
            _ => error,
        })?;
        let package = modules.into_iter().next().map(|first| first.package);
        Ok(Engine {
            program,
            package: package.unwrap_or_default(),
        })
    }

    /// Whether there is a rule of a name in the package of the first module.
    pub(crate) fn own_rule(&self, name: &str) -> Option<usize> {
        let path: Vec<&str> = self.package.iter().map(|name| &**name).chain([name]).collect();
        self.rule(&path)
    }

    /// Whether there is a rule at a path below `data`.
    pub(crate) fn rule(&self, path: &[&str]) -> Option<usize> {
        let path: Vec<Term> = path.iter().map(|name| Term::text(name)).collect();
        let (node, used) = self.program.tree.follow(&path);
        self.program.tree.nodes[node].rule.filter(|_| used == path.len())
    }

    /// The value of a rule.
    pub(crate) fn value<'e: 'd, 'd>(
        &'e self,
        rule: usize,
        request: Request<'e, 'd>,
    ) -> Result<Option<Value<'d>>, Error> {
        self.start(request).rule(rule)
    }

    fn start<'e: 'd, 'd>(&'e self, request: Request<'e, 'd>) -> Eval<'e, 'd> {
        let mut eval = Eval::new(&self.program, request.input, request.data, request.fuel);
        eval.env.strict = request.strict;
        eval.env.now = request.now;
        eval
    }

    /// All solutions of a query.
    pub(crate) fn query(&self, text: &str, request: Request<'_, '_>) -> Result<Vec<Bindings<'static>>, Error> {
        let query = self.read_query(text)?;
        // The evaluation borrows program, query and fuel for as long as it lasts.
        run_query(&self.program, &query, request)
    }

    fn read_query(&self, text: &str) -> Result<Query, Error> {
        let body = parse_query(text, Version::V1)?;
        let globals = Globals::none();
        let mut resolver = Resolver::new(&globals);
        let body = resolver.query(&body);
        if let Some(error) = resolver.error {
            return Err(error);
        }
        let names = resolver.top();
        let mut lower = Lower::new(&self.program.tree, resolver.names.len(), resolver.names);
        let steps = lower.body(&body)?;
        let slots = lower.slots();
        let known = lower.known();
        let named = names
            .into_iter()
            .filter(|(name, id)| !name.starts_with("_#") && known.get(*id as usize) == Some(&true));
        Ok(Query {
            names: named.collect(),
            steps,
            slots,
        })
    }

    /// A term without variables as a value.
    pub(crate) fn term(text: &str) -> Result<Value<'static>, Error> {
        let engine = Engine::compile(&[], Version::V1)?;
        parse_term(text)?;
        let fuel = Fuel::default();
        let request = Request {
            input: None,
            data: Value::object(Vec::new()),
            fuel: &fuel,
            strict: false,
            now: 0,
        };
        let solutions = engine.query(&format!("value = {text}"), request)?;
        let value = solutions.into_iter().next().and_then(|mut solution| solution.pop());
        Ok(value.map_or(Value::Null, |(_, value)| value.to_owned()))
    }
}

fn run_query<'e: 'd, 'd>(
    program: &'e Program,
    query: &'e Query,
    request: Request<'e, 'd>,
) -> Result<Vec<Bindings<'static>>, Error> {
    let mut eval = Eval::new(program, request.input, request.data, request.fuel);
    eval.env.strict = request.strict;
    eval.env.now = request.now;
    let mut out = Vec::new();
    eval.framed(query.slots, |eval| {
        eval.run(&query.steps, &mut |eval| {
            let bindings = query
                .names
                .iter()
                .map(|(name, slot)| (name.clone(), eval.slot(*slot).to_owned()));
            out.push(bindings.collect());
            Ok(true)
        })
    })?;
    Ok(out)
}
