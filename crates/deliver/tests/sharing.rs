//! Two Applications that want the same object do not fight over it: both say so, and projects and kinds that appear later
//! free those that waited for them.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]

mod world;

use std::time::Duration;

use world::{World, app_yaml, at, condition, config_map, gvk};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fights_over_a_shared_object() {
    let world = World::start().await;
    let shared = |value: &str| config_map("c", value).replace("metadata:", "metadata:\n  namespace: shop");
    world
        .commit("shop", &[("a/c.yaml", &shared("one")), ("b/c.yaml", &shared("two"))])
        .await;
    world.application("shop", "shop", "a").await;
    world.config_until("shop", "c", "one").await;
    world.application("other", "shop", "b").await;
    world.config_until("shop", "c", "two").await;
    let app = world
        .app_until("shop", |app| condition(app, "SharedResourceWarning").is_some())
        .await;
    assert!(
        condition(&app, "SharedResourceWarning")
            .unwrap()
            .contains("Application other")
    );
    let version = |doc: &ridgeway_doc::Doc| at(doc, &["metadata", "resourceVersion"]).to_owned();
    let maps = gvk("", "v1", "ConfigMap");
    let before = version(&world.get(&maps, "shop", "c").await.unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        version(&world.get(&maps, "shop", "c").await.unwrap()),
        before,
        "it is left in peace"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_or_kind_that_appears_frees_who_waited_for_it() {
    let world = World::start().await;
    let widget = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w}\n";
    world.commit("shop", &[("deploy/w.yaml", widget)]).await;
    world
        .apply(&app_yaml("shop", "shop", "deploy", "").replace("project: default", "project: team"))
        .await;
    world
        .app_until("shop", |app| condition(app, "InvalidSpecError").is_some())
        .await;
    world
        .apply(
            "apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: team, namespace: argocd}
spec:
  sourceRepos: ['*']
  destinations: [{server: '*', namespace: '*'}]
  clusterResourceWhitelist: [{group: '*', kind: '*'}]
",
        )
        .await;
    world
        .app_until("shop", |app| {
            condition(app, "ComparisonError").is_some_and(|text| text.contains("Widget"))
        })
        .await;
    world
        .apply(
            "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
",
        )
        .await;
    let app = world
        .app_until("shop", |app| at(app, &["status", "sync", "status"]) == "Synced")
        .await;
    assert_eq!(world::conditions(&app), []);
    assert!(
        world
            .get(&gvk("example.org", "v1", "Widget"), "shop", "w")
            .await
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_makes_and_removes_applications() {
    let world = World::start().await;
    world
        .commit(
            "shop",
            &[
                ("dev/c.yaml", &config_map("c", "d")),
                ("prod/c.yaml", &config_map("c", "p")),
            ],
        )
        .await;
    let set = |elements: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {{name: shop, namespace: argocd}}
spec:
  generators: [{{list: {{elements: [{elements}]}}}}]
  template:
    metadata: {{name: 'shop-{{{{env}}}}', finalizers: [resources-finalizer.argocd.argoproj.io]}}
    spec:
      project: default
      source: {{repoURL: shop, path: '{{{{env}}}}', targetRevision: main}}
      destination: {{name: in-cluster, namespace: 'shop-{{{{env}}}}'}}
      syncPolicy: {{automated: {{prune: true}}, syncOptions: [CreateNamespace=true]}}
"
        )
    };
    world.apply(&set("{env: dev}, {env: prod}")).await;
    world.config_until("shop-dev", "c", "d").await;
    world.config_until("shop-prod", "c", "p").await;
    world.apply(&set("{env: prod}")).await;
    world.gone(&gvk("", "v1", "ConfigMap"), "shop-dev", "c").await;
    world.gone(&ridgeway_deliver::application(), "argocd", "shop-dev").await;
    assert!(world.config("shop-prod", "c").await.is_some());
}
