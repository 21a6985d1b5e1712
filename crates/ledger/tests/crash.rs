//! A process that appends is killed again and again: what it was told is durable is there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ridgeway_ledger::{Ledger, Options, verify_dir};
use support::{entry, open, runtime};

const CHILD: &str = "RIDGEWAY_LEDGER_CRASH_CHILD";

/// Not a test of its own: the process that [`acknowledged_entries_survive_kill`] kills.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    runtime().block_on(async {
        let options = Options {
            segment_bytes: 20_000,
            checkpoint_every: std::time::Duration::from_millis(7),
            ..Options::default()
        };
        let ledger = Ledger::open(&dir, options).unwrap();
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let ledger = ledger.clone();
            tasks.push(tokio::spawn(async move {
                for n in 0.. {
                    let index = ledger.append(&entry(n)).await.unwrap();
                    // One write a line: a line that the parent sees whole was acknowledged.
                    std::io::stdout()
                        .write_all(format!("acknowledged {index} {n}\n").as_bytes())
                        .unwrap();
                    ledger.append_buffered(&entry(n)).unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn acknowledged_entries_survive_kill() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let mut acknowledged = std::collections::BTreeMap::new();
    for round in 0..12usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .env(CHILD, &dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let target = 5 + round * 23;
        let mut note = |line: String| {
            let mut words = line
                .split(' ')
                .skip_while(|word| !word.ends_with("acknowledged"))
                .skip(1);
            if let (Some(index), Some(n)) = (words.next(), words.next()) {
                let fresh = acknowledged.insert(index.parse::<u64>().unwrap(), n.parse::<u64>().unwrap());
                assert_eq!(fresh, None, "index {index} was given twice");
                seen += 1;
            }
            seen
        };
        while note(lines.next().expect("the child goes on until it is killed").unwrap()) < target {}
        child.kill().unwrap();
        child.wait().unwrap();
        // What was still in the pipe was acknowledged too; the last line may be cut.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.into_iter().for_each(|line| {
            note(line);
        });
        let ledger = open(&dir);
        let len = ledger.len();
        for (&index, &n) in &acknowledged {
            assert!(index < len, "round {round}: entry {index} of {len} is lost");
            assert_eq!(
                ledger.get(index).unwrap().entry,
                entry(n),
                "round {round}, entry {index}"
            );
        }
        drop(ledger);
        assert_eq!(verify_dir(&dir).unwrap().size, len);
    }
    assert!(acknowledged.len() > 1000, "{}", acknowledged.len());
}
