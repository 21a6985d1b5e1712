//! A process that writes is killed again and again: nothing acknowledged is lost, no revision is skipped or repeated.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ridgeway_store::{KeyRange, Revision, SqliteOptions, SqliteStore, Store, Txn};
use support::runtime;

const CHILD: &str = "RIDGEWAY_STORE_CRASH_CHILD";

fn options() -> SqliteOptions {
    SqliteOptions {
        window_commits: 16,
        ..SqliteOptions::default()
    }
}

fn say(line: &str) {
    // One write a line: a line that the parent sees whole was meant.
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Not a test of its own: the process that [`acknowledged_commits_survive_kill`] kills.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    runtime().block_on(async {
        let store = Arc::new(SqliteStore::open_with(&path, options()).unwrap());
        let mut watch = store.watch(KeyRange::all(), Some(store.revision())).await.unwrap();
        let mut expected = store.revision();
        tokio::spawn(async move {
            loop {
                expected = expected.next();
                for _ in 0..2 {
                    let event = watch.next().await.unwrap().unwrap();
                    if event.revision != expected {
                        say(&format!("broken watch: {} instead of {expected}\n", event.revision));
                        std::process::exit(1);
                    }
                }
            }
        });
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let store = store.clone();
            writers.spawn(async move {
                let counter = format!("counter/{writer}");
                loop {
                    let now = store.get_latest(counter.as_bytes()).unwrap();
                    let n = now.map_or(0, |entry| entry.version);
                    let txn =
                        Txn::create(format!("w{writer}/{n:06}"), n.to_string()).put(counter.clone(), n.to_string());
                    let done = store.commit(txn).await.unwrap();
                    say(&format!("acknowledged {} {writer} {n}\n", done.revision));
                    if n % 40 == 39 {
                        store.compact(Revision(store.revision().0 - 20)).await.unwrap();
                    }
                }
            });
        }
        // A writer ends only by a panic.
        writers.join_next().await;
        say("broken writer\n");
        std::process::exit(1);
    });
}

#[test]
fn acknowledged_commits_survive_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut acknowledged: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for round in 0..10usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let target = 7 + round * 29;
        let mut seen = 0;
        let mut note = |line: String| {
            assert!(!line.contains("broken"), "round {round}: {line}");
            let mut words = line
                .split(' ')
                .skip_while(|word| !word.ends_with("acknowledged"))
                .skip(1);
            if let (Some(revision), Some(writer), Some(n)) = (words.next(), words.next(), words.next()) {
                let number = |word: &str| word.parse::<u64>().unwrap();
                let fresh = acknowledged.insert(number(revision), (number(writer), number(n)));
                assert_eq!(fresh, None, "revision {revision} was given twice");
                seen += 1;
            }
            seen
        };
        while note(lines.next().expect("the child goes on until it is killed").unwrap()) < target {}
        child.kill().unwrap();
        child.wait().unwrap();
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.into_iter().for_each(|line| {
            note(line);
        });

        runtime().block_on(async {
            let store = SqliteStore::open_with(&path, options()).unwrap();
            for (revision, (writer, n)) in &acknowledged {
                let key = format!("w{writer}/{n:06}");
                let entry = store.get_latest(key.as_bytes()).unwrap();
                let entry = entry.unwrap_or_else(|| panic!("round {round}: {key} of revision {revision} is lost"));
                assert_eq!(
                    (entry.mod_revision.0, &entry.value[..]),
                    (*revision, n.to_string().as_bytes())
                );
            }
            // Two events a revision, from the oldest that is kept to the newest, none missing and none twice.
            let mut watch = store.watch(KeyRange::all(), Some(store.compacted())).await.unwrap();
            let mut revision = store.compacted();
            while let Some(first) = watch.try_next().await {
                let (first, second) = (first.unwrap(), watch.try_next().await.unwrap().unwrap());
                revision = revision.next();
                assert_eq!((first.revision, second.revision), (revision, revision), "round {round}");
                assert!(first.key.starts_with(b"w") && second.key.starts_with(b"counter/"));
            }
            assert_eq!(revision, store.revision(), "round {round}");
        });
    }
    assert!(acknowledged.len() > 1000, "{}", acknowledged.len());
}
