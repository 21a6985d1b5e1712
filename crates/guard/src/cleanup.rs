//! Cleaning up: policies that delete by a schedule, and objects whose time to live is over.
//!
//! What such a policy is for is compiled to a rule of the kind that judges: an object that violates it is one that goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ridgeway_cluster::{
    Causality, DeleteOptions, ListOptions, Preconditions, Propagation, Queue, Reason, Status, WriteOptions, rfc3339,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, KindTable, ObjectRef};
use ridgeway_policy::{CompileError, Outcome, Request, RuleSet};

use crate::alarm::What;
use crate::cron::Schedule;
use crate::exempt;
use crate::guard::Shared;
use crate::install::MANAGER;
use crate::interest::{Interest, Kinds, constrained};
use crate::snapshot::Snapshot;
use crate::source::{self, items, reference, text};
use crate::status;
use crate::ttl::{self, Ttl};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Job {
    Policy(ObjectRef),
    Ttl(ObjectRef),
}

/// A policy that deletes, compiled.
#[derive(Clone, Debug)]
struct Plan {
    version: u64,
    schedule: Option<Schedule>,
    rules: RuleSet,
    judged: Value,
    namespace: Option<String>,
    propagation: Propagation,
}

/// The reconciler's state.
#[derive(Default)]
pub(crate) struct Cleanup {
    queue: Queue<Job>,
    plans: Mutex<BTreeMap<ObjectRef, Arc<Plan>>>,
    pub(crate) ttl: Ttl,
}

impl Cleanup {
    /// Asks for a policy to run.
    pub(crate) fn ask(&self, policy: ObjectRef) {
        self.queue.add(Job::Policy(policy));
    }

    /// Asks for an object whose time is over to go.
    pub(crate) fn ask_ttl(&self, object: ObjectRef) {
        self.queue.add(Job::Ttl(object));
    }

    fn plan(&self, policy: &ObjectRef) -> Option<Arc<Plan>> {
        self.plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(policy)
            .cloned()
    }
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    values.into_iter().collect()
}

/// A cleanup policy as a policy that judges: what violates it goes.
fn judging(policy: Node<'_>) -> Value {
    let namespaced = !text(policy, &["metadata", "namespace"]).is_empty();
    let spec = |key: &str| policy.at(&["spec", key]).map(Node::to_value);
    let mut out = Value::object();
    out.set(&["metadata", "name"], text(policy, &["metadata", "name"]));
    if namespaced {
        out.set(&["metadata", "namespace"], text(policy, &["metadata", "namespace"]));
    }
    if text(policy, &["kind"]).ends_with("DeletingPolicy") {
        let kind = if namespaced {
            "NamespacedValidatingPolicy"
        } else {
            "ValidatingPolicy"
        };
        out.set(&["apiVersion"], "policies.kyverno.io/v1");
        out.set(&["kind"], kind);
        let mut constraints = spec("matchConstraints").unwrap_or_else(Value::object);
        // What is stored is judged as if it were made now, whatever operations are named.
        for key in ["resourceRules", "excludeResourceRules"] {
            let rules = policy.at(&["spec", "matchConstraints", key]);
            let Some(rules) = rules else { continue };
            let open = rules.items().map(|rule| {
                let mut rule = rule.to_value();
                rule.remove(&["operations"]);
                rule
            });
            constraints.set(&[key], list(open));
        }
        out.set(&["spec", "matchConstraints"], constraints);
        out.set(&["spec", "variables"], spec("variables").unwrap_or_else(Value::array));
        out.set(&["spec", "autogen", "podControllers", "controllers"], Value::array());
        let all: Vec<String> = items(policy, &["spec", "conditions"])
            .map(|item| format!("({})", text(item, &["expression"])))
            .collect();
        let goes = if all.is_empty() {
            "true".to_owned()
        } else {
            all.join(" && ")
        };
        let mut validation = Value::object();
        validation.set(&["expression"], format!("!({goes})"));
        validation.set(&["message"], "it is to go");
        out.set(&["spec", "validations"], vec![validation]);
        return out;
    }
    out.set(&["apiVersion"], "kyverno.io/v1");
    out.set(&["kind"], if namespaced { "Policy" } else { "ClusterPolicy" });
    out.set(
        &["metadata", "annotations", "pod-policies.kyverno.io/autogen-controllers"],
        "none",
    );
    let mut target = Value::object();
    target.set(&["name"], "target");
    target.set(&["variable", "jmesPath"], "request.object");
    let context = items(policy, &["spec", "context"]).map(Node::to_value);
    let mut rule = Value::object();
    rule.set(&["name"], "cleanup");
    for key in ["match", "exclude"] {
        if let Some(block) = spec(key) {
            rule.set(&[key], block);
        }
    }
    rule.set(&["context"], list(std::iter::once(target).chain(context)));
    let always = || {
        let mut condition = Value::object();
        condition.set(&["key"], "yes");
        condition.set(&["operator"], "Equals");
        condition.set(&["value"], "yes");
        let mut all = Value::object();
        all.set(&["all"], vec![condition]);
        all
    };
    rule.set(
        &["validate", "deny", "conditions"],
        spec("conditions").unwrap_or_else(always),
    );
    out.set(&["spec", "rules"], vec![rule]);
    out
}

fn fault(policy: Node<'_>, path: &str, message: String) -> CompileError {
    CompileError {
        policy: text(policy, &["metadata", "name"]).to_owned(),
        rule: String::new(),
        path: path.into(),
        line: 0,
        column: 0,
        message,
    }
}

fn compile(policy: Node<'_>, version: u64) -> (Plan, Vec<CompileError>) {
    let mut faults = Vec::new();
    let schedule = Schedule::parse(text(policy, &["spec", "schedule"]));
    if let Err(why) = &schedule {
        faults.push(fault(policy, "spec.schedule", why.clone()));
    }
    let propagation = match text(policy, &["spec", "deletionPropagationPolicy"]) {
        "Foreground" => Propagation::Foreground,
        "Orphan" => Propagation::Orphan,
        _ => Propagation::Background,
    };
    let judged = judging(policy);
    let (rules, found) = RuleSet::compile(&[judged.node()]);
    faults.extend(found.into_iter().map(|found| {
        // The place in the policy as its author wrote it.
        let path = found
            .path
            .replace("spec.rules[0].validate.deny.conditions", "spec.conditions");
        let path = path
            .replace("spec.rules[0]", "spec")
            .replace("spec.validations[0].expression", "spec.conditions");
        fault(policy, &path, found.message)
    }));
    let namespace = text(policy, &["metadata", "namespace"]);
    let plan = Plan {
        version,
        schedule: schedule.ok(),
        rules,
        judged,
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        propagation,
    };
    (plan, faults)
}

/// What is wrong with a cleanup policy that somebody wants to store.
pub(crate) fn faults(policy: Node<'_>) -> Vec<CompileError> {
    compile(policy, 0).1
}

/// Sets when the policies of a snapshot run.
pub(crate) fn plan(shared: &Shared, next: &Snapshot) {
    let mut plans = shared.cleanup.plans.lock().unwrap_or_else(PoisonError::into_inner);
    let gone: Vec<ObjectRef> = plans
        .keys()
        .filter(|key| !next.cleanups.contains_key(*key))
        .cloned()
        .collect();
    for key in gone {
        plans.remove(&key);
        shared.alarm.set(What::Cleanup(key), None);
    }
    for (key, stored) in &next.cleanups {
        if plans.get(key).is_some_and(|plan| plan.version == stored.version) {
            continue;
        }
        let (plan, faults) = compile(stored.doc.root(), stored.version);
        for fault in &faults {
            tracing::warn!(policy = %key, %fault, "a cleanup policy does not run");
        }
        let due = plan.schedule.as_ref().filter(|_| faults.is_empty());
        let due = due.and_then(|schedule| schedule.next(shared.clock.now()));
        plans.insert(key.clone(), Arc::new(plan));
        shared.alarm.set(What::Cleanup(key.clone()), due);
    }
}

/// Works the queue until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    loop {
        let job = shared.cleanup.queue.next().await;
        match &job {
            Job::Policy(policy) => run(&shared, policy).await,
            Job::Ttl(object) => end(&shared, object).await,
        }
        shared.cleanup.queue.done(&job);
    }
}

impl Plan {
    fn kinds(&self, table: &KindTable) -> Kinds {
        if self.judged.node().at(&["spec", "rules"]).is_some() {
            Interest::of_policy(self.judged.node(), table).judged
        } else {
            constrained(self.judged.node(), table)
        }
    }

    fn takes(&self, shared: &Shared, gvk: &Gvk, object: Node<'_>) -> bool {
        let kinds = shared.cluster.kinds();
        let gvr = kinds.get(gvk).map(|kind| ridgeway_krm::Gvr {
            group: gvk.group.clone(),
            version: gvk.version.clone(),
            resource: kind.plural.clone(),
        });
        let mut request = Request::create(gvk, object);
        let namespace = shared.mirror.namespace(request.namespace);
        request.namespace_object = namespace.as_ref().map(Doc::root);
        request.gvr = gvr.as_ref();
        request.now = Some(shared.clock.now());
        request.data = &*shared.mirror;
        self.rules
            .scan(&request)
            .iter()
            .any(|result| result.outcome == Outcome::Fail)
    }
}

/// Runs a policy and says in its status that it did.
async fn run(shared: &Shared, policy: &ObjectRef) {
    let Some(plan) = shared.cleanup.plan(policy) else {
        return;
    };
    let now = shared.clock.now();
    let next = plan.schedule.as_ref().and_then(|schedule| schedule.next(now));
    shared.alarm.set(What::Cleanup(policy.clone()), next);
    let table = shared.cluster.kinds();
    let spoken = source::spoken(policy);
    let mut deleted = 0usize;
    for gvk in plan.kinds(&table).served(&table) {
        let listed = shared
            .cluster
            .list(&gvk, plan.namespace.as_deref(), &ListOptions::default())
            .await;
        let objects = match listed {
            Ok(list) => list.items,
            Err(status) => {
                tracing::warn!(policy = spoken, kind = %gvk, %status, "objects could not be looked through for clean-up");
                continue;
            }
        };
        for doc in objects {
            let root = doc.root();
            let (namespace, name) = (
                text(root, &["metadata", "namespace"]),
                text(root, &["metadata", "name"]),
            );
            let leaving = root.at(&["metadata", "deletionTimestamp"]).is_some();
            if leaving || exempt::place(&gvk, namespace, name) || !plan.takes(shared, &gvk, root) {
                continue;
            }
            match delete(shared, &gvk, root, plan.propagation, format!("policy:{spoken}")).await {
                Ok(()) => deleted += 1,
                Err(status) => {
                    tracing::warn!(policy = spoken, kind = %gvk, name, %status, "an object could not be cleaned up");
                }
            }
        }
    }
    tracing::debug!(policy = spoken, deleted, "cleaned up");
    let gvk = source::written(policy);
    let told = async {
        let live = shared.cluster.get(&gvk, &policy.namespace, &policy.name).await?;
        let mut next = live.root().get("status").map_or_else(Value::object, Node::to_value);
        next.set(&["lastExecutionTime"], rfc3339(now));
        status::store(shared, &live, next, format!("policy:{spoken}")).await
    };
    if let Err(status) = told.await
        && !matches!(status.reason, Reason::NotFound | Reason::Conflict)
    {
        tracing::warn!(policy = spoken, %status, "the status of a cleanup policy could not be written");
    }
}

async fn delete(
    shared: &Shared,
    gvk: &Gvk,
    object: Node<'_>,
    propagation: Propagation,
    cause: String,
) -> Result<(), Status> {
    let options = DeleteOptions {
        propagation,
        preconditions: Preconditions {
            uid: Some(text(object, &["metadata", "uid"]).to_owned()),
            resource_version: None,
        },
        grace_period_seconds: None,
    };
    let (namespace, name) = (
        text(object, &["metadata", "namespace"]),
        text(object, &["metadata", "name"]),
    );
    let write = WriteOptions::by(MANAGER, Some(Causality::new(cause)));
    match shared.cluster.delete(gvk, namespace, name, options, write).await {
        Err(status) if !matches!(status.reason, Reason::NotFound | Reason::Conflict) => Err(status),
        _ => Ok(()),
    }
}

/// Ends an object whose time to live is over.
async fn end(shared: &Shared, object: &ObjectRef) {
    let table = shared.cluster.kinds();
    let Some(kind) = table.by_kind(&object.group, &object.kind) else {
        return;
    };
    let Ok(live) = shared.cluster.get(&kind.gvk, &object.namespace, &object.name).await else {
        return;
    };
    let root = live.root();
    let leaving = root.at(&["metadata", "deletionTimestamp"]).is_some();
    let over = ttl::end_of(root).is_some_and(|end| end <= shared.clock.now());
    if leaving || !over {
        return;
    }
    let cause = format!("ttl:{}", ttl::label(root));
    if let Err(status) = delete(shared, &kind.gvk, root, Propagation::Background, cause).await {
        tracing::warn!(%object, %status, "an object whose time to live is over could not be deleted; it is tried again");
        let again = shared.clock.now() + jiff::SignedDuration::from_secs(10);
        let place = reference(&kind.gvk, &object.namespace, &object.name);
        shared.alarm.set(What::Ttl(place), Some(again));
    }
}
