//! The demo is the contract: what its policies say about the Pod that must be refused, word for word.

#![allow(clippy::unwrap_used, missing_docs)]

use ridgeway_doc::{Doc, Value, parse_yaml};
use ridgeway_krm::Gvk;
use ridgeway_policy::{Action, Outcome, Request, RuleResult, RuleSet};

fn demo() -> RuleSet {
    let docs = parse_yaml(include_str!("../testdata/demo-policies.yaml")).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    rules
}

fn refusals(rules: &RuleSet, text: &str) -> Vec<RuleResult> {
    let object = parse_yaml(text).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    rules
        .admit(&Request::create(&gvk, object.root()))
        .refusals()
        .cloned()
        .collect()
}

#[test]
fn a_pod_without_limits_is_refused_and_told_what_to_add() {
    let found = refusals(&demo(), include_str!("../testdata/pod-without-limits.yaml"));
    let names: Vec<&str> = found.iter().map(|r| r.policy.as_str()).collect();
    assert_eq!(names, ["require-non-root", "require-resource-limits"]);
    let limits = &found[1];
    assert!(
        limits.message.starts_with(
            "Policy Violation: Container 'app' must have resource limits defined. Please add CPU and memory limits to \
             comply with cluster policies."
        ),
        "{}",
        limits.message
    );
    assert!(
        limits
            .message
            .ends_with("The policy says: All containers must have resource limits."),
        "{}",
        limits.message
    );
    assert_eq!(limits.author, "All containers must have resource limits");
    assert_eq!(
        (limits.rule.as_str(), limits.path.as_str()),
        ("require-limits", "spec.containers[0].resources.limits")
    );
    assert_eq!((limits.outcome, limits.action), (Outcome::Fail, Action::Enforce));
    assert!(
        limits.remedy.starts_with("Please add CPU and memory limits"),
        "{}",
        limits.remedy
    );
    let root = &found[0];
    assert!(
        root.message.contains("Container 'app' must run as a non-root user."),
        "{}",
        root.message
    );
    assert!(
        root.message
            .contains("Container 'app' must not allow privilege escalation."),
        "{}",
        root.message
    );
}

#[test]
fn the_offered_patches_make_the_pod_pass() {
    let rules = demo();
    let mut object = Value::from(
        parse_yaml(include_str!("../testdata/pod-without-limits.yaml"))
            .unwrap()
            .remove(0),
    );
    for round in 0..3 {
        let found = refusals(&rules, &object.to_json());
        if found.is_empty() {
            assert!(round > 0, "the Pod had to be refused first");
            return;
        }
        for refusal in found {
            // A set of patches may name the same parent: the first one that still fits is taken.
            for op in refusal
                .patch
                .expect("each of these has an obvious patch")
                .node()
                .items()
            {
                apply(
                    &mut object,
                    op.str_at(&["path"]).unwrap(),
                    op.get("value").unwrap().to_value(),
                );
            }
        }
    }
    panic!("still refused: {object}");
}

/// Sets what is missing at a pointer, merging objects.
fn apply(object: &mut Value, pointer: &str, value: Value) {
    let mut place = object;
    for token in pointer.trim_start_matches('/').split('/') {
        place = match token.parse::<usize>() {
            Ok(index) => &mut place.as_array_mut().unwrap()[index],
            Err(_) => place.make_object().entry(token, Value::object),
        };
    }
    if let (Some(into), true) = (place.as_object_mut(), value.node().is_object()) {
        for (key, member) in value.node().members() {
            into.insert(key, member.to_value());
        }
    } else {
        *place = value;
    }
}

#[test]
fn workloads_are_judged_by_their_templates_and_their_labels() {
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {containers: [{name: app, image: nginx}]}}}}";
    let found = refusals(&demo(), deployment);
    let told: Vec<(&str, &str)> = found.iter().map(|r| (r.rule.as_str(), r.path.as_str())).collect();
    assert_eq!(
        told,
        [
            ("require-team-label", "metadata.labels"),
            (
                "autogen-run-as-non-root",
                "spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation"
            ),
            (
                "autogen-require-limits",
                "spec.template.spec.containers[0].resources.limits"
            ),
        ]
    );
    assert!(
        found[0]
            .message
            .starts_with("Policy Violation: Deployment 'web' must have the labels 'app' and 'team'."),
        "{}",
        found[0].message
    );
}

#[test]
fn a_restricted_namespace_refuses_as_kubernetes_does() {
    let namespace = parse_yaml("{metadata: {name: checkout, labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}}").unwrap();
    let judge = |text: &str| {
        let object = parse_yaml(text).unwrap().remove(0);
        let gvk = Gvk::of(object.root()).unwrap();
        let mut request = Request::create(&gvk, object.root());
        request.namespace_object = Some(namespace[0].root());
        RuleSet::default().admit(&request)
    };
    let pod = judge(include_str!("../testdata/pod-without-limits.yaml"));
    let refusals: Vec<&RuleResult> = pod.refusals().collect();
    assert_eq!(refusals.len(), 1);
    assert!(
        refusals[0].message.starts_with(
            "violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"app\" must set \
             securityContext.allowPrivilegeEscalation=false), unrestricted capabilities"
        ),
        "{}",
        refusals[0].message
    );
    let workload = judge(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: app}]}}}}",
    );
    assert_eq!(workload.refusals().count(), 0);
    let warned: Vec<&RuleResult> = workload.warnings().collect();
    assert_eq!((warned.len(), warned[0].action), (1, Action::Warn));
    assert!(
        warned[0]
            .message
            .starts_with("would violate PodSecurity \"restricted:latest\""),
        "{}",
        warned[0].message
    );
}

#[test]
fn a_faulty_policy_is_named_with_its_line_and_the_others_work() {
    let text = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: broken}\nspec:\n  rules:\n  - name: r\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    validate:\n      patern: {spec: {}}\n";
    let good = include_str!("../testdata/demo-policies.yaml");
    let docs = parse_yaml(&format!("{text}---\n{good}")).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert_eq!(rules.len(), 3);
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].line, errors[0].path.as_str()),
        (9, "spec.rules[0].validate.patern")
    );
    assert_eq!(
        errors[0].to_string(),
        "policy broken, rule r, at spec.rules[0].validate.patern (line 9, column 15): unknown field `patern`; did you mean `pattern`?"
    );
}

#[test]
fn a_namespace_gets_what_its_policies_generate() {
    let text = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: ground}\nspec:\n  rules:\n  - name: default-deny\n    match: {any: [{resources: {kinds: [Namespace]}}]}\n    exclude: {any: [{resources: {namespaces: ['kube-*']}}]}\n    generate:\n      apiVersion: networking.k8s.io/v1\n      kind: NetworkPolicy\n      name: default-deny\n      namespace: '{{request.object.metadata.name}}'\n      synchronize: true\n      data: {spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}\n";
    let docs = parse_yaml(text).unwrap();
    let (rules, errors) = RuleSet::compile(&[docs[0].root()]);
    assert!(errors.is_empty(), "{errors:?}");
    let made = |name: &str| {
        let object = parse_yaml(&format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"
        ))
        .unwrap();
        let gvk = Gvk::new("", "v1", "Namespace");
        rules.generate(&Request::create(&gvk, object[0].root())).0
    };
    let objects = made("shop");
    assert_eq!(objects.len(), 1);
    assert!(objects[0].synchronize);
    assert_eq!(
        objects[0].object.node().str_at(&["metadata", "namespace"]),
        Some("shop")
    );
    assert!(made("kube-system").is_empty());
    assert_eq!(rules.triggers(), [Some("Namespace".to_owned())]);
}
