//! The webhook refuses in the words of the platform: the same policies, asked in process and by review.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

#[path = "../../guard/tests/world/mod.rs"]
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ridgeway_cluster::Clock;
use ridgeway_webhook::{Judge, PolicySet, Question, Review};
use world::{World, demo_policies, example};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_equal_word_for_word() {
    let world = World::new().await;
    world.enforce(&demo_policies()).await;
    let set = PolicySet::compile(&[(PathBuf::from("demo.yaml"), demo_policies())]).unwrap();
    let set = Arc::new(set);
    let judge = Judge::new(Duration::from_secs(30), Arc::default());
    for (file, resource) in [
        ("pod-without-limits", "pods"),
        ("root-container", "pods"),
        ("deployment-without-team", "deployments"),
    ] {
        let yaml = example(&format!("try/{file}.yaml"));
        let in_process = world
            .try_apply(&yaml.replace("namespace: checkout", "namespace: default"))
            .await;
        let in_process = in_process.expect_err(file);
        let object = ridgeway_doc::parse_yaml(&yaml).unwrap().remove(0);
        let text = |path: &[&str]| object.root().str_at(path).unwrap_or_default().to_owned();
        let version = text(&["apiVersion"]);
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"{group}","version":"{version}","kind":"{}"}},"resource":{{"group":"{group}","version":"{version}","resource":"{resource}"}},"operation":"CREATE","namespace":"default","userInfo":{{"username":"alice"}},"object":{}}}}}"#,
            text(&["kind"]),
            object.root().to_json()
        );
        let question = Question {
            review: Review::parse(body.as_bytes()).unwrap(),
            mutating: true,
            failure: None,
            deadline: Instant::now() + Duration::from_secs(60),
            now: world.clock.now(),
        };
        let answer = judge.ask(&set, question).await;
        assert!(!answer.allowed(), "{file}");
        assert_eq!(answer.message(), in_process.message, "{file}");
    }
}
