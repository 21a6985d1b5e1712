//! A whole platform in memory: control plane, simulated nodes, repositories, and the controllers under test.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a fixture that cannot be set up fails its test; not all use all of it"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ridgeway_apiserver::{ControlPlane, Parts, SeededRandomness, bootstrap, controllers};
use ridgeway_cluster::{Clock, Cluster, Identity, ListOptions, Reason, SystemClock, WriteOptions};
use ridgeway_deliver::{AppKey, Deliver, Options, SyncAsk, application, install_crds, promotion};
use ridgeway_doc::{Doc, Value, parse_yaml};
use ridgeway_git::{Author, CommitId, Repositories};
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_ledger::Ledger;
use ridgeway_store::MemoryStore;
use tokio::sync::watch;

pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    /// A person who may do everything.
    pub(crate) user: Arc<dyn Cluster>,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) deliver: Arc<Deliver>,
    pub(crate) scratch: tempfile::TempDir,
    options: Options,
    stop_deliver: watch::Sender<bool>,
    _stop: watch::Sender<bool>,
}

/// A sync that somebody asks for.
pub(crate) fn by(user: &str) -> SyncAsk {
    SyncAsk {
        user: user.into(),
        ..SyncAsk::default()
    }
}

pub(crate) fn gvk(group: &str, version: &str, kind: &str) -> Gvk {
    Gvk::new(group, version, kind)
}

impl World {
    pub(crate) async fn start() -> World {
        World::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> World {
        let scratch = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(scratch.path().join("ledger"), ridgeway_ledger::Options::default()).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let plane = ControlPlane::open(Parts {
            store: Arc::new(MemoryStore::new()),
            ledger: Some(ledger),
            kinds: KindTable::builtin(),
            clock: clock.clone(),
            randomness: Arc::new(SeededRandomness::new(7)),
        })
        .await
        .unwrap();
        bootstrap(&plane).await.unwrap();
        let named = |name: &str| plane.client(Identity::user(name, &["system:masters"], "test"));
        let user = named("ann");
        let (stop, stopped) = watch::channel(false);
        let mut gone = stopped.clone();
        let down = async move {
            let _ = gone.wait_for(|stop| *stop).await;
        };
        tokio::spawn(controllers::run(plane.clone(), controllers::Options::default(), down));
        let nodes = ridgeway_nodes::Nodes::new(named("nodes"), clock.clone(), ridgeway_nodes::Options::default());
        tokio::spawn(nodes.run(stopped.clone()));
        let now = {
            let clock = clock.clone();
            move || clock.now().as_millisecond()
        };
        let mut git = ridgeway_git::Options::new(now);
        git.allow_local = true;
        let repositories = Repositories::open(scratch.path().join("git"), git).unwrap();
        let mut options = Options {
            poll: Duration::from_millis(300),
            ..Options::default()
        };
        change(&mut options);
        let cluster = named("deliver");
        install_crds(&*cluster).await.unwrap();
        let deliver = Deliver::new(cluster, repositories.clone(), clock, options.clone());
        let (stop_deliver, stopped) = watch::channel(false);
        tokio::spawn(deliver.clone().run(stopped));
        World {
            plane,
            user,
            repositories,
            deliver,
            scratch,
            options,
            stop_deliver,
            _stop: stop,
        }
    }

    /// Ends the controllers and starts new ones, which know only what is written down.
    pub(crate) async fn restart(&mut self) {
        let _ = self.stop_deliver.send(true);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let cluster = self
            .plane
            .client(Identity::user("deliver", &["system:masters"], "test"));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (stop, stopped) = watch::channel(false);
        self.deliver = Deliver::new(cluster, self.repositories.clone(), clock, self.options.clone());
        self.stop_deliver = stop;
        tokio::spawn(self.deliver.clone().run(stopped));
    }

    /// Commits files to `main` of a repository, made when it is missing. An empty text removes a file.
    pub(crate) async fn commit(&self, repo: &str, files: &[(&str, &str)]) -> CommitId {
        if !self.repositories.exists(repo) {
            self.repositories.create(repo).await.unwrap();
        }
        let file = |text: &str| (!text.is_empty()).then(|| Bytes::copy_from_slice(text.as_bytes()));
        let changes: Vec<_> = files.iter().map(|(path, text)| (*path, file(text))).collect();
        let author = Author::new("Ann", "ann@example.org");
        self.repositories
            .commit_files(repo, "main", &author, "Change", &changes)
            .await
            .unwrap()
    }

    /// Applies objects as a user does.
    pub(crate) async fn apply(&self, yaml: &str) {
        for doc in parse_yaml(yaml).unwrap() {
            let options = WriteOptions::by("kubectl", None).forced();
            self.user.apply(doc.root().to_value(), options).await.unwrap();
        }
    }

    /// An Application of `path` in a repository, synced by itself into a namespace of its name.
    pub(crate) async fn application(&self, name: &str, repo: &str, path: &str) {
        self.application_with(name, repo, path, "").await;
    }

    pub(crate) async fn application_with(&self, name: &str, repo: &str, path: &str, annotations: &str) {
        self.apply(&app_yaml(name, repo, path, annotations)).await;
    }

    pub(crate) async fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        match self.user.get(gvk, namespace, name).await {
            Ok(doc) => Some(doc),
            Err(status) if status.reason == Reason::NotFound => None,
            Err(status) => panic!("{status}"),
        }
    }

    pub(crate) async fn app(&self, name: &str) -> Doc {
        self.get(&application(), "argocd", name).await.unwrap()
    }

    pub(crate) async fn config(&self, namespace: &str, name: &str) -> Option<String> {
        let doc = self.get(&gvk("", "v1", "ConfigMap"), namespace, name).await?;
        doc.root().str_at(&["data", "key"]).map(str::to_owned)
    }

    /// Waits until an object is as wanted, and returns it. Says what it was like otherwise.
    pub(crate) async fn until(&self, gvk: &Gvk, namespace: &str, name: &str, wanted: impl Fn(&Doc) -> bool) -> Doc {
        let began = Instant::now();
        loop {
            let doc = self.get(gvk, namespace, name).await;
            if let Some(doc) = &doc
                && wanted(doc)
            {
                return doc.clone();
            }
            if began.elapsed() > Duration::from_secs(20) {
                let shown = doc.map(|doc| {
                    let mut value: Value = doc.root().to_value();
                    value.remove(&["metadata", "managedFields"]);
                    value.to_json()
                });
                panic!("{gvk} {namespace}/{name} is not as wanted: {shown:?}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn app_until(&self, name: &str, wanted: impl Fn(&Doc) -> bool) -> Doc {
        self.until(&application(), "argocd", name, wanted).await
    }

    /// Waits until an Application is synced to a commit and healthy.
    pub(crate) async fn deployed(&self, name: &str, commit: CommitId) -> Doc {
        let revision = commit.to_string();
        self.app_until(name, |app| {
            at(app, &["status", "sync", "status"]) == "Synced"
                && at(app, &["status", "sync", "revision"]) == revision
                && at(app, &["status", "health", "status"]) == "Healthy"
                && at(app, &["status", "operationState", "phase"]) == "Succeeded"
        })
        .await
    }

    pub(crate) async fn promotion_until(&self, name: &str, wanted: impl Fn(&Doc) -> bool) -> Doc {
        self.until(&promotion(), "argocd", name, wanted).await
    }

    /// Waits until a config map holds a value, and says how long that took.
    pub(crate) async fn config_until(&self, namespace: &str, name: &str, value: &str) -> Duration {
        let began = Instant::now();
        let gvk = gvk("", "v1", "ConfigMap");
        self.until(&gvk, namespace, name, |doc| {
            doc.root().str_at(&["data", "key"]) == Some(value)
        })
        .await;
        began.elapsed()
    }

    pub(crate) async fn gone(&self, gvk: &Gvk, namespace: &str, name: &str) {
        let began = Instant::now();
        while self.get(gvk, namespace, name).await.is_some() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{gvk} {namespace}/{name} is still there"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The events about an object, as (reason, message).
    pub(crate) async fn events(&self, about: &str) -> Vec<(String, String)> {
        let list = self
            .user
            .list(&gvk("", "v1", "Event"), None, &ListOptions::default())
            .await
            .unwrap();
        let about = |doc: &&Doc| at(doc, &["involvedObject", "name"]) == about;
        list.items
            .iter()
            .filter(about)
            .map(|doc| (at(doc, &["reason"]).into(), at(doc, &["message"]).into()))
            .collect()
    }

    /// Waits for an event about an object and returns its message.
    pub(crate) async fn event(&self, about: &str, reason: &str) -> String {
        let began = Instant::now();
        loop {
            let events = self.events(about).await;
            if let Some((_, message)) = events.iter().find(|(known, _)| known == reason) {
                return message.clone();
            }
            assert!(
                began.elapsed() < Duration::from_secs(10),
                "no event {reason} about {about}: {events:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn merge(&self, gvk: &Gvk, namespace: &str, name: &str, yaml: &str) {
        let patch = parse_yaml(yaml).unwrap().remove(0);
        let options = WriteOptions::by("kubectl-edit", None);
        self.user
            .merge_patch(gvk, namespace, name, patch.root().to_value(), options)
            .await
            .unwrap();
    }
}

pub(crate) fn at<'a>(doc: &'a Doc, path: &[&str]) -> &'a str {
    doc.root().str_at(path).unwrap_or_default()
}

pub(crate) fn conditions(app: &Doc) -> Vec<(String, String)> {
    let list = app.root().at(&["status", "conditions"]);
    let read = |c: ridgeway_doc::Node<'_>| {
        (
            c.str_at(&["type"]).unwrap_or_default().to_owned(),
            c.str_at(&["message"]).unwrap_or_default().to_owned(),
        )
    };
    list.into_iter().flat_map(|list| list.items()).map(read).collect()
}

/// The message of a condition, if an Application has it.
pub(crate) fn condition(app: &Doc, kind: &str) -> Option<String> {
    conditions(app)
        .into_iter()
        .find(|(known, _)| known == kind)
        .map(|(_, message)| message)
}

pub(crate) fn app_yaml(name: &str, repo: &str, path: &str, annotations: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
  namespace: argocd
  annotations: {{{annotations}}}
  finalizers: [resources-finalizer.argocd.argoproj.io]
spec:
  project: default
  source: {{repoURL: {repo}, path: {path}, targetRevision: main}}
  destination: {{server: https://kubernetes.default.svc, namespace: {name}}}
  syncPolicy:
    automated: {{prune: true, selfHeal: true}}
    syncOptions: [CreateNamespace=true]
"
    )
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    annotated_map(name, value, "")
}

pub(crate) fn annotated_map(name: &str, value: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\ndata: {{key: {value}}}\n"
    )
}

pub(crate) fn deployment(name: &str, image: &str, annotations: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - {{name: {name}, image: 'registry.example.org/{name}:{image}'}}
"
    )
}

pub(crate) fn job(name: &str, image: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations: {{{annotations}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {{name: {name}, image: 'registry.example.org/{name}:{image}'}}
"
    )
}

pub(crate) fn key(name: &str) -> AppKey {
    AppKey::new("argocd", name)
}
