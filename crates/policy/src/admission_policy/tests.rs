//! Policies, bindings, parameters: what they say and when.

mod selection;

use std::sync::Arc;

use ridgeway_doc::{Doc, Node, Value, parse_yaml};
use ridgeway_krm::{Gvk, Kind, KindTable};

use crate::{Action, CompileError, Data, Operation, Outcome, Request, RuleSet, Verdicts};

/// A policy about Deployments and its binding.
fn policy(spec: &str, binding: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: replicas}}
spec:
  matchConstraints:
    resourceRules: [{{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}}]
  {}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: everywhere}}
spec:
  policyName: replicas
  {}
",
        spec.replace('\n', "\n  "),
        binding.replace('\n', "\n  ")
    )
}

struct World(Vec<Doc>);

impl Data for World {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        let found = self.0.iter().find(|doc| {
            let text = |key: &str| doc.root().str_at(&["metadata", key]).unwrap_or_default();
            Gvk::of(doc.root()).as_ref() == Some(gvk) && text("namespace") == namespace && text("name") == name
        });
        found.cloned()
    }

    fn list(&self, gvk: &Gvk, namespace: &str) -> Option<Vec<Doc>> {
        let within = |doc: &&Doc| {
            let of = doc.root().str_at(&["metadata", "namespace"]).unwrap_or_default();
            Gvk::of(doc.root()).as_ref() == Some(gvk) && (namespace.is_empty() || of == namespace)
        };
        (gvk.kind != "Unheard").then(|| self.0.iter().filter(within).cloned().collect())
    }

    fn kind(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        KindTable::builtin().get(gvk)
    }
}

fn compile(text: &str) -> (RuleSet, Vec<CompileError>) {
    let docs = parse_yaml(text).unwrap();
    let sources: Vec<Node<'_>> = docs.iter().map(Doc::root).collect();
    RuleSet::compile(&sources)
}

fn rules(text: &str) -> RuleSet {
    let (rules, errors) = compile(text);
    assert!(errors.is_empty(), "{errors:?}");
    rules
}

fn deployment(replicas: u32, labels: &str) -> Doc {
    parse_yaml(&format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: shop, labels: {labels}}}, spec: \
         {{replicas: {replicas}}}}}"
    ))
    .unwrap()
    .remove(0)
}

fn admit(rules: &RuleSet, object: &Doc, world: &[&str]) -> Verdicts {
    let world = World(world.iter().map(|text| parse_yaml(text).unwrap().remove(0)).collect());
    let gvk = Gvk::of(object.root()).unwrap();
    rules.admit(&Request {
        data: &world,
        ..Request::create(&gvk, object.root())
    })
}

/// Outcome, action and message of each result.
fn told(verdicts: &Verdicts) -> Vec<(Outcome, Action, &str)> {
    verdicts
        .results
        .iter()
        .map(|r| (r.outcome, r.action, r.message.as_str()))
        .collect()
}

#[test]
fn a_binding_says_what_a_violation_does() {
    let spec = "validations: [{expression: 'object.spec.replicas <= 3', message: three at most}]";
    let denied = "ValidatingAdmissionPolicy 'replicas' with binding 'everywhere' denied request: three at most";
    let failed = "Validation failed for ValidatingAdmissionPolicy 'replicas' with binding 'everywhere': three at most";
    for (actions, action, message, refuses, warns, recorded) in [
        ("[Deny]", Action::Enforce, denied, true, false, false),
        ("[Deny, Audit]", Action::Enforce, denied, true, false, true),
        ("[Warn]", Action::Warn, failed, false, true, false),
        ("[Audit]", Action::Audit, failed, false, false, true),
    ] {
        let rules = rules(&policy(spec, &format!("validationActions: {actions}")));
        let verdicts = admit(&rules, &deployment(5, "{}"), &[]);
        assert_eq!(told(&verdicts), [(Outcome::Fail, action, message)], "{actions}");
        let result = &verdicts.results[0];
        assert_eq!(
            (result.refuses(), result.warns(), !verdicts.annotations.is_empty()),
            (refuses, warns, recorded),
            "{actions}"
        );
        assert_eq!(
            (result.reason.as_str(), result.path.as_str()),
            ("Invalid", "spec.replicas")
        );
        let good = admit(&rules, &deployment(3, "{}"), &[]);
        assert_eq!(told(&good), [(Outcome::Pass, action, "")]);
    }
    let recorded = rules(&policy(spec, "validationActions: [Audit]"));
    let verdicts = admit(&recorded, &deployment(5, "{}"), &[]);
    assert_eq!(
        verdicts.annotations,
        [(
            "validation.policy.admission.k8s.io/validation_failure".to_owned(),
            "[{\"message\":\"three at most\",\"policy\":\"replicas\",\"binding\":\"everywhere\",\"expressionIndex\":0,\
             \"validationActions\":[\"Audit\"]}]"
                .to_owned()
        )]
    );
}

#[test]
fn without_a_binding_nothing_is_said() {
    let text = policy("validations: [{expression: 'false'}]", "validationActions: [Deny]");
    let (alone, _) = text.split_once("---").unwrap();
    assert!(admit(&rules(alone), &deployment(1, "{}"), &[]).results.is_empty());
    // The binding of another policy is not this one's.
    let other = text.replace("policyName: replicas", "policyName: other");
    assert!(admit(&rules(&other), &deployment(1, "{}"), &[]).results.is_empty());
    let elsewhere = policy(
        "validations: [{expression: 'false'}]",
        "validationActions: [Deny]\nmatchResources: {objectSelector: {matchLabels: {env: prod}}}",
    );
    assert!(admit(&rules(&elsewhere), &deployment(1, "{}"), &[]).results.is_empty());
    assert_eq!(
        admit(&rules(&elsewhere), &deployment(1, "{env: prod}"), &[])
            .results
            .len(),
        1
    );
}

#[test]
fn words_come_from_the_author() {
    for (validation, want) in [
        (
            "{expression: 'object.spec.replicas <= variables.most', messageExpression: \"'at most ' + string(variables.most)\", reason: Forbidden}",
            "at most 3",
        ),
        (
            "{expression: 'object.spec.replicas <= 3'}",
            "failed expression: object.spec.replicas <= 3",
        ),
        (
            "{expression: 'object.spec.replicas <= 3', message: fewer, messageExpression: \"'a\\\\nb'\"}",
            "fewer",
        ),
        (
            "{expression: 'object.spec.replicas <= 3', message: fewer, messageExpression: 'string(object.spec.none)'}",
            "fewer",
        ),
    ] {
        let spec = format!("variables: [{{name: most, expression: '1 + 2'}}]\nvalidations: [{validation}]");
        let rules = rules(&policy(&spec, "validationActions: [Deny]"));
        let verdicts = admit(&rules, &deployment(5, "{}"), &[]);
        assert_eq!(verdicts.results[0].author, want);
        let reason = if want == "at most 3" { "Forbidden" } else { "Invalid" };
        assert_eq!(verdicts.results[0].reason, reason);
    }
}

#[test]
fn faults_count_as_the_failure_policy_says() {
    let spec = "failurePolicy: POLICY\nvalidations: [{expression: 'object.spec.none > 1'}]";
    let failed = |policy_: &str, actions: &str| {
        let rules = rules(&policy(
            &spec.replace("POLICY", policy_),
            &format!("validationActions: {actions}"),
        ));
        let verdicts = admit(&rules, &deployment(5, "{}"), &[]);
        let result = &verdicts.results[0];
        assert_eq!(result.outcome, Outcome::Error);
        (result.refuses(), result.warns())
    };
    assert_eq!(failed("Fail", "[Deny]"), (true, false));
    assert_eq!(failed("Fail", "[Warn]"), (false, true));
    assert_eq!(failed("Ignore", "[Deny]"), (false, false));
    assert_eq!(failed("Ignore", "[Warn]"), (false, false));
}

#[test]
fn conditions_keep_a_policy_off() {
    let spec = "matchConditions: [{name: a, expression: CONDITION}]\nvalidations: [{expression: 'false'}]";
    for (condition, want) in [
        ("'true'", Outcome::Fail),
        ("'false'", Outcome::Skip),
        ("'object.spec.none == 1'", Outcome::Error),
        ("'request.operation == \"UPDATE\"'", Outcome::Skip),
    ] {
        let rules = rules(&policy(
            &spec.replace("CONDITION", condition),
            "validationActions: [Deny]",
        ));
        assert_eq!(
            admit(&rules, &deployment(5, "{}"), &[]).results[0].outcome,
            want,
            "{condition}"
        );
    }
    // A condition that does not hold decides, whatever is wrong with the others.
    let both = spec.replace(
        "[{name: a, expression: CONDITION}]",
        "[{name: a, expression: 'object.spec.none == 1'}, {name: b, expression: 'false'}]",
    );
    let rules = rules(&policy(&both, "validationActions: [Deny]"));
    assert_eq!(
        admit(&rules, &deployment(5, "{}"), &[]).results[0].outcome,
        Outcome::Skip
    );
}

const PARAMS: &str = "paramKind: {apiVersion: v1, kind: ConfigMap}
validations: [{expression: 'params == null || object.spec.replicas <= int(params.data.most)', messageExpression: \"'at most ' + params.data.most\"}]";

#[test]
fn parameters_are_found_by_name_and_by_label() {
    let map = |name: &str, namespace: &str, most: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: {namespace}, labels: {{for: limits}}}}, data: \
             {{most: '{most}'}}}}"
        )
    };
    let (own, other) = (map("limits", "shop", "2"), map("limits", "other", "9"));
    let more = map("more", "shop", "4");
    let world = [own.as_str(), other.as_str(), more.as_str()];
    let said = |reference: &str, world: &[&str]| -> Vec<String> {
        let binding = format!("validationActions: [Deny]\n{reference}");
        let rules = rules(&policy(PARAMS, &binding));
        let verdicts = admit(&rules, &deployment(5, "{}"), world);
        verdicts
            .results
            .iter()
            .map(|r| {
                let author = if r.author.is_empty() { &r.message } else { &r.author };
                format!("{} {author}", r.outcome.as_str())
            })
            .collect()
    };
    for (reference, want) in [
        (
            "paramRef: {name: limits, parameterNotFoundAction: Deny}",
            vec!["fail at most 2"],
        ),
        (
            "paramRef: {name: limits, namespace: other, parameterNotFoundAction: Deny}",
            vec!["pass "],
        ),
        (
            "paramRef: {selector: {matchLabels: {for: limits}}, parameterNotFoundAction: Deny}",
            vec!["fail at most 2", "fail at most 4"],
        ),
        (
            "paramRef: {name: none, parameterNotFoundAction: Deny}",
            vec![
                "error failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
            ],
        ),
        (
            "paramRef: {name: none, parameterNotFoundAction: Allow}",
            vec!["skip there are no parameters"],
        ),
        ("", vec!["pass "]),
    ] {
        assert_eq!(said(reference, &world), want, "{reference}");
    }
    // A binding that cannot be used refuses even where violations only warn.
    let warns = "validationActions: [Warn]\nparamRef: {name: none, parameterNotFoundAction: Deny}";
    let verdicts = admit(&rules(&policy(PARAMS, warns)), &deployment(1, "{}"), &[]);
    assert!(verdicts.results[0].refuses());
    let unknown = policy(
        PARAMS,
        "validationActions: [Deny]\nparamRef: {name: a, parameterNotFoundAction: Allow}",
    );
    let unknown = unknown.replace(
        "{apiVersion: v1, kind: ConfigMap}",
        "{apiVersion: x.io/v1, kind: Unheard}",
    );
    let verdicts = admit(&rules(&unknown), &deployment(1, "{}"), &[]);
    assert!(verdicts.results[0].refuses() && verdicts.results[0].message.contains("not known"));
}

#[test]
fn audit_annotations_are_recorded() {
    let spec = "auditAnnotations:
- {key: replicas, valueExpression: 'string(object.spec.replicas)'}
- {key: nothing, valueExpression: 'null'}";
    let rules = rules(&policy(spec, "validationActions: [Deny]"));
    let verdicts = admit(&rules, &deployment(5, "{}"), &[]);
    assert_eq!(verdicts.annotations, [("replicas/replicas".to_owned(), "5".to_owned())]);
    assert_eq!(told(&verdicts), [(Outcome::Pass, Action::Enforce, "")]);
}

#[test]
fn mistakes_are_told_at_load_with_their_place() {
    let deny = "validationActions: [Deny]";
    let ok = "validations: [{expression: 'true'}]";
    for (spec, binding, path, why) in [
        (
            "validations: [{expression: '1 +'}]",
            deny,
            "spec.validations[0].expression",
            "ends too early",
        ),
        (
            "validations: [{expression: '1 + 1'}]",
            deny,
            "spec.validations[0].expression",
            "gives a int",
        ),
        (
            "validations: [{expression: 'objekt.a'}]",
            deny,
            "spec.validations[0].expression",
            "undeclared reference to 'objekt'",
        ),
        (
            "validations: [{expression: 'params.a'}]",
            deny,
            "spec.validations[0].expression",
            "spec.paramKind",
        ),
        (
            "validations: [{expression: 'request.operaton == \"CREATE\"'}]",
            deny,
            "spec.validations[0].expression",
            "undefined field 'operaton'",
        ),
        (
            "validations: [{expression: 'true', messageExpression: '1'}]",
            deny,
            "spec.validations[0].messageExpression",
            "gives a int",
        ),
        (
            "validations: [{expression: 'true', messageExpression: 'string(authorizer.path(\"/\").check(\"get\").allowed())'}]",
            deny,
            "spec.validations[0].messageExpression",
            "undeclared reference to 'authorizer'",
        ),
        (
            "validations: [{expression: 'true', reason: Wrong}]",
            deny,
            "spec.validations[0].reason",
            "use Unauthorized",
        ),
        (
            "validations: [{expresion: 'true'}]",
            deny,
            "spec.validations[0].expresion",
            "did you mean `expression`",
        ),
        (
            "variables: [{name: a, expression: 'variables.b'}, {name: b, expression: '1'}]\nvalidations: [{expression: 'true'}]",
            deny,
            "spec.variables[0].expression",
            "undefined field 'b'",
        ),
        (
            "variables: [{name: a, expression: '1'}]\nvalidations: [{expression: 'variables.a == \"x\"'}]",
            deny,
            "spec.validations[0].expression",
            "no matching overload",
        ),
        (
            "matchConditions: [{name: a, expression: 'variables.a'}]\nvalidations: [{expression: 'true'}]",
            deny,
            "spec.matchConditions[0].expression",
            "undeclared reference to 'variables'",
        ),
        (
            "validations: [{expression: 'resource.Get(\"v1\", \"configmaps\", \"a\", \"b\") != null'}]",
            deny,
            "spec.validations[0].expression",
            "Kubernetes has no such function",
        ),
        (
            "auditAnnotations: [{key: a, valueExpression: '1'}]",
            deny,
            "spec.auditAnnotations[0].valueExpression",
            "string or null is needed",
        ),
        (
            "failurePolicy: Maybe\nvalidations: [{expression: 'true'}]",
            deny,
            "spec.failurePolicy",
            "use Fail, Ignore",
        ),
        ("failurePolicy: Fail", deny, "spec.validations", "needs `validations`"),
        (
            ok,
            "validationActions: [Deny, Warn]",
            "spec.validationActions",
            "must not stand together",
        ),
        (
            ok,
            "validationActions: []",
            "spec.validationActions",
            "says what a violation does",
        ),
        (
            ok,
            "validationActions: [Refuse]",
            "spec.validationActions[0]",
            "is no action",
        ),
        (
            ok,
            "validationActions: [Deny]\nparamRef: {name: a}",
            "spec.paramRef",
            "parameterNotFoundAction",
        ),
        (
            ok,
            "validationActions: [Deny]\nparamRef: {parameterNotFoundAction: Deny}",
            "spec.paramRef",
            "by `name` or by",
        ),
    ] {
        let (_, errors) = compile(&policy(spec, binding));
        let found: Vec<_> = errors.iter().map(|e| (e.path.as_str(), e.message.as_str())).collect();
        assert!(
            matches!(found.as_slice(), [(p, m)] if *p == path && m.contains(why)),
            "{spec} {binding}: {found:?}"
        );
        assert!(errors[0].line > 0, "{errors:?}");
    }
}

fn mutating(name: &str, more: &str, expression: &str) -> String {
    let patch = if expression.trim_start().starts_with('[') {
        "JSONPatch, jsonPatch"
    } else {
        "ApplyConfiguration, applyConfiguration"
    };
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    resourceRules: [{{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}}]
  {more}
  mutations:
  - {{patchType: {patch}: {{expression: >-
      {expression}
    }}}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: {name}-binding}}
spec: {{policyName: {name}}}
"
    )
    .replace("{expression: >-\n      ", "{expression: \"")
    .replace("\n    }}", "\"}}")
}

fn mutated(text: &str, object: &Doc) -> (Value, Vec<String>) {
    let verdicts = admit(&rules(text), object, &[]);
    let said = verdicts
        .results
        .iter()
        .map(|r| format!("{} {}", r.outcome.as_str(), r.message));
    let said = said.map(|text| text.trim().to_owned()).collect();
    (verdicts.mutated.unwrap_or(Value::NULL), said)
}

#[test]
fn configurations_are_applied_by_the_schema() {
    let object = parse_yaml(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {a: b}}, spec: {template: {spec: \
         {containers: [{name: app, image: web, args: [a]}]}}}}",
    )
    .unwrap()
    .remove(0);
    let expression = "Object{metadata: Object.metadata{labels: {'c': 'd'}}, spec: Object.spec{replicas: 2, template: \
                      Object.spec.template{spec: Object.spec.template.spec{containers: object.spec.template.spec.containers.map(c, \
                      Object.spec.template.spec.containers{name: c.name, env: \
                      [Object.spec.template.spec.containers.env{name: 'A', value: 'x'}]})}}}}";
    let (made, said) = mutated(&mutating("add", "failurePolicy: Fail", expression), &object);
    assert_eq!(said, ["pass"]);
    assert_eq!(
        made.to_json(),
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"labels\":{\"a\":\"b\",\"c\":\"d\"}},\
         \"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"web\",\"args\":[\"a\"],\"env\":[{\"name\":\"A\",\"value\":\"x\"}]}]}},\
         \"replicas\":2}}"
    );
    let atomic = "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: \
                  [Object.spec.template.spec.containers{name: 'app', args: ['b']}]}}}}";
    let (made, said) = mutated(&mutating("atomic", "failurePolicy: Fail", atomic), &object);
    assert!(made.node().is_null());
    assert_eq!(
        said,
        [
            "error policy 'atomic' with binding 'atomic-binding' denied request: invalid ApplyConfiguration: may not mutate atomic \
          arrays, maps or structs: .spec.template.spec.containers[0].args"
        ]
    );
}

#[test]
fn patches_are_applied_unless_a_test_fails() {
    let object = deployment(1, "{a: b}");
    let patch = |value: u32| {
        format!(
            "[JSONPatch{{op: 'test', path: '/spec/replicas', value: {value}}}, JSONPatch{{op: 'add', path: '/metadata/labels/' + \
             jsonpatch.escapeKey('x/y'), value: 'z'}}]"
        )
    };
    let (made, said) = mutated(&mutating("label", "failurePolicy: Fail", &patch(1)), &object);
    assert_eq!(
        (
            made.node().at(&["metadata", "labels", "x/y"]).and_then(Node::as_str),
            said
        ),
        (Some("z"), vec!["pass".to_owned()])
    );
    let (made, said) = mutated(&mutating("label", "failurePolicy: Fail", &patch(2)), &object);
    assert_eq!((made.node().is_null(), said), (true, vec!["pass".to_owned()]));
    let broken = "[JSONPatch{op: 'replace', path: '/spec/none', value: 1}]";
    let (_, said) = mutated(&mutating("broken", "failurePolicy: Fail", broken), &object);
    assert!(
        said[0].starts_with("error policy 'broken' with binding 'broken-binding' denied request: JSON Patch: "),
        "{said:?}"
    );
    let wrong = mutating("wrong", "failurePolicy: Fail", "Object{spec: Object.metadata{a: 1}}");
    let (_, errors) = compile(&wrong);
    assert!(
        errors[0].message.contains("is Object.spec, not Object.metadata"),
        "{errors:?}"
    );
}

#[test]
fn a_policy_is_asked_again_after_others_if_it_wants() {
    // `a` copies the label that `b` sets; it comes first and sees it in the second round only.
    let copies =
        "has(object.metadata.labels.made) ? [JSONPatch{op: 'add', path: '/metadata/labels/seen', value: 'yes'}] : []";
    let makes = "Object{metadata: Object.metadata{labels: {'made': 'yes'}}}";
    for (reinvocation, want) in [("IfNeeded", Some("yes")), ("Never", None)] {
        let again = format!("reinvocationPolicy: {reinvocation}");
        let copies = mutating("a", &again, &format!("[JSONPatch{{}}].size() == 0 ? [] : ({copies})"));
        let copies = copies.replace("ApplyConfiguration, applyConfiguration", "JSONPatch, jsonPatch");
        let text = format!("{copies}---\n{}", mutating("b", "failurePolicy: Fail", makes));
        let (made, said) = mutated(&text, &deployment(1, "{x: y}"));
        assert_eq!(
            made.node().str_at(&["metadata", "labels", "seen"]),
            want,
            "{reinvocation} {said:?}"
        );
        assert_eq!(said, ["pass", "pass"]);
    }
}

#[test]
fn nothing_is_changed_on_the_way_out() {
    let text = mutating(
        "add",
        "failurePolicy: Fail",
        "Object{metadata: Object.metadata{labels: {'made': 'yes'}}}",
    );
    let rules = rules(&text.replace("[CREATE]", "['*']"));
    let object = deployment(1, "{}");
    let gvk = Gvk::of(object.root()).unwrap();
    let request = Request::create(&gvk, object.root());
    let verdicts = rules.admit(&Request {
        operation: Operation::Delete,
        object: None,
        old_object: request.object,
        ..request
    });
    assert!(verdicts.mutated.is_none() && verdicts.results.is_empty());
}

#[test]
fn expressions_are_checked_against_schemas() {
    let spec = "variables: [{name: count, expression: 'object.spec.replicas'}]
validations:
- expression: object.spec.replicsa > 1
- expression: object.spec.template.spec.containers.all(c, c.image.startsWith('a') && !has(c.imge))
- expression: variables.count > 'a'
- expression: object.metadata.labels['a'] == 'b' && object.spec.strategy.rollingUpdate.maxSurge == 1
- {expression: 'true', messageExpression: 'string(object.spec.nothing)'}";
    let text = policy(spec, "validationActions: [Deny]");
    let docs = parse_yaml(&text).unwrap();
    rules(&text);
    let warnings = crate::type_warnings(docs[0].root(), &KindTable::builtin());
    let said: Vec<(&str, &str)> = warnings.iter().map(|(f, w)| (f.as_str(), w.as_str())).collect();
    assert_eq!(
        said,
        [
            (
                "spec.validations[0].expression",
                "apps/v1, Kind=Deployment: undefined field 'replicsa'"
            ),
            (
                "spec.validations[1].expression",
                "apps/v1, Kind=Deployment: undefined field 'imge'"
            ),
            (
                "spec.validations[2].expression",
                "apps/v1, Kind=Deployment: no matching overload: _>_(int, string)"
            ),
            (
                "spec.validations[4].messageExpression",
                "apps/v1, Kind=Deployment: undefined field 'nothing'"
            ),
        ]
    );
}
