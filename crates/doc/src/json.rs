//! The JSON parser: RFC 8259 text to a [`Doc`] in one pass.

use crate::arena::{Doc, DocBuilder};
use crate::node::Position;
use crate::number::Number;

/// How deep containers may nest. Deeper input is refused, so that recursive readers cannot overflow the stack.
pub const MAX_DEPTH: usize = 256;

/// Why text is not a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct ParseError {
    /// Line and column of the fault, counted from 1.
    pub position: Position,
    /// What was found and what was expected.
    pub message: String,
}

/// Parses one JSON document (RFC 8259). Duplicate keys, trailing text, bad UTF-8 and nesting beyond [`MAX_DEPTH`] are
/// errors; numbers beyond `f64` too.
pub fn parse_json(bytes: &[u8]) -> Result<Doc, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let valid = std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default();
        ParseError {
            position: Position::in_text(valid, valid.len()),
            message: "the text is not UTF-8".into(),
        }
    })?;
    if text.len() > u32::MAX as usize / 2 {
        return Err(ParseError {
            position: Position::START,
            message: "the document is larger than 2 GiB".into(),
        });
    }
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        builder: DocBuilder::with_source(text),
    };
    parser.value(0)?;
    parser.space();
    if parser.at < parser.bytes.len() {
        return Err(parser.fail("unexpected text after the document"));
    }
    Ok(parser.builder.finish())
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    builder: DocBuilder,
}

impl Parser<'_> {
    fn fail(&self, message: impl Into<String>) -> ParseError {
        self.fail_at(self.at, message)
    }

    fn fail_at(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError {
            position: Position::in_text(self.text, at.min(self.text.len())),
            message: message.into(),
        }
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => self.fail(format!("found {c:?} where {wanted} was expected")),
            None => self.fail(format!("the text ends where {wanted} was expected")),
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), ParseError> {
        self.space();
        self.builder.at(self.at);
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let (start, len) = self.string()?;
                self.builder.string_span(start, len);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true").map(|()| self.builder.bool(true)),
            Some(b'f') => self.word("false").map(|()| self.builder.bool(false)),
            Some(b'n') => self.word("null").map(|()| self.builder.null()),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), ParseError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.unexpected("a value"))
        }
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while let Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
        }
        let literal = &self.text[start..self.at];
        let number =
            Number::parse(literal).ok_or_else(|| self.fail_at(start, format!("{literal:?} is not a JSON number")))?;
        self.builder.number(number);
        Ok(())
    }

    fn enter(&self, depth: usize) -> Result<(), ParseError> {
        if depth >= MAX_DEPTH {
            return Err(self.fail(format!("the document nests deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), ParseError> {
        self.enter(depth)?;
        self.builder.open_array();
        self.at += 1;
        self.space();
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
            self.builder.close();
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    self.builder.close();
                    return Ok(());
                }
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), ParseError> {
        self.enter(depth)?;
        self.builder.open_object();
        self.at += 1;
        self.space();
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
            self.builder.close();
            return Ok(());
        }
        loop {
            self.space();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(self.unexpected("a quoted key"));
            }
            let (start, len) = self.string()?;
            self.space();
            if self.bytes.get(self.at) != Some(&b':') {
                return Err(self.unexpected("`:`"));
            }
            self.at += 1;
            self.builder.key_span(start, len);
            self.value(depth + 1)?;
            self.space();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    if let Some((key, offset)) = self.builder.duplicate_key() {
                        let message = format!("the key {key:?} stands twice in one object; remove one of them");
                        return Err(self.fail_at(offset as usize, message));
                    }
                    self.builder.close();
                    return Ok(());
                }
                _ => return Err(self.unexpected("`,` or `}`")),
            }
        }
    }

    /// Reads a string at the opening quote; returns its slice of the builder's text.
    fn string(&mut self) -> Result<(u32, u32), ParseError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let span = (start as u32, (self.at - start) as u32);
                    self.at += 1;
                    return Ok(span);
                }
                Some(b'\\') => return self.escaped_string(start),
                Some(0..=0x1f) => return Err(self.fail("a control character in a string must be escaped")),
                Some(_) => self.at += 1,
                None => return Err(self.fail_at(start - 1, "the string that starts here does not end")),
            }
        }
    }

    fn escaped_string(&mut self, start: usize) -> Result<(u32, u32), ParseError> {
        let mut out = String::from(&self.text[start..self.at]);
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    let at = self.builder.push_text(&out);
                    return Ok((at, out.len() as u32));
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(0..=0x1f) => return Err(self.fail("a control character in a string must be escaped")),
                Some(_) => {
                    let run = self.at;
                    while !matches!(self.bytes.get(self.at), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                        self.at += 1;
                    }
                    out.push_str(&self.text[run..self.at]);
                }
                None => return Err(self.fail_at(start - 1, "the string that starts here does not end")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), ParseError> {
        let c = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.hex4(self.at + 2)?;
                self.at += 6;
                let code = if (0xd800..0xdc00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
                    let low = self.hex4(self.at + 2)?;
                    if (0xdc00..0xe000).contains(&low) {
                        self.at += 6;
                        0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)
                    } else {
                        high
                    }
                } else {
                    high
                };
                // A lone surrogate has no scalar value; Go's decoder puts U+FFFD there.
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                return Ok(());
            }
            _ => return Err(self.fail("an unknown escape; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")),
        };
        out.push(c);
        self.at += 2;
        Ok(())
    }

    fn hex4(&self, at: usize) -> Result<u32, ParseError> {
        self.bytes
            .get(at..at + 4)
            .filter(|h| h.iter().all(u8::is_ascii_hexdigit))
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u32::from_str_radix(h, 16).ok())
            .ok_or_else(|| self.fail("\\u needs four hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_rfc_accepts() {
        for (text, want) in [
            (" [ ] ", "[]"),
            ("{\"a\":{},\"\":0}", "{\"a\":{},\"\":0}"),
            ("\"\\u00e9\\ud83d\\ude00\\/\\b\"", "\"é\u{1F600}/\\b\""),
            ("\"\\ud83d x\"", "\"\u{fffd} x\""),
            ("\"\\u0000\\u001f\"", "\"\\u0000\\u001f\""),
            ("\u{7f}", ""),
            ("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\""),
            ("-0.0", "-0"),
            ("1E400", ""),
            ("[1,2.50,-3e-2,1e21]", "[1,2.5,-0.03,1e+21]"),
            ("[1,]", ""),
            ("[1 2]", ""),
            ("{\"a\":1,}", ""),
            ("{a:1}", ""),
            ("{\"a\" 1}", ""),
            ("'a'", ""),
            ("\"a\nb\"", ""),
            ("\"\\x41\"", ""),
            ("\"\\u12g4\"", ""),
            ("\"open", ""),
            ("nul", ""),
            ("truefalse", ""),
            ("[01]", ""),
            ("[+1]", ""),
            ("[.5]", ""),
            ("[1.]", ""),
            ("[NaN]", ""),
            ("// c\n1", ""),
            ("", ""),
            ("\u{feff}1", ""),
            ("1 1", ""),
        ] {
            let got = parse_json(text.as_bytes())
                .map(|d| d.root().to_json())
                .unwrap_or_default();
            assert_eq!(got, want, "{text:?}");
        }
        assert!(parse_json(b"\"\xff\"").is_err());
        assert!(parse_json("[".repeat(MAX_DEPTH + 1).as_bytes()).is_err());
        let nested = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
        assert!(parse_json(nested.as_bytes()).is_ok());
        let twice = parse_json(b"{\"a\":1,\n \"b\":2,\"a\":3}").unwrap_err();
        assert_eq!(twice.position, Position { line: 2, column: 12 });
    }
}
