//! Appends a second by one and by many callers, a page of the audit log, and verification.

use std::sync::Arc;

use ridgeway_ledger::{Actor, Entry, Ledger, ObjectId, Options, Query, Verdict, verify_dir};

fn main() {
    divan::main();
}

fn entry(n: u64) -> Entry {
    Entry {
        time: format!("2026-01-01T00:{:02}:{:02}.123456Z", n / 60 % 60, n % 60),
        causality: format!("git:0123456789abcdef0123456789abcdef{:08x}", n / 4),
        actor: Actor {
            user: format!("system:serviceaccount:ridgeway-system:controller{}", n % 50),
            groups: vec!["system:authenticated".into(), "system:serviceaccounts".into()],
            source: "controller".into(),
        },
        verb: "apply".into(),
        object: ObjectId {
            group: "apps".into(),
            version: "v1".into(),
            resource: "deployments".into(),
            namespace: format!("team{}", n % 20),
            name: format!("service-{}", n % 500),
            ..ObjectId::default()
        },
        decision: Verdict {
            allowed: true,
            by: "RBAC: allowed by ClusterRoleBinding".into(),
            ..Verdict::default()
        },
        before: "0".repeat(64),
        after: "f".repeat(64),
        ..Entry::default()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime")
}

#[divan::bench(args = [1, 16, 256], sample_count = 10, sample_size = 1)]
fn append_256_by_callers(bencher: divan::Bencher<'_, '_>, callers: u64) {
    let (folder, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let ledger = Ledger::open(folder.path(), Options::default()).expect("a ledger");
    bencher
        .counter(divan::counter::ItemsCount::new(256u64))
        .bench_local(|| {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..callers)
                    .map(|caller| {
                        let ledger = ledger.clone();
                        tokio::spawn(async move {
                            for n in 0..256 / callers {
                                ledger.append(&entry(caller * 1000 + n)).await.expect("appended");
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task");
                }
            });
        });
}

fn filled(n: u64) -> (tempfile::TempDir, Arc<Ledger>) {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::open(folder.path(), Options::default()).expect("a ledger");
    (0..n).for_each(|n| ledger.append_buffered(&entry(n)).expect("buffered"));
    runtime().block_on(ledger.checkpoint_now()).expect("signed");
    (folder, ledger)
}

#[divan::bench(sample_count = 20)]
fn a_page_of_50_of_one_name_among_100000(bencher: divan::Bencher<'_, '_>) {
    let (_folder, ledger) = filled(100_000);
    let query = Query {
        name: "service-7".into(),
        limit: 50,
        ..Query::default()
    };
    bencher.bench_local(|| ledger.query(&query));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn verify_100000(bencher: divan::Bencher<'_, '_>) {
    let (folder, ledger) = filled(100_000);
    bencher
        .counter(divan::counter::ItemsCount::new(ledger.len()))
        .bench_local(|| verify_dir(folder.path()));
}
