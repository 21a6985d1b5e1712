//! Carrying out a sync's effects through the cluster, and feeding back what came of them.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use ridgeway_cluster::{Causality, Cluster, DeleteOptions, Preconditions, Propagation, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;
use ridgeway_sync::{Effect, Event, OperationPhase, Plan};
use tokio::time::Instant;

use crate::live::{Live, Place, version};
use crate::names::FIELD_MANAGER;
use crate::operation::Running;

/// How many objects are written at a time.
const CONCURRENCY: usize = 16;
/// How long a kind whose definition was just applied may take to be served.
const NEW_KIND: Duration = Duration::from_secs(5);

/// What carries effects out.
pub(crate) struct Executor<'a> {
    pub(crate) cluster: &'a dyn Cluster,
    pub(crate) live: &'a Live,
    /// Where an object is written, for messages.
    pub(crate) origins: &'a (dyn Fn(&Place) -> Option<String> + Send + Sync),
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
                        running.last_failure = running
                            .machine
                            .as_ref()
                            .map(|m| m.message().to_owned())
                            .unwrap_or_default();
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
            Effect::Apply {
                task,
                object,
                replace,
                force,
                dry_run,
                ..
            } => {
                let how = How {
                    replace,
                    force,
                    dry_run: dry_run || running.intent.dry_run,
                    anew: running.is_made_anew(task),
                };
                let before = running
                    .place(task)
                    .and_then(|place| self.live.get(&place))
                    .map_or(0, |doc| version(&doc));
                match self.apply(running, &object, how).await {
                    Ok(doc) => {
                        if !how.dry_run {
                            self.live.wrote(&doc);
                        }
                        let changed = !how.dry_run && version(&doc) != before;
                        Outcome {
                            event: Event::Applied { task, outcome: Ok(doc) },
                            changed,
                            hopeless: false,
                        }
                    }
                    Err(status) => {
                        let place = Place::of(object.root());
                        let origin = place.as_ref().and_then(|place| (self.origins)(place));
                        let message = match origin {
                            Some(origin) => format!("{origin}: {status}"),
                            None => status.to_string(),
                        };
                        let hopeless = !transient(status.reason);
                        Outcome {
                            event: Event::Applied {
                                task,
                                outcome: Err(message),
                            },
                            changed: false,
                            hopeless,
                        }
                    }
                }
            }
            Effect::Delete {
                task,
                reference,
                propagation,
            } => {
                let gvk = running
                    .plan()
                    .and_then(|plan| plan.tasks.get(task))
                    .map(|task| task.gvk.clone());
                let gvk = gvk.unwrap_or_else(|| Gvk::new(&reference.group, "v1", &reference.kind));
                let place = Place {
                    gvk,
                    namespace: reference.namespace,
                    name: reference.name,
                };
                let outcome = self
                    .delete(
                        &place,
                        propagation.into_cluster(),
                        &running.causality,
                        running.intent.dry_run,
                    )
                    .await;
                let changed = outcome.is_ok() && !running.intent.dry_run;
                Outcome {
                    event: Event::Deleted { task, outcome },
                    changed,
                    hopeless: false,
                }
            }
            // Handled by the caller.
            Effect::Watch { task } => Outcome {
                event: Event::Observed { task, live: None },
                changed: false,
                hopeless: false,
            },
            Effect::Retry { .. } | Effect::Done { .. } => Outcome {
                event: Event::Terminate,
                changed: false,
                hopeless: false,
            },
        }
    }

    async fn apply(&self, running: &Running, object: &Doc, how: How) -> Result<Doc, Status> {
        let mut options = WriteOptions::by(FIELD_MANAGER, Some(running.causality.clone())).forced();
        options.dry_run = how.dry_run;
        let node = object.root();
        let place = Place::of(node);
        let mut value = node.to_value();
        if acted_on(node) {
            value.set(
                &["metadata", "annotations", Causality::ANNOTATION],
                running.causality.as_str(),
            );
        }
        let deadline = Instant::now() + NEW_KIND;
        loop {
            let attempt = match (&place, how.replace) {
                (Some(place), _) if how.dry_run && (how.anew || how.force) && self.live.get(place).is_some() => {
                    self.try_new(value.clone(), options.clone()).await
                }
                (Some(place), true) => self.replace(place, value.clone(), how.force, options.clone()).await,
                _ if node.str_at(&["metadata", "name"]).is_none() => {
                    self.cluster.create(value.clone(), options.clone()).await
                }
                _ => self.cluster.apply(value.clone(), options.clone()).await,
            };
            let status = match attempt {
                Ok(doc) => return Ok(doc),
                Err(status) => status,
            };
            let planned = |kind: &str, name: &dyn Fn(&Doc) -> bool| {
                running.plan().is_some_and(|plan| {
                    plan.tasks
                        .iter()
                        .any(|task| task.gvk.kind == kind && task.desired.as_ref().is_some_and(name))
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
            if how.force && !how.replace && matches!(status.reason, Reason::Invalid | Reason::Conflict) && !how.dry_run
            {
                return self.recreate(place, value.clone(), options).await;
            }
            return Err(status);
        }
    }

    /// Tries an object as if it were not there yet: under a name of its own.
    async fn try_new(&self, mut object: Value, options: WriteOptions) -> Result<Doc, Status> {
        let name = object
            .node()
            .str_at(&["metadata", "name"])
            .unwrap_or_default()
            .to_owned();
        object.remove(&["metadata", "name"]);
        object.set(&["metadata", "generateName"], format!("{name}-"));
        self.cluster.create(object, options).await
    }

    /// Puts the object in place of what is there.
    async fn replace(
        &self,
        place: &Place,
        mut object: Value,
        force: bool,
        options: WriteOptions,
    ) -> Result<Doc, Status> {
        let live = match self.cluster.get(&place.gvk, &place.namespace, &place.name).await {
            Ok(live) => live,
            Err(status) if status.reason == Reason::NotFound => return self.cluster.create(object, options).await,
            Err(status) => return Err(status),
        };
        if force && !options.dry_run {
            return self.recreate(place, object, options).await;
        }
        object.set(
            &["metadata", "resourceVersion"],
            live.root().str_at(&["metadata", "resourceVersion"]),
        );
        self.cluster.update(object, options).await
    }

    /// Deletes what is there and makes it anew.
    async fn recreate(&self, place: &Place, object: Value, options: WriteOptions) -> Result<Doc, Status> {
        let delete = DeleteOptions {
            propagation: Propagation::Foreground,
            ..DeleteOptions::default()
        };
        match self
            .cluster
            .delete(&place.gvk, &place.namespace, &place.name, delete, options.clone())
            .await
        {
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
        let uid = known
            .as_ref()
            .and_then(|doc| doc.root().str_at(&["metadata", "uid"]))
            .map(str::to_owned);
        let delete = DeleteOptions {
            propagation,
            preconditions: Preconditions {
                uid,
                resource_version: None,
            },
            grace_period_seconds: None,
        };
        let mut options = WriteOptions::by(FIELD_MANAGER, Some(causality.clone()));
        options.dry_run = dry_run;
        match self
            .cluster
            .delete(&place.gvk, &place.namespace, &place.name, delete, options)
            .await
        {
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
    /// Whether what is there is deleted before, so that its immutable fields do not matter.
    anew: bool,
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
/// Whether other planes act on objects of this kind, and should know why: what runs, what leads to it, what it stores in.
fn acted_on(object: Node<'_>) -> bool {
    let group = object
        .text_at(&["apiVersion"])
        .split_once('/')
        .map_or("", |(group, _)| group);
    matches!(
        (group, object.text_at(&["kind"])),
        ("apps", _) | ("batch", _) | ("", "Pod" | "Service" | "PersistentVolumeClaim") | ("policy", _)
    )
}
