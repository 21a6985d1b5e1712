//! A stored policy that does not compile any more refuses what it is for, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod world;

use std::sync::Arc;

use ridgeway_cluster::{Gate, GateAnswer, GateRequest};
use world::World;

struct Open;

impl Gate for Open {
    fn admit(&self, _: &GateRequest<'_>) -> GateAnswer {
        GateAnswer::default()
    }
}

/// A world in which policies were stored while nobody looked at them.
async fn with_stored(yaml: &str) -> World {
    let mut world = World::new().await;
    world.plane.set_gate(Arc::new(Open));
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}}}")
        .await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: lab, labels: {env: test}}}")
        .await;
    world.apply(yaml).await;
    world.restart().await;
    world
}

fn map(namespace: &str, name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {namespace}}}, data: {{a: b}}}}")
}

/// Refused in `shop`, and nowhere else.
async fn refuses_in_shop(world: &World, says: &str) {
    let refusal = world.try_apply(&map("shop", "one")).await.unwrap_err();
    assert!(refusal.message.contains(says), "{}", refusal.message);
    world.apply(&map("lab", "one")).await;
    world
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}")
        .await;
}

const KYVERNO: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: broken}
spec:
  validationFailureAction: ACTION
  failurePolicy: FAILURE
  rules:
  - name: typo
    match: {any: [{resources: {kinds: [ConfigMap], namespaceSelector: {matchLabels: {env: prod}}}}]}
    validate: {message: no, patern: {data: {a: c}}}
  - name: good
    match: {any: [{resources: {kinds: [ConfigMap], names: ['bad-*']}}]}
    validate: {message: no bad names, pattern: {metadata: {name: '!bad-*'}}}
";

fn kyverno(action: &str, failure: &str) -> String {
    KYVERNO.replace("ACTION", action).replace("FAILURE", failure)
}

#[tokio::test]
async fn a_broken_rule_refuses_what_it_matches_and_good_ones_go_on() {
    let world = with_stored(&kyverno("Enforce", "Fail")).await;
    refuses_in_shop(&world, "did you mean `pattern`?").await;
    let refusal = world.try_apply(&map("lab", "bad-one")).await.unwrap_err();
    assert!(refusal.message.contains("no bad names"), "{}", refusal.message);
    let gvk = world::gvk("v1", "ConfigMap");
    // What is there can go: the rule had nothing to say about that.
    world.plane.set_gate(Arc::new(Open));
    world.apply(&map("shop", "old")).await;
    world.plane.set_gate(world.guard.gate());
    world.delete(&gvk, "shop", "old").await;
}

#[tokio::test]
async fn who_asks_to_be_ignored_or_to_audit_refuses_nothing() {
    for (action, failure) in [("Enforce", "Ignore"), ("Audit", "Fail")] {
        let world = with_stored(&kyverno(action, failure)).await;
        world.apply(&map("shop", "one")).await;
        assert_eq!(world.policy("broken").faults.len(), 1, "{action} {failure}");
    }
}

#[tokio::test]
async fn a_match_that_cannot_be_read_is_taken_as_widely_as_its_kinds() {
    let text = kyverno("Enforce", "Fail").replace(
        "matchLabels: {env: prod}",
        "matchExpressions: [{key: env, operator: Is}]",
    );
    let world = with_stored(&text).await;
    for namespace in ["shop", "lab"] {
        let refusal = world.try_apply(&map(namespace, "one")).await.unwrap_err();
        assert!(refusal.message.contains("broken"), "{}", refusal.message);
    }
    world
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}")
        .await;
}

const ADMISSION: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: KIND
metadata: {name: broken}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  BODY
---
apiVersion: admissionregistration.k8s.io/v1
kind: KINDBinding
metadata: {name: prod}
spec:
  policyName: broken
  ACTIONS
  matchResources: {namespaceSelector: {matchLabels: {env: prod}}}
";

#[tokio::test]
async fn kubernetes_own_policies_refuse_under_their_bindings() {
    for (kind, body, actions) in [
        (
            "ValidatingAdmissionPolicy",
            "validations: [{expression: 'object.nothing('}]",
            "validationActions: [Deny]",
        ),
        (
            "MutatingAdmissionPolicy",
            "mutations: [{patchType: JSONPatch, jsonPatch: {expression: 'nobody.knows'}}]",
            "paramRef: null",
        ),
    ] {
        let text = ADMISSION
            .replace("KINDBinding", &format!("{kind}Binding"))
            .replace("KIND", kind)
            .replace("BODY", body)
            .replace("ACTIONS", actions);
        let world = with_stored(&text).await;
        refuses_in_shop(&world, "cannot be evaluated").await;
    }
}

#[tokio::test]
async fn a_broken_binding_still_binds() {
    let text = ADMISSION
        .replace("KINDBinding", "ValidatingAdmissionPolicyBinding")
        .replace("KIND", "ValidatingAdmissionPolicy")
        .replace("BODY", "validations: [{expression: 'false', message: never}]")
        .replace("ACTIONS", "validationActions: [Deny, Warn]");
    let world = with_stored(&text).await;
    refuses_in_shop(&world, "never").await;
}

#[tokio::test]
async fn policies_in_cel_refuse_what_they_match() {
    let world = with_stored(
        "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: broken}
spec:
  validationActions: [Deny]
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
    namespaceSelector: {matchLabels: {env: prod}}
  validations: [{expression: 'object.nothing('}]
",
    )
    .await;
    refuses_in_shop(&world, "cannot be evaluated").await;
}

#[tokio::test]
async fn constraints_of_a_broken_template_refuse_what_they_match() {
    const TEMPLATE: &str = "
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: never}
spec:
  crd: {spec: {names: {kind: Never}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package never
      violation[{\"msg\": \"never\"}] { BODY }
";
    const CONSTRAINT: &str = "
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Never
metadata: {name: maps}
spec: {match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}], namespaceSelector: {matchLabels: {env: prod}}}}
";
    let mut world = World::new().await;
    world.apply(&TEMPLATE.replace("BODY", "true")).await;
    let served = world::gvk("constraints.gatekeeper.sh/v1beta1", "Never");
    for _ in 0..400 {
        if world.cluster.kinds().get(&served).is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    world.enforce(CONSTRAINT).await;
    world.plane.set_gate(Arc::new(Open));
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}}}")
        .await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: lab, labels: {env: test}}}")
        .await;
    world.apply(&TEMPLATE.replace("BODY", "nobody.knows(")).await;
    world.restart().await;
    refuses_in_shop(&world, "cannot be evaluated").await;
}
