//! Writing the answer: allowed or not, in which words, with which patch, warnings and audit annotations.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_doc::{Node, Value};
use ridgeway_policy::{Dialect, Outcome, RuleResult};

use crate::review::Review;

/// The API server cuts longer warnings off.
const LONGEST_WARNING: usize = 256;
/// Audit annotations are for finding, not for reading; longer lists end with a count.
const LONGEST_ANNOTATION: usize = 1024;

/// What the rules say about a review.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Results for which the change is refused.
    pub refusals: Vec<RuleResult>,
    /// Sentences for somebody whose change goes through.
    pub warnings: Vec<String>,
    /// All results, for the audit log.
    pub results: Vec<RuleResult>,
    /// What policies want recorded, as audit annotations.
    pub recorded: Vec<(String, String)>,
    /// The object as mutating rules changed it; `None` when none did.
    pub mutated: Option<Value>,
    /// The fingerprint of the policies that judged.
    pub policies: String,
}

/// The sentences of a result, as they are said in process too.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(pub &'a RuleResult);

impl Words<'_> {
    /// `message (policy p, rule r, at spec.x) Remedy: …`
    pub fn refusal(self) -> String {
        let result = self.0;
        if result.dialect == Dialect::Kubernetes {
            return result.message.clone();
        }
        let mut notes = vec![format!("policy {}", result.policy)];
        if !result.rule.is_empty() {
            notes.push(format!("rule {}", result.rule));
        }
        if !result.path.is_empty() {
            notes.push(format!("at {}", result.path));
        }
        let mut text = format!("{} ({})", result.message, notes.join(", "));
        if !result.remedy.is_empty() && !result.message.contains(&result.remedy) {
            text.push_str(&format!(" Remedy: {}", result.remedy));
        }
        text
    }

    /// The sentence for somebody whose change went through all the same.
    pub fn warning(self) -> String {
        let result = self.0;
        if result.dialect == Dialect::Kubernetes {
            return result.message.clone();
        }
        let place = if result.path.is_empty() {
            String::new()
        } else {
            format!(", at {}", result.path)
        };
        let place = if result.rule.is_empty() {
            place
        } else {
            format!(", rule {}{place}", result.rule)
        };
        format!("{} (policy {}{place})", result.message, result.policy)
    }

    fn cause(self) -> Value {
        let result = self.0;
        let mut reason = result.policy.clone();
        let mut message = result.message.clone();
        if !result.rule.is_empty() {
            reason.push_str(&format!("/{}", result.rule));
        }
        if !result.remedy.is_empty() {
            message.push_str(&format!(" {}", result.remedy));
        }
        let mut cause = Value::object();
        cause.set(&["reason"], reason);
        cause.set(&["message"], message);
        if !result.path.is_empty() {
            cause.set(&["field"], result.path.clone());
        }
        cause
    }
}

/// The API server puts the webhook's name and a slash before the keys of its annotations.
fn annotation_key(key: &str) -> String {
    key.replace('/', "_")
}

impl Answer {
    /// Whether the change may go through.
    pub fn allowed(&self) -> bool {
        self.refusals.is_empty()
    }

    /// What somebody who is refused reads: one sentence a rule, in the order of the fields that they are about.
    pub fn message(&self) -> String {
        let mut refusals: Vec<&RuleResult> = self.refusals.iter().collect();
        refusals.sort_by(|a, b| a.path.cmp(&b.path));
        let sentences: Vec<String> = refusals.into_iter().map(|result| Words(result).refusal()).collect();
        sentences.join("\n")
    }

    /// The status reason with its code: that of policies of Kubernetes' own where no other refuses.
    fn reason(&self) -> (&str, i64) {
        let chosen = self.refusals.first().map_or("", |result| result.reason.as_str());
        match chosen {
            _ if self.refusals.iter().any(|result| result.reason.is_empty()) => ("Forbidden", 403),
            "Unauthorized" => (chosen, 401),
            "Forbidden" => (chosen, 403),
            "RequestEntityTooLarge" => (chosen, 413),
            _ => (chosen, 422),
        }
    }

    /// The patch from the object as it was sent to the object as it shall be.
    pub fn patch(&self, object: Option<Node<'_>>) -> Option<Value> {
        let (object, mutated) = (object?, self.mutated.as_ref()?);
        let patch = ridgeway_apply::json_diff(object, mutated.node());
        (!patch.node().is_empty()).then_some(patch)
    }

    fn annotations(&self) -> Value {
        let mut by_outcome: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for result in &self.results {
            let key = match result.outcome {
                // What is not about the object is no news.
                Outcome::Skip => continue,
                outcome => outcome.as_str(),
            };
            let said = format!("{}/{}", result.policy, result.rule);
            by_outcome
                .entry(key)
                .or_default()
                .push(said.trim_end_matches('/').to_owned());
        }
        let mut out = Value::object();
        if !self.refusals.is_empty() {
            let said = self.refusals.iter().map(|r| format!("{}/{}", r.policy, r.rule));
            out.set(&["refused-by"], listed(said.collect()));
        }
        for (key, said) in by_outcome {
            out.set(&[key], listed(said));
        }
        for (key, value) in &self.recorded {
            out.set(&[&annotation_key(key)], value.as_str());
        }
        if !self.policies.is_empty() {
            out.set(&["policies"], self.policies.clone());
        }
        out
    }

    /// The whole answer; a patch is only for the mutating call.
    pub fn review(&self, review: &Review, mutating: bool) -> Value {
        let mut response = Value::object();
        response.set(&["uid"], review.uid.clone());
        response.set(&["allowed"], self.allowed());
        if !self.allowed() {
            let mut status = Value::object();
            status.set(&["status"], "Failure");
            let (reason, code) = self.reason();
            status.set(&["reason"], reason);
            status.set(&["code"], code);
            status.set(&["message"], self.message());
            let details = [
                ("group", &review.gvr.group),
                ("kind", &review.gvr.resource),
                ("name", &review.name),
            ];
            for (key, text) in details {
                if !text.is_empty() {
                    status.set(&["details", key], text.clone());
                }
            }
            let causes: Value = self.refusals.iter().map(|result| Words(result).cause()).collect();
            status.set(&["details", "causes"], causes);
            response.set(&["status"], status);
        } else if mutating && let Some(patch) = self.patch(review.object()) {
            response.set(&["patchType"], "JSONPatch");
            response.set(&["patch"], STANDARD.encode(patch.to_json()));
        }
        if !self.warnings.is_empty() {
            let warnings: Value = self.warnings.iter().map(|w| cut(w, LONGEST_WARNING)).collect();
            response.set(&["warnings"], warnings);
        }
        let annotations = self.annotations();
        if !annotations.node().is_empty() {
            response.set(&["auditAnnotations"], annotations);
        }
        let mut out = Value::object();
        out.set(&["apiVersion"], "admission.k8s.io/v1");
        out.set(&["kind"], "AdmissionReview");
        out.set(&["response"], response);
        out
    }
}

/// A text of so many characters at most.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most - 1).collect();
    out.push('…');
    out
}

fn listed(mut all: Vec<String>) -> String {
    all.dedup();
    let mut out = String::new();
    for (at, one) in all.iter().enumerate() {
        if out.len() + one.len() > LONGEST_ANNOTATION {
            out.push_str(&format!(" and {} more", all.len() - at));
            break;
        }
        if at > 0 {
            out.push_str(", ");
        }
        out.push_str(one);
    }
    out
}

#[cfg(test)]
mod tests {
    use ridgeway_policy::Action;

    use super::*;

    fn result(policy: &str, rule: &str, path: &str, remedy: &str) -> RuleResult {
        RuleResult {
            dialect: Dialect::Kyverno,
            policy: policy.into(),
            rule: rule.into(),
            outcome: Outcome::Fail,
            action: Action::Enforce,
            message: format!("{path} is missing."),
            author: String::new(),
            path: path.into(),
            value: None,
            remedy: remedy.into(),
            patch: None,
            reason: String::new(),
        }
    }

    #[test]
    fn sentences() {
        for (result, refusal, warning) in [
            (
                result("p", "r", "spec.x", "Add it."),
                "spec.x is missing. (policy p, rule r, at spec.x) Remedy: Add it.",
                "spec.x is missing. (policy p, rule r, at spec.x)",
            ),
            (
                result("p", "", "", ""),
                " is missing. (policy p)",
                " is missing. (policy p)",
            ),
            (
                result("p", "r", "a", "a is missing."),
                "a is missing. (policy p, rule r, at a)",
                "a is missing. (policy p, rule r, at a)",
            ),
        ] {
            assert_eq!(Words(&result).refusal(), refusal);
            assert_eq!(Words(&result).warning(), warning);
        }
    }

    #[test]
    fn refusals_come_in_the_order_of_their_fields() {
        let answer = Answer {
            refusals: vec![result("p", "r", "spec.z", ""), result("q", "s", "spec.a", "")],
            ..Answer::default()
        };
        let message = answer.message();
        assert!(
            message.starts_with("spec.a") && message.contains("\nspec.z"),
            "{message}"
        );
    }

    #[test]
    fn long_texts_are_bounded() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        let many: Vec<String> = (0..1000).map(|n| format!("policy-{n}")).collect();
        let said = listed(many);
        assert!(said.len() < LONGEST_ANNOTATION + 40, "{}", said.len());
        assert!(said.ends_with(" more"), "{said}");
    }
}
