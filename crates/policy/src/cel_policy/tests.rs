//! Policies in CEL over files, with exceptions, and over what is stored; Kyverno's own functions.

use ridgeway_doc::{Doc, Node, Value, parse_yaml};
use ridgeway_krm::Gvk;

use crate::corpus::{Files, kyverno_test};
use crate::{Data, Global, Outcome, Request, RuleSet};

/// A self-signed certificate of CN=web with the serial number 4711.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIICHjCCAYegAwIBAgICEmcwDQYJKoZIhvcNAQELBQAwKjELMAkGA1UEBhMCU0Ux\nDTALBgNVBAoMBEFjbWUxDDAKBgNVBAMMA3dlYjAeFw0yNjExMjUwMzUyMDJaFw0z\nNjExMjIwMzUyMDJaMCoxCzAJBgNVBAYTAlNFMQ0wCwYDVQQKDARBY21lMQwwCgYD\nVQQDDAN3ZWIwgZ8wDQYJKoZIhvcNAQEBBQADgY0AMIGJAoGBAL4200R2t9epZhIf\n/PAfxavoD+agEO+SU6tfr6okJdyNIZtthPSQv1Ikq80O0J4LsWQ+Il+pGo2HA9Z0\ngKHKJVI7dI2JsrGvkWVyH6jOZhVKZWa02zT/THfThiEn/dAadaTnwcfAsf+0njSo\ntjQWfSODmJ0t5+TPrKWzizOfy11TAgMBAAGjUzBRMB0GA1UdDgQWBBQ/Smhsic0/\nvAJq0U0O+Iim/CwtqDAfBgNVHSMEGDAWgBQ/Smhsic0/vAJq0U0O+Iim/CwtqDAP\nBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4GBAEzVwYj8JXxwHB+S3+v9\nfI6e7H9dOlzMEOeqipOaPhv8MFggOrix+nB0I06XMh3/w5DhWfoh6mxW98c8gWyz\nN0xfvkWqjNWFcDwUvp6ALZF/9/jT7eQADUUBZUd+HHR2CphETmqQoZao32Vzt0VA\nxC/buBpR9QWmYNMMpJ+tuLeK\n-----END CERTIFICATE-----\n";
/// A request for a certificate of CN=asked.
const REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----\nMIIBTzCBuQIBADAQMQ4wDAYDVQQDDAVhc2tlZDCBnzANBgkqhkiG9w0BAQEFAAOB\njQAwgYkCgYEAvjbTRHa316lmEh/88B/Fq+gP5qAQ75JTq1+vqiQl3I0hm22E9JC/\nUiSrzQ7QnguxZD4iX6kajYcD1nSAocolUjt0jYmysa+RZXIfqM5mFUplZrTbNP9M\nd9OGISf90Bp1pOfBx8Cx/7SeNKi2NBZ9I4OYnS3n5M+spbOLM5/LXVMCAwEAAaAA\nMA0GCSqGSIb3DQEBCwUAA4GBABoD7s6EoBNX4zAYxEPFY8il19r3ImnBw4K8lPnG\nmptkolsqRnSqRgDOI4WypjVNxSw1YQ8MvELL0jEhkw/cXN9MBGZDeEtVraD9e7HU\n8UM47NMwWTioV94OhK0eXWqE1wQsZnJiNN78CpWT75zdyLCsr+8U31qqYLhZQydo\nZLMH\n-----END CERTIFICATE REQUEST-----\n";
const MODULUS: &str = "133572926451686163777791195833663454852599530791883736271956292132386630722425706254358244418855758252396102903551492367520279767662072744248312077123625371809367108658806988429154856411088671577706549361504886028947012068581924342176038638109203268499878164912343461524085883720186743815653574313891683065171";

fn rules(text: &str) -> RuleSet {
    let docs = parse_yaml(text).unwrap();
    let sources: Vec<Node<'_>> = docs.iter().map(Doc::root).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    assert!(errors.is_empty(), "{errors:?}");
    rules
}

/// Judges a file that is no object.
fn judged(rules: &RuleSet, file: &str) -> Vec<(Outcome, String)> {
    let doc = parse_yaml(file).unwrap().remove(0);
    let none = Gvk::default();
    let results = rules.admit(&Request::create(&none, doc.root())).results;
    results.into_iter().map(|r| (r.outcome, r.author)).collect()
}

fn over_json(expression: &str) -> RuleSet {
    let mut policy = parse_yaml(
        "{apiVersion: policies.kyverno.io/v1, kind: ValidatingPolicy, metadata: {name: p}, spec: {evaluation: {mode: JSON}}}",
    )
    .unwrap()
    .remove(0)
    .root()
    .to_value();
    let mut validation = Value::object();
    validation.set(&["expression"], expression);
    validation.set(&["message"], "no");
    policy.set(&["spec", "validations"], vec![validation]);
    rules(&policy.to_json())
}

#[test]
fn files_of_any_kind_are_judged() {
    let rules = over_json("object.planned.all(p, p.region == 'eu')");
    let good = "{planned: [{region: eu}]}";
    assert_eq!(judged(&rules, good), [(Outcome::Pass, String::new())]);
    assert_eq!(
        judged(&rules, "{planned: [{region: us}]}"),
        [(Outcome::Fail, "no".to_owned())]
    );
    // Objects are for the other policies.
    let pod = parse_yaml("{apiVersion: v1, kind: Pod, metadata: {name: p}}").unwrap();
    let gvk = Gvk::new("", "v1", "Pod");
    assert!(rules.admit(&Request::create(&gvk, pod[0].root())).results.is_empty());
    let list = over_json("object.exists(stage, stage.Cmd == 'user')");
    assert_eq!(
        judged(&list, "[{Cmd: from}, {Cmd: user}]"),
        [(Outcome::Pass, String::new())]
    );
}

#[test]
fn kyvernos_functions() {
    for expression in [
        "sha1('hello') == 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d'",
        "hash.sha256('hello') == '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'",
        "md5('hello') == '5d41402abc4b2a76b9719d911017c592'",
        "gzip.decompress(gzip.compress('hello')) == 'hello'",
        "gzip.decompress(base64.decode('H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==')) == 'hello'",
        "random().matches('^[0-9a-z]{8}$') && random('[a-c]{3}').matches('^[a-c]{3}$')",
        "random.random('[a-z]{20}') != random.random('[a-z]{20}')",
        "x509.decode(object.certificate).Subject.CommonName == 'web'",
        "x509.decode(object.certificate).Issuer.Organization == ['Acme']",
        "x509.decode(object.certificate).SerialNumber == 4711",
        "x509.decode(object.certificate).PublicKey.E == 65537",
        "x509.decode(object.certificate).PublicKey.N == object.modulus",
        "x509.decode(object.certificate).PublicKeyAlgorithm == 1",
        "x509.decode(object.request).Subject.CommonName == 'asked'",
        "parseImageReference('nginx:1').tag() == '1'",
        "user.parseServiceAccount('system:serviceaccount:a:b').Name == 'b'",
        "transform.listObjToMap([{'k': 'a'}], [{'v': 'b'}], 'k', 'v') == {'a': 'b'}",
    ] {
        let mut file = Value::object();
        file.set(&["certificate"], CERTIFICATE);
        file.set(&["request"], REQUEST);
        file.set(&["modulus"], MODULUS);
        let results = {
            let none = Gvk::default();
            over_json(expression)
                .admit(&Request::create(&none, file.node()))
                .results
        };
        assert_eq!(
            results[0].outcome,
            Outcome::Pass,
            "{expression}: {}",
            results[0].message
        );
    }
    for (expression, why) in [
        ("x509.decode('none') != null", "failed to decode PEM block"),
        ("gzip.decompress(b'none') == ''", "not gzip"),
        ("random('(a|b)*[') == ''", "takes a pattern"),
    ] {
        let none = Gvk::default();
        let file = Value::object();
        let results = over_json(expression)
            .admit(&Request::create(&none, file.node()))
            .results;
        assert!(results[0].message.contains(why), "{expression}: {}", results[0].message);
    }
}

#[test]
fn exceptions_may_allow_images_and_values() {
    let policy = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: registries}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations:
  - expression: >-
      object.spec.containers.all(c, c.image.startsWith('own/') || exceptions.allowedImages.exists(i, c.image.startsWith(i)))
    message: another registry
  - expression: \"!has(object.spec.hostName) || object.spec.hostName in exceptions.allowedValues\"
    message: another name
---
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: legacy, namespace: shop}
spec:
  policyRefs: [{kind: ValidatingPolicy, name: registries}]
  matchConditions: [{name: old, expression: \"object.metadata.name == 'old'\"}]
  ALLOWED
";
    let said = |allowed: &str, pod: &str| -> Vec<(Outcome, String)> {
        let rules = rules(&policy.replace("ALLOWED", allowed));
        let doc = parse_yaml(&format!("{{apiVersion: v1, kind: Pod, {pod}}}")).unwrap();
        let gvk = Gvk::new("", "v1", "Pod");
        let results = rules.admit(&Request::create(&gvk, doc[0].root())).results;
        results.into_iter().map(|r| (r.outcome, r.author)).collect()
    };
    let pod = |name: &str, image: &str| {
        format!("metadata: {{name: {name}}}, spec: {{hostName: h, containers: [{{image: {image}}}]}}")
    };
    let fail = |text: &str| vec![(Outcome::Fail, text.to_owned())];
    for (allowed, pod, want) in [
        ("images: [legacy/]", pod("old", "legacy/a"), fail("another name")),
        ("images: [legacy/]", pod("old", "other/a"), fail("another registry")),
        ("images: [legacy/]", pod("new", "legacy/a"), fail("another registry")),
        (
            "allowedValues: [h]",
            pod("old", "own/a"),
            vec![(Outcome::Pass, String::new())],
        ),
        (
            "reportResult: skip",
            pod("old", "other/a"),
            vec![(Outcome::Skip, String::new())],
        ),
    ] {
        assert_eq!(said(allowed, &pod), want, "{allowed} {pod}");
    }
}

/// A cluster of some objects.
struct Stored(Vec<Doc>);

impl Data for Stored {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        let found = self.0.iter().find(|doc| {
            let text = |key: &str| doc.root().str_at(&["metadata", key]).unwrap_or_default();
            Gvk::of(doc.root()).as_ref() == Some(gvk) && text("namespace") == namespace && text("name") == name
        });
        found.cloned()
    }

    fn api(&self, path: &str) -> Option<Value> {
        let kind = path.rsplit('/').next().map(|plural| match plural {
            "namespaces" => "Namespace",
            _ => "ConfigMap",
        });
        let mut list = Value::object();
        let of_kind = self.0.iter().filter(|doc| doc.root().str_at(&["kind"]) == kind);
        list.set(&["items"], of_kind.cloned().collect::<Value>());
        Some(list)
    }
}

#[test]
fn what_is_stored_is_changed_because_of_a_trigger() {
    let stored = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {test: 'on'}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: shop, labels: {from: shop}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: other}}
";
    let data = Stored(parse_yaml(stored).unwrap());
    let changed = |targets: &str| -> Vec<String> {
        let rules = rules(&format!(
            "
apiVersion: policies.kyverno.io/v1
kind: MutatingPolicy
metadata: {{name: mark}}
spec:
  evaluation: {{mutateExisting: {{enabled: true}}}}
  matchConstraints:
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [namespaces]}}]
  matchConditions: [{{name: not, expression: \"object.metadata.name != 'kube-system'\"}}]
  {targets}
  variables: [{{name: trigger, expression: request.name}}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {{expression: 'Object{{metadata: Object.metadata{{labels: {{\"from\": variables.trigger}}}}}}'}}
"
        ));
        let gvk = Gvk::new("", "v1", "Namespace");
        let (made, results) = rules.mutate_existing(&Request {
            data: &data,
            ..Request::create(&gvk, data.0[0].root())
        });
        assert!(results.iter().all(|r| r.outcome == Outcome::Pass), "{results:?}");
        let admitted = rules.admit(&Request::create(&gvk, data.0[0].root()));
        assert_eq!(admitted.mutated.is_none(), !targets.is_empty());
        let name = |made: crate::Mutated| made.object.node().str_at(&["metadata", "name"]).map(str::to_owned);
        made.into_iter().filter_map(name).collect()
    };
    assert_eq!(changed(""), ["shop", "other"]);
    let rule = "resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [configmaps]}]";
    assert_eq!(changed(&format!("targetMatchConstraints: {{{rule}}}")), ["a", "c"]);
    assert_eq!(
        changed(&format!(
            "targetMatchConstraints: {{namespaceSelector: {{matchLabels: {{test: 'on'}}}}, {rule}}}"
        )),
        ["a"]
    );
    assert_eq!(
        changed(&format!(
            "targetMatchConstraints: {{{rule}}}\n  targetMatchConditions: [{{name: c, expression: \"object.metadata.name == 'c'\"}}]"
        )),
        ["c"]
    );
}

/// A global context entry of two teams.
struct Teams;

impl Data for Teams {
    fn get(&self, _: &Gvk, _: &str, _: &str) -> Option<Doc> {
        None
    }

    fn global(&self, name: &str) -> Option<Result<Global, String>> {
        let value = parse_yaml("[{name: red}, {name: blue}]").unwrap()[0].root().to_value();
        (name == "teams").then(|| {
            Ok(Global {
                value,
                projections: vec![("names".into(), "[].name".into())],
            })
        })
    }
}

#[test]
fn global_context_entries_are_read() {
    let said = |expression: &str| {
        let rules = rules(&format!(
            "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {{name: teams}}
spec:
  matchConstraints:
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [namespaces]}}]
  validations: [{{message: no such team, expression: {expression:?}}}]
"
        ));
        let object =
            parse_yaml("{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {team: blue}}}").unwrap();
        let gvk = Gvk::new("", "v1", "Namespace");
        let request = Request {
            data: &Teams,
            ..Request::create(&gvk, object[0].root())
        };
        let results = rules.admit(&request).results;
        (results[0].outcome, results[0].message.clone())
    };
    let outcome = |expression: &str| said(expression).0;
    assert_eq!(
        outcome("object.metadata.labels.team in globalContext.Get('teams', 'names')"),
        Outcome::Pass
    );
    assert_eq!(
        outcome("globalContext.Get('teams', '').exists(t, t.name == 'green')"),
        Outcome::Fail
    );
    for (expression, why) in [
        ("globalContext.Get('towns', '') != null", "none of that name"),
        ("globalContext.Get('teams', 'colours') != null", "no projection colours"),
    ] {
        let (outcome, message) = said(expression);
        assert!(
            outcome == Outcome::Error && message.contains(why),
            "{outcome:?} {message}"
        );
    }
}

/// Files of a suite.
struct Texts(&'static [(&'static str, &'static str)]);

impl Files for Texts {
    fn read(&self, path: &str) -> Option<String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned())
    }

    fn walk(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn suites_name_payloads_and_parameters() {
    let files = Texts(&[
        (
            "kyverno-test.yaml",
            "apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {name: t}
policies: [json.yaml, admission.yaml]
jsonPayloads: [plan.json, other.json]
resources: [maps.yaml]
paramResources: [params.yaml]
results:
- {policy: planned, resources: [plan.json], result: pass}
- {policy: planned, resources: [other.json], result: fail}
- {policy: few, kind: ConfigMap, resources: [small], result: pass}
- {policy: few, kind: ConfigMap, resources: [large], result: fail}
",
        ),
        (
            "json.yaml",
            "apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: planned}
spec:
  evaluation: {mode: JSON}
  matchConditions: [{name: plan, expression: has(object.region)}]
  validations: [{expression: object.region == 'eu'}]
",
        ),
        ("plan.json", "{\"region\": \"eu\", \"kind\": \"plan\"}"),
        ("other.json", "{\"region\": \"us\"}"),
        (
            "admission.yaml",
            "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: 'object.data.size() <= int(params.data.most)'}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: few}
spec:
  policyName: few
  validationActions: [Deny]
  paramRef: {name: limits, parameterNotFoundAction: Deny}
",
        ),
        (
            "params.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: limits, namespace: default}, data: {most: '1'}}",
        ),
        (
            "maps.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: small}, data: {a: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: large}, data: {a: b, c: d}}
",
        ),
    ]);
    let report = kyverno_test::run_suite(&files, "kyverno-test.yaml");
    let result = report.result();
    assert_eq!((result.passed, result.failed), (4, 0), "{report:?}");
}
