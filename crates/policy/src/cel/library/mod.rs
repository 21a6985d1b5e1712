//! The functions: the language's own, and the libraries of Kubernetes and Kyverno.

mod authorizer;
mod digest;
mod format;
mod list;
mod math;
mod module;
mod named_format;
mod net;
mod semver;
mod text;
pub(super) mod time;
mod x509;

use ridgeway_doc::parse_json;
use ridgeway_krm::{GoDuration, Quantity};

use super::eval::{Answer, Evaluator, fail};
use super::value::Cel;
use crate::image;

pub(crate) use authorizer::authorizer;
pub(super) use module::in_module;
pub(super) use semver::Semver;

/// Names that stand for a group of functions where no variable has them.
pub(super) const MODULES: [&str; 20] = [
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
    "hash",
    "gzip",
    "x509",
    "random",
    "transform",
    "user",
];

/// The fault of a call that no function takes.
pub(super) fn overload<'a>(name: &str, receiver: Option<&Cel<'a>>, arguments: &[Cel<'a>]) -> Answer<'a> {
    let types: Vec<&str> = arguments.iter().map(Cel::type_name).collect();
    let before = receiver.map(|r| format!("{}.", r.type_name())).unwrap_or_default();
    fail(format!("no such overload: {before}{name}({})", types.join(", ")))
}

/// A function without receiver.
pub(super) fn global<'a>(evaluator: &Evaluator<'_, 'a>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    match (name, arguments) {
        ("size", [value]) => method(evaluator, value, "size", &[]),
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Cel::Type(value.type_name().into())),
        ("string", [text @ Cel::Text(_)]) => Ok(text.clone()),
        ("string", [value]) => match value.print() {
            Some(text) => Ok(Cel::text(text.into_owned())),
            None if matches!(value, Cel::Bytes(_)) => fail("the bytes are not UTF-8"),
            None => overload(name, None, arguments),
        },
        ("int", [value]) => int(value),
        ("uint", [value]) => uint(value),
        ("double", [value]) => match value {
            Cel::Text(text) => match double(text) {
                Some(d) => Ok(Cel::Double(d)),
                None => fail(format!("{:?} is not a number", &**text)),
            },
            other => other
                .number()
                .map(Cel::Double)
                .map_or_else(|| overload(name, None, arguments), Ok),
        },
        ("bool", [Cel::Bool(b)]) => Ok(Cel::Bool(*b)),
        ("bool", [Cel::Text(text)]) => match text.as_ref() {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(Cel::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(Cel::Bool(false)),
            other => fail(format!("{other:?} is not a bool")),
        },
        ("bytes", [Cel::Text(text)]) => Ok(Cel::Bytes(text.as_bytes().into())),
        ("bytes", [bytes @ Cel::Bytes(_)]) => Ok(bytes.clone()),
        ("duration", [Cel::Text(text)]) => match GoDuration::parse(text) {
            Ok(duration) => Ok(Cel::Duration(duration.0)),
            Err(error) => fail(error.to_string()),
        },
        ("duration", [Cel::Int(nanos)]) => Ok(Cel::Duration(*nanos)),
        ("duration", [value @ Cel::Duration(_)]) | ("timestamp", [value @ Cel::Time(_)]) => Ok(value.clone()),
        ("timestamp", [Cel::Int(seconds)]) => time::checked(i128::from(*seconds) * 1_000_000_000).map(Cel::time),
        ("timestamp", [Cel::Text(text)]) => match time::parse(text) {
            Some(nanos) => time::checked(nanos).map(Cel::time),
            None => fail(format!("{:?} is not a time such as 2026-01-31T12:00:00Z", &**text)),
        },
        ("matches", [Cel::Text(text), Cel::Text(pattern)]) => Ok(Cel::Bool(text::matches(text, pattern)?)),
        ("ip", [Cel::Text(text)]) => net::ip(text),
        ("isIP", [Cel::Text(text)]) => Ok(Cel::Bool(net::address(text).is_some())),
        ("cidr", [Cel::Text(text)]) => net::cidr(text),
        ("isCIDR", [Cel::Text(text)]) => Ok(Cel::Bool(net::range(text).is_some())),
        ("semver", [Cel::Text(text)]) => semver::call(text, false),
        ("semver", [Cel::Text(text), Cel::Bool(lenient)]) => semver::call(text, *lenient),
        ("isSemver", [Cel::Text(text)]) => Ok(Cel::Bool(semver::read(text, false).is_some())),
        ("isSemver", [Cel::Text(text), Cel::Bool(lenient)]) => Ok(Cel::Bool(semver::read(text, *lenient).is_some())),
        ("now", []) => time::now(evaluator),
        ("quantity", [Cel::Text(text)]) => match Quantity::parse(text) {
            Ok(quantity) => Ok(Cel::quantity(quantity)),
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
        ("sha1" | "sha256" | "md5", _) => digest::hash(evaluator, name, arguments),
        ("random", _) => digest::random(evaluator, arguments),
        ("parseImageReference", _) => global(evaluator, "image", arguments),
        ("listObjToMap", _) => in_module(evaluator, "transform", name, arguments),
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
        _ if super::signatures::built_in().contains_key(name) => overload(name, None, arguments),
        _ => fail(format!("undeclared reference to '{name}': there is no such function")),
    }
}

/// As the language reads doubles.
fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "Inf" | "+Inf" => Some(f64::INFINITY),
        "-Infinity" | "-Inf" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

fn int<'a>(value: &Cel<'a>) -> Answer<'a> {
    let range = || fail("integer overflow: the number is out of range");
    match value {
        Cel::Int(i) => Ok(Cel::Int(*i)),
        Cel::Uint(u) => i64::try_from(*u).map(Cel::Int).or_else(|_| range()),
        Cel::Double(d) if *d > -9_223_372_036_854_775_808.0 && *d < 9_223_372_036_854_775_807.0 => {
            Ok(Cel::Int(*d as i64))
        }
        Cel::Double(_) => range(),
        Cel::Text(text) => match text.parse() {
            Ok(i) => Ok(Cel::Int(i)),
            Err(_) => fail(format!("{:?} is not an integer", &**text)),
        },
        Cel::Time(nanos) => Ok(Cel::Int(nanos.div_euclid(1_000_000_000) as i64)),
        Cel::Duration(nanos) => Ok(Cel::Int(*nanos)),
        Cel::Enum(_, number) => Ok(Cel::Int((*number).into())),
        other => overload("int", None, std::slice::from_ref(other)),
    }
}

fn uint<'a>(value: &Cel<'a>) -> Answer<'a> {
    let range = || fail("unsigned integer overflow: the number is out of range");
    match value {
        Cel::Uint(u) => Ok(Cel::Uint(*u)),
        Cel::Int(i) => u64::try_from(*i).map(Cel::Uint).or_else(|_| range()),
        Cel::Double(d) if *d > -1.0 && *d < 18_446_744_073_709_551_615.0 => Ok(Cel::Uint(*d as u64)),
        Cel::Double(_) => range(),
        Cel::Text(text) => match text.parse() {
            Ok(u) => Ok(Cel::Uint(u)),
            Err(_) => fail(format!("{:?} is not an unsigned integer", &**text)),
        },
        other => overload("uint", None, std::slice::from_ref(other)),
    }
}

/// A function with a receiver.
pub(super) fn method<'a>(
    evaluator: &Evaluator<'_, 'a>,
    receiver: &Cel<'a>,
    name: &str,
    arguments: &[Cel<'a>],
) -> Answer<'a> {
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
        Cel::Time(moment) => time::of_time(**moment, name, arguments),
        Cel::Quantity(quantity) => of_quantity(**quantity, name, arguments),
        Cel::Image(image) => of_image(image, name, arguments),
        Cel::Url(url) => text::of_url(url, name, arguments),
        Cel::Ip(ip) => net::of_ip(*ip, name, arguments),
        Cel::Cidr(ip, bits) => net::of_cidr(*ip, *bits, name, arguments),
        Cel::Semver(version) => semver::method(version, name, arguments),
        list if list.is_list() => {
            if matches!(name, "distinct" | "sort") {
                // These compare each item with others.
                evaluator.fuel.burn((list.len() as u64).saturating_pow(2) / 8)?;
            }
            list::method(list, name, arguments)
        }
        Cel::Map(_) => of_authorizer(evaluator, receiver, name, arguments),
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
        [Cel::Quantity(other)] => Some(**other),
        [Cel::Int(i)] => Some(Quantity::from_units(*i)),
        _ => None,
    };
    Ok(match (name, other) {
        ("isGreaterThan", Some(other)) => Cel::Bool(quantity > other),
        ("isLessThan", Some(other)) => Cel::Bool(quantity < other),
        ("compareTo", Some(other)) => Cel::Int(quantity.cmp(&other) as i64),
        ("add", Some(other)) => Cel::quantity(quantity + other),
        ("sub", Some(other)) => Cel::quantity(quantity - other),
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

/// The key under which a named format is kept in a value.
const NAMED_FORMAT: &str = "\u{0}format";

/// Methods of maps: named formats, and checks of an authorizer, which are maps of what was asked for so far.
fn of_authorizer<'a>(
    evaluator: &Evaluator<'_, 'a>,
    receiver: &Cel<'a>,
    name: &str,
    arguments: &[Cel<'a>],
) -> Answer<'a> {
    if let (Some(Cel::Text(format)), "validate", [Cel::Text(text)]) = (receiver.field(NAMED_FORMAT), name, arguments) {
        return Ok(named_format::validate(&format, text));
    }
    authorizer::method(evaluator, receiver, name, arguments)
}

#[cfg(test)]
mod tests;
