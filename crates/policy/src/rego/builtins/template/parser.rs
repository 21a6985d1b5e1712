//! From text to nodes.

use std::collections::HashMap;

use super::super::super::error::Fault;
use super::super::super::value::Value;
use super::lexer::{Tok, Token, tokens};
use super::{Arg, Node, Of, Pipe, wrong};

const MAX_DEPTH: u32 = 64;

/// A template with those it defines.
pub(super) struct Parsed {
    pub(super) nodes: Vec<Node>,
    pub(super) named: HashMap<String, Vec<Node>>,
}

/// A piece of the text.
enum Piece<'t> {
    Text(&'t str),
    Action(Vec<Token>),
}

/// Why a list of nodes ends.
#[derive(PartialEq)]
enum End {
    Text,
    /// `end`
    Word,
    /// `else`, with what follows it.
    Else(Vec<Token>),
}

pub(super) fn parse(template: &str) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        pieces: pieces(template)?.into_iter(),
        named: HashMap::new(),
        variables: Vec::new(),
        depth: 0,
        loops: 0,
    };
    match parser.list()? {
        (nodes, End::Text) => Ok(Parsed {
            nodes,
            named: parser.named,
        }),
        (_, End::Word) => Err(wrong("unexpected {{end}}")),
        (_, End::Else(_)) => Err(wrong("unexpected {{else}}")),
    }
}

/// Cuts the text into what stands as it is and what is between braces.
fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Fault> {
    const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
    let mut out = Vec::new();
    let mut rest = template;
    let mut trim = false;
    while let Some(at) = rest.find("{{") {
        let mut text = &rest[..at];
        let mut inner = &rest[at + 2..];
        if trim {
            text = text.trim_start_matches(BLANK);
        }
        if let Some(after) = inner.strip_prefix('-').filter(|after| after.starts_with(BLANK)) {
            text = text.trim_end_matches(BLANK);
            inner = &after[1..];
        }
        out.push(Piece::Text(text));
        let end = if inner.trim_start_matches(BLANK).starts_with("/*") {
            let close = inner.find("*/").ok_or_else(|| wrong("unclosed comment"))? + 2;
            close
                + inner[close..]
                    .find("}}")
                    .ok_or_else(|| wrong("comment ends before closing delimiter"))?
        } else {
            action_len(inner).ok_or_else(|| unclosed(inner))?
        };
        let mut action = &inner[..end];
        rest = &inner[end + 2..];
        let before = action.strip_suffix('-').filter(|before| before.ends_with(BLANK));
        trim = before.is_some();
        action = before.unwrap_or(action);
        if !action.trim_start_matches(BLANK).starts_with("/*") {
            out.push(Piece::Action(tokens(action)?));
        }
    }
    out.push(Piece::Text(if trim { rest.trim_start_matches(BLANK) } else { rest }));
    Ok(out)
}

/// What is wrong with an action without an end.
fn unclosed(inner: &str) -> Fault {
    match tokens(inner) {
        Err(fault) => fault,
        Ok(_) => wrong("unclosed action"),
    }
}

/// Where the action ends; braces in quotes end nothing.
fn action_len(inner: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match quote {
            Some('`') if c == '`' => quote = None,
            Some('`') => {}
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`' | '\'') => quote = Some(c),
            None if inner[at..].starts_with("}}") => return Some(at),
            None => {}
        }
    }
    None
}

struct Parser<'t> {
    pieces: std::vec::IntoIter<Piece<'t>>,
    named: HashMap<String, Vec<Node>>,
    variables: Vec<String>,
    depth: u32,
    loops: u32,
}

impl Parser<'_> {
    fn list(&mut self) -> Result<(Vec<Node>, End), Fault> {
        let mut out = Vec::new();
        loop {
            let words = match self.pieces.next() {
                None => return Ok((out, End::Text)),
                Some(Piece::Text("")) => continue,
                Some(Piece::Text(text)) => {
                    out.push(Node::Text(text.to_owned()));
                    continue;
                }
                Some(Piece::Action(words)) => words,
            };
            let (word, rest) = match words.split_first() {
                Some(((Tok::Word(word), _), rest)) => (word.as_str(), rest),
                Some(_) => ("", &words[..]),
                None => return Err(wrong("missing value for command")),
            };
            match word {
                "end" if rest.is_empty() => return Ok((out, End::Word)),
                "else" => return Ok((out, End::Else(rest.to_vec()))),
                "if" | "with" | "range" => out.push(self.branch(word, rest)?),
                "define" => {
                    let name = name(rest, word)?;
                    let (loops, variables) = (std::mem::take(&mut self.loops), std::mem::take(&mut self.variables));
                    let body = self.body()?;
                    (self.loops, self.variables) = (loops, variables);
                    self.named.insert(name, body);
                }
                "block" => {
                    let name = name(&rest[..rest.len().min(1)], word)?;
                    let pipe = self.pipe(&rest[1..], word)?;
                    let (loops, variables) = (std::mem::take(&mut self.loops), std::mem::take(&mut self.variables));
                    let body = self.body()?;
                    (self.loops, self.variables) = (loops, variables);
                    self.named.entry(name.clone()).or_insert(body);
                    out.push(Node::Template(name, Some(pipe)));
                }
                "template" => {
                    let name = name(&rest[..rest.len().min(1)], word)?;
                    let pipe = match &rest[1..] {
                        [] => None,
                        words => Some(self.pipe(words, word)?),
                    };
                    out.push(Node::Template(name, pipe));
                }
                "break" | "continue" if rest.is_empty() => {
                    if self.loops == 0 {
                        return Err(wrong(format!("{{{{{word}}}}} outside {{{{range}}}}")));
                    }
                    out.push(if word == "break" { Node::Break } else { Node::Continue });
                }
                _ => out.push(Node::Show(self.pipe(&words, "command")?)),
            }
        }
    }

    /// A list up to its `end`.
    fn body(&mut self) -> Result<Vec<Node>, Fault> {
        self.deeper()?;
        let (nodes, end) = self.list()?;
        self.depth -= 1;
        match end {
            End::Word => Ok(nodes),
            End::Else(_) => Err(wrong("unexpected {{else}}")),
            End::Text => Err(wrong("unexpected EOF")),
        }
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(wrong("it nests too deeply"));
        }
        Ok(())
    }

    fn branch(&mut self, word: &str, words: &[Token]) -> Result<Node, Fault> {
        self.deeper()?;
        let known = self.variables.len();
        let pipe = self.pipe(words, word)?;
        let range = u32::from(word == "range");
        self.loops += range;
        let (nodes, end) = self.list()?;
        self.loops -= range;
        self.variables.truncate(known);
        let other = match end {
            End::Word => Vec::new(),
            End::Text => return Err(wrong("unexpected EOF")),
            End::Else(rest) => match rest.split_first() {
                None => self.body()?,
                Some(((Tok::Word(again), _), rest)) if again == word && range == 0 => vec![self.branch(word, rest)?],
                Some(_) => return Err(wrong("unexpected word in {{else}}")),
            },
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(match word {
            "if" => Node::If(pipe, nodes, other),
            "with" => Node::With(pipe, nodes, other),
            _ => Node::Range(pipe, nodes, other),
        })
    }

    fn pipe(&mut self, words: &[Token], context: &str) -> Result<Pipe, Fault> {
        self.deeper()?;
        let mut pipe = Pipe {
            names: Vec::new(),
            declares: false,
            commands: Vec::new(),
        };
        let mut rest = words;
        let op = |tok: Option<&Token>| match tok {
            Some((Tok::Op(op), _)) => Some(*op),
            _ => None,
        };
        if let Some((Tok::Variable(name), _)) = words.first() {
            let second = match words {
                [_, (Tok::Op(","), _), (Tok::Variable(second), _), ..] if context == "range" => Some(second),
                _ => None,
            };
            let after = if second.is_some() { 3 } else { 1 };
            if let Some(mark @ (":=" | "=")) = op(words.get(after)) {
                pipe.names.push(name.clone());
                pipe.names.extend(second.cloned());
                pipe.declares = mark == ":=";
                rest = &words[after + 1..];
            }
        }
        let mut command = Vec::new();
        let mut words = rest;
        while let Some(((tok, spaced), after)) = words.split_first() {
            words = after;
            let of = match tok {
                Tok::Op("|") => {
                    if command.is_empty() {
                        return Err(wrong("missing value for command"));
                    }
                    pipe.commands.push(std::mem::take(&mut command));
                    continue;
                }
                Tok::Op("(") => {
                    let len = closing(words).ok_or_else(|| wrong("unclosed left paren"))?;
                    let inner = self.pipe(&words[..len], "parenthesized pipeline")?;
                    words = &words[len + 1..];
                    Of::Pipe(inner)
                }
                Tok::Op(op) => return Err(wrong(format!("unexpected {op:?} in {context}"))),
                Tok::Field(name) if !*spaced && !command.is_empty() => {
                    let last: Option<&mut Arg> = command.last_mut();
                    let last = last.filter(|last| !matches!(last.of, Of::Value(_) | Of::Function(_)));
                    let last = last.ok_or_else(|| wrong(format!("unexpected .{name} after term")))?;
                    last.fields.push(name.clone());
                    continue;
                }
                _ if !*spaced && !command.is_empty() => {
                    return Err(wrong(format!("unexpected {tok:?} in operand")));
                }
                Tok::Field(name) => {
                    command.push(Arg {
                        of: Of::Dot,
                        fields: vec![name.clone()],
                    });
                    continue;
                }
                Tok::Dot => Of::Dot,
                Tok::Variable(name) => {
                    if !name.is_empty() && !self.variables.contains(name) {
                        return Err(wrong(format!("undefined variable \"${name}\"")));
                    }
                    Of::Variable(name.clone())
                }
                Tok::Word(name) if name == "nil" => Of::Value(Value::Null),
                Tok::Word(name) if super::run::FUNCTIONS.contains(&name.as_str()) => Of::Function(name.clone()),
                Tok::Word(name) => return Err(wrong(format!("function {name:?} not defined"))),
                Tok::Value(value) => Of::Value(value.clone()),
            };
            command.push(Arg { of, fields: Vec::new() });
        }
        if command.is_empty() {
            return Err(wrong(format!("missing value for {context}")));
        }
        pipe.commands.push(command);
        for name in &pipe.names {
            if pipe.declares {
                self.variables.push(name.clone());
            } else if !self.variables.contains(name) {
                return Err(wrong(format!("undefined variable \"${name}\"")));
            }
        }
        self.depth -= 1;
        Ok(pipe)
    }
}

/// Where the parenthesis is closed.
fn closing(words: &[Token]) -> Option<usize> {
    let mut depth = 0;
    words.iter().position(|(tok, _)| {
        match tok {
            Tok::Op("(") => depth += 1,
            Tok::Op(")") if depth == 0 => return true,
            Tok::Op(")") => depth -= 1,
            _ => {}
        }
        false
    })
}

/// The quoted name of a template.
fn name(words: &[Token], context: &str) -> Result<String, Fault> {
    match words {
        [(Tok::Value(value), _)] if value.as_str().is_some() => Ok(value.as_str().unwrap_or_default().to_owned()),
        _ => Err(wrong(format!("unexpected words in {context} clause"))),
    }
}
