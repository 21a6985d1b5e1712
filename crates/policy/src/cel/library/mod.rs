//! The functions: the language's own, and the libraries of Kubernetes and Kyverno.

mod list;
mod module;
mod text;
mod time;

use ridgeway_doc::parse_json;
use ridgeway_krm::{GoDuration, Quantity};

use super::eval::{Answer, Evaluator, fail};
use super::value::Cel;
use crate::image;

pub(super) use module::in_module;

/// Names that stand for a group of functions where no variable has them.
pub(super) const MODULES: [&str; 15] = [
    "optional",
    "image",
    "math",
    "sets",
    "base64",
    "json",
    "yaml",
    "time",
    "resource",
    "http",
    "globalContext",
    "generator",
    "JSONPatch",
    "jsonpatch",
    "strings",
];

/// The types that can be named.
pub(super) fn type_named(name: &str) -> Option<&'static str> {
    const TYPES: [&str; 11] = [
        "null_type",
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "optional_type",
    ];
    TYPES.into_iter().find(|known| *known == name)
}

/// The fault of a call that no function takes.
pub(super) fn overload<'a>(name: &str, receiver: Option<&Cel<'a>>, arguments: &[Cel<'a>]) -> Answer<'a> {
    let types: Vec<&str> = arguments.iter().map(Cel::type_name).collect();
    let before = receiver.map(|r| format!("{}.", r.type_name())).unwrap_or_default();
    fail(format!("no such overload: {before}{name}({})", types.join(", ")))
}

/// A function without receiver.
pub(super) fn global<'a>(evaluator: &Evaluator<'_, 'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    match (name, arguments) {
        ("size", [value]) => method(value, "size", &[]),
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Cel::Type(value.type_name())),
        ("string", [value]) => match value.print() {
            Some(text) => Ok(Cel::text(text)),
            None => overload(name, None, arguments),
        },
        ("int", [value]) => int(value),
        ("uint", [value]) => match int(value)? {
            Cel::Int(i) if i >= 0 => Ok(Cel::Uint(i as u64)),
            _ => fail("unsigned integer overflow"),
        },
        ("double", [value]) => match value {
            Cel::Text(text) => match text.trim().parse() {
                Ok(d) => Ok(Cel::Double(d)),
                Err(_) => fail(format!("{text:?} is not a number")),
            },
            other => other
                .number()
                .map(Cel::Double)
                .map_or_else(|| overload(name, None, arguments), Ok),
        },
        ("bool", [Cel::Bool(b)]) => Ok(Cel::Bool(*b)),
        ("bool", [Cel::Text(text)]) => match text.as_ref() {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Cel::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Cel::Bool(false)),
            other => fail(format!("{other:?} is not a bool")),
        },
        ("bytes", [Cel::Text(text)]) => Ok(Cel::Bytes(text.as_bytes().into())),
        ("bytes", [bytes @ Cel::Bytes(_)]) => Ok(bytes.clone()),
        ("duration", [Cel::Text(text)]) => match GoDuration::parse(text) {
            Ok(duration) => Ok(Cel::Duration(duration.0)),
            Err(error) => fail(error.to_string()),
        },
        ("duration", [value @ Cel::Duration(_)]) | ("timestamp", [value @ Cel::Time(_)]) => Ok(value.clone()),
        ("timestamp", [Cel::Text(text)]) => match text.parse() {
            Ok(time) => Ok(Cel::Time(time)),
            Err(_) => fail(format!("{text:?} is not a time such as 2026-01-31T12:00:00Z")),
        },
        ("now", []) => time::now(evaluator),
        ("quantity", [Cel::Text(text)]) => match Quantity::parse(text) {
            Ok(quantity) => Ok(Cel::Quantity(quantity)),
            Err(error) => fail(error.to_string()),
        },
        ("isQuantity", [Cel::Text(text)]) => Ok(Cel::Bool(Quantity::parse(text).is_ok())),
        ("image", [Cel::Text(text)]) => match image::parse(text) {
            Some(image) => Ok(Cel::Image(image.into())),
            None => fail(format!("{text:?} is not an image reference")),
        },
        ("isImage", [Cel::Text(text)]) => Ok(Cel::Bool(image::parse(text).is_some())),
        ("url", [Cel::Text(text)]) if text::is_url(text) => Ok(Cel::Url(text.as_ref().into())),
        ("url", [Cel::Text(text)]) => fail(format!("{text:?} is not a URL")),
        ("isURL", [Cel::Text(text)]) => Ok(Cel::Bool(text::is_url(text))),
        ("parseServiceAccount", [Cel::Text(text)]) => {
            let parts = text
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'));
            let (namespace, name) = parts.unwrap_or_default();
            Ok(Cel::object([
                ("Namespace", Cel::text(namespace)),
                ("Name", Cel::text(name)),
            ]))
        }
        (_, [receiver, rest @ ..]) => method(receiver, name, rest),
        _ => fail(format!("undeclared reference to '{name}'")),
    }
}

fn int<'a>(value: &Cel<'a>) -> Answer<'a> {
    match value {
        Cel::Int(i) => Ok(Cel::Int(*i)),
        Cel::Uint(u) => i64::try_from(*u).map(Cel::Int).or_else(|_| fail("integer overflow")),
        Cel::Double(d) if d.abs() < 9.2e18 => Ok(Cel::Int(*d as i64)),
        Cel::Text(text) => match text.trim().parse() {
            Ok(i) => Ok(Cel::Int(i)),
            Err(_) => fail(format!("{text:?} is not an integer")),
        },
        Cel::Time(time) => Ok(Cel::Int(time.as_second())),
        other => overload("int", None, std::slice::from_ref(other)),
    }
}

/// A function with a receiver.
pub(super) fn method<'a>(receiver: &Cel<'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    match (name, arguments) {
        ("size", []) => {
            return match receiver {
                Cel::Text(_) | Cel::Bytes(_) => Ok(Cel::Int(receiver.len() as i64)),
                other if other.is_list() || other.is_map() => Ok(Cel::Int(other.len() as i64)),
                _ => overload(name, Some(receiver), arguments),
            };
        }
        ("hasValue", []) => {
            if let Cel::Optional(inner) = receiver {
                return Ok(Cel::Bool(inner.is_some()));
            }
        }
        ("value", []) => match receiver {
            Cel::Optional(Some(inner)) => return Ok((**inner).clone()),
            Cel::Optional(None) => return fail("optional.none() dereference"),
            _ => {}
        },
        _ => {}
    }
    match receiver {
        Cel::Text(text) => text::method(text, name, arguments),
        Cel::Duration(nanos) => time::of_duration(*nanos, name, arguments),
        Cel::Time(moment) => time::of_time(*moment, name, arguments),
        Cel::Quantity(quantity) => of_quantity(*quantity, name, arguments),
        Cel::Image(image) => of_image(image, name, arguments),
        Cel::Url(url) => text::of_url(url, name, arguments),
        list if list.is_list() => list::method(list, name, arguments),
        other => overload(name, Some(other), arguments),
    }
}

fn of_image<'a>(image: &image::Image, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    Ok(match name {
        "registry" => Cel::text(image.registry.as_str()),
        "repository" => Cel::text(image.path.as_str()),
        "tag" => Cel::text(image.tag.as_str()),
        "digest" => Cel::text(image.digest.as_str()),
        "identifier" => Cel::text(
            if image.digest.is_empty() {
                &image.tag
            } else {
                &image.digest
            }
            .as_str(),
        ),
        "containsDigest" => Cel::Bool(!image.digest.is_empty()),
        _ => return overload(name, None, arguments),
    })
}

fn of_quantity<'a>(quantity: Quantity, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let other = match arguments {
        [Cel::Quantity(other)] => Some(*other),
        [Cel::Int(i)] => Some(Quantity::from_units(*i)),
        _ => None,
    };
    Ok(match (name, other) {
        ("isGreaterThan", Some(other)) => Cel::Bool(quantity > other),
        ("isLessThan", Some(other)) => Cel::Bool(quantity < other),
        ("compareTo", Some(other)) => Cel::Int(quantity.cmp(&other) as i64),
        ("add", Some(other)) => Cel::Quantity(quantity + other),
        ("sub", Some(other)) => Cel::Quantity(quantity - other),
        ("sign", None) => Cel::Int(quantity.sign() as i64),
        ("isInteger", None) => Cel::Bool(quantity.nano() % 1_000_000_000 == 0),
        ("asInteger", None) => Cel::Int(quantity.units()),
        ("asApproximateFloat", None) => Cel::Double(quantity.nano() as f64 / 1e9),
        _ => return overload(name, None, arguments),
    })
}

/// A JSON text as a value.
fn from_json<'a>(text: &str) -> Answer<'a> {
    match parse_json(text.as_bytes()) {
        Ok(doc) => Ok(Cel::copy(doc.root())),
        Err(error) => fail(error.to_string()),
    }
}
