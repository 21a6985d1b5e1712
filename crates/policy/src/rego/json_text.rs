//! JSON texts to values, with integers of any size; of members with one key the last wins.

use super::number::Num;
use super::value::Value;

const MAX_DEPTH: u32 = 500;

/// Reads a JSON text; the error tells the offset.
pub(crate) fn read(text: &str) -> Result<Value<'static>, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.unexpected());
    }
    Ok(value)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
        self.at += self.rest().len() - self.rest().trim_start_matches(blank).len();
    }

    fn unexpected(&self) -> String {
        match self.rest().chars().next() {
            Some(c) => format!("invalid character {c:?} at offset {}", self.at),
            None => "unexpected end of JSON input".into(),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self) -> Result<Value<'static>, String> {
        self.blanks();
        for (word, value) in [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
        ] {
            if self.take(word) {
                return Ok(value);
            }
        }
        match self.rest().bytes().next() {
            Some(b'"') => self.string().map(Value::str),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[' | b'{') => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err("exceeded max depth".into());
                }
                let array = self.rest().starts_with('[');
                self.at += 1;
                let out = if array { self.array() } else { self.object() };
                self.depth -= 1;
                out
            }
            _ => Err(self.unexpected()),
        }
    }

    fn number(&mut self) -> Result<Value<'static>, String> {
        let bytes = self.rest().as_bytes();
        let digits = |mut i: usize| {
            while bytes.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        let sign = usize::from(bytes.first() == Some(&b'-'));
        let mut end = digits(sign);
        let leading = end > sign + 1 && bytes.get(sign) == Some(&b'0');
        let mut valid = end > sign && !leading;
        if bytes.get(end) == Some(&b'.') {
            let after = digits(end + 1);
            valid &= after > end + 1;
            end = after;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let start = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(start);
            valid &= after > start;
            end = after;
        }
        let num = if valid { Num::parse(&self.rest()[..end]) } else { None };
        let num = num.ok_or_else(|| format!("invalid number at offset {}", self.at))?;
        self.at += end;
        Ok(Value::Num(num))
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err("unexpected end of JSON input".into());
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                c if u32::from(c) < 0x20 => return Err(format!("invalid character {c:?} in string literal")),
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let c = self.rest().chars().next().unwrap_or(' ');
        self.at += c.len_utf8().min(self.rest().len());
        Ok(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '"' | '\\' | '/' => c,
            'u' => {
                let first = self.hex()?;
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    let back = self.at;
                    self.at += 2;
                    let second = self.hex()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    self.at = back;
                }
                char::from_u32(first).unwrap_or('\u{fffd}')
            }
            c => return Err(format!("invalid character {c:?} in string escape code")),
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self
            .rest()
            .get(..4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.unexpected())?;
        self.at += 4;
        Ok(code)
    }

    fn array(&mut self) -> Result<Value<'static>, String> {
        let mut out = Vec::new();
        self.blanks();
        if self.take("]") {
            return Ok(Value::array(out));
        }
        loop {
            out.push(self.value()?);
            self.blanks();
            if self.take("]") {
                return Ok(Value::array(out));
            }
            if !self.take(",") {
                return Err(self.unexpected());
            }
        }
    }

    fn object(&mut self) -> Result<Value<'static>, String> {
        let mut out = Vec::new();
        self.blanks();
        if self.take("}") {
            return Ok(Value::object(out));
        }
        loop {
            self.blanks();
            if !self.rest().starts_with('"') {
                return Err(self.unexpected());
            }
            let key = self.string()?;
            self.blanks();
            if !self.take(":") {
                return Err(self.unexpected());
            }
            out.push((Value::str(key), self.value()?));
            self.blanks();
            if self.take("}") {
                return Ok(Value::object(out));
            }
            if !self.take(",") {
                return Err(self.unexpected());
            }
        }
    }
}
