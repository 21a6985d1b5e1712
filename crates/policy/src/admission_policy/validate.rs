//! What a validating policy says under its bindings.

use std::collections::BTreeMap;

use ridgeway_doc::{Doc, Value};

use super::binding::Binding;
use super::definition::{Body, Definition, Validation};
use super::evaluation::{self, Evaluation};
use crate::cel::Cel;
use crate::request::Request;
use crate::verdict::{Action, Dialect, Outcome, RuleResult};

/// Longer messages of expressions are not used.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// Longer audit annotations are cut.
const LONGEST_ANNOTATION: usize = 10 * 1024;
/// How many violations an audit annotation lists.
const MOST_VIOLATIONS: usize = 50;
/// The audit annotation of violations that bindings want recorded.
const VIOLATIONS: &str = "validation.policy.admission.k8s.io/validation_failure";

/// What is to be recorded of a request, beside the results.
#[derive(Default)]
pub(crate) struct Record {
    /// By policy and key; bindings may each give a value.
    values: BTreeMap<(String, String), Vec<String>>,
    violations: Vec<Value>,
}

impl Record {
    /// As audit annotations.
    pub(crate) fn finish(self) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = self
            .values
            .into_iter()
            .map(|((policy, key), values)| (format!("{policy}/{key}"), values.join(", ")))
            .collect();
        if !self.violations.is_empty() {
            let all: Value = self.violations.into_iter().take(MOST_VIOLATIONS).collect();
            out.push((VIOLATIONS.to_owned(), all.to_json()));
        }
        out
    }

    fn publish(&mut self, policy: &str, key: &str, value: &str) {
        let mut end = value.len().min(LONGEST_ANNOTATION);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let values = self.values.entry((policy.to_owned(), key.to_owned())).or_default();
        if !values.iter().any(|known| known == &value[..end]) {
            values.push(value[..end].to_owned());
        }
    }

    fn violation(&mut self, binding: &Binding, index: usize, message: &str) {
        let mut out = Value::object();
        out.set(&["message"], message);
        out.set(&["policy"], binding.policy.as_str());
        out.set(&["binding"], binding.name.as_str());
        out.set(&["expressionIndex"], index as i64);
        let actions: Value = binding.actions.iter().map(String::as_str).collect();
        out.set(&["validationActions"], actions);
        self.violations.push(out);
    }
}

/// One thing that is said of a request.
pub(super) struct Said {
    pub(super) outcome: Outcome,
    /// The author's words, or what went wrong.
    pub(super) message: String,
    reason: String,
    path: String,
}

/// Adds what a policy says under its bindings.
pub(super) fn judge<'b>(
    definition: &Definition,
    bindings: impl Iterator<Item = &'b Binding>,
    request: &Request<'_>,
    results: &mut Vec<RuleResult>,
    record: &mut Record,
) {
    for binding in bindings.filter(|binding| binding.resources.selects(request)) {
        let params = match binding.params(definition.param_kind.as_ref(), request) {
            Ok(params) => params,
            Err(why) => {
                results.push(misconfigured(definition, binding, &why));
                continue;
            }
        };
        let before = results.len();
        let mut asked = false;
        for param in &params {
            asked |= one(definition, binding, param.as_ref(), request, results, record);
        }
        if results.len() == before {
            let outcome = if asked { Outcome::Pass } else { Outcome::Skip };
            let mut result = bare(definition, binding, outcome, binding.action());
            if !asked {
                result.message = match params.is_empty() {
                    true => "there are no parameters".into(),
                    false => "the match conditions do not hold".into(),
                };
            }
            results.push(result);
        }
    }
}

pub(super) fn bare(definition: &Definition, binding: &Binding, outcome: Outcome, action: Action) -> RuleResult {
    RuleResult::new(Dialect::Kubernetes, &definition.name, &binding.name, outcome, action)
}

/// A binding that cannot be used refuses whatever its actions, unless faults are ignored.
fn misconfigured(definition: &Definition, binding: &Binding, why: &str) -> RuleResult {
    let action = if definition.fail_open {
        Action::Audit
    } else {
        Action::Enforce
    };
    let said = Said {
        outcome: Outcome::Error,
        message: format!("failed to configure binding: {why}"),
        reason: "Invalid".into(),
        path: String::new(),
    };
    told(definition, binding, action, said)
}

fn told(definition: &Definition, binding: &Binding, action: Action, said: Said) -> RuleResult {
    let (policy, name) = (&definition.name, &binding.name);
    let mut result = bare(definition, binding, said.outcome, action);
    result.message = match action {
        Action::Enforce => {
            format!(
                "ValidatingAdmissionPolicy '{policy}' with binding '{name}' denied request: {}",
                said.message
            )
        }
        _ => format!(
            "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{name}': {}",
            said.message
        ),
    };
    result.remedy = match (said.outcome, said.path.as_str()) {
        (Outcome::Error, _) => format!("Ask the author of the policy {policy} to mend it."),
        (_, "") => format!("Change the object so that it satisfies: {}", said.message),
        (_, path) => format!("Change {path} so that it satisfies: {}", said.message),
    };
    result.author = said.message;
    result.path = said.path;
    result.reason = said.reason;
    result
}

fn fault(message: String) -> Said {
    Said {
        outcome: Outcome::Error,
        message,
        reason: "Invalid".into(),
        path: String::new(),
    }
}

/// What validations say against a request, by their places.
pub(super) fn decide<'a>(validations: &'a [Validation], evaluation: &Evaluation<'a>) -> Vec<(usize, Said)> {
    let mut out = Vec::new();
    for (index, validation) in validations.iter().enumerate() {
        let said = match evaluation.value(&validation.program) {
            Ok(Ok(Cel::Bool(true))) => continue,
            Ok(Ok(_)) => Said {
                outcome: Outcome::Fail,
                message: message(validation, evaluation),
                reason: validation.reason.clone(),
                path: validation.program.first_path().unwrap_or_default(),
            },
            Ok(Err(why)) => fault(format!("expression '{}' resulted in error: {why}", validation.text)),
            Err(overdrawn) => {
                out.push((index, fault(overdrawn.to_string())));
                break;
            }
        };
        out.push((index, said));
    }
    out
}

/// Evaluates the policy with one parameter. Says whether it was for the request at all.
fn one(
    definition: &Definition,
    binding: &Binding,
    param: Option<&Doc>,
    request: &Request<'_>,
    results: &mut Vec<RuleResult>,
    record: &mut Record,
) -> bool {
    let Body::Validate {
        validations,
        annotations,
    } = &definition.body
    else {
        return false;
    };
    let mut tell = |index: usize, said: Said, action: Action| {
        // What cannot be evaluated counts as a violation, or not at all.
        let ignored = said.outcome == Outcome::Error && definition.fail_open;
        if binding.has("Audit") && !ignored {
            record.violation(binding, index, &said.message);
        }
        let action = if ignored { Action::Audit } else { action };
        results.push(told(definition, binding, action, said));
    };
    match evaluation::matches(definition, param, request) {
        Ok(true) => {}
        Ok(false) => return false,
        Err(why) => {
            tell(0, fault(why), binding.action());
            return true;
        }
    }
    let evaluation = Evaluation::new(definition, param, request);
    for (index, said) in decide(validations, &evaluation) {
        tell(index, said, binding.action());
    }
    for (key, program) in annotations {
        let why = match evaluation.value(program) {
            Ok(Ok(Cel::Null)) => continue,
            Ok(Ok(value)) => match value.as_str().map(str::trim) {
                Some("") => continue,
                Some(text) => {
                    record.publish(&definition.name, key, text);
                    continue;
                }
                None => format!(
                    "the audit annotation {key} is a {}; it must be a string or null",
                    value.type_name()
                ),
            },
            Ok(Err(why)) => format!("the audit annotation {key} cannot be evaluated: {why}"),
            Err(overdrawn) => overdrawn.to_string(),
        };
        // An annotation that fails refuses, whatever the binding's actions.
        results.push(match definition.fail_open {
            true => told(definition, binding, Action::Audit, fault(why)),
            false => told(definition, binding, Action::Enforce, fault(why)),
        });
    }
    true
}

/// The expression's words, the author's, or the expression itself.
fn message<'a>(validation: &'a Validation, evaluation: &Evaluation<'a>) -> String {
    let made = validation.message_program.as_ref();
    let made = made.and_then(|program| evaluation.value(program).ok()?.ok());
    let made = made.as_ref().and_then(Cel::as_str).map(str::trim);
    match made.filter(|text| !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n')) {
        Some(text) => text.to_owned(),
        None if validation.message.is_empty() => format!("failed expression: {}", validation.text),
        None => validation.message.clone(),
    }
}
