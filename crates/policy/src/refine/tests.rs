//! What users read, by the policies they write.

use crate::{Request, RuleSet};
use ridgeway_doc::parse_yaml;
use ridgeway_krm::Gvk;

/// The refusals' messages of a pattern on an object.
fn told(pattern: &str, object: &str) -> Vec<(String, String, String)> {
    let policy = format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: p}}\nspec:\n  validationFailureAction: Enforce\n  rules:\n  - name: r\n    match: {{any: [{{resources: {{kinds: ['*']}}}}]}}\n    validate:\n      message: As the author has it\n      pattern: {pattern}\n"
    );
    let docs = parse_yaml(&policy).unwrap();
    let sources: Vec<_> = docs.iter().map(|doc| doc.root()).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    let objects = parse_yaml(object).unwrap();
    let gvk = Gvk::of(objects[0].root()).unwrap();
    let verdicts = rules.admit(&Request::create(&gvk, objects[0].root()));
    let tell = |r: &crate::RuleResult| {
        (
            r.message.clone(),
            r.path.clone(),
            r.patch.as_ref().map(|p| p.to_json()).unwrap_or_default(),
        )
    };
    verdicts.refusals().map(tell).collect()
}

#[test]
fn limits_are_told_as_a_colleague_would() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: my-app}, spec: {containers: [{name: app, image: nginx}]}}";
    let found = told(
        "{spec: {containers: [{resources: {limits: {memory: '?*', cpu: '?*'}}}]}}",
        pod,
    );
    assert_eq!(
        found,
        [(
            "Policy Violation: Container 'app' must have resource limits defined. Please add CPU and memory limits to \
             comply with cluster policies. The policy says: As the author has it."
                .to_owned(),
            "spec.containers[0].resources.limits".to_owned(),
            r#"[{"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"500m","memory":"256Mi"}}}]"#
                .to_owned()
        )]
    );
}

#[test]
fn other_families_read_as_well() {
    let pod = |containers: &str| {
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: shop}}, spec: {{containers: [{containers}]}}}}")
    };
    for (pattern, object, want, path) in [
        (
            "{spec: {containers: [{=(securityContext): {=(privileged): 'false'}}]}}",
            pod("{name: app, securityContext: {privileged: true}}"),
            "Container 'app' must not run in privileged mode. Please set securityContext.privileged to false.",
            "spec.containers[0].securityContext.privileged",
        ),
        (
            "{spec: {containers: [{securityContext: {runAsNonRoot: true}}]}}",
            pod("{name: app}"),
            "Container 'app' must run as a non-root user. Please set securityContext.runAsNonRoot to true.",
            "spec.containers[0].securityContext.runAsNonRoot",
        ),
        (
            "{metadata: {labels: {team: '?*'}}}",
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}".to_owned(),
            "Deployment 'web' must have the label 'team'. Please give metadata.labels.team a value.",
            "metadata.labels.team",
        ),
        (
            "{spec: {containers: [{image: '!*:latest'}]}}",
            pod("{name: app, image: 'nginx:latest'}"),
            "Container 'app' uses the image 'nginx:latest', whose tag 'latest' moves. Please pin the image",
            "spec.containers[0].image",
        ),
        (
            "{spec: {containers: [{livenessProbe: {periodSeconds: '>0'}}]}}",
            pod("{name: app}"),
            "Container 'app' must define a liveness probe.",
            "spec.containers[0].livenessProbe.periodSeconds",
        ),
        (
            "{spec: {=(volumes): [{X(hostPath): 'null'}]}}",
            "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {volumes: [{name: v, hostPath: {path: /}}]}}"
                .to_owned(),
            "Volume 'v' must not mount a path of the host.",
            "spec.volumes[0].hostPath",
        ),
        (
            "{spec: {replicas: '>=2'}}",
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1}}".to_owned(),
            "In Deployment 'web', spec.replicas is 1, not at least 2. Please set spec.replicas to at least 2.",
            "spec.replicas",
        ),
    ] {
        let found = told(pattern, &object);
        assert_eq!(found.len(), 1, "{pattern}: {found:?}");
        assert!(
            found[0].0.starts_with(&format!("Policy Violation: {want}")),
            "{pattern}: {}",
            found[0].0
        );
        assert_eq!(found[0].1, path, "{pattern}");
    }
}
