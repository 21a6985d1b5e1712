//! Policies are tried on resources with nothing stored, and stored policies are shown in plain words.

mod world;

use ridgeway_doc::parse_yaml;
use ridgeway_policy::Outcome;
use world::{World, demo_policies, example};

#[tokio::test]
async fn policies_are_tried_on_resources() {
    let world = World::new().await;
    let resources = parse_yaml(&example("try/pod-without-limits.yaml")).unwrap();
    let policies = parse_yaml(&demo_policies()).unwrap();
    let (results, faults) = world.guard.evaluate(&resources, &policies);
    assert!(faults.is_empty(), "{faults:?}");
    let failed: Vec<(&str, &str)> = results
        .iter()
        .filter(|(_, result)| result.outcome == Outcome::Fail)
        .map(|(object, result)| (object.as_str(), result.rule.as_str()))
        .collect();
    assert_eq!(
        failed,
        [("Pod my-app", "run-as-non-root"), ("Pod my-app", "require-limits")]
    );
    assert_eq!(world.guard.policies().len(), 1, "nothing was stored");
    let broken =
        parse_yaml("{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: b}, spec: {rules: []}}").unwrap();
    let (results, faults) = world.guard.evaluate(&resources, &broken);
    assert!(results.is_empty());
    assert_eq!((faults.len(), faults[0].policy.as_str()), (1, "b"));
}

#[tokio::test]
async fn policies_are_shown_in_plain_words() {
    let world = World::new().await;
    world.enforce(&demo_policies()).await;
    let view = world.policy("namespace-defaults");
    assert_eq!(view.title, "Namespaces start closed and bounded");
    assert_eq!(
        (view.category.as_str(), view.severity, view.enforce),
        ("Zero Trust", "high", true)
    );
    let rule = &view.rules[0];
    assert_eq!((rule.name.as_str(), rule.kind), ("default-deny", "generate"));
    assert_eq!(
        rule.words,
        "makes the NetworkPolicy default-deny in the namespace it is for, and keeps it as the policy says"
    );
    assert_eq!(
        rule.applies,
        "Namespace, except named default, kube-*, ridgeway-system and argocd"
    );
    let shown = view.source.root().to_yaml();
    let lines: Vec<&str> = shown.lines().collect();
    for rule in &view.rules {
        let at = usize::try_from(rule.line).unwrap() - 1;
        assert!(
            lines[at].trim_start().starts_with("- "),
            "line {} of\n{shown}",
            rule.line
        );
        assert!(
            lines[at..]
                .iter()
                .find_map(|l| l.trim_start().strip_prefix("name: "))
                .is_some()
        );
    }
    assert_eq!(world.policy("require-labels").severity, "low");
    assert_eq!(world.policy("pod-security-standards").title, "Pod Security Standards");
}
