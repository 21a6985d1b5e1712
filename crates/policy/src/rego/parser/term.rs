//! Terms and operators.

use super::super::ast::{Call, Closure, Part, Pos, Term};
use super::super::error::Error;
use super::super::lexer::{Piece, Tok};
use super::super::number::Num;
use super::super::value::Value;
use super::Parser;

/// Operators from the loosest to the tightest, with the functions they call.
const LEVELS: [&[(&str, &str)]; 5] = [
    &[
        ("==", "equal"),
        ("!=", "neq"),
        ("<=", "lte"),
        (">=", "gte"),
        ("<", "lt"),
        (">", "gt"),
    ],
    &[("|", "or")],
    &[("&", "and")],
    &[("+", "plus"), ("-", "minus")],
    &[("*", "mul"), ("/", "div"), ("%", "rem")],
];

/// The level of `|`.
const OR: usize = 1;

fn call(name: &str, args: Vec<Term>, pos: Pos) -> Term {
    Term::Call(Box::new(Call {
        target: Term::Var(name.into()),
        args,
        pos,
    }))
}

impl Parser {
    /// Any expression.
    pub(super) fn expression(&mut self) -> Result<Term, Error> {
        self.membership(false)
    }

    /// An expression, or `k, v in xs`.
    pub(super) fn listed_expression(&mut self) -> Result<Term, Error> {
        let pos = self.pos();
        let first = self.membership(false)?;
        let comma = self.at;
        if self.words[0] && self.is_op(",") {
            self.at += 1;
            if let Ok(second) = self.level(0, false)
                && self.word("in")
            {
                let domain = self.level(0, false)?;
                return Ok(call("internal.member_3", vec![first, second, domain], pos));
            }
            self.at = comma;
        }
        Ok(first)
    }

    /// What stands before `in` after `some`.
    pub(super) fn operand_of_in(&mut self) -> Result<Term, Error> {
        self.level(0, false)
    }

    /// `x in xs`; with `closed`, no `|` outside of brackets.
    fn membership(&mut self, closed: bool) -> Result<Term, Error> {
        self.deeper(|p| {
            let pos = p.pos();
            let mut left = p.level(0, closed)?;
            while p.word("in") {
                let right = p.level(0, closed)?;
                left = call("internal.member_2", vec![left, right], pos);
            }
            Ok(left)
        })
    }

    fn level(&mut self, level: usize, closed: bool) -> Result<Term, Error> {
        let Some(ops) = LEVELS.get(level) else {
            return self.unary();
        };
        let pos = self.pos();
        let mut left = self.level(level + 1, closed)?;
        loop {
            if closed && level == OR {
                return Ok(left);
            }
            let found = ops.iter().find(|(op, _)| self.is_op(op));
            let Some((_, name)) = found else { return Ok(left) };
            // A number touching its minus after a blank, as in `[a -1]`, still subtracts.
            self.at += 1;
            let right = self.level(level + 1, closed)?;
            left = call(name, vec![left, right], pos);
        }
    }

    fn unary(&mut self) -> Result<Term, Error> {
        if self.is_op("-") {
            let pos = self.pos();
            self.at += 1;
            if let Tok::Number(text) = self.peek() {
                let num = Num::parse(&format!("-{text}")).ok_or_else(|| Error::parse(pos, "illegal number"))?;
                self.at += 1;
                return Ok(Term::Scalar(Value::Num(num)));
            }
            let operand = self.deeper(Parser::unary)?;
            return Ok(call("minus", vec![Term::Scalar(Value::int(0)), operand], pos));
        }
        self.primary()
    }

    /// A term with what is applied to it.
    pub(super) fn primary(&mut self) -> Result<Term, Error> {
        let pos = self.pos();
        let mut head = self.atom()?;
        let mut path = Vec::new();
        loop {
            if !self.touches() {
                break;
            }
            if self.is_op(".") {
                self.at += 1;
                path.push(Term::text(&self.ident()?));
            } else if self.is_op("[") {
                self.at += 1;
                path.push(self.expression()?);
                self.expect("]")?;
            } else if self.is_op("(") {
                self.at += 1;
                let mut args = Vec::new();
                while !self.is_op(")") {
                    args.push(self.expression()?);
                    if !self.op(",") {
                        break;
                    }
                }
                self.expect(")")?;
                let target = join(head, std::mem::take(&mut path));
                if matches!(&target, Term::Var(name) if &**name == "set") && args.is_empty() {
                    head = Term::Set(Vec::new());
                    continue;
                }
                if !matches!(&target, Term::Var(_) | Term::Ref(..)) {
                    return Err(Error::parse(pos, "only a name can be called"));
                }
                head = Term::Call(Box::new(Call { target, args, pos }));
            } else {
                break;
            }
        }
        Ok(join(head, path))
    }

    fn atom(&mut self) -> Result<Term, Error> {
        let pos = self.pos();
        let tok = self.peek().clone();
        match tok {
            Tok::Number(text) => {
                self.at += 1;
                let num = Num::parse(&text).ok_or_else(|| Error::parse(pos, "illegal number"))?;
                Ok(Term::Scalar(Value::Num(num)))
            }
            Tok::Str(text) => {
                self.at += 1;
                Ok(Term::text(&text))
            }
            Tok::Key("null") => self.scalar(Value::Null),
            Tok::Key("true") => self.scalar(Value::Bool(true)),
            Tok::Key("false") => self.scalar(Value::Bool(false)),
            Tok::Ident(name) => {
                // `or(x, y)` is the function.
                let called = self.touches_at(1) && matches!(self.peek_at(1), Tok::Op("("));
                for word in super::FUTURE {
                    if self.is_word(word) && !(called && matches!(word, "and" | "or")) {
                        return self.error("a term");
                    }
                }
                self.at += 1;
                if name == "_" {
                    return Ok(Term::Var(self.fresh()));
                }
                Ok(Term::Var(name.as_str().into()))
            }
            Tok::Template(pieces) => {
                self.at += 1;
                self.template(pieces)
            }
            Tok::Op("(") => {
                self.at += 1;
                let term = self.listed_expression()?;
                self.expect(")")?;
                Ok(term)
            }
            Tok::Op("[") => self.array(),
            Tok::Op("{") => self.braces(),
            _ => self.error("a term"),
        }
    }

    fn scalar(&mut self, value: Value<'static>) -> Result<Term, Error> {
        self.at += 1;
        Ok(Term::Scalar(value))
    }

    fn closure(&mut self, end: &'static str) -> Result<Closure, Error> {
        let body = self.body(&Tok::Op(end))?;
        self.expect(end)?;
        if body.is_empty() {
            return Err(Error::parse(self.pos(), "found empty body"));
        }
        Ok(Closure { body, own: 0..0 })
    }

    fn array(&mut self) -> Result<Term, Error> {
        self.expect("[")?;
        if self.op("]") {
            return Ok(Term::Array(Vec::new()));
        }
        let start = self.at;
        let first = self.membership(true)?;
        if self.op("|") {
            return match self.closure("]") {
                Ok(closure) => Ok(Term::ArrayOf(Box::new(first), closure)),
                Err(error) => {
                    self.again(start, &error)?;
                    let first = self.expression()?;
                    self.items(first, "]").map(Term::Array).map_err(|_| error)
                }
            };
        }
        self.items(first, "]").map(Term::Array)
    }

    /// Goes back to read in another way, not too often.
    pub(super) fn again(&mut self, start: usize, error: &Error) -> Result<(), Error> {
        self.retries += 1;
        if self.retries > 64 {
            return Err(error.clone());
        }
        self.at = start;
        Ok(())
    }

    /// The items that follow the first.
    fn items(&mut self, first: Term, end: &'static str) -> Result<Vec<Term>, Error> {
        let mut out = vec![first];
        while self.op(",") && !self.is_op(end) {
            out.push(self.expression()?);
        }
        self.expect(end)?;
        Ok(out)
    }

    fn braces(&mut self) -> Result<Term, Error> {
        self.expect("{")?;
        if self.op("}") {
            return Ok(Term::Object(Vec::new()));
        }
        let start = self.at;
        let first = self.membership(true)?;
        if self.op(":") {
            let value = self.membership(true)?;
            if self.op("|") {
                return match self.closure("}") {
                    Ok(closure) => Ok(Term::ObjectOf(Box::new((first, value)), closure)),
                    Err(error) => {
                        self.again(start, &error)?;
                        let key = self.expression()?;
                        self.expect(":")?;
                        let value = self.expression()?;
                        self.members((key, value)).map_err(|_| error)
                    }
                };
            }
            return self.members((first, value));
        }
        if self.op("|") {
            return match self.closure("}") {
                Ok(closure) => Ok(Term::SetOf(Box::new(first), closure)),
                Err(error) => {
                    self.again(start, &error)?;
                    let first = self.expression()?;
                    self.items(first, "}").map(Term::Set).map_err(|_| error)
                }
            };
        }
        self.items(first, "}").map(Term::Set)
    }

    fn members(&mut self, first: (Term, Term)) -> Result<Term, Error> {
        let mut out = vec![first];
        while self.op(",") && !self.is_op("}") {
            let key = self.expression()?;
            self.expect(":")?;
            out.push((key, self.expression()?));
        }
        self.expect("}")?;
        Ok(Term::Object(out))
    }

    fn template(&mut self, pieces: Vec<Piece>) -> Result<Term, Error> {
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push(Part::Text(text)),
                Piece::Code(tokens) => {
                    let saved = (std::mem::replace(&mut self.tokens, tokens), self.at);
                    self.at = 0;
                    let read = self.deeper(|p| {
                        let literal = p.literal()?;
                        p.expect_end()?;
                        Ok(literal)
                    });
                    (self.tokens, self.at) = saved;
                    let mut literal = read?;
                    let super::LiteralKind::Term(term) = literal.kind else {
                        return Err(Error::parse(literal.pos, "a template holds terms only"));
                    };
                    // `{x with input as y}`: the value is bound in a body of its own.
                    let (term, body) = if literal.with.is_empty() {
                        (term, Vec::new())
                    } else {
                        let value = Term::Var(self.fresh());
                        literal.kind = super::LiteralKind::Assign(value.clone(), term);
                        (value, vec![literal])
                    };
                    out.push(Part::Term(Box::new(term), Closure { body, own: 0..0 }));
                }
            }
        }
        Ok(Term::Template(out))
    }
}

fn join(head: Term, path: Vec<Term>) -> Term {
    if path.is_empty() {
        return head;
    }
    match head {
        Term::Ref(inner, mut steps) => {
            steps.extend(path);
            Term::Ref(inner, steps)
        }
        head => Term::Ref(Box::new(head), path),
    }
}
