//! Lists and watches through the `Cluster` trait: nothing is missed and nothing comes twice.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ridgeway_cluster::{DeleteOptions, ListOptions, WatchEvent};

use support::{Plane, by, config, core, text};

#[tokio::test]
async fn a_list_and_a_watch_from_it_miss_nothing() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    cluster.create(config("a", "1"), by("t")).await.unwrap();
    let all = ListOptions::default();
    let list = cluster.list(&core("ConfigMap"), Some("default"), &all).await.unwrap();
    assert_eq!(
        list.items
            .iter()
            .map(|d| text(d, &["metadata", "name"]))
            .collect::<Vec<_>>(),
        ["a"]
    );
    let mut watch = cluster
        .watch(&core("ConfigMap"), Some("default"), &all, &list.resource_version)
        .await
        .unwrap();
    cluster.create(config("b", "1"), by("t")).await.unwrap();
    cluster.update(config("a", "2"), by("t")).await.unwrap();
    cluster
        .delete(&core("ConfigMap"), "default", "b", DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    let mut versions = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (kind, doc) = match watch.recv().await.unwrap() {
            WatchEvent::Added(doc) => ("added", doc),
            WatchEvent::Modified(doc) => ("modified", doc),
            WatchEvent::Deleted(doc) => ("deleted", doc),
            other => panic!("{other:?}"),
        };
        versions.push(text(&doc, &["metadata", "resourceVersion"]).parse::<u64>().unwrap());
        seen.push(format!("{kind} {}", text(&doc, &["metadata", "name"])));
    }
    assert_eq!(seen, ["added b", "modified a", "deleted b"]);
    assert!(
        versions.is_sorted() && versions[0] > list.resource_version.parse().unwrap(),
        "{versions:?}"
    );
    // A watch that resumes from the middle sees the rest, once.
    let mut resumed = cluster
        .watch(&core("ConfigMap"), Some("default"), &all, &versions[1].to_string())
        .await
        .unwrap();
    assert!(
        matches!(resumed.recv().await.unwrap(), WatchEvent::Deleted(doc) if text(&doc, &["metadata", "name"]) == "b")
    );
}

#[tokio::test]
async fn leaving_a_selection_looks_like_a_deletion() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let mut labelled = config("a", "1");
    labelled.set(&["metadata", "labels", "team"], "x");
    let made = cluster.create(labelled.clone(), by("t")).await.unwrap();
    let options = ListOptions {
        labels: "team=x".into(),
        fields: String::new(),
    };
    let from = text(&made, &["metadata", "resourceVersion"]);
    let mut watch = cluster.watch(&core("ConfigMap"), None, &options, &from).await.unwrap();
    cluster.update(config("a", "2"), by("t")).await.unwrap();
    cluster.update(labelled, by("t")).await.unwrap();
    assert!(matches!(watch.recv().await.unwrap(), WatchEvent::Deleted(_)));
    assert!(matches!(watch.recv().await.unwrap(), WatchEvent::Added(_)));
}

/// Whatever happens, who lists and then watches knows what is there.
#[tokio::test]
async fn a_watched_copy_equals_the_list_after_random_changes() {
    use std::collections::BTreeMap;
    for seed in 1..=8u64 {
        let plane = Plane::start().await;
        let cluster = plane.admin();
        let options = ListOptions {
            labels: "odd=yes".into(),
            fields: String::new(),
        };
        let mut copy: BTreeMap<String, String> = BTreeMap::new();
        let from = plane.revision().to_string();
        let mut watch = cluster.watch(&core("ConfigMap"), None, &options, &from).await.unwrap();
        let mut state = seed;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for step in 0..200 {
            let name = format!("m{}", random(10));
            let mut object = config(&name, &step.to_string());
            object.set(
                &["metadata", "labels", "odd"],
                if random(2) == 0 { "yes" } else { "no" },
            );
            let _ = match random(3) {
                0 => cluster.create(object, by("t")).await,
                1 => cluster.update(object, by("t")).await,
                _ => {
                    cluster
                        .delete(&core("ConfigMap"), "default", &name, DeleteOptions::default(), by("t"))
                        .await
                }
            };
        }
        let list = cluster.list(&core("ConfigMap"), None, &options).await.unwrap();
        let end = list.items.iter().map(|d| {
            (
                text(d, &["metadata", "name"]),
                text(d, &["metadata", "resourceVersion"]),
            )
        });
        let end: BTreeMap<_, _> = end.collect();
        // A marker tells that everything before it has been delivered.
        let mut marker = config("marker", "0");
        marker.set(&["metadata", "labels", "odd"], "yes");
        cluster.create(marker, by("t")).await.unwrap();
        let mut last = 0;
        loop {
            let (doc, here) = match watch.recv().await.unwrap() {
                WatchEvent::Added(doc) => {
                    assert!(
                        !copy.contains_key(&text(&doc, &["metadata", "name"])),
                        "seed {seed}: added twice"
                    );
                    (doc, true)
                }
                WatchEvent::Modified(doc) => {
                    assert!(
                        copy.contains_key(&text(&doc, &["metadata", "name"])),
                        "seed {seed}: modified but unknown"
                    );
                    (doc, true)
                }
                WatchEvent::Deleted(doc) => (doc, false),
                other => panic!("seed {seed}: {other:?}"),
            };
            let version = text(&doc, &["metadata", "resourceVersion"]);
            let number: u64 = version.parse().unwrap();
            assert!(number > last, "seed {seed}: versions must grow");
            last = number;
            let name = text(&doc, &["metadata", "name"]);
            if name == "marker" {
                break;
            }
            if here {
                copy.insert(name, version);
            } else {
                assert!(copy.remove(&name).is_some(), "seed {seed}: deleted but unknown");
            }
        }
        assert_eq!(copy, end, "seed {seed}");
    }
}
