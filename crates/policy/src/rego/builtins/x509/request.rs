//! Requests for certificates.

use num_bigint::{BigInt, Sign};

use super::super::super::error::Fault;
use super::super::super::number::Num;
use super::super::super::value::Value;
use super::super::der::{self, Element, INTEGER, OCTET_STRING, SEQUENCE};
use super::super::encoding::{from_base64, to_base64};
use super::super::keys::{self, Material};
use super::super::uri;
use super::{addresses, key_number, name, numbers, or_null, signature_number, texts};

const EXTENSIONS: &str = "1.2.840.113549.1.9.14";
const ALTERNATIVE_NAMES: &str = "2.5.29.17";

/// Reads a request in PEM, or in base64 of PEM or DER.
pub(super) fn parse<'d>(whole: &str) -> Result<Option<Value<'d>>, Fault> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE REQUEST-----";
    let bytes = if whole.starts_with(BEGIN) {
        whole.as_bytes().to_vec()
    } else {
        from_base64(whole)?
    };
    let blocks = std::str::from_utf8(&bytes).map_or_else(|_| Vec::new(), |text| der::pem(text).0);
    let bytes = match blocks.into_iter().next() {
        Some((label, bytes)) if label == "CERTIFICATE REQUEST" => bytes,
        Some(_) => return Err(Fault::value("invalid PEM-encoded certificate signing request")),
        None => bytes,
    };
    let Some(request) = shown(&bytes) else { return Ok(None) };
    let key = spki(&bytes).and_then(|spki| key(&spki)).unwrap_or(Value::Null);
    let mut members = request.as_object().unwrap_or_default().to_vec();
    members.push((Value::str("PublicKey"), key));
    Ok(Some(Value::object(members)))
}

fn spki(bytes: &[u8]) -> Option<Element<'_>> {
    let parts = der::element(bytes)?.0.children();
    parts.first()?.children().get(2).copied()
}

fn big<'d>(bytes: &[u8]) -> Value<'d> {
    Value::Num(Num::big(BigInt::from_bytes_be(Sign::Plus, bytes)))
}

fn key<'d>(spki: &Element<'_>) -> Option<Value<'d>> {
    Some(match keys::of_spki(spki)? {
        Material::Rsa(key) => {
            let parts = der::element(&key)?.0.children();
            Value::named([
                ("N", big(parts.first()?.unsigned()?)),
                ("E", big(parts.get(1)?.unsigned()?)),
            ])
        }
        Material::Ec(point) => {
            let (x, y) = point.get(1..)?.split_at(point.len() / 2);
            Value::named([("Curve", Value::object(Vec::new())), ("X", big(x)), ("Y", big(y))])
        }
        Material::Ed25519(key) | Material::Secret(key) => Value::str(to_base64(&key)),
    })
}

/// What a request says, without its key in numbers.
pub(super) fn shown<'d>(bytes: &[u8]) -> Option<Value<'d>> {
    let whole = der::element(bytes)?.0;
    let parts = whole.is(SEQUENCE)?.children();
    let [told, algorithm, signature] = parts[..] else {
        return None;
    };
    let fields = told.is(SEQUENCE)?.children();
    let version = fields.first()?.is(INTEGER)?.content.first()?;
    let (subject, spki) = (fields.get(1)?, fields.get(2)?);
    let attributes: Vec<Element<'_>> = fields.get(3).map(Element::children).unwrap_or_default();
    let extensions: Vec<Element<'_>> = attributes.iter().flat_map(extensions).collect();
    let names: Vec<Element<'_>> = extensions
        .iter()
        .filter_map(|extension| {
            let parts = extension.children();
            let is = parts.first()?.oid()? == ALTERNATIVE_NAMES;
            let content = parts.last()?.is(OCTET_STRING)?.content;
            is.then(|| der::element(content).map(|(names, _)| names.children()))?
        })
        .flatten()
        .collect();
    let uris = names.iter().filter(|name| name.tag == 0x86);
    let uris = uris.filter_map(|name| uri::of_go(std::str::from_utf8(name.content).ok()?));
    Some(Value::named([
        ("Attributes", or_null(attributes.iter().filter_map(attribute).collect())),
        ("DNSNames", or_null(texts(&names, 0x82))),
        ("EmailAddresses", or_null(texts(&names, 0x81))),
        ("Extensions", or_null(extensions.iter().filter_map(extension).collect())),
        ("ExtraExtensions", Value::Null),
        ("IPAddresses", or_null(addresses(&names))),
        ("PublicKeyAlgorithm", Value::int(key_number(spki))),
        ("Raw", Value::str(to_base64(whole.whole))),
        ("RawSubject", Value::str(to_base64(subject.whole))),
        ("RawSubjectPublicKeyInfo", Value::str(to_base64(spki.whole))),
        ("RawTBSCertificateRequest", Value::str(to_base64(told.whole))),
        ("Signature", Value::str(to_base64(signature.bits()?))),
        (
            "SignatureAlgorithm",
            Value::int(signature_number(&algorithm.children().first()?.oid()?)),
        ),
        ("Subject", name(subject)),
        ("URIs", or_null(uris.collect())),
        ("Version", Value::int(i64::from(*version))),
    ]))
}

/// The extensions that an attribute asks for.
fn extensions<'a>(attribute: &Element<'a>) -> Vec<Element<'a>> {
    let parts = attribute.children();
    match parts[..] {
        [oid, set] if oid.oid().as_deref() == Some(EXTENSIONS) => {
            let lists = set.children();
            lists.first().map(Element::children).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn extension<'d>(extension: &Element<'_>) -> Option<Value<'d>> {
    let parts = extension.children();
    let critical = parts.len() > 2 && parts[1].content == [0xff];
    Some(Value::named([
        ("Id", numbers(&parts.first()?.oid()?)),
        ("Critical", Value::Bool(critical)),
        ("Value", Value::str(to_base64(parts.last()?.content))),
    ]))
}

/// An attribute whose values are lists of pairs; Go tells no others.
fn attribute<'d>(attribute: &Element<'_>) -> Option<Value<'d>> {
    let parts = attribute.children();
    let mut lists = Vec::new();
    for list in parts.get(1)?.children() {
        let mut pairs = Vec::new();
        for pair in list.is(SEQUENCE)?.children() {
            let [oid, value] = pair.is(SEQUENCE)?.children()[..] else {
                return None;
            };
            pairs.push(Value::named([
                ("Type", numbers(&oid.oid()?)),
                ("Value", Value::str(to_base64(value.content))),
            ]));
        }
        lists.push(Value::array(pairs));
    }
    Some(Value::named([
        ("Type", numbers(&parts.first()?.oid()?)),
        ("Value", Value::array(lists)),
    ]))
}
