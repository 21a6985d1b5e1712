//! Tokens of CEL.

use super::ast::Literal;
use super::parser::SyntaxError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// A name in backticks, for fields only.
    Quoted(String),
    Literal(Literal),
    /// The magnitude of the smallest integer, which is one too many without its sign.
    Huge,
    /// Operators and punctuation, by their text.
    Sign(&'static str),
    End,
}

/// Longer signs first.
const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "&&", "||", "[?", ".?", "{?", "(", ")", "[", "]", "{", "}", ",", ":", "?", ".", "+", "-",
    "*", "/", "%", "<", ">", "!",
];

pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some((literal, len)) = text_literal(text, at)? {
            out.push((at, Token::Literal(literal)));
            at += len;
        } else if c.is_ascii_digit() || c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let (token, len) = number(text, at)?;
            out.push((at, token));
            at += len;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let len = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let token = match &rest[..len] {
                "true" => Token::Literal(Literal::Bool(true)),
                "false" => Token::Literal(Literal::Bool(false)),
                "null" => Token::Literal(Literal::Null),
                name => Token::Name(name.to_owned()),
            };
            out.push((at, token));
            at += len;
        } else if c == '`' {
            // A field name that is no identifier.
            let len = rest[1..]
                .find('`')
                .ok_or_else(|| SyntaxError::new(text, at, "a quoted name is not closed"))?;
            out.push((at, Token::Quoted(rest[1..=len].to_owned())));
            at += len + 2;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            out.push((at, Token::Sign(sign)));
            at += sign.len();
        } else {
            return Err(SyntaxError::new(text, at, "an unexpected character"));
        }
    }
    out.push((text.len(), Token::End));
    Ok(out)
}

/// An integer from its magnitude.
fn integer(magnitude: u128) -> Option<Token> {
    match i64::try_from(magnitude) {
        Ok(i) => Some(Token::Literal(Literal::Int(i))),
        Err(_) => (magnitude == 1 << 63).then_some(Token::Huge),
    }
}

fn number(text: &str, at: usize) -> Result<(Token, usize), SyntaxError> {
    let rest = &text[at..];
    let fail = || SyntaxError::new(text, at, "the number is out of range");
    let unsigned = |digits: &str, radix| {
        let value = u64::from_str_radix(digits, radix).map_err(|_| fail())?;
        Ok(Token::Literal(Literal::Uint(value)))
    };
    if let Some(hex) = rest.strip_prefix("0x").or(rest.strip_prefix("0X")) {
        let len = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        if hex[len..].starts_with(['u', 'U']) {
            return Ok((unsigned(&hex[..len], 16)?, len + 3));
        }
        let magnitude = u128::from_str_radix(&hex[..len], 16).map_err(|_| fail())?;
        return Ok((integer(magnitude).ok_or_else(fail)?, len + 2));
    }
    let bytes = rest.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut end = digits(0);
    let mut float = false;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        float = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            float = true;
            end = digits(end + 1 + sign);
        }
    }
    if float {
        let value: f64 = rest[..end].parse().map_err(|_| fail())?;
        return Ok((Token::Literal(Literal::Double(value)), end));
    }
    if matches!(bytes.get(end), Some(b'u' | b'U')) {
        return Ok((unsigned(&rest[..end], 10)?, end + 1));
    }
    let magnitude = rest[..end].parse().map_err(|_| fail())?;
    Ok((integer(magnitude).ok_or_else(fail)?, end))
}

/// A string or bytes literal at a place, with its length.
fn text_literal(text: &str, at: usize) -> Result<Option<(Literal, usize)>, SyntaxError> {
    let rest = &text[at..];
    let quoted = |b: &u8| matches!(b, b'"' | b'\'');
    let Some(prefix) = rest.as_bytes().iter().take(3).position(quoted) else {
        return Ok(None);
    };
    let (mut raw, mut bytes) = (false, false);
    for c in rest[..prefix].chars() {
        match c {
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes => bytes = true,
            _ => return Ok(None),
        }
    }
    let body = &rest[prefix..];
    let quote = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| body.starts_with(quote))
        .unwrap_or("\"");
    let mut out: Vec<u8> = Vec::new();
    let inner = &body[quote.len()..];
    let mut i = 0;
    loop {
        let tail = &inner[i..];
        if tail.starts_with(quote) {
            let len = prefix + quote.len() * 2 + i;
            if bytes {
                return Ok(Some((Literal::Bytes(out.into()), len)));
            }
            let string = String::from_utf8(out).map_err(|_| SyntaxError::new(text, at, "the text is not UTF-8"))?;
            return Ok(Some((Literal::Text(string.into()), len)));
        }
        let Some(c) = tail.chars().next() else {
            return Err(SyntaxError::new(text, at, "a text is not closed"));
        };
        if matches!(c, '\n' | '\r') && quote.len() == 1 {
            return Err(SyntaxError::new(
                text,
                at + prefix + i,
                "a text in single quotes ends on its line",
            ));
        }
        if c == '\\' && !raw {
            let (character, len) = escape(&tail[1..], bytes)
                .ok_or_else(|| SyntaxError::new(text, at + prefix + i, "an unknown escape"))?;
            out.extend(character);
            i += 1 + len;
        } else {
            out.extend(c.to_string().bytes());
            i += c.len_utf8();
        }
    }
}

/// What an escape stands for, and how long it is after its backslash.
fn escape(text: &str, bytes: bool) -> Option<(Vec<u8>, usize)> {
    let first = text.chars().next()?;
    let simple = match first {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' | '`' | '?' => first as u8,
        'x' | 'X' | 'u' | 'U' => {
            let len = match first {
                'u' => 4,
                'U' => 8,
                _ => 2,
            };
            let digits = text.get(1..=len)?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let code = u32::from_str_radix(digits, 16).ok()?;
            if bytes {
                // Bytes are written one by one.
                return (len == 2).then_some((vec![code as u8], 3));
            }
            return Some((char::from_u32(code)?.to_string().into_bytes(), len + 1));
        }
        '0'..='3' => {
            let digits = text.get(..3)?;
            if !digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
                return None;
            }
            let code = u32::from_str_radix(digits, 8).ok()?;
            return Some((
                if bytes {
                    vec![code as u8]
                } else {
                    char::from_u32(code)?.to_string().into_bytes()
                },
                3,
            ));
        }
        _ => return None,
    };
    Some((vec![simple], 1))
}
