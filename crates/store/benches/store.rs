//! Creates a second, reads, and what 1,000 watchers cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ridgeway_store::{KeyRange, MemoryStore, SqliteStore, Store, Txn};

fn main() {
    divan::main();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime")
}

/// A Pod's worth of bytes.
fn value() -> Vec<u8> {
    vec![b'x'; 2000]
}

#[divan::bench(args = [1, 4, 64], sample_count = 10, sample_size = 1)]
fn sqlite_256_creates_by_writers(bencher: divan::Bencher<'_, '_>, writers: u64) {
    let (folder, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let store = Arc::new(SqliteStore::open(folder.path().join("store.db")).expect("a store"));
    let next = Arc::new(AtomicU64::new(0));
    bencher
        .counter(divan::counter::ItemsCount::new(256u64))
        .bench_local(|| {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..writers)
                    .map(|_| {
                        let (store, next) = (store.clone(), next.clone());
                        tokio::spawn(async move {
                            for _ in 0..256 / writers {
                                let key = format!("pods/{:08}", next.fetch_add(1, Ordering::Relaxed));
                                store.commit(Txn::create(key, value())).await.expect("committed");
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

#[divan::bench(args = [1, 1000], sample_count = 20)]
fn one_commit_seen_by_watchers_of_its_prefix(bencher: divan::Bencher<'_, '_>, watchers: u64) {
    let runtime = runtime();
    let store = MemoryStore::new();
    let mut watches = runtime.block_on(async {
        let mut watches = Vec::new();
        for _ in 0..watchers {
            watches.push(store.watch(KeyRange::prefix("pods/"), None).await.expect("a watch"));
        }
        watches
    });
    bencher
        .counter(divan::counter::ItemsCount::new(watchers))
        .bench_local(|| {
            runtime.block_on(async {
                store
                    .commit(Txn::new().put("pods/a", value()))
                    .await
                    .expect("committed");
                for watch in &mut watches {
                    watch.next().await.expect("open").expect("an event");
                }
            });
        });
}

#[divan::bench(sample_count = 20)]
fn one_commit_beside_1000_watchers_of_other_prefixes(bencher: divan::Bencher<'_, '_>) {
    let runtime = runtime();
    let store = MemoryStore::new();
    let _watches = runtime.block_on(async {
        let mut watches = Vec::new();
        for n in 0..1000 {
            watches.push(
                store
                    .watch(KeyRange::prefix(format!("kind{n}/")), None)
                    .await
                    .expect("a watch"),
            );
        }
        watches
    });
    bencher.bench_local(|| runtime.block_on(store.commit(Txn::new().put("pods/a", "1"))));
}

#[divan::bench]
fn get_latest_among_100000(bencher: divan::Bencher<'_, '_>) {
    let store = MemoryStore::new();
    runtime().block_on(async {
        for n in 0..100 {
            let txn = (0..1000).fold(Txn::new(), |txn, at| txn.put(format!("pods/{:08}", n * 1000 + at), "1"));
            store.commit(txn).await.expect("committed");
        }
    });
    bencher.bench_local(|| store.get_latest(divan::black_box(b"pods/00054321")));
}
