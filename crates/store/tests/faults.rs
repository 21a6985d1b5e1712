//! Storage that fails: nothing half done, nothing lost, errors that say what to do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ridgeway_store::{
    FaultPoint, Faults, KeyRange, RangeRequest, Revision, SqliteOptions, SqliteStore, Store, StoreError, Txn,
};
use support::{runtime, show};

/// The failures that are still to come, in order.
#[derive(Default)]
struct Script(Mutex<Vec<(FaultPoint, io::ErrorKind)>>);

impl Faults for Script {
    fn strike(&self, point: FaultPoint) -> io::Result<()> {
        let mut script = self.0.lock().unwrap();
        match script.first() {
            Some((next, kind)) if *next == point => {
                let kind = *kind;
                script.remove(0);
                Err(io::Error::new(kind, "injected"))
            }
            _ => Ok(()),
        }
    }
}

fn open(path: &Path, script: &Arc<Script>) -> SqliteStore {
    let faults: Arc<dyn Faults> = script.clone();
    SqliteStore::open_with(
        path,
        SqliteOptions {
            faults,
            ..SqliteOptions::default()
        },
    )
    .unwrap()
}

#[test]
fn a_failed_commit_is_wholly_absent_or_wholly_there() {
    use FaultPoint::{AfterCommit, BeforeCommit, BeforeWrite, Reopen};
    let kind = io::ErrorKind::Other;
    let scripts: [&[(FaultPoint, io::ErrorKind)]; 6] = [
        &[(BeforeWrite, kind)],
        &[(BeforeCommit, kind)],
        // The data is there although the storage said no: the commit counts.
        &[(AfterCommit, kind)],
        &[(BeforeCommit, kind), (Reopen, kind)],
        &[(AfterCommit, kind), (Reopen, kind)],
        &[(BeforeWrite, kind), (Reopen, kind), (Reopen, kind), (Reopen, kind)],
    ];
    for faults in scripts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let script = Arc::new(Script::default());
        runtime().block_on(async {
            let store = open(&path, &script);
            let mut watch = store.watch(KeyRange::all(), None).await.unwrap();
            store.commit(Txn::create("before", "1")).await.unwrap();
            *script.0.lock().unwrap() = faults.to_vec();
            let mut answers = Vec::new();
            for n in 0..6 {
                answers.push(store.commit(Txn::create(format!("k{n}"), "1")).await);
            }
            assert!(
                script.0.lock().unwrap().is_empty(),
                "{faults:?}: not every fault struck"
            );
            store.commit(Txn::create("after", "1")).await.unwrap();
            let wrong = answers.iter().filter(|answer| answer.is_err()).count();
            // A fault that can be repaired at once is one error at most; each failing reopening is one more.
            assert!(wrong <= faults.len(), "{faults:?}: {answers:?}");
            for answer in &answers {
                assert!(matches!(answer, Ok(_) | Err(StoreError::Storage { .. })), "{answer:?}");
            }
            let listed = |store: &SqliteStore| {
                let page = store.range_latest(b"", 0).unwrap();
                page.entries
                    .iter()
                    .map(|entry| String::from_utf8_lossy(&entry.key).into_owned())
                    .collect::<Vec<_>>()
            };
            let seen = listed(&store);
            for (n, answer) in answers.iter().enumerate() {
                let there = seen.contains(&format!("k{n}"));
                // Whoever heard Ok finds it. Whoever heard an error may find it only if the commit had become durable.
                assert!(answer.is_err() || there, "{faults:?}: k{n}");
                assert!(
                    answer.is_ok() || !there || faults[0].0 == AfterCommit,
                    "{faults:?}: k{n}"
                );
            }
            // The watch told exactly the revisions there are.
            let mut revision = Revision(1);
            while let Some(event) = watch.try_next().await {
                revision = revision.next();
                assert_eq!(event.unwrap().revision, revision, "{faults:?}");
            }
            assert_eq!(revision, store.revision(), "{faults:?}");
            drop(store);
            assert_eq!(listed(&open(&path, &script)), seen, "{faults:?}");
        });
    }
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    runtime().block_on(async {
        let script = Arc::new(Script::default());
        let store = open(&path, &script);
        *script.0.lock().unwrap() = vec![(FaultPoint::BeforeWrite, io::ErrorKind::StorageFull)];
        let error = store.commit(Txn::create("a", "1")).await.unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        store.commit(Txn::create("a", "1")).await.unwrap();
        drop(store);

        let limited = SqliteOptions {
            max_bytes: Some(256 << 10),
            ..SqliteOptions::default()
        };
        let store = SqliteStore::open_with(&path, limited).unwrap();
        let value = "x".repeat(20_000);
        let mut kept = 0;
        let error = loop {
            match store.commit(Txn::create(format!("big/{kept}"), value.clone())).await {
                Ok(_) => kept += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, StoreError::Full { .. }) && error.to_string().contains("free disk space"),
            "{error}"
        );
        assert!((5..13).contains(&kept), "{kept}");
        assert_eq!(
            store.range(RangeRequest::prefix("big/")).await.unwrap().entries.len(),
            kept
        );
        assert_eq!(store.get_latest(b"a").unwrap().unwrap().value, "1");
        // What is removed and compacted makes room.
        for n in 0..kept {
            match store.commit(Txn::new().delete(format!("big/{n}"))).await {
                Ok(_) => {}
                Err(StoreError::Full { .. }) => {
                    store.compact(store.revision()).await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        store.compact(store.revision()).await.unwrap();
        store.commit(Txn::create("small", "1")).await.unwrap();
        store.commit(Txn::create("large", value)).await.unwrap();
    });
}

#[test]
fn a_second_instance_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let first = SqliteStore::open(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert_eq!(error, StoreError::Locked { path: path.clone() });
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn other_files_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::fs::write(&path, "This is a text that somebody needs.".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Foreign { .. })));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("This is a text"));

    let path = folder.path().join("y.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 3;")
        .unwrap();
    drop(other);
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Foreign { .. })));

    let path = folder.path().join("z.db");
    drop(SqliteStore::open(&path).unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 2;").unwrap();
    drop(newer);
    assert!(matches!(
        SqliteStore::open(&path),
        Err(StoreError::NewerSchema {
            found: 2,
            supported: 1,
            ..
        })
    ));

    let missing = folder.path().join("no/such/dir/x.db");
    let error = SqliteStore::open(&missing).unwrap_err();
    assert!(
        matches!(error, StoreError::Storage { .. }) && error.to_string().contains("no/such/dir"),
        "{error}"
    );
}

#[test]
fn a_watch_outlives_a_failing_commit() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let script = Arc::new(Script::default());
        let store = open(&folder.path().join("store.db"), &script);
        let mut watch = store.watch(KeyRange::all(), None).await.unwrap();
        *script.0.lock().unwrap() = vec![
            (FaultPoint::AfterCommit, io::ErrorKind::Other),
            (FaultPoint::Reopen, io::ErrorKind::Other),
        ];
        let unknown = store.commit(Txn::create("a", "1")).await;
        assert!(unknown.is_err());
        store.commit(Txn::create("b", "1")).await.unwrap();
        // The first commit had become durable; it is told before the second, once.
        assert_eq!(show(&watch.next().await.unwrap().unwrap()), "2 a=1(-)");
        assert_eq!(show(&watch.next().await.unwrap().unwrap()), "3 b=1(-)");
        assert_eq!(watch.try_next().await, None);
    });
}
