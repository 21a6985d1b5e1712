//! The schema tree: OpenAPI v3 schemas with the `x-kubernetes-*` extensions, as one compact table with references.
//!
//! Published schemas refer to each other, some to themselves, so a schema is an index into its [`SchemaSet`], and
//! [`SchemaRef`] is the handle that walks it. This file is only the shape; validation, defaulting and pruning are the
//! crate `schema`, merge semantics the crate `apply`.

use std::collections::{HashMap, HashSet};

use ridgeway_doc::{Doc, Node, Number};

/// The JSON types a schema may demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaType {
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
}

/// `x-kubernetes-list-type`: how server-side apply treats a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// The list is owned and replaced as a whole.
    #[default]
    Atomic,
    /// Scalar items, each owned by itself.
    Set,
    /// Object items told apart by `x-kubernetes-list-map-keys`.
    Map(Vec<String>),
}

/// `x-kubernetes-map-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapType {
    /// Members are owned one by one.
    #[default]
    Granular,
    /// The object is owned and replaced as a whole.
    Atomic,
}

/// Index of a schema in its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaId(pub(crate) u32);

/// One schema. Fields mirror the OpenAPI keywords; references are resolved to ids.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// `type`; `None` accepts any (a bare reference, `x-kubernetes-int-or-string`, …).
    pub ty: Option<SchemaType>,
    /// `description`.
    pub description: Box<str>,
    /// `format`, such as `int32`, `date-time`, `byte`.
    pub format: Box<str>,
    /// `properties` in document order.
    pub properties: Vec<(Box<str>, SchemaId)>,
    /// Schema of `additionalProperties`.
    pub additional: Option<SchemaId>,
    /// `additionalProperties: true`.
    pub additional_any: bool,
    /// `items`.
    pub items: Option<SchemaId>,
    /// `required`.
    pub required: Vec<Box<str>>,
    /// `default`.
    pub default: Option<Doc>,
    /// `enum`.
    pub enumeration: Vec<Doc>,
    /// `nullable`.
    pub nullable: bool,
    /// `pattern`.
    pub pattern: Option<Box<str>>,
    /// `minimum` and whether it is exclusive.
    pub minimum: Option<(Number, bool)>,
    /// `maximum` and whether it is exclusive.
    pub maximum: Option<(Number, bool)>,
    /// `multipleOf`.
    pub multiple_of: Option<Number>,
    /// `minLength`, `maxLength` in characters.
    pub length: (Option<u64>, Option<u64>),
    /// `minItems`, `maxItems`.
    pub item_count: (Option<u64>, Option<u64>),
    /// `minProperties`, `maxProperties`.
    pub property_count: (Option<u64>, Option<u64>),
    /// `uniqueItems`.
    pub unique_items: bool,
    /// `allOf`, beyond the single-reference form (which is resolved into the schema itself).
    pub all_of: Vec<SchemaId>,
    /// `anyOf`.
    pub any_of: Vec<SchemaId>,
    /// `oneOf`.
    pub one_of: Vec<SchemaId>,
    /// `not`.
    pub not: Option<SchemaId>,
    /// `x-kubernetes-int-or-string`, or the published schemas' `format: int-or-string`.
    pub int_or_string: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve_unknown: bool,
    /// `x-kubernetes-embedded-resource`.
    pub embedded_resource: bool,
    /// `x-kubernetes-list-type` with its map keys; `None` when the schema does not say.
    pub list_type: Option<ListType>,
    /// `x-kubernetes-map-type`.
    pub map_type: MapType,
    /// `x-kubernetes-patch-strategy`, such as `merge`, `merge,retainKeys`, `replace`.
    pub patch_strategy: Box<str>,
    /// `x-kubernetes-patch-merge-key`.
    pub patch_merge_key: Option<Box<str>>,
    /// `x-kubernetes-validations`: rule and message texts, kept for the CEL engine.
    pub validations: Vec<Doc>,
}

/// Why a document is not a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SchemaError {
    /// Where, as a dotted path from the schema's root.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
}

/// A table of schemas that may refer to each other.
#[derive(Clone, Debug, Default)]
pub struct SchemaSet {
    schemas: Vec<Schema>,
    names: HashMap<String, SchemaId>,
    /// Annotated references met while definitions are read: they copy their target, so they wait until it is there.
    waiting: Option<Vec<Waiting>>,
}

#[derive(Clone, Debug)]
struct Waiting {
    id: SchemaId,
    target: SchemaId,
    schema: Doc,
    path: String,
}

impl SchemaSet {
    /// An empty set.
    pub fn new() -> Self {
        SchemaSet::default()
    }

    /// Reads one structural schema (a CRD's `openAPIV3Schema`); `$ref` may name schemas of this set.
    pub fn add(&mut self, schema: Node<'_>) -> Result<SchemaId, SchemaError> {
        let id = self.reserve();
        self.read_into(id, schema, "")?;
        Ok(id)
    }

    /// Reads a definitions object (`definitions` of v2, `components.schemas` of v3): name to schema.
    pub fn add_definitions(&mut self, definitions: Node<'_>) -> Result<(), SchemaError> {
        for (name, _) in definitions.members() {
            let id = self.reserve();
            self.names.insert(name.to_owned(), id);
        }
        self.waiting = Some(Vec::new());
        for (name, schema) in definitions.members() {
            let id = self.names[name];
            self.read_into(id, schema, name)?;
        }
        let mut waiting = self.waiting.take().unwrap_or_default();
        while !waiting.is_empty() {
            let open: HashSet<SchemaId> = waiting.iter().map(|w| w.id).collect();
            let (later, now): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|w| open.contains(&w.target));
            if let ([], Some(first)) = (now.as_slice(), later.first()) {
                return Err(SchemaError {
                    path: first.path.clone(),
                    message: "references that only refer to each other name no schema".into(),
                });
            }
            for entry in now {
                self.read_into(entry.id, entry.schema.root(), &entry.path)?;
            }
            waiting = later;
        }
        Ok(())
    }

    /// The schema of a definition name, such as `io.k8s.api.apps.v1.Deployment`.
    pub fn by_name(&self, name: &str) -> Option<SchemaId> {
        self.names.get(name).copied()
    }

    /// The handle of an id of this set.
    pub fn get(&self, id: SchemaId) -> SchemaRef<'_> {
        SchemaRef { set: self, id }
    }

    /// How many schemas the set holds.
    pub fn len(&self) -> usize {
        self.schemas.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.schemas.is_empty()
    }

    fn reserve(&mut self) -> SchemaId {
        self.schemas.push(Schema::default());
        SchemaId((self.schemas.len() - 1) as u32)
    }

    fn child(&mut self, node: Node<'_>, path: &str) -> Result<SchemaId, SchemaError> {
        if let Some(reference) = node.str_at(&["$ref"])
            && node.len() == 1
        {
            return self.reference(reference, path);
        }
        let id = self.reserve();
        self.read_into(id, node, path)?;
        Ok(id)
    }

    fn reference(&self, reference: &str, path: &str) -> Result<SchemaId, SchemaError> {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        self.by_name(name).ok_or_else(|| SchemaError {
            path: path.into(),
            message: format!("`$ref: {reference}` names no definition of this set"),
        })
    }

    fn children(&mut self, node: Option<Node<'_>>, path: &str, key: &str) -> Result<Vec<SchemaId>, SchemaError> {
        let Some(node) = node else { return Ok(Vec::new()) };
        node.items()
            .enumerate()
            .map(|(i, n)| self.child(n, &format!("{path}.{key}[{i}]")))
            .collect()
    }

    fn read_into(&mut self, id: SchemaId, node: Node<'_>, path: &str) -> Result<(), SchemaError> {
        let fail = |message: String| SchemaError {
            path: path.into(),
            message,
        };
        if !node.is_object() {
            return Err(fail(format!("a schema must be an object, found {}", node.kind())));
        }
        let mut schema = match referred(node) {
            Some(reference) => {
                let target = self.reference(reference, path)?;
                if let Some(waiting) = &mut self.waiting {
                    waiting.push(Waiting {
                        id,
                        target,
                        schema: node.to_doc(),
                        path: path.into(),
                    });
                    return Ok(());
                }
                self.schemas[target.0 as usize].clone()
            }
            None => Schema {
                all_of: self.children(node.get("allOf"), path, "allOf")?,
                ..Schema::default()
            },
        };
        let text = |key: &str| node.str_at(&[key]).map(Box::<str>::from);
        let flag = |key: &str| node.get(key).and_then(Node::as_bool).unwrap_or(false);
        let number = |key: &str| node.get(key).and_then(Node::as_number);
        let count = |key: &str| node.get(key).and_then(Node::as_i64).and_then(|n| u64::try_from(n).ok());
        if let Some(ty) = node.str_at(&["type"]) {
            schema.ty = Some(match ty {
                "object" => SchemaType::Object,
                "array" => SchemaType::Array,
                "string" => SchemaType::String,
                "integer" => SchemaType::Integer,
                "number" => SchemaType::Number,
                "boolean" => SchemaType::Boolean,
                other => return Err(fail(format!("unknown type {other:?}"))),
            });
        }
        if let Some(description) = text("description") {
            schema.description = description;
        }
        if let Some(format) = text("format") {
            schema.format = format;
        }
        if let Some(properties) = node.get("properties") {
            for (name, property) in properties.members() {
                let child = self.child(property, &format!("{path}.{name}"))?;
                schema.properties.push((name.into(), child));
            }
        }
        match node.get("additionalProperties") {
            Some(n) if n.is_object() => {
                schema.additional = Some(self.child(n, &format!("{path}.additionalProperties"))?)
            }
            Some(n) => schema.additional_any = n.as_bool().unwrap_or(false),
            None => {}
        }
        if let Some(items) = node.get("items") {
            schema.items = Some(self.child(items, &format!("{path}[]"))?);
        }
        if let Some(required) = node.get("required") {
            schema.required = required.items().filter_map(Node::as_str).map(Into::into).collect();
        }
        if let Some(default) = node.get("default") {
            schema.default = Some(Doc::copy_of(default));
        }
        if let Some(values) = node.get("enum") {
            schema.enumeration = values.items().map(Doc::copy_of).collect();
        }
        schema.nullable |= flag("nullable");
        schema.pattern = text("pattern").or(schema.pattern);
        schema.minimum = number("minimum")
            .map(|n| (n, flag("exclusiveMinimum")))
            .or(schema.minimum);
        schema.maximum = number("maximum")
            .map(|n| (n, flag("exclusiveMaximum")))
            .or(schema.maximum);
        schema.multiple_of = number("multipleOf").or(schema.multiple_of);
        schema.length = (
            count("minLength").or(schema.length.0),
            count("maxLength").or(schema.length.1),
        );
        schema.item_count = (
            count("minItems").or(schema.item_count.0),
            count("maxItems").or(schema.item_count.1),
        );
        schema.property_count = (
            count("minProperties").or(schema.property_count.0),
            count("maxProperties").or(schema.property_count.1),
        );
        schema.unique_items |= flag("uniqueItems");
        schema.any_of.extend(self.children(node.get("anyOf"), path, "anyOf")?);
        schema.one_of.extend(self.children(node.get("oneOf"), path, "oneOf")?);
        if let Some(not) = node.get("not") {
            schema.not = Some(self.child(not, &format!("{path}.not"))?);
        }
        schema.int_or_string |= flag("x-kubernetes-int-or-string") || &*schema.format == "int-or-string";
        schema.preserve_unknown |= flag("x-kubernetes-preserve-unknown-fields");
        schema.embedded_resource |= flag("x-kubernetes-embedded-resource");
        match node.str_at(&["x-kubernetes-list-type"]) {
            Some("map") => {
                let keys = node
                    .get("x-kubernetes-list-map-keys")
                    .map(Node::items)
                    .into_iter()
                    .flatten();
                let keys: Vec<String> = keys.filter_map(Node::as_str).map(Into::into).collect();
                if keys.is_empty() {
                    return Err(fail(
                        "`x-kubernetes-list-type: map` needs `x-kubernetes-list-map-keys`".into(),
                    ));
                }
                schema.list_type = Some(ListType::Map(keys));
            }
            Some("set") => schema.list_type = Some(ListType::Set),
            Some("atomic") => schema.list_type = Some(ListType::Atomic),
            Some(other) => {
                return Err(fail(format!(
                    "`x-kubernetes-list-type: {other}` is not atomic, set or map"
                )));
            }
            None => {}
        }
        if node.str_at(&["x-kubernetes-map-type"]) == Some("atomic") {
            schema.map_type = MapType::Atomic;
        }
        if let Some(strategy) = text("x-kubernetes-patch-strategy") {
            schema.patch_strategy = strategy;
        }
        schema.patch_merge_key = text("x-kubernetes-patch-merge-key").or(schema.patch_merge_key);
        if let Some(rules) = node.get("x-kubernetes-validations") {
            schema.validations = rules.items().map(Doc::copy_of).collect();
        }
        self.schemas[id.0 as usize] = schema;
        Ok(())
    }
}

/// What a schema refers to: by `$ref`, or by `allOf: [{$ref}]`, which is how v3 documents annotate a reference.
fn referred(node: Node<'_>) -> Option<&str> {
    node.str_at(&["$ref"]).or_else(|| {
        let all = node.get("allOf").filter(|all| all.len() == 1)?;
        all.item(0)?.str_at(&["$ref"])
    })
}

/// A schema within its set: what walkers carry.
#[derive(Clone, Copy, Debug)]
pub struct SchemaRef<'a> {
    set: &'a SchemaSet,
    id: SchemaId,
}

impl<'a> std::ops::Deref for SchemaRef<'a> {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        &self.set.schemas[self.id.0 as usize]
    }
}

impl<'a> SchemaRef<'a> {
    /// The schema itself, for as long as the set lives.
    pub fn schema(self) -> &'a Schema {
        &self.set.schemas[self.id.0 as usize]
    }

    /// The id within the set.
    pub fn id(self) -> SchemaId {
        self.id
    }

    /// Another schema of the same set.
    pub fn sibling(self, id: SchemaId) -> SchemaRef<'a> {
        self.set.get(id)
    }

    /// The schema of a declared property.
    pub fn property(self, name: &str) -> Option<SchemaRef<'a>> {
        self.schema()
            .properties
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|(_, id)| self.set.get(*id))
    }

    /// The schema of a member: declared property first, then `additionalProperties`.
    pub fn member(self, name: &str) -> Option<SchemaRef<'a>> {
        self.property(name)
            .or_else(|| self.schema().additional.map(|id| self.set.get(id)))
    }

    /// The schema of list items.
    pub fn items_schema(self) -> Option<SchemaRef<'a>> {
        self.schema().items.map(|id| self.set.get(id))
    }

    /// Whether a member of that name is declared, allowed or preserved.
    pub fn allows_member(self, name: &str) -> bool {
        let schema = self.schema();
        schema.additional_any
            || schema.preserve_unknown
            || self.member(name).is_some()
            // A schema that says nothing about members accepts any (RawExtension and its like).
            || (schema.properties.is_empty() && schema.additional.is_none())
    }
}
