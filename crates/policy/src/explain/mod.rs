//! How a verdict came about: which rules matched or why not, what each looked at, expected and found.
//!
//! Kyverno's patterns and conditions write down every look while they are evaluated. Expressions (CEL, Rego) are read
//! for the fields they name, and those are looked up in the object.

pub(crate) mod reads;
mod reasons;
mod trace;

pub(crate) use trace::Trace;
pub use trace::{Asked, Look, Part};

use ridgeway_doc::{Node, Position, Value};

use crate::kyverno::{Body, Exception, Policy, Rule};
use crate::request::Request;
use crate::ruleset::RuleSet;
use crate::verdict::{Dialect, Outcome, RuleResult};

/// What one rule made of an object, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The dialect.
    pub dialect: Dialect,
    /// The policy's name, as results name it.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// Whether the rule is for the object.
    pub matched: bool,
    /// Why it is not, or why it stopped early.
    pub why: Vec<String>,
    /// What was looked at, in order.
    pub looks: Vec<Look>,
    /// What came out.
    pub results: Vec<RuleResult>,
}

impl Explained {
    /// The strictest outcome among its results.
    pub fn outcome(&self) -> Option<Outcome> {
        let rank = |outcome: Outcome| match outcome {
            Outcome::Fail => 4,
            Outcome::Error => 3,
            Outcome::Warn => 2,
            Outcome::Pass => 1,
            Outcome::Skip => 0,
        };
        self.results.iter().map(|r| r.outcome).max_by_key(|o| rank(*o))
    }
}

/// Where a dotted path stands in an object's source text; the nearest parent when it is missing itself.
pub fn position(object: Node<'_>, path: &str) -> Option<Position> {
    crate::source::position_of(object, path)
}

/// Explains every validating rule of a set for a request. `sources` are the documents the set was compiled from.
pub fn explain(set: &RuleSet, sources: &[Node<'_>], request: &Request<'_>) -> Vec<Explained> {
    let Some(subject) = request.subject() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for policy in set.policies.iter() {
        for rule in policy
            .rules
            .iter()
            .filter(|rule| matches!(rule.body, Body::Validate(_)))
        {
            // What was carried over to controllers is only worth a word where it applies.
            if rule.origin.is_none() || rule.applies(policy, request, subject) {
                out.push(kyverno(set, policy, rule, request, subject));
            }
        }
    }
    let mut results = Vec::new();
    set.validate(request, false, &mut results);
    let loaded: Vec<String> = set.policies().into_iter().map(|policy| policy.name).collect();
    for source in sources {
        out.extend(by_source(*source, sources, request, subject, &results));
    }
    for one in out
        .iter_mut()
        .filter(|one| !one.matched && !loaded.contains(&one.policy))
    {
        one.why = vec!["it did not compile".into()];
    }
    for result in results.iter().filter(|r| r.dialect == Dialect::PodSecurity) {
        out.push(Explained {
            dialect: Dialect::PodSecurity,
            policy: result.policy.clone(),
            rule: result.rule.clone(),
            matched: true,
            why: vec!["the namespace's labels ask for it".into()],
            looks: of_result(result, subject),
            results: vec![result.clone()],
        });
    }
    out
}

fn kyverno(set: &RuleSet, policy: &Policy, rule: &Rule, request: &Request<'_>, subject: Node<'_>) -> Explained {
    let mut out = Explained {
        dialect: Dialect::Kyverno,
        policy: policy.name.clone(),
        rule: rule.name.clone(),
        matched: false,
        why: rule.why_not(policy, request, subject),
        looks: Vec::new(),
        results: Vec::new(),
    };
    if !out.why.is_empty() {
        return out;
    }
    out.matched = true;
    let trace = Trace::default();
    let none: [&Exception; 0] = [];
    set.finding(rule, request, &none, Some(&trace));
    out.looks = trace.into_looks();
    out.results.extend(set.judge(policy, rule, request, subject));
    for result in &out.results {
        if result.outcome == Outcome::Skip {
            out.why.push(result.message.clone());
        }
        if !out.looks.iter().any(|look| !look.holds || look.part == Part::Deny) {
            out.looks.extend(of_result(result, subject));
        }
    }
    out
}

/// The looks that a failed result tells of: each field its patch would change, or the path it names.
fn of_result(result: &RuleResult, object: Node<'_>) -> Vec<Look> {
    if !matches!(result.outcome, Outcome::Fail | Outcome::Warn) {
        return Vec::new();
    }
    let found = |path: &str| {
        reads::places(path, object)
            .into_iter()
            .next()
            .and_then(|(_, node)| node)
    };
    let look = |path: String, asked: Asked| Look {
        part: Part::Result,
        found: found(&path).map(Node::to_value),
        path,
        asked,
        holds: false,
    };
    let patch = result.patch.as_ref().map(Value::node);
    let mut out: Vec<Look> = patch
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|op| {
            let path = dotted(op.str_at(&["path"])?);
            let asked = match op.get("value") {
                Some(value) => Asked::Pattern(value.to_json(), Some(value.to_value())),
                None => Asked::Absent,
            };
            Some(look(path, asked))
        })
        .collect();
    if out.is_empty() && !result.path.is_empty() {
        let asked = Asked::Shape(result.author.clone());
        out.push(look(result.path.clone(), asked));
    }
    out
}

/// A JSON Pointer as a dotted path.
pub(crate) fn dotted(pointer: &str) -> String {
    let mut out = crate::path::FieldPath::default();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        out.0.push(match part.parse() {
            Ok(index) => crate::path::Segment::Index(index),
            Err(_) => crate::path::Segment::Key(part.into()),
        });
    }
    out.to_string()
}

/// A policy in CEL or a constraint, explained from its source and its results.
fn by_source(
    source: Node<'_>,
    sources: &[Node<'_>],
    request: &Request<'_>,
    subject: Node<'_>,
    results: &[RuleResult],
) -> Vec<Explained> {
    let text = |path: &[&str]| source.str_at(path).unwrap_or_default();
    let group = text(&["apiVersion"]).split('/').next().unwrap_or_default();
    let kind = text(&["kind"]);
    let name = text(&["metadata", "name"]);
    let (dialect, policy, rule) = match (group, kind) {
        ("constraints.gatekeeper.sh", _) => (Dialect::Gatekeeper, format!("{kind}/{name}"), kind.to_owned()),
        ("policies.kyverno.io", "ValidatingPolicy") => (Dialect::Kyverno, name.to_owned(), "validations".into()),
        ("policies.kyverno.io", "NamespacedValidatingPolicy") => {
            let full = format!("{}/{name}", text(&["metadata", "namespace"]));
            (Dialect::Kyverno, full, "validations".into())
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            (Dialect::Kubernetes, name.to_owned(), "validations".into())
        }
        _ => return Vec::new(),
    };
    let own: Vec<RuleResult> = results
        .iter()
        .filter(|r| r.policy == policy && r.dialect == dialect)
        .cloned()
        .collect();
    let mut out = Explained {
        dialect,
        policy,
        rule,
        matched: !own.is_empty(),
        why: Vec::new(),
        looks: Vec::new(),
        results: own,
    };
    if !out.matched {
        out.why = reasons::why_not(source, request, subject);
        let binds = |other: &&Node<'_>| {
            other.str_at(&["kind"]) == Some("ValidatingAdmissionPolicyBinding")
                && other.str_at(&["spec", "policyName"]) == Some(name)
        };
        if dialect == Dialect::Kubernetes && !sources.iter().any(|other| binds(&other)) {
            out.why = vec!["nothing binds it; write a ValidatingAdmissionPolicyBinding".into()];
        }
        return vec![out];
    }
    if let Some(result) = out.results.first() {
        out.rule = result.rule.clone();
        if result.outcome == Outcome::Skip {
            out.why.push(result.message.clone());
        }
    }
    let mut texts = Vec::new();
    match dialect {
        Dialect::Gatekeeper => {
            let template = sources.iter().find(|other| {
                other.str_at(&["kind"]) == Some("ConstraintTemplate")
                    && other.str_at(&["spec", "crd", "spec", "names", "kind"]) == Some(kind)
            });
            strings(template.and_then(|t| t.at(&["spec", "targets"])), &mut texts);
        }
        _ => strings(source.get("spec"), &mut texts),
    }
    for text in texts {
        for path in reads::paths(text) {
            for (path, node) in reads::places(&path, subject) {
                let look = Look {
                    part: Part::Expression,
                    path,
                    asked: Asked::Read,
                    found: node.map(Node::to_value),
                    holds: true,
                };
                if !out.looks.contains(&look) {
                    out.looks.push(look);
                }
            }
        }
    }
    out.looks
        .extend(out.results.iter().flat_map(|result| of_result(result, subject)));
    vec![out]
}

/// Every text below a node.
pub(crate) fn strings<'a>(node: Option<Node<'a>>, out: &mut Vec<&'a str>) {
    let Some(node) = node else { return };
    if let Some(text) = node.as_str() {
        out.push(text);
    }
    if node.is_array() {
        node.items().for_each(|item| strings(Some(item), out));
    } else if node.is_object() {
        node.members().for_each(|(_, member)| strings(Some(member), out));
    }
}

#[cfg(test)]
mod tests;
