//! The parser of CEL; macros become nodes of their own.

use std::sync::Arc;

use super::ast::{Expr, Literal, Operator};
use super::lexer::{Token, tokens};
use super::macros;

/// Why a text is no expression, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expression:?} is not a CEL expression: {why} (at character {column})")]
pub(crate) struct SyntaxError {
    expression: String,
    column: usize,
    why: String,
}

impl SyntaxError {
    pub(super) fn new(text: &str, at: usize, why: &str) -> SyntaxError {
        let column = text.get(..at).unwrap_or(text).chars().count() + 1;
        SyntaxError {
            expression: text.trim().into(),
            column,
            why: why.into(),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let out = parser.ternary()?;
    match parser.peek() {
        Token::End => Ok(out),
        _ => Err(parser.fail("the expression goes on after its end")),
    }
}

/// How deep expressions may nest.
const MAX_DEPTH: u32 = 120;

/// How many operators and selections may follow each other: each makes the tree one deeper.
const MAX_CHAIN: u32 = 1_000;

/// Words that are no names of variables.
pub(crate) const RESERVED: [&str; 18] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: u32,
}

type Parsed = Result<Expr, SyntaxError>;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn fail(&self, why: &str) -> SyntaxError {
        SyntaxError::new(self.text, self.tokens[self.at.min(self.tokens.len() - 1)].0, why)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(s) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), SyntaxError> {
        if self.accept(sign) {
            Ok(())
        } else {
            Err(self.fail(&format!("`{sign}` was expected")))
        }
    }

    /// Takes one more level of a chain of operators.
    fn longer(&self, chain: &mut u32) -> Result<(), SyntaxError> {
        *chain += 1;
        if *chain > MAX_CHAIN {
            return Err(self.fail("it chains too many operators"));
        }
        Ok(())
    }

    fn ternary(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail("it nests too deeply"));
        }
        let condition = self.or()?;
        let out = if self.accept("?") {
            let yes = self.or()?;
            self.expect(":")?;
            Expr::Ternary(Box::new(condition), Box::new(yes), Box::new(self.ternary()?))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(out)
    }

    fn or(&mut self) -> Parsed {
        let (mut terms, mut chain) = (vec![self.and()?], 0);
        while self.accept("||") {
            self.longer(&mut chain)?;
            terms.push(self.and()?);
        }
        Ok(balanced(terms, Expr::Or))
    }

    fn and(&mut self) -> Parsed {
        let (mut terms, mut chain) = (vec![self.binary(0)?], 0);
        while self.accept("&&") {
            self.longer(&mut chain)?;
            terms.push(self.binary(0)?);
        }
        Ok(balanced(terms, Expr::And))
    }

    /// Relations bind least (level 0), then sums, then products.
    fn binary(&mut self, level: u8) -> Parsed {
        let mut chain = 0;
        let mut left = if level == 2 {
            self.unary()?
        } else {
            self.binary(level + 1)?
        };
        loop {
            let operator = match (level, self.peek()) {
                (0, Token::Sign("==")) => Operator::Equal,
                (0, Token::Sign("!=")) => Operator::NotEqual,
                (0, Token::Sign("<")) => Operator::Less,
                (0, Token::Sign("<=")) => Operator::LessOrEqual,
                (0, Token::Sign(">")) => Operator::Greater,
                (0, Token::Sign(">=")) => Operator::GreaterOrEqual,
                (0, Token::Name(name)) if name == "in" => Operator::In,
                (1, Token::Sign("+")) => Operator::Add,
                (1, Token::Sign("-")) => Operator::Subtract,
                (2, Token::Sign("*")) => Operator::Multiply,
                (2, Token::Sign("/")) => Operator::Divide,
                (2, Token::Sign("%")) => Operator::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            self.longer(&mut chain)?;
            let right = if level == 2 {
                self.unary()?
            } else {
                self.binary(level + 1)?
            };
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail("it nests too deeply"));
        }
        let out = if self.accept("!") {
            Expr::Not(Box::new(self.unary()?))
        } else if self.accept("-") {
            match self.peek() {
                // A sign before a number is a part of the number: -1.f() is (-1).f().
                Token::Huge => {
                    self.at += 1;
                    self.suffixes(Expr::Literal(Literal::Int(i64::MIN)))?
                }
                Token::Literal(Literal::Int(i)) => {
                    let literal = Literal::Int(-*i);
                    self.at += 1;
                    self.suffixes(Expr::Literal(literal))?
                }
                Token::Literal(Literal::Double(d)) => {
                    let literal = Literal::Double(-*d);
                    self.at += 1;
                    self.suffixes(Expr::Literal(literal))?
                }
                _ => Expr::Negate(Box::new(self.unary()?)),
            }
        } else {
            let primary = self.primary()?;
            self.suffixes(primary)?
        };
        self.depth -= 1;
        Ok(out)
    }

    /// A field's name, and whether it was quoted.
    fn field(&mut self) -> Result<(Arc<str>, bool), SyntaxError> {
        let name = match self.peek() {
            Token::Name(name) => (name.as_str().into(), false),
            Token::Quoted(name) => (name.as_str().into(), true),
            // These words are names after a dot.
            Token::Literal(Literal::Bool(b)) => (if *b { "true" } else { "false" }.into(), false),
            _ => return Err(self.fail("a name was expected")),
        };
        self.at += 1;
        Ok(name)
    }

    fn suffixes(&mut self, mut out: Expr) -> Parsed {
        let mut chain = 0;
        loop {
            self.longer(&mut chain)?;
            if self.accept(".") {
                let (name, quoted) = self.field()?;
                if !quoted && self.accept("(") {
                    let arguments = self.list(")")?;
                    out = macros::expand(Some(out), name, arguments).map_err(|why| self.fail(&why))?;
                } else {
                    out = Expr::Select {
                        operand: Box::new(out),
                        field: name,
                        optional: false,
                    };
                }
            } else if self.accept(".?") {
                let (field, _) = self.field()?;
                out = Expr::Select {
                    operand: Box::new(out),
                    field,
                    optional: true,
                };
            } else if matches!(self.peek(), Token::Sign("[" | "[?")) {
                let optional = self.accept("[?");
                if !optional {
                    self.at += 1;
                }
                let index = Box::new(self.ternary()?);
                self.expect("]")?;
                out = Expr::Index {
                    operand: Box::new(out),
                    index,
                    optional,
                };
            } else if matches!(self.peek(), Token::Sign("{" | "{?"))
                && let Some((name, absolute)) = out.dotted()
            {
                out = self.message(name.into(), absolute)?;
            } else {
                return Ok(out);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let token = self.peek().clone();
        match token {
            Token::Literal(literal) => {
                self.at += 1;
                Ok(Expr::Literal(literal))
            }
            Token::Huge => Err(self.fail("the number is out of range")),
            Token::Name(_) => self.name(false),
            Token::Quoted(_) => Err(self.fail("only fields can have names in backticks")),
            // A leading dot makes a name absolute.
            Token::Sign(".") => {
                self.at += 1;
                self.name(true)
            }
            Token::Sign("(") => {
                self.at += 1;
                let out = self.ternary()?;
                self.expect(")")?;
                // What stands in brackets is no part of a dotted name.
                Ok(out)
            }
            Token::Sign(open @ ("[" | "[?")) => {
                self.at += 1;
                let mut optional = open == "[?";
                let mut items = Vec::new();
                while !self.accept("]") {
                    optional |= self.accept("?");
                    items.push((self.ternary()?, optional));
                    optional = false;
                    if !self.accept(",") {
                        self.expect("]")?;
                        break;
                    }
                }
                Ok(Expr::List(items))
            }
            Token::Sign(open @ ("{" | "{?")) => {
                self.at += 1;
                let mut optional = open == "{?";
                let mut members = Vec::new();
                while !self.accept("}") {
                    optional |= self.accept("?");
                    let key = self.ternary()?;
                    self.expect(":")?;
                    members.push((key, self.ternary()?, optional));
                    optional = false;
                    if !self.accept(",") {
                        self.expect("}")?;
                        break;
                    }
                }
                Ok(Expr::Map(members))
            }
            Token::End => Err(self.fail("it ends too early")),
            Token::Sign(_) => Err(self.fail("an expression was expected here")),
        }
    }

    fn name(&mut self, absolute: bool) -> Parsed {
        let Token::Name(name) = self.peek().clone() else {
            return Err(self.fail("a name was expected"));
        };
        if RESERVED.contains(&name.as_str()) {
            return Err(self.fail(&format!("`{name}` is a reserved word")));
        }
        self.at += 1;
        let name: Arc<str> = name.into();
        if self.accept("(") {
            let arguments = self.list(")")?;
            return macros::expand(None, name, arguments).map_err(|why| self.fail(&why));
        }
        Ok(Expr::Ident { name, absolute })
    }

    fn message(&mut self, name: Arc<str>, absolute: bool) -> Parsed {
        let mut optional = self.accept("{?");
        if !optional {
            self.expect("{")?;
        }
        let mut fields = Vec::new();
        while !self.accept("}") {
            optional |= self.accept("?");
            let field = match self.peek() {
                Token::Literal(Literal::Text(text)) => {
                    let text = text.clone();
                    self.at += 1;
                    text
                }
                _ => self.field()?.0,
            };
            self.expect(":")?;
            fields.push((field, self.ternary()?, optional));
            optional = false;
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Message {
            name,
            absolute,
            fields,
            kind: None,
        })
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expr>, SyntaxError> {
        let mut out = Vec::new();
        while !self.accept(close) {
            out.push(self.ternary()?);
            if !self.accept(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(out)
    }
}

/// Joins the terms of a chain whose grouping does not matter to a tree as low as can be.
fn balanced(mut terms: Vec<Expr>, join: fn(Box<Expr>, Box<Expr>) -> Expr) -> Expr {
    while terms.len() > 1 {
        let mut joined = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => join(Box::new(left), Box::new(right)),
                None => left,
            });
        }
        terms = joined;
    }
    terms.pop().unwrap_or(Expr::Literal(Literal::Null))
}
