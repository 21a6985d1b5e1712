//! Templates, constraints and what they say.

use ridgeway_doc::parse_yaml;
use ridgeway_krm::Gvk;

use crate::{Action, Outcome, Request, RuleSet, constraint_crd};

const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8srequiredlabels}
spec:
  crd: {spec: {names: {kind: K8sRequiredLabels}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package k8srequiredlabels
      violation[{\"msg\": msg, \"details\": {\"missing\": missing}}] {
        provided := {label | input.review.object.metadata.labels[label]}
        required := {label | label := input.parameters.labels[_]}
        missing := required - provided
        count(missing) > 0
        msg := sprintf(\"you must provide labels: %v\", [missing])
      }
";

fn constraint(spec: &str) -> String {
    format!(
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sRequiredLabels\nmetadata: {{name: owner}}\nspec: {spec}\n"
    )
}

fn judge(spec: &str, object: &str) -> Vec<(Outcome, Action, String)> {
    let docs = parse_yaml(&format!("{TEMPLATE}---\n{}", constraint(spec))).unwrap();
    let sources: Vec<_> = docs.iter().map(|doc| doc.root()).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    let object = parse_yaml(object).unwrap();
    let gvk = Gvk::of(object[0].root()).unwrap();
    let results = rules.admit(&Request::create(&gvk, object[0].root())).results;
    results.into_iter().map(|r| (r.outcome, r.action, r.message)).collect()
}

#[test]
fn a_constraint_judges_what_it_matches() {
    let bare = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";
    let good = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {owner: a}}}";
    let spec = |more: &str| {
        format!(
            "{{match: {{kinds: [{{apiGroups: [''], kinds: [Namespace]}}]}}, parameters: {{labels: [owner]}}{more}}}"
        )
    };
    let told = "Policy Violation: you must provide labels: {\"owner\"}.".to_owned();
    assert_eq!(judge(&spec(""), bare), [(Outcome::Fail, Action::Enforce, told.clone())]);
    assert_eq!(
        judge(&spec(", enforcementAction: dryrun"), bare),
        [(Outcome::Fail, Action::Audit, told.clone())]
    );
    assert_eq!(
        judge(&spec(", enforcementAction: warn"), bare),
        [(Outcome::Warn, Action::Warn, told)]
    );
    assert_eq!(
        judge(&spec(""), good),
        [(Outcome::Pass, Action::Enforce, String::new())]
    );
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: kube-system}}";
    assert_eq!(judge(&spec(""), pod), []);
    assert_eq!(judge("{match: {excludedNamespaces: ['kube-*']}}", pod), []);
    assert_eq!(judge("{match: {scope: Cluster}}", pod), []);
    assert_eq!(judge("{match: {namespaces: [shop]}}", pod), []);
}

#[test]
fn faults_have_their_place() {
    let broken = TEMPLATE.replace("count(missing) > 0", "count(missing >");
    let docs = parse_yaml(&broken).unwrap();
    let (_, errors) = RuleSet::compile(&[docs[0].root()]);
    assert_eq!(
        (errors.len(), errors[0].path.as_str()),
        (1, "spec.targets[0].rego"),
        "{errors:?}"
    );
    assert!(errors[0].line >= 14, "{errors:?}");
    let docs = parse_yaml(&constraint("{}")).unwrap();
    let (_, errors) = RuleSet::compile(&[docs[0].root()]);
    assert!(
        errors[0]
            .message
            .contains("no ConstraintTemplate for K8sRequiredLabels"),
        "{errors:?}"
    );
}

#[test]
fn a_fault_in_a_library_is_told_of_the_library() {
    let libraries = |second: &str| {
        format!(
            "{TEMPLATE}    libs:\n    - |\n      package lib.fine\n      yes = true\n    - |\n      package lib.other\n      {second}\n"
        )
    };
    let text = libraries("no = count(");
    let docs = parse_yaml(&text).unwrap();
    let (_, errors) = RuleSet::compile(&[docs[0].root()]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].path, "spec.targets[0].libs[1]", "{errors:?}");
    let line = text.lines().position(|line| line.ends_with("count(")).unwrap() + 1;
    assert!((errors[0].line as usize).abs_diff(line) <= 1, "{line}: {errors:?}");
    let text = libraries("no = other_than_any");
    let docs = parse_yaml(&text).unwrap();
    let (_, errors) = RuleSet::compile(&[docs[0].root()]);
    assert!(errors[0].message.contains("of its libraries"), "{errors:?}");
}

#[test]
fn a_template_without_violation_is_refused() {
    let text = TEMPLATE.replace("violation[", "denied[");
    let docs = parse_yaml(&text).unwrap();
    let (_, errors) = RuleSet::compile(&[docs[0].root()]);
    assert!(errors[0].message.contains("no rule `violation`"), "{errors:?}");
}

#[test]
fn a_rule_without_end_is_ended_and_named() {
    let slow = TEMPLATE.replace(
        "count(missing) > 0",
        "count([x | x := numbers.range(1, 3000)[_]; y := numbers.range(1, 3000)[_]; x == y]) > 0",
    );
    let docs = parse_yaml(&format!("{slow}---\n{}", constraint("{}"))).unwrap();
    let sources: Vec<_> = docs.iter().map(|doc| doc.root()).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    let object = parse_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
    let gvk = Gvk::new("", "v1", "Namespace");
    let results = rules.admit(&Request::create(&gvk, object[0].root())).results;
    assert_eq!(results[0].outcome, Outcome::Error);
    assert!(
        results[0].message.contains("K8sRequiredLabels/owner") && results[0].message.contains("budget"),
        "{}",
        results[0].message
    );
}

#[test]
fn the_template_brings_a_kind() {
    let docs = parse_yaml(TEMPLATE).unwrap();
    let crd = constraint_crd(docs[0].root()).unwrap();
    let kinds = ridgeway_krm::Kind::from_crd(crd.node()).unwrap();
    assert_eq!(
        kinds[0].gvk,
        Gvk::new("constraints.gatekeeper.sh", "v1beta1", "K8sRequiredLabels")
    );
    assert!(!kinds[0].namespaced);
}
