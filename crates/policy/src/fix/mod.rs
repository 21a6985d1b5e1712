//! The smallest change of an object that its rules would accept.
//!
//! Candidates come from what failed: the patch a result brings, the looks of patterns and conditions, and the usual
//! remedies for Pods. Each is tried: it is kept when the rules find less to say than before and nothing new. In the end
//! every edit that is not needed is dropped again, so that what is left is minimal: no edit can be taken away.

mod candidates;
mod edit;
mod guesses;

pub use edit::{Edit, Step};

use ridgeway_doc::{Node, Value};

use crate::explain::dotted;
use crate::path::FieldPath;
use crate::refine::Changes;
use crate::request::Request;
use crate::ruleset::RuleSet;
use crate::verdict::{Outcome, RuleResult};

/// How often the rules are asked anew after a change.
const ROUNDS: usize = 6;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Fixed {
    /// The edits, each needed.
    pub edits: Vec<Edit>,
    /// The edits as a JSON patch (RFC 6902); `None` when there are none.
    pub patch: Option<Value>,
    /// The object with the edits; `None` when there are none.
    pub object: Option<Value>,
    /// What failed before.
    pub before: Vec<RuleResult>,
    /// What fails still.
    pub remaining: Vec<RuleResult>,
}

impl Fixed {
    /// The edits as the patch has them: what is set below one missing field is set as one.
    pub fn steps(&self) -> Vec<Edit> {
        let patch = self.patch.as_ref().map(Value::node);
        let of = |op: Node<'_>| {
            let at = FieldPath::parse(&dotted(op.str_at(&["path"])?));
            Some(match op.get("value") {
                Some(value) => Edit::set(at, value.to_value()),
                None => Edit::remove(at),
            })
        };
        patch.into_iter().flat_map(Node::items).filter_map(of).collect()
    }
}

/// Everything that fails for an object.
fn failing(set: &RuleSet, request: &Request<'_>, object: Node<'_>) -> Vec<RuleResult> {
    let request = Request {
        object: Some(object),
        name: object.str_at(&["metadata", "name"]).unwrap_or(request.name),
        ..*request
    };
    let mut results = set.admit(&request).results;
    results.retain(|r| matches!(r.outcome, Outcome::Fail | Outcome::Warn | Outcome::Error));
    results
}

/// Whether a second list of failures is better: shorter, and nothing in it is new.
fn better(before: &[RuleResult], after: &[RuleResult]) -> bool {
    let known = |r: &RuleResult| {
        before
            .iter()
            .any(|b| (&b.policy, &b.rule, b.outcome) == (&r.policy, &r.rule, r.outcome))
    };
    after.len() < before.len() && after.iter().all(known)
}

/// Whether a second list of failures is no worse: everything in it was there before.
fn no_worse(before: &[RuleResult], after: &[RuleResult]) -> bool {
    after.len() <= before.len()
        && after
            .iter()
            .all(|r| before.iter().any(|b| (&b.policy, &b.rule) == (&r.policy, &r.rule)))
}

/// Looks for the smallest change with which the request's object would pass. `sources` are the documents the set was
/// compiled from.
pub fn fix(set: &RuleSet, sources: &[Node<'_>], request: &Request<'_>) -> Fixed {
    let Some(original) = request.object else {
        return Fixed::default();
    };
    let before = failing(set, request, original);
    let mut out = Fixed {
        before: before.clone(),
        ..Fixed::default()
    };
    let mut edits: Vec<Edit> = Vec::new();
    let mut left = before;
    let mut work = original.to_value();
    for _ in 0..ROUNDS {
        if left.is_empty() {
            break;
        }
        let groups = candidates::groups(set, sources, request, work.node(), &left);
        let mut moved = false;
        for group in &groups {
            let tried = edit::apply(work.node(), group);
            let after = failing(set, request, tried.node());
            if better(&left, &after) {
                (work, left, moved) = (tried, after, true);
                edits.extend(group.iter().cloned());
                if left.is_empty() {
                    break;
                }
            }
        }
        if moved {
            continue;
        }
        // No candidate is enough alone: several together may be.
        let mut together = None;
        for result in &left {
            let own = candidates::groups(set, sources, request, work.node(), std::slice::from_ref(result));
            let all: Vec<Edit> = own.into_iter().flatten().collect();
            let tried = edit::apply(work.node(), &all);
            let after = failing(set, request, tried.node());
            if !all.is_empty() && better(&left, &after) {
                together = Some((all, tried, after));
                break;
            }
        }
        let Some((all, tried, after)) = together else { break };
        edits.extend(all);
        (work, left) = (tried, after);
    }
    edits = edit::merged(edits);
    // Whatever is not needed goes, the latest first.
    let mut i = edits.len();
    while i > 0 {
        i -= 1;
        if edits[i].bound {
            continue;
        }
        let mut fewer = edits.clone();
        let bound = edits[i + 1..].iter().take_while(|edit| edit.bound).count();
        fewer.drain(i..=i + bound);
        let tried = edit::apply(original, &fewer);
        if no_worse(&left, &failing(set, request, tried.node())) {
            edits = fewer;
        }
    }
    if !edits.is_empty() {
        let object = edit::apply(original, &edits);
        out.patch = patch(original, &edits);
        out.remaining = failing(set, request, object.node());
        out.object = Some(object);
    } else {
        out.remaining = left;
    }
    out.edits = edits;
    out
}

/// The edits as a JSON patch.
fn patch(original: Node<'_>, edits: &[Edit]) -> Option<Value> {
    let mut changes = Changes::new(original);
    for edit in edits {
        match &edit.value {
            Some(value) => changes.set(&edit.at, value.clone()),
            None => changes.remove(&edit.at),
        }
    }
    changes.patch()
}

#[cfg(test)]
mod tests;
