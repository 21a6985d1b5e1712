//! Whatever is written in a policy or an object, the engine answers: no text makes it panic or run without end.

#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use ridgeway_doc::{Value, parse_yaml};
use ridgeway_krm::Gvk;
use ridgeway_policy::{Expression, Outcome, Request, RuleSet, wildcard};

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop, labels: {a: b}}, spec: {containers: [{name: app, image: 'nginx:1', resources: {limits: {cpu: 100m}}}]}}";

/// A policy with one rule, whose `validate` is given.
fn policy(validate: Value) -> Value {
    let base = "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: p}, spec: {validationFailureAction: Enforce, rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}}]}}";
    let mut out = Value::from(parse_yaml(base).unwrap().remove(0));
    let rules = out.at_mut(&["spec", "rules"]).unwrap().as_array_mut().unwrap();
    rules[0].set(&["validate"], validate);
    out
}

/// Compiles a policy and judges a Pod by it; faults of the policy are fine.
fn judge(policy: &Value, pod: &str) -> Vec<Outcome> {
    let (rules, _) = RuleSet::compile(&[policy.node()]);
    let object = parse_yaml(pod).unwrap().remove(0);
    let gvk = Gvk::new("", "v1", "Pod");
    rules
        .admit(&Request::create(&gvk, object.root()))
        .results
        .iter()
        .map(|r| r.outcome)
        .collect()
}

/// Texts of the characters that mean something in patterns and expressions.
fn tricky() -> impl Strategy<Value = String> {
    proptest::string::string_regex(r#"[a-c0-9 .*?|&!<>=(){}\[\]'"`@:,^+\-_/\\é%]{0,40}"#).unwrap()
}

proptest! {
    #[test]
    fn expressions_parse_or_say_why(text in tricky()) {
        let _ = Expression::parse(&text);
    }

    #[test]
    fn patterns_of_any_text_are_judged(key in tricky(), leaf in tricky(), message in tricky()) {
        let mut validate = Value::object();
        validate.set(&["message"], message);
        validate.set(&["pattern", "spec", &key], leaf.as_str());
        validate.set(&["pattern", "metadata", "labels", &leaf], key.as_str());
        judge(&policy(validate), POD);
    }

    #[test]
    fn conditions_of_any_text_are_judged(key in tricky(), value in tricky()) {
        for operator in ["Equals", "AnyIn", "AllNotIn", "GreaterThan"] {
            let mut condition = Value::object();
            condition.set(&["key"], format!("{{{{ {key} }}}}"));
            condition.set(&["operator"], operator);
            condition.set(&["value"], value.as_str());
            let mut validate = Value::object();
            validate.set(&["deny", "conditions", "all"], vec![condition]);
            judge(&policy(validate), POD);
        }
    }

    #[test]
    fn cel_of_any_text_is_judged(text in tricky()) {
        let mut expression = Value::object();
        expression.set(&["expression"], text);
        let mut validate = Value::object();
        validate.set(&["cel", "expressions"], vec![expression]);
        judge(&policy(validate), POD);
    }

    #[test]
    fn a_wildcard_matches_what_it_was_made_from(text in "[a-z]{0,12}", at in 0usize..12, len in 0usize..6) {
        let at = at.min(text.len());
        let end = (at + len).min(text.len());
        let pattern = format!("{}*{}", &text[..at], &text[end..]);
        prop_assert!(wildcard(&pattern, &text), "{pattern} {text}");
    }
}

#[test]
fn what_an_object_holds_is_never_a_pattern_or_an_expression() {
    // A label that looks like an expression is compared as the text it is.
    let validate = parse_yaml(
        "{deny: {conditions: {all: [{key: '{{ request.object.metadata.labels.a }}', operator: Equals, value: 'b'}]}}}",
    )
    .unwrap();
    let policy = policy(validate[0].root().to_value());
    assert_eq!(judge(&policy, POD), [Outcome::Fail]);
    let sly = POD.replace("{a: b}", "{a: '{{ request.operation }}'}");
    assert_eq!(judge(&policy, &sly), [Outcome::Pass]);
}

#[test]
fn a_rule_that_never_ends_is_ended_and_named() {
    let validate = parse_yaml("{deny: {conditions: {all: [{key: \"{{ length(map(&length(map(&length(map(&length(map(&length(@), split('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', ''))), split('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', ''))), split('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', ''))), split('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', ''))) }}\", operator: Equals, value: 1}]}}}").unwrap();
    let policy = policy(validate[0].root().to_value());
    let (rules, errors) = RuleSet::compile(&[policy.node()]);
    assert!(errors.is_empty(), "{errors:?}");
    let object = parse_yaml(POD).unwrap().remove(0);
    let gvk = Gvk::new("", "v1", "Pod");
    let results = rules.admit(&Request::create(&gvk, object.root())).results;
    assert_eq!(results[0].outcome, Outcome::Error);
    assert!(
        results[0].message.contains("rule r of the policy p") && results[0].message.contains("budget"),
        "{}",
        results[0].message
    );
}
