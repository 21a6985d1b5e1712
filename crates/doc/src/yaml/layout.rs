//! Where things stand in a text, and quoted scalars whose lines are indented less than the scanner asks for.
//!
//! go-yaml lets the lines of a quoted scalar start anywhere; the scanner wants them deeper than the scalar's parent.
//! Blanks at the start of such a line say nothing: a text that the scanner refuses for that reason is read again with
//! blanks put before those lines, and every offset is told in terms of the text as it was written.

use std::borrow::Cow;

/// What the scanner says of a quoted scalar with a line that is indented too little.
const TOO_SHALLOW: &str = "invalid indentation in quoted scalar";
/// How many bytes may be read again, beyond sixteen times the text: each try mends one scalar.
const REREAD_ALLOWANCE: usize = 4 << 20;
/// How many blanks may be put in, beyond the length of the text.
const PADDING_ALLOWANCE: usize = 64 << 10;

/// A text as the scanner gets it.
pub(super) struct Layout<'t> {
    source: &'t str,
    /// The text with blanks put in.
    text: Cow<'t, str>,
    /// Blanks put in: where they end in `text`, and how many there are up to there.
    padding: Vec<(usize, usize)>,
    /// Bytes of a byte order mark before the text proper.
    base: usize,
    /// The byte offset of every 64th character; empty when all characters are one byte.
    marks: Vec<u32>,
    reread: usize,
}

impl<'t> Layout<'t> {
    pub(super) fn of(source: &'t str) -> Layout<'t> {
        let base = if source.starts_with('\u{feff}') { 3 } else { 0 };
        Layout {
            source,
            text: Cow::Borrowed(source),
            padding: Vec::new(),
            base,
            marks: marks(&source[base..]),
            reread: 0,
        }
    }

    /// What the scanner reads.
    pub(super) fn scanned(&self) -> &str {
        &self.text[self.base..]
    }

    /// The byte offset in the source of a character that the scanner counted.
    pub(super) fn byte(&self, index: usize) -> u32 {
        let at = self.byte_scanned(index);
        let before = self.padding.partition_point(|(end, _)| *end <= at);
        let added = before.checked_sub(1).map_or(0, |last| self.padding[last].1);
        // An offset among the blanks stands for the start of their line.
        let line = self
            .padding
            .get(before)
            .map_or(at, |(end, total)| at.min(end - (total - added)));
        (line - added) as u32
    }

    fn byte_scanned(&self, index: usize) -> usize {
        if self.marks.is_empty() {
            return self.base + index;
        }
        let body = self.scanned();
        let mark = (index / 64).min(self.marks.len() - 1);
        let rest = &body[self.marks[mark] as usize..];
        let within = rest.char_indices().nth(index - mark * 64);
        self.base + self.marks[mark] as usize + within.map_or(rest.len(), |(at, _)| at)
    }

    /// The layout to try next, when this error of the scanner is about a quoted scalar that may be read all the same.
    pub(super) fn deepened(&self, error: &saphyr_parser::ScanError) -> Option<Layout<'t>> {
        if error.info() != TOO_SHALLOW {
            return None;
        }
        let start = self.byte_scanned(error.marker().index());
        let reread = self.reread + self.text.len();
        if reread > self.source.len().saturating_mul(16) + REREAD_ALLOWANCE {
            return None;
        }
        let column = self.text[..start].chars().rev().take_while(|c| !is_break(*c)).count();
        let mut text = self.text[..start].to_owned();
        let mut padding = self.padding.clone();
        padding.truncate(padding.partition_point(|(end, _)| *end <= start));
        let mut total = padding.last().map_or(0, |(_, total)| *total);
        let mut done = start;
        for line in lines_within(&self.text, start) {
            let indent = self.text[line..].bytes().take_while(|b| *b == b' ').count();
            if indent >= column || is_document_marker(&self.text[line..]) {
                continue;
            }
            text.push_str(&self.text[done..line]);
            text.extend(std::iter::repeat_n(' ', column - indent));
            total += column - indent;
            padding.push((text.len(), total));
            done = line;
            if total > self.source.len() + PADDING_ALLOWANCE {
                return None;
            }
        }
        if done == start {
            return None;
        }
        text.push_str(&self.text[done..]);
        Some(Layout {
            source: self.source,
            marks: marks(&text[self.base..]),
            text: Cow::Owned(text),
            padding,
            base: self.base,
            reread,
        })
    }
}

fn marks(body: &str) -> Vec<u32> {
    if body.is_ascii() {
        return Vec::new();
    }
    body.char_indices().step_by(64).map(|(at, _)| at as u32).collect()
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// The starts of the lines that continue the quoted scalar at `start`; lines of blanks only are left out.
fn lines_within(text: &str, start: usize) -> Vec<usize> {
    let bytes = text.as_bytes();
    let quote = bytes.get(start).copied().unwrap_or_default();
    let mut lines = Vec::new();
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' && !matches!(bytes.get(at + 1), Some(b'\n' | b'\r')) => at += 1,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 1,
            _ if byte == quote => break,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => {}
            b'\n' | b'\r' => {
                let first = bytes[at + 1..].iter().find(|b| !matches!(b, b' ' | b'\t'));
                if first.is_some_and(|b| !matches!(b, b'\n' | b'\r')) {
                    lines.push(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    lines
}

/// Whether a line ends a document wherever it stands.
fn is_document_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| rest.chars().next().is_none_or(|c| c.is_ascii_whitespace()))
}
