//! Tokens of JMESPath.

use ridgeway_doc::{Doc, Value};

use super::parser::SyntaxError;

/// One token and the byte where it starts.
#[derive(Clone, Debug)]
pub(super) enum Token {
    Name(String),
    Quoted(String),
    Literal(Value),
    Number(i64),
    Dot,
    Star,
    Flatten,
    Filter,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    Comma,
    Colon,
    Current,
    Reference,
    Pipe,
    Or,
    And,
    Not,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    End,
}

pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    let fail = |at: usize, why: &str| Err(SyntaxError::new(text, at, why));
    while i < bytes.len() {
        let start = i;
        let next = bytes.get(i + 1).copied();
        let (token, len) = match bytes[i] {
            b' ' | b'\t' | b'\n' | b'\r' => {
                i += 1;
                continue;
            }
            b'.' => (Token::Dot, 1),
            b'*' => (Token::Star, 1),
            b'[' if next == Some(b']') => (Token::Flatten, 2),
            b'[' if next == Some(b'?') => (Token::Filter, 2),
            b'[' => (Token::LeftBracket, 1),
            b']' => (Token::RightBracket, 1),
            b'{' => (Token::LeftBrace, 1),
            b'}' => (Token::RightBrace, 1),
            b'(' => (Token::LeftParen, 1),
            b')' => (Token::RightParen, 1),
            b',' => (Token::Comma, 1),
            b':' => (Token::Colon, 1),
            b'@' => (Token::Current, 1),
            b'&' if next == Some(b'&') => (Token::And, 2),
            b'&' => (Token::Reference, 1),
            b'|' if next == Some(b'|') => (Token::Or, 2),
            b'|' => (Token::Pipe, 1),
            b'!' if next == Some(b'=') => (Token::NotEqual, 2),
            b'!' => (Token::Not, 1),
            b'=' if next == Some(b'=') => (Token::Equal, 2),
            b'=' => return fail(i, "a single `=`; comparison is `==`"),
            b'<' if next == Some(b'=') => (Token::LessOrEqual, 2),
            b'<' => (Token::Less, 1),
            b'>' if next == Some(b'=') => (Token::GreaterOrEqual, 2),
            b'>' => (Token::Greater, 1),
            b'\'' => {
                let (raw, end) = delimited(text, i, b'\'')?;
                (Token::Literal(raw.replace("\\'", "'").into()), end - i)
            }
            b'"' => {
                let (_, end) = delimited(text, i, b'"')?;
                let Ok(doc) = Doc::parse_json(&bytes[i..end]) else {
                    return fail(i, "a quoted name must be a JSON string");
                };
                (
                    Token::Quoted(doc.root().as_str().unwrap_or_default().to_owned()),
                    end - i,
                )
            }
            b'`' => {
                let (raw, end) = delimited(text, i, b'`')?;
                let raw = raw.replace("\\`", "`");
                let trimmed = raw.trim();
                // Bare words between backticks were allowed once and are still in use.
                let value = match Doc::parse_json(trimmed.as_bytes()) {
                    Ok(doc) => Value::from(doc),
                    Err(_) if !trimmed.starts_with(['{', '[', '"']) => trimmed.into(),
                    Err(_) => return fail(i, "a literal between backticks must be JSON"),
                };
                (Token::Literal(value), end - i)
            }
            b'-' | b'0'..=b'9' => {
                let mut end = i + 1;
                while bytes.get(end).is_some_and(u8::is_ascii_digit) {
                    end += 1;
                }
                match text[i..end].parse() {
                    Ok(number) => (Token::Number(number), end - i),
                    Err(_) => return fail(i, "not a number"),
                }
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let mut end = i + 1;
                while bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                    end += 1;
                }
                (Token::Name(text[i..end].to_owned()), end - i)
            }
            _ => {
                return fail(
                    i,
                    "an unexpected character; names with `-`, `/` or `.` must be in double quotes",
                );
            }
        };
        out.push((start, token));
        i += len;
    }
    out.push((text.len(), Token::End));
    Ok(out)
}

/// The text between a delimiter at `start` and the next unescaped one, and the byte after that.
fn delimited(text: &str, start: usize, delimiter: u8) -> Result<(&str, usize), SyntaxError> {
    let bytes = text.as_bytes();
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 2,
            b if b == delimiter => return Ok((&text[start + 1..i], i + 1)),
            _ => i += 1,
        }
    }
    Err(SyntaxError::new(
        text,
        start,
        &format!("`{}` is not closed", delimiter as char),
    ))
}
