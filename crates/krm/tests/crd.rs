//! Kinds from CustomResourceDefinitions: what is served, what is refused and why, columns, OpenAPI.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use jiff::Timestamp;
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{GroupVersion, Gvk, Kind, KindTable, ListType};

const CRD: &str = r#"{
  "apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
  "metadata":{"name":"ferries.transport.example.com"},
  "spec":{"group":"transport.example.com","scope":"Namespaced",
    "names":{"kind":"Ferry","plural":"ferries","shortNames":["fy"],"categories":["all"]},
    "versions":[
      {"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object"}}},
      {"name":"v1","served":true,"storage":true,
       "subresources":{"status":{},"scale":{"specReplicasPath":".spec.boats","statusReplicasPath":".status.boats"}},
       "selectableFields":[{"jsonPath":".spec.color"}],
       "additionalPrinterColumns":[
         {"name":"Boats","type":"integer","jsonPath":".spec.boats"},
         {"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"},
         {"name":"Ports","type":"string","jsonPath":".spec.ports[*].name","priority":1},
         {"name":"Since","type":"date","jsonPath":".status.since"},
         {"name":"Wrong","type":"integer","jsonPath":".spec.color"}],
       "schema":{"openAPIV3Schema":{"type":"object","description":"A ferry.","properties":{
         "spec":{"type":"object","required":["boats"],"properties":{
           "boats":{"type":"integer","minimum":0},
           "color":{"type":"string","default":"white"},
           "size":{"x-kubernetes-int-or-string":true},
           "ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
             "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}}}},
         "status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}]}}"#;

fn crd() -> Value {
    Doc::parse_json(CRD.as_bytes()).unwrap().into()
}

#[test]
fn serves_each_version_the_best_first() {
    let kinds = Kind::from_crd(crd().node()).unwrap();
    let versions: Vec<&str> = kinds.iter().map(|k| k.gvk.version.as_str()).collect();
    assert_eq!(versions, ["v1", "v1beta1"]);
    let ferry = &kinds[0];
    assert_eq!((ferry.singular.as_str(), ferry.list_kind()), ("ferry", "FerryList"));
    assert!(ferry.has_status() && !kinds[1].has_status() && !ferry.only_version && !ferry.schema_is_builtin);
    assert_eq!(ferry.scale.as_ref().unwrap().spec_replicas_path, ".spec.boats");
    assert_eq!(ferry.selectable_fields, ["spec.color"]);
    let schema = ferry.schema().unwrap();
    let ports = schema.property("spec").unwrap().property("ports").unwrap();
    assert_eq!(ports.list_type, Some(ListType::Map(vec!["name".into()])));
    let owners = schema
        .property("metadata")
        .unwrap()
        .property("ownerReferences")
        .unwrap();
    assert_eq!(owners.list_type, Some(ListType::Map(vec!["uid".into()])));
}

#[test]
fn prints_its_columns() {
    let kinds = Kind::from_crd(crd().node()).unwrap();
    let object = Doc::parse_json(
        br#"{"metadata":{"name":"blue","creationTimestamp":"2026-01-01T00:00:00Z"},
             "spec":{"boats":3,"color":"blue","ports":[{"name":"a"},{"name":"b"}]},
             "status":{"since":"2026-01-01T00:00:00Z","conditions":[{"type":"Ready","status":"True"}]}}"#,
    )
    .unwrap();
    let now: Timestamp = "2026-01-01T00:05:30Z".parse().unwrap();
    let cells = |kind: &Kind| kind.cells(object.root(), now).into_iter().collect::<Value>().to_json();
    assert_eq!(cells(&kinds[0]), r#"["blue",3,"True","a b","5m30s",null]"#);
    assert_eq!(cells(&kinds[1]), r#"["blue","5m30s"]"#);
    let headings: Vec<(&str, i32)> = kinds[0].columns.iter().map(|c| (c.name.as_str(), c.priority)).collect();
    assert_eq!(
        headings,
        [
            ("Name", 0),
            ("Boats", 0),
            ("Ready", 0),
            ("Ports", 1),
            ("Since", 0),
            ("Wrong", 0)
        ]
    );
}

#[test]
fn refusals_name_the_field() {
    type Edit = fn(&mut Value);
    fn version(crd: &mut Value) -> &mut Value {
        &mut crd.at_mut(&["spec", "versions"]).unwrap().as_array_mut().unwrap()[1]
    }
    let cases: [(&str, Edit); 12] = [
        ("metadata.name", |c| {
            c.set(&["metadata", "name"], "ferry.transport.example.com")
        }),
        ("spec.group", |c| c.set(&["spec", "group"], "Transport")),
        ("spec.scope", |c| c.set(&["spec", "scope"], "Everywhere")),
        ("spec.names.kind", |c| c.set(&["spec", "names", "kind"], "")),
        ("spec.versions", |c| c.set(&["spec", "versions"], Value::array())),
        ("spec.versions", |c| version(c).set(&["storage"], false)),
        ("spec.versions[1].name", |c| version(c).set(&["name"], "v1beta1")),
        ("spec.versions[1].schema.openAPIV3Schema", |c| {
            drop(version(c).remove(&["schema"]))
        }),
        (
            "spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[boats].type",
            |c| {
                let path = [
                    "schema",
                    "openAPIV3Schema",
                    "properties",
                    "spec",
                    "properties",
                    "boats",
                    "type",
                ];
                drop(version(c).remove(&path));
            },
        ),
        (
            "spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[ports].x-kubernetes-list-map-keys[0]",
            |c| {
                let path = [
                    "schema",
                    "openAPIV3Schema",
                    "properties",
                    "spec",
                    "properties",
                    "ports",
                    "items",
                    "required",
                ];
                drop(version(c).remove(&path));
            },
        ),
        ("spec.versions[1].subresources.scale.specReplicasPath", |c| {
            version(c).set(&["subresources", "scale", "specReplicasPath"], ".status.boats");
        }),
        ("spec.versions[1].additionalPrinterColumns[0].jsonPath", |c| {
            let columns = version(c).get_mut("additionalPrinterColumns").unwrap();
            columns.as_array_mut().unwrap()[0].set(&["jsonPath"], ".spec[");
        }),
    ];
    for (field, edit) in cases {
        let mut crd = crd();
        edit(&mut crd);
        let error = Kind::from_crd(crd.node()).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    }
}

#[test]
fn openapi_describes_custom_and_builtin_kinds() {
    let mut table = KindTable::builtin();
    let gv = GroupVersion::parse("transport.example.com/v1");
    assert_eq!(table.openapi_v3(&gv), None);
    let before = table.hash(&gv);
    for kind in Kind::from_crd(crd().node()).unwrap() {
        table.insert(kind);
    }
    assert_ne!(table.hash(&gv), before);
    assert!(
        KindTable::builtin()
            .get(&Gvk::new("transport.example.com", "v1", "Ferry"))
            .is_none()
    );
    let documents = [gv, GroupVersion::parse("apps/v1"), GroupVersion::parse("v1")];
    for gv in &documents {
        let text = table.openapi_v3(gv).unwrap();
        let doc = Doc::parse_json(text.as_bytes()).unwrap();
        let schemas = doc.root().at(&["components", "schemas"]).unwrap();
        // Every reference is answered within the document.
        let mut rest = text.as_str();
        while let Some(at) = rest.find("\"$ref\":\"#/components/schemas/") {
            rest = &rest[at + 30 - 1..];
            let name = rest.trim_start_matches('/').split('"').next().unwrap();
            assert!(schemas.get(name).is_some(), "{gv}: {name}");
        }
    }
    let doc = Doc::parse_json(table.openapi_v3(&documents[0]).unwrap().as_bytes()).unwrap();
    let ferry = doc
        .root()
        .at(&["components", "schemas", "com.example.transport.v1.Ferry"])
        .unwrap();
    assert_eq!(ferry.str_at(&["description"]), Some("A ferry."));
    let path = "/apis/transport.example.com/v1/namespaces/{namespace}/ferries/{name}";
    let patch = doc.root().at(&["paths", path, "patch"]).unwrap();
    assert_eq!(
        patch.str_at(&["x-kubernetes-group-version-kind", "kind"]),
        Some("Ferry")
    );
    let parameters: Vec<_> = patch
        .get("parameters")
        .unwrap()
        .items()
        .filter_map(|p| p.str_at(&["name"]))
        .collect();
    assert!(parameters.contains(&"dryRun") && parameters.contains(&"fieldValidation"));
    let apps = Doc::parse_json(table.openapi_v3(&documents[1]).unwrap().as_bytes()).unwrap();
    let strategy = [
        "components",
        "schemas",
        "io.k8s.api.apps.v1.DeploymentSpec",
        "properties",
        "strategy",
    ];
    let strategy = apps.root().at(&strategy).unwrap();
    assert_eq!(strategy.str_at(&["x-kubernetes-patch-strategy"]), Some("retainKeys"));
    assert!(strategy.get("allOf").is_some() && strategy.str_at(&["description"]).is_some());
}
