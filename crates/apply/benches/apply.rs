//! Server-side apply of a Deployment: new, unchanged, and with a new image.

use divan::{Bencher, black_box};
use ridgeway_apply::{apply, update};
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{Gvk, Kind, KindTable};

fn main() {
    divan::main();
}

fn deployment(image: &str) -> Doc {
    let containers: Vec<String> = (0..3)
        .map(|i| {
            format!(
                r#"{{"name":"c{i}","image":"{image}","ports":[{{"containerPort":{port},"protocol":"TCP"}}],
                "env":[{{"name":"A","value":"1"}},{{"name":"B","value":"2"}},{{"name":"C","value":"3"}}],
                "resources":{{"requests":{{"cpu":"100m","memory":"64Mi"}},"limits":{{"cpu":"1","memory":"1Gi"}}}},
                "volumeMounts":[{{"name":"data","mountPath":"/data"}}]}}"#,
                port = 8080 + i
            )
        })
        .collect();
    let text = format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop","labels":{{"app":"web","team":"checkout"}}}},
        "spec":{{"replicas":3,"selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},
        "spec":{{"containers":[{}],"volumes":[{{"name":"data","emptyDir":{{}}}}]}}}}}}}}"#,
        containers.join(",")
    );
    Doc::parse_json(text.as_bytes()).expect("the text above is JSON")
}

fn stored(kind: &Kind) -> Doc {
    let config = deployment("nginx:1");
    let applied = apply(
        None,
        config.root(),
        kind.schema(),
        "ci",
        false,
        "",
        "2024-01-01T00:00:00Z",
    );
    let mut object = applied.expect("nobody else owns a new object").object;
    if let Some(schema) = kind.schema() {
        ridgeway_schema::default(schema, &mut object);
    }
    let mut with_status = object.clone();
    with_status.set(&["status", "replicas"], 3i64);
    with_status.set(&["status", "conditions"], Value::array());
    let booked = update(
        Some(object.node()),
        with_status.node(),
        kind.schema(),
        "controller",
        "status",
        "2024-01-01T00:00:01Z",
    );
    // As the store gives it: one parsed document.
    Doc::parse_json(booked.expect("updates do not conflict").to_json().as_bytes()).expect("what was written is JSON")
}

fn kind() -> std::sync::Arc<Kind> {
    KindTable::builtin()
        .get(&Gvk::new("apps", "v1", "Deployment"))
        .expect("a built-in kind")
}

#[divan::bench]
fn create(bencher: Bencher<'_, '_>) {
    let (kind, config) = (kind(), deployment("nginx:1"));
    bencher.bench(|| apply(None, black_box(config.root()), kind.schema(), "ci", false, "", "t"));
}

#[divan::bench]
fn unchanged(bencher: Bencher<'_, '_>) {
    let (kind, config) = (kind(), deployment("nginx:1"));
    let live = stored(&kind);
    bencher.bench(|| {
        apply(
            Some(live.root()),
            black_box(config.root()),
            kind.schema(),
            "ci",
            false,
            "",
            "t",
        )
    });
}

#[divan::bench]
fn new_image(bencher: Bencher<'_, '_>) {
    let (kind, config) = (kind(), deployment("nginx:2"));
    let live = stored(&kind);
    bencher.bench(|| {
        apply(
            Some(live.root()),
            black_box(config.root()),
            kind.schema(),
            "ci",
            false,
            "",
            "t",
        )
    });
}

#[divan::bench]
fn status_update(bencher: Bencher<'_, '_>) {
    let kind = kind();
    let live = stored(&kind);
    let mut new = live.root().to_value();
    new.set(&["status", "readyReplicas"], 3i64);
    bencher.bench(|| {
        update(
            Some(live.root()),
            black_box(new.node()),
            kind.schema(),
            "controller",
            "status",
            "t",
        )
    });
}

#[divan::bench]
fn default_unchanged(bencher: Bencher<'_, '_>) {
    let kind = kind();
    let live = stored(&kind);
    bencher.bench(|| {
        let mut object = live.root().to_value();
        ridgeway_schema::default(kind.schema().expect("a built-in kind"), black_box(&mut object));
        object
    });
}

#[divan::bench]
fn validate(bencher: Bencher<'_, '_>) {
    let kind = kind();
    let live = stored(&kind);
    bencher.bench(|| ridgeway_schema::validate(kind.schema().expect("a built-in kind"), black_box(live.root()), None));
}
