//! The ledger's pages with their proofs, hidden secrets, golden paths before they run, and the stream of events.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod edge;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::schema::Contract;
use edge::{Edge, encode};
use http_body_util::BodyExt;
use ridgeway_cluster::Identity;
use ridgeway_ledger::{SignedNote, VerifierKey, merkle};
use serde_json::{Value, json};
use tower::ServiceExt;

#[tokio::test]
async fn an_entrys_proof_leads_to_the_signed_checkpoint() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    let page = edge.get(&browser, "/api/v1/audit/entries?limit=500").await.json();
    let newest = page["items"][0]["index"].as_u64().unwrap();
    for index in [0, newest / 2, newest] {
        let detail = edge
            .get(&browser, &format!("/api/v1/audit/entries/{index}"))
            .await
            .json();
        let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
        let leaf = bytes(&detail["proof"]["leaf"]);
        let path: Vec<Vec<u8>> = detail["proof"]["path"].as_array().unwrap().iter().map(bytes).collect();
        let key: VerifierKey = detail["checkpoint"]["verifierKey"].as_str().unwrap().parse().unwrap();
        let note = SignedNote::from_text(detail["checkpoint"]["note"].as_str().unwrap());
        let checkpoint = note.verify(&key).unwrap();
        assert_eq!(detail["proof"]["size"], checkpoint.size);
        merkle::verify_inclusion(
            &merkle::leaf_hash(&leaf),
            index,
            checkpoint.size,
            &path,
            &checkpoint.root,
        )
        .unwrap();
        let mut other = leaf.clone();
        other[10] ^= 1;
        merkle::verify_inclusion(
            &merkle::leaf_hash(&other),
            index,
            checkpoint.size,
            &path,
            &checkpoint.root,
        )
        .unwrap_err();
        let entry: Value = serde_json::from_slice(&leaf).unwrap();
        assert_eq!(entry["verb"], detail["entry"]["verb"]);
    }
}

#[tokio::test]
async fn pages_of_the_ledger_meet_without_gap_or_overlap() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    let get = async |query: String| {
        edge.get(&browser, &format!("/api/v1/audit/entries?{query}"))
            .await
            .json()
    };
    let indexes = |page: &Value| -> Vec<u64> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["index"].as_u64().unwrap())
            .collect()
    };
    let all = get("limit=500".into()).await;
    assert!(indexes(&all).len() > 20, "{all:.300}");
    assert_eq!(all["total"], indexes(&all).len());
    assert_eq!(all["nextCursor"], Value::Null);
    let buckets = all["histogram"]["buckets"].as_array().unwrap();
    let counted: u64 = buckets
        .iter()
        .flat_map(|b| ["allowed", "refused", "failed"].map(|k| b[k].as_u64().unwrap()))
        .sum();
    assert_eq!(
        counted,
        indexes(&all).len() as u64,
        "the histogram counts each entry once"
    );
    let (mut gathered, mut query) = (Vec::new(), "limit=7".to_owned());
    loop {
        let page = get(query).await;
        assert!(indexes(&page).len() <= 7);
        gathered.extend(indexes(&page));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        query = format!("limit=7&cursor={cursor}");
    }
    assert_eq!(gathered, indexes(&all));
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    edge.apply(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  project: default
  source: {repoURL: shop, targetRevision: HEAD, path: .}
  destination: {server: https://kubernetes.default.svc, namespace: default}
",
    )
    .await;
    for word in ["hunter2", "hunter3"] {
        let applied = format!("{{\\\"stringData\\\":{{\\\"password\\\":\\\"{word}\\\"}}}}");
        edge.apply(&format!(
            "apiVersion: v1
kind: Secret
metadata:
  name: door
  namespace: default
  annotations: {{kubectl.kubernetes.io/last-applied-configuration: \"{applied}\"}}
data: {{password: {}}}
",
            STANDARD.encode(word)
        ))
        .await;
    }
    let is_told = |text: &str| {
        ["hunter2", "hunter3"]
            .iter()
            .any(|word| text.contains(word) || text.contains(&STANDARD.encode(word)))
    };
    let key = encode("/Secret/default/door");
    let object = edge
        .get(&browser, &format!("/api/v1/applications/shop/object?key={key}"))
        .await;
    assert!(
        object.json()["live"].as_str().unwrap().contains("password: <hidden>"),
        "{}",
        object.text
    );
    assert!(!is_told(&object.text), "{}", object.text);
    let history = object.json()["history"].as_array().unwrap().clone();
    assert_eq!(history.len(), 2, "{history:?}");
    for entry in &history {
        let detail = edge
            .get(&browser, &format!("/api/v1/audit/entries/{}", entry["index"]))
            .await;
        assert!(!is_told(&detail.text), "{}", detail.text);
        let leaf = STANDARD
            .decode(detail.json()["proof"]["leaf"].as_str().unwrap())
            .unwrap();
        assert!(
            !is_told(&String::from_utf8_lossy(&leaf)),
            "the ledger itself holds none"
        );
    }
    let changed = edge
        .get(&browser, &format!("/api/v1/audit/entries/{}", history[0]["index"]))
        .await
        .json();
    let changes = changed["changes"].as_array().unwrap();
    assert!(
        changes
            .iter()
            .any(|c| c["path"] == "data.password" && c["after"] == "<hidden>"),
        "{changes:?}"
    );

    // Whoever may see the application but not the Secret does not see it through the application.
    edge.authenticator
        .add_token("t", Identity::user("rita", &["readers"], "test"));
    edge.apply(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: readers}
rules:
- {apiGroups: [argoproj.io], resources: [applications], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: readers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: readers}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: readers}]
",
    )
    .await;
    let path = format!("/api/v1/applications/shop/object?key={key}");
    edge.by_token("t", axum::http::Method::GET, &path, &Value::Null)
        .await
        .error(403, "forbidden");
}

#[tokio::test]
async fn a_preview_says_what_is_missing() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    let path = "/api/v1/templates/golden-service/preview";
    for (parameters, field) in [
        (json!({"name": "basket"}), "/owner"),
        (json!({"owner": "group:default/checkout"}), "/name"),
        (json!({"name": "Basket!", "owner": "group:default/checkout"}), "/name"),
        (
            json!({"name": "basket", "owner": "group:default/checkout", "port": 80}),
            "/port",
        ),
    ] {
        let answer = edge.post(&browser, path, &json!({"parameters": parameters})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Contract::read().check_answer("post", "/templates/{name}/preview", "200", &answer.json(), "a preview");
        let problems = answer.json()["problems"].clone();
        assert!(
            problems.as_array().unwrap().iter().any(|p| p["field"] == field),
            "{parameters}: {problems}"
        );
        let run = edge
            .post(
                &browser,
                "/api/v1/templates/golden-service/runs",
                &json!({"parameters": parameters}),
            )
            .await;
        run.error(422, "invalid");
        assert_eq!(
            run.json()["error"]["problems"].as_array().map(Vec::len),
            problems.as_array().map(Vec::len)
        );
    }
    edge.post(&browser, "/api/v1/templates/gone/preview", &json!({"parameters": {}}))
        .await
        .error(404, "not_found");
}

/// Reads events until one is as wanted, and checks each against the contract.
async fn follow(body: &mut Body, wanted: &str, until: impl Fn(&Value) -> bool) -> Value {
    let contract = Contract::read();
    let mut text = String::new();
    let reading = async {
        loop {
            let frame = body.frame().await.expect("the stream goes on").unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).unwrap());
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let (Some(name), Some(data)) = (field("event:"), field("data:")) else {
                    continue;
                };
                let data: Value = serde_json::from_str(data).unwrap();
                let schema = format!("{}{}Event", name[..1].to_uppercase(), &name[1..]);
                contract.check_named(&data, &schema);
                assert!(field("id:").unwrap().parse::<u64>().unwrap() > 0, "{event}");
                if name == wanted && until(&data) {
                    return data;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap_or_else(|_| panic!("no such {wanted} event came"))
}

#[tokio::test(flavor = "multi_thread")]
async fn open_pages_are_told_what_changes() {
    let edge = Edge::with_demo().await;
    let browser = edge.sign_in().await;
    let request = Request::get("/api/v1/events")
        .header(header::COOKIE, &browser.cookie)
        .body(Body::empty())
        .unwrap();
    let response = edge.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    edge.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: told, namespace: default}, data: {a: b}}")
        .await;
    let about = |event: &Value| {
        event["entries"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["object"]["name"] == "told")
    };
    let event = follow(&mut body, "ledger", about).await;
    assert!(event["size"].as_u64().unwrap() > 0, "{event}");

    let sync = edge
        .post(&browser, "/api/v1/applications/checkout-staging/sync", &json!({}))
        .await;
    assert_eq!(sync.status, 202, "{}", sync.text);
    follow(&mut body, "operation", |event| {
        event["application"] == "checkout-staging"
    })
    .await;
    // Only what has changed is told, so something has to: the next version.
    let kustomization = include_str!("../../../examples/demo/checkout/deploy/base/kustomization.yaml");
    let next = kustomization.replace("v1.2.3", "v1.2.4").into_bytes();
    let author = ridgeway_git::Author::new("Ann", "ann@example.org");
    edge.repositories
        .commit_files(
            "checkout",
            "main",
            &author,
            "Next",
            &[("deploy/base/kustomization.yaml", Some(next.into()))],
        )
        .await
        .unwrap();
    let event = follow(&mut body, "tree", |event| {
        let changed = event["changed"].as_array().into_iter().flatten();
        event["application"] == "checkout-staging"
            && changed.into_iter().any(|node| node["ref"]["kind"] == "Deployment")
    })
    .await;
    let of_the_service = |node: &Value| node["ref"]["kind"] == "Service";
    let changed = event["changed"].as_array().unwrap();
    assert!(!changed.iter().any(of_the_service), "the Service is as it was: {event}");
}
