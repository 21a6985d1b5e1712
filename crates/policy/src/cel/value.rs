//! [`Cel`]: values of expressions, borrowed from the document wherever possible.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use jiff::Timestamp;
use ridgeway_doc::{Kind, Map, Node, Number, Value};
use ridgeway_krm::{GoDuration, Quantity};

use crate::image::Image;

/// A value.
#[derive(Clone)]
pub(crate) enum Cel<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Bytes(Rc<[u8]>),
    List(Rc<Vec<Cel<'a>>>),
    Map(Rc<Vec<(Cel<'a>, Cel<'a>)>>),
    /// A container of a document.
    Node(Node<'a>),
    Optional(Option<Rc<Cel<'a>>>),
    Duration(i64),
    Time(Timestamp),
    Quantity(Quantity),
    Image(Rc<Image>),
    Url(Rc<str>),
    Type(&'static str),
}

impl<'a> Cel<'a> {
    /// The value of a node; scalars leave the document.
    pub(crate) fn of(node: Node<'a>) -> Cel<'a> {
        match node.kind() {
            Kind::String => Cel::Text(Cow::Borrowed(node.as_str().unwrap_or_default())),
            Kind::Array | Kind::Object => Cel::Node(node),
            _ => Cel::scalar(node),
        }
    }

    fn scalar(node: Node<'_>) -> Cel<'a> {
        match node.as_number() {
            Some(Number::Int(i)) => Cel::Int(i),
            Some(Number::Float(f)) => Cel::Double(f),
            None => node.as_bool().map_or(Cel::Null, Cel::Bool),
        }
    }

    /// An owned copy of a node of another lifetime.
    pub(crate) fn copy(node: Node<'_>) -> Cel<'a> {
        match node.kind() {
            Kind::String => Cel::text(node.as_str().unwrap_or_default()),
            Kind::Array => Cel::list(node.items().map(Cel::copy).collect()),
            Kind::Object => Cel::map(node.members().map(|(k, v)| (Cel::text(k), Cel::copy(v))).collect()),
            _ => Cel::scalar(node),
        }
    }

    pub(crate) fn text(text: impl Into<String>) -> Cel<'a> {
        Cel::Text(Cow::Owned(text.into()))
    }

    pub(crate) fn str(text: &'a str) -> Cel<'a> {
        Cel::Text(Cow::Borrowed(text))
    }

    pub(crate) fn list(items: Vec<Cel<'a>>) -> Cel<'a> {
        Cel::List(Rc::new(items))
    }

    pub(crate) fn map(members: Vec<(Cel<'a>, Cel<'a>)>) -> Cel<'a> {
        Cel::Map(Rc::new(members))
    }

    /// An object of named members.
    pub(crate) fn object<const N: usize>(members: [(&'static str, Cel<'a>); N]) -> Cel<'a> {
        Cel::map(members.into_iter().map(|(key, value)| (Cel::str(key), value)).collect())
    }

    pub(crate) fn some(value: Cel<'a>) -> Cel<'a> {
        Cel::Optional(Some(Rc::new(value)))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Cel::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        match self {
            Cel::Node(node) => node.is_array(),
            other => matches!(other, Cel::List(_)),
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        match self {
            Cel::Node(node) => node.is_object(),
            other => matches!(other, Cel::Map(_)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Cel::Node(node) => node.len(),
            Cel::List(items) => items.len(),
            Cel::Map(members) => members.len(),
            Cel::Text(text) => text.chars().count(),
            Cel::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }

    pub(crate) fn items(&self) -> Vec<Cel<'a>> {
        match self {
            Cel::Node(node) => node.items().map(Cel::of).collect(),
            Cel::List(items) => items.to_vec(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn members(&self) -> Vec<(Cel<'a>, Cel<'a>)> {
        match self {
            Cel::Node(node) => node.members().map(|(k, v)| (Cel::str(k), Cel::of(v))).collect(),
            Cel::Map(members) => members.to_vec(),
            _ => Vec::new(),
        }
    }

    /// A field of an object; `null` fields of documents count as missing, as in Kubernetes' typed objects.
    pub(crate) fn field(&self, name: &str) -> Option<Cel<'a>> {
        match self {
            Cel::Node(node) => node.get(name).map(Cel::of),
            Cel::Map(members) => members
                .iter()
                .find(|(k, _)| k.as_str() == Some(name))
                .map(|(_, v)| v.clone()),
            Cel::Image(image) => image_field(image, name),
            _ => None,
        }
    }

    /// An item or member.
    pub(crate) fn index(&self, index: &Cel<'_>) -> Option<Cel<'a>> {
        match (self, index) {
            (Cel::Node(node), _) if node.is_array() => node.item(usize::try_from(index.whole()?).ok()?).map(Cel::of),
            (Cel::List(items), _) => items.get(usize::try_from(index.whole()?).ok()?).cloned(),
            (Cel::Node(node), Cel::Text(key)) => node.get(key).map(Cel::of),
            (Cel::Map(members), key) => members.iter().find(|(k, _)| k.same(key)).map(|(_, v)| v.clone()),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub(crate) fn whole(&self) -> Option<i64> {
        match self {
            Cel::Int(i) => Some(*i),
            Cel::Uint(u) => i64::try_from(*u).ok(),
            Cel::Double(d) if d.fract() == 0.0 => Some(*d as i64),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Cel::Int(i) => Some(*i as f64),
            Cel::Uint(u) => Some(*u as f64),
            Cel::Double(d) => Some(*d),
            _ => None,
        }
    }

    /// Equality across representations and number types.
    pub(crate) fn same(&self, other: &Cel<'_>) -> bool {
        match (self, other) {
            (Cel::Null, Cel::Null) => true,
            (Cel::Bool(a), Cel::Bool(b)) => a == b,
            (Cel::Int(a), Cel::Int(b)) => a == b,
            (Cel::Text(a), Cel::Text(b)) => a == b,
            (Cel::Bytes(a), Cel::Bytes(b)) => a == b,
            (Cel::Duration(a), Cel::Duration(b)) => a == b,
            (Cel::Time(a), Cel::Time(b)) => a == b,
            (Cel::Quantity(a), Cel::Quantity(b)) => a == b,
            (Cel::Type(a), Cel::Type(b)) => a == b,
            (Cel::Url(a), Cel::Url(b)) => a == b,
            (Cel::Optional(a), Cel::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() && b.is_none(),
            },
            (a, b) if a.is_list() && b.is_list() => {
                a.len() == b.len() && a.items().iter().zip(b.items().iter()).all(|(a, b)| a.same(b))
            }
            (a, b) if a.is_map() && b.is_map() => {
                a.len() == b.len() && a.members().iter().all(|(k, v)| b.index(k).is_some_and(|o| v.same(&o)))
            }
            (a, b) => matches!((a.number(), b.number()), (Some(a), Some(b)) if a == b),
        }
    }

    /// Order of values of one kind.
    pub(crate) fn order(&self, other: &Cel<'_>) -> Option<Ordering> {
        match (self, other) {
            (Cel::Int(a), Cel::Int(b)) => Some(a.cmp(b)),
            (Cel::Text(a), Cel::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (Cel::Bool(a), Cel::Bool(b)) => Some(a.cmp(b)),
            (Cel::Bytes(a), Cel::Bytes(b)) => Some(a.cmp(b)),
            (Cel::Duration(a), Cel::Duration(b)) => Some(a.cmp(b)),
            (Cel::Time(a), Cel::Time(b)) => Some(a.cmp(b)),
            (Cel::Quantity(a), Cel::Quantity(b)) => Some(a.cmp(b)),
            (a, b) => a.number()?.partial_cmp(&b.number()?),
        }
    }

    /// The name of the type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Cel::Null => "null_type",
            Cel::Bool(_) => "bool",
            Cel::Int(_) => "int",
            Cel::Uint(_) => "uint",
            Cel::Double(_) => "double",
            Cel::Text(_) => "string",
            Cel::Bytes(_) => "bytes",
            Cel::Optional(_) => "optional_type",
            Cel::Duration(_) => "google.protobuf.Duration",
            Cel::Time(_) => "google.protobuf.Timestamp",
            Cel::Quantity(_) => "kubernetes.Quantity",
            Cel::Image(_) => "kyverno.Image",
            Cel::Url(_) => "kubernetes.URL",
            Cel::Type(_) => "type",
            other if other.is_list() => "list",
            _ => "map",
        }
    }

    /// Whether the value is the zero of its type.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Cel::Null => true,
            Cel::Bool(b) => !b,
            Cel::Text(_) | Cel::Bytes(_) | Cel::List(_) | Cel::Map(_) | Cel::Node(_) => self.len() == 0,
            Cel::Optional(inner) => inner.is_none(),
            other => other.number() == Some(0.0),
        }
    }

    /// As `string()` prints it; `None` for types that have no text.
    pub(crate) fn print(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Cel::Text(text) => Cow::Borrowed(text),
            Cel::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
            Cel::Int(i) => Cow::Owned(i.to_string()),
            Cel::Uint(u) => Cow::Owned(u.to_string()),
            Cel::Double(d) => Cow::Owned(Number::Float(*d).to_string()),
            Cel::Bytes(bytes) => String::from_utf8_lossy(bytes),
            Cel::Duration(nanos) => Cow::Owned(GoDuration(*nanos).to_string()),
            Cel::Time(time) => Cow::Owned(time.to_string()),
            Cel::Quantity(quantity) => Cow::Owned(quantity.to_string()),
            Cel::Url(url) => Cow::Borrowed(url),
            Cel::Type(name) => Cow::Borrowed(name),
            Cel::Image(image) => Cow::Owned(image.reference()),
            _ => return None,
        })
    }

    /// The value as an editable document value. Optionals that are empty are left out of objects.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Cel::Null | Cel::Optional(None) => Value::NULL,
            Cel::Bool(b) => (*b).into(),
            Cel::Int(i) => (*i).into(),
            Cel::Uint(u) => Number::Int(*u as i64).into(),
            Cel::Double(d) => (*d).into(),
            Cel::Optional(Some(inner)) => inner.to_value(),
            Cel::Node(node) => node.to_value(),
            Cel::List(items) => items.iter().map(Cel::to_value).collect(),
            Cel::Map(members) => {
                let text = |key: &Cel<'_>| key.print().unwrap_or_default().into_owned();
                members
                    .iter()
                    .map(|(k, v)| (text(k), v.to_value()))
                    .collect::<Map>()
                    .into()
            }
            other => other.print().unwrap_or_default().as_ref().into(),
        }
    }
}

fn image_field<'a>(image: &Image, name: &str) -> Option<Cel<'a>> {
    Some(Cel::text(match name {
        "registry" => image.registry.clone(),
        "repository" => image.path.clone(),
        "tag" => image.tag.clone(),
        "digest" => image.digest.clone(),
        _ => return None,
    }))
}
