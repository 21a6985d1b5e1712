//! Numbers as Kubernetes reads them: `i64` where it fits, else `f64`; printed as Go's `encoding/json` prints.

use std::fmt;

/// 2^63, exact in `f64`.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// A JSON number. Integers that fit an `i64` are [`Number::Int`]; all else is [`Number::Float`].
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A finite floating point number.
    Float(f64),
}

impl Number {
    /// Reads a JSON number literal. `None` when the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let bytes = digits.as_bytes();
        match bytes {
            [] => return None,
            [b'0', rest, ..] if rest.is_ascii_digit() => return None,
            [first, ..] if !first.is_ascii_digit() => return None,
            _ => {}
        }
        if bytes.iter().all(u8::is_ascii_digit)
            && let Ok(int) = text.parse::<i64>()
        {
            return Some(Number::Int(int));
        }
        if !bytes
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
            || bytes.ends_with(b".")
        {
            return None;
        }
        if digits.contains(".e") || digits.contains(".E") {
            return None;
        }
        text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Number::Float)
    }

    /// The value as `i64`, also for a float without fraction.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Number::Int(i) => Some(i),
            // The cast saturates, so compare against the open upper bound.
            Number::Float(f) if f.fract() == 0.0 && (-TWO_63..TWO_63).contains(&f) => Some(f as i64),
            Number::Float(_) => None,
        }
    }

    /// The value as `f64` (integers beyond 2^53 lose precision).
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }

    /// Whether the literal was an integer.
    pub fn is_int(self) -> bool {
        matches!(self, Number::Int(_))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a == b,
            (a, b) => a.as_f64() == b.as_f64(),
        }
    }
}

/// Go's `encoding/json` float format: shortest form, exponent below 1e-6 and from 1e21.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Number::Int(i) => write!(f, "{i}"),
            Number::Float(x) => {
                let abs = x.abs();
                if abs != 0.0 && !(1e-6..1e21).contains(&abs) {
                    let text = format!("{x:e}");
                    match text.split_once('e') {
                        Some((mantissa, exp)) if !exp.starts_with('-') => write!(f, "{mantissa}e+{exp:0>2}"),
                        Some((mantissa, exp)) => write!(f, "{mantissa}e-{}", exp.trim_start_matches('-')),
                        None => f.write_str(&text),
                    }
                } else {
                    write!(f, "{x}")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (text, want) in [
            ("0", Some("0")),
            ("-0", Some("0")),
            ("12", Some("12")),
            ("9223372036854775807", Some("9223372036854775807")),
            ("9223372036854775808", Some("9223372036854776000")),
            ("1.50", Some("1.5")),
            ("1e3", Some("1000")),
            ("1e21", Some("1e+21")),
            ("1e-7", Some("1e-7")),
            ("01", None),
            ("-", None),
            ("1.", None),
            ("1.e2", None),
            (".5", None),
            ("+1", None),
            ("1e999", None),
            ("0x1", None),
            ("", None),
        ] {
            assert_eq!(Number::parse(text).map(|n| n.to_string()).as_deref(), want, "{text}");
        }
    }
}
