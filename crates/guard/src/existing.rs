//! Changing what is there: rules with targets change other objects when their trigger is made or changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ridgeway_cluster::{Causality, Change, Queue, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_policy::{Mutated, Outcome, Request};

use crate::chain::Chains;
use crate::exempt;
use crate::guard::Shared;
use crate::install::MANAGER;
use crate::policies::created;
use crate::snapshot::{Snapshot, Unit};
use crate::source::{self, items, text};

/// The pause before a change that somebody else overtook is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// The reconciler's state.
#[derive(Default)]
pub(crate) struct Existing {
    queue: Queue<ObjectRef>,
    /// When triggers were changed last, as far as that was seen.
    touched: Mutex<BTreeMap<ObjectRef, Timestamp>>,
    /// Why objects could not be changed, by policy id and rule.
    faults: Mutex<BTreeMap<(String, String), String>>,
    /// What rules made of their own triggers.
    chains: Mutex<Chains>,
    /// The rules that were stopped because they would never end, by policy id and rule.
    endless: Mutex<BTreeMap<(String, String), String>>,
}

/// Whether a rule changes objects that are there already when its policy comes or changes.
fn on_policy_update(policy: Node<'_>, rule: &str) -> bool {
    let flag = |node: Option<Node<'_>>| node.and_then(|node| node.get("mutateExistingOnPolicyUpdate")?.as_bool());
    let own = items(policy, &["spec", "rules"]).find(|item| text(*item, &["name"]) == rule);
    if crate::interest::changes_existing(policy) {
        return true;
    }
    flag(own.and_then(|own| own.get("mutate")))
        .or_else(|| flag(policy.get("spec")))
        .unwrap_or(false)
}

impl Existing {
    /// Why a policy's objects could not be changed.
    pub(crate) fn faults(&self, policy: &str) -> Vec<String> {
        let all = [&self.faults, &self.endless].map(|faults| faults.lock().unwrap_or_else(PoisonError::into_inner));
        let of = all
            .iter()
            .flat_map(|faults| faults.iter())
            .filter(|((of, _), _)| of == policy);
        of.map(|(_, why)| why.clone()).collect()
    }

    fn chains(&self) -> MutexGuard<'_, Chains> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a policy that was changed begin anew.
    pub(crate) fn forgive(&self, id: &str, spoken: &str) {
        self.chains().forgive(spoken);
        let mut endless = self.endless.lock().unwrap_or_else(PoisonError::into_inner);
        endless.retain(|(policy, _), _| policy != id);
    }

    /// Stops a rule that a trigger asks again with nothing but its own change.
    fn stop(&self, policy: &str, rule: &str, trigger: &ObjectRef) {
        let why = format!(
            "the rule {rule} of the policy {policy} would change {trigger} for ever: it is its own trigger, and each \
             change asks for the next. It was stopped; let it set a value that stays, or give it a precondition"
        );
        let mut endless = self.endless.lock().unwrap_or_else(PoisonError::into_inner);
        if endless
            .insert((source::id(policy), rule.to_owned()), why.clone())
            .is_none()
        {
            tracing::warn!(policy, rule, why, "a rule was stopped");
        }
    }

    /// Takes note of a change of a trigger.
    pub(crate) fn observe(&self, object: &ObjectRef, change: &Change, now: Timestamp) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        match (&change.old, &change.new) {
            (Some(_), Some(_)) => drop(touched.insert(object.clone(), now)),
            (_, None) => {
                touched.remove(object);
                self.chains().forget(object);
            }
            _ => {}
        }
        drop(touched);
        self.queue.add(object.clone());
    }

    /// Asks for a trigger to be looked at.
    pub(crate) fn ask(&self, object: ObjectRef) {
        self.queue.add(object);
    }

    fn touched(&self, object: &ObjectRef) -> Option<Timestamp> {
        self.touched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(object)
            .copied()
    }
}

/// Works the queue until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    let mut started = shared.started.subscribe();
    if started.wait_for(|started| *started).await.is_err() {
        return;
    }
    loop {
        let trigger = shared.existing.queue.next().await;
        if reconcile(&shared, &trigger).await.is_err() {
            shared.existing.queue.add_after(trigger.clone(), AGAIN);
        }
        shared.existing.queue.done(&trigger);
    }
}

/// Whether a rule acts on a trigger: it came after the policy, was changed since, or the rule is for older ones too.
fn due(shared: &Shared, unit: &Unit, rule: &str, trigger: &ObjectRef, object: Node<'_>) -> bool {
    on_policy_update(unit.doc.root(), rule)
        || created(object) >= unit.created
        || shared.existing.touched(trigger).is_some_and(|at| at >= unit.created)
}

/// The version of an object.
fn version(object: Node<'_>) -> &str {
    text(object, &["metadata", "resourceVersion"])
}

/// What a trigger changes now.
fn wanted(shared: &Shared, snapshot: &Snapshot, trigger: &ObjectRef) -> Vec<Mutated> {
    let found = shared
        .mirror
        .object(&trigger.group, &trigger.kind, &trigger.namespace, &trigger.name);
    let Some(doc) = found else { return Vec::new() };
    let object = doc.root();
    let Some(gvk) = Gvk::of(object) else { return Vec::new() };
    let leaving = object.at(&["metadata", "deletionTimestamp"]).is_some();
    if leaving || exempt::place(&gvk, &trigger.namespace, &trigger.name) {
        return Vec::new();
    }
    let namespace = shared.mirror.namespace(&trigger.namespace);
    let mut request = Request::create(&gvk, object);
    request.namespace_object = namespace.as_ref().map(Doc::root);
    request.now = Some(shared.clock.now());
    request.data = &*shared.mirror;
    let (mut made, results) = snapshot.rules.mutate_existing(&request);
    let mut faults = shared.existing.faults.lock().unwrap_or_else(PoisonError::into_inner);
    for result in results {
        let key = (source::id(&result.policy), result.rule);
        if result.outcome != Outcome::Error {
            faults.remove(&key);
        } else if faults.get(&key) != Some(&result.message) {
            tracing::warn!(
                policy = key.0,
                rule = key.1,
                why = result.message,
                "objects could not be changed"
            );
            faults.insert(key, result.message);
        }
    }
    drop(faults);
    made.retain(|made| {
        let unit = snapshot.mover(&made.policy);
        unit.is_some_and(|unit| due(shared, unit, &made.rule, trigger, object))
    });
    made.retain(|made| {
        let key = (made.policy.clone(), made.rule.clone());
        let ends = !shared.existing.chains().endless(trigger, version(object), &key);
        if !ends {
            shared.existing.stop(&made.policy, &made.rule, trigger);
        }
        ends
    });
    made
}

/// Changes what a trigger is to change. The error asks for another try.
async fn reconcile(shared: &Shared, trigger: &ObjectRef) -> Result<(), ()> {
    let snapshot = shared.snapshot();
    let mut done = Ok(());
    for Mutated { policy, rule, object } in wanted(shared, &snapshot, trigger) {
        let cause = Causality::new(format!("policy:{policy}/{rule}"));
        let options = WriteOptions::by(MANAGER, Some(cause));
        let target = ObjectRef::of(object.node()).unwrap_or_default();
        let before = version(object.node()).to_owned();
        match shared.cluster.update(object, options).await {
            Ok(stored) => {
                let key = (policy, rule);
                let after = version(stored.root());
                if after != before {
                    shared.existing.chains().changed(&target, &before, after, key);
                }
            }
            Err(Status {
                reason: Reason::Conflict,
                ..
            }) => done = Err(()),
            Err(status) if status.reason == Reason::NotFound => {}
            Err(status) => {
                let why = format!("{target} could not be changed: {}", status.message);
                tracing::warn!(policy, rule, why, "an object could not be changed");
                let mut faults = shared.existing.faults.lock().unwrap_or_else(PoisonError::into_inner);
                faults.insert((source::id(&policy), rule), why);
            }
        }
    }
    done
}
