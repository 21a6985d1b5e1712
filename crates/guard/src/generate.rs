//! The reconciler of generated objects: what rules ask for is made, kept, and taken away again.
//!
//! What exists says in its labels which rule and trigger it goes back to, so nothing has to be remembered over a
//! restart: the desired objects of a trigger are computed anew and compared with those that carry its uid.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ridgeway_cluster::{Causality, DeleteOptions, Queue, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_policy::{Generated, Outcome, Request};

use crate::exempt;
use crate::generated::{Index, Made, Mark};
use crate::guard::Shared;
use crate::install::MANAGER;
use crate::policies::created;
use crate::snapshot::{Snapshot, Unit};
use crate::source::{self, text};

/// The first pause after a failure; it doubles up to the last.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// A unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// A trigger is to have what rules ask for.
    Trigger(ObjectRef),
    /// What was made for triggers or rules that are gone is to go.
    Sweep,
}

/// The reconciler's state.
#[derive(Default)]
pub(crate) struct Reconciler {
    pub(crate) queue: Queue<Work>,
    pub(crate) index: Index,
    attempts: Mutex<HashMap<Work, u32>>,
    /// Why objects could not be made.
    faults: Mutex<BTreeMap<FaultKey, String>>,
}

/// Policy id, rule and trigger.
type FaultKey = (String, String, ObjectRef);

impl Reconciler {
    /// Why a policy's objects could not be made.
    pub(crate) fn faults(&self, policy: &str) -> Vec<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults
            .iter()
            .filter(|((of, ..), _)| of == policy)
            .map(|(_, why)| why.clone())
            .collect()
    }

    /// Replaces what is known of the faults of a trigger; what is new goes to the log.
    fn report(&self, trigger: &ObjectRef, found: BTreeMap<(String, String), String>) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|(policy, rule, of), _| of != trigger || found.contains_key(&(policy.clone(), rule.clone())));
        for ((policy, rule), why) in found {
            let why = format!("{trigger}: {why}");
            let key = (policy, rule, trigger.clone());
            if faults.get(&key) != Some(&why) {
                tracing::warn!(policy = key.0, rule = key.1, why, "an object could not be generated");
                faults.insert(key, why);
            }
        }
    }
}

/// Works the queue until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    let state = &shared.generate;
    let mut started = shared.started.subscribe();
    if started.wait_for(|started| *started).await.is_err() {
        return;
    }
    loop {
        let work = state.queue.next().await;
        let done = match &work {
            Work::Trigger(trigger) => reconcile(&shared, trigger).await,
            Work::Sweep => sweep(&shared).await,
        };
        let retry = {
            let mut attempts = state.attempts.lock().unwrap_or_else(PoisonError::into_inner);
            match done {
                Ok(()) => {
                    attempts.remove(&work);
                    None
                }
                Err(()) => {
                    let attempt = attempts.entry(work.clone()).or_default();
                    *attempt += 1;
                    Some((FIRST_RETRY * 2u32.saturating_pow(*attempt - 1)).min(LAST_RETRY))
                }
            }
        };
        if let Some(pause) = retry {
            state.queue.add_after(work.clone(), pause);
        }
        state.queue.done(&work);
    }
}

/// Whether a rule acts on a trigger: it came after the policy, was changed since, or has its objects already.
fn due(
    shared: &Shared,
    unit: &Unit,
    rule: &str,
    trigger: &ObjectRef,
    object: Node<'_>,
    made: &BTreeMap<ObjectRef, Made>,
) -> bool {
    unit.generates.get(rule).is_some_and(|rule| rule.existing)
        || created(object) >= unit.created
        || shared
            .generate
            .index
            .touched(trigger)
            .is_some_and(|at| at >= unit.created)
        || made.values().any(|made| made.mark.is_of_rule(unit, rule))
}

/// Brings the objects of a trigger to what rules ask for. The error is told already and worth another try.
async fn reconcile(shared: &Shared, trigger: &ObjectRef) -> Result<(), ()> {
    let Some(doc) = shared
        .mirror
        .object(&trigger.group, &trigger.kind, &trigger.namespace, &trigger.name)
    else {
        shared.generate.report(trigger, BTreeMap::new());
        return Ok(());
    };
    let object = doc.root();
    let Some(gvk) = Gvk::of(object) else { return Ok(()) };
    if object.at(&["metadata", "deletionTimestamp"]).is_some() || exempt::place(&gvk, &trigger.namespace, &trigger.name)
    {
        return Ok(());
    }
    let snapshot = shared.snapshot();
    let made = shared.generate.index.made_for(text(object, &["metadata", "uid"]));
    let namespace = shared.mirror.namespace(&trigger.namespace);
    let mut request = Request::create(&gvk, object);
    request.namespace_object = namespace.as_ref().map(Doc::root);
    request.now = Some(shared.clock.now());
    request.data = &*shared.mirror;
    let (wanted, results) = snapshot.rules.generate(&request);
    let mut faults: BTreeMap<(String, String), String> = BTreeMap::new();
    for result in results.into_iter().filter(|result| result.outcome == Outcome::Error) {
        let due = snapshot
            .spoken(&result.policy)
            .is_some_and(|unit| due(shared, unit, &result.rule, trigger, object, &made));
        if due {
            faults.insert((source::id(&result.policy), result.rule), result.message);
        }
    }
    let mut kept: BTreeSet<ObjectRef> = BTreeSet::new();
    for generated in wanted {
        let Some(unit) = snapshot.spoken(&generated.policy) else {
            continue;
        };
        if !due(shared, unit, &generated.rule, trigger, object, &made) {
            continue;
        }
        let Some(target) = ObjectRef::of(generated.object.node()) else {
            continue;
        };
        kept.insert(target.clone());
        if let Err(status) = make(shared, unit, &generated, &gvk, object, &target).await {
            let rule = (unit.id.clone(), generated.rule.clone());
            faults.insert(rule, format!("{target} could not be made: {}", status.message));
        }
    }
    for (target, made) in made.iter().filter(|(target, _)| !kept.contains(target)) {
        let broken = faults.keys().any(|(policy, rule)| {
            snapshot
                .units
                .values()
                .any(|unit| unit.id == *policy && made.mark.is_of_rule(unit, rule))
        });
        if !broken && ended(&snapshot, made) {
            let _ = remove(shared, target, made).await;
        }
    }
    let failed = !faults.is_empty();
    shared.generate.report(trigger, faults);
    if failed { Err(()) } else { Ok(()) }
}

/// Whether an object that no rule asks for any more is to go.
fn ended(snapshot: &Snapshot, made: &Made) -> bool {
    if !made.mark.synchronize {
        return false;
    }
    match snapshot.units.values().find(|unit| made.mark.is_of(unit)) {
        // What a faulty policy made stays until it is clear what the policy wants.
        Some(unit) => unit.faults.is_empty(),
        None => !made.mark.orphan,
    }
}

fn causality(policy: &str, rule: &str) -> Option<Causality> {
    Some(Causality::new(format!("policy:{policy}/{rule}")))
}

/// Makes an object, or brings it back to what it shall be.
async fn make(
    shared: &Shared,
    unit: &Unit,
    generated: &Generated,
    trigger_kind: &Gvk,
    trigger: Node<'_>,
    target: &ObjectRef,
) -> Result<(), Status> {
    let mut object = generated.object.clone();
    let gvk = Gvk::of(object.node()).unwrap_or_default();
    let mark = Mark::new(unit, &generated.rule, trigger_kind, trigger, generated.synchronize);
    let known = shared
        .mirror
        .object(&target.group, &target.kind, &target.namespace, &target.name);
    if !generated.synchronize && (known.is_some() || !shared.generate.index.once(&mark.trigger, target)) {
        return Ok(());
    }
    mark.write(&mut object, trigger_kind, trigger);
    shared.mirror.follow([gvk]);
    let options = || WriteOptions::by(MANAGER, causality(&generated.policy, &generated.rule)).forced();
    let stored = match shared.cluster.apply(object, options()).await {
        Ok(stored) => stored,
        Err(status) => {
            shared.generate.index.not_once(&mark.trigger, target);
            return Err(status);
        }
    };
    if known.is_some() && generated.synchronize {
        // Applying leaves alone what others have added, and an addition can undo what the rule is for: another
        // entry in a network policy opens what the rule closes. Outside its metadata the object is the rule's.
        let whole = whole(&stored, generated.object.node());
        if let Err(status) = shared.cluster.update(whole, options()).await
            && status.reason != Reason::Conflict
        {
            tracing::debug!(%target, %status, "additions to a generated object could not be taken back");
        }
    }
    Ok(())
}

/// A stored object with everything but metadata and status as it shall be.
fn whole(stored: &Doc, wanted: Node<'_>) -> Value {
    const OWN: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
    let mut out = Value::object();
    for (key, value) in stored.root().members().filter(|(key, _)| OWN.contains(key)) {
        out.set(&[key], value.to_value());
    }
    for (key, value) in wanted.members().filter(|(key, _)| !OWN.contains(key)) {
        out.set(&[key], value.to_value());
    }
    out
}

async fn remove(shared: &Shared, target: &ObjectRef, made: &Made) -> Result<(), ()> {
    let policy = match made.mark.policy_namespace.as_str() {
        "" => made.mark.policy.clone(),
        namespace => format!("{namespace}/{}", made.mark.policy),
    };
    let options = WriteOptions::by(MANAGER, causality(&policy, &made.mark.rule));
    let deleted = shared
        .cluster
        .delete(
            &made.gvk,
            &target.namespace,
            &target.name,
            DeleteOptions::default(),
            options,
        )
        .await;
    match deleted {
        Err(status) if status.reason != Reason::NotFound => {
            tracing::warn!(%target, %status, "an object whose rule or trigger is gone could not be deleted");
            Err(())
        }
        _ => Ok(()),
    }
}

/// Deletes what was made for triggers, policies and rules that are gone.
async fn sweep(shared: &Shared) -> Result<(), ()> {
    let snapshot = shared.snapshot();
    let mut done = Ok(());
    for (target, made) in shared.generate.index.all() {
        let unit = snapshot.units.values().find(|unit| made.mark.is_of(unit));
        let rule_gone = unit.is_none_or(|unit| !unit.generates.keys().any(|rule| made.mark.is_of_rule(unit, rule)));
        let (group, kind) = &made.mark.trigger_kind;
        let trigger_gone =
            shared.mirror.is_synced(group, kind) && shared.generate.index.find_trigger(&made.mark.trigger).is_none();
        // With its trigger gone, what a policy leaves behind when it goes itself does not stay either.
        let goes = trigger_gone && made.mark.synchronize && unit.is_none_or(|unit| unit.faults.is_empty());
        if goes || rule_gone && ended(&snapshot, &made) {
            done = done.and(remove(shared, &target, &made).await);
        }
    }
    done
}
