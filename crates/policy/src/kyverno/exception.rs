//! `PolicyException`: objects for which a rule does not count.

use jiff::Timestamp;
use ridgeway_doc::Node;

use super::condition::Conditions;
use super::context::Env;
use super::matching::Match;
use super::pod_security::Exclude;
use super::terms::Terms;
use super::wildcard;
use crate::cel::Program;
use crate::cel_policy::{self, Allowed};
use crate::request::Request;
use crate::verdict::CompileError;

/// A compiled exception.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) name: String,
    /// Policies with the rules of them that are excepted; names may hold wildcards.
    rules: Vec<(String, Vec<String>)>,
    matches: Match,
    conditions: Conditions,
    /// Controls of Pod Security Standards that are excepted, instead of the whole rule.
    pub(crate) controls: Vec<Exclude>,
    terms: Terms,
}

fn name_of(node: Node<'_>) -> String {
    node.str_at(&["metadata", "name"]).unwrap_or_default().to_owned()
}

fn fault(node: Node<'_>, path: &str, message: String) -> CompileError {
    let position = crate::source::position_of(node, path);
    CompileError {
        policy: name_of(node),
        rule: String::new(),
        path: path.into(),
        line: position.map_or(0, |p| p.line),
        column: position.map_or(0, |p| p.column),
        message,
    }
}

fn terms_of(node: Node<'_>) -> Result<Terms, CompileError> {
    Terms::of(node).map_err(|error| fault(node, &error.path(), error.to_string()))
}

impl Exception {
    pub(crate) fn compile(node: Node<'_>) -> Result<Exception, CompileError> {
        let name = name_of(node);
        let fail = |path: &str, message: String| fault(node, path, message);
        let list = node.at(&["spec", "exceptions"]).into_iter().flat_map(Node::items);
        let rules: Vec<(String, Vec<String>)> = list
            .map(|item| {
                let names = item
                    .get("ruleNames")
                    .into_iter()
                    .flat_map(Node::items)
                    .filter_map(Node::as_str);
                let policy = item.str_at(&["policyName"]).unwrap_or_default();
                (policy.to_owned(), names.map(str::to_owned).collect())
            })
            .collect();
        if rules.is_empty() {
            return Err(fail(
                "spec.exceptions",
                "an exception names the policies and rules it is for".into(),
            ));
        }
        let matches = node
            .at(&["spec", "match"])
            .map(Match::compile)
            .transpose()
            .map_err(|e| fail("spec.match", e))?;
        let controls = node
            .at(&["spec", "podSecurity"])
            .into_iter()
            .flat_map(Node::items)
            .map(Exclude::compile);
        Ok(Exception {
            rules,
            matches: matches.unwrap_or_default(),
            conditions: Conditions::compile(node.at(&["spec", "conditions"]))
                .map_err(|e| fail("spec.conditions", e))?,
            controls: controls
                .collect::<Result<_, _>>()
                .map_err(|e| fail("spec.podSecurity", e))?,
            terms: terms_of(node)?,
            name,
        })
    }

    /// Whether its terms let it count now.
    pub(crate) fn in_force(&self, now: Option<Timestamp>) -> bool {
        self.terms.in_force(now)
    }

    /// Whether it is about a rule (by its own name, or that of the rule it was carried over from).
    pub(crate) fn names(&self, policy: &str, rule: &str) -> bool {
        self.rules
            .iter()
            .any(|(p, rules)| wildcard(p, policy) && rules.iter().any(|r| wildcard(r, rule)))
    }

    /// Whether it covers an object.
    pub(crate) fn covers<'a>(&'a self, request: &Request<'_>, subject: Node<'_>, env: &Env<'a>) -> bool {
        self.matches.selects(request, subject)
            && (self.conditions.is_empty() || self.conditions.eval(env).is_ok_and(|answer| answer.holds))
    }
}

/// A compiled exception to policies in CEL.
#[derive(Clone, Debug)]
pub(crate) struct CelException {
    pub(crate) name: String,
    /// Kinds and names of the policies it is for.
    policies: Vec<(String, String)>,
    conditions: Vec<Program>,
    /// Whether what is excepted is reported as passing rather than as skipped.
    pub(crate) passes: bool,
    /// What it allows, where it does not take the object out altogether.
    pub(crate) allowed: Allowed,
    terms: Terms,
}

impl CelException {
    pub(crate) fn compile(node: Node<'_>) -> Result<CelException, CompileError> {
        let texts = |field: &str| -> Vec<String> {
            let list = node.at(&["spec", field]).into_iter().flat_map(Node::items);
            list.filter_map(Node::as_str).map(str::to_owned).collect()
        };
        let refs = node.at(&["spec", "policyRefs"]).into_iter().flat_map(Node::items);
        let text = |item: Node<'_>, key: &str| item.str_at(&[key]).unwrap_or_default().to_owned();
        let policies: Vec<_> = refs.map(|item| (text(item, "kind"), text(item, "name"))).collect();
        if policies.is_empty() {
            let why = "an exception names the policies it is for, by kind and name".to_owned();
            return Err(fault(node, "spec.policyRefs", why));
        }
        Ok(CelException {
            name: name_of(node),
            policies,
            conditions: cel_policy::conditions(node.at(&["spec", "matchConditions"]), &[], "spec.matchConditions")
                .map_err(|place| fault(node, &place.path, place.message))?,
            passes: node.str_at(&["spec", "reportResult"]) == Some("pass"),
            allowed: Allowed {
                images: texts("images"),
                values: texts("allowedValues"),
            },
            terms: terms_of(node)?,
        })
    }

    /// Whether it is about a policy (`name`, or `namespace/name` for namespaced ones) of a kind.
    pub(crate) fn names(&self, kind: &str, policy: &str) -> bool {
        let bare = policy.rsplit('/').next().unwrap_or(policy);
        self.policies
            .iter()
            .any(|(k, name)| (k.is_empty() || k == kind) && (name == policy || name == bare))
    }

    /// Whether it takes a request out.
    pub(crate) fn covers(&self, request: &Request<'_>) -> bool {
        self.terms.in_force(request.now)
            && (self.conditions.is_empty()
                || cel_policy::all_hold(&self.conditions, &[], request, false, &Allowed::NOTHING).unwrap_or(false))
    }
}
