//! Live copies of the kinds that policies are about, and what rules read from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use ridgeway_authz::Rules;
use ridgeway_cluster::{Change, Cluster, ListOptions, Reflector};
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{Gvk, Kind, LabelSelector};
use ridgeway_policy::{Data, Global, RuleSet};
use tokio::sync::mpsc;

use crate::exception;
use crate::global::Globals;
use crate::interest::ApiPath;
use crate::source::text;

/// What a mirror tells about.
#[derive(Debug)]
pub(crate) enum Seen {
    /// An object has changed.
    Change(Gvk, Change),
    /// The first list of a kind is in; its objects have been told.
    Synced(Gvk),
    /// The time of an exception is over.
    Expired,
}

/// One followed kind.
struct Followed {
    reflector: Arc<Reflector>,
    synced: bool,
}

/// Something made of followed objects, kept until one of them changes.
struct Made<T>(Mutex<(u64, Option<T>)>);

impl<T> Default for Made<T> {
    fn default() -> Self {
        Made(Mutex::new((0, None)))
    }
}

impl<T: Clone> Made<T> {
    fn state(&self) -> MutexGuard<'_, (u64, Option<T>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets it.
    fn forget(&self) {
        let mut state = self.state();
        *state = (state.0 + 1, None);
    }

    /// What was made, or is made now. What changes meanwhile makes it count for this answer only.
    fn get(&self, make: impl FnOnce() -> T) -> T {
        let before = {
            let state = self.state();
            if let Some(made) = &state.1 {
                return made.clone();
            }
            state.0
        };
        let made = make();
        let mut state = self.state();
        if state.0 == before {
            state.1 = Some(made.clone());
        }
        made
    }
}

/// The objects of one kind, by namespace, each as a map by name.
type ByNamespace = Arc<BTreeMap<String, Doc>>;

/// What is made of the objects of a kind; told of each change before anybody else is.
#[derive(Default)]
struct Derived {
    /// Who may do what, by all kinds of RBAC.
    access: Made<Arc<Rules>>,
    /// The inventory's part for each kind.
    inventory: RwLock<BTreeMap<Gvk, Arc<Made<ByNamespace>>>>,
}

impl Derived {
    fn changed(&self, gvk: &Gvk) {
        if gvk.group == exception::RBAC {
            self.access.forget();
        }
        let parts = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = parts.get(gvk) {
            part.forget();
        }
    }

    fn part(&self, gvk: &Gvk) -> Arc<Made<ByNamespace>> {
        if let Some(part) = self.inventory.read().unwrap_or_else(PoisonError::into_inner).get(gvk) {
            return part.clone();
        }
        let mut parts = self.inventory.write().unwrap_or_else(PoisonError::into_inner);
        parts.entry(gvk.clone()).or_default().clone()
    }

    /// Forgets everything: other kinds are followed.
    fn clear(&self) {
        self.access.forget();
        self.inventory.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Live copies by group and kind.
pub(crate) struct Mirror {
    cluster: Arc<dyn Cluster>,
    kinds: RwLock<BTreeMap<(String, String), Followed>>,
    seen: mpsc::UnboundedSender<Seen>,
    derived: Arc<Derived>,
    /// What rules read by a name.
    pub(crate) globals: Globals,
    /// The rules in force: they say which namespaces are kept out of the inventory.
    rules: RwLock<RuleSet>,
}

impl Mirror {
    /// An empty mirror, and what it will tell.
    pub(crate) fn new(cluster: Arc<dyn Cluster>) -> (Arc<Mirror>, mpsc::UnboundedReceiver<Seen>) {
        let (seen, told) = mpsc::unbounded_channel();
        (
            Arc::new(Mirror {
                cluster,
                kinds: RwLock::default(),
                seen,
                derived: Arc::default(),
                globals: Globals::default(),
                rules: RwLock::default(),
            }),
            told,
        )
    }

    /// Follows kinds from now on. What is followed stays followed while it is served.
    pub(crate) fn follow(self: &Arc<Self>, wanted: impl IntoIterator<Item = Gvk>) {
        let table = self.cluster.kinds();
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        // A kind that is not served any more takes its objects with it.
        kinds.retain(|(group, kind), followed| {
            let served = table.by_kind(group, kind).is_some();
            if !served {
                self.derived.clear();
                for doc in followed.reflector.list(None) {
                    let text = |key: &str| text(doc.root(), &["metadata", key]).to_owned();
                    let change = Change {
                        key: (text("namespace"), text("name")),
                        old: Some(doc.clone()),
                        new: None,
                    };
                    let _ = self.seen.send(Seen::Change(followed.reflector.gvk().clone(), change));
                }
            }
            served
        });
        for gvk in wanted {
            let key = (gvk.group.clone(), gvk.kind.clone());
            if kinds.contains_key(&key) || table.get(&gvk).is_none() {
                continue;
            }
            let (seen, kind, derived) = (self.seen.clone(), gvk.clone(), self.derived.clone());
            let tell = move |change: &Change| {
                derived.changed(&kind);
                let _ = seen.send(Seen::Change(kind.clone(), change.clone()));
            };
            let reflector = Reflector::start(self.cluster.clone(), gvk.clone(), ListOptions::default(), tell);
            kinds.insert(
                key,
                Followed {
                    reflector: reflector.clone(),
                    synced: false,
                },
            );
            let seen = self.seen.clone();
            tokio::spawn(async move {
                reflector.synced().await;
                let _ = seen.send(Seen::Synced(gvk));
            });
            self.derived.clear();
        }
    }

    /// Takes note that a kind's first list has been worked through.
    pub(crate) fn mark_synced(&self, gvk: &Gvk) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(followed) = kinds.get_mut(&(gvk.group.clone(), gvk.kind.clone())) {
            followed.synced = true;
        }
    }

    /// Whether a kind is followed and its first list has been worked through.
    pub(crate) fn is_synced(&self, group: &str, kind: &str) -> bool {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds
            .get(&(group.to_owned(), kind.to_owned()))
            .is_some_and(|followed| followed.synced)
    }

    /// Takes note of the rules in force.
    pub(crate) fn enforce(&self, rules: RuleSet) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Says that the time of an exception is over.
    pub(crate) fn expired(&self) {
        let _ = self.seen.send(Seen::Expired);
    }

    /// Ends all following.
    pub(crate) fn stop(&self) {
        self.kinds.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn reflector(&self, group: &str, kind: &str) -> Option<Arc<Reflector>> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds
            .get(&(group.to_owned(), kind.to_owned()))
            .map(|followed| followed.reflector.clone())
    }

    /// The followed kinds.
    pub(crate) fn followed(&self) -> BTreeSet<Gvk> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        kinds
            .values()
            .map(|followed| followed.reflector.gvk().clone())
            .collect()
    }

    /// One object of a followed kind.
    pub(crate) fn object(&self, group: &str, kind: &str, namespace: &str, name: &str) -> Option<Doc> {
        self.reflector(group, kind)?.get(namespace, name)
    }

    /// All objects of a followed kind.
    pub(crate) fn objects(&self, group: &str, kind: &str) -> Vec<Doc> {
        self.reflector(group, kind)
            .map(|reflector| reflector.list(None))
            .unwrap_or_default()
    }

    /// Who may do what. It is put together anew when something of it has changed.
    pub(crate) fn access(&self) -> Arc<Rules> {
        self.derived.access.get(|| {
            let objects: Vec<Doc> = exception::access()
                .iter()
                .flat_map(|gvk| self.objects(&gvk.group, &gvk.kind))
                .collect();
            Arc::new(Rules::from_objects(objects.iter().map(Doc::root)))
        })
    }

    /// The objects of a kind as the inventory has them.
    fn inventoried(&self, gvk: &Gvk) -> ByNamespace {
        self.derived.part(gvk).get(|| {
            let mut parts: BTreeMap<String, Value> = BTreeMap::new();
            for doc in self.objects(&gvk.group, &gvk.kind) {
                let of = |key: &str| text(doc.root(), &["metadata", key]).to_owned();
                let part = parts.entry(of("namespace")).or_insert_with(Value::object);
                part.set(&[&of("name")], doc.clone());
            }
            let parts = parts.into_iter().map(|(namespace, part)| (namespace, part.into_doc()));
            Arc::new(parts.collect())
        })
    }

    /// A namespace's own object.
    pub(crate) fn namespace(&self, name: &str) -> Option<Doc> {
        if name.is_empty() {
            None
        } else {
            self.object("", "Namespace", "", name)
        }
    }
}

impl Data for Mirror {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        self.object(&gvk.group, &gvk.kind, namespace, name)
    }

    fn api(&self, path: &str) -> Option<Value> {
        let table = self.cluster.kinds();
        let path = ApiPath::parse(path, &table)?;
        let reflector = self.reflector(&path.gvk.group, &path.gvk.kind)?;
        if let Some(name) = &path.name {
            return reflector
                .get(path.namespace.as_deref().unwrap_or_default(), name)
                .map(Value::from);
        }
        let selector = LabelSelector::parse(&path.labels).ok()?;
        let chosen = reflector.list(path.namespace.as_deref()).into_iter();
        let chosen = chosen.filter(|doc| selector.matches(doc.root().at(&["metadata", "labels"])));
        let mut list = Value::object();
        list.set(&["apiVersion"], path.gvk.api_version());
        list.set(&["kind"], format!("{}List", path.gvk.kind));
        list.set(&["items"], chosen.collect::<Value>());
        Some(list)
    }

    fn kind(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        self.cluster.kinds().get(gvk)
    }

    fn list(&self, gvk: &Gvk, namespace: &str) -> Option<Vec<Doc>> {
        // Before the first list is in, what is missing may be there.
        if !self.is_synced(&gvk.group, &gvk.kind) {
            return None;
        }
        let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
        Some(self.reflector(&gvk.group, &gvk.kind)?.list(namespace))
    }

    fn global(&self, name: &str) -> Option<Result<Global, String>> {
        let list = |gvk: &Gvk, namespace: &str| Data::list(self, gvk, namespace);
        self.globals
            .read(name, &self.cluster.kinds(), list, |path| self.api(path))
    }

    fn inventory(&self) -> Option<Value> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut out = Value::object();
        for gvk in self.followed() {
            let version = gvk.api_version();
            for (namespace, objects) in &*self.inventoried(&gvk) {
                if namespace.is_empty() {
                    out.set(&["cluster", &version, &gvk.kind], objects.clone());
                } else if !rules.unsynced(namespace) {
                    out.set(&["namespace", namespace, &version, &gvk.kind], objects.clone());
                }
            }
        }
        Some(out)
    }
}
