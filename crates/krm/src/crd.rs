//! Kinds from CustomResourceDefinitions.

use std::sync::Arc;

use ridgeway_doc::{Doc, Node, Value};

use crate::builtin::{META, METADATA};
use crate::column::Column;
use crate::jsonpath::JsonPath;
use crate::kind::{Kind, Scale, Subresource, fingerprint};
use crate::name::Gvk;
use crate::schema::SchemaSet;
use crate::validation::{validate_label, validate_subdomain};

/// What keeps a CustomResourceDefinition from being served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct CrdError {
    /// The field, as a dotted path.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

fn fail<T>(field: impl Into<String>, message: impl Into<String>) -> Result<T, CrdError> {
    Err(CrdError {
        field: field.into(),
        message: message.into(),
    })
}

fn texts(node: Option<Node<'_>>) -> Vec<String> {
    node.map(Node::items)
        .into_iter()
        .flatten()
        .filter_map(Node::as_str)
        .map(Into::into)
        .collect()
}

const VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

impl Kind {
    /// The served versions of a CustomResourceDefinition (`apiextensions.k8s.io/v1`), the preferred one first.
    pub fn from_crd(crd: Node<'_>) -> Result<Vec<Kind>, CrdError> {
        let names = Names::read(crd)?;
        let versions: Vec<Node<'_>> = crd
            .at(&["spec", "versions"])
            .map(Node::items)
            .into_iter()
            .flatten()
            .collect();
        if versions.is_empty() {
            return fail("spec.versions", "must have at least one version");
        }
        let flag = |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_bool).unwrap_or(false);
        let stored = versions.iter().filter(|v| flag(**v, "storage")).count();
        if stored != 1 {
            return fail(
                "spec.versions",
                format!("must have exactly one version marked as storage version, found {stored}"),
            );
        }
        let served = versions.iter().filter(|v| flag(**v, "served")).count();
        let preserve = crd
            .at(&["spec", "preserveUnknownFields"])
            .and_then(Node::as_bool)
            .unwrap_or(false);
        let mut kinds: Vec<Kind> = Vec::new();
        for (i, version) in versions.iter().enumerate() {
            let field = format!("spec.versions[{i}]");
            let kind = names.version(*version, &field, preserve, served == 1)?;
            if versions[..i]
                .iter()
                .any(|v| v.str_at(&["name"]) == Some(&kind.gvk.version))
            {
                return fail(
                    format!("{field}.name"),
                    format!("version {:?} is there twice", kind.gvk.version),
                );
            }
            if flag(*version, "served") {
                kinds.push(kind);
            }
        }
        kinds.sort_by_key(|kind| std::cmp::Reverse(version_rank(&kind.gvk.version)));
        Ok(kinds)
    }
}

/// Kubernetes' order of versions: GA before beta before alpha, higher numbers first, anything else last by name.
fn version_rank(version: &str) -> (u8, u32, u32) {
    let parse = || -> Option<(u8, u32, u32)> {
        let rest = version.strip_prefix('v')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..end].parse().ok()?;
        match &rest[end..] {
            "" => Some((3, major, 0)),
            tail => {
                let (rank, minor) = tail
                    .strip_prefix("beta")
                    .map(|n| (2, n))
                    .or_else(|| tail.strip_prefix("alpha").map(|n| (1, n)))?;
                Some((rank, major, if minor.is_empty() { 0 } else { minor.parse().ok()? }))
            }
        }
    };
    parse().unwrap_or_default()
}

/// What all versions of a definition share.
struct Names {
    group: String,
    kind: String,
    plural: String,
    singular: String,
    list_kind: String,
    short_names: Vec<String>,
    categories: Vec<String>,
    namespaced: bool,
}

impl Names {
    fn read(crd: Node<'_>) -> Result<Names, CrdError> {
        let text = |path: &[&str]| crd.str_at(path).unwrap_or_default().to_owned();
        let group = text(&["spec", "group"]);
        if let Err(why) = validate_subdomain(&group) {
            return fail("spec.group", format!("{group:?}: {why}"));
        }
        if !group.contains('.') {
            return fail(
                "spec.group",
                format!("{group:?} should be a domain with at least one dot"),
            );
        }
        let (kind, plural) = (text(&["spec", "names", "kind"]), text(&["spec", "names", "plural"]));
        if let Err(why) = validate_label(&kind.to_lowercase()) {
            return fail("spec.names.kind", format!("{kind:?}, lowercased: {why}"));
        }
        if let Err(why) = validate_label(&plural) {
            return fail("spec.names.plural", format!("{plural:?}: {why}"));
        }
        let name = text(&["metadata", "name"]);
        if name != format!("{plural}.{group}") {
            return fail(
                "metadata.name",
                format!("{name:?} must be spec.names.plural+\".\"+spec.group"),
            );
        }
        let namespaced = match crd.str_at(&["spec", "scope"]) {
            Some("Namespaced") => true,
            Some("Cluster") => false,
            other => {
                let found = other.unwrap_or_default();
                return fail("spec.scope", format!("{found:?} must be Namespaced or Cluster"));
            }
        };
        let or = |text: String, other: String| if text.is_empty() { other } else { text };
        Ok(Names {
            singular: or(text(&["spec", "names", "singular"]), kind.to_lowercase()),
            list_kind: or(text(&["spec", "names", "listKind"]), format!("{kind}List")),
            short_names: texts(crd.at(&["spec", "names", "shortNames"])),
            categories: texts(crd.at(&["spec", "names", "categories"])),
            group,
            kind,
            plural,
            namespaced,
        })
    }

    fn version(&self, version: Node<'_>, field: &str, preserve: bool, only: bool) -> Result<Kind, CrdError> {
        let name = version.str_at(&["name"]).unwrap_or_default();
        if let Err(why) = validate_label(name) {
            return fail(format!("{field}.name"), format!("{name:?}: {why}"));
        }
        let gvk = Gvk::new(&self.group, name, &self.kind);
        let schema_field = format!("{field}.schema.openAPIV3Schema");
        let stated = match version.at(&["schema", "openAPIV3Schema"]) {
            Some(schema) => {
                structural(schema, &schema_field, false)?;
                if schema.str_at(&["type"]) != Some("object") {
                    return fail(format!("{schema_field}.type"), "must be object at the root");
                }
                let mut schema = schema.to_value();
                if preserve {
                    schema.set(&["x-kubernetes-preserve-unknown-fields"], true);
                }
                schema
            }
            None if preserve => {
                let mut schema = Value::object();
                schema.set(&["type"], "object");
                schema.set(&["x-kubernetes-preserve-unknown-fields"], true);
                schema
            }
            None => return fail(schema_field, "schemas are required: every version needs one"),
        };
        let published = with_metadata(stated, &gvk);
        let mut set = SchemaSet::new();
        let internal = |error: crate::schema::SchemaError| CrdError {
            field: format!("{schema_field}{}", error.path),
            message: error.message,
        };
        set.add_definitions(METADATA.root()).map_err(internal)?;
        let id = set.add(published.root()).map_err(internal)?;
        let scale = scale(version, &format!("{field}.subresources.scale"))?;
        let mut kind = Kind {
            plural: self.plural.clone(),
            singular: self.singular.clone(),
            list_kind: self.list_kind.clone(),
            namespaced: self.namespaced,
            short_names: self.short_names.clone(),
            categories: self.categories.clone(),
            verbs: VERBS.map(Into::into).to_vec(),
            subresources: subresources(version, &gvk, scale.is_some()),
            scale,
            schema: Some((Arc::new(set), id)),
            schema_is_builtin: false,
            only_version: only,
            columns: columns(version, field)?,
            selectable_fields: selectable(version, field)?,
            fingerprint: 0,
            published: None,
            gvk,
        };
        let facts = format!("{}{}{:?}", published.root(), kind.namespaced, kind.subresources);
        kind.fingerprint = fingerprint(0, facts.as_bytes());
        kind.published = Some(published);
        Ok(kind)
    }
}

/// The schema with the fields that every object has; its own say about metadata is replaced.
fn with_metadata(mut schema: Value, gvk: &Gvk) -> Doc {
    let text = |description: &str| {
        let mut value = Value::object();
        value.set(&["type"], "string");
        value.set(&["description"], description);
        value
    };
    schema.set(
        &["properties", "apiVersion"],
        text("The API group and version of this object, as group/version."),
    );
    schema.set(&["properties", "kind"], text("The kind of this object."));
    schema.set(&["properties", "metadata"], {
        let mut metadata = Value::object();
        metadata.set(&["$ref"], format!("#/components/schemas/{META}ObjectMeta"));
        metadata
    });
    let mut about = Value::object();
    about.set(&["group"], gvk.group.as_str());
    about.set(&["kind"], gvk.kind.as_str());
    about.set(&["version"], gvk.version.as_str());
    schema.set(
        &["x-kubernetes-group-version-kind"],
        [about].into_iter().collect::<Value>(),
    );
    schema.into_doc()
}

fn subresources(version: Node<'_>, gvk: &Gvk, scaled: bool) -> Vec<Subresource> {
    let verbs = || ["get", "patch", "update"].map(Into::into).to_vec();
    let mut all = Vec::new();
    if version.at(&["subresources", "status"]).is_some_and(Node::is_object) {
        all.push(Subresource {
            name: "status".into(),
            gvk: gvk.clone(),
            verbs: verbs(),
        });
    }
    if scaled {
        all.push(Subresource {
            name: "scale".into(),
            gvk: Gvk::new("autoscaling", "v1", "Scale"),
            verbs: verbs(),
        });
    }
    all
}

fn scale(version: Node<'_>, field: &str) -> Result<Option<Scale>, CrdError> {
    let Some(scale) = version.at(&["subresources", "scale"]).filter(|s| s.is_object()) else {
        return Ok(None);
    };
    let path = |key: &str, under: &[&str]| match scale.str_at(&[key]) {
        Some(path) if under.iter().any(|prefix| path.starts_with(prefix)) && !path.contains('[') => Ok(path.to_owned()),
        other => fail(
            format!("{field}.{key}"),
            format!(
                "{:?} must be a path under {}, without list indexes",
                other.unwrap_or_default(),
                under.join(" or ")
            ),
        ),
    };
    let label_selector_path = match scale.str_at(&["labelSelectorPath"]) {
        None | Some("") => None,
        Some(_) => Some(path("labelSelectorPath", &[".spec.", ".status."])?),
    };
    Ok(Some(Scale {
        spec_replicas_path: path("specReplicasPath", &[".spec."])?,
        status_replicas_path: path("statusReplicasPath", &[".status."])?,
        label_selector_path,
    }))
}

fn columns(version: Node<'_>, field: &str) -> Result<Vec<Column>, CrdError> {
    let mut columns = Column::name_and_age();
    let Some(stated) = version.get("additionalPrinterColumns").filter(|list| !list.is_empty()) else {
        return Ok(columns);
    };
    columns.truncate(1);
    for (i, column) in stated.items().enumerate() {
        let field = format!("{field}.additionalPrinterColumns[{i}]");
        let text = |key: &str| column.str_at(&[key]).unwrap_or_default();
        let (name, ty) = (text("name"), text("type"));
        if name.is_empty() {
            return fail(format!("{field}.name"), "is required");
        }
        if !matches!(ty, "integer" | "number" | "string" | "boolean" | "date") {
            return fail(
                format!("{field}.type"),
                format!("{ty:?} must be one of integer, number, string, boolean, date"),
            );
        }
        let path = match JsonPath::parse(text("jsonPath")) {
            Ok(_) if text("jsonPath").is_empty() => return fail(format!("{field}.jsonPath"), "is required"),
            Ok(path) => path,
            Err(error) => return fail(format!("{field}.jsonPath"), error.to_string()),
        };
        let priority = column.get("priority").and_then(Node::as_i64).unwrap_or(0);
        let mut made = Column::from_path(name, ty, path, priority.clamp(0, i64::from(i32::MAX)) as i32);
        made.format = text("format").into();
        made.description = text("description").into();
        columns.push(made);
    }
    Ok(columns)
}

fn selectable(version: Node<'_>, field: &str) -> Result<Vec<String>, CrdError> {
    let stated = version.get("selectableFields").map(Node::items).into_iter().flatten();
    stated
        .enumerate()
        .map(|(i, entry)| match entry.str_at(&["jsonPath"]) {
            Some(path) if path.len() > 1 && path.starts_with('.') && !path.contains('[') => Ok(path[1..].to_owned()),
            other => fail(
                format!("{field}.selectableFields[{i}].jsonPath"),
                format!(
                    "{:?} must be a simple path such as .spec.color",
                    other.unwrap_or_default()
                ),
            ),
        })
        .collect()
}

/// The rules for structural schemas that keep pruning and merging well defined. Inside `allOf` and its like, types are
/// not stated again.
fn structural(schema: Node<'_>, field: &str, logical: bool) -> Result<(), CrdError> {
    if !schema.is_object() {
        return fail(field, format!("a schema must be an object, found {}", schema.kind()));
    }
    let flag = |key: &str| schema.get(key).and_then(Node::as_bool).unwrap_or(false);
    for forbidden in [
        "$ref",
        "definitions",
        "dependencies",
        "patternProperties",
        "additionalItems",
    ] {
        if schema.get(forbidden).is_some() {
            return fail(format!("{field}.{forbidden}"), "is not supported: write the schema out");
        }
    }
    if flag("uniqueItems") {
        return fail(
            format!("{field}.uniqueItems"),
            "cannot be set to true since the runtime complexity becomes quadratic; use x-kubernetes-list-type: set",
        );
    }
    let untyped = flag("x-kubernetes-int-or-string") || flag("x-kubernetes-preserve-unknown-fields");
    if !logical && schema.get("type").is_none() && !untyped {
        return fail(format!("{field}.type"), "must not be empty for specified object fields");
    }
    let properties = schema.get("properties").filter(|p| !p.is_empty());
    let additional = schema.get("additionalProperties");
    if properties.is_some() && additional.is_some_and(|a| a.is_object() || a.as_bool() == Some(true)) {
        return fail(
            format!("{field}.additionalProperties"),
            "must not be used together with properties",
        );
    }
    for (name, property) in properties.map(Node::members).into_iter().flatten() {
        structural(property, &format!("{field}.properties[{name}]"), logical)?;
    }
    if let Some(additional) = additional.filter(|a| a.is_object()) {
        structural(additional, &format!("{field}.additionalProperties"), logical)?;
    }
    match schema.get("items") {
        Some(items) if items.is_array() => {
            return fail(format!("{field}.items"), "must be a schema object and not an array");
        }
        Some(items) => structural(items, &format!("{field}.items"), logical)?,
        None if !logical && schema.str_at(&["type"]) == Some("array") && !untyped => {
            return fail(format!("{field}.items"), "must be specified");
        }
        None => {}
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (i, part) in schema.get(key).map(Node::items).into_iter().flatten().enumerate() {
            structural(part, &format!("{field}.{key}[{i}]"), true)?;
        }
    }
    if let Some(not) = schema.get("not") {
        structural(not, &format!("{field}.not"), true)?;
    }
    list_keys(schema, field)
}

fn list_keys(schema: Node<'_>, field: &str) -> Result<(), CrdError> {
    if schema.str_at(&["x-kubernetes-list-type"]) != Some("map") {
        return Ok(());
    }
    let keys = texts(schema.get("x-kubernetes-list-map-keys"));
    if keys.is_empty() {
        return fail(
            format!("{field}.x-kubernetes-list-map-keys"),
            "must not be empty if x-kubernetes-list-type is map",
        );
    }
    let items = schema.get("items");
    for (i, key) in keys.iter().enumerate() {
        let field = format!("{field}.x-kubernetes-list-map-keys[{i}]");
        let Some(property) = items.and_then(|items| items.at(&["properties", key])) else {
            return fail(field, format!("{key:?} must be a property of the items"));
        };
        let required = items
            .and_then(|items| items.get("required"))
            .map(Node::items)
            .into_iter()
            .flatten();
        if property.get("default").is_none() && !required.filter_map(Node::as_str).any(|r| r == key) {
            return fail(
                field,
                format!("{key:?} must be required, or have a default, in the items"),
            );
        }
    }
    Ok(())
}
