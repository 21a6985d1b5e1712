//! What the ledger's tests share.
#![allow(dead_code)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ridgeway_ledger::{Actor, Entry, Ledger, ObjectId, Options, Phase, Verdict};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap()
}

/// Entry number `n`, told apart by its name.
pub(crate) fn entry(n: u64) -> Entry {
    Entry {
        time: format!("2026-01-01T00:{:02}:{:02}Z", n / 60 % 60, n % 60),
        causality: format!("git:{}", n / 4),
        phase: Phase::Event,
        actor: Actor {
            user: format!("user{}", n % 3),
            ..Actor::default()
        },
        verb: if n.is_multiple_of(2) { "create" } else { "delete" }.into(),
        object: ObjectId {
            resource: "pods".into(),
            namespace: "shop".into(),
            name: format!("pod{n}"),
            ..ObjectId::default()
        },
        decision: Verdict {
            allowed: !n.is_multiple_of(5),
            by: "RBAC".into(),
            message: String::new(),
        },
        ..Entry::default()
    }
}

/// Options under which nothing is signed by itself.
pub(crate) fn unsigned() -> Options {
    Options {
        checkpoint_every: Duration::from_secs(3600),
        ..Options::default()
    }
}

pub(crate) fn open(dir: &Path) -> Arc<Ledger> {
    Ledger::open(dir, Options::default()).unwrap()
}

/// A closed ledger of `n` entries, each group one entry.
pub(crate) async fn fill(dir: &Path, n: u64, options: Options) {
    let ledger = Ledger::open(dir, options).unwrap();
    for at in 0..n {
        assert_eq!(ledger.append(&entry(at)).await.unwrap(), at);
    }
    ledger.close().await.unwrap();
}
