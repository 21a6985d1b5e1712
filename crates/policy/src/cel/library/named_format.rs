//! Kubernetes' named formats: `format.dns1123Label().validate(text)`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_krm::{validate_label, validate_label_key, validate_label_value, validate_subdomain};

use crate::cel::value::Cel;

use super::{text, time};

/// The formats.
const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

pub(super) fn find(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}

fn dns1035(label: &str) -> Result<(), String> {
    validate_label(label)?;
    if label.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    Err("a DNS-1035 label starts with a lower case letter, such as my-name".into())
}

/// The prefix of a generated name may end with a dash.
fn prefix(text: &str) -> &str {
    text.strip_suffix('-').filter(|rest| !rest.is_empty()).unwrap_or(text)
}

fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(b, want)| match want {
            b'x' => b.is_ascii_hexdigit(),
            b'9' => b.is_ascii_digit(),
            other => b == other,
        })
}

/// What is wrong with a text; nothing when it has the format.
pub(super) fn validate<'a>(name: &str, value: &str) -> Cel<'a> {
    let must = |holds: bool, why: &str| if holds { Ok(()) } else { Err(why.to_owned()) };
    let outcome = match name {
        "dns1123Label" => validate_label(value),
        "dns1123Subdomain" => validate_subdomain(value),
        "dns1035Label" => dns1035(value),
        "qualifiedName" => validate_label_key(value),
        "dns1123LabelPrefix" => validate_label(prefix(value)),
        "dns1123SubdomainPrefix" => validate_subdomain(prefix(value)),
        "dns1035LabelPrefix" => dns1035(prefix(value)),
        "labelValue" => validate_label_value(value),
        "uri" => must(text::is_url(value), "it must be a URI such as https://example.com/a"),
        "uuid" => must(
            shaped(value, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
            "it must be a UUID such as 01234567-89ab-cdef-0123-456789abcdef",
        ),
        "byte" => must(STANDARD.decode(value).is_ok(), "it must be base64"),
        "date" => must(
            shaped(value, "9999-99-99") && time::parse(&format!("{value}T00:00:00Z")).is_some(),
            "it must be a date such as 2026-01-31",
        ),
        _ => must(
            time::parse(value).is_some(),
            "it must be a time such as 2026-01-31T12:00:00Z",
        ),
    };
    match outcome {
        Ok(()) => Cel::Optional(None),
        Err(why) => Cel::some(Cel::list(vec![Cel::text(why)])),
    }
}
