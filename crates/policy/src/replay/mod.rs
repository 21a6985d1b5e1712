//! Recorded admissions put before another set of rules: which decisions flip, for whom.
//!
//! A record is one line of JSON:
//!
//! ```json
//! {"time":"2026-01-02T03:04:05Z",
//!  "request":{"operation":"CREATE","kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","name":"a",
//!             "userInfo":{"username":"ann","groups":["dev"]},"object":{},"oldObject":null},
//!  "namespaceObject":{"metadata":{"labels":{"team":"checkout"}}},
//!  "decision":{"allowed":false,"by":["need-team/team"],"message":"name a team"}}
//! ```
//!
//! A record of the platform's own journal names the ledger's entry about it, too: `"ledger":{"index":7,"before":"…",
//! "after":"…"}`.
//!
//! `request` is the request of an AdmissionReview. In place of `decision`, `response` of an AdmissionReview is read:
//! `allowed` and `status.message`. A record without a decision counts as allowed: what is stored was let in.

mod record;

pub use record::{Admission, RecordError};

use std::collections::BTreeMap;

use crate::request::{Data, Request};
use crate::ruleset::RuleSet;

/// A decision that flips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    /// When it was recorded.
    pub time: String,
    /// Whose object it is: the `team` label of the object or its namespace; empty where there is none.
    pub team: String,
    /// The namespace.
    pub namespace: String,
    /// `Kind/name`.
    pub object: String,
    /// `CREATE`, …
    pub operation: String,
    /// Who asked.
    pub user: String,
    /// Whether it was allowed.
    pub before: bool,
    /// Whether it would be allowed.
    pub after: bool,
    /// The rules that refused, or would refuse, as `policy/rule`.
    pub by: Vec<String>,
    /// What they said, or would say.
    pub message: String,
}

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// Admissions judged.
    pub total: usize,
    /// Of them, allowed and allowed again.
    pub still_allowed: usize,
    /// Of them, refused and refused again.
    pub still_refused: usize,
    /// Of them, allowed with warnings that would be given.
    pub warned: usize,
    /// Every flip, in the order of the records.
    pub flips: Vec<Flip>,
}

impl Replayed {
    /// Puts one admission before the rules.
    pub fn add(&mut self, set: &RuleSet, admission: &Admission, data: &dyn Data) {
        self.total += 1;
        let (refusals, warned) = admission.with_request(data, |request| judged(set, request));
        self.warned += usize::from(warned);
        let after = refusals.is_empty();
        match (admission.allowed, after) {
            (true, true) => self.still_allowed += 1,
            (false, false) => self.still_refused += 1,
            (before, after) => {
                let (by, message) = if after {
                    (admission.by.clone(), admission.message.clone())
                } else {
                    let mut by: Vec<String> = refusals.iter().map(|(by, _)| by.clone()).collect();
                    by.dedup();
                    (by, refusals[0].1.clone())
                };
                self.flips.push(Flip {
                    time: admission.time.clone(),
                    team: admission.team(),
                    namespace: admission.namespace.clone(),
                    object: admission.object_name(),
                    operation: admission.operation.as_str().into(),
                    user: admission.user.clone(),
                    before,
                    after,
                    by,
                    message,
                });
            }
        }
    }

    /// Adds what another part of the records gave; its records follow this one's.
    pub fn append(&mut self, other: Replayed) {
        self.total += other.total;
        self.still_allowed += other.still_allowed;
        self.still_refused += other.still_refused;
        self.warned += other.warned;
        self.flips.extend(other.flips);
    }

    /// How many flips to a refusal and to a pass there are, by team and namespace.
    pub fn by_team(&self) -> BTreeMap<(&str, &str), (usize, usize)> {
        let mut out: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
        for flip in &self.flips {
            let (refused, passed) = out.entry((&flip.team, &flip.namespace)).or_default();
            if flip.after {
                *passed += 1;
            } else {
                *refused += 1;
            }
        }
        out
    }
}

/// The rules that refuse a request with what they say, and whether some rule warns.
fn judged(set: &RuleSet, request: &Request<'_>) -> (Vec<(String, String)>, bool) {
    let verdicts = set.admit(request);
    let refusals = verdicts
        .refusals()
        .map(|r| (format!("{}/{}", r.policy, r.rule), r.message.clone()))
        .collect();
    let warned = verdicts
        .results
        .iter()
        .any(|r| !r.refuses() && matches!(r.outcome, crate::verdict::Outcome::Warn | crate::verdict::Outcome::Fail));
    (refusals, warned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::NoData;

    const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: need-team}
spec:
  validationFailureAction: Enforce
  rules:
  - name: team
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate: {message: name a team, pattern: {metadata: {labels: {team: '?*'}}}}
";

    fn line(name: &str, labels: &str, decision: &str) -> Admission {
        Admission::read(&format!(
            r#"{{"time":"t","request":{{"operation":"CREATE","kind":{{"group":"","version":"v1","kind":"ConfigMap"}},
            "namespace":"shop","name":"{name}","userInfo":{{"username":"ann"}},
            "object":{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","namespace":"shop","labels":{labels}}}}}}},
            "namespaceObject":{{"metadata":{{"labels":{{"team":"blue"}}}}}}{decision}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn flips_both_ways() {
        let docs = ridgeway_doc::parse_yaml(POLICY).unwrap();
        let (set, _) = RuleSet::compile(&[docs[0].root()]);
        let mut replayed = Replayed::default();
        for admission in [
            line("kept", r#"{"team":"red"}"#, ""),
            line("new-refusal", "{}", r#","decision":{"allowed":true}"#),
            line(
                "still",
                "{}",
                r#","response":{"allowed":false,"status":{"message":"old"}}"#,
            ),
            line(
                "freed",
                r#"{"team":"red"}"#,
                r#","decision":{"allowed":false,"by":["gone/rule"],"message":"old"}"#,
            ),
        ] {
            replayed.add(&set, &admission, &NoData);
        }
        assert_eq!(
            (replayed.total, replayed.still_allowed, replayed.still_refused),
            (4, 1, 1)
        );
        let told: Vec<_> = replayed
            .flips
            .iter()
            .map(|f| (f.object.as_str(), f.team.as_str(), f.before, f.after, f.by.join(",")))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "ConfigMap/new-refusal",
                    "blue",
                    true,
                    false,
                    "need-team/team".to_owned()
                ),
                ("ConfigMap/freed", "red", false, true, "gone/rule".to_owned()),
            ]
        );
        assert_eq!(replayed.by_team()[&("blue", "shop")], (1, 0));
    }

    #[test]
    fn records_that_cannot_be_read_say_why() {
        for (text, want) in [
            ("{", "line 1"),
            ("{}", "`request`"),
            (r#"{"request":{}}"#, "`kind`"),
            (r#"{"request":{"kind":{"kind":"Pod"},"operation":"EAT"}}"#, "EAT"),
            (r#"{"request":{"kind":{"kind":"Pod"},"operation":"CREATE"}}"#, "object"),
        ] {
            let error = Admission::read(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
