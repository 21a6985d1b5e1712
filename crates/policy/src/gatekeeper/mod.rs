//! Gatekeeper (stub while the rest compiles).

use ridgeway_doc::{Node, Value};

use crate::request::Request;
use crate::ruleset::PolicyInfo;
use crate::verdict::{CompileError, RuleResult};

#[derive(Default)]
pub(crate) struct Gatekeeper;

#[derive(Default, Debug)]
pub(crate) struct Constraints;

impl Gatekeeper {
    pub(crate) fn template(&mut self, _: Node<'_>, _: &mut Vec<CompileError>) {}
    pub(crate) fn constraint(&mut self, _: Node<'_>) {}
    pub(crate) fn finish(self, _: &mut Vec<CompileError>) -> Constraints {
        Constraints
    }
}

impl Constraints {
    pub(crate) fn len(&self) -> usize {
        0
    }
    pub(crate) fn policies(&self) -> Vec<PolicyInfo> {
        Vec::new()
    }
    pub(crate) fn judge(&self, _: &Request<'_>, _: bool, _: &mut Vec<RuleResult>) {}
}

/// The CRD.
pub fn constraint_crd(_: Node<'_>) -> Option<Value> {
    None
}
