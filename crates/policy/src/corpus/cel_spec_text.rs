//! A reader of protocol buffers' text format, as far as test files use it.

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// A text or bytes.
    Text(Vec<u8>),
    /// A number or name.
    Word(String),
    Block(Block),
    List(Vec<Item>),
}

/// A message: names with values, in their order. Names in brackets keep what is in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Block(pub(super) Vec<(String, Item)>);

impl Block {
    pub(super) fn get(&self, name: &str) -> Option<&Item> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, item)| item)
    }

    /// All values of a repeated field.
    pub(super) fn all(&self, name: &str) -> Vec<&Item> {
        let found = self.0.iter().filter(|(key, _)| key == name);
        let opened = found.flat_map(|(_, item)| match item {
            Item::List(items) => items.iter().collect(),
            other => vec![other],
        });
        opened.collect()
    }

    pub(super) fn block(&self, name: &str) -> Option<&Block> {
        self.get(name).and_then(Item::block)
    }

    pub(super) fn blocks(&self, name: &str) -> Vec<&Block> {
        self.all(name).into_iter().filter_map(Item::block).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Item::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Item::Word(word) => Some(word.clone()),
            _ => None,
        }
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Item::Word(word)) if word == "true")
    }
}

impl Item {
    pub(super) fn block(&self) -> Option<&Block> {
        match self {
            Item::Block(block) => Some(block),
            _ => None,
        }
    }
}

/// Reads a file.
pub(super) fn parse(text: &str) -> Result<Block, String> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let out = reader.block(None)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.fail("a field was expected"));
    }
    Ok(out)
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

    fn fail(&self, why: &str) -> String {
        let line = self.text[..self.at].lines().count().max(1);
        format!("line {line}: {why}")
    }

    fn space(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = rest.len() - rest.trim_start().len();
            if skipped > 0 {
                self.at += skipped;
            } else if rest.starts_with('#') {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }

    fn accept(&mut self, sign: char) -> bool {
        self.space();
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len_utf8() } else { 0 };
        found
    }

    fn block(&mut self, close: Option<char>) -> Result<Block, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err(self.fail("messages nest too deeply"));
        }
        let mut out = Block::default();
        loop {
            self.space();
            if self.rest().is_empty() && close.is_none() {
                break;
            }
            if close.is_some_and(|close| self.accept(close)) {
                break;
            }
            let name = self.name()?;
            let colon = self.accept(':');
            self.space();
            let open = self.rest().starts_with(['{', '<']);
            if !colon && !open {
                return Err(self.fail(&format!("a `:` was expected after {name}")));
            }
            let item = self.item()?;
            out.0.push((name, item));
            while self.accept(',') || self.accept(';') {}
        }
        self.depth -= 1;
        Ok(out)
    }

    fn name(&mut self) -> Result<String, String> {
        if self.accept('[') {
            let end = self.rest().find(']').ok_or_else(|| self.fail("a `]` is missing"))?;
            let name = self.rest()[..end].trim().to_owned();
            self.at += end + 1;
            return Ok(name);
        }
        self.word()
    }

    fn word(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+')))
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.fail("a name or number was expected"));
        }
        let word = rest[..end].to_owned();
        self.at += end;
        Ok(word)
    }

    fn item(&mut self) -> Result<Item, String> {
        self.space();
        if self.accept('{') {
            return Ok(Item::Block(self.block(Some('}'))?));
        }
        if self.accept('<') {
            return Ok(Item::Block(self.block(Some('>'))?));
        }
        if self.accept('[') {
            let mut items = Vec::new();
            while !self.accept(']') {
                items.push(self.item()?);
                if !self.accept(',') {
                    if self.accept(']') {
                        break;
                    }
                    return Err(self.fail("a `,` or `]` was expected"));
                }
            }
            return Ok(Item::List(items));
        }
        if self.rest().starts_with(['"', '\'']) {
            let mut out = Vec::new();
            // Texts that follow each other are one.
            while self.rest().starts_with(['"', '\'']) {
                self.string(&mut out)?;
                self.space();
            }
            return Ok(Item::Text(out));
        }
        if self.accept('-') {
            self.space();
            return Ok(Item::Word(format!("-{}", self.word()?)));
        }
        Ok(Item::Word(self.word()?))
    }

    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map(|(_, c)| c);
        while let Some((at, c)) = chars.next() {
            if Some(c) == quote {
                self.at += at + 1;
                return Ok(());
            }
            if c != '\\' {
                out.extend(c.to_string().bytes());
                continue;
            }
            let Some((at, escape)) = chars.next() else { break };
            let tail = &self.rest()[at + 1..];
            let run = |radix: u32, max: usize| {
                let len = tail.chars().take(max).take_while(|c| c.is_digit(radix)).count();
                (u32::from_str_radix(&tail[..len], radix).ok(), len)
            };
            let (bytes, used): (Vec<u8>, usize) = match escape {
                'n' => (vec![b'\n'], 0),
                't' => (vec![b'\t'], 0),
                'r' => (vec![b'\r'], 0),
                'a' => (vec![7], 0),
                'b' => (vec![8], 0),
                'f' => (vec![12], 0),
                'v' => (vec![11], 0),
                '\\' | '\'' | '"' | '?' => (vec![escape as u8], 0),
                'x' | 'X' => {
                    let (code, len) = run(16, 2);
                    (code.map(|code| code as u8).into_iter().collect(), len)
                }
                'u' | 'U' => {
                    let (code, len) = run(16, if escape == 'u' { 4 } else { 8 });
                    let c = code.and_then(char::from_u32);
                    (c.map(|c| c.to_string().into_bytes()).unwrap_or_default(), len)
                }
                '0'..='7' => {
                    let (more, len) = run(8, 2);
                    let high = escape.to_digit(8).unwrap_or_default();
                    (
                        vec![(high * 8u32.pow(len as u32) + more.unwrap_or_default()) as u8],
                        len,
                    )
                }
                _ => return Err(self.fail("an unknown escape")),
            };
            if bytes.is_empty() {
                return Err(self.fail("an escape without a number"));
            }
            out.extend(bytes);
            for _ in 0..used {
                chars.next();
            }
        }
        Err(self.fail("a text is not closed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_blocks_lists_and_texts() {
        let block = parse(
            r#"# a comment
            name: "a" 'b\n\x41\101' n: -1.5e3
            one { [type.x/y.Z]: { deep < k: TRUE > } } list: [1, 2] list: 3, t: 'ÿ'"#,
        )
        .unwrap();
        assert_eq!(block.text("name").as_deref(), Some("ab\nAA"));
        assert_eq!(block.text("n").as_deref(), Some("-1.5e3"));
        assert_eq!(block.all("list").len(), 3);
        assert_eq!(block.text("t").as_deref(), Some("ÿ"));
        let deep = block
            .block("one")
            .and_then(|b| b.block("type.x/y.Z"))
            .and_then(|b| b.block("deep"));
        assert_eq!(deep.and_then(|b| b.text("k")).as_deref(), Some("TRUE"));
        for bad in ["a", "a: {", "a: 'x", "a: [1", "}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
