//! Commands that read files, run as the command line runs them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use ridgeway_cli::{Cli, run_to};
use ridgeway_ledger::{Actor, Entry, Ledger, ObjectId, Options, Phase, Verdict};

/// Runs a command line; what it printed, or its error with its causes.
fn ridgeway(line: &[&str]) -> Result<String, String> {
    let cli = Cli::try_parse_from(["ridgeway"].iter().chain(line)).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let outcome = run_to(&cli.command, &mut out).expect("it is none for the binary alone");
    let text = String::from_utf8(out).unwrap();
    outcome
        .map(|()| text.clone())
        .map_err(|error| format!("{text}{error:#}"))
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn render_prints_what_a_kustomization_gives() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/demo/checkout/deploy/overlays/staging"
    );
    let text = ridgeway(&["render", folder]).unwrap();
    let docs = ridgeway_doc::parse_yaml(&text).unwrap();
    let kinds: Vec<&str> = docs.iter().filter_map(|doc| doc.root().str_at(&["kind"])).collect();
    assert!(kinds.contains(&"Deployment") && kinds.contains(&"Service"), "{kinds:?}");
    let namespaces: Vec<_> = docs
        .iter()
        .map(|doc| doc.root().str_at(&["metadata", "namespace"]))
        .collect();
    assert!(
        namespaces
            .iter()
            .all(|namespace| *namespace == Some("checkout-staging")),
        "{namespaces:?}"
    );
}

#[test]
fn render_reads_plain_folders_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    let map = |name: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n");
    write(folder.path(), &[("a.yaml", &map("a")), ("notes.txt", "no manifest")]);
    std::fs::create_dir(folder.path().join("within")).unwrap();
    write(folder.path(), &[("within/b.yaml", &map("b"))]);
    let plain = ridgeway(&["render", at]).unwrap();
    assert!(plain.contains("name: a") && !plain.contains("name: b"), "{plain}");
    let deep = ridgeway(&["render", at, "--recurse"]).unwrap();
    assert!(deep.contains("name: a") && deep.contains("name: b"), "{deep}");
    write(folder.path(), &[("a.yaml", "kind: [")]);
    assert!(ridgeway(&["render", at]).unwrap_err().contains("a.yaml"));
    let file = folder.path().join("a.yaml");
    assert!(
        ridgeway(&["render", file.to_str().unwrap()])
            .unwrap_err()
            .contains("name the folder")
    );
    assert!(
        ridgeway(&["render", "/there/is/none"])
            .unwrap_err()
            .contains("/there/is/none")
    );
}

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: need-team}
spec:
  validationFailureAction: Enforce
  rules:
  - name: team
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate:
      message: name a team
      pattern: {metadata: {labels: {team: '?*'}}}
";

const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: good, labels: {team: a}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bad}
";

fn suite(expected_of_bad: &str) -> String {
    format!(
        "apiVersion: cli.kyverno.io/v1alpha1
kind: Test
metadata: {{name: teams}}
policies: [policy.yaml]
resources: [objects.yaml]
results:
- {{policy: need-team, rule: team, kind: ConfigMap, resources: [good], result: pass}}
- {{policy: need-team, rule: team, kind: ConfigMap, resources: [bad], result: {expected_of_bad}}}
"
    )
}

#[test]
fn policy_test_runs_the_suites_below_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    write(folder.path(), &[("policy.yaml", POLICY), ("objects.yaml", OBJECTS)]);
    assert!(
        ridgeway(&["policy", "test", at])
            .unwrap_err()
            .contains("no kyverno-test.yaml")
    );
    write(folder.path(), &[("kyverno-test.yaml", &suite("fail"))]);
    let text = ridgeway(&["policy", "test", at]).unwrap();
    assert!(text.ends_with("1 suites: 2 passed, 0 failed, 0 skipped\n"), "{text}");
    assert_eq!(text.matches("pass  ").count(), 2, "{text}");
    write(folder.path(), &[("kyverno-test.yaml", &suite("pass"))]);
    let told = ridgeway(&["policy", "test", "--failed-only", at]).unwrap_err();
    assert!(told.contains("FAIL  ") && !told.contains("pass  "), "{told}");
    assert!(told.ends_with("1 rows came out otherwise than expected"), "{told}");
}

fn entry(user: &str, verb: &str, name: &str, code: u16) -> Entry {
    Entry {
        time: "2026-01-02T03:04:05Z".into(),
        causality: format!("git:{name}"),
        phase: Phase::Event,
        actor: Actor {
            user: user.into(),
            ..Actor::default()
        },
        verb: verb.into(),
        object: ObjectId {
            version: "v1".into(),
            resource: "configmaps".into(),
            namespace: "shop".into(),
            name: name.into(),
            ..ObjectId::default()
        },
        decision: Verdict {
            allowed: code != 403,
            ..Verdict::default()
        },
        code,
        ..Entry::default()
    }
}

async fn ledger(folder: &Path) {
    let ledger: Arc<Ledger> = Ledger::open(folder, Options::default()).unwrap();
    for (user, verb, name, code) in [
        ("ann", "create", "a", 201),
        ("bob", "update", "a", 403),
        ("ann", "delete", "b", 200),
        ("ann", "update", "c", 500),
    ] {
        ledger.append(&entry(user, verb, name, code)).await.unwrap();
    }
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn audit_proves_and_searches_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap().to_owned();
    ledger(folder.path()).await;
    let query = |more: &[&str]| {
        let line: Vec<&str> = ["audit", "query", "--ledger", &at]
            .iter()
            .chain(more)
            .copied()
            .collect();
        ridgeway(&line).unwrap()
    };
    let verified = ridgeway(&["audit", "verify", "--ledger", &at]).unwrap();
    assert!(
        verified.starts_with("4 entries in 1 segments are as they were written\nsigned up to entry 4"),
        "{verified}"
    );

    let all = query(&[]);
    let indexes: Vec<&str> = all
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(indexes, ["3", "2", "1", "0"], "newest first: {all}");
    for (more, count) in [
        (&["--actor", "ann"][..], 3),
        (&["--verb", "update"], 2),
        (&["--name", "a", "--namespace", "shop"], 2),
        (&["--namespace", "elsewhere"], 0),
        (&["--resource", "configmaps", "--limit", "2"], 2),
        (&["--causality", "git:"], 4),
        (&["--refused"], 2),
    ] {
        assert_eq!(query(more).lines().count() - 1, count, "{more:?}");
        let json = [more, &["--json"]].concat();
        let lines: Vec<serde_json::Value> = query(&json)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), count, "{json:?}");
    }
    assert!(query(&["--refused"]).contains("refused (403)"));

    let segment = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(5).position(|window| window == b"\"bob\"").unwrap();
    bytes[place + 1] = b'r';
    std::fs::write(&segment, bytes).unwrap();
    let told = ridgeway(&["audit", "verify", "--ledger", &at]).unwrap_err();
    assert!(told.contains("not intact") && told.contains("entry 1"), "{told}");
    assert!(
        ridgeway(&["audit", "query", "--ledger", &at])
            .unwrap_err()
            .contains("cannot be trusted")
    );
}

#[test]
fn a_platform_that_is_not_there_is_told_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let told = ridgeway(&["app", "list", "--data-dir", folder.path().to_str().unwrap()]).unwrap_err();
    assert!(told.contains("ridgeway up") && told.contains("--data-dir"), "{told}");
    let told = ridgeway(&["app", "list", "--url", "http://127.0.0.1:1"]).unwrap_err();
    assert!(told.contains("RIDGEWAY_TOKEN"), "{told}");
}
