//! A cluster of one kind in a map, and a clock that stands still: what this crate's tests share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, KindTable};
use tokio::sync::{Notify, mpsc};

use crate::{Body, Clock, Cluster, Identity, List, ListOptions, Reason, Status, Watch, WatchEvent, Write};

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }
}

pub(crate) fn still() -> Arc<dyn Clock> {
    Arc::new(Still)
}

#[derive(Default)]
struct State {
    objects: BTreeMap<(String, String), Doc>,
    version: u64,
    watchers: Vec<mpsc::Sender<WatchEvent>>,
    /// Failures that the next lists and watches answer with.
    failures: VecDeque<Status>,
    lists: usize,
    watches: Vec<String>,
}

/// Objects by namespace and name, whatever their kind.
#[derive(Default)]
pub(crate) struct FakeCluster {
    state: Mutex<State>,
    changed: Notify,
}

impl FakeCluster {
    pub(crate) fn new() -> Arc<FakeCluster> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn fail_next(&self, status: Status) {
        self.state().failures.push_back(status);
    }

    pub(crate) fn lists(&self) -> usize {
        self.state().lists
    }

    /// Where the watches so far started.
    pub(crate) fn watches(&self) -> Vec<String> {
        self.state().watches.clone()
    }

    /// Ends all watches, with an error if there is one to tell.
    pub(crate) fn end_watches(&self, error: Option<Status>) {
        for watcher in std::mem::take(&mut self.state().watchers) {
            if let Some(status) = &error {
                watcher.try_send(WatchEvent::Error(status.clone())).unwrap();
            }
        }
    }

    /// Stores an object, without its watchers hearing of it if `silent`.
    pub(crate) fn put(&self, name: &str, value: &str, silent: bool) {
        let mut object = Value::object();
        object.set(&["metadata", "name"], name);
        object.set(&["metadata", "namespace"], "n");
        object.set(&["value"], value);
        self.store(object, silent);
    }

    fn store(&self, mut object: Value, silent: bool) -> Doc {
        let mut state = self.state();
        state.version += 1;
        object.set(&["metadata", "resourceVersion"], state.version.to_string());
        let doc = object.into_doc();
        let text = |key: &str| doc.root().str_at(&["metadata", key]).unwrap_or_default().to_owned();
        let old = state.objects.insert((text("namespace"), text("name")), doc.clone());
        let event = if old.is_some() {
            WatchEvent::Modified
        } else {
            WatchEvent::Added
        };
        if !silent {
            state
                .watchers
                .retain(|watcher| watcher.try_send(event(doc.clone())).is_ok());
        }
        self.changed.notify_waiters();
        doc
    }

    pub(crate) fn remove(&self, name: &str, silent: bool) {
        let mut state = self.state();
        state.version += 1;
        let Some(doc) = state.objects.remove(&("n".to_owned(), name.to_owned())) else {
            return;
        };
        if !silent {
            state
                .watchers
                .retain(|watcher| watcher.try_send(WatchEvent::Deleted(doc.clone())).is_ok());
        }
    }

    pub(crate) fn all(&self) -> Vec<Doc> {
        self.state().objects.values().cloned().collect()
    }

    /// Waits until the objects are as wanted.
    pub(crate) async fn wait(&self, wanted: impl Fn(&[Doc]) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if wanted(&self.all()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until so many objects satisfy a condition, and answers them.
    pub(crate) async fn settle(&self, count: usize, wanted: impl Fn(&Doc) -> bool) -> Vec<Doc> {
        self.wait(|all| all.iter().filter(|doc| wanted(doc)).count() >= count)
            .await;
        self.all()
    }
}

#[async_trait]
impl Cluster for FakeCluster {
    fn kinds(&self) -> Arc<KindTable> {
        Arc::new(KindTable::empty())
    }

    async fn get(&self, _gvk: &Gvk, namespace: &str, name: &str) -> Result<Doc, Status> {
        let key = (namespace.to_owned(), name.to_owned());
        self.state()
            .objects
            .get(&key)
            .cloned()
            .ok_or_else(|| Status::not_found("", "things", name))
    }

    async fn list(&self, _gvk: &Gvk, _namespace: Option<&str>, _options: &ListOptions) -> Result<List, Status> {
        let mut state = self.state();
        state.lists += 1;
        match state.failures.pop_front() {
            Some(status) => Err(status),
            None => Ok(List {
                items: state.objects.values().cloned().collect(),
                resource_version: state.version.to_string(),
            }),
        }
    }

    async fn watch(
        &self,
        _gvk: &Gvk,
        _namespace: Option<&str>,
        _options: &ListOptions,
        from: &str,
    ) -> Result<Watch, Status> {
        let (sender, receiver) = mpsc::channel(64);
        let mut state = self.state();
        state.watches.push(from.to_owned());
        state.watchers.push(sender);
        Ok(receiver)
    }

    async fn write(&self, write: Write) -> Result<Doc, Status> {
        match write.body {
            Body::Create(object) | Body::Update(object) => Ok(self.store(object, false)),
            Body::Patch(_, patch) => {
                let mut object = self
                    .get(&write.gvk, &write.namespace, &write.name)
                    .await?
                    .root()
                    .to_value();
                for (key, value) in patch.root().members() {
                    object.set(&[key], value);
                }
                Ok(self.store(object, false))
            }
            Body::Delete(_) => Err(Status::new(Reason::NotImplemented, "the fake cluster deletes nothing")),
        }
    }

    fn impersonate(&self, _identity: Identity) -> Arc<dyn Cluster> {
        FakeCluster::new()
    }
}

/// The `value` of a fake object.
pub(crate) fn value(doc: &Doc) -> &str {
    doc.root().get("value").and_then(Node::as_str).unwrap_or_default()
}
