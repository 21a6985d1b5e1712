//! Every answer of the running demo organisation is as `openapi.json` says.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod edge;

use std::time::{Duration, Instant};

use edge::schema::Contract;
use edge::{Browser, Edge, encode};
use ridgeway_cluster::WriteOptions;
use ridgeway_doc::parse_yaml;
use serde_json::{Value, json};

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let items = value["items"].as_array().unwrap();
    let found: Vec<String> = items
        .iter()
        .filter_map(|item| item.pointer(pointer))
        .map(|v| v.to_string().replace('"', ""))
        .collect();
    assert!(!found.is_empty(), "nothing at {pointer} in {value:.300}");
    found
}

/// The addresses that a path of the contract stands for here.
async fn addresses(edge: &Edge, browser: &Browser, path: &str) -> Vec<String> {
    let list = async |of: &str| edge.get(browser, &format!("/api/v1{of}")).await.json();
    let put = |name: &str, values: Vec<String>| values.iter().map(|value| path.replace(name, &encode(value))).collect();
    match path {
        "/applications/{name}" => put("{name}", texts(&list("/applications").await, "/name")),
        "/applications/{name}/object" => {
            let mut all = vec![format!(
                "/applications/checkout-staging/object?key={}",
                encode("apps/Deployment/checkout-staging/gone")
            )];
            for name in texts(&list("/applications").await, "/name") {
                let detail = list(&format!("/applications/{name}")).await;
                let keys = detail["tree"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|node| node["ref"]["key"].as_str().unwrap());
                all.extend(keys.map(|key| format!("/applications/{name}/object?key={}", encode(key))));
            }
            assert!(all.len() > 10, "{all:?}");
            all
        }
        "/policies/{id}" => put("{id}", texts(&list("/policies").await, "/id")),
        "/audit/entries/{index}" => put("{index}", texts(&list("/audit/entries?limit=40").await, "/index")),
        "/audit/entries" => [
            "",
            "?q=checkout&limit=3",
            "?verb=sign-in",
            "?cursor=40&limit=5",
            "?outcome=refused",
            "?object=Pod",
        ]
        .map(|query| format!("/audit/entries{query}"))
        .to_vec(),
        "/catalog/entities/{kind}/{namespace}/{name}" => {
            let all = list("/catalog/entities").await;
            let parts = ["kind", "namespace", "name"].map(|part| texts(&all, &format!("/{part}")));
            (0..parts[0].len())
                .map(|i| format!("/catalog/entities/{}/{}/{}", parts[0][i], parts[1][i], parts[2][i]))
                .collect()
        }
        "/templates/{name}" => put("{name}", texts(&list("/templates").await, "/name")),
        "/runs/{id}" => put("{id}", texts(&list("/runs").await, "/id")),
        plain => {
            assert!(!plain.contains('{'), "tell this test what {plain} stands for");
            vec![plain.to_owned()]
        }
    }
}

async fn run_a_golden_path(edge: &Edge, browser: &Browser, contract: &Contract) {
    let values = json!({"parameters": {"name": "basket", "owner": "group:default/checkout"}});
    let preview = edge
        .post(browser, "/api/v1/templates/golden-service/preview", &values)
        .await;
    let path = "/templates/{name}/preview";
    contract.check_answer("post", path, "200", &preview.json(), "a preview");
    assert!(
        !preview.json()["files"].as_array().unwrap().is_empty(),
        "{}",
        preview.text
    );
    let started = edge
        .post(browser, "/api/v1/templates/golden-service/runs", &values)
        .await;
    assert_eq!(started.status, 202, "{}", started.text);
    contract.check_answer("post", "/templates/{name}/runs", "202", &started.json(), "a run");
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let began = Instant::now();
    loop {
        let run = edge.get(browser, &format!("/api/v1/runs/{id}")).await.json();
        match run["state"].as_str() {
            Some("succeeded") => break,
            Some("running") => assert!(began.elapsed() < Duration::from_secs(20), "{run:#}"),
            _ => panic!("{run:#}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = edge
        .post(browser, "/api/v1/templates/golden-service/runs", &values)
        .await;
    assert!(again.error(409, "conflict").contains("basket"));
}

async fn break_rules(edge: &Edge) {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: bad, namespace: checkout-staging}, \
               spec: {containers: [{name: a, image: nginx}]}}";
    let object = parse_yaml(pod).unwrap()[0].root().to_value();
    let refused = edge
        .admin
        .apply(object, WriteOptions::by("kubectl", None).forced())
        .await;
    assert!(refused.is_err(), "the demo's policies refuse it");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_contract_says() {
    let (edge, contract) = (Edge::with_demo().await, Contract::read());
    let browser = edge.sign_in().await;
    run_a_golden_path(&edge, &browser, &contract).await;
    break_rules(&edge).await;
    let mut checked = 0;
    for (path, operations) in contract.0["paths"].as_object().unwrap() {
        if operations["get"].is_null() || path == "/events" {
            continue;
        }
        for address in addresses(&edge, &browser, path).await {
            let answer = edge.get(&browser, &format!("/api/v1{address}")).await;
            assert_eq!(answer.status, 200, "{address}: {}", answer.text);
            assert_eq!(answer.header("cache-control"), "no-store", "{address}");
            contract.check_answer("get", path, "200", &answer.json(), &address);
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked} addresses");
    changes_are_as_the_contract_says(&edge, &browser, &contract).await;
}

async fn changes_are_as_the_contract_says(edge: &Edge, browser: &Browser, contract: &Contract) {
    let detail = edge.get(browser, "/api/v1/applications/checkout-staging").await.json();
    let id = detail["history"][0]["id"].clone();
    let resource = "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: a, image: nginx}]}}";
    let policy = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/demo/platform/cluster/policies/require-resource-limits.yaml"
    ))
    .unwrap();
    let staging = "/applications/{name}/sync";
    for (path, address, status, body) in [
        (
            "/policies/playground",
            "/policies/playground",
            "200",
            json!({"resource": resource, "policy": policy}),
        ),
        (
            "/policies/playground",
            "/policies/playground",
            "200",
            json!({"resource": "{", "policy": "kind: ["}),
        ),
        ("/audit/verify", "/audit/verify", "200", json!({})),
        (
            "/promotions",
            "/promotions",
            "201",
            json!({"entity": detail["entity"], "to": "production"}),
        ),
        (
            "/applications/{name}/rollback",
            "/applications/checkout-staging/rollback",
            "202",
            json!({"historyId": id}),
        ),
        (staging, "/applications/platform/sync", "202", json!({"dryRun": true})),
    ] {
        let answer = edge.post(browser, &format!("/api/v1{address}"), &body).await;
        assert_eq!(answer.status.as_str(), status, "{address}: {}", answer.text);
        contract.check_answer("post", path, status, &answer.json(), address);
        if path == "/audit/verify" {
            assert_eq!(answer.json()["ok"], true, "{}", answer.text);
        }
        if body["resource"] == "{" {
            assert_eq!(
                answer.json()["problems"].as_array().unwrap().len(),
                2,
                "{}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn a_page_of_a_form_keeps_its_authors_order() {
    let edge = Edge::start().await;
    let browser = edge.sign_in().await;
    let text = edge.get(&browser, "/api/v1/templates/golden-service").await.text;
    let place = |name: &str| {
        text.find(&format!("{name:?}:{{"))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    let places = ["name", "description", "owner", "image", "version", "port", "callers"].map(place);
    assert!(places.is_sorted(), "{places:?} {text}");
}
