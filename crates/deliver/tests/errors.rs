//! What is wrong in Git, in the repository's place or in the eyes of policy becomes a condition with file and line and the
//! remedy, nothing is applied half unseen, and what is deployed is looked after meanwhile.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ridgeway_cluster::{Gate, GateAnswer, GateRequest, Refusal};
use world::{World, app_yaml, at, condition, config_map, gvk};

async fn comparison_error(world: &World) -> String {
    let app = world
        .app_until("shop", |app| condition(app, "ComparisonError").is_some())
        .await;
    assert_eq!(at(&app, &["status", "sync", "status"]), "Unknown");
    condition(&app, "ComparisonError").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_in_git_name_file_line_and_remedy_and_leave_what_runs_alone() {
    let world = World::start().await;
    let good = world
        .commit("shop", &[("deploy/a.yaml", &config_map("a", "good"))])
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", good).await;

    world
        .commit(
            "shop",
            &[(
                "deploy/b.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b\ndata: {}\n",
            )],
        )
        .await;
    let text = comparison_error(&world).await;
    assert!(text.contains("deploy/b.yaml:"), "{text}");
    // Drift is corrected towards what is deployed, however broken the branch is.
    world
        .merge(&gvk("", "v1", "ConfigMap"), "shop", "a", "data: {key: bad}")
        .await;
    world.config_until("shop", "a", "good").await;

    let unknown = "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g}\n";
    world
        .commit(
            "shop",
            &[
                ("deploy/a.yaml", &config_map("a", "next")),
                ("deploy/b.yaml", &format!("\n---\n{unknown}")),
            ],
        )
        .await;
    let app = world
        .app_until("shop", |app| {
            condition(app, "ComparisonError").is_some_and(|text| text.contains("Gadget"))
        })
        .await;
    let text = condition(&app, "ComparisonError").unwrap();
    assert!(
        text.contains("deploy/b.yaml:3") && text.contains("CustomResourceDefinition"),
        "{text}"
    );
    assert_eq!(
        world.config("shop", "a").await.as_deref(),
        Some("good"),
        "nothing of the commit was applied"
    );

    let misplaced = "apiVersion: v1\nkind: Deployment\nmetadata: {name: d}\n";
    world.commit("shop", &[("deploy/b.yaml", misplaced)]).await;
    world
        .app_until("shop", |app| {
            condition(app, "ComparisonError").is_some_and(|text| text.contains("apps/v1"))
        })
        .await;

    let fixed = world.commit("shop", &[("deploy/b.yaml", "")]).await;
    let app = world.deployed("shop", fixed).await;
    assert_eq!(world::conditions(&app), []);
    assert_eq!(world.config("shop", "a").await.as_deref(), Some("next"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_places_and_names_are_told() {
    let world = World::start().await;
    world.commit("shop", &[("deploy/a.yaml", &config_map("a", "x"))]).await;
    let told = async |name: &str, yaml: String, kind: &str| {
        world.apply(&yaml).await;
        let app = world.app_until(name, |app| condition(app, kind).is_some()).await;
        condition(&app, kind).unwrap()
    };
    let text = told("a1", app_yaml("a1", "shpo", "deploy", ""), "ComparisonError").await;
    assert!(text.contains("shpo") && text.contains("repositories: shop"), "{text}");
    let branch = app_yaml("a2", "shop", "deploy", "").replace("targetRevision: main", "targetRevision: mian");
    let text = told("a2", branch, "ComparisonError").await;
    assert!(text.contains("mian") && text.contains("its branches: main"), "{text}");
    let text = told("a3", app_yaml("a3", "shop", "nowhere", ""), "ComparisonError").await;
    assert!(text.contains("nowhere"), "{text}");
    let project = app_yaml("a4", "shop", "deploy", "").replace("project: default", "project: team-x");
    let text = told("a4", project, "InvalidSpecError").await;
    assert!(text.contains("team-x") && text.contains("AppProject"), "{text}");
    let far = app_yaml("a5", "shop", "deploy", "").replace("https://kubernetes.default.svc", "https://far.example");
    let text = told("a5", far, "InvalidSpecError").await;
    assert!(text.contains("in-cluster"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_limits_what_its_applications_may_do() {
    let world = World::start().await;
    world.commit("shop", &[("deploy/a.yaml", &config_map("a", "x"))]).await;
    world
        .apply(
            "apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: team, namespace: argocd}
spec:
  sourceRepos: [shop]
  destinations: [{server: '*', namespace: shop}]
  namespaceResourceBlacklist: [{group: '', kind: ConfigMap}]
",
        )
        .await;
    world
        .apply(&app_yaml("shop", "shop", "deploy", "").replace("project: default", "project: team"))
        .await;
    let text = comparison_error(&world).await;
    assert!(
        text.contains("deploy/a.yaml:1") && text.contains("forbids kind ConfigMap"),
        "{text}"
    );
}

/// Refuses config maps named `b` while it is armed.
struct Picky(AtomicBool);

impl Gate for Picky {
    fn admit(&self, request: &GateRequest<'_>) -> GateAnswer {
        let refused = self.0.load(Ordering::SeqCst) && request.gvk.kind == "ConfigMap" && request.name == "b";
        let refusal = Refusal {
            policy: "no-b".into(),
            rule: "names".into(),
            message: "b is not a name".into(),
            remedy: "call it something else".into(),
            ..Refusal::default()
        };
        GateAnswer {
            refusals: if refused { vec![refusal] } else { Vec::new() },
            ..GateAnswer::default()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_policy_stops_the_sync_before_anything_is_applied() {
    let world = World::with(|options| options.retry_failed = std::time::Duration::from_secs(1)).await;
    let good = world
        .commit(
            "shop",
            &[
                ("deploy/a.yaml", &config_map("a", "one")),
                ("deploy/b.yaml", &config_map("b", "one")),
            ],
        )
        .await;
    world.application("shop", "shop", "deploy").await;
    world.deployed("shop", good).await;
    let gate = Arc::new(Picky(AtomicBool::new(true)));
    world.plane.set_gate(gate.clone());
    world
        .commit(
            "shop",
            &[
                ("deploy/a.yaml", &config_map("a", "two")),
                ("deploy/b.yaml", &config_map("b", "two")),
            ],
        )
        .await;
    let app = world
        .app_until("shop", |app| condition(app, "SyncError").is_some())
        .await;
    let text = condition(&app, "SyncError").unwrap();
    assert!(
        text.contains("deploy/b.yaml:1") && text.contains("b is not a name"),
        "{text}"
    );
    assert_eq!(
        world.config("shop", "a").await.as_deref(),
        Some("one"),
        "nothing was applied"
    );
    let state = app.root().at(&["status", "operationState"]).unwrap();
    assert_eq!(state.str_at(&["phase"]), Some("Failed"));
    let results = state.at(&["syncResult", "resources"]).unwrap().to_json();
    assert!(
        results.contains("SyncFailed") && results.contains("b is not a name"),
        "{results}"
    );
    assert!(
        app.root().at(&["status", "quarantined"]).is_none(),
        "what changed nothing needs no rollback"
    );
    // The policy is relaxed: tried again without anybody asking.
    gate.0.store(false, Ordering::SeqCst);
    world.config_until("shop", "b", "two").await;
    world
        .app_until("shop", |app| condition(app, "SyncError").is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_vanishes_is_told_and_what_it_deployed_is_kept() {
    let world = World::start().await;
    let upstream = world.scratch.path().join("upstream");
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
            .args(arguments);
        assert!(command.status().unwrap().success());
    };
    let dir = upstream.to_str().unwrap();
    git(&["init", "-q", "-b", "main", dir]);
    let write = |value: &str| {
        std::fs::create_dir_all(upstream.join("deploy")).unwrap();
        std::fs::write(upstream.join("deploy/a.yaml"), config_map("a", value)).unwrap();
        git(&["-C", dir, "add", "-A"]);
        git(&["-C", dir, "commit", "-q", "-m", "Change"]);
    };
    write("one");
    world.application("shop", &format!("file://{dir}"), "deploy").await;
    world.config_until("shop", "a", "one").await;
    write("two");
    world.config_until("shop", "a", "two").await;

    std::fs::rename(&upstream, world.scratch.path().join("gone")).unwrap();
    let app = world
        .app_until("shop", |app| condition(app, "ComparisonError").is_some())
        .await;
    let text = condition(&app, "ComparisonError").unwrap();
    assert!(
        text.contains("has vanished") && text.contains("check the URL"),
        "{text}"
    );
    world
        .merge(&gvk("", "v1", "ConfigMap"), "shop", "a", "data: {key: bad}")
        .await;
    world.config_until("shop", "a", "two").await;
    std::fs::rename(world.scratch.path().join("gone"), &upstream).unwrap();
    world
        .app_until("shop", |app| condition(app, "ComparisonError").is_none())
        .await;
}
