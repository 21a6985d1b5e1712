//! The webhook over TLS, as an API server calls it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

#[path = "support/client.rs"]
mod client;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use client::Caller;
use ridgeway_cluster::{Clock, SystemClock};
use ridgeway_doc::{Doc, Node};
use ridgeway_webhook::{App, Certificates, Judge, Loaded, Metrics, Options, serve};

const WITHOUT_LIMITS: &str = "Policy Violation: Container 'app' must have resource limits defined. Please add CPU and \
                              memory limits to comply with cluster policies.";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Server {
    caller: Caller,
    address: std::net::SocketAddr,
    _folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn server(policies: Vec<PathBuf>, options: Options, budget: Duration) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificates = Arc::new(Certificates::open(&folder.path().join("certs"), &names, clock.now()).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = Arc::new(Metrics::default());
    let app = App {
        loaded: Loaded::open(policies, metrics.clone()).unwrap(),
        judge: Judge::new(budget, metrics),
        clock,
        options,
    };
    let bundle = certificates.bundle();
    let task = tokio::spawn(async move {
        serve(listener, app, certificates, std::future::pending())
            .await
            .unwrap();
    });
    Server {
        caller: Caller::connect(address, &bundle).await,
        address,
        _folder: folder,
        task,
    }
}

/// A review of an object that is about to be created.
fn review(yaml: &str) -> String {
    let object = ridgeway_doc::parse_yaml(yaml).unwrap().remove(0);
    let kind = object.root().str_at(&["kind"]).unwrap().to_owned();
    let version = object.root().str_at(&["apiVersion"]).unwrap().to_owned();
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u-1","kind":{{"group":"{group}","version":"{version}","kind":"{kind}"}},"resource":{{"group":"{group}","version":"{version}","resource":"{}s"}},"operation":"CREATE","namespace":"shop","name":"","userInfo":{{"username":"alice","groups":["dev"]}},"object":{}}}}}"#,
        kind.to_lowercase(),
        object.root().to_json()
    )
}

fn response(text: &str) -> Doc {
    let doc = Doc::parse_json(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    doc.root().get("response").unwrap().to_doc()
}

fn texts(node: Option<Node<'_>>) -> Vec<String> {
    let items = node.into_iter().flat_map(Node::items);
    items.map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
}

const MORE: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: add-origin}
spec:
  rules:
    - name: label
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      mutate: {patchStrategicMerge: {metadata: {labels: {+(origin): ridgeway}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: need-origin}
spec:
  validationFailureAction: Enforce
  rules:
    - name: there
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      validate: {message: the origin must be known, pattern: {metadata: {labels: {origin: '?*'}}}}
    - name: tame
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      validate: {message: no wild data, pattern: {data: {mode: '!wild'}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: advice}
spec:
  validationFailureAction: Audit
  failurePolicy: Ignore
  rules:
    - name: described
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      validate: {message: say what it is for, pattern: {metadata: {annotations: {for: '?*'}}}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_policies_refuse_in_their_words() {
    let policies = root().join("examples/demo/platform/cluster/policies");
    let mut server = server(vec![policies], Options::default(), Duration::from_secs(20)).await;
    let pod = std::fs::read_to_string(root().join("examples/try/pod-without-limits.yaml")).unwrap();
    for path in [
        "/validate?timeout=30s",
        "/mutate?timeout=30s",
        "/validate/fail?timeout=30s",
    ] {
        let (status, text) = server.caller.post(path, review(&pod)).await;
        assert_eq!(status, 200, "{text}");
        let answer = response(&text);
        let root = answer.root();
        assert_eq!(root.str_at(&["uid"]), Some("u-1"));
        assert_eq!(root.get("allowed").unwrap().as_bool(), Some(false), "{path}");
        let message = root.str_at(&["status", "message"]).unwrap();
        assert!(message.starts_with(WITHOUT_LIMITS), "{message}");
        assert!(
            message.contains("(policy require-resource-limits, rule require-limits, at spec.containers[0].resources")
        );
        assert_eq!(root.at(&["status", "code"]).unwrap().as_i64(), Some(403));
        let causes = root.at(&["status", "details", "causes"]).unwrap();
        assert_eq!(
            causes
                .item(0)
                .unwrap()
                .str_at(&["field"])
                .map(|f| f.starts_with("spec.containers[0]")),
            Some(true)
        );
        let refused = root.str_at(&["auditAnnotations", "refused-by"]).unwrap();
        assert!(refused.contains("require-resource-limits/require-limits"), "{refused}");
    }
    // No policy of this group, none asked.
    let (_, text) = server.caller.post("/validate/ignore", review(&pod)).await;
    assert_eq!(response(&text).root().get("allowed").unwrap().as_bool(), Some(true));
    // A namespace of the cluster's own is not judged.
    let (_, text) = server
        .caller
        .post(
            "/validate",
            review(&pod).replace(r#""namespace":"shop""#, r#""namespace":"kube-system""#),
        )
        .await;
    assert_eq!(response(&text).root().get("allowed").unwrap().as_bool(), Some(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_mutates_and_validates() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("more.yaml"), MORE).unwrap();
    let mut server = server(
        vec![folder.path().to_owned()],
        Options::default(),
        Duration::from_secs(20),
    )
    .await;
    let config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {mode: MODE}}";
    let (_, text) = server
        .caller
        .post("/mutate?timeout=30s", review(&config.replace("MODE", "calm")))
        .await;
    let answer = response(&text);
    let root = answer.root();
    assert_eq!(root.get("allowed").unwrap().as_bool(), Some(true), "{text}");
    assert_eq!(root.str_at(&["patchType"]), Some("JSONPatch"));
    let patch = base64::engine::general_purpose::STANDARD
        .decode(root.str_at(&["patch"]).unwrap())
        .unwrap();
    let patch = String::from_utf8(patch).unwrap();
    assert!(
        patch.contains("/metadata/labels") && patch.contains("ridgeway"),
        "{patch}"
    );
    let warnings = texts(root.get("warnings"));
    assert!(warnings[0].contains("(policy advice, rule described"), "{warnings:?}");
    // The result of the mutation is judged in the same call.
    let (_, text) = server
        .caller
        .post("/mutate?timeout=30s", review(&config.replace("MODE", "wild")))
        .await;
    let answer = response(&text);
    assert_eq!(answer.root().get("allowed").unwrap().as_bool(), Some(false), "{text}");
    assert!(answer.root().get("patch").is_none());
    let message = answer.root().str_at(&["status", "message"]).unwrap();
    assert!(
        message.contains("rule tame") && !message.contains("rule there"),
        "{message}"
    );
    // The validating call judges what it is given.
    let (_, text) = server
        .caller
        .post("/validate?timeout=30s", review(&config.replace("MODE", "calm")))
        .await;
    let answer = response(&text);
    let message = answer.root().str_at(&["status", "message"]).unwrap();
    assert!(message.contains("rule there"), "{message}");
    let (status, text) = server.caller.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        text.contains(r#"ridgeway_webhook_reviews_total{call="mutate",answer="refused"} 1"#),
        "{text}"
    );
    let (status, text) = server.caller.get("/readyz").await;
    assert!(status == 200 && text.starts_with("ready: 3 policies"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_too_long_is_answered_by_its_failure_policy() {
    let folder = tempfile::tempdir().unwrap();
    // Sorting thousands of keys is not done within a nanosecond.
    let slow = |name: &str, failure: &str, budget: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: {name}, annotations: {{webhook.ridgeway.dev/budget: {budget}}}}}\nspec:\n  validationFailureAction: Enforce\n  failurePolicy: {failure}\n  rules:\n    - name: r\n      match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}\n      validate: {{message: no, deny: {{conditions: {{any: [{{key: \"{{{{ length(sort(keys(request.object.data))) }}}}\", operator: Equals, value: 5}}]}}}}}}\n"
        )
    };
    std::fs::write(folder.path().join("fail.yaml"), slow("strict", "Fail", "1ns")).unwrap();
    std::fs::write(folder.path().join("ignore.yaml"), slow("lenient", "Ignore", "1ns")).unwrap();
    std::fs::write(folder.path().join("patient.yaml"), slow("patient", "Fail", "20s")).unwrap();
    let mut server = server(
        vec![folder.path().to_owned()],
        Options::default(),
        Duration::from_secs(20),
    )
    .await;
    let keys: Vec<String> = (0..20_000).rev().map(|n| format!("k{n}: v")).collect();
    let config = review(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{{}}}}}",
        keys.join(", ")
    ));
    let (_, text) = server.caller.post("/validate/ignore?timeout=30s", config.clone()).await;
    let answer = response(&text);
    assert_eq!(answer.root().get("allowed").unwrap().as_bool(), Some(true), "{text}");
    let late = "The policy lenient took longer than its time budget of";
    assert!(texts(answer.root().get("warnings"))[0].starts_with(late), "{text}");
    let (_, text) = server.caller.post("/validate?timeout=30s", config.clone()).await;
    let answer = response(&text);
    let said = answer.root().str_at(&["status", "message"]).unwrap();
    assert!(
        said.contains("The policy strict took longer than its time budget"),
        "{text}"
    );
    assert!(!said.contains("lenient") && !said.contains("patient"), "{text}");
    let passed = answer.root().str_at(&["auditAnnotations", "pass"]);
    assert_eq!(passed, Some("patient/r"), "{text}");
    // The caller's own patience ends everything, whether the policy was at it or not.
    let (_, text) = server.caller.post("/validate/fail?timeout=1ms", config).await;
    let answer = response(&text);
    let said = answer.root().str_at(&["status", "message"]).unwrap();
    let late = [
        "could not be asked before the API server's time was over",
        "had not answered when the API server's time was over",
    ];
    assert!(late.iter().any(|words| said.contains(words)), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_large_and_unauthenticated_calls_are_turned_away() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("more.yaml"), MORE).unwrap();
    let small = Options {
        max_body: 1000,
        ..Options::default()
    };
    let mut server = server(vec![folder.path().to_owned()], small, Duration::from_secs(20)).await;
    for (path, body, status, says) in [
        ("/validate", "{}".to_owned(), 400, "AdmissionReview"),
        ("/validate", "x".repeat(2000), 413, "larger than 1000 bytes"),
        ("/validate/maybe", "{}".to_owned(), 404, "/fail or /ignore"),
        ("/elsewhere", "{}".to_owned(), 404, ""),
    ] {
        let mut caller = Caller::connect(server.address, &server.caller.bundle).await;
        let (found, text) = caller.post(path, body).await;
        assert_eq!(found, status, "{path}: {text}");
        assert!(text.contains(says), "{text}");
    }
    let (status, text) = server.caller.get("/healthz").await;
    assert_eq!((status, &*text), (200, "ok"));
    let ca = folder.path().join("clients.crt");
    std::fs::write(&ca, &server.caller.bundle).unwrap();
    let closed = Options {
        client_ca: Some(ca),
        ..Options::default()
    };
    let mut closed = self::server(vec![folder.path().join("more.yaml")], closed, Duration::from_secs(20)).await;
    let (status, text) = closed.caller.post("/validate", "{}".into()).await;
    assert!(status == 401 && text.contains("client certificate"), "{status} {text}");
    assert_eq!(closed.caller.get("/healthz").await.0, 200);
}
