//! What validating rules say about one object, or about many: rule by rule then, so that a rule stays in the caches.

use std::slice;

use super::RuleSet;
use crate::admission_policy::Record;
use crate::gatekeeper::Point;
use crate::kyverno::Body;
use crate::pod_security;
use crate::request::Request;
use crate::verdict::{Outcome, RuleResult};

/// How many results are made room for at most.
const MOST: usize = 128;

impl RuleSet {
    /// Judges a stored object: only rules that may be judged in the background.
    pub fn scan(&self, request: &Request<'_>) -> Vec<RuleResult> {
        let mut results = Vec::new();
        self.validate(request, true, &mut results);
        results
    }

    /// Judges stored objects, a block of them at a time: what [`RuleSet::scan`] says of each, in a third less time.
    ///
    /// A set of a hundred policies is larger than the caches next to a processor. So every rule is asked about all
    /// objects of a block before the next rule is looked at. Some ten objects are enough for that; many more take the
    /// caches for themselves. All requests of a block read the same `data`.
    pub fn scan_all(&self, requests: &[Request<'_>]) -> Vec<Vec<RuleResult>> {
        let mut results: Vec<Vec<RuleResult>> = requests.iter().map(|_| Vec::new()).collect();
        let (mut rest, mut to) = (requests, &mut results[..]);
        while let Some(first) = rest.first() {
            let alike = rest.iter().take_while(|next| next.gvk == first.gvk).count();
            let (now, later) = rest.split_at(alike);
            let (here, there) = to.split_at_mut(alike);
            for (request, results) in now.iter().zip(here.iter_mut()) {
                self.admission.judge(request, true, results, &mut Record::default());
            }
            self.ask(now, true, here);
            (rest, to) = (later, there);
        }
        results
    }

    /// Adds what validating rules say; what is to be recorded comes back.
    pub(crate) fn validate(
        &self,
        request: &Request<'_>,
        background: bool,
        results: &mut Vec<RuleResult>,
    ) -> Vec<(String, String)> {
        let mut record = Record::default();
        self.admission.judge(request, background, results, &mut record);
        if request.subject().is_some() {
            self.ask(slice::from_ref(request), background, slice::from_mut(results));
            if !background {
                pod_security::judge(request, results);
            }
        }
        record.finish()
    }

    /// Asks every rule about objects of one kind, and adds what it says about each to the results of that one.
    fn ask(&self, requests: &[Request<'_>], background: bool, results: &mut [Vec<RuleResult>]) {
        let Some(first) = requests.first() else { return };
        // Most rules that could say something do; a list that grows bit by bit is copied each time.
        let named = self.by_kind.get(&first.gvk.kind).map_or(0, Vec::len);
        let rules = named + self.any_kind.len() + self.cel.len() + self.gatekeeper.len();
        results.iter_mut().for_each(|results| results.reserve(rules.min(MOST)));
        // Where one result of a policy is enough: the policy that has said something last.
        let mut done: Vec<Option<&str>> = Vec::new();
        for (policy, rule) in self.candidates(&first.gvk.kind) {
            let Body::Validate(_) = &rule.body else { continue };
            if background && !(policy.background && rule.in_background()) {
                continue;
            }
            if policy.apply_one && done.is_empty() {
                done = requests.iter().map(|_| None).collect();
            }
            for (at, (request, results)) in requests.iter().zip(results.iter_mut()).enumerate() {
                let Some(subject) = request.subject() else { continue };
                if policy.apply_one && done[at] == Some(&policy.name) || !rule.applies(policy, request, subject) {
                    continue;
                }
                let Some(result) = self.judge(policy, rule, request, subject) else {
                    continue;
                };
                if policy.apply_one && matches!(result.outcome, Outcome::Pass | Outcome::Fail | Outcome::Warn) {
                    done[at] = Some(&policy.name);
                }
                results.push(result);
            }
        }
        self.judge_cel(requests, background, results);
        let point = |request: &Request<'_>| match (background, self.point) {
            (true, Point::Admission) => Point::Audit,
            (_, Point::Admission) if request.dry_run => Point::Plan,
            (_, point) => point,
        };
        self.gatekeeper.judge(requests, background, point, results);
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::{Doc, Node, parse_json, parse_yaml};
    use ridgeway_krm::Gvk;

    use super::*;

    const RULES: &str = r#"
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: both}
spec:
  applyRules: One
  rules:
  - name: first
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {message: name a team, pattern: {metadata: {labels: {team: "?*"}}}}
  - name: second
    match: {any: [{resources: {kinds: [Pod, ConfigMap]}}]}
    validate: {message: name an owner, pattern: {metadata: {labels: {owner: "?*"}}}}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: short}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "size(object.metadata.name) < 3", message: too long}]
---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: alone}
spec:
  crd: {spec: {names: {kind: Alone}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package alone
      violation[{"msg": msg}] {
        input.review.object.metadata.labels.team
        msg := sprintf("%v has a team", [input.review.object.metadata.name])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Alone
metadata: {name: alone}
spec: {match: {excludedNamespaces: [apart]}}
"#;

    #[test]
    fn a_block_is_told_what_each_of_it_would_be() {
        let sources = parse_yaml(RULES).unwrap();
        let (rules, errors) = RuleSet::compile(&sources.iter().map(Doc::root).collect::<Vec<Node<'_>>>());
        assert!(errors.is_empty(), "{errors:?}");
        let of = |kind: &str, name: &str, namespace: &str, labels: &str| {
            let text = format!(
                r#"{{"apiVersion": "v1", "kind": "{kind}", "metadata": {{"name": "{name}", "namespace": "{namespace}", "labels": {labels}}}}}"#
            );
            parse_json(text.as_bytes()).unwrap()
        };
        let docs = [
            of("Pod", "a", "shop", r#"{"team": "x"}"#),
            of("Pod", "long", "shop", r#"{"owner": "x"}"#),
            of("ConfigMap", "c", "shop", "{}"),
            of("ConfigMap", "d", "shop", r#"{"owner": "x"}"#),
            of("Pod", "e", "apart", r#"{"team": "x", "owner": "y"}"#),
        ];
        let kinds: Vec<Gvk> = docs.iter().filter_map(|doc| Gvk::of(doc.root())).collect();
        let requests: Vec<Request<'_>> = docs
            .iter()
            .zip(&kinds)
            .map(|(doc, gvk)| Request::create(gvk, doc.root()))
            .collect();
        let together = rules.scan_all(&requests);
        let apart: Vec<Vec<RuleResult>> = requests.iter().map(|request| rules.scan(request)).collect();
        assert_eq!(together, apart);
        let counts: Vec<usize> = apart.iter().map(Vec::len).collect();
        assert_eq!(counts, [3, 3, 2, 2, 2]);
    }
}
