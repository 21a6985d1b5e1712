//! The background scan: what rules say about stored objects, kept as a table.
//!
//! An object that changes is judged again by the rules for its kind; a policy that changes judges the objects of its
//! kinds again. Nothing else is looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use ridgeway_cluster::Queue;
use ridgeway_doc::Doc;
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_policy::{Outcome, Request, RuleResult};

use crate::exempt;
use crate::guard::Shared;
use crate::interest;
use crate::source::{POD_SECURITY, reference, text};

/// What one rule says about one object.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The version that the object was read in.
    pub(crate) api_version: String,
    /// What is wrong; `None` when the object satisfies the rule.
    pub(crate) violation: Option<Box<RuleResult>>,
    /// The exception that takes it out; empty when none does.
    pub(crate) excepted: String,
    /// Since when it has been so.
    pub(crate) since: Timestamp,
}

/// How the message of a result begins that an exception took out.
const EXCEPTED: &str = "excepted by ";

/// The exception that took a result out.
fn excepted(result: &RuleResult) -> Option<&str> {
    result
        .message
        .strip_prefix(EXCEPTED)
        .filter(|_| matches!(result.outcome, Outcome::Skip | Outcome::Pass))
}

/// Policy id and rule.
pub(crate) type RuleKey = (String, String);

/// What an object waits to be judged by.
#[derive(Clone, Debug)]
enum Pending {
    Everything,
    Policies(BTreeSet<String>),
}

#[derive(Default)]
struct Table {
    rows: BTreeMap<ObjectRef, BTreeMap<RuleKey, Row>>,
    scores: HashMap<String, (u64, u64)>,
}

/// The table and the work that keeps it right.
#[derive(Default)]
pub(crate) struct Scan {
    table: Mutex<Table>,
    pending: Mutex<HashMap<ObjectRef, Pending>>,
    pub(crate) queue: Queue<ObjectRef>,
}

impl Table {
    fn score(&mut self, policy: &str, row: &Row, sign: i64) {
        if !row.excepted.is_empty() {
            return;
        }
        let score = self.scores.entry(policy.to_owned()).or_default();
        let count = if row.violation.is_some() {
            &mut score.1
        } else {
            &mut score.0
        };
        *count = count.saturating_add_signed(sign);
    }

    fn insert(&mut self, object: &ObjectRef, key: RuleKey, row: Row) {
        self.score(&key.0, &row, 1);
        if let Some(old) = self.rows.entry(object.clone()).or_default().insert(key.clone(), row) {
            self.score(&key.0, &old, -1);
        }
    }

    /// Removes rows of an object.
    fn take(&mut self, object: &ObjectRef, which: impl Fn(&RuleKey) -> bool) -> Vec<(RuleKey, Row)> {
        let Some(rows) = self.rows.get_mut(object) else {
            return Vec::new();
        };
        let keys: Vec<RuleKey> = rows.keys().filter(|key| which(key)).cloned().collect();
        let taken: Vec<(RuleKey, Row)> = keys.into_iter().filter_map(|key| rows.remove_entry(&key)).collect();
        if rows.is_empty() {
            self.rows.remove(object);
        }
        for (key, row) in &taken {
            self.score(&key.0, row, -1);
        }
        taken
    }
}

impl Scan {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects that satisfy a policy's rules and objects that do not, counted by rule.
    pub(crate) fn score(&self, policy: &str) -> (u64, u64) {
        self.table().scores.get(policy).copied().unwrap_or_default()
    }

    /// Every violation.
    pub(crate) fn violations<T>(&self, each: impl Fn(&ObjectRef, &str, &Row, &RuleResult) -> T) -> Vec<T> {
        let table = self.table();
        let rows = table
            .rows
            .iter()
            .flat_map(|(object, rows)| rows.iter().map(move |row| (object, row)));
        rows.filter_map(|(object, ((policy, _), row))| Some(each(object, policy, row, row.violation.as_deref()?)))
            .collect()
    }

    /// Every object with what rules say about it.
    pub(crate) fn objects<T>(&self, each: impl Fn(&ObjectRef, &BTreeMap<RuleKey, Row>) -> T) -> Vec<T> {
        let table = self.table();
        table.rows.iter().map(|(object, rows)| each(object, rows)).collect()
    }

    /// Asks for an object to be judged by all rules for its kind.
    pub(crate) fn ask(&self, object: ObjectRef) {
        self.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(object.clone(), Pending::Everything);
        self.queue.add(object);
    }

    /// Asks for an object to be judged by one policy.
    pub(crate) fn ask_by(&self, object: ObjectRef, policy: &str) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        match pending
            .entry(object.clone())
            .or_insert_with(|| Pending::Policies(BTreeSet::new()))
        {
            Pending::Everything => {}
            Pending::Policies(policies) => {
                policies.insert(policy.to_owned());
            }
        }
        drop(pending);
        self.queue.add(object);
    }

    /// The objects that a policy has been asked about.
    pub(crate) fn objects_of(&self, policy: &str) -> Vec<ObjectRef> {
        let table = self.table();
        let of = table
            .rows
            .iter()
            .filter(|(_, rows)| rows.keys().any(|key| key.0 == policy));
        of.map(|(object, _)| object.clone()).collect()
    }

    /// Forgets a policy that is gone. Says whether anything was known of it.
    pub(crate) fn forget(&self, policy: &str) -> bool {
        let mut table = self.table();
        let objects: Vec<ObjectRef> = table.rows.keys().cloned().collect();
        let mut any = false;
        for object in objects {
            any |= !table.take(&object, |key| key.0 == policy).is_empty();
        }
        table.scores.remove(policy);
        any
    }

    /// Judges objects as asked and says which policies' scores have changed.
    pub(crate) fn judge(&self, shared: &Shared, objects: &[ObjectRef]) -> BTreeSet<String> {
        let asked: Vec<Asked<'_>> = objects.iter().filter_map(|object| self.asked(shared, object)).collect();
        let said = results(shared, &asked);
        let told = asked.iter().zip(said);
        told.flat_map(|(asked, results)| self.enter(shared, asked, results))
            .collect()
    }

    /// What an object is to be judged by, and what it is now.
    fn asked<'o>(&self, shared: &Shared, object: &'o ObjectRef) -> Option<Asked<'o>> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let by = pending.remove(object)?;
        drop(pending);
        let doc = shared
            .mirror
            .object(&object.group, &object.kind, &object.namespace, &object.name);
        let doc = doc.and_then(|doc| Some((Gvk::of(doc.root())?, doc)));
        let namespace = shared.mirror.namespace(&object.namespace);
        Some(Asked {
            object,
            by,
            doc,
            namespace,
        })
    }

    /// Enters what rules say about an object, and says which policies' scores have changed.
    fn enter(&self, shared: &Shared, asked: &Asked<'_>, results: Vec<(String, RuleResult)>) -> BTreeSet<String> {
        let object = asked.object;
        let now = shared.clock.now();
        let mut table = self.table();
        let before: BTreeMap<RuleKey, Row> = table.take(object, |key| asked.concerns(&key.0)).into_iter().collect();
        let mut changed = BTreeSet::new();
        let mut kept = BTreeSet::new();
        for (id, result) in merged(results) {
            let key = (id, result.rule.clone());
            let out = excepted(&result).unwrap_or_default().to_owned();
            let violation = matches!(result.outcome, Outcome::Fail | Outcome::Warn).then(|| Box::new(result));
            let same = before
                .get(&key)
                .filter(|row| row.violation.is_some() == violation.is_some() && row.excepted == out);
            if same.is_none() {
                changed.insert(key.0.clone());
            }
            let row = Row {
                api_version: asked.doc.as_ref().map(|(gvk, _)| gvk.api_version()).unwrap_or_default(),
                violation,
                excepted: out,
                since: same.map_or(now, |row| row.since),
            };
            kept.insert(key.clone());
            table.insert(object, key, row);
        }
        changed.extend(before.into_keys().filter(|key| !kept.contains(key)).map(|key| key.0));
        changed
    }
}

/// One result for each rule: a constraint may find several faults in one object.
fn merged(results: Vec<(String, RuleResult)>) -> Vec<(String, RuleResult)> {
    let mut out: Vec<(String, RuleResult)> = Vec::new();
    for (id, result) in results {
        let same = |known: &&mut (String, RuleResult)| known.0 == id && known.1.rule == result.rule;
        match out.iter_mut().find(same).map(|known| &mut known.1) {
            Some(known) if known.outcome == Outcome::Pass => *known = result,
            Some(known) if result.outcome != Outcome::Pass => {
                known.message = format!("{} {}", known.message, result.message);
                known.author = format!("{} {}", known.author, result.author);
            }
            Some(_) => {}
            None => out.push((id, result)),
        }
    }
    out
}

/// An object that waits to be judged.
struct Asked<'o> {
    object: &'o ObjectRef,
    by: Pending,
    /// The object, if there still is one.
    doc: Option<(Gvk, Doc)>,
    namespace: Option<Doc>,
}

impl Asked<'_> {
    /// Whether it waits for a policy.
    fn concerns(&self, policy: &str) -> bool {
        match &self.by {
            Pending::Everything => true,
            Pending::Policies(policies) => policies.contains(policy),
        }
    }

    /// The object as it is put before rules; nothing for what is going away, which is no longer worth a report.
    fn request<'r>(&'r self, shared: &'r Shared) -> Option<Request<'r>> {
        let (gvk, doc) = self.doc.as_ref()?;
        let root = doc.root();
        if root.at(&["metadata", "deletionTimestamp"]).is_some() {
            return None;
        }
        let mut request = Request::create(gvk, root);
        request.namespace_object = self.namespace.as_ref().map(Doc::root);
        request.now = Some(shared.clock.now());
        request.data = &*shared.mirror;
        Some(request)
    }
}

/// What the rules say of each object that matters for the table. Each unit is asked about all of them at once.
fn results(shared: &Shared, asked: &[Asked<'_>]) -> Vec<Vec<(String, RuleResult)>> {
    let snapshot = shared.snapshot();
    let mut out: Vec<Vec<(String, RuleResult)>> = asked.iter().map(|_| Vec::new()).collect();
    let requests: Vec<Option<Request<'_>>> = asked.iter().map(|one| one.request(shared)).collect();
    for ((one, request), out) in asked.iter().zip(&requests).zip(&mut out) {
        if let Some(request) = request
            && one.concerns(POD_SECURITY)
            && interest::pods().contains(&request.gvk.group, &request.gvk.kind)
        {
            let results = snapshot.standards.admit(request).results.into_iter();
            out.extend(results.map(|result| (POD_SECURITY.to_owned(), result)));
        }
    }
    for unit in snapshot.units.values() {
        let about = |(one, request): (&Asked<'_>, &Request<'_>)| {
            let gvk = request.gvk;
            unit.judges(&gvk.group, &gvk.kind)
                && one.concerns(&unit.id)
                // Kubernetes' own policies are asked everywhere.
                && (unit.is_admission() || !exempt::place(gvk, &one.object.namespace, &one.object.name))
        };
        let all = asked.iter().zip(&requests).enumerate();
        let (places, block): (Vec<usize>, Vec<Request<'_>>) = all
            .filter_map(|(at, (one, request))| Some((at, one, request.as_ref()?)))
            .filter(|(_, one, request)| about((one, request)))
            .map(|(at, _, request)| (at, *request))
            .unzip();
        for (at, results) in places.into_iter().zip(unit.rules.scan_all(&block)) {
            out[at].extend(results.into_iter().map(|result| (unit.id.clone(), result)));
        }
    }
    for results in &mut out {
        results.retain(|(_, result)| {
            matches!(result.outcome, Outcome::Pass | Outcome::Fail | Outcome::Warn) || excepted(result).is_some()
        });
    }
    out
}

/// The references of all objects of a followed kind.
pub(crate) fn objects(shared: &Shared, gvk: &Gvk, namespace: Option<&str>) -> Vec<ObjectRef> {
    let all = shared.mirror.objects(&gvk.group, &gvk.kind).into_iter();
    let of = |doc: Doc| {
        let (place, name) = (
            text(doc.root(), &["metadata", "namespace"]),
            text(doc.root(), &["metadata", "name"]),
        );
        reference(gvk, place, name)
    };
    all.map(of)
        .filter(|object| namespace.is_none_or(|wanted| wanted == object.namespace))
        .collect()
}

/// How many waiting objects are judged together: rules stay in the processor's caches, and nobody waits long for the
/// thread.
const BLOCK: usize = 8;

/// Works the queue until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    loop {
        let queue = &shared.scan.queue;
        let mut objects = vec![queue.next().await];
        objects.extend(std::iter::from_fn(|| queue.ready()).take(BLOCK - 1));
        let changed = shared.scan.judge(&shared, &objects);
        objects.iter().for_each(|object| queue.done(object));
        for policy in changed {
            shared.tell(policy);
        }
        // A large scan must not keep others from the thread.
        tokio::task::yield_now().await;
    }
}
