//! The words of an action.

use super::super::super::error::Fault;
use super::super::super::number::Num;
use super::super::super::value::Value;
use super::wrong;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    /// `.`
    Dot,
    /// `.name`
    Field(String),
    /// `$name`
    Variable(String),
    Word(String),
    Value(Value<'static>),
    Op(&'static str),
}

/// A word, and whether a blank is before it.
pub(super) type Token = (Tok, bool);

/// The words between the braces.
pub(super) fn tokens(action: &str) -> Result<Vec<Token>, Fault> {
    let mut out = Vec::new();
    let mut rest = action;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let spaced = trimmed.len() < rest.len() || out.is_empty();
        rest = trimmed;
        let Some(c) = rest.chars().next() else {
            return Ok(out);
        };
        let (tok, len) = token(rest, c)?;
        rest = &rest[len..];
        out.push((tok, spaced));
    }
}

/// How many bytes a name takes.
fn name_len(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

fn token(rest: &str, c: char) -> Result<(Tok, usize), Fault> {
    for op in [":=", "|", "(", ")", ",", "="] {
        if rest.starts_with(op) {
            return Ok((Tok::Op(op), op.len()));
        }
    }
    let digit = |at: usize| rest[at..].starts_with(|c: char| c.is_ascii_digit());
    match c {
        '"' => {
            let len = quoted_len(rest, '"').ok_or_else(|| wrong("unterminated quoted string"))?;
            let text = unquote(&rest[1..len - 1])?;
            Ok((Tok::Value(Value::str(text)), len))
        }
        '`' => {
            let end = rest[1..]
                .find('`')
                .ok_or_else(|| wrong("unterminated raw quoted string"))?;
            Ok((Tok::Value(Value::str(&rest[1..=end])), end + 2))
        }
        '\'' => {
            let len = quoted_len(rest, '\'').ok_or_else(|| wrong("unterminated character constant"))?;
            let text = unquote(&rest[1..len - 1])?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Ok((Tok::Value(Value::int(i64::from(u32::from(c)))), len)),
                _ => Err(wrong("malformed character constant")),
            }
        }
        '$' => {
            let len = name_len(&rest[1..]) + 1;
            Ok((Tok::Variable(rest[1..len].to_owned()), len))
        }
        '.' if !digit(1) => {
            let len = name_len(&rest[1..]) + 1;
            Ok(match &rest[1..len] {
                "" => (Tok::Dot, 1),
                name => (Tok::Field(name.to_owned()), len),
            })
        }
        c if c.is_ascii_digit() || c == '.' || (matches!(c, '+' | '-') && (digit(1) || rest[1..].starts_with('.'))) => {
            let exponent = |before: Option<char>| matches!(before, Some('e' | 'E'));
            let mut before = None;
            let mut len = 0;
            for c in rest.chars() {
                let sign = matches!(c, '+' | '-') && (len == 0 || exponent(before));
                if !(c.is_alphanumeric() || matches!(c, '.' | '_') || sign) {
                    break;
                }
                before = Some(c);
                len += c.len_utf8();
            }
            let text = &rest[..len];
            let num = number(text).ok_or_else(|| wrong(format!("bad number syntax: {text:?}")))?;
            Ok((Tok::Value(Value::Num(num)), len))
        }
        c if c.is_alphabetic() || c == '_' => {
            let len = name_len(rest);
            Ok((
                match &rest[..len] {
                    "true" => Tok::Value(Value::Bool(true)),
                    "false" => Tok::Value(Value::Bool(false)),
                    word => Tok::Word(word.to_owned()),
                },
                len,
            ))
        }
        c => Err(wrong(format!("unexpected bad character U+{:04X} {c:?}", u32::from(c)))),
    }
}

fn number(text: &str) -> Option<Num> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = |prefix: [&str; 2], radix| {
        let digits = digits.strip_prefix(prefix[0]).or(digits.strip_prefix(prefix[1]))?;
        i64::from_str_radix(digits, radix).ok()
    };
    let whole = radix(["0x", "0X"], 16)
        .or(radix(["0b", "0B"], 2))
        .or(radix(["0o", "0O"], 8));
    if let Some(whole) = whole.or(digits.parse().ok()) {
        return Some(Num::Int(sign * whole));
    }
    let float: f64 = digits.parse().ok().filter(|float: &f64| float.is_finite())?;
    Some(Num::Float(if sign < 0 { -float } else { float }))
}

/// How many bytes a quoted text takes, with its quotes.
fn quoted_len(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' => return None,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A text without its escapes.
fn unquote(text: &str) -> Result<String, Fault> {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let digits = |rest: &mut std::str::Chars<'_>, count: usize, radix: u32| {
            let digits: String = rest.by_ref().take(count).collect();
            u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32)
        };
        let found = match rest.next() {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('v') => Some('\u{b}'),
            Some(c @ ('\\' | '"' | '\'')) => Some(c),
            Some('x') => digits(&mut rest, 2, 16),
            Some('u') => digits(&mut rest, 4, 16),
            Some('U') => digits(&mut rest, 8, 16),
            _ => None,
        };
        out.push(found.ok_or_else(|| wrong("invalid syntax in a quoted string"))?);
    }
    Ok(out)
}
