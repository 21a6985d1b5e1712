//! Appending, group commit, reading, proofs, queries, and a storage that fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use ridgeway_ledger::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use ridgeway_ledger::{
    Entry, FaultPoint, Faults, Ledger, LedgerError, ObjectId, Options, Outcome, Phase, Query, Verdict, verify_dir,
};
use support::{entry, fill, open, runtime, unsigned};

#[test]
fn what_is_appended_is_read_back_also_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        fill(
            folder.path(),
            5,
            Options {
                segment_bytes: 900,
                ..Options::default()
            },
        )
        .await;
        let ledger = open(folder.path());
        assert_eq!(ledger.len(), 5);
        assert_eq!(ledger.append(&entry(5)).await, Ok(5));
        for (index, record) in ledger.entries(0..99).unwrap().into_iter().enumerate() {
            assert_eq!((record.index, record.entry), (index as u64, entry(index as u64)));
        }
        assert_eq!(ledger.get(6), Err(LedgerError::NoEntry { index: 6, len: 6 }));
        assert_eq!(ledger.entries(4..6).unwrap().len(), 2);
        assert!(matches!(
            Ledger::open(folder.path(), Options::default()),
            Err(LedgerError::Locked { .. })
        ));
        ledger.close().await.unwrap();
        assert_eq!(ledger.append(&entry(6)).await, Err(LedgerError::Closed));
        ledger.close().await.unwrap();
        assert_eq!(ledger.get(5).unwrap().entry, entry(5));
    });
}

#[test]
fn concurrent_appends_share_groups_and_each_gets_its_own_index() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let ledger = Ledger::open(folder.path(), unsigned()).unwrap();
        let tasks: Vec<_> = (0..400)
            .map(|n| {
                let ledger = ledger.clone();
                tokio::spawn(async move { (n, ledger.append(&entry(n)).await.unwrap()) })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for task in tasks {
            let (n, index) = task.await.unwrap();
            assert!(seen.insert(index));
            assert_eq!(ledger.get(index).unwrap().entry, entry(n));
        }
        assert_eq!(seen, (0..400).collect());
        let groups = ledger.groups();
        assert!((1..200).contains(&groups), "{groups} groups for 400 appends");
        ledger.close().await.unwrap();
        assert_eq!(verify_dir(folder.path()).unwrap().size, 400);
    });
}

#[test]
fn buffered_entries_come_with_the_next_group_or_soon() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let ledger = Ledger::open(
            folder.path(),
            Options {
                linger: Duration::from_millis(30),
                ..unsigned()
            },
        )
        .unwrap();
        ledger.append_buffered(&entry(0)).unwrap();
        assert_eq!(ledger.append(&entry(1)).await, Ok(1));
        assert_eq!(ledger.groups(), 1);
        let mut size = ledger.subscribe();
        ledger.append_buffered(&entry(2)).unwrap();
        tokio::time::timeout(Duration::from_secs(5), size.wait_for(|size| *size == 3))
            .await
            .unwrap()
            .unwrap();
        ledger.append_buffered(&entry(3)).unwrap();
        ledger.close().await.unwrap();
        assert_eq!(verify_dir(folder.path()).unwrap().size, 4);
    });
}

#[test]
fn dropping_the_ledger_closes_it() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let ledger = Ledger::open(folder.path(), unsigned()).unwrap();
        ledger.append(&entry(0)).await.unwrap();
        ledger.append_buffered(&entry(1)).unwrap();
        drop(ledger);
        let verified = verify_dir(folder.path()).unwrap();
        assert_eq!((verified.size, verified.after_checkpoint()), (2, 0));
    });
}

#[test]
fn a_checkpoint_follows_by_itself_and_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let options = Options {
            checkpoint_every: Duration::from_millis(50),
            ..Options::default()
        };
        let ledger = Ledger::open(folder.path(), options).unwrap();
        ledger.append(&entry(0)).await.unwrap();
        let signed = || ledger.checkpoint().verify(ledger.key()).unwrap().size;
        let begun = std::time::Instant::now();
        while signed() < 1 {
            assert!(begun.elapsed() < Duration::from_secs(5), "no checkpoint");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(verify_dir(folder.path()).unwrap().after_checkpoint(), 0);
        ledger.append(&entry(1)).await.unwrap();
        ledger.append_buffered(&entry(2)).unwrap();
        let note = ledger.checkpoint_now().await.unwrap();
        assert_eq!(note.verify(ledger.key()).unwrap().size, 3);
        assert_eq!(verify_dir(folder.path()).unwrap().checkpoint.size, 3);
    });
}

#[test]
fn a_ledger_in_use_can_be_verified_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let options = Options {
            segment_bytes: 30_000,
            checkpoint_every: Duration::from_millis(5),
            ..Options::default()
        };
        let ledger = Ledger::open(folder.path(), options).unwrap();
        let writer = ledger.clone();
        let task = tokio::spawn(async move {
            for n in 0..1500 {
                writer.append(&entry(n)).await.unwrap();
                writer.append_buffered(&entry(n)).unwrap();
            }
        });
        let (mut last, mut runs) = (0, 0);
        while !task.is_finished() {
            let verified = verify_dir(folder.path()).unwrap();
            assert!(verified.size >= last && verified.size >= verified.checkpoint.size);
            (last, runs) = (verified.size, runs + 1);
            tokio::task::yield_now().await;
        }
        task.await.unwrap();
        assert!(runs > 3 && last > 0, "{runs} runs, {last} entries");
    });
}

#[test]
fn proofs_convince_whoever_holds_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let ledger = Ledger::open(folder.path(), unsigned()).unwrap();
        let mut heads = Vec::new();
        for n in 0..11 {
            ledger.append(&entry(n)).await.unwrap();
            heads.push(ledger.checkpoint_now().await.unwrap().verify(ledger.key()).unwrap());
        }
        let bytes = |proof: Vec<[u8; 32]>| proof.into_iter().map(Vec::from).collect::<Vec<_>>();
        for new in &heads {
            for index in 0..new.size {
                let leaf = leaf_hash(&ledger.body(index).unwrap());
                let proof = bytes(ledger.inclusion_proof(index, new.size).unwrap());
                verify_inclusion(&leaf, index, new.size, &proof, &new.root).unwrap();
            }
            for old in heads.iter().filter(|old| old.size <= new.size) {
                let proof = bytes(ledger.consistency_proof(old.size, new.size).unwrap());
                verify_consistency(old.size, new.size, &old.root, &new.root, &proof).unwrap();
            }
        }
        assert!(matches!(ledger.inclusion_proof(11, 11), Err(LedgerError::Proof(_))));
    });
}

#[test]
fn a_time_is_filled_in_and_an_entry_may_be_too_large() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let now = Arc::new(|| "2026-05-05T05:05:05Z".parse().unwrap());
        let ledger = Ledger::open(
            folder.path(),
            Options {
                now: Some(now),
                ..unsigned()
            },
        )
        .unwrap();
        ledger.append(&Entry::default()).await.unwrap();
        assert_eq!(ledger.get(0).unwrap().entry.time, "2026-05-05T05:05:05Z");
        let large = Entry {
            before: "x".repeat(2 << 20),
            ..Entry::default()
        };
        assert!(matches!(ledger.append(&large).await, Err(LedgerError::TooLarge { .. })));
        assert_eq!(ledger.len(), 1);
    });
}

#[test]
fn a_cursor_gives_everything_once_and_waits() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let ledger = Ledger::open(folder.path(), unsigned()).unwrap();
        let mut cursor = ledger.cursor(0);
        let writer = ledger.clone();
        let task = tokio::spawn(async move {
            for n in 0..600 {
                writer.append_buffered(&entry(n)).unwrap();
                if n % 50 == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
            writer.close().await.unwrap();
        });
        let mut expected = 0;
        while let Some(record) = cursor.next().await {
            assert_eq!(record.unwrap().index, expected);
            expected += 1;
            assert_eq!(cursor.next_index(), expected);
        }
        assert_eq!(expected, 600);
        task.await.unwrap();
    });
}

fn operation(ledger: &Ledger, runtime: &tokio::runtime::Runtime, name: &str, code: Option<u16>) {
    let object = ObjectId {
        resource: "pods/status".into(),
        name: name.into(),
        ..ObjectId::default()
    };
    let allowed = Verdict {
        allowed: true,
        ..Verdict::default()
    };
    let intent = Entry {
        phase: Phase::Intent,
        object: object.clone(),
        decision: allowed,
        ..Entry::default()
    };
    let of = runtime.block_on(ledger.append(&intent)).unwrap();
    if let Some(code) = code {
        let decision = Verdict {
            allowed: code < 400,
            ..Verdict::default()
        };
        let outcome = Entry {
            phase: Phase::Outcome,
            of: Some(of),
            code,
            object,
            decision,
            ..Entry::default()
        };
        runtime.block_on(ledger.append(&outcome)).unwrap();
    }
}

#[test]
fn an_intent_is_judged_by_its_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let ledger = Ledger::open(folder.path(), unsigned()).unwrap();
    operation(&ledger, &runtime, "good", Some(201));
    operation(&ledger, &runtime, "bad", Some(409));
    operation(&ledger, &runtime, "cut-off", None);
    let check = |ledger: &Ledger| {
        for (outcome, name, place) in [
            (Outcome::Success, "good", Some(1)),
            (Outcome::Failure, "bad", Some(3)),
            (Outcome::Open, "cut-off", None),
        ] {
            let query = Query {
                without_outcomes: true,
                outcome: Some(outcome),
                resource: "pods".into(),
                ..Query::default()
            };
            let found = ledger.query(&query).unwrap().records;
            let shown: Vec<_> = found
                .iter()
                .map(|r| (r.entry.object.name.as_str(), r.outcome, r.result))
                .collect();
            assert_eq!(shown, [(name, place, outcome)]);
        }
    };
    check(&ledger);
    drop(ledger);
    check(&open(folder.path()));
}

#[test]
fn queries_give_what_a_filter_over_all_entries_gives() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = runtime();
    runtime.block_on(fill(
        folder.path(),
        60,
        Options {
            segment_bytes: 4000,
            ..Options::default()
        },
    ));
    let ledger = open(folder.path());
    let all: Vec<_> = ledger.entries(0..60).unwrap().into_iter().rev().collect();
    let text = |words: &'static [&'static str]| proptest::sample::select(words).prop_map(str::to_owned);
    let time = || proptest::option::of((0..70u64).prop_map(|n| entry(n).time.parse::<jiff::Timestamp>().unwrap()));
    let queries = (
        (
            time(),
            time(),
            text(&["", "user0", "user1", "nobody"]),
            text(&["", "create", "delete"]),
        ),
        (
            text(&["", "pods", "pods/log", "jobs"]),
            text(&["", "pod7", "pod8"]),
            text(&["", "git:3", "git:14"]),
        ),
        (
            proptest::sample::select(&[None, Some(Outcome::Success), Some(Outcome::Failure)][..]),
            1..9usize,
        ),
    );
    proptest!(|(((since, until, actor, verb), (resource, name, causality), (outcome, limit)) in queries)| {
        let mut query = Query { since, until, actor, verb, resource, name, causality, outcome, limit, ..Query::default() };
        let same = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let wanted: Vec<u64> = all.iter().filter(|record| {
            let (entry, time) = (&record.entry, record.entry.time.parse::<jiff::Timestamp>().unwrap());
            since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
                && same(&query.actor, &entry.actor.user) && same(&query.verb, &entry.verb)
                && same(&query.resource, &entry.object.resource) && same(&query.name, &entry.object.name)
                && same(&query.causality, &entry.causality)
                && outcome.is_none_or(|outcome| (outcome == Outcome::Success) == entry.decision.allowed)
        }).map(|record| record.index).collect();
        let mut found = Vec::new();
        loop {
            let page = ledger.query(&query).unwrap();
            prop_assert!(page.records.len() <= limit && (page.next.is_none() || page.records.len() == limit));
            found.extend(page.records.iter().map(|record| record.index));
            query.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        prop_assert_eq!(found, wanted);
    });
}

/// Fails at one point as often as told.
#[derive(Default)]
struct Failing {
    point: Mutex<Option<FaultPoint>>,
    left: AtomicU32,
}

impl Failing {
    fn next(&self, point: FaultPoint, times: u32) {
        *self.point.lock().unwrap() = Some(point);
        self.left.store(times, Ordering::SeqCst);
    }
}

impl Faults for Failing {
    fn strike(&self, point: FaultPoint) -> io::Result<()> {
        let hit = *self.point.lock().unwrap() == Some(point);
        match hit
            && self
                .left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok()
        {
            true => Err(io::Error::from(io::ErrorKind::StorageFull)),
            false => Ok(()),
        }
    }
}

#[test]
fn a_failed_group_leaves_nothing_and_later_ones_work() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let faults = Arc::new(Failing::default());
        let options = Options {
            faults: faults.clone(),
            segment_bytes: 1200,
            ..unsigned()
        };
        let ledger = Ledger::open(folder.path(), options).unwrap();
        let mut kept = Vec::new();
        for (n, point) in
            (0..).zip([FaultPoint::Write, FaultPoint::Sync, FaultPoint::Sync, FaultPoint::Write].repeat(3))
        {
            faults.next(point, 1);
            let refused = ledger.append(&entry(n)).await;
            assert!(matches!(refused, Err(LedgerError::Full { .. })), "{refused:?}");
            assert_eq!(ledger.append(&entry(100 + n)).await, Ok(n));
            kept.push(entry(100 + n));
            assert_eq!(verify_dir(folder.path()).unwrap().size, n + 1);
        }
        faults.next(FaultPoint::Checkpoint, 1);
        assert!(matches!(ledger.checkpoint_now().await, Err(LedgerError::Full { .. })));
        // A buffered entry waits for the storage to work again.
        faults.next(FaultPoint::Sync, 2);
        ledger.append_buffered(&entry(60)).unwrap();
        kept.push(entry(60));
        let mut size = ledger.subscribe();
        let wanted = kept.len() as u64;
        tokio::time::timeout(Duration::from_secs(5), size.wait_for(|size| *size == wanted))
            .await
            .unwrap()
            .unwrap();
        ledger.close().await.unwrap();
        let found: Vec<_> = open(folder.path())
            .entries(0..99)
            .unwrap()
            .into_iter()
            .map(|record| record.entry)
            .collect();
        assert_eq!(found, kept);
    });
}

/// Fails to sync, and then to cut off, until it is healed.
struct Broken(std::sync::atomic::AtomicBool);

impl Faults for Broken {
    fn strike(&self, point: FaultPoint) -> io::Result<()> {
        match matches!(point, FaultPoint::Sync | FaultPoint::Rollback) && self.0.load(Ordering::SeqCst) {
            true => Err(io::Error::other("broken")),
            false => Ok(()),
        }
    }
}

#[test]
fn nothing_is_written_behind_the_rest_of_a_failed_group() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let broken = Arc::new(Broken(false.into()));
        let ledger = Ledger::open(
            folder.path(),
            Options {
                faults: broken.clone(),
                ..unsigned()
            },
        )
        .unwrap();
        ledger.append(&entry(0)).await.unwrap();
        broken.0.store(true, Ordering::SeqCst);
        for n in 1..4 {
            assert!(matches!(ledger.append(&entry(n)).await, Err(LedgerError::Io { .. })));
        }
        assert_eq!(ledger.len(), 1);
        broken.0.store(false, Ordering::SeqCst);
        assert_eq!(ledger.append(&entry(4)).await, Ok(1));
        ledger.close().await.unwrap();
        assert_eq!(open(folder.path()).get(1).unwrap().entry, entry(4));
    });
}
