//! The live objects: copies of the kinds that Applications use, indexed by the Application that each object belongs to.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ridgeway_cluster::{Change, Cluster, ListOptions, Reflector};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_sync::TrackingId;
use tokio::time::Instant;

/// How long the first list of a kind is waited for.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// How long a write of our own is remembered if the watch never shows it.
const ECHO: Duration = Duration::from_secs(5);
/// How far owners are followed.
const MAX_OWNERS: usize = 6;

/// An object's kind and place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) gvk: Gvk,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn of(object: Node<'_>) -> Option<Place> {
        Some(Place {
            gvk: Gvk::of(object)?,
            namespace: object.str_at(&["metadata", "namespace"]).unwrap_or_default().into(),
            name: object.str_at(&["metadata", "name"])?.into(),
        })
    }

    pub(crate) fn reference(&self) -> ObjectRef {
        ObjectRef {
            group: self.gvk.group.clone(),
            kind: self.gvk.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// What changed: which Application's object, and whether the object itself is managed (and not only a child of one).
pub(crate) type Listener = Box<dyn Fn(&str, bool) + Send + Sync>;

/// What an index remembers of one object.
#[derive(Clone, Default)]
struct Entry {
    place: Option<Place>,
    owner: Option<String>,
    instance: Option<String>,
}

/// A write of our own that the watch has not shown yet.
struct Echo {
    doc: Option<Doc>,
    version: u64,
    uid: String,
    at: Instant,
}

#[derive(Default)]
struct State {
    /// By uid.
    entries: HashMap<String, Entry>,
    children: HashMap<String, BTreeSet<String>>,
    tracked: HashMap<String, BTreeSet<Place>>,
    echoes: HashMap<Place, Echo>,
}

struct Index {
    state: Mutex<State>,
    listener: Listener,
}

/// Live copies of kinds, started when first needed.
pub(crate) struct Live {
    cluster: Arc<dyn Cluster>,
    index: Arc<Index>,
    kinds: Mutex<HashMap<Gvk, Arc<Reflector>>>,
}

pub(crate) fn version(doc: &Doc) -> u64 {
    doc.root()
        .str_at(&["metadata", "resourceVersion"])
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn uid(doc: &Doc) -> &str {
    doc.root().str_at(&["metadata", "uid"]).unwrap_or_default()
}

impl Live {
    pub(crate) fn new(cluster: Arc<dyn Cluster>, listener: Listener) -> Live {
        let index = Arc::new(Index {
            state: Mutex::default(),
            listener,
        });
        Live {
            cluster,
            index,
            kinds: Mutex::default(),
        }
    }

    /// Sees to it that these kinds are copied. Kinds that the cluster does not know (yet) are passed over.
    pub(crate) async fn ensure(&self, wanted: impl IntoIterator<Item = Gvk>) {
        let known = self.cluster.kinds();
        let mut waiting = Vec::new();
        for gvk in wanted {
            let Some(kind) = known.get(&gvk) else { continue };
            if !kind.allows("watch") {
                continue;
            }
            let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            let reflector = kinds.entry(gvk.clone()).or_insert_with(|| {
                let index = self.index.clone();
                let cluster = self.cluster.clone();
                Reflector::start(cluster, gvk.clone(), ListOptions::default(), move |change| {
                    index.changed(&gvk, change)
                })
            });
            waiting.push(reflector.clone());
        }
        for reflector in waiting {
            if tokio::time::timeout(FIRST_LIST, reflector.synced()).await.is_err() {
                tracing::warn!(kind = %reflector.gvk(), "live objects of the kind could not be listed in time");
            }
        }
    }

    fn reflector(&self, gvk: &Gvk) -> Option<Arc<Reflector>> {
        self.kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(gvk)
            .cloned()
    }

    /// One object, as new as anything we know.
    pub(crate) fn get(&self, place: &Place) -> Option<Doc> {
        let seen = self
            .reflector(&place.gvk)
            .and_then(|kind| kind.get(&place.namespace, &place.name));
        let mut state = self.index.lock();
        let Some(echo) = state.echoes.get(place) else {
            return seen;
        };
        let caught_up = match (&echo.doc, &seen) {
            _ if echo.at.elapsed() > ECHO => true,
            (Some(_), Some(seen)) => version(seen) >= echo.version,
            // Written by us and not there (yet, or any more): the watch tells within moments.
            (Some(_), None) => false,
            (None, Some(seen)) => uid(seen) != echo.uid,
            (None, None) => true,
        };
        if caught_up {
            state.echoes.remove(place);
            return seen;
        }
        echo.doc.clone()
    }

    /// Remembers what a write of ours answered, until the watch shows it.
    pub(crate) fn wrote(&self, doc: &Doc) {
        let Some(place) = Place::of(doc.root()) else { return };
        let echo = Echo {
            doc: Some(doc.clone()),
            version: version(doc),
            uid: uid(doc).into(),
            at: Instant::now(),
        };
        self.index.lock().echoes.insert(place, echo);
    }

    /// Remembers that an object was deleted, until the watch shows it.
    pub(crate) fn deleted(&self, doc: &Doc) {
        let Some(place) = Place::of(doc.root()) else { return };
        let echo = Echo {
            doc: None,
            version: version(doc),
            uid: uid(doc).into(),
            at: Instant::now(),
        };
        self.index.lock().echoes.insert(place, echo);
    }

    /// Where the objects are that say they belong to an Application.
    pub(crate) fn tracked(&self, instance: &str) -> Vec<Place> {
        self.index
            .lock()
            .tracked
            .get(instance)
            .map(|places| places.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// The live objects that an object owns.
    pub(crate) fn owned_by(&self, uid: &str) -> Vec<Doc> {
        let places: Vec<Place> = {
            let state = self.index.lock();
            let children = state.children.get(uid).into_iter().flatten();
            children
                .filter_map(|child| state.entries.get(child)?.place.clone())
                .collect()
        };
        places.iter().filter_map(|place| self.get(place)).collect()
    }
}

impl Index {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a change in and tells whom it concerns.
    fn changed(&self, gvk: &Gvk, change: &Change) {
        let mut concerned: BTreeSet<(String, bool)> = BTreeSet::new();
        {
            let mut state = self.lock();
            let place = Place {
                gvk: gvk.clone(),
                namespace: change.key.0.clone(),
                name: change.key.1.clone(),
            };
            if let Some(old) = &change.old {
                state.concerns(uid(old), &mut concerned);
                let replaced = change.new.as_ref().is_none_or(|new| uid(new) != uid(old));
                if replaced {
                    state.forget(uid(old));
                }
            }
            if let Some(new) = &change.new {
                state.remember(new, place);
                state.concerns(uid(new), &mut concerned);
            }
        }
        for (instance, managed) in concerned {
            (self.listener)(&instance, managed);
        }
    }
}

impl State {
    fn forget(&mut self, uid: &str) {
        let Some(entry) = self.entries.remove(uid) else { return };
        if let (Some(instance), Some(place)) = (&entry.instance, &entry.place)
            && let Some(places) = self.tracked.get_mut(instance)
        {
            places.remove(place);
            if places.is_empty() {
                self.tracked.remove(instance);
            }
        }
        if let Some(owner) = &entry.owner
            && let Some(children) = self.children.get_mut(owner)
        {
            children.remove(uid);
            if children.is_empty() {
                self.children.remove(owner);
            }
        }
    }

    fn remember(&mut self, doc: &Doc, place: Place) {
        let (root, uid) = (doc.root(), uid(doc));
        self.forget(uid);
        let owners = root.at(&["metadata", "ownerReferences"]);
        let is_controller = |owner: &Node<'_>| owner.get("controller").and_then(Node::as_bool) == Some(true);
        let owner = owners
            .and_then(|owners| owners.items().find(is_controller).or_else(|| owners.item(0)))
            .and_then(|owner| owner.str_at(&["uid"]))
            .map(str::to_owned);
        // An object whose tracking annotation describes another object carries it by accident (it was copied).
        let instance = TrackingId::of(root).filter(|id| id.describes(root)).map(|id| id.app);
        if let Some(instance) = &instance {
            self.tracked.entry(instance.clone()).or_default().insert(place.clone());
        }
        if let Some(owner) = &owner {
            self.children.entry(owner.clone()).or_default().insert(uid.to_owned());
        }
        self.entries.insert(
            uid.to_owned(),
            Entry {
                place: Some(place),
                owner,
                instance,
            },
        );
    }

    /// The Application that an object belongs to: its own, or its nearest owner's.
    fn concerns(&self, uid: &str, concerned: &mut BTreeSet<(String, bool)>) {
        let mut at = uid;
        for step in 0..MAX_OWNERS {
            let Some(entry) = self.entries.get(at) else { return };
            if let Some(instance) = &entry.instance {
                concerned.insert((instance.clone(), step == 0));
                return;
            }
            let Some(owner) = &entry.owner else { return };
            at = owner;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, name: &str, uid: &str, owner: Option<&str>, tracking: Option<&str>) -> Doc {
        let mut text =
            format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  namespace: ns\n  name: {name}\n  uid: {uid}\n");
        if let Some(owner) = owner {
            text += &format!("  ownerReferences: [{{uid: {owner}, controller: true}}]\n");
        }
        if let Some(tracking) = tracking {
            text += &format!("  annotations: {{argocd.argoproj.io/tracking-id: '{tracking}'}}\n");
        }
        ridgeway_doc::parse_yaml(&text).unwrap().remove(0)
    }

    #[test]
    fn children_concern_their_owners_application_and_copies_do_not() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = heard.clone();
        let listener: Listener = Box::new(move |app, managed| sink.lock().unwrap().push((app.to_owned(), managed)));
        let index = Index {
            state: Mutex::default(),
            listener,
        };
        let change = |old: Option<&Doc>, new: Option<&Doc>| {
            let doc = new.or(old).unwrap();
            let place = Place::of(doc.root()).unwrap();
            let key = (place.namespace, place.name);
            index.changed(
                &place.gvk,
                &Change {
                    key,
                    old: old.cloned(),
                    new: new.cloned(),
                },
            );
            std::mem::take(&mut *heard.lock().unwrap())
        };
        let root = object("Service", "web", "u1", None, Some("shop:/Service:ns/web"));
        let child = object("Pod", "web-1", "u2", Some("u1"), None);
        let copy = object("Service", "other", "u3", None, Some("shop:/Service:ns/web"));
        assert_eq!(change(None, Some(&root)), [("shop".to_owned(), true)]);
        assert_eq!(change(None, Some(&child)), [("shop".to_owned(), false)]);
        assert_eq!(change(None, Some(&copy)), []);
        assert_eq!(index.lock().tracked["shop"].len(), 1);
        let bare = object("Service", "web", "u1", None, None);
        assert_eq!(
            change(Some(&root), Some(&bare)),
            [("shop".to_owned(), true)],
            "the annotation was taken away"
        );
        assert_eq!(change(Some(&bare), Some(&root)), [("shop".to_owned(), true)]);
        assert_eq!(change(Some(&child), None), [("shop".to_owned(), false)]);
        assert_eq!(change(Some(&root), None), [("shop".to_owned(), true)]);
        assert!(index.lock().tracked.is_empty() && index.lock().children.is_empty());
    }
}
