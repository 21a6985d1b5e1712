//! Policies in CEL within a set: what they change, what they say, and what they are excepted from.

use ridgeway_doc::Value;

use super::RuleSet;
use crate::cel_policy::{Allowed, CelBody, CelPolicy, Existing, Ruling, Variant};
use crate::request::{Operation, Request};
use crate::verdict::RuleResult;

impl RuleSet {
    pub(super) fn mutate_cel(&self, request: &Request<'_>, work: &mut Option<Value>, results: &mut Vec<RuleResult>) {
        if !matches!(request.operation, Operation::Create | Operation::Update) {
            return;
        }
        // What changes other objects leaves its trigger alone.
        let elsewhere = |policy: &CelPolicy| policy.existing.as_ref().is_some_and(Existing::elsewhere);
        for policy in self.cel.iter().filter(|policy| policy.admission && !elsewhere(policy)) {
            for variant in policy.variants.iter().filter(|v| matches!(v.body, CelBody::Mutate(_))) {
                let allowed = match self.excepted(policy, variant, request) {
                    Ok(allowed) => allowed,
                    Err(excepted) => {
                        results.extend(excepted);
                        continue;
                    }
                };
                let before = work.clone();
                let object = before.as_ref().map(Value::node).or(request.object);
                let ruling = variant.rule_on(policy, &Request { object, ..*request }, &allowed);
                if let Ruling::Mutated(value) = &ruling
                    && object != Some(value.node())
                {
                    *work = Some(value.clone());
                }
                results.extend(policy.result(variant, ruling));
            }
        }
    }

    pub(super) fn judge_cel(&self, requests: &[Request<'_>], background: bool, results: &mut [Vec<RuleResult>]) {
        let asked = |policy: &CelPolicy| {
            if background {
                policy.background
            } else {
                policy.admission
            }
        };
        for policy in self.cel.iter().filter(|policy| asked(policy)) {
            for variant in policy
                .variants
                .iter()
                .filter(|v| matches!(v.body, CelBody::Validate(_)))
            {
                for (request, results) in requests.iter().zip(results.iter_mut()) {
                    match self.excepted(policy, variant, request) {
                        Err(excepted) => results.extend(excepted),
                        Ok(allowed) => {
                            results.extend(policy.result(variant, variant.rule_on(policy, request, &allowed)));
                        }
                    }
                }
            }
        }
    }

    /// What exceptions allow; the error is the result, if any, of a policy that a request is excepted from.
    pub(super) fn excepted(
        &self,
        policy: &CelPolicy,
        variant: &Variant,
        request: &Request<'_>,
    ) -> Result<Allowed, Vec<RuleResult>> {
        if self.cel_exceptions.is_empty() {
            return Ok(Allowed::NOTHING);
        }
        let namespaced = if policy.name.contains('/') { "Namespaced" } else { "" };
        let kind = match variant.body {
            CelBody::Validate(_) => "ValidatingPolicy",
            CelBody::Mutate(_) => "MutatingPolicy",
            CelBody::Generate(_) => "GeneratingPolicy",
        };
        let kind = format!("{namespaced}{kind}");
        let about = self.cel_exceptions.iter();
        let about: Vec<_> = about
            .filter(|e| e.names(&kind, &policy.name) && e.covers(request))
            .collect();
        let Some(first) = about.first() else {
            return Ok(Allowed::NOTHING);
        };
        let mut allowed = Allowed::NOTHING;
        for exception in &about {
            allowed.images.extend(exception.allowed.images.iter().cloned());
            allowed.values.extend(exception.allowed.values.iter().cloned());
        }
        if !allowed.is_empty() {
            return Ok(allowed);
        }
        // A policy that is not for the request says nothing, excepted or not.
        let ruling = match variant.rule_on(policy, request, &allowed) {
            Ruling::Unmatched => Ruling::Unmatched,
            _ if first.passes => Ruling::Pass,
            _ => Ruling::Skip,
        };
        let mut result = policy.result(variant, ruling);
        if let Some(result) = &mut result {
            result.message = format!("excepted by {}", first.name);
        }
        Err(result.into_iter().collect())
    }
}
