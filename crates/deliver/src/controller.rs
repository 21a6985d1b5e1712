//! The controller: what wakes it, what it remembers, and its workers.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ridgeway_cluster::{Change, Clock, Cluster, EventRecorder, EventType, ListOptions, Queue, Reflector};
use ridgeway_doc::{Doc, Node};
use ridgeway_git::{PushEvent, Repositories};
use ridgeway_krm::Gvk;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::compare::Verdicts;
use crate::credentials;
use crate::desired::{Desired, Renderings};
use crate::heal::HealPace;
use crate::live::{Live, version};
use crate::names;
use crate::operation::Running;
use crate::project::Project;
use crate::promotion::PromotionSpec;
use crate::spec::{AppKey, Application};

const EVENT_BUFFER: usize = 1024;

/// How the controller works.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespace of Applications that are tracked by their bare name.
    pub control_plane: String,
    /// How many Applications are worked on at a time.
    pub workers: usize,
    /// How often an Application is looked at without any event.
    pub resync: Duration,
    /// How often repositories elsewhere are fetched.
    pub poll: Duration,
    /// How long a revision must be healthy without a break before it is trusted
    /// (annotation `ridgeway.dev/rollback-window`).
    pub rollback_window: Duration,
    /// How long a revision may take to become healthy (annotation `ridgeway.dev/health-deadline`).
    pub health_deadline: Duration,
    /// After how long a failed automatic sync of the same revision is tried again.
    pub retry_failed: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            control_plane: "argocd".into(),
            workers: 8,
            resync: Duration::from_secs(180),
            poll: Duration::from_secs(60),
            rollback_window: Duration::from_secs(60),
            health_deadline: Duration::from_secs(600),
            retry_failed: Duration::from_secs(180),
        }
    }
}

/// A unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    Application(AppKey),
    Promotion(AppKey),
    ApplicationSet(AppKey),
    /// Every Application: what all of them rest on has changed.
    All,
}

/// What is remembered of an Application between two looks at it. Everything that must survive a restart is in its status.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) renderings: Renderings,
    pub(crate) prepared: HashMap<String, Desired>,
    pub(crate) verdicts: Verdicts,
    pub(crate) running: Option<Running>,
    pub(crate) pace: HealPace,
    /// The Application as our last write of it left it.
    pub(crate) latest: Option<Doc>,
    /// When the queue brings the Application back by itself.
    wake_at: Option<Instant>,
}

impl Memory {
    /// Asks to be brought back after a pause; `None` when that is arranged already, and as early.
    pub(crate) fn wake(&mut self, pause: Duration) -> Option<Duration> {
        let now = Instant::now();
        let at = now + pause;
        if self.wake_at.is_some_and(|known| known > now && known <= at) {
            return None;
        }
        self.wake_at = Some(at);
        Some(pause)
    }
}

/// The GitOps controllers.
pub struct Deliver {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) live: Live,
    pub(crate) queue: Queue<Work>,
    pub(crate) memories: Mutex<HashMap<AppKey, Arc<tokio::sync::Mutex<Memory>>>>,
    /// Why repositories elsewhere could not be fetched, by URL.
    pub(crate) unfetched: Mutex<HashMap<String, String>>,
    changes: broadcast::Sender<AppKey>,
    started: OnceLock<Started>,
}

/// What exists only while the controller runs.
struct Started {
    applications: Arc<Reflector>,
    projects: Arc<Reflector>,
    promotions: Arc<Reflector>,
    sets: Arc<Reflector>,
    /// Kept running for what their listeners do.
    _others: Vec<Arc<Reflector>>,
    events: EventRecorder,
}

impl Deliver {
    /// Controllers over a cluster (whose client carries their identity) and its repositories.
    pub fn new(
        cluster: Arc<dyn Cluster>,
        repositories: Arc<Repositories>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Arc<Deliver> {
        let queue: Queue<Work> = Queue::new();
        let changes = broadcast::channel(EVENT_BUFFER).0;
        let listener = {
            let (queue, changes, control_plane) = (queue.clone(), changes.clone(), options.control_plane.clone());
            move |instance: &str, _managed: bool| {
                let key = AppKey::of_instance(instance, &control_plane);
                let _ = changes.send(key.clone());
                queue.add(Work::Application(key));
            }
        };
        let live = Live::new(cluster.clone(), Box::new(listener));
        Arc::new(Deliver {
            cluster,
            repositories,
            clock,
            options,
            live,
            queue,
            memories: Mutex::default(),
            unfetched: Mutex::default(),
            changes,
            started: OnceLock::new(),
        })
    }

    /// Applications whose objects, health or status may have changed.
    pub fn subscribe(&self) -> broadcast::Receiver<AppKey> {
        self.changes.subscribe()
    }

    /// Runs until told to stop. The custom resources must be installed (see [`crate::install_crds`]) or appear later.
    pub fn run(self: Arc<Self>, shutdown: watch::Receiver<bool>) -> BoxFuture<'static, ()> {
        self.drive(shutdown).boxed()
    }

    async fn drive(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let stop = async move {
            // A sender that is gone asks for the same.
            let _ = shutdown.wait_for(|stop| *stop).await;
        };
        tokio::pin!(stop);
        let begin = self.begin();
        tokio::select! {
            () = &mut stop => return,
            () = begin => {}
        }
        let mut tasks = JoinSet::new();
        for _ in 0..self.options.workers.max(1) {
            tasks.spawn(self.clone().work());
        }
        tasks.spawn(self.clone().hear_pushes());
        tasks.spawn(self.clone().poll());
        stop.await;
    }

    /// Starts the live copies and waits for them.
    async fn begin(&self) {
        let reflect = |gvk: Gvk, listener: Box<dyn Fn(&Change) + Send + Sync>| {
            Reflector::start(self.cluster.clone(), gvk, ListOptions::default(), listener)
        };
        let key = |change: &Change| AppKey::new(&change.key.0, &change.key.1);
        let (queue, changes) = (self.queue.clone(), self.changes.clone());
        let applications = reflect(
            names::application(),
            Box::new(move |change| {
                let _ = changes.send(key(change));
                queue.add(Work::Application(key(change)));
            }),
        );
        let queue = self.queue.clone();
        let promotions = reflect(
            names::promotion(),
            Box::new(move |change| {
                queue.add(Work::Promotion(key(change)));
                let docs = [&change.old, &change.new].into_iter().flatten();
                let stages = docs.flat_map(|doc| PromotionSpec::read(doc.root()).0.stages);
                stages.for_each(|stage| queue.add(Work::Application(stage.app)));
            }),
        );
        let queue = self.queue.clone();
        let sets = reflect(
            names::application_set(),
            Box::new(move |change| queue.add(Work::ApplicationSet(key(change)))),
        );
        let queue = self.queue.clone();
        let projects = reflect(names::app_project(), Box::new(move |_| queue.add(Work::All)));
        let queue = self.queue.clone();
        let definition = Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let definitions = reflect(
            definition,
            Box::new(move |change| {
                // Its status changes often; what it defines does not.
                let spec = |doc: &Option<Doc>| doc.as_ref().and_then(|doc| Some(doc.root().get("spec")?.to_json()));
                if spec(&change.old) != spec(&change.new) {
                    queue.add(Work::All);
                }
            }),
        );
        let (queue, repositories) = (self.queue.clone(), self.repositories.clone());
        let secrets = Reflector::start(
            self.cluster.clone(),
            Gvk::new("", "v1", "Secret"),
            ListOptions {
                labels: credentials::SELECTOR.into(),
                fields: String::new(),
            },
            move |change| {
                credentials::take(&repositories, change);
                queue.add(Work::All);
            },
        );
        let started = Started {
            applications,
            projects,
            promotions,
            sets,
            _others: vec![definitions, secrets.clone()],
            events: EventRecorder::new(self.cluster.clone(), "ridgeway-deliver", self.clock.clone()),
        };
        let started = self.started.get_or_init(|| started);
        // Children of what people deploy: their health is in their Pods.
        let children = [
            ("", "v1", "Pod"),
            ("apps", "v1", "ReplicaSet"),
            ("batch", "v1", "Job"),
            ("", "v1", "Namespace"),
        ];
        self.live
            .ensure(children.map(|(group, version, kind)| Gvk::new(group, version, kind)))
            .await;
        for reflector in [
            &started.projects,
            &started.promotions,
            &started.sets,
            &started.applications,
        ] {
            reflector.synced().await;
        }
        for doc in started.applications.list(None) {
            self.queue.add(Work::Application(key_of(&doc)));
        }
    }

    async fn work(self: Arc<Self>) {
        loop {
            let work = self.queue.next().await;
            match &work {
                Work::Application(key) => self.reconcile(key).await,
                Work::Promotion(key) => self.promote(key).await,
                Work::ApplicationSet(key) => self.generate(key).await,
                Work::All => self.each_application(|app| self.queue.add(Work::Application(app.key))),
            }
            self.queue.done(&work);
        }
    }

    /// Wakes the Applications that a moved reference concerns.
    async fn hear_pushes(self: Arc<Self>) {
        let mut pushes = self.repositories.subscribe();
        loop {
            match pushes.recv().await {
                Ok(push) => self.hear(&push),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(
                        missed,
                        "more pushes than could be followed; looking at every Application"
                    );
                    self.each_application(|app| self.queue.add(Work::Application(app.key)));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn hear(&self, push: &PushEvent) {
        self.each_application(|app| {
            let repo = self
                .repositories
                .own_name(&app.source.repo_url)
                .unwrap_or(app.source.repo_url.clone());
            let wanted = app.source.target_revision.as_str();
            let short = push
                .refname
                .trim_start_matches("refs/heads/")
                .trim_start_matches("refs/tags/");
            if repo == push.repo && (wanted == "HEAD" || wanted == short || wanted == push.refname) {
                self.queue.add(Work::Application(app.key));
            }
        });
    }

    /// Fetches repositories elsewhere.
    async fn poll(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.options.poll).await;
            let mut urls = BTreeSet::new();
            self.each_application(|app| {
                if self.repositories.own_name(&app.source.repo_url).is_none() && !app.source.repo_url.is_empty() {
                    urls.insert(app.source.repo_url);
                }
            });
            for url in urls {
                if self.fetch(&url).await {
                    self.each_application(|app| {
                        if app.source.repo_url == url {
                            self.queue.add(Work::Application(app.key));
                        }
                    });
                }
            }
        }
    }

    /// Fetches one repository. Returns whether Applications should hear of how that went.
    pub(crate) async fn fetch(&self, url: &str) -> bool {
        let outcome = self.repositories.refresh(url).await;
        let mut unfetched = self.unfetched.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => unfetched.remove(url).is_some(),
            Err(error) => {
                let text = credentials::told(&error);
                unfetched.insert(url.to_owned(), text.clone()) != Some(text)
            }
        }
    }

    pub(crate) fn each_application(&self, mut with: impl FnMut(Application)) {
        let Some(started) = self.started.get() else { return };
        started
            .applications
            .list(None)
            .iter()
            .for_each(|doc| with(Application::read(doc).0));
    }

    /// An Application as new as anything we know.
    pub(crate) fn application(&self, key: &AppKey, latest: Option<&Doc>) -> Option<Doc> {
        let seen = self.started.get()?.applications.get(&key.namespace, &key.name)?;
        let same = |doc: &&Doc| doc.root().str_at(&["metadata", "uid"]) == seen.root().str_at(&["metadata", "uid"]);
        Some(
            latest
                .filter(same)
                .filter(|doc| version(doc) > version(&seen))
                .cloned()
                .unwrap_or(seen),
        )
    }

    /// A project by name; `default` allows everything until somebody writes it differently.
    pub(crate) fn project(&self, name: &str) -> Option<Project> {
        let started = self.started.get()?;
        match started.projects.get(&self.options.control_plane, name) {
            Some(doc) => Some(Project::read(doc.root())),
            None if name == names::DEFAULT_PROJECT => Some(Project::permissive(name)),
            None => None,
        }
    }

    pub(crate) fn promotions(&self) -> Vec<Doc> {
        self.started
            .get()
            .map(|started| started.promotions.list(None))
            .unwrap_or_default()
    }

    pub(crate) fn promotion(&self, key: &AppKey) -> Option<Doc> {
        self.started.get()?.promotions.get(&key.namespace, &key.name)
    }

    pub(crate) fn application_set(&self, key: &AppKey) -> Option<Doc> {
        self.started.get()?.sets.get(&key.namespace, &key.name)
    }

    pub(crate) fn memory(&self, key: &AppKey) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(key.clone()).or_default().clone()
    }

    pub(crate) fn forget(&self, key: &AppKey) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub(crate) fn event(&self, about: Node<'_>, event_type: EventType, reason: &str, message: &str) {
        if let Some(started) = self.started.get() {
            started.events.record(about, event_type, reason, message);
        }
    }
}

pub(crate) fn key_of(doc: &Doc) -> AppKey {
    let text = |key: &str| doc.root().str_at(&["metadata", key]).unwrap_or_default().to_owned();
    AppKey {
        namespace: text("namespace"),
        name: text("name"),
    }
}
