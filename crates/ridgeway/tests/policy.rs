//! `ridgeway policy` through the real binary: exit codes, outputs, pipes.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use ridgeway_testkit::kube::{As, Kube};
use ridgeway_testkit::platform::{Platform, Start};

/// Runs the binary in a folder; code, standard output, standard error.
fn ridgeway(folder: &Path, line: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ridgeway"))
        .args(line)
        .current_dir(folder)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it early.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

const LIMITS: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: limits}
spec:
  validationFailureAction: Enforce
  rules:
  - name: memory
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: set a memory limit
      pattern: {spec: {containers: [{resources: {limits: {memory: '?*'}}}]}}
  - name: team
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate:
      failureAction: Audit
      message: name a team
      pattern: {metadata: {labels: {team: '?*'}}}
";

const POD: &str = "# one Pod
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: app # the application
    image: a:1
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("limits.yaml"), LIMITS).unwrap();
    std::fs::write(folder.path().join("pod.yaml"), POD).unwrap();
    folder
}

#[test]
fn apply_tells_denials_from_bad_input() {
    let folder = folder();
    let at = folder.path();
    let (code, out, err) = ridgeway(at, &["policy", "apply", "limits.yaml", "-r", "pod.yaml"], "");
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("FAIL  limits/memory  Pod default/a  pod.yaml:8:5"),
        "{out}"
    );
    assert!(
        out.ends_with("1 policies, 1 resources: pass: 0, fail: 1, warn: 0, error: 0, skip: 0\n"),
        "{out}"
    );

    let good = POD.replace("image: a:1", "image: a:1\n    resources: {limits: {memory: 1Gi}}");
    let (code, out, _) = ridgeway(at, &["policy", "apply", "limits.yaml", "--resource", "-"], &good);
    assert_eq!(code, 0, "{out}");

    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}";
    let audit = |more: &[&str]| {
        let line = [&["policy", "apply", "limits.yaml", "-r", "-"], more].concat();
        ridgeway(at, &line, map).0
    };
    assert_eq!((audit(&[]), audit(&["--audit-warn"])), (1, 0));

    let (code, _, err) = ridgeway(at, &["policy", "apply", "limits.yaml", "-r", "-"], "kind: [\n");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("-:") && err.contains("YAML"), "{err}");
    let (code, _, err) = ridgeway(at, &["policy", "apply", "none.yaml", "-r", "pod.yaml"], "");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("none.yaml"), "{err}");
}

#[test]
fn a_policy_with_a_fault_is_named_and_the_others_run() {
    let folder = folder();
    let broken = "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: typo}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: m
      patern: {}
";
    std::fs::write(folder.path().join("typo.yaml"), broken).unwrap();
    let line = ["policy", "apply", "limits.yaml", "typo.yaml", "-r", "pod.yaml"];
    let (code, out, err) = ridgeway(folder.path(), &line, "");
    assert_eq!(code, 1, "the rule that compiles refuses: {out}");
    assert!(
        err.contains("typo.yaml:10:") && err.contains("did you mean `pattern`?"),
        "{err}"
    );
    let template = "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: bad}
spec:
  crd: {spec: {names: {kind: Bad}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package bad
      violation[{\"msg\": msg}] {
        msg := = \"x\"
      }
";
    std::fs::write(folder.path().join("bad.yaml"), template).unwrap();
    let rego = "package main\ndeny[msg] {\n  msg := = 1\n}\n";
    std::fs::write(folder.path().join("bad.rego"), rego).unwrap();
    let line = [
        "policy",
        "apply",
        "limits.yaml",
        "bad.yaml",
        "bad.rego",
        "-r",
        "pod.yaml",
    ];
    let (_, _, err) = ridgeway(folder.path(), &line, "");
    assert!(
        err.contains("bad.yaml:11:16: ") && err.contains("bad.rego:3:10: "),
        "{err}"
    );
    let line = ["policy", "apply", "limits.yaml", "typo.yaml", "-r", "-"];
    let (code, _, _) = ridgeway(
        folder.path(),
        &line,
        "{apiVersion: v1, kind: Secret, metadata: {name: s}}",
    );
    assert_eq!(code, 2, "nothing refuses, but not all was judged");
}

#[test]
fn outputs_are_what_they_say() {
    let folder = folder();
    let with = |output: &str| {
        let line = ["policy", "apply", "limits.yaml", "-r", "pod.yaml", "--output", output];
        ridgeway(folder.path(), &line, "").1
    };
    let json: serde_json::Value = serde_json::from_str(&with("json")).unwrap();
    assert_eq!(json["results"][0]["policy"], "limits");
    assert_eq!(json["results"][0]["patch"][0]["op"], "add");
    assert!(with("junit").contains("<failure message="));
    let sarif: serde_json::Value = serde_json::from_str(&with("sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "limits/memory");
}

#[test]
fn any_file_can_be_judged() {
    let folder = folder();
    let rego = "package main\n\ndeny[msg] {\n  input[i].Cmd == \"user\"\n  input[i].Value[0] == \"root\"\n  msg := \"runs as root\"\n}\n";
    std::fs::write(folder.path().join("root.rego"), rego).unwrap();
    std::fs::write(folder.path().join("Dockerfile"), "FROM a\nUSER root\n").unwrap();
    let line = ["policy", "apply", "root.rego", "-r", "Dockerfile"];
    let (code, out, err) = ridgeway(folder.path(), &line, "");
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("runs as root"), "{out}");
    let line = ["policy", "apply", "root.rego", "-r", "-", "--parser", "dockerfile"];
    assert_eq!(ridgeway(folder.path(), &line, "FROM a\nUSER app\n").0, 0);
}

#[test]
fn kustomizations_are_rendered() {
    let folder = folder();
    let base = folder.path().join("k");
    std::fs::create_dir(&base).unwrap();
    std::fs::write(base.join("pod.yaml"), POD).unwrap();
    std::fs::write(
        base.join("kustomization.yaml"),
        "namespace: shop\nresources: [pod.yaml]\n",
    )
    .unwrap();
    let (code, out, err) = ridgeway(folder.path(), &["policy", "apply", "limits.yaml", "-r", "k"], "");
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("Pod shop/a"), "{out}");
}

#[test]
fn explain_shows_the_way_and_fix_mends_it() {
    let folder = folder();
    let at = folder.path();
    let (code, out, err) = ridgeway(at, &["policy", "explain", "limits.yaml", "-r", "pod.yaml"], "");
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("limits/team: not for it: it is for ConfigMap; this is a Pod"),
        "{out}"
    );
    assert!(
        out.contains("no  spec.containers[0].resources.limits.memory (pod.yaml:8:5)"),
        "{out}"
    );
    assert!(out.contains("verdict: refused by 1 rule"), "{out}");

    let (code, out, err) = ridgeway(at, &["policy", "fix", "limits.yaml", "-r", "pod.yaml", "--write"], "");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("+        memory: 256Mi"), "{out}");
    let text = std::fs::read_to_string(at.join("pod.yaml")).unwrap();
    assert!(text.starts_with(POD) && text.ends_with("memory: 256Mi\n"), "{text}");
    assert_eq!(
        ridgeway(at, &["policy", "apply", "limits.yaml", "-r", "pod.yaml"], "").0,
        0
    );

    let repos = LIMITS.replace("resources: {limits: {memory: '?*'}}", "image: 'registry.corp/*'");
    std::fs::write(at.join("repos.yaml"), repos).unwrap();
    let (code, out, _) = ridgeway(at, &["policy", "fix", "repos.yaml", "-r", "pod.yaml"], "");
    assert_eq!(code, 1);
    assert!(out.contains("no fix was found for limits/memory"), "{out}");
}

#[test]
fn replay_lists_what_flips() {
    let folder = folder();
    let line = |name: &str, decision: &str| {
        format!(
            r#"{{"time":"2026-01-02T03:04:05Z","request":{{"operation":"CREATE","kind":{{"group":"","version":"v1","kind":"Pod"}},"namespace":"shop","name":"{name}","object":{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","namespace":"shop","labels":{{"team":"blue"}}}},"spec":{{"containers":[{{"name":"a","image":"b"}}]}}}}}}{decision}}}"#
        )
    };
    let records = [
        line("new", ""),
        line("old", r#","decision":{"allowed":false}"#),
        "{".to_owned(),
    ]
    .join("\n");
    let command = ["policy", "replay", "limits.yaml", "--admissions", "-"];
    let (code, out, err) = ridgeway(folder.path(), &command, &records);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("Pod/new") && out.contains("allowed -> refused"), "{out}");
    assert!(
        out.contains("2 admissions: 0 still allowed, 1 still refused, 1 flip"),
        "{out}"
    );
    assert!(err.contains("-:3:"), "{err}");
    let stored = [
        "policy",
        "replay",
        "limits.yaml",
        "-r",
        "pod.yaml",
        "--record",
        "a.jsonl",
        "--json",
    ];
    let (code, out, _) = ridgeway(folder.path(), &stored, "");
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["flips"][0]["object"], "Pod/a");
    let again = ["policy", "replay", "limits.yaml", "--admissions", "a.jsonl"];
    assert_eq!(ridgeway(folder.path(), &again, "").0, 1);
}

#[test]
fn bench_measures_each_engine() {
    let folder = folder();
    let line = ["policy", "bench", ".", "--iterations", "3", "--output", "json"];
    let (code, out, err) = ridgeway(folder.path(), &line, "");
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json[0]["engine"], "kyverno");
    assert_eq!(json[0]["reviews"], 3);
    assert!(json[0]["latencyMicros"]["p99"].as_f64().unwrap() > 0.0);
}

/// A policy by which ConfigMaps need a label.
fn need(label: &str) -> String {
    format!(
        "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: need-{label}}}
spec:
  validationFailureAction: Enforce
  rules:
  - name: label
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [shop]}}}}]}}
    validate: {{message: set {label}, pattern: {{metadata: {{labels: {{{label}: '?*'}}}}}}}}
"
    )
}

#[test]
fn replay_puts_a_platforms_own_admissions_before_other_rules() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let platform = Platform::start(&Start {
        binary: Path::new(env!("CARGO_BIN_EXE_ridgeway")),
        data: &data,
        git: None,
        demo: false,
    })
    .unwrap();
    let kube = Kube::new(&platform.kubeconfig).unwrap();
    let apply = |kind: &str, name: &str, labels: &str, more: &str| {
        let place = if kind == "Namespace" { "" } else { "\n  namespace: shop" };
        let text =
            format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {labels}{place}\n{more}");
        kube.apply(As::Admin, &text)
    };
    apply("Namespace", "shop", "{team: checkout}", "").unwrap();
    kube.apply(As::Admin, &need("team")).unwrap();
    let mut tries = 0..200;
    // The guard hears of a policy a moment after it is stored.
    while apply("ConfigMap", &format!("try-{}", tries.next().unwrap()), "{stage: a}", "").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    apply("ConfigMap", "good", "{team: red}", "").unwrap();
    apply("ConfigMap", "staged", "{stage: a}", "").unwrap_err();
    apply("Secret", "key", "{}", "stringData: {password: hunter2}").unwrap();
    std::fs::write(folder.path().join("stage.yaml"), need("stage")).unwrap();
    let replay = ["policy", "replay", "stage.yaml", "--data", "data"];
    let seen = |out: &str, name: &str, decision: &str| {
        let found = out.lines().find(|line| line.contains(&format!("ConfigMap/{name} ")));
        assert!(found.is_some_and(|line| line.contains(decision)), "{name}: {out}");
    };
    // While it runs, a moment later, and when it has ended.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let (code, out, err) = ridgeway(folder.path(), &replay, "");
    assert_eq!((code, err.lines().count()), (1, 1), "{out}{err}");
    seen(&out, "good", "allowed -> refused");
    seen(&out, "staged", "refused -> allowed");
    platform.stop().unwrap();
    let (code, out, err) = ridgeway(folder.path(), &[&replay[..], &["--json"]].concat(), "");
    assert_eq!(code, 1, "{out}{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["journal"], serde_json::json!({"missed": 0, "checked": true}));
    let flips = json["flips"].as_array().unwrap();
    let good = flips.iter().find(|flip| flip["object"] == "ConfigMap/good").unwrap();
    assert_eq!((&good["team"], &good["namespace"]), (&"red".into(), &"shop".into()));
    let teams = json["teams"].as_array().unwrap();
    assert!(teams.iter().any(|team| team["team"] == "checkout"), "{teams:?}");
    let files = std::fs::read_dir(data.join("admissions")).unwrap();
    let texts: Vec<String> = files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(texts.concat().contains("password") && !texts.concat().contains("hunter2"));
    // Somebody who changes a record is found out.
    let first = data.join("admissions/00000001.jsonl");
    let changed = std::fs::read_to_string(&first)
        .unwrap()
        .replace("system:admin", "system:other");
    let changed = changed.replace("\"admin\"", "\"mallory\"");
    std::fs::write(&first, changed).unwrap();
    let (_, _, err) = ridgeway(folder.path(), &replay, "");
    assert!(err.contains("tells of another user"), "{err}");
}
