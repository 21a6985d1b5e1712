//! The plane over HTTP: what clients other than kubectl rely on.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use ridgeway_apiserver::{bind, router, serve};
use ridgeway_doc::{Doc, Node};
use support::server::{Answer, MAPS, Server, request};
use support::yaml;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The next event of a watch.
async fn event(body: &mut Body) -> Option<Doc> {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame())
        .await
        .expect("an event in time")?;
    let bytes = frame.unwrap().into_data().unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'), "one line an event");
    Some(Doc::parse_json(&bytes).unwrap())
}

fn shown(event: &Doc) -> String {
    let text = |path: &[&str]| event.root().str_at(path).unwrap_or_default();
    format!("{} {}", text(&["type"]), text(&["object", "metadata", "name"]))
}

#[tokio::test]
async fn who_is_asking() {
    let server = Server::start().await;
    let anonymous = server
        .send(Request::get("/api/v1/namespaces").body(Body::empty()).unwrap())
        .await;
    assert_eq!(anonymous.code, 401);
    assert_eq!(anonymous.headers["www-authenticate"], "Bearer");
    assert_eq!(anonymous.text(&["reason"]), "Unauthorized");
    assert_eq!(
        server
            .send(Request::get("/readyz").body(Body::empty()).unwrap())
            .await
            .code,
        200
    );
    let wrong = server
        .send(request("GET", "/api", "guess").body(Body::empty()).unwrap())
        .await;
    assert_eq!(wrong.code, 401);
    let bob = server
        .send(request("GET", "/api/v1/nodes", "bob").body(Body::empty()).unwrap())
        .await;
    assert_eq!(bob.code, 403);
    assert_eq!(
        bob.text(&["message"]),
        "nodes is forbidden: User \"bob\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
    );
    assert!(bob.headers.contains_key("audit-id"));
    let as_bob = |token: &str, user: &str, group: &str| {
        let mut builder = request("GET", "/api/v1/nodes", token).header("impersonate-user", user);
        if !group.is_empty() {
            builder = builder.header("impersonate-group", group);
        }
        builder.body(Body::empty()).unwrap()
    };
    assert!(
        server
            .send(as_bob("root", "bob", ""))
            .await
            .text(&["message"])
            .contains("User \"bob\" cannot list")
    );
    assert_eq!(server.send(as_bob("root", "bob", "system:masters")).await.code, 200);
    let refused = server.send(as_bob("bob", "root", "")).await;
    assert_eq!(refused.code, 403);
    assert!(
        refused
            .text(&["message"])
            .contains("cannot impersonate resource \"users\""),
        "{}",
        refused.text(&["message"])
    );
}

#[tokio::test]
async fn discovery_and_schemas() {
    let server = Server::start().await;
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let core = server.accept("/api", aggregated).await;
    assert!(
        core.headers["content-type"]
            .to_str()
            .unwrap()
            .contains("as=APIGroupDiscoveryList")
    );
    let doc = core.doc();
    let version = doc
        .root()
        .get("items")
        .unwrap()
        .item(0)
        .unwrap()
        .get("versions")
        .unwrap()
        .item(0)
        .unwrap();
    let pods = version
        .get("resources")
        .unwrap()
        .items()
        .find(|r| r.str_at(&["resource"]) == Some("pods"))
        .unwrap();
    assert_eq!(
        (pods.str_at(&["scope"]), pods.str_at(&["responseKind", "kind"])),
        (Some("Namespaced"), Some("Pod"))
    );
    assert!(
        pods.get("subresources")
            .unwrap()
            .items()
            .any(|s| s.str_at(&["subresource"]) == Some("log"))
    );
    assert_eq!(server.get("/api").await.text(&["kind"]), "APIVersions");
    assert_eq!(server.get("/apis").await.text(&["kind"]), "APIGroupList");
    assert_eq!(server.get("/apis/apps/v1").await.text(&["kind"]), "APIResourceList");
    assert_eq!(server.get("/apis/nothing/v1").await.code, 404);
    let index = server.get("/openapi/v3").await;
    let url = index.text(&["paths", "apis/apps/v1", "serverRelativeURL"]);
    assert!(url.starts_with("/openapi/v3/apis/apps/v1?hash="), "{url}");
    let schema = server.get(&url).await.doc();
    let schemas = schema.root().at(&["components", "schemas"]).unwrap();
    assert!(schemas.get("io.k8s.api.apps.v1.Deployment").is_some());
    assert_eq!(server.get("/version").await.text(&["major"]), "1");
    assert!(
        String::from_utf8(server.get("/metrics").await.body)
            .unwrap()
            .contains("apiserver_request_total{verb=\"get\"")
    );
}

#[tokio::test]
async fn lists_come_in_pages_tables_and_metadata() {
    let server = Server::start().await;
    for name in ["a", "bb", "c", "dd", "e"] {
        assert_eq!(server.config(name).await.code, 201);
    }
    let first = server.get(&format!("{MAPS}?limit=2")).await;
    let token = first.text(&["metadata", "continue"]);
    assert_eq!(
        first
            .doc()
            .root()
            .at(&["metadata", "remainingItemCount"])
            .and_then(Node::as_i64),
        Some(3)
    );
    // A page is of the revision of the first one, whatever happened since.
    server.config("cc").await;
    let second = server.get(&format!("{MAPS}?limit=9&continue={token}")).await;
    let names = |answer: &Answer| -> Vec<String> {
        let doc = answer.doc();
        doc.root()
            .get("items")
            .unwrap()
            .items()
            .map(|i| i.str_at(&["metadata", "name"]).unwrap().to_owned())
            .collect()
    };
    assert_eq!([names(&first), names(&second)].concat(), ["a", "bb", "c", "dd", "e"]);
    assert_eq!(
        first.text(&["metadata", "resourceVersion"]),
        second.text(&["metadata", "resourceVersion"])
    );
    // A token is good for its own list only.
    assert_eq!(server.get(&format!("/api/v1/secrets?continue={token}")).await.code, 400);
    assert_eq!(server.get(&format!("{MAPS}?continue=nonsense")).await.code, 400);
    let even = server.get(&format!("{MAPS}?labelSelector=even%3Dtrue&limit=1")).await;
    assert_eq!(names(&even), ["bb"]);
    let rest = server
        .get(&format!(
            "{MAPS}?labelSelector=even%3Dtrue&continue={}",
            even.text(&["metadata", "continue"])
        ))
        .await;
    assert_eq!(names(&rest), ["cc", "dd"]);
    assert_eq!(
        names(&server.get(&format!("{MAPS}?fieldSelector=metadata.name%3Dc")).await),
        ["c"]
    );
    assert_eq!(server.get(&format!("{MAPS}?labelSelector=%3D%3D")).await.code, 400);
    let future = server.get(&format!("{MAPS}?resourceVersion=99999")).await;
    assert_eq!(future.code, 504);
    assert!(future.text(&["message"]).contains("Too large resource version"));
    let table = server
        .accept(MAPS, "application/json;as=Table;g=meta.k8s.io;v=v1,application/json")
        .await
        .doc();
    let columns: Vec<_> = table
        .root()
        .get("columnDefinitions")
        .unwrap()
        .items()
        .map(|c| c.str_at(&["name"]).unwrap().to_owned())
        .collect();
    assert_eq!(columns, ["Name", "Data", "Age"]);
    let row = table.root().get("rows").unwrap().item(0).unwrap();
    assert_eq!(row.get("cells").unwrap().to_json(), r#"["a",0,"0s"]"#);
    assert_eq!(row.str_at(&["object", "kind"]), Some("PartialObjectMetadata"));
    let metadata = server
        .accept(MAPS, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        .await;
    assert_eq!(metadata.text(&["kind"]), "PartialObjectMetadataList");
    let exact = server
        .get(&format!(
            "{MAPS}?resourceVersion={}&resourceVersionMatch=Exact",
            first.text(&["metadata", "resourceVersion"])
        ))
        .await;
    assert_eq!(names(&exact), ["a", "bb", "c", "dd", "e"]);
}

#[tokio::test]
async fn watches_begin_with_what_is_there_and_mark_where_they_are() {
    let server = Server::start().await;
    server.config("a").await;
    let watch = |query: &str| {
        request("GET", &format!("{MAPS}?watch=1&{query}"), "root")
            .body(Body::empty())
            .unwrap()
    };
    let mut streaming = server
        .open(watch(
            "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan",
        ))
        .await
        .into_body();
    assert_eq!(shown(&event(&mut streaming).await.unwrap()), "ADDED a");
    let end = event(&mut streaming).await.unwrap();
    assert_eq!(end.root().str_at(&["type"]), Some("BOOKMARK"));
    assert_eq!(
        end.root()
            .str_at(&["object", "metadata", "annotations", "k8s.io/initial-events-end"]),
        Some("true")
    );
    let from = end
        .root()
        .str_at(&["object", "metadata", "resourceVersion"])
        .unwrap()
        .to_owned();
    server.config("b").await;
    assert_eq!(shown(&event(&mut streaming).await.unwrap()), "ADDED b");
    let mut resumed = server
        .open(watch(&format!("resourceVersion={from}&timeoutSeconds=1")))
        .await
        .into_body();
    assert_eq!(shown(&event(&mut resumed).await.unwrap()), "ADDED b");
    server
        .send(
            request("DELETE", &format!("{MAPS}/b"), "root")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    let deleted = event(&mut resumed).await.unwrap();
    assert_eq!(shown(&deleted), "DELETED b");
    let version: u64 = deleted
        .root()
        .str_at(&["object", "metadata", "resourceVersion"])
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(version, server.plane.revision(), "a deletion has a revision of its own");
    assert!(event(&mut resumed).await.is_none(), "the time is up");
    // What has been compacted is said to be gone.
    server
        .plane
        .store()
        .compact(ridgeway_store::Revision(version))
        .await
        .unwrap();
    let old = server.send(watch(&format!("resourceVersion={from}"))).await;
    assert_eq!((old.code, old.text(&["reason"])), (StatusCode::GONE, "Expired".into()));
    assert_eq!(server.send(watch("resourceVersion=999999")).await.code, 504);
    assert_eq!(server.send(watch("resourceVersion=x")).await.code, 400);
}

#[tokio::test]
async fn bodies_and_their_faults() {
    let server = Server::start().await;
    let send = |content: &str, body: &str| {
        request("POST", MAPS, "root")
            .header("content-type", content)
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    assert_eq!(
        server
            .send(send("application/yaml", "metadata: {name: yam}\n"))
            .await
            .code,
        201
    );
    let broken = server.send(send("application/json", "{\"metadata\":")).await;
    assert_eq!(broken.code, 400);
    assert_eq!(server.send(send("text/csv", "a,b")).await.code, 415);
    assert_eq!(server.send(send("application/json", "")).await.code, 400);
    assert_eq!(server.send(send("application/json", "[]")).await.code, 400);
    let large = format!(
        "{{\"metadata\":{{\"name\":\"l\"}},\"data\":{{\"k\":\"{}\"}}}}",
        "x".repeat(4 << 20)
    );
    assert_eq!(server.send(send("application/json", &large)).await.code, 413);
    let wrong = server.post(MAPS, "{kind: Secret, metadata: {name: s}}").await;
    assert!(
        wrong
            .text(&["message"])
            .contains("does not match the expected kind (ConfigMap)")
    );
    let elsewhere = server.post(MAPS, "{metadata: {name: s, namespace: other}}").await;
    assert!(
        elsewhere
            .text(&["message"])
            .contains("does not match the namespace sent on the request")
    );
    let missing = server
        .post("/api/v1/namespaces/nowhere/configmaps", "{metadata: {name: s}}")
        .await;
    assert_eq!(
        (missing.code, missing.text(&["message"])),
        (StatusCode::NOT_FOUND, "namespaces \"nowhere\" not found".into())
    );
    let nameless = server.post(MAPS, "{metadata: {}}").await;
    assert_eq!(nameless.code, 422);
    let generated = server.post(MAPS, "{metadata: {generateName: job-}}").await;
    assert_eq!(generated.text(&["metadata", "name"]).len(), "job-".len() + 5);
    let bad_name = server.post(MAPS, "{metadata: {name: Not_A_Name}}").await;
    assert_eq!(bad_name.code, 422);
    let warned = server.post(MAPS, "{metadata: {name: w}, colour: red}").await;
    assert_eq!(warned.headers["warning"], r#"299 - "unknown field \"colour\"""#);
    let strict = server
        .post(
            &format!("{MAPS}?fieldValidation=Strict"),
            "{metadata: {name: w2}, colour: red}",
        )
        .await;
    assert_eq!(strict.code, 400);
    let dry = server
        .post(&format!("{MAPS}?dryRun=All"), "{metadata: {name: d}}")
        .await;
    assert_eq!(dry.code, 201);
    assert_eq!(server.get(&format!("{MAPS}/d")).await.code, 404);
    let method = server
        .send(
            request("POST", &format!("{MAPS}/yam"), "root")
                .body("{}".into())
                .unwrap(),
        )
        .await;
    assert_eq!(method.code, 405);
    assert_eq!(server.get("/api/v1/namespaces/default/widgets").await.code, 404);
    assert_eq!(server.get("/apis/apps/v2/deployments").await.code, 404);
}

#[tokio::test]
async fn deletions_one_by_one_in_dry_runs_and_in_bulk() {
    let server = Server::start().await;
    for name in ["a", "bb", "c", "dd"] {
        server.config(name).await;
    }
    let delete = |path: &str, body: &str| {
        let body = if body.is_empty() {
            String::new()
        } else {
            yaml(body).to_json()
        };
        request("DELETE", path, "root").body(Body::from(body)).unwrap()
    };
    let dry = server
        .send(delete(
            &format!("{MAPS}/a"),
            "{kind: DeleteOptions, apiVersion: v1, dryRun: [All]}",
        ))
        .await;
    assert_eq!(dry.code, 200);
    assert_eq!(
        server.get(&format!("{MAPS}/a")).await.code,
        200,
        "a dry run deletes nothing"
    );
    let pinned = server
        .send(delete(&format!("{MAPS}/a"), "{preconditions: {uid: other}}"))
        .await;
    assert_eq!(pinned.code, 409);
    let done = server.send(delete(&format!("{MAPS}/a"), "")).await;
    assert_eq!(
        (done.text(&["status"]), done.text(&["details", "name"])),
        ("Success".into(), "a".into())
    );
    assert_eq!(server.send(delete(&format!("{MAPS}/a"), "")).await.code, 404);
    let many = server
        .send(delete(&format!("{MAPS}?labelSelector=even%3Dtrue"), ""))
        .await;
    assert_eq!(many.doc().root().get("items").unwrap().len(), 2);
    let left = server.get(MAPS).await.doc();
    assert_eq!(left.root().get("items").unwrap().len(), 1);
    let nonsense = server
        .send(delete(&format!("{MAPS}/c"), "{propagationPolicy: Sometimes}"))
        .await;
    assert_eq!(nonsense.code, 400);
}

#[tokio::test]
async fn the_listener_stops_at_once_even_with_open_watches() {
    let server = Server::start().await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = bind(address).await.unwrap_err().to_string();
    assert!(taken.contains("is already in use"), "{taken}");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = router(server.plane.clone(), server.authenticator.clone());
    let running = tokio::spawn(serve(listener, app, None, async { drop(stopped.await) }));
    let mut watch = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!("GET {MAPS}?watch=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer root\r\n\r\n");
    watch.write_all(head.as_bytes()).await.unwrap();
    let mut begin = [0; 15];
    watch.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    let idle = tokio::net::TcpStream::connect(address).await.unwrap();
    let started = Instant::now();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let mut rest = Vec::new();
    watch.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the watch ended cleanly");
    drop(idle);
}
