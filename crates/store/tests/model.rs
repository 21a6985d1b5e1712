//! Random transactions against a model that keeps every revision as a whole map.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use ridgeway_store::{
    Condition, Entry, Expect, KeyRange, MemoryStore, Op, RangeRequest, Revision, SqliteOptions, SqliteStore, Store,
    StoreError, Txn, Watch, WatchEvent,
};

type Map = BTreeMap<Bytes, Entry>;

/// Every revision as a whole map: `states[0]` is revision 1.
struct Model {
    states: Vec<Map>,
    events: Vec<WatchEvent>,
    compacted: u64,
}

impl Model {
    fn new() -> Self {
        Model {
            states: vec![Map::new()],
            events: Vec::new(),
            compacted: 1,
        }
    }

    fn revision(&self) -> u64 {
        self.states.len() as u64
    }

    fn at(&self, revision: u64) -> &Map {
        &self.states[usize::try_from(revision - 1).unwrap()]
    }

    /// `Err` with the failed condition, or whether anything changed.
    fn commit(&mut self, txn: &Txn) -> Result<bool, usize> {
        let now = self.at(self.revision()).clone();
        for (index, condition) in txn.conditions.iter().enumerate() {
            let current = now.get(&condition.key);
            let holds = match condition.expect {
                Expect::Absent => current.is_none(),
                Expect::Exists => current.is_some(),
                Expect::ModRevision(revision) => current.is_some_and(|entry| entry.mod_revision == revision),
            };
            if !holds {
                return Err(index);
            }
        }
        let revision = Revision(self.revision() + 1);
        let mut next = now.clone();
        let mut changed = false;
        for op in &txn.ops {
            let prev = now.get(op.key()).cloned();
            let entry = match op {
                Op::Delete { .. } => None,
                Op::Put { key, value } => Some(Entry {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision: prev.as_ref().map_or(revision, |prev| prev.create_revision),
                    mod_revision: revision,
                    version: prev.as_ref().map_or(1, |prev| prev.version + 1),
                }),
            };
            if prev.is_none() && entry.is_none() {
                continue;
            }
            changed = true;
            match &entry {
                Some(entry) => next.insert(op.key().clone(), entry.clone()),
                None => next.remove(op.key()),
            };
            let (prev, entry) = (prev.map(Arc::new), entry.map(Arc::new));
            self.events.push(WatchEvent {
                revision,
                key: op.key().clone(),
                prev,
                entry,
            });
        }
        if changed {
            self.states.push(next);
        }
        Ok(changed)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(usize, Guess)>, Vec<(usize, Option<u8>)>),
    /// Per cent of the way from the compacted to the latest revision.
    Compact(u8),
    Reopen,
    /// Take so many events from the running watch.
    Take(u8),
}

#[derive(Clone, Debug)]
enum Guess {
    Absent,
    Exists,
    Right,
    Wrong,
}

const KEYS: [&[u8]; 6] = [b"a", b"a/", b"a/b", b"a\xff", b"b", b"\xff\xff"];

fn step() -> impl Strategy<Value = Step> {
    let guess = prop_oneof![3 => Just(Guess::Right), 1 => Just(Guess::Absent), 1 => Just(Guess::Exists), 1 => Just(Guess::Wrong)];
    let conditions = proptest::collection::vec((0..KEYS.len(), guess), 0..2);
    let ops = proptest::collection::vec((0..KEYS.len(), proptest::option::weighted(0.7, any::<u8>())), 0..4);
    prop_oneof![
        12 => (conditions, ops).prop_map(|(conditions, ops)| Step::Commit(conditions, ops)),
        1 => (0..=100u8).prop_map(Step::Compact),
        1 => Just(Step::Reopen),
        3 => (0..6u8).prop_map(Step::Take),
    ]
}

fn transaction(model: &Model, conditions: &[(usize, Guess)], ops: &[(usize, Option<u8>)]) -> Txn {
    let mut txn = Txn::new();
    for (key, guess) in conditions {
        let key = Bytes::from_static(KEYS[*key]);
        let current = model.at(model.revision()).get(&key).map(|entry| entry.mod_revision);
        let expect = match guess {
            Guess::Absent => Expect::Absent,
            Guess::Exists => Expect::Exists,
            Guess::Right => current.map_or(Expect::Absent, Expect::ModRevision),
            Guess::Wrong => Expect::ModRevision(current.map_or(Revision(1), Revision::next)),
        };
        txn.conditions.push(Condition { key, expect });
    }
    for (key, value) in ops {
        let key = Bytes::from_static(KEYS[*key]);
        if txn.ops.iter().all(|op| op.key() != &key) {
            txn.ops.push(match value {
                Some(value) => Op::Put {
                    key,
                    value: vec![*value].into(),
                },
                None => Op::Delete { key },
            });
        }
    }
    txn
}

fn ranges() -> Vec<KeyRange> {
    vec![
        KeyRange::all(),
        KeyRange::prefix("a"),
        KeyRange::prefix("a/"),
        KeyRange::key("b"),
        KeyRange::between("a/", "b"),
        KeyRange::prefix(&b"\xff"[..]),
    ]
}

/// Compares every readable revision, page by page, and every watch that can start.
async fn compare(store: &dyn Store, model: &Model) {
    assert_eq!(
        (store.revision().0, store.compacted().0),
        (model.revision(), model.compacted)
    );
    for revision in model.compacted..=model.revision() {
        let state = model.at(revision);
        for key in KEYS {
            let found = store.get(key, Some(Revision(revision))).await.unwrap();
            assert_eq!(found.as_deref(), state.get(key), "{key:?} at {revision}");
        }
        for range in ranges() {
            let wanted: Vec<&Entry> = state.values().filter(|entry| range.contains(&entry.key)).collect();
            let mut found = Vec::new();
            let mut request = RangeRequest::new(range.clone()).limit(2).at(Revision(revision));
            loop {
                let page = store.range(request.clone()).await.unwrap();
                found.extend(page.entries.iter().cloned());
                assert_eq!(
                    page.remaining,
                    (wanted.len() - found.len()) as u64,
                    "{range:?} at {revision}"
                );
                match page.next_start() {
                    Some(start) => request.keys.start = start,
                    None => break,
                }
            }
            assert_eq!(
                found.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
                wanted,
                "{range:?} at {revision}"
            );
            let mut watch = store.watch(range.clone(), Some(Revision(revision))).await.unwrap();
            for wanted in model
                .events
                .iter()
                .filter(|e| e.revision.0 > revision && range.contains(&e.key))
            {
                assert_eq!(
                    *watch.try_next().await.unwrap().unwrap(),
                    *wanted,
                    "{range:?} from {revision}"
                );
            }
            assert_eq!(watch.try_next().await, None, "{range:?} from {revision}");
            assert_eq!(watch.progress().0, model.revision());
        }
    }
    let latest = model.at(model.revision());
    for key in KEYS {
        assert_eq!(store.get_latest(key).unwrap().as_deref(), latest.get(key));
    }
    let all = store.range_latest(b"a", 0).unwrap().entries;
    let wanted: Vec<&Entry> = latest.values().filter(|entry| entry.key.starts_with(b"a")).collect();
    assert_eq!(all.iter().map(AsRef::as_ref).collect::<Vec<_>>(), wanted);
    if model.compacted > 1 {
        let gone = store.get(b"a", Some(Revision(model.compacted - 1))).await;
        assert!(matches!(gone, Err(StoreError::Compacted { .. })));
    }
}

async fn run(steps: &[Step], mut store: Arc<dyn Store>, reopen: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) {
    let mut model = Model::new();
    // A watch over everything that is read now and then; a reopened store gets a new one from where it was.
    let mut watch: Watch = store.watch(KeyRange::all(), Some(Revision(1))).await.unwrap();
    let mut taken = 0;
    for step in steps {
        match step {
            Step::Commit(conditions, ops) => {
                let txn = transaction(&model, conditions, ops);
                let before = model.at(model.revision()).clone();
                match (model.commit(&txn), store.commit(txn.clone()).await) {
                    (Ok(changed), Ok(committed)) => {
                        assert_eq!((committed.changed, committed.revision.0), (changed, model.revision()));
                        for (op, outcome) in txn.ops.iter().zip(&committed.outcomes) {
                            assert_eq!(outcome.prev.as_deref(), before.get(op.key()));
                            assert_eq!(outcome.entry.as_deref(), model.at(model.revision()).get(op.key()));
                        }
                    }
                    (Err(wanted), Err(StoreError::Conflict { index, current, .. })) => {
                        assert_eq!(index, wanted);
                        assert_eq!(current.as_deref(), before.get(&txn.conditions[index].key));
                    }
                    (wanted, found) => panic!("{txn:?}: {wanted:?} but {found:?}"),
                }
            }
            Step::Compact(percent) => {
                // Not past what the running watch has still to read, so that it never has to give up.
                let seen = model
                    .events
                    .get(taken)
                    .map_or(model.revision(), |event| event.revision.0 - 1);
                let revision =
                    model.compacted + (seen.max(model.compacted) - model.compacted) * u64::from(*percent) / 100;
                store.compact(Revision(revision)).await.unwrap();
                model.compacted = model.compacted.max(revision);
            }
            Step::Reopen => {
                let progress = watch.progress();
                drop(watch);
                store = reopen(store);
                // A transaction that was read in part is read again as a whole.
                taken = model
                    .events
                    .iter()
                    .take_while(|event| event.revision <= progress)
                    .count();
                watch = store.watch(KeyRange::all(), Some(progress)).await.unwrap();
            }
            Step::Take(count) => {
                for _ in 0..*count {
                    let found = watch.try_next().await.map(|event| (*event.unwrap()).clone());
                    assert_eq!(found.as_ref(), model.events.get(taken));
                    taken += usize::from(found.is_some());
                }
            }
        }
    }
    while let Some(event) = watch.try_next().await {
        assert_eq!(*event.unwrap(), model.events[taken]);
        taken += 1;
    }
    assert_eq!(taken, model.events.len());
    compare(&*store, &model).await;
}

fn reopening(path: &Path, options: SqliteOptions) -> impl Fn(Arc<dyn Store>) -> Arc<dyn Store> {
    let path = path.to_owned();
    move |store| {
        drop(store);
        Arc::new(SqliteStore::open_with(&path, options.clone()).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn stores_do_what_the_model_does(steps in proptest::collection::vec(step(), 1..40), window in 0..5usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let options = SqliteOptions { window_commits: window, ..SqliteOptions::default() };
        support::runtime().block_on(async {
            run(&steps, Arc::new(MemoryStore::new()), |store| store).await;
            let reopen = reopening(&path, options.clone());
            run(&steps, Arc::new(SqliteStore::open_with(&path, options).unwrap()), reopen).await;
        });
    }
}
