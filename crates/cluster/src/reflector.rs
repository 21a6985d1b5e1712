//! A live copy of one kind, kept by list and watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ridgeway_doc::Doc;
use ridgeway_krm::Gvk;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{Cluster, ListOptions, Reason, WatchEvent};

/// One change to a reflected object: before and after (`None` where it did not, or no longer does, exist).
#[derive(Clone, Debug)]
pub struct Change {
    /// Namespace and name.
    pub key: (String, String),
    /// The object before.
    pub old: Option<Doc>,
    /// The object after.
    pub new: Option<Doc>,
}

type Objects = BTreeMap<(String, String), Doc>;
type Listener = Box<dyn Fn(&Change) + Send + Sync>;

/// Keeps the objects of one kind at hand and tells about their changes. Dropping it ends its task.
pub struct Reflector {
    gvk: Gvk,
    objects: Arc<RwLock<Objects>>,
    synced: watch::Receiver<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Reflector {
    /// Starts reflecting a kind over all namespaces. `listener` is called for each change, in order, and must not
    /// block: it puts keys into a [`crate::Queue`].
    pub fn start(
        cluster: Arc<dyn Cluster>,
        gvk: Gvk,
        options: ListOptions,
        listener: impl Fn(&Change) + Send + Sync + 'static,
    ) -> Arc<Reflector> {
        let objects = Arc::new(RwLock::new(Objects::new()));
        let (sender, synced) = watch::channel(false);
        let run = Run {
            cluster,
            gvk: gvk.clone(),
            options,
            objects: objects.clone(),
            listener: Box::new(listener),
        };
        let task = tokio::spawn(run.forever(sender));
        Arc::new(Reflector {
            gvk,
            objects,
            synced,
            task: Mutex::new(Some(task)),
        })
    }

    /// The kind.
    pub fn gvk(&self) -> &Gvk {
        &self.gvk
    }

    /// Waits until the first list is in.
    pub async fn synced(&self) {
        let mut synced = self.synced.clone();
        let _ = synced.wait_for(|done| *done).await;
    }

    fn read<T>(&self, with: impl FnOnce(&Objects) -> T) -> T {
        with(&self.objects.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One object.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Doc> {
        self.read(|objects| objects.get(&(namespace.to_owned(), name.to_owned())).cloned())
    }

    /// All objects, or those of one namespace.
    pub fn list(&self, namespace: Option<&str>) -> Vec<Doc> {
        self.read(|objects| {
            objects
                .iter()
                .filter(|((ns, _), _)| namespace.is_none_or(|wanted| wanted == ns))
                .map(|(_, doc)| doc.clone())
                .collect()
        })
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

struct Run {
    cluster: Arc<dyn Cluster>,
    gvk: Gvk,
    options: ListOptions,
    objects: Arc<RwLock<Objects>>,
    listener: Listener,
}

impl Run {
    async fn forever(self, synced: watch::Sender<bool>) {
        let mut delay = Duration::from_millis(20);
        loop {
            match self.cluster.list(&self.gvk, None, &self.options).await {
                Ok(list) => {
                    delay = Duration::from_millis(20);
                    let version = list.resource_version.clone();
                    self.replace(list.items);
                    synced.send_replace(true);
                    self.follow(version).await;
                }
                Err(status) => {
                    tracing::debug!(kind = %self.gvk, %status, "list failed; trying again");
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Follows watches until one must be replaced by a list.
    async fn follow(&self, mut version: String) {
        loop {
            let started = tokio::time::Instant::now();
            let mut watch = match self.cluster.watch(&self.gvk, None, &self.options, &version).await {
                Ok(watch) => watch,
                Err(status) => {
                    tracing::debug!(kind = %self.gvk, %status, "watch failed; listing again");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return;
                }
            };
            while let Some(event) = watch.recv().await {
                match event {
                    WatchEvent::Added(doc) | WatchEvent::Modified(doc) => {
                        if let Some(rv) = doc.root().str_at(&["metadata", "resourceVersion"]) {
                            version = rv.to_owned();
                        }
                        self.put(doc);
                    }
                    WatchEvent::Deleted(doc) => {
                        if let Some(rv) = doc.root().str_at(&["metadata", "resourceVersion"]) {
                            version = rv.to_owned();
                        }
                        self.remove(key_of(&doc));
                    }
                    WatchEvent::Bookmark(rv) => version = rv,
                    WatchEvent::Error(status) => {
                        if status.reason != Reason::Expired {
                            tracing::debug!(kind = %self.gvk, %status, "watch ended");
                        }
                        pause(started).await;
                        return;
                    }
                }
            }
            pause(started).await;
        }
    }

    fn put(&self, doc: Doc) {
        let key = key_of(&doc);
        let old = {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            objects.insert(key.clone(), doc.clone())
        };
        (self.listener)(&Change {
            key,
            old,
            new: Some(doc),
        });
    }

    fn remove(&self, key: (String, String)) {
        let old = self
            .objects
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        if old.is_some() {
            (self.listener)(&Change { key, old, new: None });
        }
    }

    /// Takes a fresh list: what is new or has changed is announced, and what is gone as gone.
    fn replace(&self, items: Vec<Doc>) {
        let fresh: Objects = items.into_iter().map(|doc| (key_of(&doc), doc)).collect();
        let gone: Vec<_> = {
            let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
            objects
                .keys()
                .filter(|key| !fresh.contains_key(*key))
                .cloned()
                .collect()
        };
        gone.into_iter().for_each(|key| self.remove(key));
        for (key, doc) in fresh {
            let version = |doc: &Doc| doc.root().str_at(&["metadata", "resourceVersion"]).map(str::to_owned);
            let known = self
                .objects
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&key)
                .and_then(version);
            if known.is_none() || known != version(&doc) {
                self.put(doc);
            }
        }
    }
}

/// Waits a little after a watch that ended as soon as it had begun, so that a failing server is not flooded.
async fn pause(started: tokio::time::Instant) {
    tokio::time::sleep_until(started + Duration::from_millis(50)).await;
}

fn key_of(doc: &Doc) -> (String, String) {
    let text = |key: &str| doc.root().str_at(&["metadata", key]).unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::Status;
    use crate::testing::{FakeCluster, value};

    type Changes = mpsc::UnboundedReceiver<(String, Option<String>, Option<String>)>;

    fn start(cluster: &Arc<FakeCluster>) -> (Arc<Reflector>, Changes) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let text = |doc: &Option<Doc>| doc.as_ref().map(|doc| value(doc).to_owned());
        let gvk = Gvk::new("", "v1", "Thing");
        let reflector = Reflector::start(cluster.clone(), gvk, ListOptions::default(), move |change| {
            let _ = sender.send((change.key.1.clone(), text(&change.old), text(&change.new)));
        });
        (reflector, receiver)
    }

    async fn next(changes: &mut Changes) -> (String, Option<String>, Option<String>) {
        tokio::time::timeout(Duration::from_secs(60), changes.recv())
            .await
            .expect("a change")
            .expect("a reflector")
    }

    fn change(name: &str, old: Option<&str>, new: Option<&str>) -> (String, Option<String>, Option<String>) {
        (name.into(), old.map(Into::into), new.map(Into::into))
    }

    #[tokio::test(start_paused = true)]
    async fn list_then_watch() {
        let cluster = FakeCluster::new();
        cluster.put("a", "1", false);
        let (reflector, mut changes) = start(&cluster);
        reflector.synced().await;
        assert_eq!(value(&reflector.get("n", "a").unwrap()), "1");
        assert_eq!(next(&mut changes).await, change("a", None, Some("1")));
        while cluster.watches().is_empty() {
            tokio::task::yield_now().await;
        }
        cluster.put("a", "2", false);
        cluster.put("b", "1", false);
        cluster.remove("a", false);
        assert_eq!(next(&mut changes).await, change("a", Some("1"), Some("2")));
        assert_eq!(next(&mut changes).await, change("b", None, Some("1")));
        assert_eq!(next(&mut changes).await, change("a", Some("2"), None));
        assert_eq!(reflector.list(Some("n")).len(), 1);
        assert!(reflector.list(Some("other")).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_watch_resumes_where_it_was() {
        let cluster = FakeCluster::new();
        let (_reflector, mut changes) = start(&cluster);
        while cluster.watches().is_empty() {
            tokio::task::yield_now().await;
        }
        cluster.put("a", "1", false);
        assert_eq!(next(&mut changes).await, change("a", None, Some("1")));
        cluster.end_watches(None);
        while cluster.watches().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(cluster.watches(), ["0", "1"]);
        assert_eq!(cluster.lists(), 1, "nothing was listed again");
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_watch_lists_again_and_tells_what_it_missed() {
        let cluster = FakeCluster::new();
        cluster.put("gone", "1", false);
        cluster.put("kept", "1", false);
        let (reflector, mut changes) = start(&cluster);
        assert_eq!(next(&mut changes).await, change("gone", None, Some("1")));
        assert_eq!(next(&mut changes).await, change("kept", None, Some("1")));
        while cluster.watches().is_empty() {
            tokio::task::yield_now().await;
        }
        cluster.remove("gone", true);
        cluster.put("kept", "2", true);
        cluster.end_watches(Some(Status::new(Reason::Expired, "too old")));
        assert_eq!(next(&mut changes).await, change("gone", Some("1"), None));
        assert_eq!(next(&mut changes).await, change("kept", Some("1"), Some("2")));
        assert!(reflector.get("n", "gone").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_not_changed_is_not_told_again() {
        let cluster = FakeCluster::new();
        cluster.put("same", "1", false);
        let (_reflector, mut changes) = start(&cluster);
        assert_eq!(next(&mut changes).await, change("same", None, Some("1")));
        while cluster.watches().is_empty() {
            tokio::task::yield_now().await;
        }
        cluster.end_watches(Some(Status::new(Reason::Expired, "too old")));
        while cluster.lists() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(
            tokio::time::timeout(Duration::from_secs(5), changes.recv())
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn failed_lists_are_tried_again_ever_more_slowly() {
        let cluster = FakeCluster::new();
        for _ in 0..3 {
            cluster.fail_next(Status::new(Reason::ServiceUnavailable, "starting"));
        }
        let begin = tokio::time::Instant::now();
        let (reflector, _changes) = start(&cluster);
        reflector.synced().await;
        assert_eq!(cluster.lists(), 4);
        assert_eq!(begin.elapsed().as_millis(), 20 + 40 + 80);
    }
}
