//! Waves come one after the other, each when the one before is healthy; hooks run around them; custom resources come
//! after their definitions, in one sync.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]

mod world;

use world::{World, annotated_map, at, config_map, deployment, gvk, job};

fn time(doc: &ridgeway_doc::Doc) -> u64 {
    // The plane's revision at creation orders objects more finely than their seconds.
    doc.root()
        .str_at(&["metadata", "resourceVersion"])
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn waves_and_hooks_run_in_order() {
    let world = World::start().await;
    let wave = |n: i32| format!("argocd.argoproj.io/sync-wave: '{n}'");
    let files = [
        ("deploy/first.yaml", annotated_map("first", "x", &wave(-1))),
        ("deploy/web.yaml", deployment("web", "v1", &wave(0))),
        ("deploy/last.yaml", annotated_map("last", "x", &wave(2))),
        (
            "deploy/before.yaml",
            job("before", "v1", "argocd.argoproj.io/hook: PreSync"),
        ),
        (
            "deploy/after.yaml",
            job(
                "after",
                "v1",
                "argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded",
            ),
        ),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let commit = world.commit("shop", &files).await;
    world.application("shop", "shop", "deploy").await;
    let app = world.deployed("shop", commit).await;
    let maps = gvk("", "v1", "ConfigMap");
    let first = time(&world.get(&maps, "shop", "first").await.unwrap());
    let last = time(&world.get(&maps, "shop", "last").await.unwrap());
    let web = world
        .get(&gvk("apps", "v1", "Deployment"), "shop", "web")
        .await
        .unwrap();
    let before = world.get(&gvk("batch", "v1", "Job"), "shop", "before").await.unwrap();
    assert!(time(&before) < first, "the hook was done before anything else was made");
    assert!(
        first < time(&web) && time(&web) < last,
        "the last wave waited for the Deployment to be healthy"
    );
    world.gone(&gvk("batch", "v1", "Job"), "shop", "after").await;
    let results = app
        .root()
        .at(&["status", "operationState", "syncResult", "resources"])
        .unwrap();
    let hook = results.items().find(|r| r.str_at(&["name"]) == Some("after")).unwrap();
    assert_eq!(
        (hook.str_at(&["hookType"]), hook.str_at(&["hookPhase"])),
        (Some("PostSync"), Some("Succeeded"))
    );
    assert_eq!(results.len(), 6, "the namespace is among them: {results}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_wave_ends_the_sync_and_leaves_the_next_one_untouched() {
    let world = World::start().await;
    let files = [
        ("deploy/web.yaml", deployment("web", "v1-broken", "")),
        (
            "deploy/last.yaml",
            annotated_map("last", "x", "argocd.argoproj.io/sync-wave: '1'"),
        ),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.commit("shop", &files).await;
    world.application("shop", "shop", "deploy").await;
    let app = world
        .app_until("shop", |app| {
            at(app, &["status", "operationState", "phase"]) == "Failed"
        })
        .await;
    let message = at(&app, &["status", "operationState", "message"]);
    assert!(message.contains("CrashLoopBackOff"), "{message}");
    assert!(world.config("shop", "last").await.is_none());
    // A commit that mends it is not held up.
    let fixed = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v2", ""))])
        .await;
    world.deployed("shop", fixed).await;
    assert!(world.config("shop", "last").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_namespaces_and_their_objects_come_in_one_sync() {
    let world = World::start().await;
    let crd = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
";
    let widget =
        "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w, namespace: elsewhere}\nspec: {size: 3}\n";
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: elsewhere}\n";
    let commit = world
        .commit(
            "shop",
            &[
                ("all/a.yaml", widget),
                ("all/z.yaml", crd),
                ("all/m.yaml", namespace),
                ("all/c.yaml", &config_map("c", "x")),
            ],
        )
        .await;
    world.application("shop", "shop", "all").await;
    let app = world.deployed("shop", commit).await;
    assert_eq!(world::conditions(&app), []);
    assert!(
        world
            .get(&gvk("example.org", "v1", "Widget"), "elsewhere", "w")
            .await
            .is_some()
    );
    // The tree is read from the controller's own copy, which follows the status by a moment.
    let mut seen = 0;
    for _ in 0..200 {
        seen = world
            .deliver
            .application_tree("argocd", "shop")
            .map_or(0, |tree| tree.nodes.len());
        if seen == 4 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(seen, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_shows_children_under_their_owners() {
    let world = World::start().await;
    let commit = world
        .commit("shop", &[("deploy/web.yaml", &deployment("web", "v1", ""))])
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", commit).await;
    let tree = world.deliver.application_tree("argocd", "shop").unwrap();
    let kinds: Vec<_> = tree
        .nodes
        .iter()
        .map(|node| (node.gvk.kind.as_str(), node.parents.len()))
        .collect();
    assert_eq!(kinds, [("Deployment", 0), ("ReplicaSet", 1), ("Pod", 1), ("Pod", 1)]);
    assert_eq!(tree.nodes[3].parents[0].kind, "ReplicaSet");
    assert_eq!(tree.nodes[0].sync, "Synced");
    assert_eq!(tree.nodes[2].images, ["registry.example.org/web:v1"]);
}
