//! Mutations in CEL: applied configurations and JSON patches.

use ridgeway_doc::{Node, Value};

use super::expressions::{Allowed, CelScope, Named};
use crate::budget::Fuel;
use crate::cel::{Evaluator, Fault, Program};
use crate::kyverno::{Place, apply_configuration, apply_json_patch};
use crate::request::Request;

/// One mutation.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Apply(Program),
    Patch(Program),
}

impl Mutation {
    pub(super) fn compile(node: Node<'_>, variables: &[&str], path: &str) -> Result<Mutation, Place> {
        let (key, make): (_, fn(Program) -> Mutation) = match node.str_at(&["patchType"]) {
            Some("JSONPatch") => ("jsonPatch", Mutation::Patch),
            Some("ApplyConfiguration") => ("applyConfiguration", Mutation::Apply),
            _ => {
                return Err(Place::new(
                    format!("{path}.patchType"),
                    "use ApplyConfiguration or JSONPatch",
                ));
            }
        };
        let text = node.str_at(&[key, "expression"]).unwrap_or_default();
        let program = Program::parse_among(text, variables);
        Ok(make(program.map_err(|e| {
            Place::new(format!("{path}.{key}.expression"), e.to_string())
        })?))
    }
}

/// The object after all mutations.
pub(super) fn run(
    mutations: &[Mutation],
    variables: &[Named],
    request: &Request<'_>,
    allowed: &Allowed,
) -> Result<Value, Fault> {
    let mut work = request.object.map_or(Value::NULL, Node::to_value);
    for mutation in mutations {
        let made = {
            let request = Request {
                object: Some(work.node()),
                ..*request
            };
            let fuel = Fuel::default();
            let scope = CelScope::new(&request, variables, false).allowing(allowed);
            let mut evaluator = Evaluator::new(&scope, &fuel, request.now, request.data);
            match mutation {
                Mutation::Apply(program) | Mutation::Patch(program) => evaluator.run(program)?.to_value(),
            }
        };
        match mutation {
            Mutation::Apply(_) => work = apply_configuration(work.node(), made.node()),
            Mutation::Patch(_) => {
                apply_json_patch(&mut work, made.node()).map_err(|why| Fault::invalid(why.to_string()))?
            }
        }
    }
    Ok(work)
}
