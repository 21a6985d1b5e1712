//! Kubernetes' own policies: stored, bound, in force, said in Kubernetes' words.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use ridgeway_cluster::Reason;
use world::{World, gvk};

const POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
  validations:
  - expression: object.spec.replicas <= int(params.data.most)
    messageExpression: \"'at most ' + params.data.most + ' replicas'\"
  auditAnnotations: [{key: wanted, valueExpression: string(object.spec.replicas)}]
";
const BINDING: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec:
  policyName: replicas
  validationActions: [ACTION]
  paramRef: {name: limits, namespace: default, parameterNotFoundAction: Deny}
";
const LIMITS: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: limits, namespace: default}, data: {most: '3'}}";

fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: default}}, spec: {{replicas: {replicas}, \
         selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: app, image: \
         web}}]}}}}}}}}"
    )
}

#[tokio::test]
async fn a_bound_policy_refuses_in_kubernetes_words() {
    let world = World::new().await;
    world.apply(LIMITS).await;
    world.enforce(POLICY).await;
    // Nothing binds it yet.
    world.apply(&deployment("before", 9)).await;
    assert_eq!(
        (world.policy("replicas").enforce, world.policy("replicas").failed),
        (false, 0)
    );
    world.apply(&BINDING.replace("ACTION", "Deny")).await;
    world.until("it is bound", || world.policy("replicas").enforce).await;
    world
        .until("what is there is reported", || world.policy("replicas").failed == 1)
        .await;
    let refusal = world.try_apply(&deployment("web", 5)).await.unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.message.as_str()),
        (
            Reason::Invalid,
            "deployments.apps \"web\" is forbidden: ValidatingAdmissionPolicy 'replicas' with binding 'everywhere' denied request: \
             at most 3 replicas"
        )
    );
    world.apply(&deployment("web", 3)).await;
    world.until("one passes", || world.policy("replicas").passed == 1).await;
    assert_eq!(world.policy("replicas").refused_24h, 1);
    let view = world.policy("replicas");
    assert_eq!(
        (view.kind.as_str(), view.rules[0].name.as_str()),
        ("ValidatingAdmissionPolicy", "everywhere")
    );
    // A binding that only warns lets it through.
    world.apply(&BINDING.replace("ACTION", "Warn")).await;
    world.until("it only warns", || !world.policy("replicas").enforce).await;
    world.apply(&deployment("web", 5)).await;
    world
        .delete(
            &gvk("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
            "",
            "replicas",
        )
        .await;
    world
        .until("it is gone", || {
            world.guard.policies().iter().all(|view| view.name != "replicas")
        })
        .await;
}

#[tokio::test]
async fn a_fault_is_refused_with_its_place_and_types_are_checked() {
    let world = World::new().await;
    let faulty = POLICY.replace("<= int(params.data.most)", "<=");
    let refusal = world.try_apply(&faulty).await.unwrap_err();
    assert!(
        refusal.message.contains("spec.validations[0].expression"),
        "{}",
        refusal.message
    );
    let both = BINDING.replace("ACTION", "Deny, Warn");
    let refusal = world.try_apply(&both).await.unwrap_err();
    assert!(
        refusal.message.contains("spec.validationActions"),
        "{}",
        refusal.message
    );
    world
        .apply(&POLICY.replace("object.spec.replicas <=", "object.spec.replicsa <="))
        .await;
    let kind = gvk("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
    world
        .until_object("the warning is written", &kind, ("", "replicas"), |node| {
            let list = node.and_then(|node| node.at(&["status", "typeChecking", "expressionWarnings"]));
            list.and_then(|list| list.item(0)).is_some_and(|warning| {
                warning.str_at(&["fieldRef"]) == Some("spec.validations[0].expression")
                    && warning.str_at(&["warning"]) == Some("apps/v1, Kind=Deployment: undefined field 'replicsa'")
            })
        })
        .await;
}

#[tokio::test]
async fn a_mutating_policy_changes_and_the_authorizer_is_asked() {
    let world = World::new().await;
    world
        .enforce(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: sidecar}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
  matchConditions: [{name: not-yet, expression: \"!object.spec.template.spec.containers.exists(c, c.name == 'mesh')\"}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: >-
        Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers:
        [Object.spec.template.spec.containers{name: 'mesh', image: 'mesh:1'}]}}}}
  - patchType: JSONPatch
    jsonPatch: {expression: \"[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'a/b': 'c'}}]\"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: owners}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations:
  - expression: authorizer.group('').resource('secrets').namespace('default').check('delete').allowed()
    message: you may
    reason: Forbidden
  - expression: \"!authorizer.serviceAccount('default', 'nobody').group('').resource('secrets').namespace('default').check('get').allowed()\"
    message: nobody may not
",
        )
        .await;
    world
        .apply(
            "
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: sidecar}
spec: {policyName: sidecar}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: owners}
spec: {policyName: owners, validationActions: [Deny]}
",
        )
        .await;
    world
        .until("they are bound", || {
            world.policy("sidecar").enforce && world.policy("owners").enforce
        })
        .await;
    world.apply(&deployment("web", 1)).await;
    let web = world
        .get(&gvk("apps/v1", "Deployment"), "default", "web")
        .await
        .unwrap();
    let containers = web.root().at(&["spec", "template", "spec", "containers"]).unwrap();
    assert_eq!(containers.len(), 2, "{}", web.root().to_yaml());
    assert_eq!(web.root().str_at(&["metadata", "annotations", "a/b"]), Some("c"));
    // The administrator of the tests may do everything.
    world.apply(LIMITS).await;
}
