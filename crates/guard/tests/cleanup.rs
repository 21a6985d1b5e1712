//! What is deleted by a schedule, by conditions, and by the time that objects give themselves.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use ridgeway_doc::Node;
use world::{World, gvk};

fn map(name: &str, labels: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {labels}}}}}")
}

async fn gone(world: &World, name: &str) {
    let maps = gvk("v1", "ConfigMap");
    world
        .until_object("it is gone", &maps, ("default", name), |node| node.is_none())
        .await;
}

async fn ran(world: &World, policy: &ridgeway_krm::Gvk, at: (&str, &str), when: &str) {
    let said = |node: Option<Node<'_>>| node.and_then(|n| n.str_at(&["status", "lastExecutionTime"])) == Some(when);
    world.until_object("it has run", policy, at, said).await;
}

#[tokio::test]
async fn a_cleanup_policy_deletes_at_its_time_where_its_conditions_hold() {
    let world = World::new().await;
    world.apply(&map("old", "{stage: test}")).await;
    world.apply(&map("kept", "{stage: prod}")).await;
    world.apply(&map("other", "{}")).await;
    world
        .apply(
            "
apiVersion: kyverno.io/v2
kind: ClusterCleanupPolicy
metadata: {name: tests}
spec:
  schedule: '*/5 * * * *'
  match: {any: [{resources: {kinds: [ConfigMap], selector: {matchExpressions: [{key: stage, operator: Exists}]}}}]}
  conditions: {any: [{key: '{{ target.metadata.labels.stage }}', operator: Equals, value: test}]}
",
        )
        .await;
    let policy = gvk("kyverno.io/v2", "ClusterCleanupPolicy");
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert!(world.get(&gvk("v1", "ConfigMap"), "default", "old").await.is_some());
    world.clock.forward(300);
    gone(&world, "old").await;
    ran(&world, &policy, ("", "tests"), "2026-05-04T10:05:00Z").await;
    for name in ["kept", "other"] {
        assert!(
            world.get(&gvk("v1", "ConfigMap"), "default", name).await.is_some(),
            "{name}"
        );
    }
    // And again at the next time.
    world.apply(&map("kept", "{stage: test}")).await;
    world.clock.forward(300);
    gone(&world, "kept").await;
}

#[tokio::test]
async fn a_deleting_policy_deletes_by_cel_in_its_namespace() {
    let world = World::new().await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
        .await;
    world.apply(&map("a", "{tmp: 'yes'}")).await;
    world.apply(&map("a", "{tmp: 'yes'}").replace("default", "shop")).await;
    world.apply(&map("b", "{}")).await;
    world
        .apply(
            "
apiVersion: policies.kyverno.io/v1
kind: NamespacedDeletingPolicy
metadata: {name: tmp, namespace: default}
spec:
  schedule: '@hourly'
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [DELETE], resources: [configmaps]}]
  variables: [{name: labels, expression: 'object.metadata.?labels.orValue({})'}]
  conditions: [{name: tmp, expression: 'variables.labels.?tmp.orValue(\"\") == \"yes\"'}]
",
        )
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    world.clock.forward(3600);
    gone(&world, "a").await;
    let maps = gvk("v1", "ConfigMap");
    assert!(world.get(&maps, "default", "b").await.is_some());
    assert!(world.get(&maps, "shop", "a").await.is_some());
}

#[tokio::test]
async fn an_object_ends_when_its_label_says() {
    let world = World::new().await;
    world.apply(&map("short", "{cleanup.kyverno.io/ttl: 2m}")).await;
    world.apply(&map("long", "{cleanup.kyverno.io/ttl: 1h}")).await;
    world
        .apply(&map("dated", "{cleanup.kyverno.io/ttl: '2026-05-05'}"))
        .await;
    world.clock.forward(119);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let maps = gvk("v1", "ConfigMap");
    assert!(world.get(&maps, "default", "short").await.is_some());
    world.clock.forward(1);
    gone(&world, "short").await;
    assert!(world.get(&maps, "default", "long").await.is_some());
    // A label that is taken off lets live.
    world.apply(&map("long", "{}")).await;
    world.clock.forward(86_400);
    gone(&world, "dated").await;
    assert!(world.get(&maps, "default", "long").await.is_some());
    let refusal = world
        .try_apply(&map("odd", "{cleanup.kyverno.io/ttl: soon}"))
        .await
        .unwrap_err();
    assert!(refusal.message.contains("1h30m"), "{}", refusal.message);
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_is_refused() {
    let world = World::new().await;
    let policy = "{apiVersion: kyverno.io/v2, kind: CleanupPolicy, metadata: {name: p, namespace: default}, spec: \
                  {schedule: '61 * * * *', match: {any: [{resources: {kinds: [Pod]}}]}}}";
    let refusal = world.try_apply(policy).await.unwrap_err();
    assert!(
        refusal.message.contains("spec.schedule") && refusal.message.contains("0 to 59"),
        "{}",
        refusal.message
    );
}
