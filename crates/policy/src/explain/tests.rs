//! What explanations say.

use expect_test::expect;
use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;

use super::*;

fn told(policies: &str, object: &str) -> String {
    let docs = parse_yaml(policies).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (set, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    let object = parse_yaml(object).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    let mut out = String::new();
    for one in explain(&set, &sources, &Request::create(&gvk, object.root())) {
        let outcome = one.outcome().map_or("-", Outcome::as_str);
        out.push_str(&format!("{} {} {outcome} {:?}\n", one.policy, one.rule, one.why));
        for look in one.looks {
            let found = look.found.map_or_else(|| "nothing".into(), |v| v.to_json());
            let line = position(object.root(), &look.path).map_or(0, |p| p.line);
            out.push_str(&format!(
                "  {:?} {}:{line} {} / {found} {}\n",
                look.part, look.path, look.asked, look.holds
            ));
        }
    }
    out
}

const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: limits}
spec:
  rules:
  - name: memory
    match: {any: [{resources: {kinds: [Pod]}}]}
    preconditions:
      all:
      - {key: '{{ request.operation }}', operator: NotEquals, value: DELETE}
    validate:
      message: set a limit
      pattern:
        spec:
          containers:
          - name: '*'
            resources: {limits: {memory: '?*'}}
            =(securityContext):
              =(privileged): false
  - name: host
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: no host network
      deny:
        conditions:
          any:
          - {key: '{{ request.object.spec.hostNetwork || `false` }}', operator: Equals, value: true}
  - name: services
    match: {any: [{resources: {kinds: [v1/Service], namespaces: [shop]}}]}
    validate: {message: m, pattern: {spec: {type: '!NodePort'}}}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: two}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE]}]
  validations: [{expression: object.spec.replicas >= 2, message: two}]
";

#[test]
fn every_look_is_told_with_its_line() {
    let object = "
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  hostNetwork: true
  containers:
  - name: good
    resources: {limits: {memory: 1Gi}}
    securityContext:
      privileged: false
  - name: bad
";
    expect![[r#"
        limits memory fail []
          Precondition request.operation:2 NotEquals "DELETE" / "CREATE" true
          Pattern spec.containers[0].securityContext.privileged:11 false / false true
          Pattern spec.containers[0].resources.limits.memory:9 ?* / "1Gi" true
          Pattern spec.containers[1].resources:12 an object / nothing false
          Pattern spec.containers[1].resources.limits.memory:12 ?* / nothing false
        limits host fail []
          Deny spec.hostNetwork:6 Equals true / true true
        limits services - ["it is for v1/Service; this is a Pod"]
        two validations - ["it is for deployments (CREATE); this is a Pod (CREATE)"]
    "#]]
    .assert_eq(&told(POLICIES, object));
}

#[test]
fn expressions_are_read_for_their_fields() {
    let object = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, namespace: shop}
spec:
  replicas: 1
  template:
    spec:
      containers: [{name: a, resources: {limits: {memory: 1Gi}}}]
";
    let text = told(POLICIES, object);
    assert!(
        text.contains("two validations fail []\n  Expression spec.replicas:6 read / 1 true\n"),
        "{text}"
    );
    assert!(text.contains("limits autogen-memory pass"), "{text}");
    assert!(
        text.contains("limits memory - [\"it is for Pod; this is a Deployment\"]"),
        "{text}"
    );
}

#[test]
fn admission_policies_are_explained() {
    let text = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: 'object.spec.priority < 3'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: all}
spec: {policyName: few, validationActions: [Deny]}
";
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {priority: 5}}";
    let bound = told(text, pod);
    assert!(
        bound.starts_with("few all fail []\n  Expression spec.priority:1 "),
        "{bound}"
    );
    let alone = told(text.split("---").next().unwrap_or_default(), pod);
    assert!(alone.contains("nothing binds it"), "{alone}");
}
