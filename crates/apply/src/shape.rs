//! How a value merges, read off its schema.

use ridgeway_doc::{Kind, Node};
use ridgeway_krm::{ListType, MapType, SchemaRef};

use crate::element::{Element, Scalar};

/// The type of a value: its schema, or none where nothing describes it.
#[derive(Clone, Copy)]
pub(crate) struct Type<'s> {
    schema: Option<SchemaRef<'s>>,
    /// A whole resource, with `metadata` as every resource has it.
    resource: bool,
}

/// How a list merges.
#[derive(Clone, Copy)]
pub(crate) enum ListShape<'s> {
    /// As one.
    Atomic,
    /// By its values.
    Set,
    /// By keys of its items.
    Map(Keys<'s>),
}

/// The keys of a list-map.
#[derive(Clone, Copy)]
pub(crate) enum Keys<'s> {
    Many(&'s [String]),
    One(&'s str),
}

impl<'s> Keys<'s> {
    pub(crate) fn iter(self) -> impl Iterator<Item = &'s str> {
        let (many, one) = match self {
            Keys::Many(keys) => (keys, None),
            Keys::One(key) => (&[][..], Some(key)),
        };
        many.iter().map(String::as_str).chain(one)
    }
}

impl<'s> Type<'s> {
    /// The type of a whole object.
    pub(crate) fn resource(schema: Option<SchemaRef<'s>>) -> Type<'s> {
        Type { schema, resource: true }
    }

    fn of(schema: Option<SchemaRef<'s>>) -> Type<'s> {
        Type {
            schema,
            resource: schema.is_some_and(|s| s.schema().embedded_resource),
        }
    }

    /// The type of a member.
    pub(crate) fn member(self, name: &str) -> Type<'s> {
        if self.resource && name == "metadata" {
            let own = self
                .schema
                .and_then(|schema| ridgeway_schema::member_of_resource(schema, name));
            return Type::of(match own {
                Some(own) => Some(own),
                None => Some(ridgeway_schema::object_meta()),
            });
        }
        Type::of(self.schema.and_then(|schema| schema.member(name)))
    }

    /// The type of list items.
    pub(crate) fn item(self) -> Type<'s> {
        Type::of(self.schema.and_then(SchemaRef::items_schema))
    }

    /// Whether the member is a field of its own rather than an entry of a map.
    pub(crate) fn declares(self, name: &str) -> bool {
        self.schema.is_some_and(|schema| schema.property(name).is_some())
    }

    /// Whether the member may be there at all.
    pub(crate) fn allows(self, name: &str) -> bool {
        self.schema.is_none_or(|schema| {
            schema.allows_member(name)
                || schema.schema().ty.is_none()
                || self.resource && matches!(name, "apiVersion" | "kind" | "metadata")
        })
    }

    /// Whether `null` is a value of the type, rather than the absence of one.
    pub(crate) fn takes_null(self) -> bool {
        self.schema.is_none_or(|schema| {
            let schema = schema.schema();
            schema.nullable || schema.ty.is_none() && !schema.int_or_string && schema.one_of.is_empty()
        })
    }

    /// Whether a map is owned and replaced as one.
    pub(crate) fn is_atomic_map(self) -> bool {
        self.schema
            .is_some_and(|schema| schema.schema().map_type == MapType::Atomic)
    }

    /// How a list merges.
    pub(crate) fn list(self) -> ListShape<'s> {
        let Some(schema) = self.schema.map(SchemaRef::schema) else {
            return ListShape::Atomic;
        };
        match &schema.list_type {
            Some(ListType::Atomic) => ListShape::Atomic,
            Some(ListType::Set) => ListShape::Set,
            Some(ListType::Map(keys)) => ListShape::Map(Keys::Many(keys)),
            // Older schemas say it in the words of strategic merge only.
            None if schema.patch_strategy.split(',').any(|s| s == "merge") => match &schema.patch_merge_key {
                Some(key) => ListShape::Map(Keys::One(key)),
                None => ListShape::Set,
            },
            None => ListShape::Atomic,
        }
    }

    /// Whether the value merges part by part.
    pub(crate) fn is_granular(self, node: Node<'_>) -> bool {
        match node.kind() {
            Kind::Object => !self.is_atomic_map(),
            Kind::Array => !matches!(self.list(), ListShape::Atomic),
            _ => false,
        }
    }

    /// What identifies each item of a list that merges part by part.
    ///
    /// The error names the item that cannot be told apart.
    pub(crate) fn elements<'a>(self, list: Node<'a>) -> Result<Vec<Element<'a>>, String> {
        let shape = self.list();
        let item_type = self.item();
        list.items()
            .enumerate()
            .map(|(index, item)| match shape {
                ListShape::Atomic => Ok(Element::Index(index as u32)),
                ListShape::Set => Ok(Element::Value(Scalar::of(item))),
                ListShape::Map(keys) => item_type
                    .key_of(keys, item)
                    .map_err(|why| format!("element {index}: {why}")),
            })
            .collect()
    }

    fn key_of<'a>(self, keys: Keys<'_>, item: Node<'a>) -> Result<Element<'a>, String> {
        if !item.is_object() {
            return Err("associative list with keys has an element that's not a map".into());
        }
        let mut found = Vec::with_capacity(1);
        for key in keys.iter() {
            // The name is taken from the item where it is there, so that nothing is copied.
            if let Some((name, value)) = item.members().find(|(name, value)| *name == key && !value.is_null()) {
                found.push((name.into(), Scalar::of(value)));
            } else if let Some(default) = self
                .schema
                .and_then(|s| s.property(key))
                .and_then(|p| p.schema().default.as_ref())
            {
                found.push((key.to_owned().into(), Scalar::of(default.root()).into_owned()));
            }
        }
        if found.is_empty() {
            let names: Vec<&str> = keys.iter().collect();
            return Err(match names[..] {
                [name] => format!(
                    "associative list with keys has an element that omits key field {name:?} (and doesn't have \
                     default value)"
                ),
                _ => format!(
                    "associative list with keys has an element that omits all key fields {names:?} (and doesn't have \
                     default values for any key fields)"
                ),
            });
        }
        found.sort();
        Ok(Element::Key(found))
    }
}
