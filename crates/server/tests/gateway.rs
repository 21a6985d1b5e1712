//! Who gets in, and what is kept out.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod edge;

use axum::body::Body;
use axum::http::{Method, Request, header};
use edge::schema::Contract;
use edge::{Browser, Edge};
use ridgeway_cluster::Identity;
use ridgeway_ledger::Query;
use serde_json::{Value, json};

fn attempts(edge: &Edge) -> Vec<(String, u16)> {
    let query = Query {
        verb: "sign-in".into(),
        ..Query::default()
    };
    let page = edge.ledger.query(&query).unwrap();
    page.records
        .into_iter()
        .map(|record| (record.entry.actor.user, record.entry.code))
        .collect()
}

#[tokio::test]
async fn nobody_gets_in_without_signing_in() {
    let edge = Edge::start().await;
    for (path, operations) in Contract::read().0["paths"].as_object().unwrap() {
        for method in operations
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| *name != "parameters")
        {
            if (path.as_str(), method.as_str()) == ("/session", "post") {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let address = format!("/api/v1{}", path.replace(['{', '}'], ""));
            let answer = edge.plain(method, &address).await;
            assert!(answer.error(401, "unauthenticated").contains("sign in"), "{address}");
        }
    }
    edge.plain(Method::GET, "/metrics").await.error(401, "unauthenticated");
    let health = edge.plain(Method::GET, "/healthz").await;
    assert_eq!((health.status.as_u16(), health.text.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn signing_in_gives_a_fresh_cookie_that_scripts_cannot_read() {
    let edge = Edge::start().await;
    let mut chosen = Request::post("/api/v1/session")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, "ridgeway_session=chosen-by-somebody-else");
    let body = json!({"user": "admin", "password": edge.password}).to_string();
    chosen = chosen.header(header::USER_AGENT, "browser/1");
    let answer = edge.send(chosen.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie");
    let flags: Vec<&str> = cookie.split("; ").skip(1).collect();
    assert_eq!(flags, ["Path=/", "HttpOnly", "SameSite=Strict"], "{cookie}");
    assert!(!cookie.contains("chosen"), "{cookie}");
    Contract::read().check_answer("post", "/session", "200", &answer.json(), "signing in");
    assert_eq!(
        answer.json()["permissions"].as_array().unwrap().len(),
        5,
        "an administrator may do everything"
    );
    assert_eq!(attempts(&edge), [("admin".to_owned(), 200)]);

    let first = edge.sign_in().await;
    let again = Request::post("/api/v1/session")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, &first.cookie);
    let body = json!({"user": "admin", "password": edge.password}).to_string();
    assert_eq!(edge.send(again.body(Body::from(body)).unwrap()).await.status, 200);
    edge.get(&first, "/api/v1/home").await.error(401, "unauthenticated");

    let secure = Edge::at("https://portal.example.org").await;
    let answer = secure.try_sign_in([127, 0, 0, 1], "admin", &secure.password).await;
    assert!(answer.header("set-cookie").contains("; Secure"), "{answer:?}");
}

#[tokio::test]
async fn wrong_passwords_are_recorded_and_slowed_down() {
    let edge = Edge::start().await;
    for attempt in 0..5 {
        let user = ["admin", "nobody"][attempt % 2];
        let answer = edge.try_sign_in([192, 0, 2, 1], user, "wrong").await;
        assert_eq!(answer.error(401, "unauthenticated"), "user or password is wrong");
    }
    assert_eq!(attempts(&edge).iter().filter(|(_, code)| *code == 401).count(), 5);
    let message = edge
        .try_sign_in([192, 0, 2, 1], "admin", &edge.password)
        .await
        .error(429, "too_many_requests");
    assert!(message.contains("try again in"), "{message}");
    assert_eq!(attempts(&edge).len(), 5, "what waits is not tried");
    // The same limit by Git's door, and others do not wait.
    let path = "/git/x.git/info/refs?service=git-upload-pack";
    assert_eq!(
        edge.git([192, 0, 2, 1], path, "admin", &edge.password).await.status,
        429
    );
    assert_eq!(
        edge.try_sign_in([192, 0, 2, 2], "admin", &edge.password).await.status,
        200
    );
    for _ in 0..5 {
        assert_eq!(edge.git([192, 0, 2, 3], path, "admin", "wrong").await.status, 401);
    }
    assert_eq!(edge.git([192, 0, 2, 3], path, "admin", "wrong").await.status, 429);
    assert!(
        edge.try_sign_in([192, 0, 2, 3], "admin", "x")
            .await
            .error(429, "too_many_requests")
            .contains("too many")
    );
    assert_eq!(attempts(&edge).iter().filter(|(_, code)| *code == 401).count(), 10);
}

#[tokio::test]
async fn changes_need_the_token_of_the_page() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    let other = edge.sign_in().await;
    let path = "/api/v1/policies/playground";
    let body = json!({"resource": "", "policy": ""});
    for csrf in ["", "guessed", &other.csrf] {
        let forged = Browser {
            cookie: browser.cookie.clone(),
            csrf: csrf.into(),
        };
        edge.post(&forged, path, &body).await.error(403, "csrf");
    }
    assert_eq!(edge.post(&browser, path, &body).await.status, 200);
    let out = Request::delete("/api/v1/session").header(header::COOKIE, &browser.cookie);
    edge.send(out.body(Body::empty()).unwrap()).await.error(403, "csrf");
    let out = Request::delete("/api/v1/session")
        .header(header::COOKIE, &browser.cookie)
        .header("x-csrf-token", &browser.csrf);
    let answer = edge.send(out.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{answer:?}");
    edge.get(&browser, "/api/v1/session")
        .await
        .error(401, "unauthenticated");
    assert_eq!(edge.get(&other, "/api/v1/session").await.status, 200);
}

#[tokio::test]
async fn errors_have_one_shape() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    edge.plain(Method::GET, "/api/v1/nothing").await.error(404, "not_found");
    edge.plain(Method::GET, "/api/v2/home").await.error(404, "not_found");
    edge.get(&browser, "/api/v1/applications/gone")
        .await
        .error(404, "not_found");
    edge.get(&browser, "/api/v1/audit/entries/999999")
        .await
        .error(404, "not_found");
    edge.get(&browser, "/api/v1/audit/entries/x")
        .await
        .error(400, "invalid");
    edge.get(&browser, "/api/v1/audit/entries?from=yesterday")
        .await
        .error(422, "invalid");
    edge.get(&browser, "/api/v1/audit/entries?cursor=x")
        .await
        .error(422, "invalid");
    let wrong = edge.post(&browser, "/api/v1/home", &json!({})).await;
    assert!(wrong.error(405, "invalid").contains("POST"), "{wrong:?}");
    assert!(wrong.header("allow").contains("GET"), "{wrong:?}");
    let path = "/api/v1/policies/playground";
    assert!(
        edge.post(&browser, path, &json!({"resource": ""}))
            .await
            .error(422, "invalid")
            .contains("policy")
    );
    let large = json!({"resource": "x".repeat(4 << 20), "policy": ""});
    assert!(
        edge.post(&browser, path, &large)
            .await
            .error(413, "invalid")
            .contains("4 MiB")
    );
    let form = Request::post("/api/v1/session").header(header::CONTENT_TYPE, "text/plain");
    let body = json!({"user": "admin", "password": edge.password}).to_string();
    let answer = edge.send(form.body(Body::from(body)).unwrap()).await;
    assert!(
        answer.error(415, "invalid").contains("Content-Type"),
        "pages elsewhere sign nobody in"
    );
}

#[tokio::test]
async fn files_carry_their_policy_and_are_only_read() {
    let edge = Edge::start().await;
    for path in ["/", "/applications/checkout", "/api", "/..%2f..%2fetc/passwd"] {
        let answer = edge.plain(Method::GET, path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains("portal"), "{path} is the entry page: {answer:?}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'self'") && policy.contains("script-src 'self';"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
    assert_eq!(edge.plain(Method::POST, "/").await.status, 405);
    for path in [
        "/git/..%2fetc.git/info/refs?service=git-upload-pack",
        "/git/../accounts.json",
    ] {
        let answer = edge.git([127, 0, 0, 1], path, "admin", &edge.password).await;
        assert!(answer.status.is_client_error(), "{path}: {answer:?}");
    }
}

const READERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
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
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: auditors}
rules:
- {nonResourceURLs: [/audit, /metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: auditors}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: auditors}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: olga}]
";

#[tokio::test]
async fn rights_come_from_roles() {
    let edge = Edge::start().await;
    edge.apply(READERS).await;
    for (token, user, groups) in [
        ("t-eve", "eve", &[][..]),
        ("t-rita", "rita", &["readers"][..]),
        ("t-olga", "olga", &[][..]),
    ] {
        edge.authenticator
            .add_token(token, Identity::user(user, groups, "test"));
    }
    edge.repositories.create("shop").await.unwrap();
    let run = json!({"parameters": {"name": "basket", "owner": "group:default/checkout"}});
    let (read, push) = (
        "/git/shop.git/info/refs?service=git-upload-pack",
        "/git/shop.git/info/refs?service=git-receive-pack",
    );
    for (method, path, body, [eve, rita, olga]) in [
        (Method::GET, "/api/v1/applications", Value::Null, [403, 200, 403]),
        (Method::GET, "/api/v1/audit/entries", Value::Null, [403, 403, 200]),
        (Method::GET, "/api/v1/audit/entries/0", Value::Null, [403, 403, 200]),
        (Method::POST, "/api/v1/audit/verify", Value::Null, [403, 403, 200]),
        (Method::GET, "/api/v1/events", Value::Null, [403, 0, 403]),
        (Method::GET, "/metrics", Value::Null, [403, 403, 200]),
        (
            Method::POST,
            "/api/v1/templates/golden-service/runs",
            run,
            [403, 403, 403],
        ),
        (Method::GET, read, Value::Null, [403, 200, 403]),
        (Method::GET, push, Value::Null, [403, 403, 403]),
        (
            Method::POST,
            "/git/shop.git/git-receive-pack",
            Value::Null,
            [403, 403, 403],
        ),
    ] {
        for (token, wanted) in [("t-eve", eve), ("t-rita", rita), ("t-olga", olga)] {
            if wanted > 0 {
                let answer = edge.by_token(token, method.clone(), path, &body).await;
                assert_eq!(answer.status, wanted, "{token} {method} {path}: {answer:?}");
            }
        }
    }
    assert!(!edge.repositories.exists("basket"));
    edge.by_token("unknown", Method::GET, "/api/v1/home", &Value::Null)
        .await
        .error(401, "unauthenticated");
    let home = edge
        .by_token("t-rita", Method::GET, "/api/v1/home", &Value::Null)
        .await
        .json();
    assert_eq!(
        home["changes"],
        json!([]),
        "the ledger is not told on the first page either"
    );

    let browser = edge.sign_in().await;
    assert_eq!(
        edge.get(&browser, read).await.status,
        401,
        "a page's cookie opens no repository"
    );
    let disguised = Request::get("/api/v1/home")
        .header(header::COOKIE, &browser.cookie)
        .header("impersonate-user", "eve");
    edge.send(disguised.body(Body::empty()).unwrap())
        .await
        .error(403, "forbidden");
}

#[tokio::test]
async fn metrics_are_those_of_the_edge_and_of_the_plane() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    let text = edge.get(&browser, "/metrics").await.text;
    for name in [
        "ridgeway_http_requests_total{",
        "ridgeway_ledger_size",
        "ridgeway_build_info{",
        "apiserver_",
    ] {
        assert!(text.contains(name), "no {name} in {text}");
    }
    assert!(!text.contains("# EOF"), "two parts, no end between them: {text}");
    let sample = |line: &&str| !line.is_empty() && !line.starts_with('#');
    for line in text.lines().filter(sample) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}
