//! Fixes that are found, that are minimal, and that cannot be found.

use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;

use super::*;

fn fixed(policies: &str, object: &str) -> Fixed {
    let docs = parse_yaml(policies).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (set, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    let object = parse_yaml(object).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    fix(&set, &sources, &Request::create(&gvk, object.root()))
}

fn edits(fixed: &Fixed) -> Vec<String> {
    fixed
        .edits
        .iter()
        .map(|edit| match &edit.value {
            Some(value) => format!("{} = {value}{}", edit.path(), if edit.placeholder { " ?" } else { "" }),
            None => format!("{} -", edit.path()),
        })
        .collect()
}

fn rule(kinds: &str, validate: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p}}
spec:
  validationFailureAction: Enforce
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [{kinds}]}}}}]}}
    validate:
      message: m
      {validate}
"
    )
}

#[test]
fn each_kind_of_failure_has_its_edit() {
    for (validate, object, want) in [
        ("pattern: {spec: {replicas: '>=2'}}", "replicas: 1", "spec.replicas = 2"),
        ("pattern: {spec: {replicas: '>2'}}", "replicas: 1", "spec.replicas = 3"),
        (
            "pattern: {spec: {mode: 'fast | slow'}}",
            "mode: odd",
            "spec.mode = \"fast\"",
        ),
        ("pattern: {spec: {host: '!true'}}", "host: true", "spec.host = false"),
        ("pattern: {spec: {X(host): 'null'}}", "host: true", "spec.host -"),
        (
            "pattern: {spec: {owner: '?*'}}",
            "replicas: 1",
            "spec.owner = \"change-me\" ?",
        ),
        (
            "pattern: {spec: {parts: [{size: '<=5'}]}}",
            "parts: [{size: 4}, {size: 9}]",
            "spec.parts[1].size = 5",
        ),
        (
            "deny: {conditions: {any: [{key: '{{ request.object.spec.host }}', operator: Equals, value: true}]}}",
            "host: true",
            "spec.host = false",
        ),
        (
            "deny: {conditions: {any: [{key: '{{ request.object.spec.mode }}', operator: AnyNotIn, value: [a, b]}]}}",
            "mode: c",
            "spec.mode = \"a\"",
        ),
        (
            "deny: {conditions: {any: [{key: '{{ request.object.spec.size }}', operator: GreaterThan, value: 5}]}}",
            "size: 7",
            "spec.size = 5",
        ),
    ] {
        let object = format!("apiVersion: x/v1\nkind: Thing\nmetadata: {{name: a}}\nspec: {{{object}}}");
        let found = fixed(&rule("Thing", validate), &object);
        assert_eq!(edits(&found), [want], "{validate}");
        assert!(found.remaining.is_empty(), "{validate}");
    }
}

#[test]
fn a_pod_is_mended_by_what_is_needed_and_nothing_else() {
    let policies = rule("Pod", "podSecurity: {level: restricted, version: latest}");
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  securityContext: {runAsNonRoot: true}
  containers:
  - name: app
    image: a:1
    securityContext: {privileged: true, capabilities: {drop: [ALL]}}
";
    let found = fixed(&policies, pod);
    assert!(found.remaining.is_empty(), "{:?}", found.remaining);
    let made = edits(&found);
    assert_eq!(made.len(), 3, "{made:?}");
    assert!(
        !made
            .iter()
            .any(|edit| edit.contains("runAsNonRoot") || edit.contains("drop")),
        "{made:?}"
    );
    // Nothing can be left out.
    for i in 0..found.edits.len() {
        let mut fewer = found.edits.clone();
        fewer.remove(i);
        let doc = parse_yaml(pod).unwrap().remove(0);
        let again = super::edit::apply(doc.root(), &fewer);
        assert!(!fixed(&policies, &again.to_json()).before.is_empty());
    }
}

#[test]
fn what_cannot_be_guessed_is_left() {
    let found = fixed(
        &rule("Thing", "pattern: {spec: {image: 'registry.corp/*'}}"),
        "{apiVersion: x/v1, kind: Thing, metadata: {name: a}, spec: {image: 'other/x'}}",
    );
    assert!(found.edits.is_empty() && found.patch.is_none() && found.object.is_none());
    assert_eq!(found.remaining.len(), 1);
}

#[test]
fn labels_that_a_template_names_are_added() {
    let policies = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: needlabels}
spec:
  crd: {spec: {names: {kind: NeedLabels}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package needlabels
      violation[{"msg": msg}] {
        provided := {l | input.review.object.metadata.labels[l]}
        missing := {l | l := input.parameters.labels[_]} - provided
        count(missing) > 0
        msg := sprintf("you must provide labels: %v", [missing])
      }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NeedLabels
metadata: {name: owner}
spec: {parameters: {labels: [owner, app]}}
"#;
    let found = fixed(policies, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
    assert!(found.remaining.is_empty(), "{:?}", found.remaining);
    let mut made = edits(&found);
    made.sort();
    assert_eq!(
        made,
        ["metadata.labels.app = \"a\"", "metadata.labels.owner = \"change-me\" ?"]
    );
}
