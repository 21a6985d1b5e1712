//! What a plain YAML scalar means: go-yaml's resolution, on which both reading and quoting rest.

use crate::number::Number;

/// Whose reading of plain scalars applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// The API server's and kubectl's (`sigs.k8s.io/yaml`): YAML 1.1 booleans, so `yes`, `on` and `y` are `true`.
    #[default]
    Kubernetes,
    /// go-yaml v3's, which kustomize uses: `yes`, `no`, `on`, `off`, `y` and `n` are strings.
    GoYaml3,
}

/// What a plain scalar resolves to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// `.inf` and `.nan`: legal YAML, but JSON has no such number.
    NotFinite,
    /// A date or time; documents keep its text as a string.
    Timestamp,
    Merge,
    String,
}

/// Resolves a plain scalar.
pub(crate) fn resolve(text: &str, reading: Reading) -> Scalar {
    let Some(&first) = text.as_bytes().first() else {
        return Scalar::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text, reading),
        b'<' if text == "<<" => Scalar::Merge,
        b'.' => match text {
            ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN" => Scalar::NotFinite,
            _ => float(text),
        },
        b'+' | b'-' | b'0'..=b'9' => match text {
            "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => Scalar::NotFinite,
            _ if is_timestamp(text) => Scalar::Timestamp,
            _ => number(text),
        },
        _ => Scalar::String,
    }
}

fn word(text: &str, reading: Reading) -> Scalar {
    match text {
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ if reading == Reading::GoYaml3 => Scalar::String,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        _ => Scalar::String,
    }
}

fn number(text: &str) -> Scalar {
    let plain: std::borrow::Cow<'_, str> = if text.contains('_') {
        text.replace('_', "").into()
    } else {
        text.into()
    };
    match integer(&plain) {
        Some(number) => Scalar::Number(number),
        None => float(&plain),
    }
}

/// An integer as Go's `strconv.ParseInt(text, 0, 64)` reads it: `0x`, `0o`, `0b`, and a leading zero for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefix = |lower: &str, upper: &str| digits.strip_prefix(lower).or_else(|| digits.strip_prefix(upper));
    let (radix, digits) = if let Some(rest) = prefix("0x", "0X") {
        (16, rest)
    } else if let Some(rest) = prefix("0b", "0B") {
        (2, rest)
    } else if let Some(rest) = prefix("0o", "0O") {
        (8, rest)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    match u64::from_str_radix(digits, radix) {
        Ok(value) if !negative => Some(match i64::try_from(value) {
            Ok(int) => Number::Int(int),
            Err(_) => Number::Float(value as f64),
        }),
        Ok(value) => 0i64.checked_sub_unsigned(value).map(Number::Int),
        Err(_) => None,
    }
}

/// A float by YAML's grammar; whole floats become integers, as they do on their way through Go's JSON.
fn float(text: &str) -> Scalar {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let scaled = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    if !shaped || !scaled {
        return Scalar::String;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Scalar::Number(whole_or_float(value)),
        _ => Scalar::String,
    }
}

fn whole_or_float(value: f64) -> Number {
    match Number::Float(value).as_i64() {
        Some(int) => Number::Int(int),
        None => Number::Float(value),
    }
}

/// Whether a plain scalar is one of the four date forms go-yaml knows, so that printing must quote it.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some((bytes[at], &text[at + 1..]))),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = parts.next().and_then(|y| y.parse::<u32>().ok()).unwrap_or(0);
    let month = parts.next().and_then(|m| field(m, 1, 12));
    let day = parts.next().and_then(|d| field(d, 1, 31));
    let (Some(month), Some(day), None) = (month, day, parts.next()) else {
        return false;
    };
    if day > days_in(year, month) {
        return false;
    }
    match time {
        None => true,
        Some((b' ', clock)) => is_clock(clock),
        Some((_, clock)) => match clock.strip_suffix('Z') {
            Some(clock) => is_clock(clock),
            None => clock
                .rfind(['+', '-'])
                .is_some_and(|at| is_clock(&clock[..at]) && is_offset(&clock[at + 1..])),
        },
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// One or two digits in a range.
fn field(text: &str, low: u32, high: u32) -> Option<u32> {
    let short = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
    short
        .then(|| text.parse().ok())
        .flatten()
        .filter(|v| (low..=high).contains(v))
}

fn is_clock(text: &str) -> bool {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return false;
    };
    field(hour, 0, 23).is_some()
        && field(minute, 0, 59).is_some()
        && field(second, 0, 59).is_some()
        && fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()))
}

fn is_offset(text: &str) -> bool {
    text.len() == 5
        && text
            .split_once(':')
            .is_some_and(|(h, m)| h.len() == 2 && field(h, 0, 24).is_some() && field(m, 0, 60).is_some())
}

/// Whether text looks like a base-60 number, which YAML 1.1 readers take for one (`10:30`).
pub(crate) fn is_base60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) || !unsigned.contains(':') {
        return false;
    }
    let (body, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = body.split(':');
    let first = parts.next().unwrap_or_default();
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    plain(first)
        && plain(fraction)
        && parts.all(|part| match part.as_bytes() {
            [d] => d.is_ascii_digit(),
            [tens, d] => (b'0'..=b'5').contains(tens) && d.is_ascii_digit(),
            _ => false,
        })
}

/// A float as Go's `strconv.FormatFloat(value, 'g', -1, 64)` prints it.
pub(crate) fn go_g(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars() {
        let int = |i| Scalar::Number(Number::Int(i));
        let float = |f| Scalar::Number(Number::Float(f));
        for (text, want) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("NULL", Scalar::Null),
            ("nULL", Scalar::String),
            ("yes", Scalar::Bool(true)),
            ("Off", Scalar::Bool(false)),
            ("oN", Scalar::String),
            ("y", Scalar::Bool(true)),
            ("N", Scalar::Bool(false)),
            ("TRUE", Scalar::Bool(true)),
            ("tRue", Scalar::String),
            ("0", int(0)),
            ("-0", int(0)),
            ("+12", int(12)),
            ("1_000", int(1000)),
            ("0777", int(511)),
            ("0o17", int(15)),
            ("0x1F", int(31)),
            ("-0x1f", int(-31)),
            ("0b101", int(5)),
            ("-0b11", int(-3)),
            ("0x", Scalar::String),
            ("0o8", Scalar::String),
            ("08", int(8)),
            ("1e3", int(1000)),
            ("1.0", int(1)),
            ("1.", int(1)),
            (".5", float(0.5)),
            ("-.5", float(-0.5)),
            ("1.5e-3", float(0.0015)),
            ("1e999", Scalar::String),
            ("1e", Scalar::String),
            ("1.2.3", Scalar::String),
            ("9223372036854775807", int(i64::MAX)),
            ("-9223372036854775808", int(i64::MIN)),
            ("18446744073709551615", float(18446744073709551615.0)),
            ("99999999999999999999", float(1e20)),
            (".inf", Scalar::NotFinite),
            ("-.Inf", Scalar::NotFinite),
            (".nan", Scalar::NotFinite),
            ("+.nan", Scalar::String),
            ("2024-01-02", Scalar::Timestamp),
            ("2024-02-30", Scalar::String),
            ("2024-1-2T3:4:5Z", Scalar::Timestamp),
            ("2024-01-02T03:04:05.678+01:00", Scalar::Timestamp),
            ("2024-01-02 03:04:05", Scalar::Timestamp),
            ("2024-01", Scalar::String),
            ("1.2.3.4/24", Scalar::String),
            ("-", Scalar::String),
            ("--1", Scalar::String),
            ("10:30", Scalar::String),
            ("<<", Scalar::Merge),
            ("plain", Scalar::String),
        ] {
            assert_eq!(resolve(text, Reading::Kubernetes), want, "{text:?}");
        }
        assert_eq!(resolve("yes", Reading::GoYaml3), Scalar::String);
        assert_eq!(resolve("true", Reading::GoYaml3), Scalar::Bool(true));
        assert!(is_base60("10:30") && is_base60("-1_0:59:01.5") && !is_base60("10:75") && !is_base60("a:1"));
    }

    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, want) in [
            (0.5, "0.5"),
            (1234567.5, "1.2345675e+06"),
            (123456.5, "123456.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (-1.5e-300, "-1.5e-300"),
        ] {
            assert_eq!(go_g(value), want);
        }
    }
}
