//! OpenAPI v3 documents of a group and version, as clients read them to explain, validate and merge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ridgeway_doc::{Map, Node, Value};

use crate::builtin::{self, META};
use crate::kind::Kind;
use crate::name::{GroupVersion, Gvk};

/// The document of the kinds of one group and version.
pub(crate) fn document(gv: &GroupVersion, kinds: &[&Arc<Kind>]) -> String {
    let mut components = Components::new();
    let mut paths = Map::new();
    for kind in kinds {
        let name = components.kind(kind);
        operations(gv, kind, &name, &mut components, &mut paths);
    }
    let mut document = Value::object();
    document.set(&["openapi"], "3.0.0");
    document.set(&["info", "title"], "Kubernetes");
    document.set(&["info", "version"], builtin::RELEASE);
    document.set(&["paths"], paths);
    document.set(&["components", "schemas"], components.finish());
    document.to_json()
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn schema_reference(name: &str) -> Value {
    let mut value = Value::object();
    value.set(&["$ref"], reference(name));
    value
}

fn gvk_value(gvk: &Gvk) -> Value {
    let mut value = Value::object();
    value.set(&["group"], gvk.group.as_str());
    value.set(&["version"], gvk.version.as_str());
    value.set(&["kind"], gvk.kind.as_str());
    value
}

/// The schemas of a document, with everything they refer to.
struct Components {
    names: std::collections::HashMap<Gvk, String>,
    wanted: BTreeSet<String>,
    custom: BTreeMap<String, Value>,
}

impl Components {
    fn new() -> Components {
        Components {
            names: builtin::definition_names(builtin::DEFINITIONS.root()),
            wanted: BTreeSet::from([format!("{META}DeleteOptions"), format!("{META}Status")]),
            custom: BTreeMap::from([(format!("{META}Patch"), patch_schema())]),
        }
    }

    /// Adds a kind and its list; returns the definition's name.
    fn kind(&mut self, kind: &Kind) -> String {
        if let Some(name) = self.names.get(&kind.gvk).cloned() {
            self.wanted.insert(name.clone());
            let list = Gvk {
                kind: kind.list_kind.clone(),
                ..kind.gvk.clone()
            };
            self.wanted.extend(self.names.get(&list).cloned());
            return name;
        }
        let mut group: Vec<&str> = kind.gvk.group.split('.').collect();
        group.reverse();
        let prefix = format!("{}.{}", group.join("."), kind.gvk.version);
        let name = format!("{prefix}.{}", kind.gvk.kind);
        if let Some(published) = &kind.published {
            self.custom.insert(name.clone(), published.root().to_value());
            self.custom
                .insert(format!("{prefix}.{}", kind.list_kind), list_schema(kind, &name));
            self.wanted
                .extend([format!("{META}ObjectMeta"), format!("{META}ListMeta")]);
        }
        name
    }

    fn named(&mut self, gvk: &Gvk) -> Option<String> {
        let name = self.names.get(gvk)?.clone();
        self.wanted.insert(name.clone());
        Some(name)
    }

    fn finish(mut self) -> Map {
        let mut done = BTreeMap::new();
        while let Some(name) = self.wanted.pop_first() {
            let Some(schema) = builtin::DEFINITIONS.root().get(&name) else {
                continue;
            };
            let mut found = BTreeSet::new();
            references(schema, &mut found);
            self.wanted.extend(
                found
                    .into_iter()
                    .filter(|found| *found != name && !done.contains_key(found)),
            );
            let described = described(schema, builtin::TEXTS.root().get(&name));
            done.insert(name, described);
        }
        done.extend(self.custom);
        let mut schemas = Vec::with_capacity(done.len());
        schemas.extend(done);
        schemas.into_iter().collect()
    }
}

fn references(node: Node<'_>, found: &mut BTreeSet<String>) {
    for (key, member) in node.members() {
        match member.as_str() {
            Some(text) if key == "$ref" => {
                found.extend(text.rsplit('/').next().map(str::to_owned));
            }
            _ => references(member, found),
        }
    }
    node.items().for_each(|item| references(item, found));
}

/// A definition with its texts; what annotates a reference goes beside `allOf`, for `$ref` bears no siblings.
fn described(schema: Node<'_>, texts: Option<Node<'_>>) -> Value {
    let text = |key: &str| texts.and_then(|t| t.str_at(&[key]));
    let mut out = schema.to_value();
    if let Some(text) = text("") {
        out.set(&["description"], text);
    }
    let properties = schema.get("properties").map(Node::members).into_iter().flatten();
    for (name, property) in properties {
        let mut value = property.to_value();
        if let Some(text) = text(name) {
            value.set(&["description"], text);
        }
        let node = value.node();
        if node.len() > 1
            && let Some(target) = node.get("$ref").map(Node::to_value)
        {
            let mut wrapped = Value::object();
            wrapped.set(&["$ref"], target);
            value.remove(&["$ref"]);
            value.set(&["allOf"], [wrapped].into_iter().collect::<Value>());
        }
        out.set(&["properties", name], value);
    }
    out
}

/// The body of a patch may be any object; its content type says how it is read.
fn patch_schema() -> Value {
    let mut schema = Value::object();
    schema.set(&["type"], "object");
    schema.set(&["description"], "A patch in the format that the content type names.");
    schema
}

fn list_schema(kind: &Kind, item: &str) -> Value {
    let mut schema = Value::object();
    schema.set(&["type"], "object");
    schema.set(
        &["description"],
        format!("{} is a list of {}", kind.list_kind, kind.gvk.kind),
    );
    schema.set(&["required"], ["items"].into_iter().collect::<Value>());
    for name in ["apiVersion", "kind"] {
        schema.set(&["properties", name, "type"], "string");
    }
    schema.set(&["properties", "items", "type"], "array");
    schema.set(&["properties", "items", "items"], schema_reference(item));
    schema.set(
        &["properties", "metadata"],
        schema_reference(&format!("{META}ListMeta")),
    );
    let list = Gvk {
        kind: kind.list_kind.clone(),
        ..kind.gvk.clone()
    };
    schema.set(
        &["x-kubernetes-group-version-kind"],
        [gvk_value(&list)].into_iter().collect::<Value>(),
    );
    schema
}

/// One path of the document: where it is, what it acts on, what it can do.
struct Path<'a> {
    path: String,
    gvk: &'a Gvk,
    /// The schema of what it takes and answers.
    schema: &'a str,
    namespaced: bool,
    named: bool,
    /// HTTP method and Kubernetes action.
    actions: Vec<(&'static str, &'static str)>,
}

fn operations(gv: &GroupVersion, kind: &Kind, name: &str, components: &mut Components, paths: &mut Map) {
    let root = if gv.group.is_empty() {
        format!("/api/{}", gv.version)
    } else {
        format!("/apis/{gv}")
    };
    let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let verbs = |pairs: &[(&str, &'static str, &'static str)], have: &[String]| -> Vec<(&'static str, &'static str)> {
        let offered = |verb: &str| have.iter().any(|v| v == verb);
        pairs
            .iter()
            .filter(|(verb, ..)| offered(verb))
            .map(|(_, method, action)| (*method, *action))
            .collect()
    };
    let collection = format!("{root}{scope}/{}", kind.plural);
    let of_collection = [
        ("list", "get", "list"),
        ("create", "post", "post"),
        ("deletecollection", "delete", "deletecollection"),
    ];
    let of_item = [
        ("get", "get", "get"),
        ("update", "put", "put"),
        ("patch", "patch", "patch"),
        ("delete", "delete", "delete"),
    ];
    let mut add = |path: Path<'_>| {
        if !path.actions.is_empty() {
            paths.insert(path.path.clone(), path.value());
        }
    };
    if kind.namespaced && kind.allows("list") {
        add(Path {
            path: format!("{root}/{}", kind.plural),
            gvk: &kind.gvk,
            schema: name,
            namespaced: false,
            named: false,
            actions: vec![("get", "list")],
        });
    }
    add(Path {
        path: collection.clone(),
        gvk: &kind.gvk,
        schema: name,
        namespaced: kind.namespaced,
        named: false,
        actions: verbs(&of_collection, &kind.verbs),
    });
    add(Path {
        path: format!("{collection}/{{name}}"),
        gvk: &kind.gvk,
        schema: name,
        namespaced: kind.namespaced,
        named: true,
        actions: verbs(&of_item, &kind.verbs),
    });
    for sub in &kind.subresources {
        let schema = if sub.gvk == kind.gvk {
            Some(name.to_owned())
        } else {
            components.named(&sub.gvk)
        };
        let Some(schema) = schema else { continue };
        let of_sub = [
            ("get", "get", "get"),
            ("update", "put", "put"),
            ("patch", "patch", "patch"),
            ("create", "post", "post"),
        ];
        add(Path {
            path: format!("{collection}/{{name}}/{}", sub.name),
            gvk: &sub.gvk,
            schema: &schema,
            namespaced: kind.namespaced,
            named: true,
            actions: verbs(&of_sub, &sub.verbs),
        });
    }
}

fn parameter(name: &str, place: &str, description: &str, ty: &str) -> Value {
    let mut value = Value::object();
    value.set(&["name"], name);
    value.set(&["in"], place);
    value.set(&["description"], description);
    if place == "path" {
        value.set(&["required"], true);
    }
    value.set(&["schema", "type"], ty);
    value.set(&["schema", "uniqueItems"], true);
    value
}

const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

impl Path<'_> {
    fn value(&self) -> Value {
        let mut value = Value::object();
        let mut parameters = Vec::new();
        if self.named {
            let text = format!("name of the {}", self.gvk.kind);
            parameters.push(parameter("name", "path", &text, "string"));
        }
        if self.namespaced {
            parameters.push(parameter("namespace", "path", "the namespace of the object", "string"));
        }
        value.set(&["parameters"], parameters);
        for (method, action) in &self.actions {
            value.set(&[method], self.operation(method, action));
        }
        value
    }

    fn operation(&self, method: &str, action: &str) -> Value {
        let mut operation = Value::object();
        operation.set(&["description"], format!("{action} {}", self.gvk.kind));
        let name: String = self.path.split('/').flat_map(capitalized).collect();
        operation.set(&["operationId"], format!("{action}{name}"));
        operation.set(&["parameters"], query_parameters(method, action));
        let json = schema_reference(self.schema);
        match method {
            "post" | "put" => operation.set(&["requestBody", "content", "*/*", "schema"], json.clone()),
            "patch" => {
                for kind in PATCHES {
                    let patch = schema_reference(&format!("{META}Patch"));
                    operation.set(&["requestBody", "content", kind, "schema"], patch);
                }
            }
            "delete" => {
                let options = schema_reference(&format!("{META}DeleteOptions"));
                operation.set(&["requestBody", "content", "*/*", "schema"], options);
            }
            _ => {}
        }
        operation.set(&["responses", "200", "description"], "OK");
        for kind in ["application/json", "application/yaml"] {
            operation.set(&["responses", "200", "content", kind, "schema"], json.clone());
        }
        operation.set(&["x-kubernetes-action"], action);
        operation.set(&["x-kubernetes-group-version-kind"], gvk_value(self.gvk));
        operation
    }
}

/// A path segment as part of an operation's id.
fn capitalized(segment: &str) -> impl Iterator<Item = char> {
    let plain: Vec<char> = segment.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    plain
        .into_iter()
        .enumerate()
        .map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c })
}

fn query_parameters(method: &str, action: &str) -> Vec<Value> {
    let query = |name: &str, text: &str, ty: &str| parameter(name, "query", text, ty);
    let mut all = Vec::new();
    match method {
        "post" | "put" | "patch" => {
            all.push(query("dryRun", "`All` runs every stage and stores nothing", "string"));
            all.push(query(
                "fieldManager",
                "who owns the fields that the change sets",
                "string",
            ));
            all.push(query(
                "fieldValidation",
                "unknown and duplicate fields: Ignore, Warn or Strict",
                "string",
            ));
            if method == "patch" {
                all.push(query("force", "apply: take over fields that others own", "boolean"));
            }
        }
        "delete" => {
            all.push(query("dryRun", "`All` runs every stage and stores nothing", "string"));
            all.push(query(
                "gracePeriodSeconds",
                "seconds before the object is gone",
                "integer",
            ));
            all.push(query("propagationPolicy", "Orphan, Background or Foreground", "string"));
        }
        _ => {}
    }
    if matches!(action, "list" | "deletecollection") {
        all.push(query("labelSelector", "only objects with such labels", "string"));
        all.push(query("fieldSelector", "only objects with such fields", "string"));
        all.push(query("limit", "at most so many objects", "integer"));
        all.push(query("continue", "where an earlier page ended", "string"));
        all.push(query("resourceVersion", "no older state than this", "string"));
        all.push(query("watch", "follow the changes", "boolean"));
    }
    all
}
