//! Kyverno's `x509.decode`: a certificate as Go's library shows it.

use ridgeway_doc::{Value, parse_json};

use crate::cel::eval::{Answer, fail};
use crate::cel::value::Cel;

/// The fields of a certificate, or of a certificate request, with an RSA key.
pub(super) fn decode<'a>(pem: &str) -> Answer<'a> {
    let (json, modulus, exponent) = match crate::rego::shown_certificate(pem) {
        Ok(shown) => shown,
        Err(why) => return fail(why),
    };
    let Ok(doc) = parse_json(json.as_bytes()) else {
        return fail("the certificate cannot be shown");
    };
    let mut out = Value::from(doc);
    out.set(&["PublicKey", "N"], modulus);
    out.set(&["PublicKey", "E"], exponent);
    // Serial numbers are texts there as far as they do not fit into 64 bits.
    if out
        .node()
        .get("SerialNumber")
        .is_some_and(|serial| serial.as_i64().is_none())
    {
        let text = out.node().get("SerialNumber").map(|serial| serial.to_json());
        out.set(&["SerialNumber"], text.unwrap_or_default());
    }
    Ok(Cel::copy(out.node()))
}
