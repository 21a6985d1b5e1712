//! Suites of our own: what they answer in place of a cluster, and what they get wrong.

use std::collections::HashMap;

use super::*;

struct Texts(HashMap<&'static str, String>);

impl Files for Texts {
    fn read(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    fn walk(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// The policies and objects that the suites here are about.
const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: quota}
spec:
  validationFailureAction: Enforce
  rules:
  - name: paths
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    context:
    - name: most
      apiCall: {urlPath: '/apis/own.dev/v1/limits/{{request.namespace}}', jmesPath: spec.most}
    validate:
      message: at most {{most}}
      deny: {conditions: {any: [{key: '{{request.object.data.wanted}}', operator: GreaterThan, value: '{{most}}'}]}}
  - name: services
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    context:
    - name: owners
      apiCall: {method: POST, service: {url: 'https://owners.example/of/{{request.object.metadata.name}}'}, jmesPath: owners}
    validate:
      message: nobody owns it
      deny: {conditions: {any: [{key: '{{owners}}', operator: Equals, value: []}]}}
  - name: entries
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    context:
    - name: teams
      globalReference: {name: teams.names}
    validate:
      message: no such team
      deny: {conditions: {any: [{key: '{{request.object.metadata.labels.team}}', operator: AnyNotIn, value: '{{teams}}'}]}}
";

const CEL: &str = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: teams}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, DELETE], resources: [configmaps]}]
  validations:
  - message: no such team
    expression: object == null || object.metadata.labels.team in globalContext.Get('teams', 'names')
";

const MAPS: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {team: blue}}, data: {wanted: '2'}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b, labels: {team: grey}}, data: {wanted: '9'}}
";

const TEAMS: &str = "
{apiVersion: own.dev/v1, kind: Team, metadata: {name: red}}
---
{apiVersion: own.dev/v1, kind: Team, metadata: {name: blue}}
";

fn run(more: &[(&'static str, &str)], suite: &str) -> Report {
    let given = [
        ("policies.yaml", POLICIES),
        ("cel.yaml", CEL),
        ("maps.yaml", MAPS),
        ("teams.yaml", TEAMS),
        ("kyverno-test.yaml", suite),
    ];
    let all = given.iter().chain(more).map(|(path, text)| (*path, (*text).to_owned()));
    run_suite(&Texts(all.collect()), "kyverno-test.yaml")
}

fn passed(report: &Report, rows: usize) {
    let result = report.result();
    assert_eq!(
        (result.passed, result.failed, result.skipped),
        (rows, 0, 0),
        "{report:?}"
    );
}

#[test]
fn a_suite_answers_calls_and_fills_global_context_entries() {
    let rows = "
policies: [policies.yaml, cel.yaml]
resources: [maps.yaml]
apiCallResponses:
- urlPath: /apis/own.dev/v1/limits/default
  response: {body: {spec: {most: 5}}}
- url: https://owners.example/of/a
  method: post
  response: {body: {owners: [ann]}}
- url: https://owners.example/of/b
  response: {statusCode: 404, body: {}}
results:
- {policy: quota, rule: paths, kind: ConfigMap, resources: [a], result: pass}
- {policy: quota, rule: paths, kind: ConfigMap, resources: [default/b], result: fail}
- {policy: quota, rule: services, kind: ConfigMap, resources: [a], result: pass}
- {policy: quota, rule: services, kind: ConfigMap, resources: [b], result: error}
- {policy: quota, rule: entries, kind: ConfigMap, resources: [a], result: pass}
- {policy: quota, rule: entries, kind: ConfigMap, resourceSpecs: [{version: v1, name: b}], result: fail}
- {policy: teams, isValidatingPolicy: true, kind: ConfigMap, resources: [a], result: pass}
- {policy: teams, kind: ConfigMap, resources: [b], result: fail}
- {policy: teams, kind: ConfigMap, resources: [b], operation: DELETE, result: pass}
globalContextEntries:
- name: teams
";
    for entry in [
        "  resourceFiles: [./teams.yaml]\n  projections: [{name: names, path: '[].metadata.name'}]",
        "  resources: [{metadata: {name: blue}}]\n  projections: [{name: names, path: '[].metadata.name'}]",
        "  data: {of: {names: [blue]}}\n  fieldPath: of",
    ] {
        passed(&run(&[], &format!("kind: Test{rows}{entry}\n")), 9);
    }
}

#[test]
fn expressions_are_answered_what_services_would_say() {
    let policies = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: asked}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  variables:
  - name: owners
    expression: http.Get('https://owners.example/of/' + object.metadata.name)
  - name: checked
    expression: \"http.Post('https://checks.example/', {'name': object.metadata.name})\"
  validations:
  - message: nobody owns it
    expression: variables.owners.statusCode == 200 && 'ann' in variables.owners.body.owners
  - message: it is not in order
    expression: variables.checked.body.fine
";
    let suite = "
kind: Test
policies: [asked.yaml]
resources: [maps.yaml]
apiCallResponses:
- {url: 'https://owners.example/of/a', response: {body: {owners: [ann]}}}
- {url: 'https://owners.example/of/b', response: {statusCode: 404, body: {}}}
- {url: 'https://checks.example/', method: POST, response: {body: {fine: true}}}
results:
- {policy: asked, isValidatingPolicy: true, kind: ConfigMap, resources: [a], result: pass}
- {policy: asked, isValidatingPolicy: true, kind: ConfigMap, resources: [b], result: fail}
";
    passed(&run(&[("asked.yaml", policies)], suite), 2);
}

#[test]
fn stored_objects_are_changed_and_clones_made() {
    let policies = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: mark}
spec:
  rules:
  - name: mark
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    mutate:
      targets: [{apiVersion: v1, kind: Secret, namespace: '{{request.namespace}}'}]
      patchStrategicMerge: {metadata: {labels: {seen: '{{request.object.metadata.name}}'}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: copy}
spec:
  rules:
  - name: copy
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    generate:
      apiVersion: own.dev/v1
      kind: Widget
      name: made
      namespace: made
      clone: {name: source, namespace: lib}
";
    let crd = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.own.dev}
spec:
  group: own.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
";
    let suite = "
kind: Test
policies: [changes.yaml]
resources: [map.yaml]
targetResources: [secrets.yaml]
clusterResources: [cluster.yaml]
results:
- {policy: mark, rule: mark, kind: Secret, resources: [key], patchedResources: patched.yaml, failOnMissingResources: true, result: pass}
- {policy: copy, rule: copy, kind: ConfigMap, resources: [a], generatedResources: [map.yaml, made.yaml], cloneSourceResource: source.yaml, result: pass}
";
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: key, labels: {seen: a}}}";
    let widget = "{apiVersion: own.dev/v1, kind: Widget, metadata: {name: source, namespace: lib}, spec: {a: b}}";
    let more = [
        ("changes.yaml", policies),
        ("map.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"),
        ("secrets.yaml", "{apiVersion: v1, kind: Secret, metadata: {name: key}}"),
        ("patched.yaml", secret),
        ("source.yaml", widget),
        ("crd.yaml", crd),
        ("cluster.yaml", "{kind: ClusterResource, spec: {crds: [crd.yaml]}}"),
        ("made.yaml", &widget.replace("source", "made").replace("lib", "made")),
    ];
    passed(&run(&more, suite), 2);
    let other: Vec<_> = more
        .iter()
        .map(|(path, text)| (*path, text.replace("seen: a", "seen: b").replace("a: b", "a: c")))
        .map(|(path, text)| (path, if path == "source.yaml" { widget.to_owned() } else { text }))
        .collect();
    let other: Vec<_> = other.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(run(&other, suite).result().failed, 2);
}

#[test]
fn what_a_suite_gets_wrong_is_said() {
    for (text, want) in [
        ("polices: []", "unknown field `polices`; did you mean `policies`?"),
        (
            "envoyPayloads: [a.json]",
            "envoyPayloads: requests of a proxy are not judged here",
        ),
        ("results: [{polcy: a}]", "results[0]: unknown field `polcy`"),
        ("results: [{operation: EAT}]", "results[0]: the operation is \"EAT\""),
        (
            "results: [{resourceSpecs: [{nam: a}]}]",
            "resourceSpecs: unknown field `nam`",
        ),
        (
            "apiCallResponses: [{response: {body: {}}}]",
            "apiCallResponses[0]: `url` or `urlPath`",
        ),
        (
            "apiCallResponses: [{urlPath: a, response: {body: {}}}]",
            "must begin with `/`",
        ),
        (
            "apiCallResponses: [{url: a, response: {body: {}}}]",
            "must begin with `http://`",
        ),
        (
            "apiCallResponses: [{urlPath: /a, response: {body: []}}]",
            "response.body: must be an object",
        ),
        (
            "apiCallResponses: [{urlPath: /a, response: {statusCode: 9, body: {}}}]",
            "between 100 and 599",
        ),
        (
            "apiCallResponses: [{urlPath: /a, method: PUT, response: {body: {}}}]",
            "must be GET or POST",
        ),
        (
            "apiCallResponses: [{urlPath: /a, response: {body: {}}}, {urlPath: /a, response: {body: {}}}]",
            "apiCallResponses[1]: /a has an answer already",
        ),
        (
            "globalContextEntries: [{data: {}}]",
            "globalContextEntries[0]: `name` is missing",
        ),
        (
            "globalContextEntries: [{name: a}]",
            "one of `data`, `resources` and `resourceFiles` is needed",
        ),
        ("globalContextEntries: [{name: a, data: {}, resources: []}]", "not more"),
        (
            "globalContextEntries: [{name: a, resourceFiles: [../a.yaml]}]",
            "a file of the suite's folder",
        ),
        (
            "globalContextEntries: [{name: a, resourceFiles: [b.yaml]}]",
            "resourceFiles[0]: b.yaml is not there",
        ),
        (
            "globalContextEntries: [{name: a, data: {}, fieldPath: '['}]",
            "globalContextEntries[0] a: fieldPath:",
        ),
        (
            "globalContextEntries: [{name: a, data: {}, projections: [{name: b}]}]",
            "`path` is missing",
        ),
        (
            "globalContextEntries: [{name: a, data: {}}, {name: a, data: {}}]",
            "two entries a",
        ),
    ] {
        let report = run(&[], &format!("kind: Test\n{text}\n"));
        assert!(report.rows[0].detail.contains(want), "{text}: {report:?}");
    }
}
