//! Subresources over HTTP: status, scale, binding, eviction, tokens, and the rights to them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ridgeway_doc::{Node, Value};
use support::server::{MAPS, Server, request};
use support::yaml;

const POD: &str = "{metadata: {name: p, labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}";

#[tokio::test]
async fn subresources() {
    let server = Server::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    assert_eq!(server.post(pods, POD).await.code, 201);
    let bound = server
        .post(
            &format!("{pods}/p/binding"),
            "{metadata: {name: p}, target: {kind: Node, name: n1}}",
        )
        .await;
    assert_eq!(bound.code, 201);
    assert_eq!(server.get(&format!("{pods}/p")).await.text(&["spec", "nodeName"]), "n1");
    let patch = |path: &str, kind: &str, body: &str| {
        request("PATCH", path, "root")
            .header("content-type", kind)
            .body(yaml(body).to_json().into())
            .unwrap()
    };
    let merge = "application/merge-patch+json";
    let status = server
        .send(patch(
            &format!("{pods}/p/status"),
            merge,
            "{spec: {nodeName: other}, status: {phase: Running}}",
        ))
        .await;
    assert_eq!(
        (status.text(&["status", "phase"]), status.text(&["spec", "nodeName"])),
        ("Running".into(), "n1".into())
    );
    assert_eq!(
        server.get(&format!("{pods}/p/log")).await.code,
        501,
        "nobody runs containers here"
    );
    assert_eq!(server.get(&format!("{pods}/p/nothing")).await.code, 404);
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    server
        .post(
            budgets,
            "{metadata: {name: b}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}",
        )
        .await;
    server
        .send(patch(
            &format!("{budgets}/b/status"),
            merge,
            "{status: {disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1}}",
        ))
        .await;
    let evict = "{apiVersion: policy/v1, kind: Eviction, metadata: {name: p, namespace: default}}";
    let refused = server.post(&format!("{pods}/p/eviction"), evict).await;
    assert_eq!(refused.code, 429);
    assert!(
        refused
            .text(&["message"])
            .starts_with("Cannot evict pod as it would violate the pod's disruption budget")
    );
    server
        .send(patch(
            &format!("{budgets}/b/status"),
            merge,
            "{status: {disruptionsAllowed: 1}}",
        ))
        .await;
    assert_eq!(server.post(&format!("{pods}/p/eviction"), evict).await.code, 201);
    assert!(
        !server
            .get(&format!("{pods}/p"))
            .await
            .text(&["metadata", "deletionTimestamp"])
            .is_empty()
    );
    // Scale speaks its own kind.
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let web = "{metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, \
               template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}";
    assert_eq!(server.post(deployments, web).await.code, 201);
    let scale = server.get(&format!("{deployments}/web/scale")).await;
    assert_eq!(
        (scale.text(&["kind"]), scale.text(&["status", "selector"])),
        ("Scale".into(), "app=web".into())
    );
    let mut wanted: Value = scale.doc().root().to_value();
    wanted.set(&["spec", "replicas"], 5i64);
    let put = request("PUT", &format!("{deployments}/web/scale"), "root")
        .body(wanted.to_json().into())
        .unwrap();
    assert_eq!(
        server
            .send(put)
            .await
            .doc()
            .root()
            .at(&["spec", "replicas"])
            .and_then(Node::as_i64),
        Some(5)
    );
    let stale = request("PUT", &format!("{deployments}/web/scale"), "root")
        .body(wanted.to_json().into())
        .unwrap();
    assert_eq!(server.send(stale).await.code, 409);
}

#[tokio::test]
async fn a_right_to_a_subresource_is_enough_for_it_and_for_nothing_else() {
    let server = Server::start().await;
    let pods = "/api/v1/namespaces/default/pods";
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    server.post(pods, POD).await;
    server
        .post(
            deployments,
            "{metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, \
             template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}",
        )
        .await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    let rules = "[{apiGroups: [''], resources: [pods/eviction, pods/binding], verbs: [create]}, \
                 {apiGroups: [apps], resources: [deployments/scale], verbs: [update]}, \
                 {apiGroups: [''], resources: [configmaps], verbs: [deletecollection]}]";
    server
        .post(
            &format!("{rbac}/roles"),
            &format!("{{metadata: {{name: narrow}}, rules: {rules}}}"),
        )
        .await;
    server
        .post(
            &format!("{rbac}/rolebindings"),
            "{metadata: {name: narrow}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: narrow}, \
             subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: bob}]}",
        )
        .await;
    let bob = |method: &str, path: &str, object: &str| {
        request(method, path, "bob")
            .body(yaml(object).to_json().into())
            .unwrap()
    };
    let merge = |path: &str, object: &str| {
        let builder = request("PATCH", path, "bob").header("content-type", "application/merge-patch+json");
        builder.body(yaml(object).to_json().into()).unwrap()
    };
    let code = async |request| server.send(request).await.code.as_u16();
    assert_eq!(
        code(bob("POST", &format!("{pods}/p/binding"), "{target: {name: n1}}")).await,
        201
    );
    assert_eq!(
        code(merge(&format!("{pods}/p"), "{metadata: {labels: {a: b}}}")).await,
        403
    );
    assert_eq!(
        code(bob("PUT", &format!("{deployments}/web/scale"), "{spec: {replicas: 4}}")).await,
        200
    );
    assert_eq!(
        code(merge(&format!("{deployments}/web/scale"), "{spec: {replicas: 5}}")).await,
        403
    );
    assert_eq!(
        code(merge(&format!("{deployments}/web"), "{spec: {replicas: 5}}")).await,
        403
    );
    assert_eq!(code(bob("DELETE", &format!("{pods}/p"), "{}")).await, 403);
    assert_eq!(
        code(bob("POST", &format!("{pods}/p/eviction"), "{metadata: {name: p}}")).await,
        201
    );
    server.config("a").await;
    assert_eq!(code(bob("DELETE", &format!("{MAPS}/a"), "{}")).await, 403);
    assert_eq!(code(bob("DELETE", MAPS, "{}")).await, 200);
    assert_eq!(server.get(&format!("{MAPS}/a")).await.code, 404);
}

#[tokio::test]
async fn tokens_are_requested_used_and_reviewed() {
    let server = Server::start().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    server.post(accounts, "{metadata: {name: robot}}").await;
    let made = server
        .post(&format!("{accounts}/robot/token"), "{spec: {expirationSeconds: 900}}")
        .await;
    assert_eq!(made.code, 201);
    assert_eq!(made.text(&["status", "expirationTimestamp"]), "2026-01-02T03:19:05Z");
    let token = made.text(&["status", "token"]);
    let me = request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &token)
        .body("{}".into())
        .unwrap();
    let me = server.send(me).await;
    assert_eq!(
        me.text(&["status", "userInfo", "username"]),
        "system:serviceaccount:default:robot"
    );
    let review = server
        .post(
            "/apis/authentication.k8s.io/v1/tokenreviews",
            &format!("{{spec: {{token: \"{token}\"}}}}"),
        )
        .await;
    assert_eq!(
        review
            .doc()
            .root()
            .at(&["status", "authenticated"])
            .and_then(Node::as_bool),
        Some(true)
    );
    let fake = server
        .post("/apis/authentication.k8s.io/v1/tokenreviews", "{spec: {token: a.b.c}}")
        .await;
    assert_eq!(
        fake.doc()
            .root()
            .at(&["status", "authenticated"])
            .and_then(Node::as_bool),
        Some(false)
    );
    let short = server
        .post(&format!("{accounts}/robot/token"), "{spec: {expirationSeconds: 10}}")
        .await;
    assert_eq!(short.code, 400);
    let access = "{spec: {user: bob, resourceAttributes: {verb: get, resource: pods, namespace: default}}}";
    let review = server
        .post("/apis/authorization.k8s.io/v1/subjectaccessreviews", access)
        .await;
    assert_eq!(
        review.doc().root().at(&["status", "allowed"]).and_then(Node::as_bool),
        Some(false)
    );
    let keys = server.get("/openid/v1/jwks").await.doc();
    assert_eq!(
        keys.root().get("keys").unwrap().item(0).unwrap().str_at(&["crv"]),
        Some("P-256")
    );
}
