//! What is taken out of Git is deleted, what must stay stays, and an Application takes its objects with it when it goes.

mod world;

use ridgeway_cluster::{DeleteOptions, WriteOptions};
use ridgeway_deliver::application;
use world::{World, annotated_map, at, condition, config_map, gvk};

#[tokio::test(flavor = "multi_thread")]
async fn what_left_git_is_deleted_unless_it_says_otherwise() {
    let world = World::start().await;
    let keep = annotated_map("keep", "x", "argocd.argoproj.io/sync-options: Prune=false");
    let files = [
        ("deploy/a.yaml", config_map("a", "x")),
        ("deploy/b.yaml", config_map("b", "x")),
        ("deploy/keep.yaml", keep),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let commit = world.commit("shop", &files).await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", commit).await;
    world
        .commit("shop", &[("deploy/b.yaml", ""), ("deploy/keep.yaml", "")])
        .await;
    world.gone(&gvk("", "v1", "ConfigMap"), "shop", "b").await;
    assert_eq!(world.config("shop", "keep").await.as_deref(), Some("x"));
    let app = world
        .app_until("shop", |app| {
            let result = app.root().at(&["status", "operationState", "syncResult", "resources"]);
            result.is_some_and(|list| list.to_json().contains("PruneSkipped"))
        })
        .await;
    let shown = app.root().at(&["status", "resources"]).unwrap().to_json();
    assert!(shown.contains("requiresPruning"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_source_deletes_nothing_unless_allowed() {
    let world = World::start().await;
    let commit = world
        .commit("shop", &[("deploy/a.yaml", &config_map("a", "x")), ("README.md", "x")])
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", commit).await;
    world.commit("shop", &[("deploy/a.yaml", "# nothing\n")]).await;
    let app = world
        .app_until("shop", |app| condition(app, "SyncError").is_some())
        .await;
    assert!(condition(&app, "SyncError").unwrap().contains("allowEmpty"));
    assert!(world.config("shop", "a").await.is_some());
    world
        .merge(
            &application(),
            "argocd",
            "shop",
            "spec: {syncPolicy: {automated: {allowEmpty: true}}}",
        )
        .await;
    world.gone(&gvk("", "v1", "ConfigMap"), "shop", "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_application_deletes_what_it_deployed() {
    let world = World::start().await;
    let commit = world
        .commit(
            "shop",
            &[
                ("deploy/a.yaml", &config_map("a", "x")),
                ("deploy/web.yaml", &world::deployment("web", "v1", "")),
            ],
        )
        .await;
    world.application("shop", "shop", "deploy").await;
    let app = world.deployed("shop", commit).await;
    assert_eq!(at(&app, &["status", "history"]), "");
    let other = config_map("other", "x").replace("metadata:", "metadata:\n  namespace: shop");
    world.apply(&other).await;
    let delete = DeleteOptions::default();
    world
        .user
        .delete(&application(), "argocd", "shop", delete, WriteOptions::default())
        .await
        .unwrap();
    world.gone(&application(), "argocd", "shop").await;
    assert!(world.config("shop", "a").await.is_none());
    assert!(
        world
            .get(&gvk("apps", "v1", "Deployment"), "shop", "web")
            .await
            .is_none()
    );
    assert!(
        world.config("shop", "other").await.is_some(),
        "what it did not deploy stays"
    );
}
