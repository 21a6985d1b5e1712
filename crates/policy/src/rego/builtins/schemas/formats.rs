//! The formats of texts that schemas name.

use std::net::{IpAddr, Ipv4Addr};

use super::super::Env;
use super::super::layout::Layout;
use super::super::uri;

/// Whether a text has a format; what is unknown fits.
pub(super) fn fits(env: &Env<'_>, format: &str, text: &str) -> bool {
    let time = |layouts: &[&str]| layouts.iter().any(|layout| Layout::read(layout).parse(text).is_ok());
    let pattern = |pattern: &str| env.pattern(pattern).is_ok_and(|regex| regex.is_match(text));
    match format {
        "date" => time(&["2006-01-02"]),
        "time" => time(&["15:04:05Z07:00", "15:04:05"]),
        "date-time" => time(&["15:04:05", "15:04:05Z07:00", "2006-01-02", "2006-01-02T15:04:05Z07:00"]),
        "hostname" => {
            let label = |label: &str| {
                let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
                !label.is_empty()
                    && label.len() < 64
                    && label.chars().all(inner)
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            text.len() < 256 && text.split('.').all(label)
        }
        "email" | "idn-email" => is_address(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok() || is_v6(text) && text.contains('.'),
        "ipv6" => is_v6(text),
        "uri" | "iri" => uri::reads(text).is_some_and(|scheme| !scheme.is_empty()) && !text.contains('\\'),
        "uri-reference" | "iri-reference" => uri::reads(text).is_some() && !text.contains('\\'),
        "uri-template" => {
            let path = text.split(['?', '#']).next().unwrap_or_default();
            let balanced = path.split('{').skip(1).all(|part| part.contains('}'));
            uri::reads(text).is_some() && !text.contains('\\') && balanced
        }
        "uuid" => pattern("^(?i)[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$"),
        "regex" => env.pattern(text).is_ok(),
        "json-pointer" => pattern("^(/([^~/]|~0|~1)*)*$"),
        "relative-json-pointer" => pattern("^(0|[1-9][0-9]*)(#|(/([^~/]|~0|~1)*)*)$"),
        _ => true,
    }
}

fn is_v6(text: &str) -> bool {
    matches!(text.parse(), Ok(IpAddr::V6(_)))
}

/// An address of mail: `a@b`, `Name <a@b>`.
fn is_address(text: &str) -> bool {
    let text = text.trim();
    let bare = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((_, bare)) => bare,
        None => text,
    };
    let atom = |part: &str| {
        let allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii();
        !part.is_empty() && part.chars().all(allowed)
    };
    let Some((local, domain)) = bare.rsplit_once('@') else {
        return false;
    };
    let quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let literal = domain.starts_with('[') && domain.ends_with(']');
    (quoted || local.split('.').all(atom)) && (literal || domain.split('.').all(atom))
}
