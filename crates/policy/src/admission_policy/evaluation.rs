//! Evaluating the expressions of one policy for one request and one parameter, within a budget.

use std::cell::Cell;

use ridgeway_doc::{Doc, Node};

use super::definition::Definition;
use crate::budget::{Fuel, RULE_STEPS};
use crate::cel::{Beginning, Cel, Evaluator, Fault, Global, Program, Root, Scope, Slot, Variable};
use crate::cel_policy::CelScope;
use crate::name::Name;
use crate::request::Request;

/// What all expressions of a policy may take together; one of them may take [`RULE_STEPS`].
pub(super) const POLICY_STEPS: u64 = 10 * RULE_STEPS;
/// What all match conditions may take together.
const CONDITION_STEPS: u64 = POLICY_STEPS / 4;

/// Why nothing more of a policy is evaluated.
#[derive(Debug, thiserror::Error)]
#[error("validation failed due to running out of cost budget, no further validation rules will be run")]
pub(super) struct Overdrawn;

/// The budget of one evaluation of a policy.
struct Budget(Cell<u64>);

/// The names that expressions see.
struct Names<'a> {
    inner: CelScope<'a>,
    params: Option<Node<'a>>,
}

impl<'a> Scope<'a> for Names<'a> {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        match (name.root, &*name.name) {
            (Root::Params, _) => Some(self.params.map_or(Cel::Null, Cel::of)),
            (Root::Other, "authorizer" | "variables") => self.inner.lookup(name),
            (Root::Other, _) => None,
            _ => self.inner.lookup(name),
        }
    }

    fn node(&self, name: &Global) -> Option<Node<'a>> {
        match name.root {
            Root::Params => self.params.filter(|node| node.is_object() || node.is_array()),
            _ => self.inner.node(name),
        }
    }

    fn beginning(&self, place: Beginning) -> Option<Node<'a>> {
        self.inner.beginning(place)
    }

    fn part(&self, name: &Global, field: &Name) -> Option<Cel<'a>> {
        self.inner.part(name, field)
    }

    fn slots(&self) -> &[Slot<'a>] {
        self.inner.slots()
    }

    fn variable(&self, evaluator: &mut Evaluator<'_, 'a>, variable: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        self.inner.variable(evaluator, variable)
    }
}

/// One policy before one request with one parameter.
pub(super) struct Evaluation<'a> {
    names: Names<'a>,
    request: &'a Request<'a>,
    budget: Budget,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(definition: &'a Definition, params: Option<&'a Doc>, request: &'a Request<'a>) -> Evaluation<'a> {
        Evaluation {
            names: Names {
                inner: CelScope::new(request, &definition.variables, true),
                params: params.map(Doc::root),
            },
            request,
            budget: Budget(Cell::new(POLICY_STEPS)),
        }
    }

    /// The same with what earlier expressions of the policy have left.
    pub(super) fn within(self, steps: u64) -> Evaluation<'a> {
        self.budget.0.set(steps);
        self
    }

    /// How many steps are left.
    pub(super) fn left(&self) -> u64 {
        self.budget.0.get()
    }

    /// The value of a program. The outer error ends the policy's evaluation.
    pub(super) fn value(&self, program: &'a Program) -> Result<Result<Cel<'a>, Fault>, Overdrawn> {
        let left = self.budget.0.get();
        let allowed = left.min(RULE_STEPS);
        let fuel = Fuel::new(allowed);
        let mut evaluator = Evaluator::new(&self.names, &fuel, self.request.now, self.request.data);
        let out = evaluator.run(program);
        self.budget.0.set(left - (allowed - fuel.left()));
        match out {
            Err(Fault::Exhausted(_)) if allowed < RULE_STEPS => Err(Overdrawn),
            out => Ok(out),
        }
    }
}

/// Whether a policy's match conditions hold. One that does not decides, whatever is wrong with the others.
pub(super) fn matches(definition: &Definition, params: Option<&Doc>, request: &Request<'_>) -> Result<bool, String> {
    if definition.conditions.is_empty() {
        return Ok(true);
    }
    let evaluation = Evaluation::new(definition, params, request).within(CONDITION_STEPS);
    let mut faults: Vec<String> = Vec::new();
    for condition in &definition.conditions {
        match evaluation.value(condition) {
            Ok(Ok(Cel::Bool(true))) => {}
            Ok(Ok(Cel::Bool(false))) => return Ok(false),
            Ok(Ok(other)) => faults.push(format!("a condition gives a {}, not a bool", other.type_name())),
            Ok(Err(fault)) => faults.push(fault.to_string()),
            Err(overdrawn) => {
                faults.push(overdrawn.to_string());
                break;
            }
        }
    }
    match faults.as_slice() {
        [] => Ok(true),
        // Where faults are ignored, a policy that cannot say whether it is for a request is not.
        _ if definition.fail_open => Ok(false),
        faults => Err(faults.join(", ")),
    }
}
