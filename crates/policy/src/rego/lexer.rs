//! Tokens of the language.

use super::ast::Pos;
use super::error::Error;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    Ident(String),
    /// A word of the language.
    Key(&'static str),
    Number(String),
    Str(String),
    /// `$"…"`: texts and the tokens of expressions.
    Template(Vec<Piece>),
    /// An operator or bracket.
    Op(&'static str),
    End,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Code(Vec<Token>),
}

/// A token with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) pos: Pos,
    /// Whether blanks stand before it.
    pub(crate) spaced: bool,
}

/// The words that are always reserved.
const WORDS: [&str; 11] = [
    "package", "import", "as", "default", "else", "not", "with", "null", "true", "false", "some",
];

/// The words that version 1 reserves, or an import. `not` is always one; the import lets it stand before bodies.
pub(crate) const FUTURE: [&str; 7] = ["in", "if", "contains", "every", "and", "or", "not"];

/// How many of them version 1 reserves.
pub(crate) const OF_VERSION_1: usize = 4;

const OPS: [&str; 24] = [
    ":=", "==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "&", "|", "(", ")", "[", "]", "{", "}", ",",
    ";", ":",
];

/// How deeply templates may nest.
const MAX_DEPTH: usize = 32;

/// Whether a word stands in the code of a module, as a name or a text; comments do not count.
pub(crate) fn says(module: &str, word: &str) -> bool {
    fn among(tokens: &[Token], word: &str) -> bool {
        tokens.iter().any(|token| match &token.tok {
            Tok::Ident(text) | Tok::Str(text) => text == word,
            Tok::Template(pieces) => pieces.iter().any(|piece| match piece {
                Piece::Code(tokens) => among(tokens, word),
                Piece::Text(_) => false,
            }),
            _ => false,
        })
    }
    Lexer::new(module)
        .tokens(false)
        .is_ok_and(|tokens| among(&tokens, word))
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
    depth: usize,
    pub(crate) comments: Vec<(u32, String)>,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Lexer {
            text,
            at: 0,
            line: 1,
            line_start: 0,
            depth: 0,
            comments: Vec::new(),
        }
    }

    fn pos(&self) -> Pos {
        Pos {
            line: self.line,
            column: u32::try_from(self.at - self.line_start).unwrap_or(0) + 1,
        }
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::parse(self.pos(), message)
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
    }

    fn blanks(&mut self) -> bool {
        let start = self.at;
        while let Some(c) = self.rest().chars().next() {
            if c == '#' {
                let end = self.rest().find('\n').unwrap_or(self.rest().len());
                self.comments
                    .push((self.line, self.rest()[1..end].trim_end_matches('\r').to_owned()));
                self.at += end;
            } else if c.is_whitespace() || c == '\u{feff}' {
                self.bump(c);
            } else {
                break;
            }
        }
        self.at != start
    }

    /// All tokens, up to the end or, in a template, to the brace that closes the expression.
    pub(crate) fn tokens(&mut self, nested: bool) -> Result<Vec<Token>, Error> {
        let mut out = Vec::new();
        let mut braces = 0usize;
        loop {
            let spaced = self.blanks() || out.is_empty();
            let pos = self.pos();
            let Some(c) = self.rest().chars().next() else {
                if nested {
                    return Err(self.error("the expression in the template has no closing `}`"));
                }
                out.push(Token {
                    tok: Tok::End,
                    pos,
                    spaced,
                });
                return Ok(out);
            };
            if nested && c == '}' && braces == 0 {
                out.push(Token {
                    tok: Tok::End,
                    pos,
                    spaced,
                });
                self.at += 1;
                return Ok(out);
            }
            let tok = self.token(c)?;
            match tok {
                Tok::Op("{") => braces += 1,
                Tok::Op("}") => braces = braces.saturating_sub(1),
                _ => {}
            }
            out.push(Token { tok, pos, spaced });
        }
    }

    fn token(&mut self, c: char) -> Result<Tok, Error> {
        if c == '"' {
            self.at += 1;
            return self.quoted().map(Tok::Str);
        }
        if c == '`' {
            self.at += 1;
            let end = self
                .rest()
                .find('`')
                .ok_or_else(|| self.error("the raw string has no closing backquote"))?;
            let text = self.rest()[..end].to_owned();
            for c in text.chars() {
                self.bump(c);
            }
            self.at += 1;
            return Ok(Tok::Str(text));
        }
        if c == '$' && self.rest()[1..].starts_with(['"', '`']) {
            let raw = self.rest()[1..].starts_with('`');
            self.at += 2;
            return self.template(raw).map(Tok::Template);
        }
        if c.is_ascii_digit() {
            return self.number().map(Tok::Number);
        }
        if c.is_alphabetic() || c == '_' {
            let end = self
                .rest()
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(self.rest().len());
            let word = &self.rest()[..end];
            self.at += end;
            // `with.foo` is a name, whatever the word is otherwise.
            let mut next = self.rest().chars();
            let named = next.next() == Some('.') && next.next().is_some_and(|c| c.is_alphabetic() || c == '_');
            if !named && let Some(word) = WORDS.iter().find(|w| **w == word) {
                return Ok(Tok::Key(word));
            }
            return Ok(Tok::Ident(word.to_owned()));
        }
        if c == '.' {
            self.at += 1;
            return Ok(Tok::Op("."));
        }
        let op = OPS.iter().find(|op| self.rest().starts_with(**op));
        let op = op.ok_or_else(|| self.error(format!("unexpected character `{c}`")))?;
        self.at += op.len();
        Ok(Tok::Op(op))
    }

    fn number(&mut self) -> Result<String, Error> {
        let bytes = self.rest().as_bytes();
        let digits = |mut i: usize| {
            while bytes.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        let mut end = digits(0);
        if end > 1 && bytes[0] == b'0' {
            return Err(self.error("a number does not begin with 0"));
        }
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(end + 1 + sign);
            if after == end + 1 + sign {
                return Err(self.error("the exponent has no digits"));
            }
            end = after;
        }
        let out = self.rest()[..end].to_owned();
        self.at += end;
        Ok(out)
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let mut out = String::new();
        loop {
            let c = self.rest().chars().next();
            match c {
                None | Some('\n') => return Err(self.error("the string has no closing quote")),
                Some('"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some('\\') => self.escape(&mut out)?,
                Some(c) => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Error> {
        self.at += 1;
        let c = self.rest().chars().next();
        self.at += c.map_or(0, char::len_utf8);
        out.push(match c {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(c @ ('"' | '\\' | '/' | '{')) => c,
            Some('u') => {
                let first = self.hex()?;
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let second = self.hex()?;
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
                    char::from_u32(code).unwrap_or('\u{fffd}')
                } else {
                    char::from_u32(first).unwrap_or('\u{fffd}')
                }
            }
            _ => return Err(self.error("unknown escape in a string; use a raw string in backquotes")),
        });
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let code = self.rest().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        self.at += if code.is_some() { 4 } else { 0 };
        code.ok_or_else(|| self.error("`\\u` needs four hexadecimal digits"))
    }

    fn template(&mut self, raw: bool) -> Result<Vec<Piece>, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("templates nest too deeply"));
        }
        let mut out = Vec::new();
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error("the template has no closing quote"));
            };
            match c {
                '"' if !raw => break,
                '`' if raw => break,
                '\n' if !raw => return Err(self.error("the template has no closing quote")),
                '\\' if raw => {
                    self.at += 1;
                    if self.rest().starts_with('{') {
                        text.push('{');
                        self.at += 1;
                    } else {
                        text.push('\\');
                    }
                }
                '\\' => self.escape(&mut text)?,
                '{' => {
                    self.at += 1;
                    if !text.is_empty() {
                        out.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    out.push(Piece::Code(self.tokens(true)?));
                }
                c => {
                    text.push(c);
                    self.bump(c);
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        if !text.is_empty() {
            out.push(Piece::Text(text));
        }
        Ok(out)
    }
}
