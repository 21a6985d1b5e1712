//! Functions in modules: `optional.of`, `resource.Get`, `JSONPatch.escapeKey`, …

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD as UNPADDED};
use ridgeway_doc::parse_yaml;
use ridgeway_krm::{GroupVersion, Gvk};

use crate::cel::eval::{Answer, Evaluator, fail};
use crate::cel::value::Cel;
use crate::{global_context, jmespath, request};

use super::{
    NAMED_FORMAT, digest, format, from_json, global, list, math, named_format, net, overload, text, time, x509,
};

pub(crate) fn in_module<'a>(
    evaluator: &Evaluator<'_, 'a>,
    module: &str,
    name: &str,
    arguments: &[Cel<'a>],
) -> Answer<'a> {
    match (module, name, arguments) {
        ("optional", "none", []) => Ok(Cel::Optional(None)),
        ("optional", "of", [value]) => Ok(Cel::some(value.clone())),
        ("optional", "ofNonZeroValue", [value]) => Ok(if value.is_zero() {
            Cel::Optional(None)
        } else {
            Cel::some(value.clone())
        }),
        ("optional", "unwrap", [list]) if list.is_list() => list::unwrap(&list.items()),
        ("regex", _, _) => text::regex_call(name, arguments),
        ("time", "truncate", [Cel::Time(at), Cel::Duration(step)]) if *step > 0 => {
            time::checked(**at - at.rem_euclid(i128::from(*step))).map(Cel::time)
        }
        ("time", "toCron", [Cel::Time(at)]) => Ok(Cel::text(time::to_cron(**at)?)),
        ("transform", "listObjToMap", [a, b, Cel::Text(key), Cel::Text(value)]) if a.is_list() && b.is_list() => {
            let pairs = a.items().into_iter().zip(b.items());
            let members = pairs.filter_map(|(a, b)| Some((a.field(key)?, b.field(value)?)));
            Ok(Cel::map(members.collect()))
        }
        ("math", _, _) => math::call(name, arguments),
        ("strings", "quote", [Cel::Text(text)]) => Ok(Cel::text(format::quote(text))),
        ("lists", "range", [Cel::Int(end)]) => {
            evaluator.fuel.burn(u64::try_from(*end).unwrap_or_default())?;
            Ok(Cel::list((0..*end).map(Cel::Int).collect()))
        }
        ("ip", "isCanonical", [Cel::Text(text)]) => match net::ip(text)? {
            Cel::Ip(ip) => Ok(Cel::Bool(ip.to_string() == **text)),
            other => Ok(other),
        },
        ("format", "named", [Cel::Text(text)]) => Ok(match named_format::find(text) {
            Some(found) => Cel::some(Cel::object([(NAMED_FORMAT, Cel::str(found))])),
            None => Cel::Optional(None),
        }),
        ("format", _, []) if named_format::find(name).is_some() => Ok(Cel::object([(NAMED_FORMAT, Cel::text(name))])),
        ("sets", _, [a, b]) if a.is_list() && b.is_list() => {
            evaluator
                .fuel
                .burn((a.len() as u64).saturating_mul(b.len() as u64) / 4)?;
            let (a, b) = (a.items(), b.items());
            let has = |list: &[Cel<'a>], item: &Cel<'a>| list.iter().any(|other| other.same(item));
            Ok(Cel::Bool(match name {
                "contains" => b.iter().all(|item| has(&a, item)),
                "equivalent" => b.iter().all(|item| has(&a, item)) && a.iter().all(|item| has(&b, item)),
                "intersects" => a.iter().any(|item| has(&b, item)),
                _ => return overload(name, None, arguments),
            }))
        }
        ("base64", "encode", [Cel::Bytes(bytes)]) => Ok(Cel::text(STANDARD.encode(bytes))),
        ("base64", "decode", [Cel::Text(text)]) => match UNPADDED.decode(text.trim_end_matches('=')) {
            Ok(bytes) => Ok(Cel::Bytes(bytes.into())),
            Err(_) => fail("the text is not base64"),
        },
        ("json", "unmarshal", [Cel::Text(text)]) => from_json(text),
        ("json", "marshal", [value]) => Ok(Cel::text(value.to_value().to_json())),
        ("yaml", "parse", [Cel::Text(text)]) => match parse_yaml(text) {
            Ok(docs) => Ok(docs.first().map_or(Cel::Null, |doc| Cel::copy(doc.root()))),
            Err(error) => fail(error.to_string()),
        },
        ("time", "now", []) => time::now(evaluator),
        ("JSONPatch" | "jsonpatch", "escapeKey", [Cel::Text(key)]) => {
            Ok(Cel::text(key.replace('~', "~0").replace('/', "~1")))
        }
        ("hash", _, _) => digest::hash(evaluator, name, arguments),
        ("gzip", _, _) => digest::gzip(evaluator, name, arguments),
        ("x509", "decode", [Cel::Text(pem)]) => {
            evaluator.fuel.burn(pem.len() as u64)?;
            x509::decode(pem)
        }
        ("random", "random", _) => digest::random(evaluator, arguments),
        ("user", "parseServiceAccount", _) => global(evaluator, name, arguments),
        ("resource", "Get" | "get", [Cel::Text(version), Cel::Text(plural), rest @ ..]) => {
            let (namespace, object) = match rest {
                [Cel::Text(namespace), Cel::Text(object)] => (namespace.as_ref(), object),
                [Cel::Text(object)] => ("", object),
                _ => return overload(name, None, arguments),
            };
            match evaluator.data.api(&path(version, namespace, plural, object)) {
                Some(value) => Ok(Cel::copy(value.node())),
                None => fail(format!("{plural} {object:?} not found")),
            }
        }
        ("resource", "List" | "list", [Cel::Text(version), Cel::Text(plural), rest @ ..]) => {
            let namespace = match rest.first() {
                Some(Cel::Text(namespace)) => namespace.as_ref(),
                _ => "",
            };
            match evaluator.data.api(&path(version, namespace, plural, "")) {
                Some(value) => Ok(Cel::copy(value.node())),
                None => fail(format!("{plural} cannot be listed here")),
            }
        }
        ("resource", "ToGVR" | "toGVR", [Cel::Text(version), Cel::Text(kind)]) => {
            let gvk = Gvk {
                kind: kind.to_string(),
                ..gvk_of(version)
            };
            Ok(Cel::object([
                ("group", Cel::text(gvk.group)),
                ("version", Cel::text(gvk.version)),
                ("resource", Cel::text(crate::cel_policy::plural(kind))),
            ]))
        }
        ("generator", "Apply" | "apply", [Cel::Text(namespace), objects]) if objects.is_list() => Ok(Cel::object([
            ("namespace", Cel::text(namespace.as_ref())),
            ("objects", objects.clone()),
        ])),
        ("image", "GetMetadata" | "getMetadata", [Cel::Text(image)]) => match evaluator.data.image_metadata(image) {
            Some(value) => Ok(Cel::copy(value.node())),
            None => fail(format!("nothing is known here of the image {image}")),
        },
        ("globalContext", "Get" | "get", [Cel::Text(entry), rest @ ..]) => {
            let projection = match rest {
                [] => "",
                [Cel::Text(projection)] => projection.as_ref(),
                _ => return overload(name, None, arguments),
            };
            match global_context::read(evaluator.data, entry, projection, evaluator.fuel, evaluator.now) {
                Ok(value) => Ok(Cel::copy(value.to_value().node())),
                Err(jmespath::Fault::Exhausted(exhausted)) => Err(exhausted.into()),
                Err(fault) => fail(fault.to_string()),
            }
        }
        ("http", "Get" | "get", [Cel::Text(url), ..]) if let Some(answer) = evaluator.data.call("GET", url) => {
            Ok(answered(&answer))
        }
        ("http", "Post" | "post", [Cel::Text(url), ..]) if let Some(answer) = evaluator.data.call("POST", url) => {
            Ok(answered(&answer))
        }
        ("http", _, _) => fail(format!(
            "http.{name} calls a service, which no decision waits for here; let a GlobalContextEntry call it and read \
             that with globalContext.Get"
        )),
        ("resource", _, _) => fail(format!("resource.{name} would write, which a policy cannot do here")),
        _ => overload(&format!("{module}.{name}"), None, arguments),
    }
}

/// What a service has answered, as Kyverno hands it to expressions.
fn answered<'a>(answer: &request::Answer) -> Cel<'a> {
    Cel::object([
        ("body", Cel::copy(answer.body.node())),
        ("statusCode", Cel::Int(answer.status.into())),
    ])
}

fn gvk_of(version: &str) -> Gvk {
    let GroupVersion { group, version } = GroupVersion::parse(version);
    Gvk {
        group,
        version,
        kind: String::new(),
    }
}

/// The API path of an object or a list.
fn path(version: &str, namespace: &str, plural: &str, name: &str) -> String {
    let root = if version.contains('/') { "apis" } else { "api" };
    let mut out = format!("/{root}/{version}");
    if !namespace.is_empty() {
        out.push_str(&format!("/namespaces/{namespace}"));
    }
    out.push_str(&format!("/{plural}"));
    if !name.is_empty() {
        out.push_str(&format!("/{name}"));
    }
    out
}
