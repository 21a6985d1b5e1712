//! [`Cel`]: values of expressions, borrowed from the document wherever possible.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ridgeway_doc::{Kind, Map, Node, Number, Value};
use ridgeway_krm::{GoDuration, Quantity};

use super::library::Semver;
use super::library::time;
use super::message::Message;
use super::seq::Seq;
use super::text::Text;
use crate::image::Image;

/// A value.
///
/// Four words: the kind in one of its own, so that values move word by word, and nothing wider than three beside it.
#[derive(Clone)]
#[repr(u64)]
pub(crate) enum Cel<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Arc<[u8]>),
    List(Seq<'a, Cel<'a>>),
    Map(Seq<'a, (Cel<'a>, Cel<'a>)>),
    /// A container of a document.
    Node(Node<'a>),
    Optional(Option<Arc<Cel<'a>>>),
    /// Nanoseconds.
    Duration(i64),
    /// Nanoseconds since 1970.
    Time(Box<i128>),
    Quantity(Box<Quantity>),
    Image(Arc<Image>),
    Url(Arc<str>),
    Ip(IpAddr),
    /// An address and the length of its prefix.
    Cidr(IpAddr, u8),
    Semver(Arc<Semver>),
    Message(Arc<Message<'a>>),
    /// A constant of an enumeration where these are types of their own.
    Enum(Arc<str>, i32),
    Type(Arc<str>),
}

impl<'a> Cel<'a> {
    /// The value of a node; scalars leave the document.
    pub(crate) fn of(node: Node<'a>) -> Cel<'a> {
        match node.kind() {
            Kind::String => Cel::str(node.as_str().unwrap_or_default()),
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

    /// A moment, in nanoseconds since 1970.
    pub(crate) fn time(nanos: i128) -> Cel<'a> {
        Cel::Time(Box::new(nanos))
    }

    pub(crate) fn quantity(quantity: Quantity) -> Cel<'a> {
        Cel::Quantity(Box::new(quantity))
    }

    pub(crate) fn text(text: impl Into<Arc<str>>) -> Cel<'a> {
        Cel::Text(Text::Shared(text.into()))
    }

    pub(crate) fn str(text: &'a str) -> Cel<'a> {
        Cel::Text(Text::Borrowed(text))
    }

    pub(crate) fn list(items: Vec<Cel<'a>>) -> Cel<'a> {
        if items.is_empty() {
            return Cel::List(Seq::Fixed(&[]));
        }
        Cel::List(items.into())
    }

    pub(crate) fn map(members: Vec<(Cel<'a>, Cel<'a>)>) -> Cel<'a> {
        Cel::Map(members.into())
    }

    /// An object of named members.
    pub(crate) fn object<const N: usize>(members: [(&'static str, Cel<'a>); N]) -> Cel<'a> {
        Cel::map(members.into_iter().map(|(key, value)| (Cel::str(key), value)).collect())
    }

    pub(crate) fn some(value: Cel<'a>) -> Cel<'a> {
        Cel::Optional(Some(Arc::new(value)))
    }

    /// The same value, its text and its elements borrowed.
    #[inline]
    pub(super) fn view(&'a self) -> Cel<'a> {
        match self {
            Cel::Text(text) => Cel::str(text),
            Cel::List(items) => Cel::List(Seq::Fixed(items)),
            Cel::Map(members) => Cel::Map(Seq::Fixed(members)),
            other => other.clone(),
        }
    }

    /// The value on its own; `None` for what lies in a document.
    pub(super) fn kept(&self) -> Option<Cel<'static>> {
        Some(match self {
            Cel::Null => Cel::Null,
            Cel::Bool(b) => Cel::Bool(*b),
            Cel::Int(i) => Cel::Int(*i),
            Cel::Uint(u) => Cel::Uint(*u),
            Cel::Double(d) => Cel::Double(*d),
            Cel::Text(text) => Cel::text(&**text),
            Cel::Bytes(bytes) => Cel::Bytes(bytes.clone()),
            Cel::List(items) => Cel::list(items.iter().map(Cel::kept).collect::<Option<_>>()?),
            Cel::Map(members) => {
                let member = |(key, value): &(Cel<'_>, Cel<'_>)| Some((key.kept()?, value.kept()?));
                Cel::map(members.iter().map(member).collect::<Option<_>>()?)
            }
            Cel::Optional(None) => Cel::Optional(None),
            Cel::Optional(Some(inner)) => Cel::some(inner.kept()?),
            Cel::Duration(nanos) => Cel::Duration(*nanos),
            Cel::Time(nanos) => Cel::Time(nanos.clone()),
            Cel::Quantity(quantity) => Cel::Quantity(quantity.clone()),
            Cel::Image(image) => Cel::Image(image.clone()),
            Cel::Url(url) => Cel::Url(url.clone()),
            Cel::Ip(ip) => Cel::Ip(*ip),
            Cel::Cidr(ip, bits) => Cel::Cidr(*ip, *bits),
            Cel::Semver(version) => Cel::Semver(version.clone()),
            Cel::Enum(name, number) => Cel::Enum(name.clone(), *number),
            Cel::Type(name) => Cel::Type(name.clone()),
            Cel::Node(_) | Cel::Message(_) => return None,
        })
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Cel::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is a value of a document that has no parts: such values have no fields, and asking for one is no
    /// fault.
    pub(super) fn is_scalar(&self) -> bool {
        matches!(
            self,
            Cel::Null | Cel::Bool(_) | Cel::Int(_) | Cel::Uint(_) | Cel::Double(_) | Cel::Text(_) | Cel::Bytes(_)
        )
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

    /// What handling the value costs, roughly.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Cel::Text(text) => text.len() as u64,
            other => other.len() as u64,
        }
    }

    /// The item at a place of a list.
    pub(super) fn item(&self, at: usize) -> Option<Cel<'a>> {
        match self {
            Cel::Node(node) => node.item(at).map(Cel::of),
            Cel::List(items) => items.get(at).cloned(),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Vec<Cel<'a>> {
        match self {
            Cel::Node(node) => node.items().map(Cel::of).collect(),
            Cel::List(items) => items.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Adds its items to others.
    pub(super) fn extend(&self, out: &mut Vec<Cel<'a>>) {
        match self {
            Cel::Node(node) => out.extend(node.items().map(Cel::of)),
            Cel::List(items) => out.extend_from_slice(items),
            _ => {}
        }
    }

    pub(crate) fn members(&self) -> Vec<(Cel<'a>, Cel<'a>)> {
        match self {
            Cel::Node(node) => node.members().map(|(k, v)| (Cel::str(k), Cel::of(v))).collect(),
            Cel::Map(members) => members.to_vec(),
            _ => Vec::new(),
        }
    }

    /// A field of an object.
    pub(crate) fn field(&self, name: &str) -> Option<Cel<'a>> {
        match self {
            Cel::Node(node) => node.get(name).map(Cel::of),
            Cel::Map(members) => members
                .iter()
                .find(|(k, _)| k.as_str() == Some(name))
                .map(|(_, v)| v.clone()),
            Cel::Message(message) => message.get(name),
            Cel::Image(image) => image_field(image, name),
            _ => None,
        }
    }

    /// Whether a field is set; `None` when the value has no such field at all. `null` fields of documents count as
    /// missing, as in Kubernetes' typed objects.
    pub(super) fn has(&self, name: &str) -> Option<bool> {
        match self {
            Cel::Message(message) => message.has(name),
            Cel::Map(_) => Some(self.field(name).is_some()),
            Cel::Node(node) if node.is_object() => Some(node.get(name).is_some_and(|value| !value.is_null())),
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
            Cel::Double(d) if d.fract() == 0.0 && d.abs() < 9.2e18 => Some(*d as i64),
            _ => None,
        }
    }

    /// The name of the type.
    pub(crate) fn type_name(&self) -> &str {
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
            Cel::Semver(_) => "kubernetes.Semver",
            Cel::Ip(_) => "net.IP",
            Cel::Cidr(..) => "net.CIDR",
            Cel::Type(_) => "type",
            Cel::Enum(name, _) => name,
            Cel::Message(message) => &message.descriptor.name,
            Cel::Node(node) if node.is_array() => "list",
            Cel::List(_) => "list",
            Cel::Node(_) | Cel::Map(_) => "map",
        }
    }

    /// Whether the value is the zero of its type.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Cel::Null => true,
            Cel::Bool(b) => !b,
            Cel::Int(i) | Cel::Duration(i) => *i == 0,
            Cel::Uint(u) => *u == 0,
            Cel::Double(d) => *d == 0.0,
            Cel::Text(text) => text.is_empty(),
            Cel::Bytes(_) | Cel::List(_) | Cel::Map(_) | Cel::Node(_) => self.len() == 0,
            Cel::Optional(inner) => inner.is_none(),
            Cel::Message(message) => message.fields.is_empty(),
            Cel::Quantity(quantity) => quantity.is_zero(),
            Cel::Enum(_, number) => *number == 0,
            _ => false,
        }
    }

    /// As `string()` prints it; `None` for types that have no text.
    pub(crate) fn print(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Cel::Text(text) => Cow::Borrowed(text),
            Cel::Bool(b) => Cow::Borrowed(if *b { "true" } else { "false" }),
            Cel::Int(i) => Cow::Owned(i.to_string()),
            Cel::Uint(u) => Cow::Owned(u.to_string()),
            Cel::Double(d) => Cow::Owned(print_double(*d)),
            Cel::Bytes(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).ok()?),
            Cel::Duration(nanos) => Cow::Owned(time::print_duration(*nanos)),
            Cel::Time(nanos) => Cow::Owned(time::print(**nanos)),
            Cel::Quantity(quantity) => Cow::Owned(quantity.to_string()),
            Cel::Url(url) => Cow::Borrowed(url),
            Cel::Ip(ip) => Cow::Owned(ip.to_string()),
            Cel::Cidr(ip, bits) => Cow::Owned(format!("{ip}/{bits}")),
            Cel::Type(name) => Cow::Borrowed(name),
            Cel::Image(image) => Cow::Owned(image.reference()),
            Cel::Semver(version) => Cow::Borrowed(&version.text),
            _ => return None,
        })
    }

    /// The value as an editable document value. Optionals that are empty are left out of objects.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Cel::Null | Cel::Optional(None) => Value::NULL,
            Cel::Bool(b) => (*b).into(),
            Cel::Int(i) => (*i).into(),
            Cel::Uint(u) => i64::try_from(*u).map_or_else(|_| (*u as f64).into(), Into::into),
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
            Cel::Duration(nanos) => GoDuration(*nanos).to_string().as_str().into(),
            Cel::Enum(_, number) => i64::from(*number).into(),
            Cel::Message(message) => message.to_value(),
            other => other.print().unwrap_or_default().as_ref().into(),
        }
    }
}

/// As the language prints doubles: the shortest form that reads back.
pub(super) fn print_double(d: f64) -> String {
    if d.is_nan() {
        return "NaN".into();
    }
    if d.is_infinite() {
        return if d > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    if d != 0.0 && !(1e-4..1e21).contains(&d.abs()) {
        let text = format!("{d:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{d}")
}

fn image_field<'a>(image: &Image, name: &str) -> Option<Cel<'a>> {
    Some(Cel::text(match name {
        "registry" => image.registry.as_str(),
        "repository" => image.path.as_str(),
        "tag" => image.tag.as_str(),
        "digest" => image.digest.as_str(),
        _ => return None,
    }))
}

const _: () = assert!(size_of::<Cel<'_>>() == 32);
