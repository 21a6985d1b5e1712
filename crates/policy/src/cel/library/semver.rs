//! Semantic versions, as Kubernetes has them.

use crate::cel::eval::{Answer, fail};
use crate::cel::value::Cel;
use crate::semver::Version;
use std::sync::Arc;

use super::overload;

/// A version with its parts.
#[derive(Debug)]
pub(crate) struct Semver {
    pub(crate) text: String,
    version: Version,
    numbers: [i64; 3],
}

impl PartialEq for Semver {
    fn eq(&self, other: &Semver) -> bool {
        self.version == other.version
    }
}

/// Reads a version; `lenient` takes `v1.2`, `01.2.3` and the like.
pub(super) fn read(text: &str, lenient: bool) -> Option<Semver> {
    let mut text = text.to_owned();
    if lenient {
        let plain = text.trim().trim_start_matches('v');
        let end = plain.find(['-', '+']).unwrap_or(plain.len());
        let (numbers, rest) = plain.split_at(end);
        let mut parts: Vec<String> = Vec::new();
        for part in numbers.split('.') {
            let trimmed = part.trim_start_matches('0');
            parts.push(
                if trimmed.is_empty() && !part.is_empty() {
                    "0"
                } else {
                    trimmed
                }
                .to_owned(),
            );
        }
        if parts.len() > 3 || parts.len() < 3 && !rest.is_empty() {
            return None;
        }
        parts.resize(3, "0".to_owned());
        text = format!("{}{rest}", parts.join("."));
    }
    let version = Version::parse(&text)?;
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let mut numbers = [0; 3];
    for (place, part) in numbers.iter_mut().zip(text[..end].split('.')) {
        *place = part.parse().ok()?;
    }
    Some(Semver { text, version, numbers })
}

pub(super) fn call<'a>(text: &str, lenient: bool) -> Answer<'a> {
    match read(text, lenient) {
        Some(version) => Ok(Cel::Semver(Arc::new(version))),
        None => fail(format!("{text:?} is not a semantic version such as 1.2.3")),
    }
}

pub(super) fn method<'a>(version: &Arc<Semver>, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let other = match arguments {
        [Cel::Semver(other)] => Some(version.version.cmp(&other.version)),
        _ => None,
    };
    Ok(match (name, other, arguments) {
        ("major", _, []) => Cel::Int(version.numbers[0]),
        ("minor", _, []) => Cel::Int(version.numbers[1]),
        ("patch", _, []) => Cel::Int(version.numbers[2]),
        ("isGreaterThan", Some(order), _) => Cel::Bool(order.is_gt()),
        ("isLessThan", Some(order), _) => Cel::Bool(order.is_lt()),
        ("compareTo", Some(order), _) => Cel::Int(order as i64),
        _ => return overload(name, Some(&Cel::Semver(version.clone())), arguments),
    })
}
