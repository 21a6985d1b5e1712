//! Live copies of the kinds that policies are about, and what rules read from them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use ridgeway_cluster::{Change, Cluster, ListOptions, Reflector};
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{Gvk, Kind, LabelSelector};
use ridgeway_policy::{Data, Global, RuleSet};
use tokio::sync::mpsc;

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

/// Live copies by group and kind.
pub(crate) struct Mirror {
    cluster: Arc<dyn Cluster>,
    kinds: RwLock<BTreeMap<(String, String), Followed>>,
    seen: mpsc::UnboundedSender<Seen>,
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
            let (seen, kind) = (self.seen.clone(), gvk.clone());
            let tell = move |change: &Change| {
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
        self.globals.read(name, &self.cluster.kinds(), list)
    }

    fn inventory(&self) -> Option<Value> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut out = Value::object();
        for gvk in self.followed() {
            for doc in self.objects(&gvk.group, &gvk.kind) {
                let (namespace, name) = (
                    text(doc.root(), &["metadata", "namespace"]),
                    text(doc.root(), &["metadata", "name"]),
                );
                let version = gvk.api_version();
                if !namespace.is_empty() && rules.unsynced(namespace) {
                    continue;
                }
                if namespace.is_empty() {
                    out.set(&["cluster", &version, &gvk.kind, name], doc.clone());
                } else {
                    out.set(&["namespace", namespace, &version, &gvk.kind, name], doc.clone());
                }
            }
        }
        Some(out)
    }
}
