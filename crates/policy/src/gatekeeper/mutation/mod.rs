//! Mutators (`mutations.gatekeeper.sh`): what objects are given before they are judged.
//!
//! All mutators of a set run in the order of kind and name, again and again, until a round changes nothing. Those whose
//! locations contradict each other about the shape of objects are not run at all.

mod change;
mod image;
mod location;
mod mutator;
mod schema;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ridgeway_doc::Value;

use super::matching::Origin;
use crate::request::{Operation, Request};
use crate::ruleset::PolicyInfo;
use crate::verdict::{Action, CompileError, Dialect, Outcome, RuleResult};
pub(super) use mutator::Mutator;

/// Whether objects of a kind are mutators.
pub(crate) fn is_mutator(group: &str, kind: &str) -> bool {
    group == "mutations.gatekeeper.sh" && matches!(kind, "Assign" | "AssignImage" | "AssignMetadata" | "ModifySet")
}

/// The mutators of a set.
#[derive(Debug, Default)]
pub(super) struct Mutators {
    list: Vec<Arc<Mutator>>,
    /// By name, what each one contradicts and why.
    conflicts: BTreeMap<String, BTreeMap<String, String>>,
}

impl Mutators {
    /// Mutators in the order in which they run; of several of one name the last counts.
    pub(super) fn new(all: impl IntoIterator<Item = Arc<Mutator>>) -> Mutators {
        let by_name: BTreeMap<(String, String), Arc<Mutator>> = all
            .into_iter()
            .map(|mutator| ((mutator.kind.clone(), mutator.name.clone()), mutator))
            .collect();
        let list: Vec<Arc<Mutator>> = by_name.into_values().collect();
        let mut conflicts: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (a, b) in schema::suspects(&list) {
            for (one, two) in [(&list[a], &list[b]), (&list[b], &list[a])] {
                if let Some(why) = schema::contradiction(one, two) {
                    conflicts
                        .entry(one.name.clone())
                        .or_default()
                        .insert(two.name.clone(), why);
                }
            }
        }
        Mutators { list, conflicts }
    }

    pub(super) fn all(&self) -> &[Arc<Mutator>] {
        &self.list
    }

    /// What keeps mutators from being run, one fault for each.
    pub(super) fn faults(&self) -> impl Iterator<Item = CompileError> {
        self.conflicts.iter().map(|(name, others)| {
            let position = self.list.iter().find(|m| m.name == *name).and_then(|m| m.position);
            let others: Vec<String> = others.iter().map(|(other, why)| format!("{other} ({why})")).collect();
            CompileError {
                policy: name.clone(),
                rule: String::new(),
                path: "spec.location".into(),
                line: position.map_or(0, |p| p.line),
                column: position.map_or(0, |p| p.column),
                message: format!(
                    "its location contradicts {}; none of them is applied until the locations agree",
                    others.join(", ")
                ),
            }
        })
    }

    /// The mutators, for views.
    pub(super) fn infos(&self) -> impl Iterator<Item = PolicyInfo> {
        self.list.iter().map(|mutator| PolicyInfo {
            name: mutator.name.clone(),
            dialect: Dialect::Gatekeeper,
            title: mutator.name.clone(),
            category: String::new(),
            action: Action::Enforce,
            rules: vec![mutator.kind.clone()],
            background: false,
            generates: false,
            mutates: true,
        })
    }

    /// Changes an object until nothing is left to change; `work` is the object so far.
    pub(super) fn run(
        &self,
        request: &Request<'_>,
        origin: Origin,
        work: &mut Option<Value>,
        results: &mut Vec<RuleResult>,
    ) {
        let changes = matches!(request.operation, Operation::Create | Operation::Update);
        if self.list.is_empty() || !changes || request.object.is_none() {
            return;
        }
        let start = work.clone();
        let (mut matched, mut changed) = (BTreeSet::new(), BTreeSet::new());
        let told = |mutator: &Mutator, outcome: Outcome| {
            RuleResult::new(
                Dialect::Gatekeeper,
                &mutator.name,
                &mutator.kind,
                outcome,
                Action::Enforce,
            )
        };
        for _ in 0..=self.list.len() {
            let before = work.clone();
            let mut now = Vec::new();
            for (i, mutator) in self.list.iter().enumerate() {
                if self.conflicts.contains_key(&mutator.name) {
                    continue;
                }
                let Some(object) = work.as_ref().map(Value::node).or(request.object) else {
                    return;
                };
                if !mutator.selects(request, object, origin) {
                    continue;
                }
                matched.insert(i);
                let mut next = object.to_value();
                match mutator.apply(&mut next, request) {
                    Ok(false) => {}
                    Ok(true) => {
                        now.push(i);
                        *work = Some(next);
                    }
                    Err(why) => {
                        let mut result = told(mutator, Outcome::Error);
                        result.message = format!("The mutator {} could not be applied: {why}.", mutator.name);
                        result.remedy = format!("Change the object, or ask the author of {} to mend it.", mutator.name);
                        results.push(result);
                        *work = start;
                        return;
                    }
                }
            }
            changed.extend(now.iter().copied());
            let same = match (&before, &*work) {
                (None, Some(work)) => request.object == Some(work.node()),
                (before, work) => before == work,
            };
            if now.is_empty() || same {
                for i in matched {
                    let mut result = told(&self.list[i], Outcome::Pass);
                    if !changed.contains(&i) {
                        result.outcome = Outcome::Skip;
                        result.message = "nothing to change".into();
                    }
                    results.push(result);
                }
                return;
            }
        }
        self.endless(request, origin, work, results);
        *work = start;
    }

    /// Tells of mutators that undo each other for ever.
    fn endless(&self, request: &Request<'_>, origin: Origin, work: &Option<Value>, results: &mut Vec<RuleResult>) {
        let mut object = work.clone().unwrap_or_default();
        let mut names = Vec::new();
        for mutator in &self.list {
            let runs = !self.conflicts.contains_key(&mutator.name) && mutator.selects(request, object.node(), origin);
            if runs && mutator.apply(&mut object, request) == Ok(true) {
                names.push(mutator.name.as_str());
            }
        }
        let mut result = RuleResult::new(
            Dialect::Gatekeeper,
            names.first().copied().unwrap_or_default(),
            names
                .first()
                .and_then(|name| name.split('/').next())
                .unwrap_or_default(),
            Outcome::Error,
            Action::Enforce,
        );
        result.message = format!(
            "The mutators {} find no end: each of {} rounds changed the object again.",
            names.join(", "),
            self.list.len() + 1
        );
        result.remedy = "Ask their authors to let each of them leave alone what it has set already.".into();
        results.push(result);
    }
}

#[cfg(test)]
mod tests;
