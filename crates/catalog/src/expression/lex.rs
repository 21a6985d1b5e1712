//! Expression text to tokens.

use super::Fault;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Name(String),
    Text(String),
    Int(i64),
    Float(f64),
    /// An operator or bracket.
    Mark(&'static str),
    End,
}

const MARKS: [&str; 29] = [
    "===", "!==", "==", "!=", "<=", ">=", "//", "**", "<", ">", "=", "+", "-", "*", "/", "%", "~", "|", ".", ",", ":",
    "(", ")", "[", "]", "{", "}", "?", "!",
];

/// Tokens with their byte offsets in the whole text; `base` is the offset of `source` in it.
pub(crate) fn lex(source: &str, base: usize) -> Result<Vec<(Token, usize)>, Fault> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let offset = base + start;
        let token = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => {
                at += bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_' || **b == b'$')
                    .count();
                Token::Name(source[start..at].to_owned())
            }
            b'0'..=b'9' => {
                at += bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    at += 1;
                    at += bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                }
                let text = &source[start..at];
                match text.parse::<i64>() {
                    Ok(int) => Token::Int(int),
                    Err(_) => Token::Float(
                        text.parse()
                            .map_err(|_| Fault::new(offset, format!("`{text}` is not a number")))?,
                    ),
                }
            }
            quote @ (b'"' | b'\'') => {
                let (text, end) = quoted(source, start, quote, base)?;
                at = end;
                Token::Text(text)
            }
            _ => {
                let Some(mark) = MARKS.iter().find(|mark| source[at..].starts_with(**mark)) else {
                    let found = source[at..].chars().next().unwrap_or_default();
                    return Err(Fault::new(offset, format!("`{found}` has no meaning in an expression")));
                };
                at += mark.len();
                Token::Mark(mark)
            }
        };
        tokens.push((token, offset));
    }
    tokens.push((Token::End, base + source.len()));
    Ok(tokens)
}

fn quoted(source: &str, start: usize, quote: u8, base: usize) -> Result<(String, usize), Fault> {
    let mut text = String::new();
    let mut rest = source[start + 1..].char_indices();
    while let Some((index, c)) = rest.next() {
        match c {
            _ if c as u32 == u32::from(quote) => return Ok((text, start + 1 + index + 1)),
            '\\' => match rest.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, 'r')) => text.push('\r'),
                Some((_, other)) => text.push(other),
                None => break,
            },
            _ => text.push(c),
        }
    }
    Err(Fault::new(base + start, "the quoted text has no closing quote"))
}
