//! Modules, rules and bodies from tokens, in both versions of the language.

mod logic;
mod term;

use super::ast::{Body, Closure, HeadKind, Import, LiteralKind, Module, Name, Pos, Rule, Term};
use super::error::Error;
use super::lexer::{FUTURE, Lexer, OF_VERSION_1, Tok, Token};

/// Which version of the language a module is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V0,
    V1,
}

/// How deeply terms may nest.
const MAX_DEPTH: u32 = 64;

pub(crate) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    v1: bool,
    /// Which of the later words are words here.
    words: [bool; FUTURE.len()],
    /// Where something that could have been more than a term was not.
    terms: Vec<Pos>,
    depth: u32,
    /// How often something was read again in another way.
    retries: u32,
    blanks: u32,
}

/// Reads a module.
pub(crate) fn parse_module(text: &str, version: Version) -> Result<Module, Error> {
    let mut lexer = Lexer::new(text);
    let tokens = lexer.tokens(false)?;
    let mut parser = Parser::new(tokens, version);
    let mut module = parser.module()?;
    module.comments = lexer.comments;
    Ok(module)
}

/// Reads a query: a body.
pub(crate) fn parse_query(text: &str, version: Version) -> Result<Body, Error> {
    let mut parser = Parser::new(Lexer::new(text).tokens(false)?, version);
    let body = parser.body(&Tok::End)?;
    parser.expect_end()?;
    Ok(body)
}

/// Reads a term.
pub(crate) fn parse_term(text: &str) -> Result<Term, Error> {
    let mut parser = Parser::new(Lexer::new(text).tokens(false)?, Version::V1);
    let term = parser.expression()?;
    parser.expect_end()?;
    Ok(term)
}

/// A default is a value that needs nothing to be known.
fn check_default(rule: &Rule) -> Result<(), Error> {
    match &rule.head {
        HeadKind::Contains(_) => Err(Error::parse(rule.pos, "illegal default rule (must have a value)")),
        HeadKind::Value(value) if !is_constant(value) => {
            let why = "illegal default rule (value cannot contain ref, var or call)";
            Err(Error::parse(rule.pos, why))
        }
        HeadKind::Value(_) => Ok(()),
    }
}

/// Whether a term has one value whatever else is; comprehensions are judged by themselves.
fn is_constant(term: &Term) -> bool {
    match term {
        Term::Array(items) | Term::Set(items) => items.iter().all(is_constant),
        Term::Object(members) => members.iter().all(|(k, v)| is_constant(k) && is_constant(v)),
        Term::Var(_) | Term::Local(_) | Term::Input | Term::Data | Term::Ref(..) | Term::Call(_) => false,
        _ => true,
    }
}

impl Parser {
    fn new(tokens: Vec<Token>, version: Version) -> Parser {
        let v1 = version == Version::V1;
        Parser {
            tokens,
            at: 0,
            v1,
            words: std::array::from_fn(|i| v1 && i < OF_VERSION_1),
            terms: Vec::new(),
            depth: 0,
            retries: 0,
            blanks: 0,
        }
    }

    fn peek(&self) -> &Tok {
        self.tokens.get(self.at).map_or(&Tok::End, |token| &token.tok)
    }

    fn peek_at(&self, ahead: usize) -> &Tok {
        self.tokens.get(self.at + ahead).map_or(&Tok::End, |token| &token.tok)
    }

    fn pos(&self) -> Pos {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(Pos::default(), |token| token.pos)
    }

    /// Whether the next token touches the one before.
    fn touches(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| !token.spaced)
    }

    fn touches_at(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| !token.spaced)
    }

    /// The line of the token before.
    fn last_line(&self) -> u32 {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(0, |token| token.pos.line)
    }

    fn error<T>(&self, wanted: &str) -> Result<T, Error> {
        let found = match self.peek() {
            Tok::End => "eof".to_owned(),
            Tok::Ident(name) => format!("`{name}`"),
            Tok::Key(word) => format!("`{word}` keyword"),
            Tok::Number(number) => number.clone(),
            Tok::Str(_) | Tok::Template(_) => "string".into(),
            Tok::Op(op) => format!("`{op}`"),
        };
        Err(Error::parse(
            self.pos(),
            format!("unexpected {found} token: expected {wanted}"),
        ))
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Tok::Op(found) if *found == op)
    }

    fn op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, op: &str) -> Result<(), Error> {
        if self.op(op) { Ok(()) } else { self.error(op) }
    }

    fn expect_end(&mut self) -> Result<(), Error> {
        if *self.peek() == Tok::End {
            return Ok(());
        }
        self.error("the end")
    }

    fn is_key(&self, word: &str) -> bool {
        matches!(self.peek(), Tok::Key(found) if *found == word)
    }

    fn key(&mut self, word: &str) -> bool {
        let found = self.is_key(word);
        self.at += usize::from(found);
        found
    }

    /// Whether one of the words that only later versions know is one here.
    fn has_word(&self, word: &str) -> bool {
        FUTURE.iter().position(|w| *w == word).is_some_and(|i| self.words[i])
    }

    /// Whether such a word comes next. Before `(` and `.` it is a name.
    fn is_word(&self, word: &str) -> bool {
        if !self.has_word(word) || !matches!(self.peek(), Tok::Ident(found) if found == word) {
            return false;
        }
        let touched = self.touches_at(1);
        !(touched && matches!(self.peek_at(1), Tok::Op("."))
            || word == "contains" && touched && matches!(self.peek_at(1), Tok::Op("(")))
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn fresh(&mut self) -> Name {
        self.blanks += 1;
        format!("_#{}", self.blanks).into()
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.depth -= 1;
            return Err(Error::parse(
                self.pos(),
                "terms nest too deeply; max recursion depth exceeded",
            ));
        }
        let out = read(self);
        self.depth -= 1;
        out
    }

    fn module(&mut self) -> Result<Module, Error> {
        let package_pos = self.pos();
        if !self.key("package") {
            return self.error("`package`");
        }
        let package = self.path()?;
        let mut module = Module {
            package,
            package_pos,
            imports: Vec::new(),
            rules: Vec::new(),
            comments: Vec::new(),
        };
        while *self.peek() != Tok::End {
            if self.op(";") {
                continue;
            }
            if self.is_key("import") {
                let import = self.import()?;
                module.imports.push(import);
            } else {
                self.rule(&mut module.rules)?;
            }
        }
        Ok(module)
    }

    fn ident(&mut self) -> Result<Name, Error> {
        let name: Name = match self.peek() {
            Tok::Ident(name) => name.as_str().into(),
            // After a dot and before one a word is a name.
            Tok::Key(word) => (*word).into(),
            _ => return self.error("ident"),
        };
        self.at += 1;
        Ok(name)
    }

    /// `a.b["c"]`
    fn path(&mut self) -> Result<Vec<Name>, Error> {
        let mut out = vec![self.ident()?];
        loop {
            if self.is_op(".") && self.touches() {
                self.at += 1;
                out.push(self.ident()?);
            } else if self.is_op("[") && self.touches() {
                self.at += 1;
                match self.peek() {
                    Tok::Str(text) => out.push(text.as_str().into()),
                    _ => return self.error("string"),
                }
                self.at += 1;
                self.expect("]")?;
            } else {
                return Ok(out);
            }
        }
    }

    fn import(&mut self) -> Result<Import, Error> {
        let pos = self.pos();
        self.at += 1;
        let path = self.path()?;
        let alias = if self.key("as") { Some(self.ident()?) } else { None };
        let shown: Vec<&str> = path.iter().map(|name| &**name).collect();
        if let (Some(alias), [root, ..]) = (&alias, &shown[..]) {
            if matches!(*root, "rego" | "future") {
                return Err(Error::parse(pos, format!("`{root}` imports cannot be aliased")));
            }
            if matches!(&**alias, "data" | "input") {
                let why = format!("unexpected import alias, must not be a reserved name, got: {alias}");
                return Err(Error::parse(pos, why));
            }
        }
        match shown[..] {
            ["rego", "v1"] => {
                self.v1 = true;
                self.words[..OF_VERSION_1].fill(true);
            }
            ["rego", "v2"] => {
                self.v1 = true;
                self.words.fill(true);
            }
            ["future", "keywords"] => self.words.fill(true),
            ["future", "keywords", word] => match FUTURE.iter().position(|w| *w == word) {
                Some(i) => {
                    self.words[i] = true;
                    // `every` is of no use without `in`.
                    self.words[0] |= word == "every";
                }
                None => {
                    return Err(Error::parse(
                        pos,
                        format!("unexpected keyword, must be one of {FUTURE:?}"),
                    ));
                }
            },
            ["data" | "input", ..] => {}
            _ => {
                return Err(Error::parse(
                    pos,
                    "unexpected import path, must begin with one of: {data, future, input, rego}",
                ));
            }
        }
        Ok(Import { path, alias })
    }

    fn rule(&mut self, out: &mut Vec<Rule>) -> Result<(), Error> {
        let pos = self.pos();
        let default = self.key("default");
        let (mut rule, valued) = self.head(pos, default)?;
        if default {
            check_default(&rule)?;
            if self.is_word("if") || self.is_op("{") {
                return self.error("no body for a default rule");
            }
            out.push(rule);
            return Ok(());
        }
        let conditional = self.word("if");
        let mut braced = self.is_op("{");
        if conditional {
            rule.body = self.rule_body()?;
        } else if braced {
            if self.v1 {
                return Err(Error::parse(pos, "`if` keyword is required before rule body"));
            }
            rule.body = self.braced_body()?;
        }
        if self.v1 && !valued && !conditional && !braced && rule.args.is_none() {
            let why = "a rule needs a value or a body; `contains` keyword is required for partial set rules";
            return Err(Error::parse(pos, why));
        }
        // Without a value, version 0 reads `p[x] { … }` as a set, and all else is true.
        if matches!(rule.head, HeadKind::Value(Term::Input)) {
            rule.head = match rule.path.pop() {
                Some(element) if !self.v1 && !conditional && rule.path.is_empty() => HeadKind::Contains(element),
                last => {
                    rule.path.extend(last);
                    HeadKind::Value(Term::truth())
                }
            };
        }
        while self.key("else") {
            self.check_else(&rule, conditional || braced)?;
            let value = if self.op(":=") || self.op("=") {
                self.expression()?
            } else {
                Term::truth()
            };
            let body = if self.word("if") {
                self.rule_body()?
            } else if self.is_op("{") {
                if self.v1 {
                    return Err(Error::parse(pos, "`if` keyword is required before rule body"));
                }
                self.braced_body()?
            } else {
                Vec::new()
            };
            rule.elses.push((value, body));
        }
        braced &= !conditional && rule.elses.is_empty();
        let head = rule.clone();
        out.push(rule);
        while braced && self.is_op("{") {
            let body = self.braced_body()?;
            out.push(Rule { body, ..head.clone() });
        }
        // One rule ends before the next begins.
        if *self.peek() != Tok::End && !self.is_op(";") && self.pos().line == self.last_line() && !self.is_op("{") {
            return self.error("a new line");
        }
        Ok(())
    }

    /// Whether a rule may have an alternative.
    fn check_else(&self, rule: &Rule, has_body: bool) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::parse(rule.pos, why));
        if !has_body {
            return wrong("unexpected else keyword");
        }
        if self.v1 && matches!(rule.head, HeadKind::Contains(_)) {
            return wrong("else keyword cannot be used on multi-value rules");
        }
        if self.v1 && rule.path.iter().any(|key| !is_constant(key)) {
            return wrong("else keyword cannot be used on rules with variables in head");
        }
        Ok(())
    }

    /// The rule so far, and whether it says what its value or element is.
    fn head(&mut self, pos: Pos, default: bool) -> Result<(Rule, bool), Error> {
        let name = self.ident_of_head()?;
        let mut path = Vec::new();
        let mut dotted = false;
        loop {
            if self.is_op(".") && self.touches() {
                self.at += 1;
                path.push(Term::text(&self.ident()?));
                dotted = true;
            } else if self.is_op("[") && self.touches() {
                self.at += 1;
                path.push(self.expression()?);
                self.expect("]")?;
            } else {
                break;
            }
        }
        let args = if self.is_op("(") && self.touches() {
            self.at += 1;
            let mut args = Vec::new();
            while !self.is_op(")") {
                args.push(self.expression()?);
                if !self.op(",") {
                    break;
                }
            }
            self.expect(")")?;
            // Without parameters it is a value like any other.
            if args.is_empty() { None } else { Some(args) }
        } else {
            None
        };
        // No value is told from `true` until the body is known.
        let mut head = HeadKind::Value(if dotted || args.is_some() {
            Term::truth()
        } else {
            Term::Input
        });
        let mut valued = true;
        if self.word("contains") {
            head = HeadKind::Contains(self.expression()?);
        } else if self.op(":=") || self.op("=") {
            head = HeadKind::Value(self.listed_expression()?);
        } else if default {
            return self.error("a value");
        } else {
            valued = false;
        }
        let rule = Rule {
            default,
            name,
            path,
            args,
            head,
            body: Vec::new(),
            elses: Vec::new(),
            pos,
        };
        Ok((rule, valued))
    }

    fn ident_of_head(&mut self) -> Result<Name, Error> {
        match self.peek() {
            Tok::Ident(name) => {
                let goes_on = self.touches_at(1) && matches!(self.peek_at(1), Tok::Op("." | "["));
                if !goes_on && self.has_word(name) {
                    let why = format!("{name} keyword cannot be used for rule name");
                    return Err(Error::parse(self.pos(), why));
                }
                let name: Name = name.as_str().into();
                self.at += 1;
                Ok(name)
            }
            _ => self.error("a rule"),
        }
    }

    /// What follows `if`: a body in braces, or one line.
    fn rule_body(&mut self) -> Result<Body, Error> {
        if self.is_op("{") {
            // It may yet be an object or a comprehension.
            let start = self.at;
            match self.braced_body() {
                Ok(body) if !self.goes_on() => return Ok(body),
                Ok(_) => {}
                Err(error) => {
                    self.again(start, &error)?;
                    return match self.literal() {
                        Ok(literal) => Ok(vec![literal]),
                        Err(_) => Err(error),
                    };
                }
            }
            self.at = start;
        }
        Ok(vec![self.literal()?])
    }

    /// Whether what was read in braces was the beginning of a larger term.
    fn goes_on(&self) -> bool {
        self.pos().line == self.last_line()
            && matches!(
                self.peek(),
                Tok::Op("==" | "!=" | "<" | ">" | "<=" | ">=" | "=" | ":=" | "&" | "|" | "-" | "+" | ".")
            )
            || (self.pos().line == self.last_line() && self.is_op("[") && self.touches())
    }

    fn braced_body(&mut self) -> Result<Body, Error> {
        self.expect("{")?;
        let body = self.body(&Tok::Op("}"))?;
        self.expect("}")?;
        if body.is_empty() {
            return Err(Error::parse(self.pos(), "found empty body"));
        }
        Ok(body)
    }

    fn body(&mut self, end: &Tok) -> Result<Body, Error> {
        self.deeper(|p| {
            let mut out = Vec::new();
            loop {
                while p.op(";") {}
                if p.peek() == end {
                    return Ok(out);
                }
                if !out.is_empty()
                    && p.pos().line == p.last_line()
                    && !matches!(p.tokens.get(p.at.wrapping_sub(1)), Some(token) if token.tok == Tok::Op(";"))
                {
                    return p.error("`\\n` or `;` or `}`");
                }
                out.push(p.literal()?);
            }
        })
    }

    fn statement(&mut self) -> Result<LiteralKind, Error> {
        let left = self.listed_expression()?;
        if self.op(":=") {
            return Ok(LiteralKind::Assign(left, self.expression()?));
        }
        if self.op("=") {
            return Ok(LiteralKind::Unify(left, self.expression()?));
        }
        Ok(LiteralKind::Term(left))
    }

    fn some(&mut self) -> Result<LiteralKind, Error> {
        let start = self.at;
        // `some x, y` declares; `some x in xs` goes over a collection.
        let mut names = Vec::new();
        loop {
            match self.peek() {
                Tok::Ident(name) if !self.is_word("in") => names.push(name.as_str().into()),
                _ => break,
            }
            self.at += 1;
            if !self.op(",") {
                if self.words[0] && self.is_word("in")
                    || matches!(self.peek(), Tok::Op("." | "[" | "(")) && self.touches()
                {
                    break;
                }
                return Ok(LiteralKind::Some(names));
            }
        }
        self.at = start;
        let first = self.operand_of_in()?;
        let second = if self.op(",") {
            Some(self.operand_of_in()?)
        } else {
            None
        };
        if !self.word("in") {
            return self.error("`in`");
        }
        let domain = self.expression()?;
        Ok(match second {
            Some(value) => LiteralKind::SomeIn(Some(first), value, domain),
            None => LiteralKind::SomeIn(None, first, domain),
        })
    }

    fn every(&mut self) -> Result<LiteralKind, Error> {
        let first = self.primary()?;
        let second = if self.op(",") { Some(self.primary()?) } else { None };
        let names = [Some(&first), second.as_ref()];
        if names.into_iter().flatten().any(|name| !matches!(name, Term::Var(_))) {
            return self.error("value to be a variable");
        }
        if !self.word("in") {
            return self.error("`in`");
        }
        let domain = self.expression()?;
        let body = Closure {
            body: self.braced_body()?,
            own: 0..0,
        };
        let (key, value) = match second {
            Some(value) => (Some(first), value),
            None => (None, first),
        };
        Ok(LiteralKind::Every {
            key,
            value,
            domain,
            body,
        })
    }
}
