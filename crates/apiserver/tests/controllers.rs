//! What the controllers beside the plane do.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ridgeway_cluster::{DeleteOptions, ListOptions, Propagation};
use ridgeway_doc::{Doc, Node, Value};
use support::{Plane, by, config, core, eventually, is_gone, text, yaml};

fn owned(name: &str, owner: &Doc, more: &str) -> Value {
    let mut object = config(name, "1");
    let reference = format!(
        "[{{apiVersion: v1, kind: ConfigMap, name: {}, uid: {}{more}}}]",
        text(owner, &["metadata", "name"]),
        text(owner, &["metadata", "uid"])
    );
    object.set(&["metadata", "ownerReferences"], yaml(&reference));
    object
}

#[tokio::test]
async fn dependents_go_with_their_owners() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    let delete = |name: &'static str, propagation| {
        let cluster = cluster.clone();
        async move {
            let options = DeleteOptions {
                propagation,
                ..DeleteOptions::default()
            };
            cluster
                .delete(&core("ConfigMap"), "default", name, options, by("t"))
                .await
                .unwrap()
        }
    };
    // Background: the owner goes at once, its dependents and theirs after it.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let b = cluster.create(owned("b", &a, ""), by("t")).await.unwrap();
    cluster.create(owned("c", &b, ""), by("t")).await.unwrap();
    delete("a", Propagation::Background).await;
    eventually("b and c are collected", || async {
        is_gone(&*cluster, "b").await && is_gone(&*cluster, "c").await
    })
    .await;
    // Orphan: dependents stay and forget.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    cluster.create(owned("b", &a, ""), by("t")).await.unwrap();
    let marked = delete("a", Propagation::Orphan).await;
    assert_eq!(
        marked.root().at(&["metadata", "finalizers"]).unwrap().to_json(),
        r#"["orphan"]"#
    );
    eventually("a is gone", || async { is_gone(&*cluster, "a").await }).await;
    let b = cluster.get(&core("ConfigMap"), "default", "b").await.unwrap();
    assert!(b.root().at(&["metadata", "ownerReferences"]).is_none());
    // Foreground: the owner waits for dependents that block it.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let mut held = owned("d", &a, ", blockOwnerDeletion: true");
    held.set(&["metadata", "finalizers"], yaml("[example.com/hold]"));
    cluster.create(held, by("t")).await.unwrap();
    delete("a", Propagation::Foreground).await;
    eventually("d is marked", || async {
        let d = cluster.get(&core("ConfigMap"), "default", "d").await.unwrap();
        d.root().at(&["metadata", "deletionTimestamp"]).is_some()
    })
    .await;
    assert!(!is_gone(&*cluster, "a").await, "the owner waits");
    let patch = yaml("metadata: {finalizers: null}");
    cluster
        .merge_patch(&core("ConfigMap"), "default", "d", patch, by("t"))
        .await
        .unwrap();
    eventually("a and d are gone", || async {
        is_gone(&*cluster, "a").await && is_gone(&*cluster, "d").await
    })
    .await;
    // An owner that never was, and one that is only one of two.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let mut absent = owned("e", &a, "");
    absent.set(
        &["metadata", "ownerReferences"],
        yaml("[{apiVersion: v1, kind: ConfigMap, name: none, uid: none}]"),
    );
    cluster.create(absent.clone(), by("t")).await.unwrap();
    eventually("e is collected", || async { is_gone(&*cluster, "e").await }).await;
    let mut both = owned("f", &a, "");
    let mut references = both.node().at(&["metadata", "ownerReferences"]).unwrap().to_value();
    references
        .make_array()
        .push(yaml("{apiVersion: v1, kind: ConfigMap, name: none, uid: none}"));
    both.set(&["metadata", "ownerReferences"], references);
    cluster.create(both, by("t")).await.unwrap();
    eventually("f forgets the absent owner", || async {
        let f = cluster.get(&core("ConfigMap"), "default", "f").await.unwrap();
        f.root().at(&["metadata", "ownerReferences"]).map_or(0, Node::len) == 1
    })
    .await;
}

#[tokio::test]
async fn a_namespace_takes_its_content_with_it() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    cluster
        .create(
            yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"),
            by("t"),
        )
        .await
        .unwrap();
    eventually("the account and the certificate are there", || async {
        let account = cluster.get(&core("ServiceAccount"), "shop", "default").await;
        let map = cluster.get(&core("ConfigMap"), "shop", "kube-root-ca.crt").await;
        account.is_ok() && map.is_ok_and(|map| text(&map, &["data", "ca.crt"]) == support::ROOT_CA)
    })
    .await;
    let mut held = config("held", "1");
    held.set(&["metadata", "namespace"], "shop");
    held.set(&["metadata", "finalizers"], yaml("[example.com/hold]"));
    cluster.create(held, by("t")).await.unwrap();
    cluster
        .delete(&core("Namespace"), "", "shop", DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    eventually("the namespace says what holds it", || async {
        let namespace = cluster.get(&core("Namespace"), "", "shop").await.unwrap();
        let conditions = namespace
            .root()
            .at(&["status", "conditions"])
            .map(Node::items)
            .into_iter()
            .flatten();
        text(&namespace, &["status", "phase"]) == "Terminating"
            && conditions.into_iter().any(|c| {
                c.str_at(&["type"]) == Some("NamespaceFinalizersRemaining")
                    && c.str_at(&["message"])
                        .is_some_and(|m| m.contains("example.com/hold in 1 resource instances"))
            })
    })
    .await;
    let mut late = config("late", "1");
    late.set(&["metadata", "namespace"], "shop");
    let refused = cluster.create(late, by("t")).await.unwrap_err();
    assert!(refused.message.contains("because it is being terminated"), "{refused}");
    let patch = yaml("metadata: {finalizers: null}");
    cluster
        .merge_patch(&core("ConfigMap"), "shop", "held", patch, by("t"))
        .await
        .unwrap();
    eventually("the namespace is gone", || async {
        cluster.get(&core("Namespace"), "", "shop").await.is_err()
    })
    .await;
    let left = cluster
        .list(&core("ServiceAccount"), Some("shop"), &ListOptions::default())
        .await
        .unwrap();
    assert!(left.items.is_empty());
    let refused = cluster
        .delete(&core("Namespace"), "", "default", DeleteOptions::default(), by("t"))
        .await
        .unwrap_err();
    assert!(
        refused.message.contains("this namespace may not be deleted"),
        "{refused}"
    );
}

#[tokio::test]
async fn quotas_hold_under_concurrency_and_are_given_back() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    cluster
        .create(
            yaml("{apiVersion: v1, kind: ResourceQuota, metadata: {name: few, namespace: default}, spec: {hard: {count/configmaps: 5, pods: 1, requests.cpu: 1}}}"),
            by("t"),
        )
        .await
        .unwrap();
    // kube-root-ca.crt is one of the five.
    eventually("the certificate is published", || async {
        !is_gone(&*cluster, "kube-root-ca.crt").await
    })
    .await;
    let creations: Vec<_> = (0..20)
        .map(|i| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.create(config(&format!("c{i}"), "1"), by("t")).await })
        })
        .collect();
    let mut made = 0;
    for creation in creations {
        match creation.await.unwrap() {
            Ok(_) => made += 1,
            Err(status) => {
                assert!(status.message.contains("exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=5, limited: count/configmaps=5"), "{status}");
            }
        }
    }
    assert_eq!(made, 4);
    let used = |path: &'static str| {
        let cluster = cluster.clone();
        async move {
            let quota = cluster.get(&core("ResourceQuota"), "default", "few").await.unwrap();
            text(&quota, &["status", "used", path])
        }
    };
    assert_eq!(used("count/configmaps").await, "5");
    let maps = cluster
        .list(&core("ConfigMap"), Some("default"), &ListOptions::default())
        .await
        .unwrap();
    let name = maps
        .items
        .iter()
        .map(|m| text(m, &["metadata", "name"]))
        .find(|n| n.starts_with('c'))
        .unwrap();
    cluster
        .delete(&core("ConfigMap"), "default", &name, DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    eventually("usage is counted anew", || async {
        used("count/configmaps").await == "4"
    })
    .await;
    let pod = |name: &str, resources: &str| {
        yaml(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: default}}, \
             spec: {{containers: [{{name: c, image: i, resources: {resources}}}]}}}}"
        ))
    };
    let silent = cluster.create(pod("p", "{}"), by("t")).await.unwrap_err();
    assert!(
        silent.message.contains("failed quota: few: must specify requests.cpu"),
        "{silent}"
    );
    cluster
        .create(
            yaml("{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [{type: Container, defaultRequest: {cpu: 100m}, max: {memory: 1Gi}, default: {memory: 1Gi}}]}}"),
            by("t"),
        )
        .await
        .unwrap();
    let made = cluster.create(pod("p", "{}"), by("t")).await.unwrap();
    let container = made.root().at(&["spec", "containers"]).unwrap().item(0).unwrap();
    assert_eq!(container.str_at(&["resources", "requests", "cpu"]), Some("100m"));
    assert_eq!(text(&made, &["spec", "serviceAccountName"]), "default");
    assert_eq!(text(&made, &["status", "qosClass"]), "Burstable");
    let second = cluster.create(pod("q", "{}"), by("t")).await.unwrap_err();
    assert!(
        second
            .message
            .contains("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"),
        "{second}"
    );
    let big = cluster
        .create(pod("r", "{limits: {memory: 2Gi}}"), by("t"))
        .await
        .unwrap_err();
    assert!(
        big.message
            .contains("maximum memory usage per Container is 1Gi, but limit is 2Gi"),
        "{big}"
    );
}

#[tokio::test]
async fn old_events_go() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let event = |name: &str, last: &str| {
        yaml(&format!(
            "{{apiVersion: v1, kind: Event, metadata: {{name: {name}, namespace: default}}, involvedObject: {{}}, lastTimestamp: \"{last}\"}}"
        ))
    };
    cluster
        .create(event("old", "2026-01-02T02:00:00Z"), by("t"))
        .await
        .unwrap();
    cluster
        .create(event("new", "2026-01-02T03:00:00Z"), by("t"))
        .await
        .unwrap();
    plane.run_controllers();
    eventually("the old event is gone", || async {
        cluster.get(&core("Event"), "default", "old").await.is_err()
    })
    .await;
    assert!(cluster.get(&core("Event"), "default", "new").await.is_ok());
}
