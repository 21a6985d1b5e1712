//! Kubernetes' own policies are asked everywhere, and leave the platform's own parts alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod world;

use ridgeway_cluster::{Identity, WriteOptions};
use ridgeway_doc::parse_yaml;
use world::World;

const NEVER: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: never}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*', '*/status']}]
    objectSelector: {matchLabels: {judged: 'yes'}}
  validations: [{expression: 'false', message: never}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: never, validationActions: [Deny]}
";

fn labelled(kind: &str, version: &str, more: &str) -> String {
    format!("{{apiVersion: {version}, kind: {kind}, metadata: {{name: x, labels: {{judged: 'yes'}}{more}}}}}")
}

#[tokio::test]
async fn exempt_ground_is_asked_about_too() {
    let world = World::new().await;
    // The binding first: with the policy it is in force.
    let (policy, binding) = NEVER.split_once("---").unwrap();
    world.apply(binding).await;
    world.enforce(policy).await;
    for text in [
        labelled("ConfigMap", "v1", ", namespace: kube-system"),
        labelled("ConfigMap", "v1", ", namespace: default"),
        labelled("Node", "v1", ""),
        labelled("ClusterPolicy", "kyverno.io/v1", "").replace(
            "}}}",
            "}}, spec: {rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, \
                 validate: {message: m, pattern: {a: b}}}]}}",
        ),
    ] {
        let refusal = world.try_apply(&text).await.map(|()| text).unwrap_err();
        assert!(refusal.message.contains("never"), "{}", refusal.message);
    }
    // What decides admission itself, so that nobody is locked out.
    let more = NEVER.replace("name: never}", "name: other, labels: {judged: 'yes'}}");
    world.apply(&more).await;
    // The platform's own parts go on working there; what is delivered is somebody's.
    let text = labelled("ConfigMap", "v1", ", namespace: kube-system");
    let apply_as = |identity: Identity| {
        let client = world.plane.client(identity);
        let object = parse_yaml(&text).unwrap().remove(0).root().to_value();
        async move { client.apply(object, WriteOptions::by("test", None).forced()).await }
    };
    let pretender = Identity::user("ann", &["system:masters"], "controller");
    assert!(
        apply_as(pretender).await.is_err(),
        "a user agent makes nobody a part of the platform"
    );
    assert!(apply_as(Identity::controller("deliver")).await.is_err());
    assert!(apply_as(Identity::controller("guard")).await.is_ok());
}
