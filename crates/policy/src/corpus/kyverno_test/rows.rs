//! What a suite's `results` say, against what the rules made of each object.

use ridgeway_doc::{Doc, Kind, Node, Value};

use super::beside::Context;
use super::{Loaded, Response, Target, Trigger, in_default_namespace, key_of, listed};
use crate::corpus::{Files, Report, RowOutcome, documents, join};
use crate::request::Operation;
use crate::verdict::{Generated, Outcome, RuleResult};

/// A suite whose objects have been judged.
pub(super) struct Suite<'s> {
    pub(super) files: &'s dyn Files,
    pub(super) base: &'s str,
    pub(super) name: &'s str,
    pub(super) context: &'s Context,
    pub(super) policies: &'s [Loaded],
    pub(super) triggers: &'s [Trigger],
    pub(super) targets: &'s [Target],
}

impl Suite<'_> {
    /// Compares one entry of `results`.
    pub(super) fn judge(&self, result: Node<'_>, report: &mut Report) {
        let text = |key: &str| result.str_at(&[key]).unwrap_or_default();
        let policy = text("policy").rsplit('/').next().unwrap_or_default();
        let (rule, expected) = (text("rule"), text("result"));
        let operation = Operation::parse(text("operation"));
        let mut chosen: Vec<&Trigger> = Vec::new();
        let mut targets: Vec<&Target> = Vec::new();
        for wanted in wanted(result) {
            chosen.extend(self.triggers.iter().filter(|trigger| match trigger.payload.as_str() {
                "" => wanted.fits(trigger.object.root()),
                payload => wanted.is_payload(payload),
            }));
            targets.extend(self.targets.iter().filter(|target| wanted.fits(target.object.root())));
        }
        if chosen.is_empty() && targets.is_empty() {
            chosen.extend(self.triggers);
            targets.extend(self.targets);
        }
        let label = |object: Node<'_>| {
            let (_, kind, _, name) = key_of(object);
            format!("{} {policy}/{rule} {kind} {name}", self.name)
        };
        for target in targets {
            let (response, label) = (&target.response, label(target.object.root()));
            let about = |got: &&RuleResult| response.policy == policy && is_about(response, got, rule);
            for got in response.results.iter().filter(about) {
                for (outcome, detail) in self.check(result, expected, response, got).into_iter().flatten() {
                    report.row(label.as_str(), outcome, detail);
                }
            }
        }
        for trigger in chosen {
            let label = label(trigger.object.root());
            let unsupported = self
                .policies
                .iter()
                .find(|loaded| loaded.name == policy && loaded.set.is_empty());
            if let Some(loaded) = unsupported {
                let why = match loaded.errors.first() {
                    Some(error) => format!("{}: {}", error.path, error.message),
                    None => format!("{} is not evaluated", loaded.kind),
                };
                report.row(label, RowOutcome::Failed, why);
                continue;
            }
            let Some((_, responses)) = trigger.runs.iter().find(|(of, _)| *of == operation) else {
                report.row(
                    label,
                    RowOutcome::Failed,
                    "`operation` is not for payloads; leave it out",
                );
                continue;
            };
            let mut judged = 0;
            let (mut dropped, mut known) = (false, false);
            for response in responses.iter().filter(|response| response.policy == policy) {
                known = true;
                for got in response.results.iter().filter(|got| is_about(response, got, rule)) {
                    match self.check(result, expected, response, got) {
                        None => dropped = true,
                        Some(lines) => {
                            for (outcome, detail) in lines {
                                judged += 1;
                                report.row(label.as_str(), outcome, detail);
                            }
                        }
                    }
                }
            }
            if judged == 0 && !dropped {
                let outcome = if known { RowOutcome::Skipped } else { RowOutcome::Failed };
                report.row(label, outcome, if known { "excluded" } else { "not found" });
            }
        }
    }

    /// The lines for one rule's result; `None` when the suite holds nothing to compare with.
    fn check(
        &self,
        result: Node<'_>,
        expected: &str,
        response: &Response,
        got: &RuleResult,
    ) -> Option<Vec<(RowOutcome, String)>> {
        let status = || {
            if got.outcome.as_str() == expected {
                (RowOutcome::Passed, String::new())
            } else {
                let seen = if got.outcome == Outcome::Pass {
                    String::new()
                } else {
                    format!(" ({})", got.message)
                };
                (
                    RowOutcome::Failed,
                    format!("want {expected}, got {}{seen}", got.outcome.as_str()),
                )
            }
        };
        let against = |file: &str, actual: &Value| -> Option<(RowOutcome, String)> {
            let wanted = self.find(&join(self.base, file), actual)?;
            if tidy(wanted.root()) == tidy(actual.node()) {
                Some(status())
            } else {
                let texts = (tidy(wanted.root()).to_json(), tidy(actual.node()).to_json());
                Some((
                    RowOutcome::Failed,
                    format!("the object differs: want {}, got {}", texts.0, texts.1),
                ))
            }
        };
        if let (Some(file), Some(patched)) = (result.str_at(&["patchedResources"]), &response.patched) {
            let line = against(file, patched);
            let needed = result.get("failOnMissingResources").and_then(Node::as_bool) == Some(true);
            return match line {
                None if needed => {
                    let (_, kind, _, name) = key_of(patched.node());
                    Some(vec![(RowOutcome::Failed, format!("{file} has no {kind} {name}"))])
                }
                line => line.map(|line| vec![line]),
            };
        }
        let mut expected_in = listed(result, "generatedResources");
        if expected_in.is_empty() {
            expected_in.extend(result.str_at(&["generatedResource"]));
        }
        let made: Vec<&Generated> = response.generated.iter().filter(|g| g.rule == got.rule).collect();
        if !expected_in.is_empty() && !made.is_empty() {
            let compared = |g: &&Generated| {
                let mut lines: Vec<_> = expected_in.iter().filter_map(|file| against(file, &g.object)).collect();
                let fits = lines.iter().position(|(outcome, _)| *outcome == RowOutcome::Passed);
                let missing = "the generated object is not among the expected ones";
                match (fits, lines.pop()) {
                    (Some(_), _) => (RowOutcome::Passed, String::new()),
                    (None, Some(line)) => line,
                    (None, None) => (RowOutcome::Failed, missing.to_owned()),
                }
            };
            return Some(made.iter().map(compared).collect());
        }
        Some(vec![status()])
    }

    /// The object of a file that has the identity of another.
    fn find(&self, path: &str, like: &Value) -> Option<Doc> {
        let key = key_of(like.node());
        documents(self.files, path)
            .ok()?
            .into_iter()
            .map(|doc| in_default_namespace(doc, self.context))
            .find(|doc| {
                let found = key_of(doc.root());
                found == key || found.2.is_empty() && (&found.0, &found.1, &found.3) == (&key.0, &key.1, &key.3)
            })
    }
}

/// Which objects a row is about.
enum Wanted<'r> {
    /// A name, or namespace and name, or a payload's file.
    Named(&'r str),
    /// An entry of `resourceSpecs`.
    Spec(Node<'r>),
}

fn wanted(result: Node<'_>) -> Vec<Wanted<'_>> {
    let specs = result.get("resourceSpecs").into_iter().flat_map(Node::items);
    let names = listed(result, "resources").into_iter().map(Wanted::Named);
    names.chain(specs.map(Wanted::Spec)).collect()
}

impl Wanted<'_> {
    fn fits(&self, object: Node<'_>) -> bool {
        let (group, kind, namespace, name) = key_of(object);
        match self {
            Wanted::Named(wanted) => match wanted.split_once('/') {
                Some((ns, n)) => ns == namespace && n == name,
                None => *wanted == name,
            },
            Wanted::Spec(spec) => {
                let text = |key: &str| spec.str_at(&[key]).unwrap_or_default();
                let version = object.str_at(&["apiVersion"]).unwrap_or_default();
                let unless_said = |key: &str, has: &str| text(key).is_empty() || text(key) == has;
                text("name") == name
                    && text("group") == group
                    && version.rsplit('/').next() == Some(text("version"))
                    && unless_said("kind", &kind)
                    && (text("namespace") == namespace || text("namespace").is_empty() && namespace == "default")
            }
        }
    }

    fn is_payload(&self, file: &str) -> bool {
        match self {
            Wanted::Named(wanted) => *wanted == file || file.rsplit('/').next() == Some(*wanted),
            Wanted::Spec(_) => false,
        }
    }
}

/// Whether a result is of the rule that a row names, or of one carried over from it.
fn is_about(response: &Response, got: &RuleResult, rule: &str) -> bool {
    rule.is_empty()
        || loaded_in_cel(&response.kind)
        || got.rule == rule
        || got.rule == format!("autogen-{rule}")
        || got.rule == format!("autogen-cronjob-{rule}")
}

/// Whether results of a policy's kind name no rule.
fn loaded_in_cel(kind: &str) -> bool {
    kind != "ClusterPolicy" && kind != "Policy"
}

/// The object without what does not tell objects apart: empty parts, labels of generation, time of creation.
fn tidy(node: Node<'_>) -> Value {
    let mut out = node.to_value();
    if let Some(labels) = out.at_mut(&["metadata", "labels"]).and_then(Value::as_object_mut) {
        labels.retain(|key, _| !key.starts_with("generate.kyverno.io/") && key != "app.kubernetes.io/managed-by");
    }
    out.remove(&["metadata", "creationTimestamp"]);
    out.remove(&["status"]);
    prune(&mut out);
    out
}

fn prune(value: &mut Value) {
    match value.kind() {
        Kind::Object => value.make_object().retain(|_, member| {
            prune(member);
            let node = member.node();
            !(node.is_null() || (node.is_object() || node.is_array()) && node.is_empty())
        }),
        Kind::Array => value.make_array().iter_mut().for_each(prune),
        _ => {}
    }
}
