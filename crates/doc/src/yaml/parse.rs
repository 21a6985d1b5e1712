//! The parser: events of `saphyr-parser` to documents over one arena.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::layout::Layout;
use super::scalar::{Reading, Scalar, resolve};
use crate::arena::{Doc, DocBuilder};
use crate::json::{MAX_DEPTH, ParseError};
use crate::node::Position;
use crate::number::Number;

/// How many nodes aliases may add, beyond ten for each node that was written out.
const ALIAS_ALLOWANCE: usize = 100_000;

/// Parses a stream of YAML documents as Kubernetes reads them; empty documents are skipped.
///
/// Duplicate keys, unknown anchors, aliases that contain themselves or blow up, and nesting beyond
/// [`MAX_DEPTH`](crate::MAX_DEPTH) are errors. JSON is YAML too.
pub fn parse_yaml(text: &str) -> Result<Vec<Doc>, ParseError> {
    parse_yaml_as(text, Reading::Kubernetes)
}

/// [`parse_yaml`] with another reading of plain scalars.
pub fn parse_yaml_as(text: &str, reading: Reading) -> Result<Vec<Doc>, ParseError> {
    if text.len() > u32::MAX as usize / 2 {
        return Err(ParseError {
            position: Position::START,
            message: "the document is larger than 2 GiB".into(),
        });
    }
    let mut layout = Layout::of(text);
    loop {
        match read(text, &layout, reading)? {
            Read::Docs(docs) => return Ok(docs),
            Read::Refused(error) => match layout.deepened(&error) {
                Some(deeper) => layout = deeper,
                None => return Err(scan_error(text, &layout, &error)),
            },
        }
    }
}

/// What came of reading a text.
enum Read {
    Docs(Vec<Doc>),
    /// The scanner did not take it.
    Refused(ScanError),
}

fn read(text: &str, layout: &Layout<'_>, reading: Reading) -> Result<Read, ParseError> {
    let mut parser = Parser::new_from_str(layout.scanned());
    let mut builder = DocBuilder::with_source(text);
    let mut roots = Vec::new();
    let mut events: Vec<Ev<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => return Ok(Read::Refused(error)),
        };
        let offset = layout.byte(span.start.index());
        let (what, anchor) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let quoted = usize::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
                let at = offset as usize + quoted;
                // Most scalars stand in the source as they are: then the source keeps them.
                let text = match text.as_bytes().get(at..at + value.len()) {
                    Some(slice) if slice == value.as_bytes() => Text::Source(at as u32, value.len() as u32),
                    _ => Text::Own(value),
                };
                (What::Scalar(text, plain, TagKind::of(tag.as_deref())), anchor)
            }
            Event::SequenceStart(anchor, _) => (What::Seq, anchor),
            Event::MappingStart(anchor, _) => (What::Map, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                let end = events.len() as u32;
                if let Some(start) = open.pop() {
                    events[start].end = end;
                }
                (What::End, 0)
            }
            Event::Alias(id) => (What::Alias(id), 0),
            Event::DocumentEnd => {
                let mut tree = Tree::new(text, &events, reading);
                if !tree.is_empty_document() {
                    tree.value(&mut builder, 0, 0)?;
                    roots.push(builder.end_document());
                }
                events.clear();
                open.clear();
                continue;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => continue,
        };
        if matches!(what, What::Seq | What::Map) {
            if open.len() >= MAX_DEPTH {
                return Err(too_deep(text, offset));
            }
            open.push(events.len());
        }
        events.push(Ev {
            what,
            offset,
            anchor,
            end: 0,
        });
    }
    Ok(Read::Docs(builder.finish_all(&roots)))
}

fn too_deep(text: &str, offset: u32) -> ParseError {
    ParseError {
        position: Position::in_text(text, offset as usize),
        message: format!("containers nest deeper than {MAX_DEPTH} levels"),
    }
}

fn scan_error(text: &str, layout: &Layout<'_>, error: &ScanError) -> ParseError {
    let at = (layout.byte(error.marker().index()) as usize).min(text.len());
    let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let blanks = &line[..line.len() - line.trim_start().len()];
    let mut message = error.info().to_owned();
    if message.starts_with("while parsing node, found unknown anchor") {
        message = "this alias names an anchor that the document does not define before it".into();
    }
    if blanks.contains('\t') {
        message.push_str("; YAML forbids tabs in indentation: use blanks");
    }
    ParseError {
        position: Position::in_text(text, at),
        message,
    }
}

enum Text<'a> {
    /// A slice of the source.
    Source(u32, u32),
    Own(Cow<'a, str>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TagKind {
    None,
    Str,
    Int,
    Float,
    Bool,
    Null,
    Binary,
    Timestamp,
    Merge,
    Other,
}

impl TagKind {
    fn of(tag: Option<&Tag>) -> TagKind {
        let Some(tag) = tag else { return TagKind::None };
        let core = tag.handle == "tag:yaml.org,2002:" || tag.handle == "!!";
        let name = tag.suffix.strip_prefix("tag:yaml.org,2002:");
        match (core, name) {
            (false, None) => TagKind::Other,
            (true, _) | (_, Some(_)) => match name.unwrap_or(&tag.suffix) {
                "str" => TagKind::Str,
                "int" => TagKind::Int,
                "float" => TagKind::Float,
                "bool" => TagKind::Bool,
                "null" => TagKind::Null,
                "binary" => TagKind::Binary,
                "timestamp" => TagKind::Timestamp,
                "merge" => TagKind::Merge,
                _ => TagKind::Other,
            },
        }
    }

    fn name(self) -> &'static str {
        match self {
            TagKind::Int => "!!int",
            TagKind::Float => "!!float",
            TagKind::Bool => "!!bool",
            TagKind::Null => "!!null",
            _ => "the tag",
        }
    }
}

enum What<'a> {
    /// Text, whether plain, tag.
    Scalar(Text<'a>, bool, TagKind),
    Seq,
    Map,
    End,
    Alias(usize),
}

struct Ev<'a> {
    what: What<'a>,
    offset: u32,
    anchor: usize,
    /// For containers: the index of their end event.
    end: u32,
}

/// One member of a mapping, before its value is built.
struct Entry<'t> {
    key: Cow<'t, str>,
    key_at: u32,
    value: usize,
}

/// The events of one document, with what building needs to know.
struct Tree<'t, 'e> {
    source: &'t str,
    events: &'t [Ev<'e>],
    anchors: HashMap<usize, usize>,
    /// Anchored nodes that are being built: an alias to one of them would contain itself.
    building: Vec<usize>,
    /// How many aliases enclose the current node.
    aliased: usize,
    budget: usize,
    reading: Reading,
}

impl<'t, 'e> Tree<'t, 'e> {
    fn new(source: &'t str, events: &'t [Ev<'e>], reading: Reading) -> Self {
        let anchors = events
            .iter()
            .enumerate()
            .filter(|(_, e)| e.anchor != 0)
            .map(|(i, e)| (e.anchor, i))
            .collect();
        Tree {
            source,
            events,
            anchors,
            building: Vec::new(),
            aliased: 0,
            budget: ALIAS_ALLOWANCE + events.len() * 10,
            reading,
        }
    }

    fn fail(&self, at: u32, message: impl Into<String>) -> ParseError {
        ParseError {
            position: Position::in_text(self.source, at as usize),
            message: message.into(),
        }
    }

    fn text(&self, text: &'t Text<'e>) -> &'t str {
        match text {
            Text::Source(start, len) => &self.source[*start as usize..(*start + *len) as usize],
            Text::Own(text) => text,
        }
    }

    /// The index after the node at `i`.
    fn after(&self, i: usize) -> usize {
        match self.events[i].what {
            What::Seq | What::Map => self.events[i].end as usize + 1,
            _ => i + 1,
        }
    }

    /// Whether the document says nothing: no node, or a plain null.
    fn is_empty_document(&self) -> bool {
        match self.events.first().map(|e| &e.what) {
            None => true,
            Some(What::Scalar(text, true, TagKind::None | TagKind::Null)) => {
                resolve(self.text(text), self.reading) == Scalar::Null
            }
            Some(_) => false,
        }
    }

    /// The node an alias stands for, charged to the budget.
    fn target(&mut self, alias: usize, id: usize) -> Result<usize, ParseError> {
        let at = self.events[alias].offset;
        let Some(&target) = self.anchors.get(&id).filter(|t| **t < alias) else {
            return Err(self.fail(
                at,
                "this alias names an anchor that the document does not define before it",
            ));
        };
        if self.building.contains(&target) {
            return Err(self.fail(
                at,
                "this alias stands inside the node it names: the node would contain itself",
            ));
        }
        Ok(target)
    }

    fn charge(&mut self, at: u32) -> Result<(), ParseError> {
        if self.aliased > 0 {
            self.budget = self
                .budget
                .checked_sub(1)
                .ok_or_else(|| self.fail(at, "aliases expand to too many nodes; write the nodes out"))?;
        }
        Ok(())
    }

    fn value(&mut self, builder: &mut DocBuilder, i: usize, depth: usize) -> Result<(), ParseError> {
        let events = self.events;
        let event = &events[i];
        self.charge(event.offset)?;
        if depth > MAX_DEPTH {
            return Err(too_deep(self.source, event.offset));
        }
        builder.at(event.offset as usize);
        if event.anchor != 0 {
            self.building.push(i);
        }
        match &event.what {
            What::Scalar(text, plain, tag) => self.scalar(builder, event.offset, text, *plain, *tag)?,
            What::Seq => {
                builder.open_array();
                let mut item = i + 1;
                while item < event.end as usize {
                    self.value(builder, item, depth + 1)?;
                    item = self.after(item);
                }
                builder.close();
            }
            What::Map => {
                let entries = self.entries(i, 0)?;
                builder.open_object();
                for entry in entries {
                    match entry.key {
                        Cow::Borrowed(key) => match self.source_offset(key) {
                            Some(start) => builder.key_span(start, key.len() as u32),
                            None => builder.key(key),
                        },
                        Cow::Owned(key) => builder.key(&key),
                    }
                    self.value(builder, entry.value, depth + 1)?;
                }
                builder.close();
            }
            What::Alias(id) => {
                let target = self.target(i, *id)?;
                self.aliased += 1;
                self.value(builder, target, depth)?;
                self.aliased -= 1;
            }
            What::End => {}
        }
        if event.anchor != 0 {
            self.building.pop();
        }
        Ok(())
    }

    /// Where in the source a borrowed text stands, if it is a slice of it.
    fn source_offset(&self, text: &str) -> Option<u32> {
        let start = (text.as_ptr() as usize).checked_sub(self.source.as_ptr() as usize)?;
        (start + text.len() <= self.source.len() && !text.is_empty()).then_some(start as u32)
    }

    /// The members of a mapping: explicit ones first come, merged ones (`<<`) where no explicit one has their key.
    fn entries(&mut self, i: usize, depth: usize) -> Result<Vec<Entry<'t>>, ParseError> {
        let events = self.events;
        if depth > MAX_DEPTH {
            return Err(too_deep(self.source, events[i].offset));
        }
        let end = events[i].end as usize;
        let mut entries: Vec<Entry<'t>> = Vec::new();
        let mut merges = Vec::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut key = i + 1;
        while key < end {
            let value = self.after(key);
            match self.key(key)? {
                None => merges.push(value),
                Some(text) => {
                    self.charge(events[key].offset)?;
                    entries.push(Entry {
                        key: text,
                        key_at: events[key].offset,
                        value,
                    });
                }
            }
            key = self.after(value);
        }
        let duplicate = if entries.len() <= 16 {
            (1..entries.len()).find_map(|n| {
                let first = entries[..n].iter().position(|e| e.key == entries[n].key)?;
                Some((first, n))
            })
        } else {
            seen.reserve(entries.len());
            entries
                .iter()
                .enumerate()
                .find_map(|(n, e)| seen.insert(&e.key, n).map(|first| (first, n)))
        };
        if let Some((first, second)) = duplicate {
            let (first, second) = (&entries[first], &entries[second]);
            let place = Position::in_text(self.source, first.key_at as usize);
            let message = format!(
                "the key {:?} stands twice in one mapping, first at {place}; remove one of them",
                second.key
            );
            return Err(self.fail(second.key_at, message));
        }
        drop(seen);
        for merge in merges {
            let mut have: HashSet<String> = entries.iter().map(|e| e.key.clone().into_owned()).collect();
            for entry in self.merged(merge, depth + 1)? {
                if have.insert(entry.key.clone().into_owned()) {
                    entries.push(entry);
                }
            }
        }
        Ok(entries)
    }

    /// What the value of a `<<` key contributes.
    fn merged(&mut self, i: usize, depth: usize) -> Result<Vec<Entry<'t>>, ParseError> {
        let events = self.events;
        match &events[i].what {
            What::Map => self.entries(i, depth),
            What::Alias(id) => {
                let target = self.target(i, *id)?;
                self.aliased += 1;
                self.building.push(target);
                let entries = if matches!(events[target].what, What::Alias(_)) {
                    Ok(Vec::new())
                } else {
                    self.merged(target, depth)
                };
                self.building.pop();
                self.aliased -= 1;
                entries
            }
            What::Seq if depth <= MAX_DEPTH => {
                let mut entries = Vec::new();
                let mut item = i + 1;
                while item < events[i].end as usize {
                    entries.extend(self.merged(item, depth + 1)?);
                    item = self.after(item);
                }
                Ok(entries)
            }
            _ => Err(self.fail(
                events[i].offset,
                "a merge key (<<) takes a mapping, an alias of one, or a list of them",
            )),
        }
    }

    /// The text of a mapping key; `None` for the merge key.
    fn key(&mut self, i: usize) -> Result<Option<Cow<'t, str>>, ParseError> {
        let events = self.events;
        let at = events[i].offset;
        let (text, plain, tag) = match &events[i].what {
            What::Scalar(text, plain, tag) => (self.text(text), *plain, *tag),
            What::Alias(id) => {
                let target = self.target(i, *id)?;
                match &events[target].what {
                    What::Scalar(text, plain, tag) => (self.text(text), *plain, *tag),
                    _ => return Err(self.fail(at, "a key must be a scalar; this alias names a container")),
                }
            }
            _ => return Err(self.fail(at, "a key must be a scalar; JSON objects have no other keys")),
        };
        if tag == TagKind::Merge {
            return Ok(None);
        }
        if !plain
            || matches!(
                tag,
                TagKind::Str | TagKind::Other | TagKind::Binary | TagKind::Timestamp
            )
        {
            return Ok(Some(Cow::Borrowed(text)));
        }
        Ok(Some(match resolve(text, self.reading) {
            Scalar::Merge => return Ok(None),
            Scalar::String | Scalar::Timestamp => Cow::Borrowed(text),
            Scalar::Bool(b) => Cow::Borrowed(if b { "true" } else { "false" }),
            Scalar::Number(Number::Int(int)) => Cow::Owned(int.to_string()),
            Scalar::Number(Number::Float(float)) => Cow::Owned(super::scalar::go_g(float)),
            Scalar::Null => return Err(self.fail(at, "a key must not be null; quote it")),
            Scalar::NotFinite => return Err(self.fail(at, format!("{text} cannot be a key; quote it"))),
        }))
    }

    fn scalar(
        &mut self,
        builder: &mut DocBuilder,
        at: u32,
        text: &'t Text<'e>,
        plain: bool,
        tag: TagKind,
    ) -> Result<(), ParseError> {
        let value = self.text(text);
        let resolved = match tag {
            TagKind::Binary => {
                let decoded = decode_base64(value)
                    .ok_or_else(|| self.fail(at, "!!binary takes base64 text (padded, standard alphabet)"))?;
                let decoded = String::from_utf8(decoded)
                    .map_err(|_| self.fail(at, "this !!binary is not UTF-8; JSON strings cannot hold it"))?;
                builder.string(&decoded);
                return Ok(());
            }
            TagKind::Str | TagKind::Timestamp | TagKind::Other | TagKind::Merge => Scalar::String,
            TagKind::None if !plain => Scalar::String,
            _ => resolve(value, self.reading),
        };
        let fits = match tag {
            TagKind::Int => matches!(resolved, Scalar::Number(n) if n.as_i64().is_some()),
            TagKind::Float => matches!(resolved, Scalar::Number(_) | Scalar::NotFinite),
            TagKind::Bool => matches!(resolved, Scalar::Bool(_)),
            TagKind::Null => resolved == Scalar::Null,
            _ => true,
        };
        if !fits {
            return Err(self.fail(at, format!("{value:?} cannot be read as {}", tag.name())));
        }
        match resolved {
            Scalar::Null => builder.null(),
            Scalar::Bool(b) => builder.bool(b),
            Scalar::Number(n) => builder.number(n),
            Scalar::NotFinite => {
                return Err(self.fail(at, format!("{value} is no JSON number; quote it if a string is meant")));
            }
            Scalar::String | Scalar::Timestamp | Scalar::Merge => match text {
                Text::Source(start, len) => builder.string_span(*start, *len),
                Text::Own(text) => builder.string(text),
            },
        }
        Ok(())
    }
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0usize, 0usize);
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                0
            }
            _ => return None,
        };
        if padding > 0 && b != b'=' {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count.is_multiple_of(4) {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    if !count.is_multiple_of(4) || padding > 2 {
        return None;
    }
    out.truncate(out.len() - padding);
    Some(out)
}
