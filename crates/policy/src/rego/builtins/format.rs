//! `sprintf`, with the verbs of Go.

use std::fmt::Write as _;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::{Value, quote};

/// What stands between `%` and the verb.
#[derive(Default)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

pub(super) fn sprintf(format: &str, args: &[Value<'_>]) -> Result<String, Fault> {
    const WIDEST: usize = 10_000;
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = 0;
    let mut named = false;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.peek() {
            match flag {
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                _ => break,
            }
            chars.next();
        }
        let digits = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut number = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                number = Some((number.unwrap_or(0) * 10 + digit as usize).min(WIDEST));
                chars.next();
            }
            number
        };
        if chars.peek() == Some(&'[') {
            chars.next();
            if let Some(at) = digits(&mut chars) {
                next = at.saturating_sub(1);
                named = true;
            }
            if chars.peek() == Some(&']') {
                chars.next();
            }
        }
        if chars.peek() == Some(&'*') {
            chars.next();
            let width = args.get(next).and_then(Value::as_i64);
            next += 1;
            spec.minus |= width.is_some_and(|width| width < 0);
            spec.width = width.map(|width| usize::try_from(width.unsigned_abs()).unwrap_or(0).min(WIDEST));
        } else {
            spec.width = digits(&mut chars);
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            spec.precision = Some(digits(&mut chars).unwrap_or(0));
        }
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(arg) = args.get(next) else {
            let _ = write!(out, "%!{verb}({})", if named { "BADINDEX" } else { "MISSING" });
            continue;
        };
        next += 1;
        let shown = shown(verb, &spec, arg);
        let width = spec.width.unwrap_or(0);
        let missing = width.saturating_sub(shown.chars().count());
        if spec.minus {
            out.push_str(&shown);
            out.push_str(&" ".repeat(missing));
        } else if spec.zero && arg.as_num().is_some() {
            let sign = shown.len() - shown.trim_start_matches(['+', '-']).len();
            out.push_str(&shown[..sign]);
            out.push_str(&"0".repeat(missing));
            out.push_str(&shown[sign..]);
        } else {
            out.push_str(&" ".repeat(missing));
            out.push_str(&shown);
        }
    }
    if next < args.len() && !named {
        out.push_str("%!(EXTRA ");
        for (i, arg) in args[next..].iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            let _ = write!(out, "{}={}", go_type(arg), plain(arg));
        }
        out.push(')');
    }
    Ok(out)
}

/// A value as text: strings without quotes, all else as terms.
pub(super) fn plain(value: &Value<'_>) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn go_type(value: &Value<'_>) -> &'static str {
    match value {
        Value::Num(Num::Int(_)) => "int64",
        Value::Num(Num::Big(_)) => "*big.Int",
        Value::Num(Num::Float(_)) => "float64",
        _ => "string",
    }
}

fn shown(verb: char, spec: &Spec, arg: &Value<'_>) -> String {
    let mismatch = || format!("%!{verb}({}={})", go_type(arg), plain(arg));
    let signed = |text: String| {
        if spec.plus && !text.starts_with('-') {
            format!("+{text}")
        } else if spec.space && !text.starts_with('-') {
            format!(" {text}")
        } else {
            text
        }
    };
    match (verb, arg) {
        ('v', Value::Num(_)) => signed(plain(arg)),
        ('s', Value::Num(Num::Int(_) | Num::Float(_))) => mismatch(),
        ('v' | 's', _) => {
            let text = plain(arg);
            match spec.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text,
            }
        }
        ('q', Value::Num(Num::Int(code))) => {
            let code = u32::try_from(*code).ok().and_then(char::from_u32);
            quoted_char(code.unwrap_or('\u{fffd}'))
        }
        ('q', Value::Num(Num::Float(_))) => mismatch(),
        ('q', _) => {
            let mut out = String::new();
            quote(&plain(arg), &mut out);
            out
        }
        ('d' | 'b' | 'o' | 'x' | 'X' | 'c' | 'U', Value::Num(number)) => {
            let Some(whole) = number.to_big() else {
                return match verb {
                    'x' | 'X' | 'b' => hex_float(number.as_f64()),
                    _ => mismatch(),
                };
            };
            match verb {
                'd' => signed(whole.to_string()),
                'b' => signed(whole.to_str_radix(2)),
                'o' => signed(format!(
                    "{}{}",
                    if spec.sharp { "0" } else { "" },
                    whole.to_str_radix(8)
                )),
                'x' | 'X' => {
                    let digits = whole.to_str_radix(16);
                    let text = match (spec.sharp, digits.strip_prefix('-')) {
                        (true, Some(digits)) => format!("-0x{digits}"),
                        (true, None) => format!("0x{digits}"),
                        (false, _) => digits,
                    };
                    signed(if verb == 'X' { text.to_uppercase() } else { text })
                }
                'U' => format!("U+{:0>4}", whole.to_str_radix(16).to_uppercase()),
                _ => {
                    let code = u32::try_from(&whole).ok().and_then(char::from_u32);
                    code.unwrap_or('\u{fffd}').to_string()
                }
            }
        }
        ('x' | 'X', _) if arg.as_str().is_some() => {
            let mut out = String::new();
            for byte in plain(arg).bytes() {
                let _ = write!(out, "{byte:02x}");
            }
            if verb == 'X' { out.to_uppercase() } else { out }
        }
        ('f' | 'F', Value::Num(number)) => {
            let precision = spec.precision.unwrap_or(6);
            match number {
                Num::Float(_) => signed(format!("{:.*}", precision, number.as_f64())),
                Num::Int(_) => mismatch(),
                whole => {
                    let zeros = if precision > 0 {
                        format!(".{}", "0".repeat(precision))
                    } else {
                        String::new()
                    };
                    signed(format!("{whole}{zeros}"))
                }
            }
        }
        ('e' | 'E', Value::Num(number)) => {
            let text = exponent(&format!("{:.*e}", spec.precision.unwrap_or(6), number.as_f64()));
            signed(if verb == 'E' { text.to_uppercase() } else { text })
        }
        ('g' | 'G', Value::Num(number)) => {
            let float = number.as_f64();
            let size = float.abs();
            let text = if size != 0.0 && !(1e-4..1e21).contains(&size) {
                exponent(&format!("{float:e}"))
            } else {
                float.to_string()
            };
            signed(if verb == 'G' { text.to_uppercase() } else { text })
        }
        ('t', Value::Bool(b)) => b.to_string(),
        ('T', _) => go_type(arg).to_owned(),
        _ => mismatch(),
    }
}

/// A character in single quotes, as Go writes it.
fn quoted_char(c: char) -> String {
    match c {
        '\u{7}' => "'\\a'".into(),
        '\u{8}' => "'\\b'".into(),
        '\u{c}' => "'\\f'".into(),
        '\u{b}' => "'\\v'".into(),
        '\n' => "'\\n'".into(),
        '\r' => "'\\r'".into(),
        '\t' => "'\\t'".into(),
        '\'' => "'\\''".into(),
        '\\' => "'\\\\'".into(),
        c if u32::from(c) < 0x20 => format!("'\\x{:02x}'", u32::from(c)),
        c => format!("'{c}'"),
    }
}

/// `1e5` → `1e+05`
fn exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    match exponent.strip_prefix('-') {
        Some(digits) => format!("{mantissa}e-{digits:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

/// A double in hexadecimal, with a binary exponent.
fn hex_float(float: f64) -> String {
    let bits = float.to_bits();
    let exponent = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0) - 1023;
    let mantissa = bits & ((1 << 52) - 1);
    let digits = format!("{mantissa:013x}");
    let digits = digits.trim_end_matches('0');
    let dot = if digits.is_empty() { "" } else { "." };
    let sign = if float < 0.0 { "-" } else { "" };
    let (mark, exponent) = if exponent < 0 {
        ('-', -exponent)
    } else {
        ('+', exponent)
    };
    format!("{sign}0x1{dot}{digits}p{mark}{exponent:02}")
}
