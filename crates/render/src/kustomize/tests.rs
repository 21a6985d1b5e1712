//! Whole builds.

use super::*;
use crate::MemoryFiles;

/// Files written as `== path` lines followed by their content.
fn files(text: &str) -> MemoryFiles {
    let mut files = MemoryFiles::new();
    for part in text.split("== ").skip(1) {
        let (path, content) = part.split_once('\n').unwrap();
        files.insert(path.trim(), content);
    }
    files
}

fn build(text: &str, dir: &str) -> Result<String, String> {
    kustomize(&files(text), dir, &KustomizeOptions::default())
        .map(|r| r.to_yaml())
        .map_err(|e| e.to_string())
}

fn check(text: &str, want: &str) {
    assert_eq!(build(text, "").unwrap(), want.trim_start());
}

#[test]
fn names_namespaces_and_references_move_together() {
    check(
        "== kustomization.yaml
resources: [base]
namePrefix: dev-
nameSuffix: -v2
namespace: shop
commonLabels: {team: a}
commonAnnotations: {note: b}
== base/kustomization.yaml
resources: [all.yaml]
configMapGenerator:
- name: settings
  literals: [a=1, 'b=\"x=y\"']
  options: {disableNameSuffixHash: true}
== base/all.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: robot
      containers:
      - name: web
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: elsewhere}}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bind}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: role}
subjects: [{kind: ServiceAccount, name: robot, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: role}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
",
        "
apiVersion: v1
kind: Namespace
metadata:
  annotations:
    note: b
  labels:
    team: a
  name: shop
---
apiVersion: v1
kind: ServiceAccount
metadata:
  annotations:
    note: b
  labels:
    team: a
  name: dev-robot-v2
  namespace: shop
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  annotations:
    note: b
  labels:
    team: a
  name: dev-role-v2
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  annotations:
    note: b
  labels:
    team: a
  name: dev-bind-v2
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: dev-role-v2
subjects:
- kind: ServiceAccount
  name: dev-robot-v2
  namespace: shop
---
apiVersion: v1
data:
  a: \"1\"
  b: x=y
kind: ConfigMap
metadata:
  annotations:
    note: b
  labels:
    team: a
  name: dev-settings-v2
  namespace: shop
---
apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    note: b
  labels:
    team: a
  name: dev-web-v2
  namespace: shop
spec:
  selector:
    matchLabels:
      app: web
      team: a
  template:
    metadata:
      annotations:
        note: b
      labels:
        app: web
        team: a
    spec:
      containers:
      - envFrom:
        - configMapRef:
            name: dev-settings-v2
        - secretRef:
            name: elsewhere
        name: web
      serviceAccountName: dev-robot-v2
",
    );
}

#[test]
fn patches_components_images_replicas_and_replacements() {
    check(
        "== kustomization.yaml
resources: [web.yaml]
components: [extra]
sortOptions: {order: fifo}
patches:
- path: merge.yaml
- target: {kind: Deploy.*, labelSelector: 'app in (web,x)'}
  patch: |-
    - op: replace
      path: /spec/paused
      value: false
- patch: '{apiVersion: v1, kind: Service, metadata: {name: web}, $patch: delete}'
images:
- {name: web, newName: reg:5000/web, newTag: '2'}
replicas:
- {name: web, count: 3}
replacements:
- source: {kind: Deployment, name: web, fieldPath: 'spec.template.spec.containers.[name=web].image', options: {delimiter: ':', index: 2}}
  targets:
  - select: {kind: Deployment}
    fieldPaths: ['metadata.labels.example\\.com/version']
    options: {create: true}
  - select: {kind: ConfigMap}
    fieldPaths: [data.version]
== web.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  paused: true
  template: {spec: {containers: [{name: web, image: 'web:1'}, {name: side, image: 'side:1'}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
== merge.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: side, image: null}]}}}
== extra/kustomization.yaml
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
configMapGenerator:
- name: version
  literals: [version=none]
  options: {disableNameSuffixHash: true, immutable: true, labels: {l: m}}
",
        "
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: web
    example.com/version: \"2\"
  name: web
spec:
  paused: false
  replicas: 3
  template:
    spec:
      containers:
      - name: side
      - image: reg:5000/web:2
        name: web
---
apiVersion: v1
data:
  version: \"2\"
immutable: true
kind: ConfigMap
metadata:
  labels:
    l: m
  name: version
",
    );
}

#[test]
fn generators_merge_and_replace_and_vars_resolve() {
    let text = "== kustomization.yaml
resources: [base]
configMapGenerator:
- {name: c, behavior: merge, literals: [b=2], options: {disableNameSuffixHash: true}}
secretGenerator:
- {name: s, behavior: replace, literals: [q=1], options: {disableNameSuffixHash: true}}
== base/kustomization.yaml
namePrefix: p-
resources: [pod.yaml]
generatorOptions: {disableNameSuffixHash: true}
configMapGenerator:
- {name: c, literals: [a=1], files: [f.txt, g=bin], envs: [e.env]}
secretGenerator:
- {name: s, literals: [z=1]}
vars:
- {name: PORT, objref: {apiVersion: v1, kind: Pod, name: pod}, fieldref: {fieldpath: 'spec.containers[0].ports[0].containerPort'}}
- {name: NAME, objref: {apiVersion: v1, kind: Pod, name: pod}}
== base/pod.yaml
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  containers:
  - name: c
    ports: [{containerPort: 80}]
    args: ['$(PORT)', '--name=$(NAME)', '$(OTHER)']
== base/f.txt
line
== base/bin
\u{0}x
== base/e.env
# comment
E=f=g
";
    let mut files = files(text);
    files.insert("base/bin", [0xff, 0x00]);
    let got = kustomize(&files, ".", &KustomizeOptions::default()).unwrap();
    assert_eq!(
        got.to_yaml(),
        "apiVersion: v1
binaryData:
  g: /wA=
data:
  E: f=g
  a: \"1\"
  b: \"2\"
  f.txt: |
    line
kind: ConfigMap
metadata:
  name: p-c
---
apiVersion: v1
data:
  q: MQ==
kind: Secret
metadata:
  name: p-s
type: Opaque
---
apiVersion: v1
kind: Pod
metadata:
  name: p-pod
spec:
  containers:
  - args:
    - 80
    - --name=p-pod
    - $(OTHER)
    name: c
    ports:
    - containerPort: 80
"
    );
    assert!(
        got.files.contains(&"base/Kustomization".to_owned()),
        "the absence of a file was seen too"
    );
    assert_eq!(got.objects[2].file, "base/pod.yaml");
}

#[test]
fn faults_name_file_line_and_remedy() {
    let manifest = "== a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    for (text, want) in [
        (
            "== kustomization.yaml\nresources:\n- a.yaml\n- b.yaml\n",
            "kustomization.yaml:3: resources[1]: there is no file or directory \"b.yaml\" in this revision",
        ),
        (
            "== kustomization.yaml\nresourcez: []\nNamePrefix: x\n",
            "kustomization.yaml:2: NamePrefix: is no field of a kustomization; did you mean namePrefix?",
        ),
        (
            "== kustomization.yaml\nresources: [https://example.com/x.yaml]\n",
            "is remote",
        ),
        (
            "== kustomization.yaml\nhelmCharts: [{name: x}]\n",
            "kustomization.yaml:1: helmCharts: Helm charts are not rendered yet",
        ),
        (
            "== kustomization.yaml\nresources: [x]\n== x/kustomization.yaml\nresources: [../y]\n== y/kustomization.yaml\nresources: [../x]\n",
            "y/kustomization.yaml:1: resources[0]: this makes a cycle: x/kustomization.yaml -> y/kustomization.yaml -> x/kustomization.yaml; remove one of the links",
        ),
        (
            "== kustomization.yaml\nresources: [a.yaml, a.yaml]\n",
            "a.yaml:1: ConfigMap \"a\" is already there, from a.yaml:1",
        ),
        (
            "== kustomization.yaml\nresources: [a.yaml]\npatches:\n- patch: |-\n    apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: b}\n",
            "kustomization.yaml:4: no resource is the v1 ConfigMap \"b\"",
        ),
        (
            "== kustomization.yaml\nresources: [a.yaml]\npatches:\n- target: {kind: ConfigMap}\n  patch: '[{op: remove, path: /x}]'\n",
            "does not apply to ConfigMap \"a\": operation 0 (remove /x): there is no \"x\" to remove",
        ),
        (
            "== kustomization.yaml\nresources: [a.yaml]\nreplicas: [{name: z, count: 1}]\n",
            "nothing with replicas is named \"z\"",
        ),
        (
            "== kustomization.yaml\nconfigMapGenerator: [{name: x, files: [../secret]}]\n",
            "lies outside the kustomization's directory",
        ),
        (
            "== kustomization.yaml\nconfigMapGenerator: [{name: x, behavior: merge}]\n",
            "behavior is merge but",
        ),
        (
            "== kustomization.yaml\ncomponents: [c]\n== c/kustomization.yaml\nnamePrefix: x\n",
            "its kind must be Component",
        ),
        (
            "== kustomization.yaml\n== kustomization.yml\n",
            "there are several kustomization files here",
        ),
        ("== other.yaml\n", "there is no kustomization file here"),
    ] {
        let error = build(&format!("{text}{manifest}"), "").unwrap_err();
        assert!(error.contains(want), "{text}\n{error}");
    }
    let bomb: String = (0..20)
        .map(|i| format!("== l{i}/kustomization.yaml\nresources: [../l{0}, ../l{0}]\n", i + 1))
        .chain(["== l20/kustomization.yaml\nresources: []\n".to_owned()])
        .collect();
    assert!(build(&bomb, "l0").unwrap_err().contains("visited more than"));
}

#[test]
fn the_application_edits_the_kustomization() {
    let node = ridgeway_doc::parse_yaml(
        "namePrefix: app-\nimages: ['web=reg/web:9']\nreplicas: [{name: web, count: 2}]\nnamespace: ns\ncommonLabels: {l: m}\nlabelWithoutSelector: true\n",
    )
    .unwrap();
    let options = KustomizeOptions::from_node(Some(node[0].root())).unwrap();
    let files = files(
        "== kustomization.yaml\nresources: [web.yaml]\n== web.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {selector: {matchLabels: {a: b}}, template: {spec: {containers: [{name: w, image: web}]}}}\n",
    );
    let got = kustomize(&files, "", &options).unwrap();
    assert_eq!(
        got.objects[0].doc.root().to_json(),
        r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"app-web","namespace":"ns","labels":{"l":"m"}},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":"w","image":"reg/web:9"}]}},"replicas":2}}"#
    );
}
