//! Server-side apply as stories: who does what to an object, and what the object and its owners are afterwards.

#![allow(clippy::unwrap_used, reason = "a test's way to fail")]

use std::fmt::Write;

use expect_test::{Expect, expect};
use ridgeway_apply::{ApplyError, apply, update};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, KindTable, SchemaSet};

const T: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];

/// A custom kind with one of each way to merge.
const CUSTOM: &str = r#"{"type":"object","properties":{"spec":{"type":"object","properties":{
    "n":{"type":"integer"},"s":{"type":"string"},
    "set":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
    "atomic":{"type":"array","items":{"type":"string"}},
    "map":{"type":"object","additionalProperties":{"type":"object","properties":{"v":{"type":"integer"},"w":{"type":"integer"}}}},
    "atom":{"type":"object","x-kubernetes-map-type":"atomic","additionalProperties":{"type":"string"}},
    "part":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}},
    "list":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k","p"],"items":{"type":"object",
        "properties":{"k":{"type":"string"},"p":{"type":"string","default":"x"},"v":{"type":"integer"},
        "sub":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}}}}
}}}}"#;

struct Story<'s> {
    schemas: &'s SchemaSet,
    schema: Option<ridgeway_krm::SchemaRef<'s>>,
    live: Option<Doc>,
    step: usize,
    log: String,
}

impl<'s> Story<'s> {
    fn new(schemas: &'s mut SchemaSet, schema: &str) -> Story<'s> {
        let id = schemas.add(Doc::parse_json(schema.as_bytes()).unwrap().root()).unwrap();
        let schemas = &*schemas;
        Story {
            schemas,
            schema: Some(schemas.get(id)),
            live: None,
            step: 0,
            log: String::new(),
        }
    }

    fn object(spec: &str) -> Doc {
        let text = format!(r#"{{"apiVersion":"x.dev/v1","kind":"Thing","metadata":{{"name":"a"}},"spec":{spec}}}"#);
        Doc::parse_json(text.as_bytes()).unwrap()
    }

    fn apply(&mut self, manager: &str, force: bool, spec: &str) {
        let config = Story::object(spec);
        let result = apply(
            self.live.as_ref().map(Doc::root),
            config.root(),
            self.schema,
            manager,
            force,
            "",
            T[self.step],
        );
        let verb = if force { "force" } else { "apply" };
        match result {
            Ok(applied) => {
                let note = if applied.changed { "" } else { " (unchanged)" };
                let _ = writeln!(self.log, "{verb} {manager}{note}");
                if !applied.changed {
                    assert_eq!(Some(applied.object.node()), self.live.as_ref().map(Doc::root));
                }
                self.live = Some(applied.object.into_doc());
            }
            Err(error) => {
                let _ = writeln!(self.log, "{verb} {manager}: {error}");
            }
        }
        self.step += 1;
        self.show();
    }

    fn update(&mut self, manager: &str, edit: impl FnOnce(&mut Value)) {
        let mut new = self
            .live
            .as_ref()
            .map_or_else(|| Story::object("{}").root().to_value(), |l| l.root().to_value());
        edit(&mut new);
        let old = self.live.as_ref().map(Doc::root);
        let booked = update(old, new.node(), self.schema, manager, "", T[self.step]).unwrap();
        self.live = Some(booked.into_doc());
        let _ = writeln!(self.log, "update {manager}");
        self.step += 1;
        self.show();
    }

    fn show(&mut self) {
        let Some(live) = &self.live else { return };
        let spec = live.root().get("spec").map_or_else(|| "-".to_owned(), Node::to_json);
        let _ = writeln!(self.log, "  {spec}");
        for line in owners(live.root()) {
            let _ = writeln!(self.log, "  {line}");
        }
    }

    fn check(self, want: Expect) {
        want.assert_eq(&self.log);
    }
}

fn owners(object: Node<'_>) -> Vec<String> {
    let list = object.at(&["metadata", "managedFields"]);
    list.map(Node::items)
        .into_iter()
        .flatten()
        .map(|entry| {
            let text = |key: &str| entry.str_at(&[key]).unwrap_or_default();
            let fields = entry
                .get("fieldsV1")
                .map_or_else(String::new, Node::to_json)
                .replace("{}", "");
            format!("{} {} {}: {fields}", text("time"), text("operation"), text("manager"))
        })
        .collect()
}

#[test]
fn fields_come_stay_and_go() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.apply(
        "a",
        false,
        r#"{"n":1,"part":{"a":1,"b":1},"map":{"x":{"v":1},"y":{"v":1}}}"#,
    );
    story.apply("b", false, r#"{"part":{"b":1},"s":"t"}"#);
    story.apply("a", false, r#"{"n":1,"map":{"x":{"w":1}}}"#);
    story.apply("a", false, r#"{"n":1,"map":{"x":{"w":1}}}"#);
    story.apply("b", false, r#"{}"#);
    story.check(expect![[r#"
        apply a
          {"n":1,"part":{"a":1,"b":1},"map":{"x":{"v":1},"y":{"v":1}}}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":},"f:y":{".":,"f:v":}},"f:n":,"f:part":{"f:a":,"f:b":}}}
        apply b
          {"n":1,"part":{"a":1,"b":1},"map":{"x":{"v":1},"y":{"v":1}},"s":"t"}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":},"f:y":{".":,"f:v":}},"f:n":,"f:part":{"f:a":,"f:b":}}}
          t1 Apply b: {"f:spec":{"f:part":{"f:b":},"f:s":}}
        apply a
          {"n":1,"part":{"b":1},"map":{"x":{"w":1}},"s":"t"}
          t1 Apply b: {"f:spec":{"f:part":{"f:b":},"f:s":}}
          t2 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:w":}},"f:n":}}
        apply a (unchanged)
          {"n":1,"part":{"b":1},"map":{"x":{"w":1}},"s":"t"}
          t1 Apply b: {"f:spec":{"f:part":{"f:b":},"f:s":}}
          t2 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:w":}},"f:n":}}
        apply b
          {"n":1,"map":{"x":{"w":1}}}
          t2 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:w":}},"f:n":}}
          t4 Apply b: {"f:spec":}
    "#]]);
}

#[test]
fn conflicts_and_force() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.apply("a", false, r#"{"n":1,"s":"x"}"#);
    story.apply("b", false, r#"{"n":1}"#);
    story.apply("b", false, r#"{"n":2,"s":"y"}"#);
    story.apply("b", true, r#"{"n":2,"s":"y"}"#);
    story.update("editor", |object| object.set(&["spec", "n"], 3i64));
    story.apply("b", false, r#"{"n":2,"s":"y"}"#);
    story.check(expect![[r#"
        apply a
          {"n":1,"s":"x"}
          t0 Apply a: {"f:spec":{"f:n":,"f:s":}}
        apply b
          {"n":1,"s":"x"}
          t0 Apply a: {"f:spec":{"f:n":,"f:s":}}
          t1 Apply b: {"f:spec":{"f:n":}}
        apply b: Apply failed with 2 conflicts: conflicts with "a":
        - .spec.n
        - .spec.s
          {"n":1,"s":"x"}
          t0 Apply a: {"f:spec":{"f:n":,"f:s":}}
          t1 Apply b: {"f:spec":{"f:n":}}
        force b
          {"n":2,"s":"y"}
          t3 Apply b: {"f:spec":{"f:n":,"f:s":}}
        update editor
          {"n":3,"s":"y"}
          t3 Apply b: {"f:spec":{"f:s":}}
          t4 Update editor: {"f:spec":{"f:n":}}
        apply b: Apply failed with 1 conflict: conflict with "editor" using x.dev/v1: .spec.n
          {"n":3,"s":"y"}
          t3 Apply b: {"f:spec":{"f:s":}}
          t4 Update editor: {"f:spec":{"f:n":}}
    "#]]);
}

#[test]
fn lists_and_sets() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.apply(
        "a",
        false,
        r#"{"list":[{"k":"1","v":1},{"k":"2","p":"y","sub":["s"]}],"set":["a","b"],"atomic":["q"]}"#,
    );
    story.apply(
        "b",
        false,
        r#"{"list":[{"k":"3","v":3},{"k":"2","p":"y","v":2}],"set":["c","a"]}"#,
    );
    story.apply(
        "a",
        false,
        r#"{"list":[{"k":"1","p":"x","v":1}],"set":["b"],"atomic":["r"]}"#,
    );
    story.apply("b", false, r#"{"atomic":["z"]}"#);
    story.check(expect![[r#"
        apply a
          {"list":[{"k":"1","v":1},{"k":"2","p":"y","sub":["s"]}],"set":["a","b"],"atomic":["q"]}
          t0 Apply a: {"f:spec":{"f:atomic":,"f:list":{"k:{\"k\":\"1\",\"p\":\"x\"}":{".":,"f:k":,"f:v":},"k:{\"k\":\"2\",\"p\":\"y\"}":{".":,"f:k":,"f:p":,"f:sub":{"v:\"s\"":}}},"f:set":{"v:\"a\"":,"v:\"b\"":}}}
        apply b
          {"list":[{"k":"1","v":1},{"k":"3","v":3},{"k":"2","p":"y","sub":["s"],"v":2}],"set":["c","a","b"],"atomic":["q"]}
          t0 Apply a: {"f:spec":{"f:atomic":,"f:list":{"k:{\"k\":\"1\",\"p\":\"x\"}":{".":,"f:k":,"f:v":},"k:{\"k\":\"2\",\"p\":\"y\"}":{".":,"f:k":,"f:p":,"f:sub":{"v:\"s\"":}}},"f:set":{"v:\"a\"":,"v:\"b\"":}}}
          t1 Apply b: {"f:spec":{"f:list":{"k:{\"k\":\"2\",\"p\":\"y\"}":{".":,"f:k":,"f:p":,"f:v":},"k:{\"k\":\"3\",\"p\":\"x\"}":{".":,"f:k":,"f:v":}},"f:set":{"v:\"a\"":,"v:\"c\"":}}}
        apply a
          {"list":[{"k":"1","v":1,"p":"x"},{"k":"3","v":3},{"k":"2","p":"y","v":2}],"set":["c","a","b"],"atomic":["r"]}
          t1 Apply b: {"f:spec":{"f:list":{"k:{\"k\":\"2\",\"p\":\"y\"}":{".":,"f:k":,"f:p":,"f:v":},"k:{\"k\":\"3\",\"p\":\"x\"}":{".":,"f:k":,"f:v":}},"f:set":{"v:\"a\"":,"v:\"c\"":}}}
          t2 Apply a: {"f:spec":{"f:atomic":,"f:list":{"k:{\"k\":\"1\",\"p\":\"x\"}":{".":,"f:k":,"f:p":,"f:v":}},"f:set":{"v:\"b\"":}}}
        apply b: Apply failed with 1 conflict: conflict with "a": .spec.atomic
          {"list":[{"k":"1","v":1,"p":"x"},{"k":"3","v":3},{"k":"2","p":"y","v":2}],"set":["c","a","b"],"atomic":["r"]}
          t1 Apply b: {"f:spec":{"f:list":{"k:{\"k\":\"2\",\"p\":\"y\"}":{".":,"f:k":,"f:p":,"f:v":},"k:{\"k\":\"3\",\"p\":\"x\"}":{".":,"f:k":,"f:v":}},"f:set":{"v:\"a\"":,"v:\"c\"":}}}
          t2 Apply a: {"f:spec":{"f:atomic":,"f:list":{"k:{\"k\":\"1\",\"p\":\"x\"}":{".":,"f:k":,"f:p":,"f:v":}},"f:set":{"v:\"b\"":}}}
    "#]]);
}

#[test]
fn unreadable_configurations() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.apply("a", false, r#"{"zzz":1}"#);
    story.apply("a", false, r#"{"set":["a","a"]}"#);
    story.apply("a", false, r#"{"list":[{"v":1},{"v":2}]}"#);
    story.apply("a", false, r#"{"list":["x"]}"#);
    story.check(expect![[r#"
        apply a: failed to create typed patch object (/a; x.dev/v1, Kind=Thing): .spec.zzz: field not declared in schema
        apply a: failed to create typed patch object (/a; x.dev/v1, Kind=Thing): .spec.set: duplicate entries for key [="a"]
        apply a: failed to create typed patch object (/a; x.dev/v1, Kind=Thing): .spec.list: duplicate entries for key [p="x"]
        apply a: failed to create typed patch object (/a; x.dev/v1, Kind=Thing): .spec.list: element 0: associative list with keys has an element that's not a map
    "#]]);
}

#[test]
fn without_a_schema_maps_merge_and_lists_replace() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.schema = None;
    story.apply("a", false, r#"{"deep":{"x":1,"y":1},"list":[1,2]}"#);
    story.apply("b", false, r#"{"deep":{"z":1}}"#);
    story.apply("a", false, r#"{"list":[3]}"#);
    story.apply("b", false, r#"{"other":1}"#);
    story.check(expect![[r#"
        apply a
          {"deep":{"x":1,"y":1},"list":[1,2]}
          t0 Apply a: {"f:spec":{".":,"f:deep":{".":,"f:x":,"f:y":},"f:list":}}
        apply b
          {"deep":{"x":1,"y":1,"z":1},"list":[1,2]}
          t0 Apply a: {"f:spec":{".":,"f:deep":{".":,"f:x":,"f:y":},"f:list":}}
          t1 Apply b: {"f:spec":{".":,"f:deep":{".":,"f:z":}}}
        apply a
          {"deep":{"z":1},"list":[3]}
          t1 Apply b: {"f:spec":{".":,"f:deep":{".":,"f:z":}}}
          t2 Apply a: {"f:spec":{".":,"f:list":}}
        apply b
          {"list":[3],"other":1}
          t2 Apply a: {"f:spec":{".":,"f:list":}}
          t3 Apply b: {"f:spec":{".":,"f:other":}}
    "#]]);
}

#[test]
fn updates_take_what_they_change() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.update("creator", |object| object.set(&["spec", "n"], 1i64));
    story.update("editor", |object| {
        object.set(&["spec", "map", "x", "v"], 1i64);
        object.set(&["spec", "n"], 2i64);
    });
    story.update("editor", |object| drop(object.remove(&["spec", "map"])));
    story.update("creator", |object| {
        object.set(
            &["metadata", "managedFields"],
            [Value::object()].into_iter().collect::<Value>(),
        );
        object.set(&["spec", "s"], "z");
    });
    story.check(expect![[r#"
        update creator
          {"n":1}
          t0 Update creator: {"f:spec":{".":,"f:n":}}
        update editor
          {"n":2,"map":{"x":{"v":1}}}
          t0 Update creator: {"f:spec":}
          t1 Update editor: {"f:spec":{"f:map":{".":,"f:x":{".":,"f:v":}},"f:n":}}
        update editor
          {"n":2}
          t0 Update creator: {"f:spec":}
          t1 Update editor: {"f:spec":{"f:n":}}
        update creator
          {"n":2,"s":"z"}
          t3 Update creator: {"f:spec":{"f:s":}}
    "#]]);
}

#[test]
fn nulls_mean_nothing_where_the_type_knows_none() {
    let mut set = SchemaSet::new();
    let mut story = Story::new(&mut set, CUSTOM);
    story.apply("a", false, r#"{"n":1,"map":{"x":{"v":1}}}"#);
    story.apply("b", false, r#"{"s":null,"map":null}"#);
    story.apply("b", false, r#"{"s":null,"map":null}"#);
    story.apply("a", false, r#"{"n":null,"map":{"x":{"v":1}}}"#);
    story.check(expect![[r#"
        apply a
          {"n":1,"map":{"x":{"v":1}}}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":}},"f:n":}}
        apply b
          {"n":1,"map":{"x":{"v":1}}}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":}},"f:n":}}
          t1 Apply b: {"f:spec":{"f:map":,"f:s":}}
        apply b (unchanged)
          {"n":1,"map":{"x":{"v":1}}}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":}},"f:n":}}
          t1 Apply b: {"f:spec":{"f:map":,"f:s":}}
        apply a
          {"map":{"x":{"v":1}}}
          t1 Apply b: {"f:spec":{"f:map":,"f:s":}}
          t3 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":}},"f:n":}}
    "#]]);
}

#[test]
fn parts_of_what_became_atomic_are_the_whole() {
    let mut set = SchemaSet::new();
    let atomic = CUSTOM.replace(
        r#""map":{"type":"object","#,
        r#""map":{"type":"object","x-kubernetes-map-type":"atomic","#,
    );
    let later = set.add(Doc::parse_json(atomic.as_bytes()).unwrap().root()).unwrap();
    let mut story = Story::new(&mut set, CUSTOM);
    story.apply("a", false, r#"{"map":{"x":{"v":1}}}"#);
    story.schema = Some(story.schemas.get(later));
    story.apply("b", false, r#"{"map":{"y":{"v":1}}}"#);
    story.apply("a", false, r#"{"map":{"x":{"v":2}}}"#);
    story.check(expect![[r#"
        apply a
          {"map":{"x":{"v":1}}}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":}}}}
        apply b: Apply failed with 1 conflict: conflict with "a": .spec.map
          {"map":{"x":{"v":1}}}
          t0 Apply a: {"f:spec":{"f:map":{"f:x":{".":,"f:v":}}}}
        apply a
          {"map":{"x":{"v":2}}}
          t2 Apply a: {"f:spec":{"f:map":}}
    "#]]);
}

fn builtin(object: &Doc) -> std::sync::Arc<ridgeway_krm::Kind> {
    KindTable::builtin().get(&Gvk::of(object.root()).unwrap()).unwrap()
}

fn deployment(image: &str, replicas: i64) -> Doc {
    let text = format!(
        r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web","namespace":"shop","labels":{{"app":"web"}}}},
        "spec":{{"replicas":{replicas},"selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},
        "spec":{{"containers":[{{"name":"web","image":"{image}","ports":[{{"containerPort":80}}],"env":[{{"name":"A","value":"1"}}]}}]}}}}}}}}"#
    );
    Doc::parse_json(text.as_bytes()).unwrap()
}

#[test]
fn a_deployment_is_owned_as_kubernetes_books_it() {
    let config = deployment("nginx:1", 2);
    let kind = builtin(&config);
    let applied = apply(None, config.root(), kind.schema(), "kubectl", false, "", "t0").unwrap();
    let fields = applied
        .object
        .node()
        .at(&["metadata", "managedFields"])
        .unwrap()
        .item(0)
        .unwrap()
        .to_value();
    assert_eq!(
        fields.node().get("fieldsV1").unwrap().to_json(),
        r#"{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}"#
    );
    // The server's defaults make no difference to what comes next.
    let mut live = applied.object;
    ridgeway_schema::default(kind.schema().unwrap(), &mut live);
    let again = apply(
        Some(live.node()),
        config.root(),
        kind.schema(),
        "kubectl",
        false,
        "",
        "t1",
    )
    .unwrap();
    assert!(!again.changed);
    // Scaling through another manager, then applying the old number.
    let mut scaled = live.clone();
    scaled.set(&["spec", "replicas"], 5i64);
    let scaled = update(
        Some(live.node()),
        scaled.node(),
        kind.schema(),
        "kubectl",
        "scale",
        "t2",
    )
    .unwrap();
    let error = apply(
        Some(scaled.node()),
        config.root(),
        kind.schema(),
        "kubectl",
        false,
        "",
        "t3",
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas"
    );
    // Leaving the field to the other one resolves it.
    let mut config = config.root().to_value();
    config.remove(&["spec", "replicas"]);
    let left = apply(
        Some(scaled.node()),
        config.node(),
        kind.schema(),
        "kubectl",
        false,
        "",
        "t4",
    )
    .unwrap();
    assert_eq!(
        left.object.node().at(&["spec", "replicas"]).and_then(Node::as_i64),
        Some(5)
    );
}

#[test]
fn client_side_apply_moves_over_without_conflicts() {
    let config = deployment("nginx:1", 2);
    let kind = builtin(&config);
    let mut created = config.root().to_value();
    created.set(
        &[
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/last-applied-configuration",
        ],
        config.root().to_json() + "\n",
    );
    let live = update(
        None,
        created.node(),
        kind.schema(),
        "kubectl-client-side-apply",
        "",
        "t0",
    )
    .unwrap();
    let next = deployment("nginx:2", 2);
    let error = apply(Some(live.node()), next.root(), kind.schema(), "other", false, "", "t1").unwrap_err();
    assert!(
        matches!(&error, ApplyError::Conflicts(list) if list.len() == 1),
        "{error}"
    );
    let moved = apply(
        Some(live.node()),
        next.root(),
        kind.schema(),
        "kubectl",
        false,
        "",
        "t1",
    )
    .unwrap();
    let annotation = moved.object.node().str_at(&[
        "metadata",
        "annotations",
        "kubectl.kubernetes.io/last-applied-configuration",
    ]);
    assert_eq!(annotation, Some(&*(next.root().to_json() + "\n")));
    // A field that drifted since is somebody's: it stays a conflict.
    let mut drifted = live.clone();
    drifted.set(&["spec", "replicas"], 7i64);
    let drifted = update(Some(live.node()), drifted.node(), kind.schema(), "hpa", "", "t2").unwrap();
    let error = apply(
        Some(drifted.node()),
        next.root(),
        kind.schema(),
        "kubectl",
        false,
        "",
        "t3",
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"hpa\" using apps/v1: .spec.replicas"
    );
}

#[test]
fn objects_from_before_ownership() {
    let config = deployment("nginx:1", 2);
    let kind = builtin(&config);
    let live = deployment("nginx:0", 2);
    let error = apply(Some(live.root()), config.root(), kind.schema(), "ci", false, "", "t1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: \
         .spec.template.spec.containers[name=\"web\"].image"
    );
    let forced = apply(Some(live.root()), config.root(), kind.schema(), "ci", true, "", "t1").unwrap();
    let who: Vec<String> = owners(forced.object.node())
        .iter()
        .map(|o| o.split(':').next().unwrap().into())
        .collect();
    assert_eq!(who, ["t1 Apply ci", "t1 Update before-first-apply"]);
}

#[test]
fn status_is_owned_through_its_subresource_only() {
    let config = deployment("nginx:1", 2);
    let kind = builtin(&config);
    let mut with_status = config.root().to_value();
    with_status.set(&["status", "replicas"], 2i64);
    let main = apply(None, with_status.node(), kind.schema(), "ci", false, "", "t0").unwrap();
    assert!(!owners(main.object.node())[0].contains("f:status"));
    let mut reported = main.object.clone();
    reported.set(&["status", "replicas"], 3i64);
    reported.set(&["spec", "replicas"], 9i64);
    let booked = update(
        Some(main.object.node()),
        reported.node(),
        kind.schema(),
        "controller",
        "status",
        "t1",
    )
    .unwrap();
    assert!(owners(booked.node())[1].ends_with(r#"Update controller: {"f:status":{"f:replicas":}}"#));
    let applied = apply(
        Some(booked.node()),
        with_status.node(),
        kind.schema(),
        "ci",
        false,
        "status",
        "t2",
    );
    assert!(applied.unwrap_err().to_string().contains("with subresource \"status\""));
}

#[test]
fn many_updaters_become_one() {
    let mut set = SchemaSet::new();
    let id = set.add(Doc::parse_json(CUSTOM.as_bytes()).unwrap().root()).unwrap();
    let mut live = Story::object("{}");
    for i in 0..15 {
        let mut new = live.root().to_value();
        new.set(&["metadata", "labels", &format!("l{i}")], "x");
        let time = format!("t{i:02}");
        live = update(
            Some(live.root()),
            new.node(),
            Some(set.get(id)),
            &format!("m{i}"),
            "",
            &time,
        )
        .unwrap()
        .into_doc();
    }
    let owners = owners(live.root());
    assert_eq!(owners.len(), 11);
    let ancient = owners.iter().find(|o| o.contains("ancient-changes")).unwrap();
    assert_eq!(
        ancient,
        r#"t04 Update ancient-changes: {"f:metadata":{"f:labels":{".":,"f:l0":,"f:l1":,"f:l2":,"f:l3":,"f:l4":}}}"#
    );
}

#[test]
fn a_configuration_may_not_carry_ownership() {
    let mut config = Story::object("{}").root().to_value();
    config.set(
        &["metadata", "managedFields"],
        [Value::object()].into_iter().collect::<Value>(),
    );
    let error = apply(None, config.node(), None, "a", false, "", "t").unwrap_err();
    assert_eq!(error.to_string(), "metadata.managedFields must be nil");
}
