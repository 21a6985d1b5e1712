//! What is pushed is applied within moments, and what is changed or deleted by hand is put right within a second, with an
//! event, a note in the status and a ledger entry that says why.

mod world;

use std::time::{Duration, Instant};

use ridgeway_cluster::{DeleteOptions, WriteOptions};
use ridgeway_ledger::Query;
use world::{World, at, config_map, deployment, gvk};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_applied_within_moments() {
    let world = World::start().await;
    let first = world.commit("shop", &[("deploy/a.yaml", &config_map("a", "v0"))]).await;
    world.application("shop", "shop", "deploy").await;
    let app = world.deployed("shop", first).await;
    assert_eq!(at(&app, &["status", "operationState", "phase"]), "Succeeded");
    assert_eq!(at(&app, &["status", "sourceType"]), "Directory");
    let mut times = Vec::new();
    for n in 1..=20 {
        let value = format!("v{n}");
        let began = Instant::now();
        world
            .commit("shop", &[("deploy/a.yaml", &config_map("a", &value))])
            .await;
        let committed = began.elapsed();
        world.config_until("shop", "a", &value).await;
        times.push(began.elapsed() - committed);
    }
    times.sort();
    println!("push to applied: median {:?}, worst {:?}", times[10], times[19]);
    assert!(times[19] < Duration::from_millis(300), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_edits_are_put_right_and_leave_a_trace() {
    let world = World::start().await;
    let commit = world
        .commit(
            "shop",
            &[
                ("deploy/a.yaml", &config_map("a", "good")),
                ("deploy/web.yaml", &deployment("web", "v1", "")),
            ],
        )
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", commit).await;

    let (maps, deployments) = (gvk("", "v1", "ConfigMap"), gvk("apps", "v1", "Deployment"));
    let began = Instant::now();
    world.merge(&maps, "shop", "a", "data: {key: bad}").await;
    world.config_until("shop", "a", "good").await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let began = Instant::now();
    world.merge(&deployments, "shop", "web", "spec: {replicas: 5}").await;
    world
        .until(&deployments, "shop", "web", |doc| {
            doc.root().at(&["spec", "replicas"]).and_then(|n| n.as_i64()) == Some(2)
        })
        .await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let began = Instant::now();
    world
        .user
        .delete(&maps, "shop", "a", DeleteOptions::default(), WriteOptions::default())
        .await
        .unwrap();
    world.config_until("shop", "a", "good").await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let app = world
        .app_until("shop", |app| {
            at(app, &["status", "sync", "status"]) == "Synced"
                && app
                    .root()
                    .at(&["status", "corrections"])
                    .is_some_and(|list| list.len() == 3)
        })
        .await;
    let corrections = app.root().at(&["status", "corrections"]).unwrap().to_json();
    for part in [
        "/data/key",
        "/spec/replicas",
        "kubectl-edit",
        "deleted",
        "ConfigMap shop/a",
    ] {
        assert!(corrections.contains(part), "{part} in {corrections}");
    }
    assert!(
        app.root().at(&["status", "history"]).unwrap().len() == 1,
        "a correction is no deployment"
    );
    assert!(
        world
            .event("shop", "DriftCorrected")
            .await
            .contains("change it in Git instead")
    );
    let ledger = world.plane.ledger().unwrap();
    let corrected = |resource: &str| {
        let causality = format!("drift:shop@{commit}");
        let query = Query {
            causality,
            resource: resource.into(),
            ..Query::default()
        };
        ledger.query(&query).unwrap().records.len()
    };
    assert!(corrected("configmaps") > 0 && corrected("deployments") > 0);
    let query = Query {
        causality: format!("git:{commit}"),
        ..Query::default()
    };
    assert!(
        !ledger.query(&query).unwrap().records.is_empty(),
        "syncs carry their commit"
    );
    for (resource, verb) in [("replicasets", "create"), ("pods", "create"), ("pods", "patch")] {
        let query = Query {
            resource: resource.into(),
            verb: verb.into(),
            ..query.clone()
        };
        let records = ledger.query(&query).unwrap().records;
        assert!(
            !records.is_empty(),
            "{verb} {resource}: what is made of a commit's objects carries it too"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_self_heal_drift_is_only_shown() {
    let world = World::start().await;
    let commit = world
        .commit("shop", &[("deploy/a.yaml", &config_map("a", "good"))])
        .await;
    world
        .apply(&world::app_yaml("shop", "shop", "deploy", "").replace("selfHeal: true", "selfHeal: false"))
        .await;
    world.deployed("shop", commit).await;
    world
        .merge(&gvk("", "v1", "ConfigMap"), "shop", "a", "data: {key: bad}")
        .await;
    let app = world
        .app_until("shop", |app| at(app, &["status", "sync", "status"]) == "OutOfSync")
        .await;
    assert_eq!(
        app.root()
            .at(&["status", "resources"])
            .unwrap()
            .item(0)
            .unwrap()
            .str_at(&["status"]),
        Some("OutOfSync")
    );
    let diff = world.deliver.diff("argocd", "shop").await.unwrap();
    assert_eq!((diff.len(), diff[0].changes[0].path.as_str()), (1, "/data/key"));
    assert_eq!(world.config("shop", "a").await.unwrap(), "bad");
    // A person asks for the sync.
    world
        .deliver
        .sync(&*world.user, &world::key("shop"), world::by("ann"))
        .await
        .unwrap();
    world.config_until("shop", "a", "good").await;
    let app = world
        .app_until("shop", |app| app.root().get("operation").is_none())
        .await;
    assert_eq!(
        at(
            &app,
            &["status", "operationState", "operation", "initiatedBy", "username"]
        ),
        "ann"
    );
}
