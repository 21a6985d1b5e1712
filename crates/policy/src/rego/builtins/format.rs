//! `sprintf`, with the verbs of Go.

use std::fmt::Write as _;

use num_bigint::BigInt;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::Value;

/// What stands between `%` and the verb.
#[derive(Clone, Copy, Default)]
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
        let mut misplaced = false;
        let index = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, next: &mut usize| {
            if chars.peek() != Some(&'[') {
                return (false, false);
            }
            chars.next();
            let mut inside = String::new();
            for c in chars.by_ref() {
                if c == ']' {
                    break;
                }
                inside.push(c);
            }
            match inside.parse::<usize>() {
                Ok(at) if (1..=args.len()).contains(&at) => *next = at - 1,
                _ => return (true, true),
            }
            (true, false)
        };
        let mut indexed = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, next: &mut usize| {
            let (found, wrong) = index(chars, next);
            named |= found;
            misplaced |= wrong;
        };
        indexed(&mut chars, &mut next);
        if chars.peek() == Some(&'*') {
            chars.next();
            let width = args.get(next).and_then(Value::as_i64);
            next += 1;
            match width {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.width = usize::try_from(width.unsigned_abs())
                        .ok()
                        .map(|width| width.min(WIDEST));
                }
                None => out.push_str("%!(BADWIDTH)"),
            }
            indexed(&mut chars, &mut next);
        } else {
            spec.width = digits(&mut chars);
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            indexed(&mut chars, &mut next);
            if chars.peek() == Some(&'*') {
                chars.next();
                let precision = args.get(next).and_then(Value::as_i64);
                next += 1;
                spec.precision = precision.and_then(|precision| usize::try_from(precision).ok());
                if precision.is_none() {
                    out.push_str("%!(BADPREC)");
                }
                indexed(&mut chars, &mut next);
            } else {
                spec.precision = Some(digits(&mut chars).unwrap_or(0));
            }
            spec.precision = spec.precision.map(|precision| precision.min(WIDEST));
        }
        indexed(&mut chars, &mut next);
        let Some(verb) = chars.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        if misplaced {
            let _ = write!(out, "%!{verb}(BADINDEX)");
            continue;
        }
        let Some(arg) = args.get(next) else {
            let _ = write!(out, "%!{verb}({})", if named { "BADINDEX" } else { "MISSING" });
            continue;
        };
        next += 1;
        out.push_str(&shown(verb, &spec, arg));
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
    match value {
        Value::Num(Num::Float(float)) => general(*float, None),
        value => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

fn go_type(value: &Value<'_>) -> &'static str {
    match value {
        Value::Num(Num::Int(_)) => "int64",
        Value::Num(Num::Big(_)) => "*big.Int",
        Value::Num(Num::Float(_)) => "float64",
        _ => "string",
    }
}

/// A value by a verb, as wide as it must be.
fn shown(verb: char, spec: &Spec, arg: &Value<'_>) -> String {
    if verb == 'T' {
        return padded(go_type(arg), spec, false);
    }
    let mut plain_spec = *spec;
    // Before `v` these two ask for Go's own syntax.
    plain_spec.plus &= verb != 'v';
    plain_spec.sharp &= verb != 'v' || arg.as_num().is_none();
    by_verb(verb, &plain_spec, arg).unwrap_or_else(|| {
        let of = go_type(arg);
        match arg {
            Value::Num(Num::Big(big)) => format!("%!{verb}({}={big})", of.trim_start_matches('*')),
            _ => {
                let mut bare = *spec;
                bare.sharp = false;
                let value = by_verb('v', &bare, arg).unwrap_or_else(|| plain(arg));
                format!("%!{verb}({of}={value})")
            }
        }
    })
}

fn by_verb(verb: char, spec: &Spec, arg: &Value<'_>) -> Option<String> {
    let signed = |text: String| {
        if spec.plus && !text.starts_with('-') {
            format!("+{text}")
        } else if spec.space && !text.starts_with('-') {
            format!(" {text}")
        } else {
            text
        }
    };
    Some(match arg {
        Value::Num(Num::Int(int)) if matches!(verb, 'c' | 'q' | 'U') => {
            padded(&character(verb, spec, *int), spec, false)
        }
        Value::Num(Num::Int(int)) => {
            // With a precision, blanks fill the rest.
            let mut spec = *spec;
            spec.zero &= spec.precision.is_none();
            padded(&signed(whole(verb, &spec, &BigInt::from(*int), true)?), &spec, true)
        }
        Value::Num(Num::Big(big)) => {
            let mut spec = *spec;
            spec.zero &= spec.precision.is_none();
            padded(&signed(whole(verb, &spec, big, false)?), &spec, true)
        }
        Value::Num(Num::Float(float)) => padded(&signed(self::float(verb, spec, *float)?), spec, true),
        other => padded(&text(verb, spec, &plain(other))?, spec, false),
    })
}

/// Fills a text up; zeros stand after the sign of a number.
fn padded(text: &str, spec: &Spec, number: bool) -> String {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if spec.minus {
        return format!("{text}{}", " ".repeat(missing));
    }
    if !spec.zero {
        return format!("{}{text}", " ".repeat(missing));
    }
    let sign = usize::from(number && text.starts_with(['+', '-', ' ']));
    format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
}

/// An integer as the character it stands for.
fn character(verb: char, spec: &Spec, code: i64) -> String {
    let c = u32::try_from(code).ok().and_then(char::from_u32);
    let shown = c.unwrap_or('\u{fffd}');
    match verb {
        'c' => shown.to_string(),
        'q' if spec.plus && !shown.is_ascii() => match u32::from(shown) {
            code @ 0..0x1_0000 => format!("'\\u{code:04x}'"),
            code => format!("'\\U{code:08x}'"),
        },
        'q' => quoted_char(shown),
        _ => {
            let digits = spec.precision.unwrap_or(0).max(4);
            let beside = match c.filter(|c| spec.sharp && !c.is_control()) {
                Some(c) => format!(" '{c}'"),
                None => String::new(),
            };
            format!("U+{:0>digits$X}{beside}", code.cast_unsigned())
        }
    }
}

/// An integer; a large one is its own text as well.
fn whole(verb: char, spec: &Spec, whole: &BigInt, small: bool) -> Option<String> {
    let radix = |radix, prefix: &str| {
        let digits = whole.magnitude().to_str_radix(radix);
        let mut digits = format!("{digits:0>width$}", width = spec.precision.unwrap_or(0));
        if spec.precision == Some(0) && digits == "0" {
            digits.clear();
        }
        if radix == 8 && spec.sharp && !digits.starts_with('0') {
            digits.insert(0, '0');
        }
        let sign = if whole.sign() == num_bigint::Sign::Minus {
            "-"
        } else {
            ""
        };
        format!("{sign}{prefix}{digits}")
    };
    let sharp = |prefix: &'static str| if spec.sharp { prefix } else { "" };
    Some(match verb {
        'v' | 'd' => radix(10, ""),
        's' if !small => radix(10, ""),
        'b' => radix(2, sharp("0b")),
        'o' => radix(8, ""),
        'O' => radix(8, "0o"),
        'x' => radix(16, sharp("0x")),
        'X' => radix(16, sharp("0X")).to_uppercase(),
        _ => return None,
    })
}

fn float(verb: char, spec: &Spec, float: f64) -> Option<String> {
    let upper = |text: String, upper: bool| if upper { text.to_uppercase() } else { text };
    Some(match verb {
        'v' => general(float, spec.precision),
        'g' | 'G' => upper(general(float, spec.precision), verb == 'G'),
        'f' | 'F' => format!("{:.*}", spec.precision.unwrap_or(6), float),
        'e' | 'E' => {
            let text = exponent(&format!("{:.*e}", spec.precision.unwrap_or(6), float));
            upper(text, verb == 'E')
        }
        'x' | 'X' => upper(hex_float(float), verb == 'X'),
        'b' => {
            let bits = float.to_bits();
            let power = i64::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
            let digits = bits & ((1 << 52) - 1) | if power > 0 { 1 << 52 } else { 0 };
            let sign = if float.is_sign_negative() { "-" } else { "" };
            format!("{sign}{digits}p{:+}", power.max(1) - 1075)
        }
        _ => return None,
    })
}

/// A double with as many digits as it needs, or at most so many; large and small ones with an exponent.
fn general(float: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => format!("{:.*e}", precision.max(1) - 1, float),
        None => format!("{float:e}"),
    };
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let power: i64 = power.parse().unwrap_or(0);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let digits = i64::try_from(digits).unwrap_or(i64::MAX);
    let limit = match precision.map(|precision| i64::try_from(precision.max(1)).unwrap_or(i64::MAX)) {
        // So many digits are asked for, but there are fewer before the point.
        Some(limit) if limit > digits && digits > power => digits,
        Some(limit) => limit,
        None => 6,
    };
    if float != 0.0 && (power < -4 || power >= limit) {
        return exponent(&format!("{mantissa}e{power}"));
    }
    let places = usize::try_from((digits - 1 - power).max(0)).unwrap_or(0);
    format!("{float:.places$}")
}

fn text(verb: char, spec: &Spec, text: &str) -> Option<String> {
    let cut = || match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    Some(match verb {
        'v' if spec.sharp => quoted(text, false),
        'v' | 's' => cut(),
        'q' if spec.sharp && !text.contains(['`', '\r']) && !text.contains(|c: char| c.is_control() && c != '\t') => {
            format!("`{}`", cut())
        }
        'q' => quoted(&cut(), spec.plus),
        'x' | 'X' => {
            let bytes = text.bytes().take(spec.precision.unwrap_or(usize::MAX));
            let prefix = if spec.sharp { "0x" } else { "" };
            let mut out = String::new();
            for (i, byte) in bytes.enumerate() {
                if i == 0 || spec.space {
                    out.push_str(if i > 0 { " " } else { "" });
                    out.push_str(prefix);
                }
                let _ = write!(out, "{byte:02x}");
            }
            if verb == 'X' { out.to_uppercase() } else { out }
        }
        _ => return None,
    })
}

/// A text in quotes, as Go writes it; with `ascii`, what is not ASCII by its number.
fn quoted(text: &str, ascii: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '"' => out.push_str("\\\""),
            '\'' => out.push(c),
            c if c.is_ascii() => out.push_str(quoted_char(c).trim_matches('\'')),
            c if ascii || c.is_control() || matches!(code, 0x2028 | 0x2029 | 0xfeff | 0xa0 | 0x200b..=0x200f) => {
                let _ = match code {
                    0..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
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
        c if u32::from(c) < 0x20 || c == '\u{7f}' => format!("'\\x{:02x}'", u32::from(c)),
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
    if float == 0.0 {
        return format!("{}0x0p+00", if float.is_sign_negative() { "-" } else { "" });
    }
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
