//! What a mutating policy makes of an object: configurations that are applied, and JSON patches.

use ridgeway_doc::{Doc, Node, Value};

use super::definition::{Definition, known};
use super::evaluation::{Evaluation, POLICY_STEPS};
use super::merge;
use super::typing::Typing;
use crate::cel::{Cel, Program, Type};
use crate::kyverno::{PatchFault, Place, apply_json_patch};
use crate::request::Request;

/// One mutation.
#[derive(Debug)]
pub(super) enum Mutation {
    Apply(Program),
    Patch(Program),
}

impl Mutation {
    pub(super) fn compile(node: Node<'_>, typing: &Typing, path: &str) -> Result<Mutation, Place> {
        known(node, path, &["patchType", "applyConfiguration", "jsonPatch"])?;
        let key = match node.str_at(&["patchType"]) {
            Some("JSONPatch") => "jsonPatch",
            Some("ApplyConfiguration") => "applyConfiguration",
            _ => {
                let path = format!("{path}.patchType");
                return Err(Place::new(path, "use ApplyConfiguration or JSONPatch"));
            }
        };
        let place = format!("{path}.{key}.expression");
        let text = node.str_at(&[key, "expression"]).unwrap_or_default();
        if text.trim().is_empty() {
            let why = format!("a mutation of this type needs `{key}` with an `expression`");
            return Err(Place::new(format!("{path}.{key}"), why));
        }
        let program = typing.parse(text).map_err(|e| Place::new(&place, e.to_string()))?;
        let kind = typing.kind(&program).map_err(|why| Place::new(&place, why))?;
        let (fits, wanted) = match key {
            "jsonPatch" => (matches!(kind, Type::Dyn | Type::List(_)), "a list of JSONPatch{…}"),
            _ => (kind == Type::Dyn, "an Object{…}"),
        };
        if !fits {
            let why = format!("the expression gives a {kind}, but {wanted} is needed here");
            return Err(Place::new(place, why));
        }
        if let Some(why) = program.misnamed_object() {
            return Err(Place::new(place, why));
        }
        Ok(match key {
            "jsonPatch" => Mutation::Patch(program),
            _ => Mutation::Apply(program),
        })
    }

    /// Its expression.
    pub(super) fn program(&self) -> &Program {
        let (Mutation::Apply(program) | Mutation::Patch(program)) = self;
        program
    }

    /// The object after the mutation; `steps` is what the policy has left.
    fn run(
        &self,
        definition: &Definition,
        params: Option<&Doc>,
        request: &Request<'_>,
        steps: &mut u64,
    ) -> Result<Value, String> {
        let Some(object) = request.object else {
            return Ok(Value::NULL);
        };
        let evaluation = Evaluation::new(definition, params, request).within(*steps);
        let made = evaluation.value(self.program());
        *steps = evaluation.left();
        let made = made.map_err(|overdrawn| overdrawn.to_string())?;
        let made = made.map_err(|fault| fault.to_string())?;
        match self {
            Mutation::Apply(_) if !made.is_map() => Err(format!(
                "the expression gives a {}, not an Object",
                Cel::type_name(&made)
            )),
            Mutation::Apply(_) => {
                let made = made.to_value();
                let kind = request.data.kind(request.gvk);
                merge::apply(object, made.node(), kind.as_ref().and_then(|kind| kind.schema()))
            }
            Mutation::Patch(_) if !made.is_list() => Err(format!(
                "the expression gives a {}, not a list of JSONPatch",
                Cel::type_name(&made)
            )),
            Mutation::Patch(_) => {
                let mut out = object.to_value();
                match apply_json_patch(&mut out, made.to_value().node()) {
                    Ok(()) => Ok(out),
                    // A test that fails keeps the patch off.
                    Err(PatchFault::Test(_)) => Ok(object.to_value()),
                    Err(PatchFault::Invalid(why)) => Err(format!("JSON Patch: {why}")),
                }
            }
        }
    }
}

/// The object after all mutations of a policy, and why some could not be made.
pub(super) fn run(
    mutations: &[Mutation],
    definition: &Definition,
    params: Option<&Doc>,
    request: &Request<'_>,
) -> (Value, Vec<String>) {
    let mut work = request.object.map_or(Value::NULL, Node::to_value);
    let (mut faults, mut steps) = (Vec::new(), POLICY_STEPS);
    for mutation in mutations {
        let made = {
            let object = Some(work.node());
            mutation.run(definition, params, &Request { object, ..*request }, &mut steps)
        };
        match made {
            Ok(value) => work = value,
            Err(why) => faults.push(why),
        }
    }
    (work, faults)
}
