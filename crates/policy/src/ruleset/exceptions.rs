//! What takes an object out of a Kyverno rule: exceptions in force, and violations that were there before.

use super::RuleSet;
use crate::budget::Fuel;
use crate::kyverno::{Body, Env, Exception, Finding, Policy, Rule};
use crate::request::{Operation, Request};
use ridgeway_doc::Node;

impl RuleSet {
    /// The exceptions that cover the object of a request for a rule.
    pub(super) fn exceptions_of(
        &self,
        policy: &Policy,
        rule: &Rule,
        request: &Request<'_>,
        subject: Node<'_>,
    ) -> Vec<&Exception> {
        if self.exceptions.is_empty() {
            return Vec::new();
        }
        let own = rule.origin.as_deref().unwrap_or(&rule.name);
        let about = self
            .exceptions
            .iter()
            .filter(|e| e.names(&policy.name, own) || e.names(&policy.name, &rule.name))
            .map(|exception| &**exception)
            .filter(|e| e.in_force(request.now));
        let fuel = Fuel::default();
        let env = Env::new(request, &fuel, &rule.name, &rule.context);
        about.filter(|e| e.covers(request, subject, &env)).collect()
    }

    /// Whether the object violated the rule already and its author lets that be.
    pub(super) fn violated_before(&self, rule: &Rule, request: &Request<'_>, excepted: &[&Exception]) -> bool {
        let Body::Validate(validate) = &rule.body else {
            return false;
        };
        if request.operation != Operation::Update || request.old_object.is_none() || !validate.allow_existing {
            return false;
        }
        let before = Request {
            operation: Operation::Create,
            object: request.old_object,
            old_object: None,
            ..*request
        };
        matches!(self.finding(rule, &before, excepted, None), Finding::Fail(_))
    }
}
