//! What every store does, whatever it keeps its history in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use ridgeway_store::{
    Expect, KeyRange, MemoryStore, Op, RangeRequest, Revision, SqliteStore, Store, StoreError, Txn, WatchError,
};
use support::{runtime, show, stores};

fn keys(entries: &[Arc<ridgeway_store::Entry>]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.key).into_owned())
        .collect()
}

/// Runs a scenario on every kind of store.
fn each<F: Future<Output = ()>>(scenario: impl Fn(Arc<dyn Store>) -> F) {
    let folder = tempfile::tempdir().unwrap();
    for (kind, store) in stores(folder.path()) {
        println!("store: {kind}");
        runtime().block_on(scenario(store));
    }
}

#[test]
fn a_transaction_counts_one_revision_and_remembers_what_was() {
    each(async |store| {
        assert_eq!((store.revision(), store.compacted()), (Revision(1), Revision(1)));
        let created = store.commit(Txn::create("a", "1").put("b", "1")).await.unwrap();
        assert_eq!(
            (created.revision, created.changed, created.outcomes.len()),
            (Revision(2), true, 2)
        );
        let written = store
            .commit(Txn::replace("a", Revision(2), "2").delete("b").delete("nothing"))
            .await
            .unwrap();
        let entry = written.outcomes[0].entry.clone().unwrap();
        assert_eq!(
            (entry.create_revision, entry.mod_revision, entry.version),
            (Revision(2), Revision(3), 2)
        );
        assert_eq!(written.outcomes[1].prev.as_ref().unwrap().value, "1");
        assert_eq!((&written.outcomes[2].prev, &written.outcomes[2].entry), (&None, &None));
        let idle = store.commit(Txn::new().delete("nothing")).await.unwrap();
        assert_eq!((idle.revision, idle.changed), (Revision(3), false));
        let empty = store.commit(Txn::new().expect("a", Expect::Exists)).await.unwrap();
        assert_eq!((empty.revision, empty.changed), (Revision(3), false));
        // Created again after a deletion: a new life.
        let again = store.commit(Txn::create("b", "3")).await.unwrap().outcomes[0]
            .entry
            .clone()
            .unwrap();
        assert_eq!((again.create_revision, again.version), (Revision(4), 1));
    });
}

#[test]
fn a_condition_that_fails_writes_nothing_and_tells_what_is_there() {
    each(async |store| {
        store.commit(Txn::create("a", "1")).await.unwrap();
        for (txn, index) in [
            (Txn::create("a", "2"), 0),
            (Txn::replace("a", Revision(1), "2"), 0),
            (Txn::replace("none", Revision(2), "2"), 0),
            (
                Txn::new()
                    .expect("a", Expect::Exists)
                    .expect("b", Expect::Exists)
                    .put("c", "1"),
                1,
            ),
            (
                Txn::new()
                    .expect("b", Expect::Absent)
                    .expect("a", Expect::Absent)
                    .put("c", "1"),
                1,
            ),
        ] {
            match store.commit(txn.clone()).await {
                Err(StoreError::Conflict {
                    index: found,
                    key,
                    current,
                }) => {
                    assert_eq!((found, &key), (index, &txn.conditions[index].key));
                    assert_eq!(current, store.get_latest(&key).unwrap());
                }
                other => panic!("{txn:?}: {other:?}"),
            }
        }
        let twice = store.commit(Txn::new().put("k", "1").delete("k")).await;
        assert!(matches!(twice, Err(StoreError::DuplicateKey { .. })));
        assert_eq!(store.commit(Txn::new().put("", "1")).await, Err(StoreError::EmptyKey));
        let ops = vec![Op::Delete { key: "x".into() }; (1 << 20) + 1];
        let many = store
            .commit(Txn {
                conditions: Vec::new(),
                ops,
            })
            .await;
        assert!(matches!(many, Err(StoreError::TooManyOps { .. })));
        assert_eq!(store.revision(), Revision(2));
    });
}

#[test]
fn pages_stay_on_their_snapshot() {
    each(async |store| {
        for name in ["p/a", "p/b", "p/c", "p/d", "q/a"] {
            store.commit(Txn::create(name, "1")).await.unwrap();
        }
        let first = store.range(RangeRequest::prefix("p/").limit(2)).await.unwrap();
        assert_eq!(
            (keys(&first.entries), first.more, first.remaining),
            (vec!["p/a".into(), "p/b".into()], true, 2)
        );
        store
            .commit(Txn::new().delete("p/c").put("p/cc", "new").put("p/d", "2"))
            .await
            .unwrap();
        for at in 0..5 {
            store.commit(Txn::new().put("other", format!("{at}"))).await.unwrap();
        }
        let mut rest = RangeRequest::prefix("p/").limit(2).at(first.revision);
        rest.keys.start = first.next_start().unwrap();
        let second = store.range(rest).await.unwrap();
        assert_eq!(
            (keys(&second.entries), second.more, second.remaining),
            (vec!["p/c".into(), "p/d".into()], false, 0)
        );
        assert_eq!((second.next_start(), second.revision), (None, first.revision));
        assert_eq!(second.entries[1].value, "1");

        let count = store
            .range(RangeRequest::prefix("p/").at(first.revision).count_only())
            .await
            .unwrap();
        assert_eq!((count.entries.len(), count.remaining), (0, 4));
        let all = store.range(RangeRequest::new(KeyRange::all())).await.unwrap();
        assert_eq!(keys(&all.entries), ["other", "p/a", "p/b", "p/cc", "p/d", "q/a"]);
        let latest = store.range_latest(b"p/", 3).unwrap();
        assert_eq!(
            (keys(&latest.entries), latest.more, latest.remaining),
            (keys(&all.entries[1..4]), true, 1)
        );
        assert_eq!(store.range_latest(b"", 0).unwrap().entries.len(), 6);
        assert_eq!(store.range_latest(b"zzz", 0).unwrap().entries.len(), 0);
        let none = store
            .range(RangeRequest::new(KeyRange::between("q", "p")))
            .await
            .unwrap();
        assert_eq!((none.entries.len(), none.more), (0, false));
    });
}

#[test]
fn old_revisions_are_readable_until_they_are_compacted() {
    each(async |store| {
        for value in ["1", "2", "3", "4", "5"] {
            store.commit(Txn::new().put("a", value)).await.unwrap();
        }
        store.commit(Txn::new().delete("a")).await.unwrap();
        let at = |revision| store.get(b"a", Some(Revision(revision)));
        let value =
            |found: Result<Option<Arc<ridgeway_store::Entry>>, StoreError>| found.unwrap().map(|e| e.value.clone());
        assert_eq!(value(at(1).await), None);
        assert_eq!(value(at(4).await), Some("3".into()));
        assert_eq!(value(at(7).await), None);
        assert_eq!(
            at(8).await,
            Err(StoreError::Future {
                requested: Revision(8),
                current: Revision(7)
            })
        );
        store.compact(Revision(4)).await.unwrap();
        store.compact(Revision(2)).await.unwrap();
        assert_eq!(
            at(3).await,
            Err(StoreError::Compacted {
                requested: Revision(3),
                oldest: Revision(4)
            })
        );
        assert_eq!(value(at(4).await), Some("3".into()));
        assert!(matches!(
            store.compact(Revision(99)).await,
            Err(StoreError::Future { .. })
        ));
        let late = store.watch(KeyRange::all(), Some(Revision(3))).await;
        assert!(matches!(late, Err(StoreError::Compacted { .. })));
        let mut watch = store.watch(KeyRange::all(), Some(Revision(4))).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = watch.try_next().await {
            seen.push(show(&event.unwrap()));
        }
        assert_eq!(seen, ["5 a=4(3)", "6 a=5(4)", "7 a=-(5)"]);
        assert_eq!(watch.progress(), Revision(7));
    });
}

#[test]
fn a_watch_continues_where_a_list_ended() {
    each(async |store| {
        store.commit(Txn::create("p/a", "1")).await.unwrap();
        let page = store.range(RangeRequest::prefix("p/")).await.unwrap();
        store.commit(Txn::create("q/a", "1").put("p/b", "1")).await.unwrap();
        let ranges = [
            KeyRange::prefix("p/"),
            KeyRange::key("p/b"),
            KeyRange::between("p/", "p/bb"),
        ];
        let mut watches = Vec::new();
        for range in ranges {
            watches.push(store.watch(range, Some(page.revision)).await.unwrap());
        }
        let mut coming = store.watch(KeyRange::prefix("p/"), None).await.unwrap();
        store.commit(Txn::new().put("p/b", "2").delete("p/a")).await.unwrap();
        store.commit(Txn::new().put("elsewhere", "2")).await.unwrap();
        let expected: [&[&str]; 3] = [
            &["3 p/b=1(-)", "4 p/b=2(1)", "4 p/a=-(1)"],
            &["3 p/b=1(-)", "4 p/b=2(1)"],
            &["3 p/b=1(-)", "4 p/b=2(1)", "4 p/a=-(1)"],
        ];
        for (watch, expected) in watches.iter_mut().zip(expected) {
            for wanted in expected {
                let event = tokio::time::timeout(Duration::from_secs(5), watch.next())
                    .await
                    .unwrap()
                    .unwrap()
                    .unwrap();
                assert_eq!(show(&event), *wanted);
            }
            assert_eq!(watch.try_next().await, None);
            assert_eq!(watch.progress(), Revision(5));
        }
        assert_eq!(show(&coming.next().await.unwrap().unwrap()), "4 p/b=2(1)");
        // Half of a transaction is not progress.
        assert_eq!(coming.progress(), Revision(3));
        assert_eq!(show(&coming.next().await.unwrap().unwrap()), "4 p/a=-(1)");
        drop(store);
        drop(watches);
        let end = tokio::time::timeout(Duration::from_secs(5), coming.next())
            .await
            .unwrap();
        assert_eq!(end, None);
    });
}

#[test]
fn a_slow_watch_reads_the_rest_from_history_and_fails_only_when_that_is_gone() {
    each(async |store| {
        let mut slow = store.watch(KeyRange::all(), None).await.unwrap();
        let mut lost = store.watch(KeyRange::all(), None).await.unwrap();
        for _ in 0..15 {
            // Two changes a transaction: the queue fills in the middle of one.
            let commit =
                |store: Arc<dyn Store>| async move { store.commit(Txn::new().put("a", "1").put("b", "1")).await };
            let group: Vec<_> = (0..100).map(|_| tokio::spawn(commit(store.clone()))).collect();
            for commit in group {
                commit.await.unwrap().unwrap();
            }
        }
        for revision in 2..=1501 {
            for key in ["a", "b"] {
                let event = slow.next().await.unwrap().unwrap();
                assert_eq!((event.revision, &event.key[..]), (Revision(revision), key.as_bytes()));
            }
        }
        assert_eq!((slow.try_next().await, slow.progress()), (None, Revision(1501)));
        // It is live again afterwards.
        store.commit(Txn::new().put("c", "1")).await.unwrap();
        assert_eq!(show(&slow.next().await.unwrap().unwrap()), "1502 c=1(-)");

        store.compact(Revision(1400)).await.unwrap();
        let mut last = Revision(1);
        let error = loop {
            match lost.next().await.unwrap() {
                Ok(event) => last = event.revision,
                Err(error) => break error,
            }
        };
        assert!(last < Revision(1400));
        assert_eq!(
            error,
            WatchError::Compacted {
                requested: last,
                oldest: Revision(1400)
            }
        );
        assert_eq!(lost.next().await, None);
    });
}

#[test]
fn a_fork_keeps_its_writes_to_itself() {
    each(async |store| {
        store.commit(Txn::create("a", "1").put("b", "1")).await.unwrap();
        store.commit(Txn::new().put("a", "2")).await.unwrap();
        store.commit(Txn::new().put("a", "3")).await.unwrap();
        let past = store.fork(Some(Revision(2))).await.unwrap();
        let now = store.fork(None).await.unwrap();
        assert_eq!((past.revision(), now.revision()), (Revision(2), Revision(4)));
        assert_eq!(past.get_latest(b"a").unwrap().unwrap().value, "1");
        now.commit(Txn::new().put("a", "mine").delete("b")).await.unwrap();
        store.commit(Txn::new().put("a", "theirs")).await.unwrap();
        assert_eq!((now.revision(), store.revision()), (Revision(5), Revision(5)));
        assert_eq!(now.get_latest(b"a").unwrap().unwrap().value, "mine");
        assert_eq!(store.get_latest(b"a").unwrap().unwrap().value, "theirs");
        assert!(store.get_latest(b"b").unwrap().is_some());
        assert!(matches!(
            past.get(b"a", Some(Revision(1))).await,
            Err(StoreError::Compacted { .. })
        ));
    });
}

#[test]
fn racing_writers_never_lose_an_update() {
    each(async |store| {
        store.commit(Txn::create("n", "0")).await.unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    for _ in 0..25 {
                        loop {
                            let entry = store.get_latest(b"n").unwrap().unwrap();
                            let n: u32 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                            let next = Txn::replace("n", entry.mod_revision, (n + 1).to_string());
                            match store.commit(next).await {
                                Ok(_) => break,
                                Err(StoreError::Conflict { .. }) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let entry = store.get_latest(b"n").unwrap().unwrap();
        assert_eq!(
            (&entry.value[..], entry.version, store.revision()),
            (&b"200"[..], 201, Revision(202))
        );
    });
}

#[test]
fn everything_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    runtime().block_on(async {
        let store = SqliteStore::open(&path).unwrap();
        for n in 0..20 {
            store
                .commit(
                    Txn::new()
                        .put(format!("k{}", n % 3), n.to_string())
                        .put("last", n.to_string()),
                )
                .await
                .unwrap();
        }
        store.commit(Txn::new().delete("last")).await.unwrap();
        store.compact(Revision(10)).await.unwrap();
        let all = store.range_latest(b"", 0).unwrap();
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.range_latest(b"", 0).unwrap(), all);
        assert_eq!((store.revision(), store.compacted()), (Revision(22), Revision(10)));
        assert_eq!(
            store.get(b"last", Some(Revision(21))).await.unwrap().unwrap().value,
            "19"
        );
        // A store whose newest row was compacted away still counts on.
        store.compact(Revision(22)).await.unwrap();
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.revision(), Revision(22));
        assert_eq!(
            store.commit(Txn::create("new", "1")).await.unwrap().revision,
            Revision(23)
        );
    });
}

#[test]
fn a_store_in_memory_ends_its_watches_when_it_goes() {
    runtime().block_on(async {
        let store = MemoryStore::new();
        let mut watch = store.watch(KeyRange::all(), None).await.unwrap();
        store.commit(Txn::create("a", "1")).await.unwrap();
        drop(store);
        assert_eq!(show(&watch.next().await.unwrap().unwrap()), "2 a=1(-)");
        assert_eq!(watch.next().await, None);
    });
}
