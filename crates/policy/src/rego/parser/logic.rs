//! Lines of a body, with `not`, `and` and `or` between bodies.

use super::super::ast::{Body, Closure, Literal, LiteralKind, Pos, With};
use super::super::error::Error;
use super::super::lexer::Tok;
use super::Parser;

/// What stands beside `and` or `or`.
struct Operand {
    body: Body,
    /// Whether it was a body in braces, or one of words: no plain term.
    certain: bool,
    /// Whether it was a group.
    grouped: bool,
}

impl Operand {
    fn certain(body: Body) -> Operand {
        Operand {
            body,
            certain: true,
            grouped: false,
        }
    }
}

fn closure(body: Body) -> Closure {
    Closure { body, own: 0..0 }
}

fn line(kind: LiteralKind, pos: Pos) -> Literal {
    Literal {
        kind,
        with: Vec::new(),
        pos,
    }
}

/// A variable would end with the operand.
fn assigns_nothing(literal: &Literal) -> Result<(), Error> {
    match literal.kind {
        LiteralKind::Assign(..) => Err(Error::compile(literal.pos, "cannot assign vars inside an operand")),
        _ => Ok(()),
    }
}

impl Parser {
    pub(super) fn literal(&mut self) -> Result<Literal, Error> {
        let pos = self.pos();
        let logical = self.has_word("and") || self.has_word("or");
        if logical
            && (self.is_op("{") || self.is_op("("))
            && let Some(kind) = self.leading_operand(pos)?
        {
            return self.with(line(kind, pos));
        }
        let bodies = self.has_word("not");
        let negated = self.key("not");
        if negated && bodies && (self.is_op("{") || self.is_op("(") && logical) {
            self.at -= 1;
            if let Some(operand) = self.negation(pos)? {
                return self.chained(operand, pos);
            }
            self.at += 1;
        }
        let mut kind = if self.key("some") {
            let kind = self.some()?;
            if !negated {
                return self.with(line(kind, pos));
            }
            kind
        } else if self.word("every") {
            let kind = self.every()?;
            if !negated {
                return self.with(line(kind, pos));
            }
            kind
        } else {
            self.statement()?
        };
        if negated {
            if matches!(
                kind,
                LiteralKind::Some(_) | LiteralKind::SomeIn(..) | LiteralKind::Every { .. }
            ) {
                return Err(Error::parse(pos, "`some` and `every` cannot be negated"));
            }
            kind = if bodies {
                LiteralKind::Not(Box::new(LiteralKind::Any(vec![closure(vec![line(kind, pos)])])))
            } else {
                LiteralKind::Not(Box::new(kind))
            };
        }
        self.chained(line(kind, pos), pos)
    }

    /// Goes on after a line that may be the first operand.
    fn chained(&mut self, first: Literal, pos: Pos) -> Result<Literal, Error> {
        if self.is_word("and") || self.is_word("or") {
            assigns_nothing(&first)?;
            let kind = self.chain(vec![first])?;
            return self.with(line(kind, pos));
        }
        let literal = self.with(first)?;
        if !literal.with.is_empty() && (self.is_word("and") || self.is_word("or")) {
            return Err(Error::parse(pos, "`with` modifier is not allowed on an operand"));
        }
        Ok(literal)
    }

    fn with(&mut self, mut literal: Literal) -> Result<Literal, Error> {
        while self.key("with") {
            let target = self.primary()?;
            if !self.key("as") {
                return self.error("`as`");
            }
            let value = self.expression()?;
            literal.with.push(With { target, value });
        }
        Ok(literal)
    }

    /// What follows the first operand; `and` binds tighter.
    fn chain(&mut self, first: Body) -> Result<LiteralKind, Error> {
        let mut any = vec![closure(self.conjunction(first)?)];
        while self.word("or") {
            let next = self.operand()?.body;
            any.push(closure(self.conjunction(next)?));
        }
        Ok(LiteralKind::Any(any))
    }

    fn conjunction(&mut self, first: Body) -> Result<Body, Error> {
        if !self.is_word("and") {
            return Ok(first);
        }
        let pos = self.pos();
        let holds = |body| line(LiteralKind::Any(vec![closure(body)]), pos);
        let mut all = vec![holds(first)];
        while self.word("and") {
            all.push(holds(self.operand()?.body));
        }
        Ok(all)
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        self.deeper(|p| {
            let pos = p.pos();
            if p.is_op("{") {
                return p.braced_body().map(Operand::certain);
            }
            let bodies = p.has_word("not");
            if matches!(p.peek(), Tok::Key("not")) {
                if bodies && let Some(literal) = p.negation(pos)? {
                    return Ok(Operand::certain(vec![literal]));
                }
                p.at += 1;
                let kind = p.statement()?;
                let kind = if bodies {
                    LiteralKind::Not(Box::new(LiteralKind::Any(vec![closure(vec![line(kind, pos)])])))
                } else {
                    LiteralKind::Not(Box::new(kind))
                };
                return Ok(Operand::certain(vec![line(kind, pos)]));
            }
            if p.is_op("(")
                && let Some(body) = p.group(true)?
            {
                return Ok(Operand {
                    body,
                    certain: true,
                    grouped: true,
                });
            }
            let literal = line(p.statement()?, pos);
            assigns_nothing(&literal)?;
            Ok(Operand {
                body: vec![literal],
                certain: false,
                grouped: false,
            })
        })
    }

    /// `not { … }` or `not (… or …)`, if it is one.
    fn negation(&mut self, pos: Pos) -> Result<Option<Literal>, Error> {
        let start = self.at;
        self.at += 1;
        let body = if self.is_op("{") {
            Some(self.braced_body()?)
        } else if self.is_op("(") {
            self.group(true)?
        } else {
            None
        };
        let Some(body) = body else {
            self.at = start;
            return Ok(None);
        };
        let kind = LiteralKind::Not(Box::new(LiteralKind::Any(vec![closure(body)])));
        Ok(Some(line(kind, pos)))
    }

    /// A line that begins with a body or a group, if it does.
    fn leading_operand(&mut self, pos: Pos) -> Result<Option<LiteralKind>, Error> {
        let start = self.at;
        if self.terms.contains(&pos) {
            return Ok(None);
        }
        let body = if self.is_op("(") {
            self.group(false)?
        } else {
            let body = self.braced_body().ok();
            body.filter(|_| self.is_word("and") || self.is_word("or"))
        };
        if let Some(body) = body {
            return self.chain(body).map(Some);
        }
        // Once read as a term it is not tried again: each level of nesting would double the work.
        self.terms.push(pos);
        self.at = start;
        Ok(None)
    }

    /// `(a or b)`, if it is more than a term. An operand may also be a body in braces or carry `with`.
    fn group(&mut self, operand: bool) -> Result<Option<Body>, Error> {
        let (start, pos) = (self.at, self.pos());
        self.at += 1;
        if self.terms.contains(&pos) {
            self.at = start;
            return Ok(None);
        }
        let found = self.operand().ok().and_then(|first| {
            let chained = self.is_word("and") || self.is_word("or");
            let body = if chained {
                vec![line(self.chain(first.body).ok()?, pos)]
            } else {
                first.body
            };
            let with = matches!(self.peek(), Tok::Key("with"));
            let body = match <[Literal; 1]>::try_from(body) {
                Ok([only]) => vec![self.with(only).ok()?],
                Err(body) => body,
            };
            if !self.op(")") {
                return None;
            }
            let follows = self.is_word("and") || self.is_word("or");
            (chained || first.grouped || (operand || follows) && (first.certain || with)).then_some(body)
        });
        if found.is_none() {
            self.terms.push(pos);
            self.at = start;
        }
        Ok(found)
    }
}
