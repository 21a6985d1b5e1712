//! `format` and `strings.quote`.

use crate::cel::eval::{Answer, fail};
use crate::cel::value::{Cel, print_double};

/// `"%s has %d".format([...])`
pub(super) fn format<'a>(pattern: &str, values: &[Cel<'a>]) -> Answer<'a> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let digits_end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (precision, after) = match after.strip_prefix('.') {
            Some(tail) => {
                let (digits, tail) = tail.split_at(digits_end(tail));
                let precision: usize = digits.parse().unwrap_or(6);
                if precision > 1_000 {
                    return fail("format: the precision is too large");
                }
                (Some(precision), tail)
            }
            None => (None, after),
        };
        let Some(verb) = after.chars().next() else {
            return fail("format: the text ends within a placeholder");
        };
        if !matches!(verb, 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o') {
            return fail(format!(
                "could not parse formatting clause: unrecognized formatting clause {verb:?}"
            ));
        }
        let Some(value) = values.next() else {
            return fail("format: index out of range, there are more placeholders than values");
        };
        out.push_str(&one(verb, precision, value)?);
        rest = &after[verb.len_utf8()..];
    }
    out.push_str(rest);
    Ok(Cel::text(out))
}

/// What is no number has a name.
fn special(d: f64) -> Option<&'static str> {
    if d.is_nan() {
        Some("NaN")
    } else if d.is_infinite() {
        Some(if d > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

fn one(verb: char, precision: Option<usize>, value: &Cel<'_>) -> Result<String, crate::cel::Fault> {
    let digits = precision.unwrap_or(6);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let upper = |text: String| if verb == 'X' { text.to_uppercase() } else { text };
    let signed = |i: i64, text: String| format!("{}{text}", if i < 0 { "-" } else { "" });
    Ok(match (verb, value) {
        ('s', value) => return plain(value),
        ('d', Cel::Int(i)) => i.to_string(),
        ('d', Cel::Uint(u)) => u.to_string(),
        ('d' | 'f' | 'e', Cel::Double(d)) if special(*d).is_some() => special(*d).unwrap_or_default().into(),
        ('d', Cel::Double(d)) if d.fract() == 0.0 => print_double(*d),
        ('f', value) if value.number().is_some() => format!("{:.digits$}", value.number().unwrap_or_default()),
        ('e', value) if value.number().is_some() => {
            let text = format!("{:.digits$e}", value.number().unwrap_or_default());
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
            format!("{mantissa}e{sign}{exponent:0>2}")
        }
        ('b', Cel::Int(i)) => signed(*i, format!("{:b}", i.unsigned_abs())),
        ('b', Cel::Uint(u)) => format!("{u:b}"),
        ('b', Cel::Bool(b)) => if *b { "1" } else { "0" }.into(),
        ('o', Cel::Int(i)) => signed(*i, format!("{:o}", i.unsigned_abs())),
        ('o', Cel::Uint(u)) => format!("{u:o}"),
        ('x' | 'X', Cel::Int(i)) => signed(*i, upper(format!("{:x}", i.unsigned_abs()))),
        ('x' | 'X', Cel::Uint(u)) => upper(format!("{u:x}")),
        ('x' | 'X', Cel::Text(text)) => upper(hex(text.as_bytes())),
        ('x' | 'X', Cel::Bytes(bytes)) => upper(hex(bytes)),
        (verb, value) => {
            return fail(format!(
                "error during formatting: %{verb} does not take a {}",
                value.type_name()
            ));
        }
    })
}

/// The text of a value, containers with their members.
fn plain(value: &Cel<'_>) -> Result<String, crate::cel::Fault> {
    Ok(match value {
        Cel::Null => "null".into(),
        Cel::Double(d) => special(*d).map_or_else(|| print_double(*d), str::to_owned),
        Cel::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        value if value.is_list() => {
            let items: Result<Vec<String>, _> = value.items().iter().map(plain).collect();
            format!("[{}]", items?.join(", "))
        }
        value if value.is_map() => {
            let mut members = Vec::with_capacity(value.len());
            for (key, member) in value.members() {
                members.push((plain(&key)?, plain(&member)?));
            }
            members.sort();
            let members: Vec<String> = members
                .into_iter()
                .map(|(key, member)| format!("{key}: {member}"))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        value => match value.print() {
            Some(text) => text.into_owned(),
            None => {
                return fail(format!("error during formatting: a {} has no text", value.type_name()));
            }
        },
    })
}

/// The text as a literal of the language.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
