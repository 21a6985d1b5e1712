//! The `format` of texts, as far as Kubernetes checks it. Unknown formats accept everything.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a text has a format.
pub(super) fn accepts(format: &str, text: &str) -> bool {
    match format {
        "" => true,
        "date-time" | "datetime" => date_time(text),
        "date" => date(text),
        "duration" => ridgeway_krm::GoDuration::parse(text).is_ok(),
        "byte" => base64(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid(text),
        "email" => email(text),
        "hostname" => hostname(text),
        "uri" => uri(text),
        _ => true,
    }
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn date(text: &str) -> bool {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4), digits(month, 2), digits(day, 2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn date_time(text: &str) -> bool {
    let Some((day, time)) = text.split_once(['T', 't', ' ']) else {
        return false;
    };
    let zone = time.find(['Z', 'z', '+', '-']);
    let Some((time, zone)) = zone.map(|at| time.split_at(at)) else {
        return false;
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = time.split(':').map(|part| digits(part, 2));
    let clock = matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (Some(Some(0..=23)), Some(Some(0..=59)), Some(Some(0..=60)), None)
    );
    let zone = match zone.as_bytes() {
        [b'Z' | b'z'] => true,
        _ => zone[1..].split_once(':').is_some_and(|(hours, minutes)| {
            matches!((digits(hours, 2), digits(minutes, 2)), (Some(0..=23), Some(0..=59)))
        }),
    };
    date(day) && clock && zone && !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit())
}

fn base64(text: &str) -> bool {
    let body: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
    let padding = body.iter().rev().take_while(|b| **b == b'=').count();
    body.len().is_multiple_of(4)
        && padding <= 2
        && body[..body.len() - padding]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let plain = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let bits: u32 = match bits.parse() {
        Ok(bits) if plain => bits,
        _ => return false,
    };
    address.parse::<Ipv4Addr>().is_ok() && bits <= 32 || address.parse::<Ipv6Addr>().is_ok() && bits <= 128
}

fn mac(text: &str) -> bool {
    let separator = if text.contains('-') { '-' } else { ':' };
    let parts: Vec<&str> = text.split(separator).collect();
    matches!(parts.len(), 6 | 8 | 20)
        && parts
            .iter()
            .all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn uuid(text: &str) -> bool {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    let dashes = text.len() - hex.len();
    let shaped = dashes == 0 || text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    hex.len() == 32 && shaped && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn email(text: &str) -> bool {
    text.rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !local.contains([' ', '<', '>', '@']) && hostname(domain))
}

fn hostname(text: &str) -> bool {
    text.len() <= 255
        && text.trim_end_matches('.').split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

/// A reference as Go's `ParseRequestURI` takes it: absolute, or a path from the root.
fn uri(text: &str) -> bool {
    let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    });
    (scheme || text.starts_with('/')) && !text.contains(' ') && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (format, good, bad) in [
            (
                "date-time",
                vec!["2024-02-29T10:00:00Z", "2024-01-01T00:00:00.123+02:00"],
                vec![
                    "2023-02-29T10:00:00Z",
                    "2024-01-01",
                    "2024-01-01T25:00:00Z",
                    "2024-01-01T00:00:00",
                    "é",
                ],
            ),
            ("date", vec!["2024-12-31"], vec!["2024-13-01", "24-1-1", "2024-04-31"]),
            ("byte", vec!["", "aGk=", "aGkx"], vec!["a", "a===", "a b="]),
            ("ipv4", vec!["10.0.0.1"], vec!["10.0.0", "::1"]),
            ("ipv6", vec!["::1"], vec!["10.0.0.1"]),
            (
                "cidr",
                vec!["10.0.0.0/8", "fd00::/64"],
                vec!["10.0.0.0", "10.0.0.0/33", "10.0.0.0/+8"],
            ),
            ("mac", vec!["00:1a:2b:3c:4d:5e"], vec!["00:1a:2b"]),
            (
                "uuid",
                vec!["6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
                vec!["6ba7b810-9dad", ""],
            ),
            ("email", vec!["a@b.example"], vec!["a", "@b", "a b@c"]),
            ("hostname", vec!["web-1.example"], vec!["-a", "a..b", ""]),
            ("uri", vec!["https://x/y", "/path", "urn:a"], vec!["x y", "plain"]),
            ("duration", vec!["1h30m"], vec!["1 hour"]),
            ("password", vec!["anything"], vec![]),
        ] {
            for text in good {
                assert!(accepts(format, text), "{format} should take {text:?}");
            }
            for text in bad {
                assert!(!accepts(format, text), "{format} should refuse {text:?}");
            }
        }
    }
}
