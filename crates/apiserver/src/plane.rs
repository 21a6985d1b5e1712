//! [`ControlPlane`]: the shared state of the embedded control plane, and its snapshots.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use jiff::Timestamp;
use ridgeway_authz::Rules;
use ridgeway_cluster::{Clock, Cluster, Gate, GateAnswer, GateRequest, Identity, Reason, Status};
use ridgeway_doc::Doc;
use ridgeway_krm::{Gvk, Kind, KindTable};
use ridgeway_ledger::{Journal, Ledger};
use ridgeway_store::{Entry, MemoryStore, Revision, Store};

use crate::audit::Told;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::randomness::{Randomness, SeededRandomness};
use crate::snapshot::{Changing, Snapshot};
use crate::{codec, fault, keys};

/// The group of those who may do everything.
pub(crate) const MASTERS: &str = "system:masters";

/// The gate before a policy plane is wired in: allows everything, changes nothing.
struct OpenGate;

impl Gate for OpenGate {
    fn admit(&self, _request: &GateRequest<'_>) -> GateAnswer {
        GateAnswer::default()
    }
}

/// What the control plane is built from.
pub struct Parts {
    /// Objects.
    pub store: Arc<dyn Store>,
    /// The record of everything that was asked and done. Only simulations and tests go without.
    pub ledger: Option<Arc<Ledger>>,
    /// Built-in kinds; CRDs in the store are added to it.
    pub kinds: KindTable,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Uids and tokens.
    pub randomness: Arc<dyn Randomness>,
}

/// The embedded control plane. Cheap to clone; all clones are one plane.
#[derive(Clone)]
pub struct ControlPlane {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    gate: RwLock<Arc<dyn Gate>>,
    builtin: KindTable,
    kinds: Snapshot<KindTable>,
    rules: Snapshot<Rules>,
    /// What snapshots were computed from, so that a change costs as much as itself and not as much as all there is.
    parsed: Mutex<Parsed>,
    /// Namespaces in parsed form with the revision they were parsed at: every change reads its namespace.
    namespaces: RwLock<HashMap<String, (Revision, Doc)>>,
    pub(crate) metrics: Metrics,
    pub(crate) logs: Logs,
    /// What was written down about refused reads.
    pub(crate) told: Told,
    /// Where admissions are kept so that other policies can be asked about them.
    journal: OnceLock<Arc<Journal>>,
    /// Groups whose objects are computed when they are read.
    views: RwLock<HashMap<String, View>>,
}

/// Computes the objects of a kind in a namespace (`None`: in all; empty for those in none) when somebody reads them.
pub type View = Arc<dyn Fn(&Gvk, Option<&str>) -> Vec<Doc> + Send + Sync>;

/// Stored objects in parsed form, with the revisions they were parsed at.
#[derive(Default)]
struct Parsed {
    objects: BTreeMap<Bytes, (Revision, Doc)>,
    kinds: HashMap<Bytes, (Revision, Vec<Kind>)>,
}

impl ControlPlane {
    /// A control plane over a store, with the CRDs and RBAC objects that are already there.
    pub async fn open(parts: Parts) -> Result<ControlPlane, Status> {
        let plane = ControlPlane::assemble(parts, Arc::new(OpenGate));
        // A store that cannot be read is found out now rather than at the first request.
        plane.inner.store.range_latest(b"", 1).map_err(fault::store)?;
        Ok(plane)
    }

    /// A control plane in memory that records nothing and whose uids are the same at every run: for tests and
    /// simulations. It is empty; [`crate::bootstrap`] fills in namespaces and roles.
    pub fn in_memory(clock: Arc<dyn Clock>) -> ControlPlane {
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            ledger: None,
            kinds: KindTable::builtin(),
            clock,
            randomness: Arc::new(SeededRandomness::new(1)),
        };
        ControlPlane::assemble(parts, Arc::new(OpenGate))
    }

    fn assemble(parts: Parts, gate: Arc<dyn Gate>) -> ControlPlane {
        let inner = Inner {
            store: parts.store,
            ledger: parts.ledger,
            clock: parts.clock,
            randomness: parts.randomness,
            gate: RwLock::new(gate),
            kinds: Snapshot::new(parts.kinds.clone()),
            builtin: parts.kinds,
            rules: Snapshot::new(Rules::default()),
            parsed: Mutex::default(),
            namespaces: RwLock::default(),
            metrics: Metrics::default(),
            logs: Logs::default(),
            told: Told::default(),
            journal: OnceLock::new(),
            views: RwLock::default(),
        };
        ControlPlane { inner: Arc::new(inner) }
    }

    /// A plane that begins as this one is at a revision (`None`: now) and keeps its own changes in memory, behind the
    /// same gate, without a record: what would happen if.
    pub async fn fork(&self, at: Option<u64>) -> Result<ControlPlane, Status> {
        let store = self.inner.store.fork(at.map(Revision)).await.map_err(fault::store)?;
        let parts = Parts {
            store: Arc::new(store),
            ledger: None,
            kinds: self.inner.builtin.clone(),
            clock: self.inner.clock.clone(),
            randomness: Arc::new(SeededRandomness::new(at.unwrap_or_else(|| self.revision()))),
        };
        Ok(ControlPlane::assemble(parts, self.gate()))
    }

    /// Puts the policy plane in front of every change.
    pub fn set_gate(&self, gate: Arc<dyn Gate>) {
        *self.inner.gate.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    /// Keeps the changes that policies are asked about in a journal from now on; the first journal that is set stays.
    pub fn set_journal(&self, journal: Arc<Journal>) {
        self.inner.metrics.watch_journal(journal.counts());
        let _ = self.inner.journal.set(journal);
    }

    pub(crate) fn journal(&self) -> Option<&Arc<Journal>> {
        self.inner.journal.get()
    }

    /// Serves the kinds of a group, which must be among the built-in ones, from a view instead of the store.
    pub fn set_view(&self, group: &str, view: View) {
        let mut views = self.inner.views.write().unwrap_or_else(PoisonError::into_inner);
        views.insert(group.to_owned(), view);
    }

    /// The view that serves a kind.
    pub(crate) fn view(&self, kind: &Kind) -> Option<View> {
        let views = self.inner.views.read().unwrap_or_else(PoisonError::into_inner);
        views.get(&kind.gvk.group).cloned()
    }

    pub(crate) fn gate(&self) -> Arc<dyn Gate> {
        self.inner.gate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kinds served now.
    pub fn kinds(&self) -> Arc<KindTable> {
        self.inner.kinds.get(|| self.compute_kinds())
    }

    /// The access rules in force now.
    pub fn rules(&self) -> Arc<Rules> {
        self.inner.rules.get(|| self.compute_rules())
    }

    /// The ledger behind the gate; `None` in simulations.
    pub fn ledger(&self) -> Option<&Arc<Ledger>> {
        self.inner.ledger.as_ref()
    }

    /// The store under the plane.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The plane's clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The store's revision now.
    pub fn revision(&self) -> u64 {
        self.inner.store.revision().0
    }

    /// Where container logs are read from; the node plane fills it.
    pub fn logs(&self) -> &Logs {
        &self.inner.logs
    }

    /// What has been counted and timed.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn timestamp(&self) -> String {
        ridgeway_cluster::rfc3339(self.now())
    }

    /// The kind, or the 404 that kubectl understands.
    pub(crate) fn kind(&self, gvk: &Gvk) -> Result<Arc<Kind>, Status> {
        self.kinds().get(gvk).ok_or_else(|| {
            Status::new(
                Reason::NotFound,
                format!(
                    "no matches for kind {:?} in version {:?}; install its CustomResourceDefinition first",
                    gvk.kind,
                    gvk.api_version()
                ),
            )
        })
    }

    /// A `Cluster` that acts as an identity, through the same gate as everybody.
    pub fn client(&self, identity: Identity) -> Arc<dyn Cluster> {
        Arc::new(crate::direct::DirectCluster::new(self.clone(), identity))
    }

    /// A `Cluster` that may do everything: for start-up and tests.
    pub fn admin(&self) -> Arc<dyn Cluster> {
        self.client(Identity::user("system:admin", &[MASTERS], "control plane"))
    }

    /// The namespace's object, parsed once per change of it.
    pub(crate) fn namespace(&self, name: &str) -> Result<Option<Doc>, Status> {
        let kind = self.kind(&Gvk::new("", "v1", "Namespace"))?;
        let Some(entry) = self.entry(&kind, "", name)? else {
            return Ok(None);
        };
        let known = self
            .inner
            .namespaces
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        if let Some((revision, doc)) = known
            && revision == entry.mod_revision
        {
            return Ok(Some(doc));
        }
        let doc = codec::decode(&entry)?;
        let mut known = self.inner.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(name.to_owned(), (entry.mod_revision, doc.clone()));
        Ok(Some(doc))
    }

    /// Says that an object of a kind is about to change; to be dropped when it has. Snapshots may depend on it.
    pub(crate) fn changing(&self, kind: &Kind) -> Option<Changing<'_>> {
        match kind.gvk.group.as_str() {
            "rbac.authorization.k8s.io" => Some(self.inner.rules.changing()),
            "apiextensions.k8s.io" => Some(self.inner.kinds.changing()),
            _ => None,
        }
    }

    /// Forgets a namespace that is gone.
    pub(crate) fn forget_namespace(&self, name: &str) {
        self.inner
            .namespaces
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// Every stored entry of a built-in kind: for the plane's own snapshots.
    fn all(&self, group: &str, kind: &str) -> Vec<Arc<Entry>> {
        let Some(kind) = self.inner.builtin.get(&Gvk::new(group, "v1", kind)) else {
            return Vec::new();
        };
        match self.inner.store.range_latest(&keys::prefix(&kind, None), 0) {
            Ok(page) => page.entries,
            Err(error) => {
                tracing::error!(%error, kind = %kind.gvk, "the store cannot be read");
                Vec::new()
            }
        }
    }

    fn parsed(&self) -> MutexGuard<'_, Parsed> {
        self.inner.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compute_kinds(&self) -> KindTable {
        let mut table = self.inner.builtin.clone();
        let mut parsed = self.parsed();
        let mut fresh = HashMap::new();
        for entry in self.all("apiextensions.k8s.io", "CustomResourceDefinition") {
            let known = parsed
                .kinds
                .remove(&entry.key)
                .filter(|(revision, _)| *revision == entry.mod_revision);
            let kinds = known.map_or_else(|| kinds_of(&entry), |(_, kinds)| kinds);
            kinds.iter().cloned().for_each(|kind| table.insert(kind));
            fresh.insert(entry.key.clone(), (entry.mod_revision, kinds));
        }
        parsed.kinds = fresh;
        table
    }

    fn compute_rules(&self) -> Rules {
        let kinds = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
        let mut parsed = self.parsed();
        let mut fresh = BTreeMap::new();
        for entry in kinds
            .iter()
            .flat_map(|kind| self.all("rbac.authorization.k8s.io", kind))
        {
            let known = parsed
                .objects
                .remove(&entry.key)
                .filter(|(revision, _)| *revision == entry.mod_revision);
            match known.map_or_else(|| codec::decode(&entry), |(_, doc)| Ok(doc)) {
                Ok(doc) => drop(fresh.insert(entry.key.clone(), (entry.mod_revision, doc))),
                Err(status) => tracing::error!(%status, "a rule was skipped"),
            }
        }
        parsed.objects = fresh;
        Rules::from_objects(parsed.objects.values().map(|(_, doc)| doc.root()))
    }
}

/// The kinds that a stored CRD defines; none when it cannot be served.
fn kinds_of(entry: &Entry) -> Vec<Kind> {
    let kinds = codec::decode(entry)
        .map_err(|status| status.message)
        .and_then(|crd| Kind::from_crd(crd.root()).map_err(|error| error.to_string()));
    kinds.unwrap_or_else(|error| {
        let key = String::from_utf8_lossy(&entry.key).into_owned();
        tracing::warn!(key, error, "a stored CRD cannot be served");
        Vec::new()
    })
}
