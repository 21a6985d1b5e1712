//! Stored objects are judged again when they, a policy, or their namespace change.

mod world;

use ridgeway_guard::ViolationView;
use world::{World, gvk};

const TEAM: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: team}
spec:
  validationFailureAction: Audit
  rules:
  - name: labelled
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate:
      message: say whose it is
      pattern: {metadata: {labels: {team: '?*'}}}
";

fn map(name: &str, labels: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {labels}}}}}")
}

fn of(world: &World, policy: &str) -> Vec<ViolationView> {
    world
        .guard
        .violations()
        .into_iter()
        .filter(|v| v.policy_id == policy)
        .collect()
}

#[tokio::test]
async fn a_new_policy_judges_what_is_there() {
    let world = World::new().await;
    world.apply(&map("with", "{team: a}")).await;
    world.apply(&map("without", "{}")).await;
    let mut scores = world.guard.subscribe();
    world.enforce(TEAM).await;
    world
        .until("both are judged", || {
            (world.policy("team").passed, world.policy("team").failed) == (1, 1)
        })
        .await;
    assert_eq!(scores.try_recv().unwrap(), "team");
    let violation = of(&world, "team").remove(0);
    assert_eq!(
        (violation.object.name.as_str(), violation.rule.as_str()),
        ("without", "labelled")
    );
    assert_eq!(violation.path, "metadata.labels.team");
    assert_eq!(violation.since, "2026-05-04T10:00:00Z");
    assert_eq!(violation.api_version, "v1");
    // A changed rule judges anew; the violation keeps its beginning.
    world.clock.forward(60);
    world.enforce(&TEAM.replace("team: '?*'", "team: b")).await;
    world.until("both fail", || of(&world, "team").len() == 2).await;
    let since: Vec<String> = of(&world, "team").into_iter().map(|v| v.since).collect();
    assert_eq!(since, ["2026-05-04T10:01:00Z", "2026-05-04T10:00:00Z"]);
    world.apply(&map("with", "{team: b}")).await;
    world
        .until("the mended one passes", || {
            (world.policy("team").passed, of(&world, "team").len()) == (1, 1)
        })
        .await;
    world.delete(&gvk("kyverno.io/v1", "ClusterPolicy"), "", "team").await;
    world
        .until("nothing is left of it", || of(&world, "team").is_empty())
        .await;
}

#[tokio::test]
async fn a_namespace_that_asks_for_a_standard_has_its_pods_judged() {
    let world = World::new().await;
    let namespace =
        |labels: &str| format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {labels}}}}}");
    world.apply(&namespace("{}")).await;
    world
        .apply(
            "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {hostPID: true, containers: \
             [{name: app, image: web}]}}",
        )
        .await;
    assert!(of(&world, "pod-security-standards").is_empty());
    world
        .apply(&namespace("{pod-security.kubernetes.io/enforce: baseline}"))
        .await;
    world
        .until("the Pod violates", || of(&world, "pod-security-standards").len() == 1)
        .await;
    let violation = of(&world, "pod-security-standards").remove(0);
    assert_eq!(
        (violation.path.as_str(), violation.rule.as_str()),
        ("spec.hostPID", "baseline:latest")
    );
    world
        .apply(&namespace("{pod-security.kubernetes.io/enforce: privileged}"))
        .await;
    world
        .until("no standard, no violation", || {
            of(&world, "pod-security-standards").is_empty()
        })
        .await;
}

#[tokio::test]
async fn roles_are_looked_up_where_a_rule_asks() {
    let world = World::new().await;
    let guarded = TEAM.replace("Audit", "Enforce").replace(
        "    validate:",
        "    exclude: {any: [{clusterRoles: [cluster-admin]}]}\n    validate:",
    );
    world.enforce(&guarded).await;
    let admin = world
        .plane
        .client(ridgeway_cluster::Identity::user("root", &["system:masters"], "test"));
    let object = || {
        ridgeway_doc::parse_yaml(&map("x", "{}"))
            .unwrap()
            .remove(0)
            .root()
            .to_value()
    };
    let options = || ridgeway_cluster::WriteOptions::by("test", None).dry();
    let mut admitted = admin.create(object(), options()).await;
    for _ in 0..200 {
        if admitted.is_ok() {
            break;
        }
        // The bindings are followed from the moment on that a policy asks about them.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        admitted = admin.create(object(), options()).await;
    }
    admitted.unwrap();
    let alice = world
        .plane
        .client(ridgeway_cluster::Identity::user("alice", &["developers"], "test"));
    world
        .apply(
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: dev}, roleRef: \
             {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{kind: Group, apiGroup: \
             rbac.authorization.k8s.io, name: developers}]}",
        )
        .await;
    let refusal = alice.create(object(), options()).await.unwrap_err();
    assert!(refusal.message.contains("policy team"), "{}", refusal.message);
}
