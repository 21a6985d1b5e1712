//! What the ledger says of requests that change no object: refusals of every kind, and tokens that were issued.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use axum::body::Body;
use axum::http::Request;
use ridgeway_ledger::Entry;
use support::server::{MAPS, Server, request};
use support::yaml;

const PODS: &str = "/api/v1/namespaces/default/pods";

/// How many entries there are when nothing waits any more.
async fn len(server: &Server) -> u64 {
    server.plane.ledger().checkpoint_now().await.unwrap();
    server.plane.ledger().len()
}

async fn entries(server: &Server, from: u64) -> Vec<Entry> {
    let upto = len(server).await;
    let records = server.plane.ledger().entries(from..upto).unwrap();
    records.into_iter().map(|record| record.entry).collect()
}

fn bob(method: &str, path: &str, body: &str) -> Request<Body> {
    let body = if body.is_empty() {
        Body::empty()
    } else {
        yaml(body).to_json().into()
    };
    request(method, path, "bob")
        .header("content-type", "application/merge-patch+json")
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn a_refusal_is_written_down_whatever_was_asked() {
    let server = Server::recorded().await;
    let pod = "{metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";
    assert_eq!(server.post(PODS, pod).await.code, 201);
    let web = "{metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, \
               template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}";
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    assert_eq!(server.post(deployments, web).await.code, 201);
    let apply = request("PATCH", &format!("{MAPS}/new?fieldManager=t"), "bob")
        .header("content-type", "application/apply-patch+yaml")
        .body("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"new\"}}".into())
        .unwrap();
    let as_root = request("GET", MAPS, "bob")
        .header("impersonate-user", "root")
        .body(Body::empty())
        .unwrap();
    let cases = [
        (bob("GET", MAPS, ""), "list configmaps"),
        (bob("GET", &format!("{MAPS}/x"), ""), "get configmaps x"),
        (bob("GET", &format!("{MAPS}?watch=true"), ""), "watch configmaps"),
        (bob("GET", &format!("{PODS}/p/log"), ""), "get pods/log p"),
        (bob("DELETE", PODS, ""), "deletecollection pods"),
        (
            bob("POST", &format!("{PODS}/p/eviction"), "{metadata: {name: p}}"),
            "create pods/eviction p",
        ),
        (
            bob("PATCH", &format!("{deployments}/web/scale"), "{spec: {replicas: 9}}"),
            "patch deployments/scale web",
        ),
        (bob("GET", "/metrics", ""), "get /metrics"),
        (apply, "patch configmaps new"),
        (as_root, "impersonate users root"),
    ];
    for (request, told) in cases {
        let before = len(&server).await;
        assert_eq!(server.send(request).await.code, 403, "{told}");
        let entries = entries(&server, before).await;
        let [entry] = entries.as_slice() else {
            panic!("{told}: {} entries", entries.len())
        };
        let said = format!("{} {} {}", entry.verb, entry.object.resource, entry.object.name);
        assert_eq!(said.trim_end(), told);
        assert_eq!(
            (entry.actor.user.as_str(), entry.code, entry.decision.allowed),
            ("bob", 403, false)
        );
        assert!(entry.causality.starts_with("req:"), "{told}: {}", entry.causality);
    }
    let before = len(&server).await;
    assert_eq!(server.send(bob("GET", MAPS, "")).await.code, 403);
    assert_eq!(
        server.plane.ledger().len(),
        before,
        "the same refused read again is no news"
    );
    assert_eq!(server.send(bob("DELETE", PODS, "")).await.code, 403);
    assert_eq!(
        server.plane.ledger().len(),
        before + 1,
        "an attempt to change something is"
    );
}

#[tokio::test]
async fn a_token_that_is_issued_is_written_down_and_not_its_text() {
    let server = Server::recorded().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(server.post(accounts, "{metadata: {name: robot}}").await.code, 201);
    let before = len(&server).await;
    let wanted = "{spec: {audiences: [vault], expirationSeconds: 600}}";
    let answer = server.post(&format!("{accounts}/robot/token"), wanted).await;
    let token = answer.text(&["status", "token"]);
    assert!(!token.is_empty());
    let told = entries(&server, before).await;
    let [entry] = told.as_slice() else {
        panic!("{} entries", told.len())
    };
    assert_eq!(
        (entry.verb.as_str(), entry.object.resource.as_str(), entry.code),
        ("create", "serviceaccounts/token", 201)
    );
    assert_eq!(entry.detail["audiences"], "vault");
    assert_eq!(entry.detail["expires"], answer.text(&["status", "expirationTimestamp"]));
    let body = server.plane.ledger().body(before).unwrap();
    assert!(!String::from_utf8(body).unwrap().contains(&token));
}
