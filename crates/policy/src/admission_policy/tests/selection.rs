//! Which requests policies are for, what their expressions are told of them, and what they may cost.

use ridgeway_krm::Gvr;

use super::*;
use crate::User;

/// What a policy that nothing satisfies says about a request, changed as `with` has it.
fn asked(constraints: &str, object: &str, with: impl Fn(&mut Request<'_>)) -> bool {
    let text = format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: never}}
spec: {{matchConstraints: {constraints}, validations: [{{expression: 'false'}}]}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: all}}
spec: {{policyName: never, validationActions: [Deny]}}
"
    );
    let rules = rules(&text);
    let object = parse_yaml(object).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    let mut request = Request::create(&gvk, object.root());
    with(&mut request);
    !rules.admit(&request).results.is_empty()
}

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}";
const PODS: &str = "apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [pods]";

#[test]
fn resources_are_selected_as_the_api_server_does() {
    for (rules, want) in [
        (format!("resourceRules: [{{{PODS}}}]"), true),
        (format!("resourceRules: [{{{PODS}, resourceNames: [web]}}]"), true),
        (format!("resourceRules: [{{{PODS}, resourceNames: [Web]}}]"), false),
        (format!("resourceRules: [{{{PODS}, resourceNames: ['*']}}]"), false),
        (format!("resourceRules: [{{{PODS}, resourceNames: [we]}}]"), false),
        (format!("resourceRules: [{{{PODS}, scope: Namespaced}}]"), true),
        (format!("resourceRules: [{{{PODS}, scope: Cluster}}]"), false),
        (format!("resourceRules: [{{{}}}]", PODS.replace("pods", "Pods")), false),
        (format!("resourceRules: [{{{}}}]", PODS.replace("pods", "'*/*'")), true),
        (
            format!("resourceRules: [{{{PODS}}}], excludeResourceRules: [{{{PODS}}}]"),
            false,
        ),
        (
            format!("resourceRules: [{{{PODS}}}], excludeResourceRules: [{{{PODS}, resourceNames: [web]}}]"),
            false,
        ),
        (
            format!("resourceRules: [{{{PODS}}}], excludeResourceRules: [{{{PODS}, resourceNames: [other]}}]"),
            true,
        ),
    ] {
        assert_eq!(asked(&format!("{{{rules}}}"), POD, |_| {}), want, "{rules}");
    }
}

#[test]
fn labels_of_namespaces_select_what_is_in_them() {
    let constraints = format!("{{resourceRules: [{{{PODS}}}], namespaceSelector: {{matchLabels: {{env: prod}}}}}}");
    let namespace = |labels: &str| {
        parse_yaml(&format!(
            "{{kind: Namespace, metadata: {{name: shop, labels: {labels}}}}}"
        ))
        .unwrap()
        .remove(0)
    };
    for (labels, want) in [("{env: prod}", true), ("{env: test}", false), ("{}", false)] {
        let namespace = namespace(labels);
        let text = namespace.root().to_json();
        let asked = asked(&constraints, POD, |request| {
            // The request outlives this closure only as a copy of a leaked document.
            let doc: &'static Doc = Box::leak(Box::new(parse_yaml(&text).unwrap().remove(0)));
            request.namespace_object = Some(doc.root());
        });
        assert_eq!(asked, want, "{labels}");
    }
    // A namespace is selected by its own labels; what lies in none always is.
    let all = constraints.replace("resources: [pods]", "resources: ['*']");
    let own = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: test}}}";
    assert!(!asked(&all, own, |_| {}));
    assert!(asked(&all, &own.replace("test", "prod"), |_| {}));
    assert!(asked(&all, "{apiVersion: v1, kind: Node, metadata: {name: a}}", |_| {}));
}

#[test]
fn other_versions_count_unless_the_match_is_exact() {
    let rule =
        "apiGroups: [autoscaling], apiVersions: [v1], operations: [CREATE], resources: [horizontalpodautoscalers]";
    let object = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a, namespace: shop}}";
    for (policy, want) in [
        ("", true),
        (", matchPolicy: Equivalent", true),
        (", matchPolicy: Exact", false),
    ] {
        assert_eq!(
            asked(&format!("{{resourceRules: [{{{rule}}}]{policy}}}"), object, |_| {}),
            want,
            "{policy}"
        );
    }
}

#[test]
fn other_groups_of_a_resource_count_too() {
    let rule = "apiGroups: [extensions], apiVersions: [v1beta1], operations: [CREATE], resources: [deployments, pods]";
    for (object, policy, want) in [
        ("apps/v1, kind: Deployment", "", true),
        ("apps/v1, kind: Deployment", ", matchPolicy: Exact", false),
        ("v1, kind: Pod", "", false),
    ] {
        let object = format!("{{apiVersion: {object}, metadata: {{name: a, namespace: shop}}}}");
        let constraints = format!("{{resourceRules: [{{{rule}}}]{policy}}}");
        assert_eq!(asked(&constraints, &object, |_| {}), want, "{object} {policy}");
    }
}

/// Whether an expression holds of a request.
fn holds(expression: &str, object: &str, with: impl Fn(&mut Request<'_>)) -> bool {
    let spec = format!(
        "matchConstraints: {{resourceRules: [{{apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*']}}]}}
validations: [{{expression: {:?}}}]",
        expression
    );
    let text = policy("X", "validationActions: [Deny]");
    let (head, binding) = text.split_once("---").unwrap();
    let head = head.split("spec:").next().unwrap();
    let text = format!("{head}spec:\n  {}\n---{binding}", spec.replace('\n', "\n  "));
    let rules = rules(&text);
    let object = parse_yaml(object).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    let mut request = Request::create(&gvk, object.root());
    request.user = Some(User {
        name: "ann",
        uid: "u-7",
        ..User::default()
    });
    with(&mut request);
    let verdicts = rules.admit(&request);
    assert_eq!(verdicts.results.len(), 1);
    verdicts.results[0].outcome == Outcome::Pass
}

#[test]
fn expressions_are_told_what_admission_reviews_tell() {
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";
    assert!(holds("request.namespace == 'shop'", namespace, |_| {}));
    assert!(holds("request.namespace == 'shop'", POD, |_| {}));
    assert!(holds(
        "request.namespace == ''",
        "{apiVersion: v1, kind: Node, metadata: {name: a}}",
        |_| {}
    ));
    assert!(holds("namespaceObject == null", namespace, |_| {}));
    assert!(holds(
        "request.userInfo.uid == 'u-7' && size(request.userInfo.extra) == 0",
        POD,
        |_| {}
    ));
    let said: &'static Doc = Box::leak(Box::new(
        parse_yaml("{extra: {scopes: [a, b]}, options: {kind: CreateOptions, fieldManager: me}}")
            .unwrap()
            .remove(0),
    ));
    assert!(holds("request.userInfo.extra['scopes'][1] == 'b'", POD, |request| {
        request.user = Some(User {
            extra: said.root().get("extra"),
            ..User::default()
        });
    }));
    assert!(holds("request.options.fieldManager == 'me'", POD, |request| {
        request.options = said.root().get("options");
    }));
    assert!(holds(
        "request.options.kind == 'CreateOptions' && !has(request.options.dryRun)",
        POD,
        |_| {}
    ));
    assert!(holds("request.options.dryRun == ['All']", POD, |request| request
        .dry_run =
        true));
}

#[test]
fn who_asks_is_told_from_expressions_not_from_words() {
    let background = |validation: &str| {
        let rules = rules(&policy(
            &format!("validations: [{validation}]"),
            "validationActions: [Deny]",
        ));
        rules.policies()[0].background
    };
    assert!(background(
        "{expression: 'object.spec.replicas < 3', message: ask the authorizer or request.userInfo}"
    ));
    assert!(background("{expression: 'request.operation == \"CREATE\"'}"));
    assert!(!background("{expression: 'request.userInfo.username != \"a\"'}"));
    assert!(!background(
        "{expression: 'authorizer.path(\"/x\").check(\"get\").allowed()'}"
    ));
}

#[test]
fn mutations_of_a_policy_share_one_budget() {
    let heavy = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, \
                 [1,2,3,4,5,6,7,8,9,10].all(d, a + b + c + d > 0))))";
    let one = format!(
        "{heavy} && {heavy} && {heavy} && {heavy} ? [JSONPatch{{op: 'add', path: '/metadata/labels/done', value: 'yes'}}] : []"
    );
    let with = |count: usize| {
        let text = mutating("heavy", "failurePolicy: Fail", "[]");
        let (head, rest) = text.split_once("  mutations:\n").unwrap();
        let (_, binding) = rest.split_once("---\n").unwrap();
        let entry = format!("  - patchType: JSONPatch\n    jsonPatch:\n      expression: >-\n        {one}\n");
        let text = format!("{head}  mutations:\n{}---\n{binding}", entry.repeat(count));
        let (_, said) = mutated(&text, &deployment(1, "{}"));
        said.concat()
    };
    assert_eq!(with(1), "pass");
    let many = with(60);
    assert!(many.contains("running out of cost budget"), "{many}");
}

#[test]
fn resources_are_taken_from_the_request() {
    let odd = Gvr::new("", "v1", "pods");
    let constraints = format!("{{resourceRules: [{{{PODS}}}]}}");
    let leaked: &'static Gvr = Box::leak(Box::new(odd));
    assert!(asked(&constraints, POD, |request| request.gvr = Some(leaked)));
    assert!(!asked(&constraints, POD, |request| {
        request.gvr = Some(leaked);
        request.subresource = "exec";
    }));
}
