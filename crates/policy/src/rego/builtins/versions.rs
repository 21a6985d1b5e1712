//! Semantic versions and UUIDs.

use std::cmp::Ordering;

use super::super::error::Fault;
use super::super::value::Value;
use super::{Answer, Builtin, Env, builtin, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("semver.compare", 2, |_, a| {
        let read = |at: usize| -> Result<Version<'_>, Fault> {
            let whole = text(a, at)?;
            let why = || Fault::value(format!("operand {}: string \"{whole}\" is not a valid SemVer", at + 1));
            Version::parse(whole).ok_or_else(why)
        };
        Ok(Value::int(match read(0)?.cmp(&read(1)?) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }))
    }),
    builtin("semver.is_valid", 1, |_, a| {
        Ok(Value::Bool(
            a[0].as_str().is_some_and(|text| Version::parse(text).is_some()),
        ))
    }),
    builtin("uuid.rfc4122", 1, |env, a| {
        // The same key names the same identifier throughout an evaluation.
        let (high, low) = (mix(env.seed, text(a, 0)?), mix(env.seed ^ 0x5bd1_e995, text(a, 0)?));
        Ok(Value::str(format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 50),
            low & 0xffff_ffff_ffff
        )))
    }),
    builtin("uuid.parse", 1, parse_uuid),
];

/// A number drawn from a seed and a key.
pub(super) fn mix(seed: u64, key: &str) -> u64 {
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in key.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[derive(PartialEq, Eq)]
struct Version<'a> {
    numbers: [&'a str; 3],
    pre: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Version<'a>> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (core, pre) = match text.split_once('-') {
            Some((core, pre)) => (core, Some(pre)),
            None => (text, None),
        };
        let mut parts = core.split('.');
        let numbers = [parts.next()?, parts.next()?, parts.next()?];
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
        let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let valid = parts.next().is_none()
            && numbers.iter().all(|part| number(part) && part.parse::<i64>().is_ok())
            && pre.is_none_or(|pre| pre.split('.').all(|part| word(part) && (!digits(part) || number(part))))
            && build.is_none_or(|build| build.split('.').all(word));
        valid.then_some(Version { numbers, pre })
    }

    fn cmp(&self, other: &Version<'_>) -> Ordering {
        let number = |a: &str, b: &str| a.len().cmp(&b.len()).then_with(|| a.cmp(b));
        for (a, b) in self.numbers.iter().zip(other.numbers) {
            let order = number(a, b);
            if order != Ordering::Equal {
                return order;
            }
        }
        let (Some(a), Some(b)) = (self.pre, other.pre) else {
            return other.pre.is_some().cmp(&self.pre.is_some());
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let (mut a, mut b) = (a.split('.'), b.split('.'));
        loop {
            let order = match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => Ordering::Less,
                (Some(_), None) => Ordering::Greater,
                (Some(a), Some(b)) => match (digits(a), digits(b)) {
                    (true, true) => number(a, b),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    (false, false) => a.cmp(b),
                },
            };
            if order != Ordering::Equal {
                return order;
            }
        }
    }
}

fn parse_uuid<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let whole = text(a, 0)?;
    let invalid = || Fault::Undefined;
    let lower = whole.to_ascii_lowercase();
    let bare = lower.strip_prefix("urn:uuid:").unwrap_or(&lower);
    let bare = match bare.strip_prefix('{') {
        Some(bare) => bare.strip_suffix('}').ok_or_else(invalid)?,
        None => bare,
    };
    let bytes = bare.as_bytes();
    let digits: String = match bytes.len() {
        36 if [8, 13, 18, 23].iter().all(|at| bytes[*at] == b'-') => bare.replace('-', ""),
        32 => bare.to_owned(),
        _ => return Err(invalid()),
    };
    if digits.len() != 32 {
        return Err(invalid());
    }
    let number = u128::from_str_radix(&digits, 16).map_err(|_| invalid())?;
    let byte = |at: u32| u8::try_from((number >> (8 * (15 - at))) & 0xff).unwrap_or(0);
    let version = byte(6) >> 4;
    let variant = match byte(8) >> 5 {
        0..=3 => "Reserved",
        4 | 5 => "RFC4122",
        6 => "Microsoft",
        _ => "Future",
    };
    let mut members = vec![
        (Value::str("version"), Value::int(i64::from(version))),
        (Value::str("variant"), Value::str(variant)),
    ];
    let mut put = |key: &str, value: Value<'d>| members.push((Value::str(key), value));
    let low = (number >> 96) & 0xffff_ffff;
    let mid = (number >> 80) & 0xffff;
    let high = (number >> 64) & 0x0fff;
    let int = |number: u128| Value::int(i64::try_from(number).unwrap_or(i64::MAX));
    if version == 1 || version == 2 {
        let ticks = (high << 48) | (mid << 32) | low;
        // From 15 October 1582, in hundreds of nanoseconds.
        let since = i64::try_from(ticks).unwrap_or(0) - 0x01b2_1dd2_1381_4000;
        put("time", Value::int(since.wrapping_mul(100)));
        put("clocksequence", int((number >> 48) & 0x3fff));
        let node: Vec<String> = (10..16).map(|at| format!("{:02x}", byte(at))).collect();
        put("nodeid", Value::str(node.join("-")));
        let administered = if byte(10) & 2 == 0 { "global" } else { "local" };
        let cast = if byte(10) & 1 == 0 { "unicast" } else { "multicast" };
        put("macvariables", Value::str(format!("{administered}:{cast}")));
        if version == 2 {
            put("id", int(low));
            put(
                "domain",
                match byte(9) {
                    0 => Value::str("Person"),
                    1 => Value::str("Group"),
                    2 => Value::str("Org"),
                    other => Value::str(format!("Domain{other}")),
                },
            );
        }
    }
    Ok(Value::object(members))
}
