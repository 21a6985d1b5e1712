//! A revision that turns out bad is quarantined and the last healthy one restored within seconds, without turning
//! automatic sync off: the next commit is tried again.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]

mod world;

use std::time::{Duration, Instant};

use ridgeway_cluster::{DeleteOptions, WriteOptions};
use ridgeway_deliver::application;
use world::{World, at, condition, config_map, deployment, gvk, job};

async fn image(world: &World) -> String {
    let doc = world
        .get(&gvk("apps", "v1", "Deployment"), "shop", "web")
        .await
        .unwrap();
    let containers = doc.root().at(&["spec", "template", "spec", "containers"]).unwrap();
    containers
        .item(0)
        .unwrap()
        .str_at(&["image"])
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_revision_is_rolled_back_and_the_next_commit_is_tried() {
    let world = World::start().await;
    let good = world
        .commit(
            "shop",
            &[
                ("deploy/web.yaml", &deployment("web", "v1.2.4", "")),
                ("deploy/c.yaml", &config_map("c", "one")),
            ],
        )
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", good).await;

    let began = Instant::now();
    let bad = world
        .commit(
            "shop",
            &[
                ("deploy/web.yaml", &deployment("web", "v1.2.5-broken", "")),
                ("deploy/c.yaml", &config_map("c", "two")),
            ],
        )
        .await;
    world.config_until("shop", "c", "two").await;
    world.config_until("shop", "c", "one").await;
    println!("commit to restored: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let app = world
        .app_until("shop", |app| {
            at(app, &["status", "health", "status"]) == "Healthy" && condition(app, "RevisionQuarantined").is_some()
        })
        .await;
    assert_eq!(image(&world).await, "v1.2.4");
    let why = condition(&app, "RevisionQuarantined").unwrap();
    assert!(
        why.contains(&bad.short()) && why.contains("CrashLoopBackOff") && why.contains(&good.short()),
        "{why}"
    );
    let entry = app.root().at(&["status", "quarantined"]).unwrap().item(0).unwrap();
    assert_eq!(entry.str_at(&["revision"]), Some(bad.to_string().as_str()));
    assert_eq!(
        at(&app, &["status", "sync", "status"]),
        "OutOfSync",
        "the branch is ahead of what runs, and that is said"
    );
    assert!(app.root().at(&["spec", "syncPolicy", "automated"]).is_some());
    world.event("shop", "RolledBack").await;

    // Drift is corrected towards the restored revision.
    world
        .merge(&gvk("", "v1", "ConfigMap"), "shop", "c", "data: {key: drifted}")
        .await;
    world.config_until("shop", "c", "one").await;

    // A commit that changes nothing here is no new try; one that does is.
    let idle = world.commit("shop", &[("README.md", "hello\n")]).await;
    let revision = idle.to_string();
    world
        .app_until("shop", |app| at(app, &["status", "sync", "revision"]) == revision)
        .await;
    assert_eq!(image(&world).await, "v1.2.4");
    let fixed = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v1.2.6", ""))])
        .await;
    let app = world.deployed("shop", fixed).await;
    assert_eq!(image(&world).await, "v1.2.6");
    assert_eq!(world.config("shop", "c").await.as_deref(), Some("two"));
    assert!(condition(&app, "RevisionQuarantined").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_can_be_turned_off() {
    let world = World::start().await;
    let good = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v1", ""))])
        .await;
    world
        .application_with("shop", "shop", "deploy", "ridgeway.dev/rollback: disabled")
        .await;
    world.deployed("shop", good).await;
    world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v2-broken", ""))])
        .await;
    world
        .app_until("shop", |app| at(app, &["status", "health", "status"]) == "Degraded")
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(image(&world).await, "v2-broken");
    assert!(world.app("shop").await.root().at(&["status", "quarantined"]).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_never_ready_is_given_up_at_its_deadline() {
    let world = World::start().await;
    let good = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v1", ""))])
        .await;
    world
        .application_with("shop", "shop", "deploy", "ridgeway.dev/health-deadline: 1s")
        .await;
    world.deployed("shop", good).await;
    world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v2-slow", ""))])
        .await;
    let app = world
        .app_until("shop", |app| condition(app, "RevisionQuarantined").is_some())
        .await;
    assert!(
        condition(&app, "RevisionQuarantined")
            .unwrap()
            .contains("was not healthy")
    );
    world
        .app_until("shop", |app| at(app, &["status", "health", "status"]) == "Healthy")
        .await;
    assert_eq!(image(&world).await, "v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_hook_rolls_back_what_was_applied() {
    let world = World::start().await;
    let hook = |image: &str| job("smoke", image, "argocd.argoproj.io/hook: PostSync");
    let good = world
        .commit(
            "shop",
            &[
                ("deploy/c.yaml", &config_map("c", "one")),
                ("deploy/smoke.yaml", &hook("v1")),
            ],
        )
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", good).await;
    world
        .commit(
            "shop",
            &[
                ("deploy/c.yaml", &config_map("c", "two")),
                ("deploy/smoke.yaml", &hook("exit-3")),
            ],
        )
        .await;
    world.config_until("shop", "c", "two").await;
    world.config_until("shop", "c", "one").await;
    let app = world
        .app_until("shop", |app| condition(app, "RevisionQuarantined").is_some())
        .await;
    assert!(
        condition(&app, "RevisionQuarantined").unwrap().contains("smoke"),
        "{:?}",
        world::conditions(&app)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_rolls_back_and_automatic_sync_respects_it() {
    let world = World::start().await;
    let first = world
        .commit("shop", &[("deploy/c.yaml", &config_map("c", "one"))])
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", first).await;
    let second = world
        .commit("shop", &[("deploy/c.yaml", &config_map("c", "two"))])
        .await;
    let app = world.deployed("shop", second).await;
    let history = app.root().at(&["status", "history"]).unwrap();
    let ids: Vec<_> = history
        .items()
        .map(|entry| entry.get("id").unwrap().as_i64().unwrap())
        .collect();
    assert_eq!(ids, [0, 1]);
    let error = world
        .deliver
        .rollback(&*world.user, &world::key("shop"), 7, world::by("ann"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("it has 0, 1"), "{error}");
    world
        .deliver
        .rollback(&*world.user, &world::key("shop"), 0, world::by("ann"))
        .await
        .unwrap();
    world.config_until("shop", "c", "one").await;
    let app = world
        .app_until("shop", |app| {
            app.root().get("operation").is_none() && condition(app, "RevisionQuarantined").is_some()
        })
        .await;
    assert!(
        condition(&app, "RevisionQuarantined").unwrap().contains("ann deployed"),
        "{:?}",
        world::conditions(&app)
    );
    world
        .merge(
            &application(),
            "argocd",
            "shop",
            "metadata: {annotations: {argocd.argoproj.io/refresh: hard}}",
        )
        .await;
    world
        .app_until("shop", |app| {
            app.root()
                .at(&["metadata", "annotations", "argocd.argoproj.io/refresh"])
                .is_none()
        })
        .await;
    assert_eq!(
        world.config("shop", "c").await.as_deref(),
        Some("one"),
        "a refresh does not undo the choice"
    );
    let third = world
        .commit("shop", &[("deploy/c.yaml", &config_map("c", "three"))])
        .await;
    world.deployed("shop", third).await;
    assert_eq!(world.config("shop", "c").await.as_deref(), Some("three"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_learnt_survives_a_restart() {
    let mut world = World::start().await;
    let good = world
        .commit(
            "shop",
            &[
                ("deploy/web.yaml", &deployment("web", "v1", "")),
                ("deploy/c.yaml", &config_map("c", "one")),
            ],
        )
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", good).await;
    world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v2-broken", ""))])
        .await;
    let quarantined = |app: &ridgeway_doc::Doc| {
        condition(app, "RevisionQuarantined").is_some() && at(app, &["status", "health", "status"]) == "Healthy"
    };
    world.app_until("shop", quarantined).await;
    world.restart().await;
    // Drift shows that the new controllers are at work, and towards which revision.
    world
        .merge(&gvk("", "v1", "ConfigMap"), "shop", "c", "data: {key: drifted}")
        .await;
    world.config_until("shop", "c", "one").await;
    world.app_until("shop", quarantined).await;
    assert_eq!(image(&world).await, "v1", "the bad revision is not tried again");
    let fixed = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v3", ""))])
        .await;
    world.deployed("shop", fixed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_revision_that_is_bad_is_marked_and_the_next_commit_is_tried() {
    let world = World::start().await;
    let bad = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v1-broken", ""))])
        .await;
    world.application("shop", "shop", "deploy").await;
    let app = world
        .app_until("shop", |app| condition(app, "RevisionQuarantined").is_some())
        .await;
    let why = condition(&app, "RevisionQuarantined").unwrap();
    for wanted in [&*bad.short(), "CrashLoopBackOff", "ever healthy", "push a commit"] {
        assert!(why.contains(wanted), "{wanted:?} is missing: {why}");
    }
    world.event("shop", "RevisionUnhealthy").await;
    // It is still looked after, and the status does not change for nothing.
    let web = gvk("apps", "v1", "Deployment");
    let options = WriteOptions::by("kubectl", None);
    world
        .user
        .delete(&web, "shop", "web", DeleteOptions::default(), options)
        .await
        .unwrap();
    world
        .app_until("shop", |app| at(app, &["status", "health", "status"]) == "Degraded")
        .await;
    let fixed = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v2", ""))])
        .await;
    let app = world.deployed("shop", fixed).await;
    assert_eq!(image(&world).await, "v2");
    assert!(condition(&app, "RevisionQuarantined").is_none());
}
