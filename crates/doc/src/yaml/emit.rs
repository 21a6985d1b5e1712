//! The printer: block style, byte for byte what `sigs.k8s.io/yaml` prints.

use std::fmt::Write;

use super::order;
use super::scalar::go_g;
use super::style::{self, Style};
use crate::node::{Kind, Node};
use crate::number::Number;

/// Beyond this column, the next blank of a string breaks the line.
const WIDTH: usize = 80;

pub(crate) fn print(node: Node<'_>) -> String {
    let mut printer = Printer {
        out: String::with_capacity(1024),
        line_start: 0,
        column: 0,
    };
    printer.node(node, 0, Place::Root);
    printer.fresh_line();
    printer.out
}

/// Where a node stands: that decides what precedes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// After `key:`.
    Value,
    /// After `- `, `? ` or the `:` of a `? ` key: containers open on the same line.
    Inline,
}

struct Printer {
    out: String,
    /// Where in `out` the column was last counted.
    line_start: usize,
    column: usize,
}

impl Printer {
    /// The column in characters, counted no further than needed.
    fn column(&mut self) -> usize {
        let fresh = &self.out[self.line_start..];
        match fresh.rfind('\n') {
            Some(at) => self.column = fresh[at + 1..].chars().count(),
            None => self.column += fresh.chars().count(),
        }
        self.line_start = self.out.len();
        self.column
    }

    fn at_line_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    fn fresh_line(&mut self) {
        if !self.at_line_start() {
            self.out.push('\n');
        }
    }

    fn indent(&mut self, indent: usize) {
        self.fresh_line();
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Prints a node whose container stands at `indent`.
    fn node(&mut self, node: Node<'_>, indent: usize, place: Place) {
        match node.kind() {
            Kind::Object if !node.is_empty() => {
                let indent = if place == Place::Root { 0 } else { indent + 2 };
                self.object(node, indent, place);
            }
            Kind::Array if !node.is_empty() => {
                let indent = if place == Place::Inline { indent + 2 } else { indent };
                self.array(node, indent, place);
            }
            _ => {
                if place != Place::Root {
                    self.out.push(' ');
                }
                self.scalar(node, indent + 2);
            }
        }
    }

    fn object(&mut self, node: Node<'_>, indent: usize, place: Place) {
        let mut members: Vec<(&str, Node<'_>)> = node.members().collect();
        order::sort(&mut members);
        for (i, (key, value)) in members.into_iter().enumerate() {
            if i == 0 && place == Place::Inline {
                self.out.push(' ');
            } else {
                self.indent(indent);
            }
            if style::is_simple_key(key) {
                self.string(key, indent + 2, true);
                self.out.push(':');
                self.node(value, indent, Place::Value);
            } else {
                self.out.push_str("? ");
                self.string(key, indent + 2, false);
                self.indent(indent);
                self.out.push(':');
                self.node(value, indent, Place::Inline);
            }
        }
    }

    fn array(&mut self, node: Node<'_>, indent: usize, place: Place) {
        for (i, item) in node.items().enumerate() {
            if i == 0 && place == Place::Inline {
                self.out.push(' ');
            } else {
                self.indent(indent);
            }
            self.out.push('-');
            self.node(item, indent, Place::Inline);
        }
    }

    fn scalar(&mut self, node: Node<'_>, indent: usize) {
        match node.kind() {
            Kind::Null => self.out.push_str("null"),
            Kind::Bool => self
                .out
                .push_str(if node.as_bool() == Some(true) { "true" } else { "false" }),
            Kind::Number => self.number(node.as_number().unwrap_or(Number::Int(0))),
            Kind::String => self.string(node.as_str().unwrap_or_default(), indent, false),
            Kind::Array => self.out.push_str("[]"),
            Kind::Object => self.out.push_str("{}"),
        }
    }

    /// Whole numbers as JSON prints them, others as go-yaml prints a `float64`.
    fn number(&mut self, number: Number) {
        let json = number.to_string();
        match number {
            Number::Float(value) if json.contains(['.', 'e']) => self.out.push_str(&go_g(value)),
            _ => self.out.push_str(&json),
        }
    }

    fn string(&mut self, text: &str, indent: usize, simple_key: bool) {
        match style::of(text, simple_key) {
            Style::Plain => self.folded(text, indent, simple_key, false),
            Style::SingleQuoted => {
                self.out.push('\'');
                self.folded(text, indent, simple_key, true);
                self.out.push('\'');
            }
            Style::DoubleQuoted => self.double_quoted(text, indent, simple_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    /// A string on one line, or folded at single blanks past the width.
    fn folded(&mut self, text: &str, indent: usize, simple_key: bool, quoted: bool) {
        if simple_key || self.column() + text.len() <= WIDTH {
            if quoted && text.contains('\'') {
                self.out.push_str(&text.replace('\'', "''"));
            } else {
                self.out.push_str(text);
            }
            return;
        }
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            match (c, chars.peek()) {
                (' ', Some(&next)) if !after_space && !first && next != ' ' && self.column() > WIDTH => {
                    self.indent(indent);
                    after_space = true;
                }
                ('\'', _) if quoted => {
                    self.out.push_str("''");
                    after_space = false;
                }
                _ => {
                    self.out.push(c);
                    after_space = c == ' ';
                }
            }
            first = false;
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, simple_key: bool) {
        self.out.push('"');
        let mut after_space = false;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            if c == ' ' {
                match chars.peek() {
                    Some(&next) if !simple_key && !after_space && !first && self.column() > WIDTH => {
                        self.indent(indent);
                        if next == ' ' {
                            self.out.push('\\');
                        }
                    }
                    _ => self.out.push(' '),
                }
                after_space = true;
            } else {
                self.escaped(c);
                after_space = false;
            }
            first = false;
        }
        self.out.push('"');
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{a0}' if !style::is_printable(c) => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ if style::is_printable(c) => {
                self.out.push(c);
                return;
            }
            _ => {
                let code = u32::from(c);
                let written = match code {
                    0..=0xff => write!(self.out, "\\x{code:02X}"),
                    0x100..=0xffff => write!(self.out, "\\u{code:04X}"),
                    _ => write!(self.out, "\\U{code:08X}"),
                };
                written.expect("writing to a String cannot fail");
                return;
            }
        };
        self.out.push('\\');
        self.out.push(short);
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        match text.strip_suffix('\n') {
            None => self.out.push('-'),
            Some(rest) if rest.is_empty() || rest.ends_with('\n') => self.out.push('+'),
            Some(_) => {}
        }
        self.out.push('\n');
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.out.extend(std::iter::repeat_n(' ', indent));
            }
            self.out.push_str(line);
        }
    }
}
