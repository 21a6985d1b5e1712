//! What the demo organisation's policies refuse, and in which words.

mod world;

use world::{World, demo_policies, example};

#[tokio::test]
async fn the_examples_are_refused_in_words_that_help() {
    let world = World::new().await;
    world.enforce(&demo_policies()).await;
    world
        .apply(
            "{apiVersion: v1, kind: Namespace, metadata: {name: checkout, labels: \
             {pod-security.kubernetes.io/enforce: restricted}}}",
        )
        .await;
    let sentence = example("try/pod-without-limits.yaml");
    let sentence = sentence.lines().nth(1).unwrap().trim_start_matches("# ");
    for (file, starts, says) in [
        (
            "pod-without-limits",
            sentence,
            vec![
                "require-resource-limits",
                "require-limits",
                "spec.containers[0].resources.limits",
            ],
        ),
        (
            "deployment-without-team",
            "",
            vec![
                "team",
                "require-labels",
                "require-team-label",
                "Please give metadata.labels.team a value",
            ],
        ),
        (
            "root-container",
            "",
            vec![
                "'app'",
                "require-non-root",
                "run-as-non-root",
                "securityContext",
                "runAsNonRoot",
            ],
        ),
        (
            "privileged-pod",
            "",
            vec!["privileged", "\"app\"", "restricted", "securityContext"],
        ),
    ] {
        let refusal = world
            .try_apply(&example(&format!("try/{file}.yaml")))
            .await
            .expect_err(file);
        assert_eq!(refusal.code(), 403, "{file}");
        assert!(
            refusal.message.lines().any(|line| line.starts_with(starts)),
            "{file}: {}",
            refusal.message
        );
        for text in says {
            assert!(
                refusal.message.contains(text),
                "{file} does not say {text:?}: {}",
                refusal.message
            );
        }
    }
    assert_eq!(world.policy("require-resource-limits").refused_24h, 1);
    assert_eq!(world.policy("require-labels").refused_24h, 1);
    assert_eq!(world.policy("pod-security-standards").refused_24h, 1);
    world.clock.forward(25 * 3600);
    assert_eq!(world.policy("require-labels").refused_24h, 0);
}

#[tokio::test]
async fn what_satisfies_the_policies_is_let_in() {
    let world = World::new().await;
    world.enforce(&demo_policies()).await;
    let good = example("try/root-container.yaml").replace(
        "      resources:",
        "      securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false}\n      resources:",
    );
    world.apply(&good).await;
}

#[tokio::test]
async fn the_platforms_own_namespaces_are_exempt() {
    let world = World::new().await;
    world.enforce(&demo_policies()).await;
    let pod = example("try/pod-without-limits.yaml");
    for (namespace, refused) in [("default", true), ("kube-system", false), ("ridgeway-system", false)] {
        let pod = pod.replace("name: my-app", &format!("name: my-app\n  namespace: {namespace}"));
        assert_eq!(world.try_apply(&pod).await.is_err(), refused, "{namespace}");
    }
}

#[tokio::test]
async fn audit_warns_and_lets_through_and_is_reported() {
    let world = World::new().await;
    world.enforce(&demo_policies().replace("Enforce", "Audit")).await;
    world.apply(&example("try/pod-without-limits.yaml")).await;
    let limits = || world.policy("require-resource-limits");
    world
        .until("the violation is in the table", || limits().failed == 1)
        .await;
    let violations = world.guard.violations();
    let violation = violations
        .iter()
        .find(|v| v.policy_id == "require-resource-limits")
        .unwrap();
    assert_eq!(violation.object.name, "my-app");
    assert!(
        violation
            .message
            .starts_with("Policy Violation: Container 'app' must have resource limits defined.")
    );
    assert!(!limits().enforce);
    assert_eq!((limits().refused_24h, limits().passed), (0, 0));
    world.delete(&world::gvk("v1", "Pod"), "default", "my-app").await;
    world
        .until("the violation is gone with its object", || limits().failed == 0)
        .await;
}
