//! A good revision walks from stage to stage by itself; `v1.2.5-broken` stops in staging, and production never sees it.

mod world;

use std::time::Duration;

use world::{World, at, deployment, gvk};

const STAGES: [&str; 3] = ["dev", "staging", "prod"];

fn files(dev: &str, staging: &str, prod: &str) -> Vec<(String, String)> {
    let file = |stage: &str, image: &str| (format!("{stage}/web.yaml"), deployment("web", image, ""));
    vec![file("dev", dev), file("staging", staging), file("prod", prod)]
}

async fn commit(world: &World, files: &[(String, String)]) -> ridgeway_git::CommitId {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    world.commit("shop", &files).await
}

async fn start(world: &World, more: &str) {
    world
        .apply(&format!(
            "apiVersion: ridgeway.dev/v1alpha1
kind: Promotion
metadata: {{name: shop, namespace: argocd}}
spec:
  stages: [{{application: dev}}, {{application: staging}}, {{application: prod{more}}}]
  health: {{soakSeconds: 1}}
"
        ))
        .await;
    for stage in STAGES {
        world.application(stage, "shop", stage).await;
    }
}

fn revisions(promotion: &ridgeway_doc::Doc) -> Vec<(String, String)> {
    let stages = promotion.root().at(&["status", "stages"]);
    let read = |stage: ridgeway_doc::Node<'_>| {
        let part = |key: &str| stage.str_at(&[key]).unwrap_or_default().to_owned();
        (part("revision"), part("phase"))
    };
    stages.into_iter().flat_map(|stages| stages.items()).map(read).collect()
}

async fn image(world: &World, stage: &str) -> Option<String> {
    let doc = world.get(&gvk("apps", "v1", "Deployment"), stage, "web").await?;
    let containers = doc.root().at(&["spec", "template", "spec", "containers"])?;
    Some(containers.item(0)?.str_at(&["image"])?.rsplit(':').next()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn good_walks_and_broken_stops_in_staging() {
    let world = World::start().await;
    let good = commit(&world, &files("v1.2.4", "v1.2.4", "v1.2.4")).await;
    start(&world, "").await;
    let revision = good.to_string();
    world
        .promotion_until("shop", |promotion| {
            at(promotion, &["status", "phase"]) == "Complete"
                && revisions(promotion).iter().all(|(r, _)| *r == revision)
        })
        .await;
    for stage in STAGES {
        assert_eq!(image(&world, stage).await.as_deref(), Some("v1.2.4"), "{stage}");
    }

    // It works in dev, and breaks in staging.
    let bad = commit(&world, &files("v1.2.5", "v1.2.5-broken", "v1.2.5-broken")).await;
    let promotion = world
        .promotion_until("shop", |promotion| at(promotion, &["status", "phase"]) == "Stopped")
        .await;
    let seen = revisions(&promotion);
    assert_eq!(seen[0], (bad.to_string(), "Passed".into()));
    assert_eq!(seen[1], (bad.to_string(), "Stopped".into()));
    assert_eq!(seen[2], (good.to_string(), "Passed".into()));
    assert!(at(&promotion, &["status", "stages"]).is_empty());
    world.event("shop", "PromotionStopped").await;
    world
        .app_until("staging", |app| at(app, &["status", "health", "status"]) == "Healthy")
        .await;
    assert_eq!(
        image(&world, "staging").await.as_deref(),
        Some("v1.2.4"),
        "staging runs what was good"
    );
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(
        image(&world, "prod").await.as_deref(),
        Some("v1.2.4"),
        "production never saw it"
    );

    let fixed = commit(&world, &files("v1.2.6", "v1.2.6", "v1.2.6")).await.to_string();
    world
        .promotion_until("shop", |promotion| {
            at(promotion, &["status", "phase"]) == "Complete" && revisions(promotion).iter().all(|(r, _)| *r == fixed)
        })
        .await;
    assert_eq!(image(&world, "prod").await.as_deref(), Some("v1.2.6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn production_waits_for_approval_when_told_to() {
    let world = World::start().await;
    let first = commit(&world, &files("v1", "v1", "v1")).await;
    start(&world, ", autoPromote: false").await;
    world
        .promotion_until("shop", |promotion| {
            at(promotion, &["status", "phase"]) == "AwaitingApproval"
        })
        .await;
    let app = world
        .app_until("prod", |app| world::condition(app, "WaitingForPromotion").is_some())
        .await;
    assert!(
        world::condition(&app, "WaitingForPromotion")
            .unwrap()
            .contains("staging")
    );
    assert_eq!(image(&world, "prod").await, None);
    let approve = format!(
        "metadata: {{annotations: {{ridgeway.dev/approve: '{}'}}}}",
        first.short()
    );
    world
        .merge(&ridgeway_deliver::promotion(), "argocd", "shop", &approve)
        .await;
    world
        .promotion_until("shop", |promotion| at(promotion, &["status", "phase"]) == "Complete")
        .await;
    assert_eq!(image(&world, "prod").await.as_deref(), Some("v1"));
}
