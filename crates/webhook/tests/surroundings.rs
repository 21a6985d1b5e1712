//! What a review does not tell: policies that ask about it are not asked without it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ridgeway_cluster::{Clock, SystemClock};
use ridgeway_webhook::{Answer, Judge, Metrics, PolicySet, Question, Remote, Review};

fn review(operation: &str, namespace: &str, labels: &str) -> Review {
    let object = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","labels":{labels}}}}}"#);
    let (new, old) = if operation == "DELETE" {
        ("null", object.as_str())
    } else {
        (object.as_str(), "null")
    };
    let body = format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"ConfigMap"}},"resource":{{"group":"","version":"v1","resource":"configmaps"}},"operation":"{operation}","namespace":"{namespace}","name":"a","userInfo":{{"username":"ann","uid":"u-7","groups":["dev"],"extra":{{"scopes":["x"]}}}},"options":{{"kind":"CreateOptions","fieldManager":"me"}},"object":{new},"oldObject":{old}}}}}"#
    );
    Review::parse(body.as_bytes()).unwrap()
}

fn judge() -> Judge {
    Judge::new(Duration::from_secs(20), Arc::default())
}

async fn ask(judge: &Judge, policies: &str, review: Review) -> Answer {
    let set = PolicySet::compile(&[(PathBuf::from("a.yaml"), policies.to_owned())]).unwrap();
    let question = Question {
        review,
        mutating: true,
        failure: None,
        deadline: Instant::now() + Duration::from_secs(30),
        now: SystemClock.now(),
    };
    judge.ask(&Arc::new(set), question).await
}

/// A cluster that knows some paths; what it was asked for is kept.
fn cluster(
    known: &'static [(&'static str, &'static str)],
) -> (Arc<Remote>, Arc<Mutex<Vec<String>>>, tempfile::TempDir) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap_or(0);
            let head = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            log.lock().unwrap().push(path.clone());
            let found = known.iter().find(|(known, _)| *known == path).map(|(_, body)| *body);
            let (status, body) = match found {
                Some("error") => ("500 Internal Server Error", "{}"),
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", "{}"),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], clusters: \
         [{{name: c, cluster: {{server: 'http://{address}'}}}}], users: [{{name: u, user: {{token: t}}}}]}}"
    );
    std::fs::write(&file, text).unwrap();
    let remote = Remote::open(&file, Arc::new(Metrics::default())).unwrap();
    (Arc::new(remote), asked, folder)
}

const SELECTING: &str = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: never}
spec:
  failurePolicy: FAILURE
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    namespaceSelector: {matchLabels: {env: prod}}
  validations: [{expression: 'false', message: never here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: all}
spec: {policyName: never, validationActions: [Deny]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_namespace_is_none_without_labels() {
    let fail = SELECTING.replace("FAILURE", "Fail");
    let alone = ask(&judge(), &fail, review("CREATE", "shop", "{}")).await;
    assert!(
        !alone.allowed() && alone.message().contains("--kubeconfig"),
        "{}",
        alone.message()
    );
    let ignore = ask(
        &judge(),
        &SELECTING.replace("FAILURE", "Ignore"),
        review("CREATE", "shop", "{}"),
    )
    .await;
    assert!(ignore.allowed() && ignore.warnings.len() == 1, "{:?}", ignore.warnings);
    let everywhere = fail.replace("{matchLabels: {env: prod}}", "{}");
    let all = ask(&judge(), &everywhere, review("CREATE", "shop", "{}")).await;
    assert!(all.message().contains("never here"), "{}", all.message());
    let (remote, asked, _folder) = cluster(&[
        (
            "/api/v1/namespaces/shop",
            r#"{"metadata":{"name":"shop","labels":{"env":"prod"}}}"#,
        ),
        (
            "/api/v1/namespaces/lab",
            r#"{"metadata":{"name":"lab","labels":{"env":"test"}}}"#,
        ),
        ("/api/v1/namespaces/ill", "error"),
    ]);
    let judge = Judge {
        remote: Some(remote),
        ..judge()
    };
    for (namespace, want) in [
        ("shop", Some("never here")),
        ("lab", None),
        ("ill", Some("500")),
        ("none", Some("there is no namespace none")),
    ] {
        let answer = ask(&judge, &fail, review("CREATE", namespace, "{}")).await;
        let said = answer.message();
        assert!(
            want.map_or(answer.allowed(), |want| said.contains(want)),
            "{namespace}: {said}"
        );
    }
    // One that is not there may be there now: that is asked each time.
    let before = asked.lock().unwrap().len();
    ask(&judge, &fail, review("CREATE", "none", "{}")).await;
    assert!(asked.lock().unwrap().len() > before);
}

const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: unique
  annotations: {metadata.gatekeeper.sh/requires-sync-data: '\"[[{\\\"groups\\\": [\\\"\\\"], \\\"versions\\\": [\\\"v1\\\"], \\\"kinds\\\": [\\\"ConfigMap\\\"]}]]\"'}
spec:
  crd: {spec: {names: {kind: Unique}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package unique
      # operation
      violation[{\"msg\": \"taken\"}] { data[\"inventory\"].namespace[_][_].ConfigMap[_].metadata.labels.key == input.review.object.metadata.labels.key }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Unique
metadata: {name: keys}
spec: {match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}]}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inventory_that_cannot_be_read_is_not_an_empty_one() {
    let key = r#"{"key":"k"}"#;
    let alone = ask(&judge(), TEMPLATE, review("CREATE", "shop", key)).await;
    assert!(
        !alone.allowed() && alone.message().contains("--kubeconfig"),
        "{}",
        alone.message()
    );
    const LIST: &str = r#"{"items":[{"metadata":{"name":"b","namespace":"lab","labels":{"key":"k"}}}]}"#;
    for (known, want) in [
        (&[("/api/v1/configmaps", LIST)][..], Some("taken")),
        (&[("/api/v1/configmaps", r#"{"items":[]}"#)][..], None),
        (&[("/api/v1/configmaps", "error")][..], Some("500")),
    ] {
        let (remote, _, _folder) = cluster(known);
        let judge = Judge {
            remote: Some(remote),
            ..judge()
        };
        let answer = ask(&judge, TEMPLATE, review("CREATE", "shop", key)).await;
        let said = answer.message();
        assert!(
            want.map_or(answer.allowed(), |want| said.contains(want)),
            "{want:?}: {said}"
        );
        // A word in a comment asks about no operation.
        assert!(
            ask(&judge, TEMPLATE, review("DELETE", "shop", key))
                .await
                .results
                .is_empty()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_how_is_told() {
    let told = SELECTING
        .replace("FAILURE", "Fail")
        .replace("{matchLabels: {env: prod}}", "{}")
        .replace(
            "'false'",
            "'request.userInfo.uid == \"u-7\" && request.userInfo.extra.scopes == [\"x\"] && request.options.fieldManager == \"me\"'",
        );
    let answer = ask(&judge(), &told, review("CREATE", "shop", "{}")).await;
    assert!(answer.allowed(), "{}", answer.message());
}

fn mutating(name: &str, again: &str, expression: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  reinvocationPolicy: {again}
  matchConstraints:
    resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}]
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        {expression}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: {name}-binding}}
spec: {{policyName: {name}}}
---
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_others_change_after_is_asked_again() {
    let copies =
        "has(object.metadata.labels.made) ? [JSONPatch{op: 'add', path: '/metadata/labels/seen', value: 'yes'}] : []";
    let makes = "[JSONPatch{op: 'add', path: '/metadata/labels/made', value: 'yes'}]";
    for (again, want) in [("IfNeeded", Some("yes")), ("Never", None)] {
        let text = mutating("a", again, copies) + &mutating("b", "Never", makes);
        let answer = ask(&judge(), &text, review("CREATE", "shop", r#"{"x":"y"}"#)).await;
        let made = answer.mutated.as_ref().unwrap().node();
        assert_eq!(made.str_at(&["metadata", "labels", "seen"]), want, "{again}");
        assert_eq!(answer.results.len(), 2, "{again}");
    }
}
