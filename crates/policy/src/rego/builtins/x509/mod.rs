//! Certificates and private keys.

mod request;
mod verify;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::Value;
use super::der::{self, BIT_STRING, Element, OCTET_STRING, SEQUENCE, SET};
use super::encoding::{from_base64, to_base64, to_base64url};
use super::keys::{self, Material};
use super::{Builtin, builtin, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("crypto.x509.parse_certificates", 1, |env, a| {
        env.work(text(a, 0)?.len())?;
        let found = certificates(text(a, 0)?)?;
        Ok(Value::array(
            found
                .iter()
                .map(|cert| shown(cert))
                .collect::<Option<_>>()
                .ok_or_else(malformed)?,
        ))
    }),
    builtin("crypto.x509.parse_and_verify_certificates", 1, |env, a| {
        verify::chain(env, text(a, 0)?, || Ok(verify::Wanted::default()))
    }),
    builtin("crypto.x509.parse_and_verify_certificates_with_options", 2, |env, a| {
        let whole = text(a, 0)?;
        super::object(a, 1)?;
        verify::chain(env, whole, || verify::Wanted::of(&a[1]))
    }),
    builtin("crypto.x509.parse_certificate_request", 1, |env, a| {
        env.work(text(a, 0)?.len())?;
        request::parse(text(a, 0)?)?.ok_or_else(|| Fault::value("asn1: structure error"))
    }),
    builtin("crypto.x509.parse_keypair", 2, |env, a| {
        env.work(text(a, 0)?.len() + text(a, 1)?.len())?;
        let found = certificates(text(a, 0)?)?;
        blocks(text(a, 1)?)?;
        let all = found.iter().map(|cert| Value::str(to_base64(cert)));
        let leaf = found.first().and_then(|cert| shown(cert)).unwrap_or(Value::Null);
        Ok(Value::named([
            ("Certificate", Value::array(all.collect())),
            ("Leaf", leaf),
        ]))
    }),
    builtin("crypto.x509.parse_rsa_private_key", 1, |env, a| {
        env.work(text(a, 0)?.len())?;
        let bytes = blocks(text(a, 0)?)?;
        let key = bytes.first().and_then(|bytes| private_key(bytes));
        key.ok_or_else(|| Fault::value("x509: failed to parse private key"))
    }),
    builtin("crypto.parse_private_keys", 1, |env, a| {
        let whole = text(a, 0)?;
        env.work(whole.len())?;
        let decoded = from_base64(whole).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (found, _) = der::pem(decoded.as_deref().unwrap_or(whole));
        if whole.is_empty() {
            return Ok(Value::Null);
        }
        let keys = found.iter().filter(|(label, _)| label.ends_with("PRIVATE KEY"));
        Ok(Value::array(keys.filter_map(|(_, bytes)| private_key(bytes)).collect()))
    }),
];

fn malformed() -> Fault {
    Fault::value("x509: malformed certificate")
}

/// What stands in PEM, or in base64 of PEM or DER.
fn blocks(whole: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let of_pem = |text: &str| der::pem(text).0.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    if whole.trim_start().starts_with("-----BEGIN") {
        return Ok(of_pem(whole));
    }
    let bytes = from_base64(whole)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with("-----BEGIN") => Ok(of_pem(text)),
        _ => {
            let mut out = Vec::new();
            let mut rest = &bytes[..];
            while let Some((element, after)) = der::element(rest) {
                out.push(element.whole.to_vec());
                rest = after;
            }
            if !rest.is_empty() {
                return Err(malformed());
            }
            Ok(out)
        }
    }
}

fn certificates(whole: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let found = blocks(whole)?;
    if found.iter().any(|bytes| Certificate::read(bytes).is_none()) {
        return Err(malformed());
    }
    Ok(found)
}

/// A certificate in parts.
struct Certificate<'a> {
    tbs: Element<'a>,
    serial: &'a [u8],
    issuer: Element<'a>,
    validity: Vec<Element<'a>>,
    subject: Element<'a>,
    spki: Element<'a>,
    extensions: Vec<Element<'a>>,
    algorithm: String,
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    fn read(bytes: &'a [u8]) -> Option<Certificate<'a>> {
        let parts = der::element(bytes)?.0.is(SEQUENCE)?.children();
        let [tbs, algorithm, signature] = parts[..] else {
            return None;
        };
        let mut fields = tbs.is(SEQUENCE)?.children();
        if fields.first()?.tag == 0xa0 {
            fields.remove(0);
        }
        let extensions = fields.iter().find(|field| field.tag == 0xa3);
        let extensions = extensions.and_then(|field| Some(field.children().first()?.children()));
        Some(Certificate {
            tbs,
            serial: fields.first()?.unsigned()?,
            issuer: *fields.get(2)?,
            validity: fields.get(3)?.children(),
            subject: *fields.get(4)?,
            spki: *fields.get(5)?.is(SEQUENCE)?,
            extensions: extensions.unwrap_or_default(),
            algorithm: algorithm.children().first()?.oid()?,
            signature: signature.is(BIT_STRING)?.bits()?,
        })
    }

    /// The content of an extension.
    fn extension(&self, oid: &str) -> Option<Element<'a>> {
        let found = self.extensions.iter().map(Element::children);
        let found = found
            .into_iter()
            .find(|parts| parts.first().and_then(Element::oid).as_deref() == Some(oid))?;
        let content = found.last()?.is(OCTET_STRING)?.content;
        der::element(content).map(|(element, _)| element)
    }

    fn is_authority(&self) -> bool {
        let constraints = self.extension("2.5.29.19");
        constraints.is_some_and(|found| found.children().first().is_some_and(|flag| flag.content == [0xff]))
    }

    /// Seconds since 1970 between which it is valid.
    fn period(&self) -> Option<(i64, i64)> {
        let [from, to] = self.validity[..] else { return None };
        Some((instant(&from)?.as_second(), instant(&to)?.as_second()))
    }

    fn names(&self) -> Vec<Element<'a>> {
        self.extension("2.5.29.17")
            .map(|names| names.children())
            .unwrap_or_default()
    }
}

fn instant(time: &Element<'_>) -> Option<jiff::Timestamp> {
    let text = std::str::from_utf8(time.content).ok()?;
    let digits = text.strip_suffix('Z')?;
    let digits = match digits.len() {
        12 => {
            let century = if digits[..2].parse::<u8>().ok()? >= 50 {
                "19"
            } else {
                "20"
            };
            format!("{century}{digits}")
        }
        14 => digits.to_owned(),
        _ => return None,
    };
    let part = |range: std::ops::Range<usize>| digits.get(range);
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(8..10)?,
        part(10..12)?,
        part(12..14)?
    )
    .parse()
    .ok()
}

/// A distinguished name with its parts by their usual names.
fn name<'d>(name: &Element<'_>) -> Value<'d> {
    const PARTS: [(&str, &str); 9] = [
        ("2.5.4.6", "Country"),
        ("2.5.4.10", "Organization"),
        ("2.5.4.11", "OrganizationalUnit"),
        ("2.5.4.7", "Locality"),
        ("2.5.4.8", "Province"),
        ("2.5.4.9", "StreetAddress"),
        ("2.5.4.17", "PostalCode"),
        ("2.5.4.3", "CommonName"),
        ("2.5.4.5", "SerialNumber"),
    ];
    let mut found: Vec<(String, String)> = Vec::new();
    for set in name.children().iter().filter(|set| set.tag == SET) {
        for pair in set.children() {
            let parts = pair.children();
            if let [oid, value] = parts[..]
                && let Some(oid) = oid.oid()
            {
                found.push((oid, String::from_utf8_lossy(value.content).into_owned()));
            }
        }
    }
    let members = PARTS.iter().map(|(oid, label)| {
        let mut values = found
            .iter()
            .filter(|(of, _)| of == oid)
            .map(|(_, value)| Value::str(value.as_str()));
        let value = match *label {
            "CommonName" | "SerialNumber" => values.next().unwrap_or_else(|| Value::str("")),
            _ => {
                let values: Vec<_> = values.collect();
                if values.is_empty() {
                    Value::Null
                } else {
                    Value::array(values)
                }
            }
        };
        (Value::str(*label), value)
    });
    let mut members: Vec<_> = members.collect();
    let all = found
        .iter()
        .map(|(oid, value)| Value::named([("Type", numbers(oid)), ("Value", Value::str(value.as_str()))]));
    members.push((Value::str("Names"), Value::array(all.collect())));
    members.push((Value::str("ExtraNames"), Value::Null));
    Value::object(members)
}

fn or_null<'d>(items: Vec<Value<'d>>) -> Value<'d> {
    if items.is_empty() {
        Value::Null
    } else {
        Value::array(items)
    }
}

/// The texts among alternative names.
fn texts<'d>(names: &[Element<'_>], tag: u8) -> Vec<Value<'d>> {
    let names = names.iter().filter(|name| name.tag == tag);
    let text = |name: &Element<'_>| Value::str(String::from_utf8_lossy(name.content).into_owned());
    names.map(text).collect()
}

/// The addresses among alternative names.
fn addresses<'d>(names: &[Element<'_>]) -> Vec<Value<'d>> {
    let address = |name: &Element<'_>| {
        let four: Option<[u8; 4]> = name.content.try_into().ok();
        let sixteen: Option<[u8; 16]> = name.content.try_into().ok();
        let text = four
            .map(|bytes| std::net::Ipv4Addr::from(bytes).to_string())
            .or_else(|| sixteen.map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()))?;
        Some(Value::str(text))
    };
    let names = names.iter().filter(|name| name.tag == 0x87);
    names.filter_map(address).collect()
}

/// The number Go has for a signature's algorithm.
fn signature_number(oid: &str) -> i64 {
    match oid {
        "1.2.840.113549.1.1.5" => 3,
        "1.2.840.113549.1.1.11" => 4,
        "1.2.840.113549.1.1.12" => 5,
        "1.2.840.113549.1.1.13" => 6,
        "1.2.840.10045.4.3.2" => 10,
        "1.2.840.10045.4.3.3" => 11,
        "1.2.840.10045.4.3.4" => 12,
        "1.3.101.112" => 16,
        _ => 0,
    }
}

/// The number Go has for a key's algorithm.
fn key_number(spki: &Element<'_>) -> i64 {
    match keys::of_spki(spki) {
        Some(Material::Rsa(_)) => 1,
        Some(Material::Ec(_)) => 3,
        Some(Material::Ed25519(_)) => 4,
        _ => 0,
    }
}

/// An object identifier as its numbers.
fn numbers<'d>(oid: &str) -> Value<'d> {
    let numbers = oid.split('.').filter_map(|part| part.parse().ok());
    Value::array(numbers.map(Value::int).collect())
}

fn shown<'d>(bytes: &[u8]) -> Option<Value<'d>> {
    let cert = Certificate::read(bytes)?;
    let [from, to] = cert.validity[..] else { return None };
    let names = cert.names();
    let of_tag = |tag: u8| or_null(texts(&names, tag));
    let serial = num_bigint::BigInt::from_bytes_be(num_bigint::Sign::Plus, cert.serial);
    Some(Value::named([
        ("Raw", Value::str(to_base64(bytes))),
        ("RawSubject", Value::str(to_base64(cert.subject.whole))),
        ("RawIssuer", Value::str(to_base64(cert.issuer.whole))),
        ("Subject", name(&cert.subject)),
        ("Issuer", name(&cert.issuer)),
        ("SerialNumber", Value::Num(Num::big(serial))),
        ("NotBefore", Value::str(instant(&from)?.to_string())),
        ("NotAfter", Value::str(instant(&to)?.to_string())),
        ("DNSNames", of_tag(0x82)),
        ("EmailAddresses", of_tag(0x81)),
        ("URIStrings", of_tag(0x86)),
        ("IPAddresses", or_null(addresses(&names))),
        ("IsCA", Value::Bool(cert.is_authority())),
        (
            "BasicConstraintsValid",
            Value::Bool(cert.extension("2.5.29.19").is_some()),
        ),
        ("SignatureAlgorithm", Value::int(signature_number(&cert.algorithm))),
        ("PublicKeyAlgorithm", Value::int(key_number(&cert.spki))),
        ("Signature", Value::str(to_base64(cert.signature))),
        ("Version", Value::int(3)),
    ]))
}

/// A private RSA key as a JSON Web Key.
fn private_key<'d>(bytes: &[u8]) -> Option<Value<'d>> {
    let parts = der::element(bytes)?.0.is(SEQUENCE)?.children();
    // PKCS #8 holds the key in an octet string.
    if let [_, algorithm, inner, ..] = parts[..]
        && algorithm.tag == SEQUENCE
        && inner.tag == OCTET_STRING
    {
        return private_key(inner.content);
    }
    const NAMES: [&str; 8] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    if parts.len() < 9 {
        return None;
    }
    let mut members = vec![(Value::str("kty"), Value::str("RSA"))];
    for (label, number) in NAMES.iter().zip(&parts[1..]) {
        members.push((Value::str(*label), Value::str(to_base64url(number.unsigned()?))));
    }
    Some(Value::object(members))
}

/// What a certificate, or a request for one, with an RSA key shows as JSON, and its key's modulus and exponent.
pub(crate) fn shown_certificate(pem: &str) -> Result<(String, String, i64), String> {
    let (blocks, _) = der::pem(pem);
    let (label, bytes) = blocks.first().ok_or("failed to decode PEM block")?;
    let wrong = || "the certificate cannot be read".to_owned();
    let (json, spki) = match label.as_str() {
        "CERTIFICATE" => {
            let spki = Certificate::read(bytes).ok_or_else(wrong)?.spki;
            (shown(bytes).ok_or_else(wrong)?.to_json(), spki)
        }
        "CERTIFICATE REQUEST" => {
            let parts = der::element(bytes)
                .map(|(whole, _)| whole.children())
                .unwrap_or_default();
            let fields = parts.first().map(Element::children).unwrap_or_default();
            let spki = fields.get(2).copied().ok_or_else(wrong)?;
            (request::shown(bytes).ok_or_else(wrong)?.to_json(), spki)
        }
        _ => return Err("PEM block neither contains a CERTIFICATE or CERTIFICATE REQUEST".into()),
    };
    let Some(Material::Rsa(key)) = keys::of_spki(&spki) else {
        return Err("certificate should use rsa algorithm".into());
    };
    let parts = der::element(&key)
        .map(|(whole, _)| whole.children())
        .unwrap_or_default();
    let number = |at: usize| parts.get(at).and_then(Element::unsigned).ok_or_else(wrong);
    let modulus = num_bigint::BigInt::from_bytes_be(num_bigint::Sign::Plus, number(0)?);
    let exponent = number(1)?.iter().fold(0i64, |sum, byte| sum << 8 | i64::from(*byte));
    Ok((json, modulus.to_string(), exponent))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::value_of;

    const CHAIN: &str = include_str!("chain.pem");
    const REQUEST: &str = include_str!("request.pem");

    #[test]
    fn a_chain_with_options() {
        let usage = "\"KeyUsages\": [\"KeyUsageClientAuth\"]";
        let any = "\"KeyUsages\": {\"KeyUsageAny\"}";
        for (options, verdict) in [
            (usage.to_owned(), "true"),
            (String::new(), "false"),
            ("\"KeyUsages\": [\"KeyUsageServerAuth\"]".to_owned(), "false"),
            (format!("{any}, \"DNSName\": \"a.example.com\""), "true"),
            (format!("{any}, \"DNSName\": \"a.b.example.com\""), "false"),
            (format!("{any}, \"DNSName\": \"WEB.test.\""), "true"),
            (format!("{any}, \"DNSName\": \"10.0.0.1\""), "true"),
            (format!("{any}, \"CurrentTime\": 1"), "false"),
            (
                "\"KeyUsages\": [\"nope\"]".to_owned(),
                "invalid entries for 'KeyUsages' found: [nope]",
            ),
            ("\"nope\": 1".to_owned(), "invalid key option"),
            ("\"DNSName\": 1".to_owned(), "'DNSName' should be a string"),
        ] {
            let options = format!("object.union({{\"CurrentTime\": 1900000000000000000}}, {{{options}}})");
            let function = "crypto.x509.parse_and_verify_certificates_with_options";
            let told = value_of(&format!("{function}({CHAIN:?}, {options})[0]"));
            let wanted = match verdict {
                "true" | "false" => verdict.to_owned(),
                why => format!("eval_builtin_error: {function}: {why}"),
            };
            assert_eq!(told, wanted, "{options}");
        }
    }

    #[test]
    fn a_request_for_a_certificate() {
        let told = |path: &str| value_of(&format!("crypto.x509.parse_certificate_request({REQUEST:?}){path}"));
        assert_eq!(told(".Subject.CommonName"), "\"leaf\"");
        assert_eq!(told(".DNSNames"), "[\"a.example\"]");
        assert_eq!(told(".IPAddresses"), "[\"10.0.0.1\"]");
        assert_eq!(told(".URIs[0].Host"), "\"u.v\"");
        assert_eq!(told(".PublicKey.E"), "65537");
        assert_eq!(told(".Extensions[0].Id"), "[2, 5, 29, 17]");
        assert_eq!(told(".SignatureAlgorithm"), "4");
        assert_eq!(
            value_of(&format!("crypto.x509.parse_certificate_request({CHAIN:?})")),
            "eval_builtin_error: crypto.x509.parse_certificate_request: illegal base64 data at input byte 0"
        );
    }
}
