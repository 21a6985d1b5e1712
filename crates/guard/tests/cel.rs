//! Policies in CEL (`policies.kyverno.io`) admit, change, generate and are reported like the others.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use world::{World, gvk};

const POLICIES: &str = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata:
  name: owner
  annotations: {policies.kyverno.io/title: Say whose it is, policies.kyverno.io/severity: high}
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
  validations: [{expression: 'has(object.metadata.labels) && \"team\" in object.metadata.labels', message: needs a team}]
---
apiVersion: policies.kyverno.io/v1alpha1
kind: MutatingPolicy
metadata: {name: owner}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: Object.metadata.labels{seen: \"yes\"}}}'}
---
apiVersion: policies.kyverno.io/v1
kind: NamespacedValidatingPolicy
metadata: {name: small, namespace: default}
spec:
  validationActions: [Audit]
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations: [{expression: '!has(object.data)', message: no data here}]
";

fn deployment(labels: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: default, labels: {labels}}}, spec: \
         {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: \
         [{{name: app, image: web}}]}}}}}}}}"
    )
}

#[tokio::test]
async fn they_admit_change_and_report() {
    let world = World::new().await;
    world.enforce(POLICIES).await;
    let refusal = world.try_apply(&deployment("{}")).await.unwrap_err();
    assert!(refusal.message.contains("needs a team"), "{}", refusal.message);
    world.apply(&deployment("{team: shop}")).await;
    world
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: default}, data: {a: b}}")
        .await;
    let map = world.get(&gvk("v1", "ConfigMap"), "default", "m").await.unwrap();
    assert_eq!(map.root().str_at(&["metadata", "labels", "seen"]), Some("yes"));
    world.until("one passes", || world.policy("owner").passed == 1).await;
    world
        .until("one is reported", || world.policy("default~small").failed == 1)
        .await;
    let view = world.policy("owner");
    assert_eq!(
        (view.kind.as_str(), view.title.as_str(), view.severity),
        ("ValidatingPolicy", "Say whose it is", "high")
    );
    assert!(view.enforce && view.rules[0].words == "needs a team" && view.rules[0].applies == "deployments");
    // A policy of another kind may have the name of one that is there.
    let views = world.guard.policies();
    let ids: Vec<&str> = views
        .iter()
        .filter(|v| v.name == "owner")
        .map(|v| v.id.as_str())
        .collect();
    assert_eq!(ids, ["MutatingPolicy~owner", "owner"]);
    assert_eq!(view.refused_24h, 1);
}

#[tokio::test]
async fn a_fault_is_refused_with_its_place() {
    let world = World::new().await;
    let faulty = POLICIES.replace("!has(object.data)", "!has(object.data");
    let refusal = world.try_apply(&faulty).await.unwrap_err();
    assert!(
        refusal.message.contains("spec.validations[0].expression"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn they_generate() {
    let world = World::new().await;
    world
        .enforce(
            "
apiVersion: policies.kyverno.io/v1
kind: GeneratingPolicy
metadata: {name: quota}
spec:
  evaluation: {synchronize: {enabled: true}, generateExisting: {enabled: true}}
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [namespaces]}]
  matchConditions: [{name: own, expression: object.metadata.name == 'shop'}]
  variables:
  - name: made
    expression: >-
      [{'apiVersion': dyn('v1'), 'kind': dyn('ConfigMap'), 'metadata': dyn({'name': 'made', 'namespace':
      string(object.metadata.name)}), 'data': dyn({'a': 'b'})}]
  generate: [{expression: 'generator.Apply(object.metadata.name, variables.made)'}]
",
        )
        .await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
        .await;
    let maps = gvk("v1", "ConfigMap");
    world
        .until_object("it is made", &maps, ("shop", "made"), |node| node.is_some())
        .await;
}

#[tokio::test]
async fn they_change_what_is_stored_already() {
    let world = World::new().await;
    world
        .apply(
            "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {test: 'on'}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: default}}
",
        )
        .await;
    world
        .enforce(
            "
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {name: mark}
spec:
  evaluation: {mutateExisting: {enabled: true}}
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [namespaces], resourceNames: [shop]}]
  targetMatchConstraints:
    namespaceSelector: {matchLabels: {test: 'on'}}
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {\"from\": request.name}}}'}
",
        )
        .await;
    let maps = gvk("v1", "ConfigMap");
    let from = |node: Option<ridgeway_doc::Node<'_>>| {
        node.and_then(|node| node.str_at(&["metadata", "labels", "from"]).map(str::to_owned))
    };
    world
        .until_object("it is changed", &maps, ("shop", "a"), |node| {
            from(node).as_deref() == Some("shop")
        })
        .await;
    let other = world.get(&maps, "default", "b").await.unwrap();
    assert_eq!(from(Some(other.root())), None);
}
