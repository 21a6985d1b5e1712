//! The pages of policies: scores, and exceptions that one person asks for and another approves.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod edge;

use std::time::Duration;

use axum::http::{Method, StatusCode};
use edge::Edge;
use edge::schema::Contract;
use ridgeway_cluster::Identity;
use serde_json::{Value, json};

const WORLD: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: imported, namespace: default}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: source}
spec:
  validationFailureAction: Enforce
  rules:
  - name: labelled
    match: {any: [{resources: {kinds: [ConfigMap], names: ['import*']}}]}
    validate: {message: say where it comes from, pattern: {metadata: {labels: {source: '?*'}}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: developer}
rules:
- {apiGroups: [kyverno.io], resources: [policyexceptions], verbs: [create, get, list, patch]}
- {apiGroups: ['', argoproj.io], resources: [configmaps, applications], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: approver}
rules:
- {apiGroups: [kyverno.io], resources: [policyexceptions], verbs: [approve, get, list, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: developer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: developer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: dora}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: approver}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: approver}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: erin}]
";

async fn get(edge: &Edge, token: &str, path: &str) -> Value {
    let answer = edge.by_token(token, Method::GET, path, &Value::Null).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    answer.json()
}

/// Asks until the answer is as wanted. The guard learns of a policy a moment after it is stored: until then there is
/// none.
async fn until(edge: &Edge, token: &str, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = String::new();
    for _ in 0..400 {
        let answer = edge.by_token(token, Method::GET, path, &Value::Null).await;
        match answer.status {
            StatusCode::OK if wanted(&answer.json()) => return answer.json(),
            status => assert!(
                matches!(status, StatusCode::OK | StatusCode::NOT_FOUND),
                "{path}: {}",
                answer.text
            ),
        }
        last = answer.text;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{path} stays {last}");
}

fn request(expires: &str) -> Value {
    json!({
        "policyId": "source", "rule": "labelled", "objectKind": "ConfigMap", "namespace": "default",
        "objectName": "imported", "owner": "team-shop", "reason": "the importer is being rewritten", "expiresAt": expires,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_asks_and_another_approves() {
    let (edge, contract) = (Edge::start().await, Contract::read());
    edge.apply(WORLD).await;
    for user in ["dora", "erin"] {
        edge.authenticator.add_token(user, Identity::user(user, &[], "test"));
    }
    let page = "/api/v1/policies/source";
    let detail = until(&edge, "dora", page, |detail| {
        detail["violations"].as_array().is_some_and(|all| all.len() == 1)
    });
    let detail = detail.await;
    contract.check_answer("get", "/policies/{id}", "200", &detail, "a policy");
    assert_eq!((&detail["excepts"], &detail["failed"]), (&json!(true), &json!(1)));
    assert_eq!(detail["trend"].as_array().unwrap().last(), Some(&json!(1)));
    assert_eq!(detail["hours"].as_array().unwrap().len(), 48);

    let list = "/api/v1/policies/exceptions";
    let malformed = edge.by_token("dora", Method::POST, list, &request("tomorrow")).await;
    assert!(malformed.text.contains("RFC 3339"), "{}", malformed.text);
    let mut empty = request("2999-01-01T00:00:00Z");
    empty["owner"] = json!("");
    let empty = edge.by_token("dora", Method::POST, list, &empty).await;
    assert!(empty.error(422, "invalid").contains("owner"));
    let asked = edge
        .by_token("dora", Method::POST, list, &request("2999-01-01T00:00:00Z"))
        .await;
    assert_eq!(asked.status, StatusCode::CREATED, "{}", asked.text);
    contract.check_answer("post", "/policies/exceptions", "201", &asked.json(), "asked");
    let id = asked.json()["id"].as_str().unwrap().to_owned();

    let all = until(&edge, "dora", list, |all| {
        all["items"].as_array().is_some_and(|all| all.len() == 1)
    })
    .await;
    contract.check_answer("get", "/policies/exceptions", "200", &all, "exceptions");
    let one = &all["items"][0];
    assert_eq!((&one["state"], &one["own"]), (&json!("Requested"), &json!(true)));
    assert_eq!(
        (&one["mayApprove"], &one["requestedBy"]),
        (&json!(false), &json!("dora"))
    );
    let approve = format!("{list}/{id}/approve");
    let own = edge.by_token("dora", Method::POST, &approve, &Value::Null).await;
    assert!(own.text.contains("themselves"), "{}", own.text);
    assert!(get(&edge, "erin", list).await["items"][0]["mayApprove"] == true);
    for _ in 0..200 {
        let answer = edge.by_token("erin", Method::POST, &approve, &Value::Null).await;
        if answer.status == StatusCode::NO_CONTENT {
            break;
        }
        // The guard learns of roles a moment after they are stored.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let detail = until(&edge, "dora", page, |detail| detail["failed"] == 0).await;
    let exception = &detail["exceptions"][0];
    assert_eq!(
        (&exception["state"], &exception["approvedBy"]),
        (&json!("Approved"), &json!("erin"))
    );
    assert!(exception["secondsLeft"].as_u64().unwrap() > 1_000_000);
    let removal = edge
        .by_token("dora", Method::DELETE, &format!("{list}/{id}"), &Value::Null)
        .await;
    assert_eq!(removal.status, StatusCode::FORBIDDEN, "{}", removal.text);
}
