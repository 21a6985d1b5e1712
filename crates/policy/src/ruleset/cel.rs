//! Policies in CEL within a set: what they change, what they say, and what they are excepted from.

use ridgeway_doc::Value;

use super::RuleSet;
use crate::cel_policy::{CelBody, CelPolicy, Ruling, Variant};
use crate::request::{Operation, Request};
use crate::verdict::RuleResult;

impl RuleSet {
    pub(super) fn mutate_cel(&self, request: &Request<'_>, work: &mut Option<Value>, results: &mut Vec<RuleResult>) {
        if !matches!(request.operation, Operation::Create | Operation::Update) {
            return;
        }
        for policy in self.cel.iter() {
            for variant in policy.variants.iter().filter(|v| matches!(v.body, CelBody::Mutate(_))) {
                if let Some(excepted) = self.excepted(policy, variant, request) {
                    results.extend(excepted);
                    continue;
                }
                let before = work.clone();
                let object = before.as_ref().map(Value::node).or(request.object);
                let ruling = variant.rule_on(policy, &Request { object, ..*request });
                if let Ruling::Mutated(value) = &ruling
                    && object != Some(value.node())
                {
                    *work = Some(value.clone());
                }
                results.extend(policy.result(variant, ruling));
            }
        }
    }

    pub(super) fn judge_cel(&self, request: &Request<'_>, background: bool, results: &mut Vec<RuleResult>) {
        for policy in self.cel.iter().filter(|policy| !background || policy.background) {
            for variant in policy
                .variants
                .iter()
                .filter(|v| matches!(v.body, CelBody::Validate(_)))
            {
                match self.excepted(policy, variant, request) {
                    Some(excepted) => results.extend(excepted),
                    None => results.extend(policy.result(variant, variant.rule_on(policy, request))),
                }
            }
        }
    }

    /// The result of a policy in CEL that a request is excepted from; `None` when it is not.
    pub(super) fn excepted(
        &self,
        policy: &CelPolicy,
        variant: &Variant,
        request: &Request<'_>,
    ) -> Option<Option<RuleResult>> {
        if self.cel_exceptions.is_empty() {
            return None;
        }
        let namespaced = if policy.name.contains('/') { "Namespaced" } else { "" };
        let kind = match variant.body {
            CelBody::Validate(_) => "ValidatingPolicy",
            CelBody::Mutate(_) => "MutatingPolicy",
            CelBody::Generate(_) => "GeneratingPolicy",
        };
        let kind = format!("{namespaced}{kind}");
        let exception = self
            .cel_exceptions
            .iter()
            .find(|e| e.names(&kind, &policy.name) && e.covers(request))?;
        // A policy that is not for the request says nothing, excepted or not.
        let ruling = match variant.rule_on(policy, request) {
            Ruling::Unmatched => Ruling::Unmatched,
            _ if exception.passes => Ruling::Pass,
            _ => Ruling::Skip,
        };
        let mut result = policy.result(variant, ruling);
        if let Some(result) = &mut result {
            result.message = format!("excepted by {}", exception.name);
        }
        Some(result)
    }
}
