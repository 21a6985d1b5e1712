//! What one admission costs, from the parsed Pod to its verdicts.

#![allow(clippy::unwrap_used, missing_docs)]

use divan::Bencher;
use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;
use ridgeway_policy::{Request, RuleSet};

fn main() {
    divan::main();
}

fn rules(text: &str) -> RuleSet {
    let docs = parse_yaml(text).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    rules
}

const DEMO: &str = include_str!("../testdata/demo-policies.yaml");

const GOOD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: my-app, namespace: shop, labels: {app: my-app, team: checkout}}
spec:
  containers:
  - name: app
    image: ghcr.io/shop/app:1.2.3
    securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false}
    resources: {limits: {cpu: 500m, memory: 256Mi}, requests: {cpu: 100m, memory: 128Mi}}
  - name: sidecar
    image: ghcr.io/shop/sidecar:2.0.0
    securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false}
    resources: {limits: {cpu: 500m, memory: 256Mi}, requests: {cpu: 100m, memory: 128Mi}}
";

fn judge(bencher: Bencher<'_, '_>, policies: &str, pod: &str, namespace: Option<&str>) {
    let rules = rules(policies);
    let pod = parse_yaml(pod).unwrap().remove(0);
    let namespace = namespace.map(|text| parse_yaml(text).unwrap().remove(0));
    let gvk = Gvk::new("", "v1", "Pod");
    let mut request = Request::create(&gvk, pod.root());
    request.namespace_object = namespace.as_ref().map(Doc::root);
    bencher.bench_local(|| rules.admit(divan::black_box(&request)));
}

#[divan::bench]
fn demo_policies_good_pod(bencher: Bencher<'_, '_>) {
    judge(bencher, DEMO, GOOD, None);
}

#[divan::bench]
fn demo_policies_refused_pod(bencher: Bencher<'_, '_>) {
    judge(bencher, DEMO, include_str!("../testdata/pod-without-limits.yaml"), None);
}

#[divan::bench]
fn restricted_namespace(bencher: Bencher<'_, '_>) {
    let namespace = "{metadata: {labels: {pod-security.kubernetes.io/enforce: restricted}}}";
    judge(bencher, DEMO, GOOD, Some(namespace));
}

#[divan::bench]
fn deny_conditions(bencher: Bencher<'_, '_>) {
    let policy = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: registries}
spec:
  rules:
  - name: allowed
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: 'unknown registry'
      foreach:
      - list: request.object.spec.containers
        deny:
          conditions:
            all:
            - {key: '{{ images.containers.\"{{element.name}}\".registry }}', operator: AnyNotIn, value: [ghcr.io]}
";
    judge(bencher, policy, GOOD, None);
}

#[divan::bench]
fn compile_demo_policies(bencher: Bencher<'_, '_>) {
    let docs = parse_yaml(DEMO).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    bencher.bench_local(|| RuleSet::compile(divan::black_box(&sources)));
}
