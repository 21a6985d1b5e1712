//! Changing objects that are there because another one, the trigger, was made or changed.

use super::{RuleSet, broken};
use crate::budget::Fuel;
use crate::jmespath::{Fault, Val};
use crate::kyverno::{Body, Env, Mutate};
use crate::request::Request;
use crate::verdict::{Dialect, Mutated, Outcome, RuleResult};

impl RuleSet {
    /// The objects that a trigger changes, as they shall be, and how each rule that changes them ended.
    pub fn mutate_existing(&self, request: &Request<'_>) -> (Vec<Mutated>, Vec<RuleResult>) {
        let (mut made, mut results) = (Vec::new(), Vec::new());
        let Some(subject) = request.subject() else {
            return (made, results);
        };
        for (policy, rule) in self.candidates(&request.gvk.kind) {
            let Body::Mutate(mutate) = &rule.body else { continue };
            if !mutate.existing || !rule.applies(policy, request, subject) {
                continue;
            }
            let fuel = Fuel::default();
            let env = Env::new(request, &fuel, &rule.name, &rule.context);
            let mut result = RuleResult::new(Dialect::Kyverno, &policy.name, &rule.name, Outcome::Pass, policy.action);
            match rule.preconditions.eval(&env) {
                Ok(answer) if !answer.holds => {
                    result.outcome = Outcome::Skip;
                    result.message = "preconditions not met".into();
                }
                Ok(_) => match changed(mutate, &env) {
                    Ok(objects) => made.extend(objects.into_iter().map(|object| Mutated {
                        policy: policy.name.clone(),
                        rule: rule.name.clone(),
                        object,
                    })),
                    Err(fault) => {
                        result.outcome = Outcome::Error;
                        result.message = broken(policy, rule, &fault);
                    }
                },
                Err(fault) => {
                    result.outcome = Outcome::Error;
                    result.message = broken(policy, rule, &fault);
                }
            }
            results.push(result);
        }
        for policy in self.cel.iter() {
            let rule = "mutations";
            let mut result = RuleResult::new(Dialect::Kyverno, &policy.name, rule, Outcome::Pass, policy.action);
            match policy.change_existing(request) {
                Ok(None) => continue,
                Ok(Some(objects)) => made.extend(objects.into_iter().map(|object| Mutated {
                    policy: policy.name.clone(),
                    rule: rule.to_owned(),
                    object,
                })),
                Err(why) => {
                    result.outcome = Outcome::Error;
                    result.message = format!("The policy {} could not be evaluated: {why}", policy.name);
                }
            }
            results.push(result);
        }
        (made, results)
    }
}

fn changed<'a>(mutate: &'a Mutate, env: &Env<'a>) -> Result<Vec<ridgeway_doc::Value>, Fault> {
    let mut out = Vec::new();
    for target in &mutate.targets {
        for object in target.objects(env)? {
            let depth = env.depth();
            env.bind("target", Val::copy(object.root()));
            env.load(&target.context);
            let outcome = match target.preconditions.eval(env) {
                Ok(answer) if !answer.holds => Ok(None),
                Ok(_) => mutate.eval_on(env, object.root()),
                Err(fault) => Err(fault),
            };
            env.unwind(depth);
            out.extend(outcome?);
        }
    }
    Ok(out)
}
