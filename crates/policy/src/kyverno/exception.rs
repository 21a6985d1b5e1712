//! `PolicyException`: objects for which a rule does not count.

use ridgeway_doc::Node;

use super::condition::Conditions;
use super::context::Env;
use super::matching::Match;
use super::pod_security::Exclude;
use super::wildcard;
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
}

impl Exception {
    pub(crate) fn compile(node: Node<'_>) -> Result<Exception, CompileError> {
        let name = node.str_at(&["metadata", "name"]).unwrap_or_default().to_owned();
        let fail = |path: &str, message: String| {
            let position = crate::source::position_of(node, path);
            CompileError {
                policy: name.clone(),
                rule: String::new(),
                path: path.into(),
                line: position.map_or(0, |p| p.line),
                column: position.map_or(0, |p| p.column),
                message,
            }
        };
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
            name: name.clone(),
        })
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
