//! [`Guard`]: what is shared, what is told to whom, and the tasks.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ridgeway_cluster::{Causality, Change, Clock, Cluster, Gate, ListOptions, Queue, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_policy::{CompileError, RuleResult};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::alarm::{self, Alarm};
use crate::cleanup::{self, Cleanup};
use crate::exception::{self, ExceptionView};
use crate::existing::{self, Existing};
use crate::gate::Admission;
use crate::generate::{self, Reconciler, Work};
use crate::generated::Mark;
use crate::global::{self, Fetch};
use crate::mirror::{Mirror, Seen};
use crate::policies::Policies;
use crate::refused::Refused;
use crate::scan::{self, Scan};
use crate::snapshot::{Snapshot, constraint_kind};
use crate::source::{self, Role, reference, text};
use crate::trend::{self, Trend};
use crate::view::{self, PolicyView, ViolationView};
use crate::{constraint, exempt, install, interest, playground, report, status};

/// How long changes are gathered before policies are compiled: a sync stores many at once.
const GATHER: Duration = Duration::from_millis(4);
/// How many changed scores a slow reader may lag behind.
const SCORES: usize = 1024;
/// How long violations of a constraint are gathered before its status tells of them.
const STATUS_PAUSE: Duration = Duration::from_millis(500);
/// The pause before a template is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What all parts read.
pub(crate) struct Shared {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mirror: Arc<Mirror>,
    pub(crate) policies: Policies,
    pub(crate) refused: Refused,
    pub(crate) scan: Scan,
    pub(crate) generate: Reconciler,
    pub(crate) scores: broadcast::Sender<String>,
    pub(crate) alarm: Alarm,
    pub(crate) trend: Trend,
    pub(crate) cleanup: Cleanup,
    pub(crate) existing: Existing,
    /// Templates whose constraint kind is to be served or withdrawn.
    templates: Queue<(String, String)>,
    /// Policies whose status is to be written.
    pub(crate) statuses: Queue<ObjectRef>,
    /// Whether the stored policies have been compiled: before that, nothing may be taken for gone.
    pub(crate) started: watch::Sender<bool>,
    snapshot: RwLock<Arc<Snapshot>>,
}

impl Shared {
    /// The snapshot in force.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells that a policy's score has changed.
    pub(crate) fn tell(&self, policy: String) {
        let snapshot = self.snapshot();
        if let Some(unit) = snapshot.units.values().find(|unit| unit.id == policy)
            && source::role(&unit.key.group, &unit.key.kind) == Some(Role::Constraint)
        {
            self.statuses.add_after(unit.key.clone(), STATUS_PAUSE);
        }
        self.trend.note(&policy, self.scan.score(&policy), self.clock.now());
        let _ = self.scores.send(policy);
    }

    /// Stores how scores went, for the next start.
    pub(crate) async fn keep_trend(&self) {
        for unit in self.snapshot().units.values() {
            self.trend.note(&unit.id, self.scan.score(&unit.id), self.clock.now());
        }
        let options = WriteOptions::by(install::MANAGER, Some(Causality::new("policy:trend"))).forced();
        if let Err(status) = self.cluster.apply(self.trend.stored(), options).await {
            tracing::warn!(%status, "the trend of policies could not be kept");
        }
        self.alarm.set(alarm::What::Hour, trend::next_hour(self.clock.now()));
    }

    /// Tells of the policies that an exception is about: their pages show it.
    fn tell_of_exception(&self, snapshot: &Snapshot, key: &ObjectRef) {
        let Some(stand) = snapshot.exceptions.get(key) else {
            return;
        };
        for unit in snapshot.units.values() {
            if exception::names(stand.doc.root(), &unit.key.kind, &unit.spoken) {
                let _ = self.scores.send(unit.id.clone());
            }
        }
    }

    /// Compiles the stored policies and puts them in force.
    fn rebuild(&self) {
        let table = self.cluster.kinds();
        let before = self.snapshot();
        let now = self.clock.now();
        let next = Arc::new(Snapshot::build(&self.policies.all(), &table, &before, now));
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        self.mirror.enforce(next.rules.clone());
        self.alarm.set(alarm::What::Expiry, next.next_expiry());
        cleanup::plan(self, &next);
        global::plan(self, &next);
        let (changed, gone) = next.changed(&before);
        tracing::debug!(
            policies = next.units.len(),
            changed = changed.len(),
            gone = gone.len(),
            "policies in force"
        );
        let generates = changed.iter().any(|unit| !unit.generates.is_empty())
            || gone.iter().any(|id| {
                before
                    .units
                    .values()
                    .any(|unit| unit.id == *id && !unit.generates.is_empty())
            })
            || changed
                .iter()
                .any(|unit| before.units.get(&unit.key).is_some_and(|old| !old.generates.is_empty()));
        for unit in &changed {
            if let Some(fault) = unit.faults.first() {
                tracing::error!(policy = unit.spoken, %fault, "a stored policy is not in force as it is written");
            }
            self.existing.forgive(&unit.id, &unit.spoken);
            for object in self.scan.objects_of(&unit.id) {
                self.scan.ask_by(object, &unit.id);
            }
            for gvk in unit.interest.judged.resolve(&table) {
                for object in scan::objects(self, &gvk, None) {
                    self.scan.ask_by(object, &unit.id);
                }
            }
            for gvk in unit.interest.movers.resolve(&table) {
                for object in scan::objects(self, &gvk, None) {
                    self.existing.ask(object);
                }
            }
            self.statuses.add(unit.key.clone());
            self.tell(unit.id.clone());
        }
        for id in gone {
            self.scan.forget(&id);
            self.tell(id.clone());
            self.trend.forget(&id);
        }
        for key in next.changed_exceptions(&before) {
            self.statuses.add(key.clone());
            self.tell_of_exception(&next, key);
        }
        for key in before
            .exceptions
            .keys()
            .filter(|key| !next.exceptions.contains_key(*key))
        {
            self.tell_of_exception(&before, key);
        }
        for template in next.changed_templates(&before) {
            self.templates.add(template);
        }
        if generates {
            next.triggers
                .resolve(&table)
                .iter()
                .for_each(|gvk| self.ask_triggers(gvk));
            self.generate.queue.add(Work::Sweep);
        }
    }

    /// Follows what the snapshot is about.
    fn follow(self: &Arc<Self>) {
        self.cleanup.ttl.follow(self);
        let table = self.cluster.kinds();
        let snapshot = self.snapshot();
        let constraints: Vec<Gvk> = snapshot.templates.keys().map(|kind| source::constraint(kind)).collect();
        self.mirror.follow(
            base(&table)
                .into_iter()
                .chain(constraints)
                .chain(snapshot.followed(&table))
                .chain(self.mirror.globals.kinds(&table)),
        );
    }

    /// Looks again at what changes others: the kinds of its targets may be followed only now.
    fn ask_movers(&self, gvk: &Gvk) {
        let snapshot = self.snapshot();
        let about = |unit: &&Arc<crate::snapshot::Unit>| {
            unit.interest.movers.contains(&gvk.group, &gvk.kind) || unit.interest.made.contains(&gvk.group, &gvk.kind)
        };
        let table = self.cluster.kinds();
        for unit in snapshot.units.values().filter(about) {
            for gvk in unit.interest.movers.resolve(&table) {
                for object in scan::objects(self, &gvk, None) {
                    self.existing.ask(object);
                }
            }
        }
    }

    /// Judges again by the policies whose parameters are of a kind.
    fn ask_by_parameters(&self, gvk: &Gvk) {
        let snapshot = self.snapshot();
        let table = self.cluster.kinds();
        for unit in snapshot.units.values().filter(|unit| unit.has_parameters(gvk)) {
            for judged in unit.interest.judged.resolve(&table) {
                for object in scan::objects(self, &judged, None) {
                    self.scan.ask_by(object, &unit.id);
                }
            }
        }
    }

    /// Judges again by the policies that read a global context entry.
    pub(crate) fn ask_by_global(&self, entry: &str) {
        let snapshot = self.snapshot();
        let table = self.cluster.kinds();
        for unit in snapshot.units.values().filter(|unit| unit.reads_global(entry)) {
            for judged in unit.interest.judged.resolve(&table) {
                for object in scan::objects(self, &judged, None) {
                    self.scan.ask_by(object, &unit.id);
                }
            }
        }
    }

    fn ask_triggers(&self, gvk: &Gvk) {
        for object in scan::objects(self, gvk, None) {
            self.generate.queue.add(Work::Trigger(object));
        }
    }

    /// Hands a change to whom it concerns. Says whether policies have to be compiled.
    fn route(&self, gvk: &Gvk, change: &Change) -> bool {
        let object = reference(gvk, &change.key.0, &change.key.1);
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        let differs = match (old, new) {
            (Some(old), Some(new)) => exempt::differs(old.root(), new.root()),
            _ => true,
        };
        let mut compile = false;
        if source::role(&gvk.group, &gvk.kind).is_some() {
            compile = self.policies.put(object.clone(), new);
        }
        if !differs {
            return compile;
        }
        if gvk.kind == "CustomResourceDefinition" {
            return true;
        }
        self.ask_by_parameters(gvk);
        for entry in self.mirror.globals.of_kind(gvk, &self.cluster.kinds()) {
            self.ask_by_global(&entry);
        }
        let snapshot = self.snapshot();
        if snapshot.movers.contains(&gvk.group, &gvk.kind) {
            self.existing.observe(&object, change, self.clock.now());
        }
        let standard = interest::pods().contains(&gvk.group, &gvk.kind);
        if !exempt::kind(&gvk.group, &gvk.kind) && (standard || snapshot.judged.contains(&gvk.group, &gvk.kind)) {
            self.scan.ask(object.clone());
        }
        // Objects may have been seen before their namespace was.
        if gvk.kind == "Namespace" && gvk.group.is_empty() && new.is_some() {
            self.labels_changed(&object.name, old, new);
        }
        self.route_generate(gvk, &object, change, &snapshot);
        compile
    }

    /// Namespace labels decide which rules and standards are for the objects in it.
    fn labels_changed(&self, namespace: &str, old: Option<&Doc>, new: Option<&Doc>) {
        let labels = |doc: Option<&Doc>| doc.and_then(|doc| doc.root().at(&["metadata", "labels"]).map(Node::to_json));
        if labels(old) == labels(new) {
            return;
        }
        let snapshot = self.snapshot();
        for gvk in self.mirror.followed() {
            if interest::pods().contains(&gvk.group, &gvk.kind) || snapshot.judged.contains(&gvk.group, &gvk.kind) {
                scan::objects(self, &gvk, Some(namespace))
                    .into_iter()
                    .for_each(|object| self.scan.ask(object));
            }
        }
    }

    fn route_generate(&self, gvk: &Gvk, object: &ObjectRef, change: &Change, snapshot: &Snapshot) {
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        let state = &self.generate;
        state.index.observe(gvk, object, new);
        state.index.trigger(object, old, new);
        for mark in [old, new]
            .into_iter()
            .flatten()
            .filter_map(|doc| Mark::read(doc.root()))
        {
            if !mark.synchronize {
                continue;
            }
            match state.index.find_trigger(&mark.trigger) {
                Some(trigger) => state.queue.add(Work::Trigger(trigger)),
                None => state.queue.add(Work::Sweep),
            }
        }
        if snapshot.triggers.contains(&gvk.group, &gvk.kind) {
            if old.is_some() && new.is_some() {
                state.index.touch(object, self.clock.now());
            }
            state.queue.add(Work::Trigger(object.clone()));
            if new.is_none() || old.is_some_and(|old| uid(old) != new.map_or("", uid)) {
                state.queue.add(Work::Sweep);
            }
        }
        if snapshot.copied.contains(&gvk.group, &gvk.kind) && new.is_none_or(|doc| Mark::read(doc.root()).is_none()) {
            let table = self.cluster.kinds();
            for unit in snapshot
                .units
                .values()
                .filter(|unit| unit.interest.copied.contains(&gvk.group, &gvk.kind))
            {
                unit.interest
                    .triggers
                    .resolve(&table)
                    .iter()
                    .for_each(|gvk| self.ask_triggers(gvk));
            }
        }
    }

    /// Works the queue of templates until the future is dropped.
    async fn serve_templates(self: Arc<Self>) {
        let mut started = self.started.subscribe();
        if started.wait_for(|started| *started).await.is_err() {
            return;
        }
        loop {
            let work = self.templates.next().await;
            let (name, kind) = &work;
            let snapshot = self.snapshot();
            let template = snapshot
                .templates
                .get(kind)
                .filter(|t| text(t.doc.root(), &["metadata", "name"]) == name);
            let served = match template {
                Some(template) if snapshot.template_is_good(name) => {
                    constraint::serve(&*self.cluster, &template.doc).await
                }
                Some(_) => Ok(None),
                None if snapshot.templates.contains_key(kind) => Ok(None),
                None => constraint::withdraw(&*self.cluster, name, kind).await.map(|()| None),
            };
            match served {
                Ok(gvk) => self.mirror.follow(gvk),
                Err(status) => {
                    tracing::warn!(template = name, %status, "the constraint kind of a template is not served yet");
                    self.templates.add_after(work.clone(), RETRY);
                }
            }
            self.templates.done(&work);
        }
    }
}

fn uid(doc: &Doc) -> &str {
    text(doc.root(), &["metadata", "uid"])
}

fn object_of(gvk: &Gvk, doc: &Doc) -> ObjectRef {
    reference(
        gvk,
        text(doc.root(), &["metadata", "namespace"]),
        text(doc.root(), &["metadata", "name"]),
    )
}

/// The kinds that are always followed.
fn base(table: &ridgeway_krm::KindTable) -> Vec<Gvk> {
    let own = [
        Gvk::new("", "v1", "Namespace"),
        Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
    ];
    source::kinds()
        .into_iter()
        .chain(own)
        .chain(exception::access())
        .chain(interest::pods().resolve(table))
        .collect()
}

/// Policy as a plane: the gate, the reconcilers and the read model.
pub struct Guard {
    shared: Arc<Shared>,
    told: Mutex<Option<mpsc::UnboundedReceiver<Seen>>>,
    ready: watch::Sender<bool>,
}

impl Guard {
    /// A guard over a cluster whose client carries its identity.
    pub fn new(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>) -> Arc<Guard> {
        let (mirror, told) = Mirror::new(cluster.clone());
        let shared = Arc::new(Shared {
            cluster,
            clock,
            mirror,
            policies: Policies::default(),
            refused: Refused::default(),
            scan: Scan::default(),
            generate: Reconciler::default(),
            scores: broadcast::channel(SCORES).0,
            alarm: Alarm::default(),
            trend: Trend::default(),
            cleanup: Cleanup::default(),
            existing: Existing::default(),
            templates: Queue::new(),
            statuses: Queue::new(),
            started: watch::channel(false).0,
            snapshot: RwLock::default(),
        });
        Arc::new(Guard {
            shared,
            told: Mutex::new(Some(told)),
            ready: watch::channel(false).0,
        })
    }

    /// Takes who calls the services of global context entries; without one, none is called.
    pub fn fetch_with(&self, fetcher: Arc<dyn Fetch>) {
        self.shared.mirror.globals.fetch_with(fetcher);
    }

    /// Installs the policy kinds, and puts the policies in force that are stored already: a gate that is set after this
    /// has no moment in which it knows none.
    pub fn install_crds(&self) -> BoxFuture<'_, Result<(), Status>> {
        self.install().boxed()
    }

    async fn install(&self) -> Result<(), Status> {
        let shared = &self.shared;
        install::install(&*shared.cluster).await?;
        let mut kinds = source::kinds();
        let mut at = 0;
        while let Some(gvk) = kinds.get(at).cloned() {
            at += 1;
            let list = match shared.cluster.list(&gvk, None, &ListOptions::default()).await {
                // The constraint kind of a template that was stored a moment ago.
                Err(status) if status.reason == Reason::NotFound => continue,
                list => list?,
            };
            for doc in list.items {
                if gvk == source::template() {
                    kinds.push(source::constraint(constraint_kind(doc.root())));
                }
                shared.policies.put(object_of(&gvk, &doc), Some(&doc));
            }
        }
        if let Ok(kept) = shared.cluster.get(&trend::kind(), trend::NAMESPACE, trend::NAME).await {
            shared.trend.load(kept.root());
        }
        shared
            .alarm
            .set(alarm::What::Hour, trend::next_hour(shared.clock.now()));
        shared.rebuild();
        Ok(())
    }

    /// What the control plane asks before it commits a change.
    pub fn gate(&self) -> Arc<dyn Gate> {
        Arc::new(Admission(self.shared.clone()))
    }

    /// Waits until the stored policies are in force and the kinds that they are about are followed.
    pub async fn synced(&self) {
        let mut ready = self.ready.subscribe();
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Runs the reconcilers until told to stop. A second call does nothing.
    pub fn run(self: Arc<Self>, stop: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        self.work(stop).boxed()
    }

    async fn work(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(told) = told else { return };
        let mut tasks = JoinSet::new();
        tasks.spawn(scan::work(self.shared.clone()));
        tasks.spawn(generate::work(self.shared.clone()));
        tasks.spawn(self.shared.clone().serve_templates());
        tasks.spawn(status::work(self.shared.clone()));
        tasks.spawn(alarm::work(self.shared.clone()));
        tasks.spawn(cleanup::work(self.shared.clone()));
        tasks.spawn(existing::work(self.shared.clone()));
        tasks.spawn(global::work(self.shared.clone()));
        tokio::select! {
            () = self.follow(told) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        self.shared.mirror.stop();
        self.shared.cleanup.ttl.stop();
    }

    /// Follows the cluster and hands on what it tells.
    async fn follow(&self, mut told: mpsc::UnboundedReceiver<Seen>) {
        let shared = &self.shared;
        shared.follow();
        let mut compile = true;
        while let Some(first) = told.recv().await {
            let mut batch = vec![first];
            tokio::time::sleep(GATHER).await;
            while let Ok(next) = told.try_recv() {
                batch.push(next);
            }
            for seen in batch {
                match seen {
                    Seen::Change(gvk, change) => compile |= shared.route(&gvk, &change),
                    Seen::Expired => compile = true,
                    Seen::Synced(gvk) => {
                        shared.mirror.mark_synced(&gvk);
                        shared.generate.queue.add(Work::Sweep);
                        shared.ask_movers(&gvk);
                        shared.ask_by_parameters(&gvk);
                        if shared.snapshot().triggers.contains(&gvk.group, &gvk.kind) {
                            shared.ask_triggers(&gvk);
                        }
                    }
                }
            }
            let policies = source::kinds()
                .iter()
                .all(|gvk| shared.mirror.is_synced(&gvk.group, &gvk.kind));
            if compile && policies {
                compile = false;
                // Compiling many policies takes a while; the thread has other work meanwhile.
                let building = shared.clone();
                if tokio::task::spawn_blocking(move || building.rebuild()).await.is_err() {
                    tracing::error!("compiling the policies was cut off");
                }
                shared.follow();
                shared.started.send_replace(true);
            }
            let all = shared
                .mirror
                .followed()
                .iter()
                .all(|gvk| shared.mirror.is_synced(&gvk.group, &gvk.kind));
            if policies && all {
                self.ready.send_replace(true);
            }
        }
    }

    /// The policies, their scores and their faults.
    pub fn policies(&self) -> Vec<PolicyView> {
        view::policies(&self.shared)
    }

    /// The exceptions, whether they count or not.
    pub fn exceptions(&self) -> Vec<ExceptionView> {
        view::exceptions(&self.shared)
    }

    /// The stored objects that violate rules.
    pub fn violations(&self) -> Vec<ViolationView> {
        view::violations(&self.shared)
    }

    /// The policy reports of a kind in a namespace (`None`: in all), put together now.
    pub fn reports(&self, gvk: &Gvk, namespace: Option<&str>) -> Vec<Doc> {
        report::reports(&self.shared, gvk, namespace)
    }

    /// Ids of policies whose score changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<String> {
        self.shared.scores.subscribe()
    }

    /// What policies say about resources, and what is wrong with the policies; nothing is stored.
    pub fn evaluate(&self, resources: &[Doc], policies: &[Doc]) -> (Vec<(String, RuleResult)>, Vec<CompileError>) {
        playground::evaluate(resources, policies, self.shared.clock.now())
    }
}
