//! Running a sync: the state machine's effects carried out through the cluster, and what came of them fed back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use ridgeway_cluster::{Causality, Cluster, DeleteOptions, Preconditions, Propagation, Reason, Status, WriteOptions, rfc3339};
use ridgeway_doc::{Doc, Map, Value};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_sync::{Effect, Event, OperationPhase, Plan, TaskId};
use tokio::time::Instant;

use crate::live::{Live, Place, version};
use crate::names::FIELD_MANAGER;
use crate::spec::Operation;

/// How many objects are written at a time.
const CONCURRENCY: usize = 16;
/// How long a kind whose definition was just applied may take to be served.
const NEW_KIND: Duration = Duration::from_secs(5);

/// Why a sync runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    /// Somebody asked for it.
    Manual(Box<Operation>),
    /// A revision is to be deployed.
    Automatic,
    /// What was changed by hand is put right.
    SelfHeal,
    /// A bad revision is replaced by a good one.
    Rollback,
}

/// What a sync is to do.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) origin: Origin,
    pub(crate) revision: String,
    pub(crate) digest: String,
    pub(crate) prune: bool,
    pub(crate) dry_run: bool,
    /// The only objects to sync; `None` for the whole Application.
    pub(crate) selected: Option<Vec<ObjectRef>>,
    /// Whether hooks are left out.
    pub(crate) skip_hooks: bool,
    pub(crate) started_at: Timestamp,
}

impl Intent {
    /// Whether the whole Application is synced, and not only some of its resources.
    pub(crate) fn is_full(&self) -> bool {
        self.selected.is_none()
    }
}

/// A sync that runs.
pub(crate) struct Running {
    machine: Option<ridgeway_sync::Operation>,
    pub(crate) intent: Intent,
    causality: Causality,
    /// Watched tasks, with the version last told.
    watches: BTreeMap<TaskId, Option<(u64, bool)>>,
    /// When the machine wants to be given a new plan.
    retry_at: Option<Instant>,
    /// Whether anything was changed.
    pub(crate) changed: bool,
    /// A failure that repeating cannot mend.
    hopeless: bool,
    /// How the last attempt failed.
    last_failure: String,
    done: Option<(OperationPhase, String)>,
}

/// What carries effects out.
pub(crate) struct Executor<'a> {
    pub(crate) cluster: &'a dyn Cluster,
    pub(crate) live: &'a Live,
    /// Where an object is written, for messages.
    pub(crate) origins: &'a (dyn Fn(&Place) -> Option<String> + Send + Sync),
}

impl Running {
    pub(crate) fn new(intent: Intent, plan: Plan, retry: ridgeway_sync::Retry, causality: Causality) -> Running {
        Running {
            machine: Some(ridgeway_sync::Operation::new(plan, retry)),
            intent,
            causality,
            watches: BTreeMap::new(),
            retry_at: None,
            changed: false,
            hopeless: false,
            last_failure: String::new(),
            done: None,
        }
    }

    /// A sync that could not even be planned.
    pub(crate) fn unplanned(intent: Intent, causality: Causality, why: String) -> Running {
        Running {
            machine: None,
            intent,
            causality,
            watches: BTreeMap::new(),
            retry_at: None,
            changed: false,
            hopeless: true,
            last_failure: why.clone(),
            done: Some((OperationPhase::Error, why)),
        }
    }

    fn plan(&self) -> Option<&Plan> {
        self.machine.as_ref().map(ridgeway_sync::Operation::plan)
    }

    /// The kinds that the sync touches.
    pub(crate) fn kinds(&self) -> Vec<Gvk> {
        self.plan().map(|plan| plan.tasks.iter().map(|task| task.gvk.clone()).collect()).unwrap_or_default()
    }

    /// How it ended.
    pub(crate) fn done(&self) -> Option<&(OperationPhase, String)> {
        self.done.as_ref()
    }

    /// When it wants to go on by itself.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether a new plan is due.
    pub(crate) fn wants_plan(&self) -> bool {
        self.done.is_none() && self.retry_at.is_some_and(|at| at <= Instant::now())
    }

    /// Whether it waits between two attempts.
    pub(crate) fn is_between_attempts(&self) -> bool {
        self.done.is_none() && self.retry_at.is_some()
    }

    /// Gives up between two attempts.
    pub(crate) fn give_up(&mut self) {
        self.done = Some((OperationPhase::Failed, self.last_failure.clone()));
    }

    /// How the last attempt failed.
    pub(crate) fn last_failure(&self) -> &str {
        &self.last_failure
    }

    /// Ends it as failed.
    pub(crate) fn fail(&mut self, why: String) {
        self.done = Some((OperationPhase::Failed, why));
    }

    /// Whether it waits for an object to become healthy.
    pub(crate) fn waits_for(&self, place: &Place) -> bool {
        self.watches.keys().any(|task| self.place(*task).as_ref() == Some(place))
    }

    fn place(&self, task: TaskId) -> Option<Place> {
        let task = self.plan()?.tasks.get(task)?;
        Some(Place {
            gvk: task.gvk.clone(),
            namespace: task.reference.namespace.clone(),
            name: task.reference.name.clone(),
        })
    }

    /// What watched objects look like now, where that is news.
    fn news(&mut self, live: &Live) -> Vec<Event> {
        let mut events = Vec::new();
        for task in self.watches.keys().copied().collect::<Vec<_>>() {
            let Some(place) = self.place(task) else { continue };
            let doc = live.get(&place);
            let state = (doc.as_ref().map_or(0, version), doc.is_some());
            if self.watches.insert(task, Some(state)) != Some(Some(state)) {
                events.push(Event::Observed { task, live: doc });
            }
        }
        events
    }
}

impl Executor<'_> {
    /// Begins a sync.
    pub(crate) async fn start(&self, running: &mut Running) {
        self.drive(running, vec![Event::Start]).await;
    }

    /// Lets a running sync see what changed.
    pub(crate) async fn observe(&self, running: &mut Running) {
        let events = running.news(self.live);
        self.drive(running, events).await;
    }

    /// Answers a retry with a new plan.
    pub(crate) async fn replan(&self, running: &mut Running, plan: Plan) {
        running.retry_at = None;
        running.hopeless = false;
        running.watches.clear();
        self.drive(running, vec![Event::Replanned(plan)]).await;
    }

    /// Stops a sync.
    pub(crate) async fn terminate(&self, running: &mut Running) {
        running.retry_at = None;
        self.drive(running, vec![Event::Terminate]).await;
        if running.done.is_none() {
            running.done = Some((OperationPhase::Failed, "the sync was stopped".into()));
        }
    }

    async fn drive(&self, running: &mut Running, events: Vec<Event>) {
        let mut events: VecDeque<Event> = events.into();
        while let Some(event) = events.pop_front() {
            if running.done.is_some() {
                return;
            }
            let Some(machine) = running.machine.take() else { return };
            let (machine, effects) = machine.step(event);
            running.machine = Some(machine);
            let mut work = Vec::new();
            let mut watched = false;
            for effect in effects {
                match effect {
                    Effect::Watch { task } => {
                        running.watches.insert(task, None);
                        watched = true;
                    }
                    Effect::Retry { after, .. } => {
                        running.last_failure = running.machine.as_ref().map(|m| m.message().to_owned()).unwrap_or_default();
                        running.watches.clear();
                        if running.hopeless {
                            running.give_up();
                        } else {
                            running.retry_at = Some(Instant::now() + after);
                        }
                    }
                    Effect::Done { phase, message } => running.done = Some((phase, message)),
                    work_effect => work.push(work_effect),
                }
            }
            if !work.is_empty() {
                let outcomes: Vec<Outcome> = {
                    let running = &*running;
                    let jobs = work.into_iter().map(|effect| self.carry_out(running, effect));
                    stream::iter(jobs).buffered(CONCURRENCY).collect().await
                };
                for outcome in outcomes {
                    running.changed |= outcome.changed;
                    running.hopeless |= outcome.hopeless;
                    events.push_back(outcome.event);
                }
            }
            if watched {
                events.extend(running.news(self.live));
            }
        }
    }

    async fn carry_out(&self, running: &Running, effect: Effect) -> Outcome {
        match effect {
            Effect::Apply { task, object, replace, force, dry_run, .. } => {
                let how = How { replace, force, dry_run: dry_run || running.intent.dry_run };
                let before = running.place(task).and_then(|place| self.live.get(&place)).map_or(0, |doc| version(&doc));
                match self.apply(running, &object, how).await {
                    Ok(doc) => {
                        if !how.dry_run {
                            self.live.wrote(&doc);
                        }
                        let changed = !how.dry_run && version(&doc) != before;
                        Outcome { event: Event::Applied { task, outcome: Ok(doc) }, changed, hopeless: false }
                    }
                    Err(status) => {
                        let place = Place::of(object.root());
                        let origin = place.as_ref().and_then(|place| (self.origins)(place));
                        let message = match origin {
                            Some(origin) => format!("{origin}: {status}"),
                            None => status.to_string(),
                        };
                        let hopeless = !transient(status.reason);
                        Outcome { event: Event::Applied { task, outcome: Err(message) }, changed: false, hopeless }
                    }
                }
            }
            Effect::Delete { task, reference, propagation } => {
                let gvk = running.plan().and_then(|plan| plan.tasks.get(task)).map(|task| task.gvk.clone());
                let gvk = gvk.unwrap_or_else(|| Gvk::new(&reference.group, "v1", &reference.kind));
                let place = Place { gvk, namespace: reference.namespace, name: reference.name };
                let outcome = self.delete(&place, propagation.into_cluster(), &running.causality, running.intent.dry_run).await;
                let changed = outcome.is_ok() && !running.intent.dry_run;
                Outcome { event: Event::Deleted { task, outcome }, changed, hopeless: false }
            }
            // Handled by the caller.
            Effect::Watch { task } => Outcome { event: Event::Observed { task, live: None }, changed: false, hopeless: false },
            Effect::Retry { .. } | Effect::Done { .. } => {
                Outcome { event: Event::Terminate, changed: false, hopeless: false }
            }
        }
    }

    async fn apply(&self, running: &Running, object: &Doc, how: How) -> Result<Doc, Status> {
        let mut options = WriteOptions::by(FIELD_MANAGER, Some(running.causality.clone())).forced();
        options.dry_run = how.dry_run;
        let node = object.root();
        let place = Place::of(node);
        let deadline = Instant::now() + NEW_KIND;
        loop {
            let attempt = match (&place, how.replace) {
                (Some(place), true) => self.replace(place, node.to_value(), how.force, options.clone()).await,
                _ if node.str_at(&["metadata", "name"]).is_none() => {
                    self.cluster.create(node.to_value(), options.clone()).await
                }
                _ => self.cluster.apply(node.to_value(), options.clone()).await,
            };
            let status = match attempt {
                Ok(doc) => return Ok(doc),
                Err(status) => status,
            };
            let planned = |kind: &str, name: &dyn Fn(&Doc) -> bool| {
                running.plan().is_some_and(|plan| {
                    plan.tasks.iter().any(|task| {
                        task.gvk.kind == kind && task.desired.as_ref().is_some_and(|desired| name(desired))
                    })
                })
            };
            let Some(place) = &place else { return Err(status) };
            let unserved = self.cluster.kinds().get(&place.gvk).is_none();
            let defines = |crd: &Doc| {
                let names = crd.root().get("spec");
                names.and_then(|spec| spec.str_at(&["group"])) == Some(&place.gvk.group)
                    && names.and_then(|spec| spec.str_at(&["names", "kind"])) == Some(&place.gvk.kind)
            };
            if unserved && planned("CustomResourceDefinition", &defines) {
                if how.dry_run {
                    // It cannot be tried before its definition is there; the sync itself will.
                    return Ok(object.clone());
                }
                if Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                    continue;
                }
            }
            let homeless = status.reason == Reason::NotFound && status.name == place.namespace;
            let makes = |namespace: &Doc| namespace.root().str_at(&["metadata", "name"]) == Some(&place.namespace);
            if how.dry_run && homeless && planned("Namespace", &makes) {
                return Ok(object.clone());
            }
            if how.force && !how.replace && matches!(status.reason, Reason::Invalid | Reason::Conflict) && !how.dry_run {
                return self.recreate(place, node.to_value(), options).await;
            }
            return Err(status);
        }
    }

    /// Puts the object in place of what is there.
    async fn replace(&self, place: &Place, mut object: Value, force: bool, options: WriteOptions) -> Result<Doc, Status> {
        let live = match self.cluster.get(&place.gvk, &place.namespace, &place.name).await {
            Ok(live) => live,
            Err(status) if status.reason == Reason::NotFound => return self.cluster.create(object, options).await,
            Err(status) => return Err(status),
        };
        if force && !options.dry_run {
            return self.recreate(place, object, options).await;
        }
        object.set(&["metadata", "resourceVersion"], live.root().str_at(&["metadata", "resourceVersion"]));
        self.cluster.update(object, options).await
    }

    /// Deletes what is there and makes it anew.
    async fn recreate(&self, place: &Place, object: Value, options: WriteOptions) -> Result<Doc, Status> {
        let delete = DeleteOptions { propagation: Propagation::Foreground, ..DeleteOptions::default() };
        match self.cluster.delete(&place.gvk, &place.namespace, &place.name, delete, options.clone()).await {
            Err(status) if status.reason != Reason::NotFound => return Err(status),
            _ => {}
        }
        let deadline = Instant::now() + NEW_KIND;
        loop {
            match self.cluster.create(object.clone(), options.clone()).await {
                Err(status) if status.reason == Reason::AlreadyExists && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(25)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Deletes an object, if it is (still) the one that we know.
    pub(crate) async fn delete(
        &self,
        place: &Place,
        propagation: Propagation,
        causality: &Causality,
        dry_run: bool,
    ) -> Result<(), String> {
        let known = self.live.get(place);
        let uid = known.as_ref().and_then(|doc| doc.root().str_at(&["metadata", "uid"])).map(str::to_owned);
        let delete = DeleteOptions {
            propagation,
            preconditions: Preconditions { uid, resource_version: None },
            grace_period_seconds: None,
        };
        let mut options = WriteOptions::by(FIELD_MANAGER, Some(causality.clone()));
        options.dry_run = dry_run;
        match self.cluster.delete(&place.gvk, &place.namespace, &place.name, delete, options).await {
            Ok(last) => {
                let lingers = last.root().at(&["metadata", "deletionTimestamp"]).is_some();
                if !dry_run && !lingers {
                    self.live.deleted(&last);
                }
                Ok(())
            }
            Err(status) if status.reason == Reason::NotFound => {
                if let (Some(known), false) = (&known, dry_run) {
                    self.live.deleted(known);
                }
                Ok(())
            }
            Err(status) => Err(status.to_string()),
        }
    }
}

/// The machine's propagation in the cluster's terms.
trait IntoCluster {
    fn into_cluster(self) -> Propagation;
}

impl IntoCluster for ridgeway_sync::Propagation {
    fn into_cluster(self) -> Propagation {
        match self {
            ridgeway_sync::Propagation::Foreground => Propagation::Foreground,
            ridgeway_sync::Propagation::Background => Propagation::Background,
            ridgeway_sync::Propagation::Orphan => Propagation::Orphan,
        }
    }
}

#[derive(Clone, Copy)]
struct How {
    replace: bool,
    force: bool,
    dry_run: bool,
}

struct Outcome {
    event: Event,
    changed: bool,
    hopeless: bool,
}

/// Whether the same request may succeed later with nothing changed in it.
fn transient(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Conflict
            | Reason::Expired
            | Reason::TooManyRequests
            | Reason::InternalError
            | Reason::ServiceUnavailable
            | Reason::Timeout
            | Reason::NotFound
            | Reason::AlreadyExists
    )
}

impl Running {
    /// `status.operationState`
    pub(crate) fn state(&self, source: Option<&Doc>, now: Timestamp) -> Value {
        let mut value = Value::object();
        value.set(&["operation"], self.operation());
        let machine = self.machine.as_ref();
        let (phase, message) = match &self.done {
            Some((phase, message)) => (phase.to_string(), message.clone()),
            None => {
                let message = machine.map(|m| m.message().to_owned()).unwrap_or_default();
                let waiting = self.retry_at.map(|_| format!("trying again after: {}", self.last_failure));
                ("Running".to_owned(), waiting.unwrap_or(message))
            }
        };
        value.set(&["phase"], phase);
        value.set(&["message"], message);
        value.set(&["startedAt"], rfc3339(self.intent.started_at));
        if self.done.is_some() {
            value.set(&["finishedAt"], rfc3339(now));
        }
        if let Some(retries) = machine.map(|m| m.retry_count()).filter(|retries| *retries > 0) {
            value.set(&["retryCount"], retries);
        }
        let mut result = Value::object();
        result.set(&["revision"], &self.intent.revision);
        if let Some(source) = source {
            result.set(&["source"], source.root());
        }
        let results = machine.map(|m| m.results()).unwrap_or_default();
        result.set(&["resources"], results.iter().map(|result| result.to_value()).collect::<Value>());
        value.set(&["syncResult"], result);
        value
    }

    fn operation(&self) -> Value {
        if let Origin::Manual(operation) = &self.intent.origin
            && let Some(doc) = &operation.doc
        {
            return doc.clone().into();
        }
        let mut value = Value::object();
        value.set(&["sync", "revision"], &self.intent.revision);
        if self.intent.prune {
            value.set(&["sync", "prune"], true);
        }
        value.set(&["initiatedBy"], self.initiated_by());
        let why = match self.intent.origin {
            Origin::SelfHeal => Some("drift was corrected"),
            Origin::Rollback => Some("a bad revision was rolled back"),
            _ => None,
        };
        if let Some(why) = why {
            let mut info = Value::object();
            info.set(&["name"], "Reason");
            info.set(&["value"], why);
            value.set(&["info"], Value::from(vec![info]));
        }
        value
    }

    fn initiated_by(&self) -> Value {
        let mut value = Value::object();
        match &self.intent.origin {
            Origin::Manual(operation) if !operation.username.is_empty() => value.set(&["username"], &operation.username),
            Origin::Manual(_) => {}
            _ => value.set(&["automated"], true),
        }
        value
    }

    /// A `status.history` entry.
    pub(crate) fn history(&self, source: Option<&Doc>, now: Timestamp) -> Map {
        let mut entry = Map::new();
        entry.insert("revision", self.intent.revision.as_str());
        entry.insert("deployedAt", rfc3339(now));
        entry.insert("deployStartedAt", rfc3339(self.intent.started_at));
        if let Some(source) = source {
            entry.insert("source", source.root());
        }
        entry.insert("initiatedBy", self.initiated_by());
        entry
    }
}
