//! The Pratt parser of JMESPath.

use super::function;
use super::lexer::{Token, tokens};
use super::{Ast, Comparison};

/// Why a text is no expression, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expression:?} is not a JMESPath expression: {why} (at character {column})")]
pub struct SyntaxError {
    /// The expression.
    pub expression: String,
    /// Character, from 1.
    pub column: usize,
    /// What is wrong.
    pub why: String,
}

impl SyntaxError {
    pub(super) fn new(text: &str, at: usize, why: &str) -> SyntaxError {
        let column = text[..at.min(text.len())].chars().count() + 1;
        SyntaxError {
            expression: text.trim().into(),
            column,
            why: why.into(),
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Ast, SyntaxError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
    };
    let ast = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(ast),
        _ => Err(parser.fail("the expression goes on after its end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: u32,
}

/// How deep expressions may nest.
const MAX_DEPTH: u32 = 128;

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn peek_after(&self) -> &Token {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].1
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn fail(&self, why: &str) -> SyntaxError {
        SyntaxError::new(self.text, self.tokens[self.at.min(self.tokens.len() - 1)].0, why)
    }

    fn expect(&mut self, want: fn(&Token) -> bool, what: &str) -> Result<(), SyntaxError> {
        if want(self.peek()) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.fail(&format!("{what} was expected")))
        }
    }

    fn power(token: &Token) -> u8 {
        match token {
            Token::Pipe => 1,
            Token::Or => 2,
            Token::And => 3,
            Token::Equal
            | Token::NotEqual
            | Token::Less
            | Token::LessOrEqual
            | Token::Greater
            | Token::GreaterOrEqual => 5,
            Token::Flatten => 9,
            Token::Star => 20,
            Token::Filter => 21,
            Token::Dot => 40,
            Token::Not => 45,
            Token::LeftBrace => 50,
            Token::LeftBracket => 55,
            Token::LeftParen => 60,
            _ => 0,
        }
    }

    fn expression(&mut self, power: u8) -> Result<Ast, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail("it nests too deeply"));
        }
        let mut left = self.prefix()?;
        while power < Self::power(self.peek()) {
            left = self.infix(left)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Ast, SyntaxError> {
        match self.next() {
            Token::Literal(value) => Ok(Ast::Literal(value)),
            Token::Name(name) => {
                if matches!(self.peek(), Token::LeftParen) {
                    self.call(&name)
                } else {
                    Ok(Ast::Field(name.into()))
                }
            }
            Token::Quoted(name) => Ok(Ast::Field(name.into())),
            Token::Star => {
                let right = self.projection_tail(20)?;
                Ok(Ast::ValueProjection(Box::new(Ast::Identity), Box::new(right)))
            }
            Token::Flatten => {
                let right = self.projection_tail(9)?;
                Ok(Ast::Projection(
                    Box::new(Ast::Flatten(Box::new(Ast::Identity))),
                    Box::new(right),
                ))
            }
            Token::Filter => self.filter(Ast::Identity),
            Token::LeftBrace => self.hash(),
            Token::LeftBracket => match (self.peek().clone(), self.peek_after()) {
                (Token::Number(_) | Token::Colon, _) => {
                    let index = self.index()?;
                    self.index_of(Ast::Identity, index)
                }
                (Token::Star, Token::RightBracket) => {
                    self.at += 2;
                    let right = self.projection_tail(20)?;
                    Ok(Ast::Projection(Box::new(Ast::Identity), Box::new(right)))
                }
                _ => self.list(),
            },
            Token::Current => Ok(Ast::Identity),
            Token::Reference => Ok(Ast::Reference(Box::new(self.expression(0)?))),
            Token::Not => Ok(Ast::Not(Box::new(self.expression(45)?))),
            Token::LeftParen => {
                let inner = self.expression(0)?;
                self.expect(|t| matches!(t, Token::RightParen), "`)`")?;
                Ok(inner)
            }
            // Kyverno's arithmetic takes bare numbers too.
            Token::Number(number) => Ok(Ast::Literal(number.into())),
            Token::End => Err(self.fail("it ends too early")),
            _ => {
                self.at -= 1;
                Err(self.fail("an expression was expected here"))
            }
        }
    }

    fn infix(&mut self, left: Ast) -> Result<Ast, SyntaxError> {
        let left = Box::new(left);
        let compare = |op, parser: &mut Self, left| {
            let right = parser.expression(5)?;
            Ok(Ast::Compare(op, left, Box::new(right)))
        };
        match self.next() {
            Token::Dot => {
                if matches!(self.peek(), Token::Star) {
                    self.at += 1;
                    let right = self.projection_tail(20)?;
                    return Ok(Ast::ValueProjection(left, Box::new(right)));
                }
                let right = self.dot_tail(40)?;
                Ok(Ast::Sub(left, Box::new(right)))
            }
            Token::Pipe => Ok(Ast::Pipe(left, Box::new(self.expression(1)?))),
            Token::Or => Ok(Ast::Or(left, Box::new(self.expression(2)?))),
            Token::And => Ok(Ast::And(left, Box::new(self.expression(3)?))),
            Token::Equal => compare(Comparison::Equal, self, left),
            Token::NotEqual => compare(Comparison::NotEqual, self, left),
            Token::Less => compare(Comparison::Less, self, left),
            Token::LessOrEqual => compare(Comparison::LessOrEqual, self, left),
            Token::Greater => compare(Comparison::Greater, self, left),
            Token::GreaterOrEqual => compare(Comparison::GreaterOrEqual, self, left),
            Token::Flatten => {
                let right = self.projection_tail(9)?;
                Ok(Ast::Projection(Box::new(Ast::Flatten(left)), Box::new(right)))
            }
            Token::Filter => self.filter(*left),
            Token::LeftBracket => match self.peek() {
                Token::Number(_) | Token::Colon => {
                    let index = self.index()?;
                    self.index_of(*left, index)
                }
                Token::Star => {
                    self.at += 1;
                    self.expect(|t| matches!(t, Token::RightBracket), "`]`")?;
                    let right = self.projection_tail(20)?;
                    Ok(Ast::Projection(left, Box::new(right)))
                }
                _ => Err(self.fail("an index, a slice, `*` or a filter was expected after `[`")),
            },
            _ => {
                self.at -= 1;
                Err(self.fail("an operator was expected here"))
            }
        }
    }

    fn projection_tail(&mut self, power: u8) -> Result<Ast, SyntaxError> {
        match self.peek() {
            Token::Dot => {
                self.at += 1;
                if matches!(self.peek(), Token::Star) {
                    return self.expression(power);
                }
                self.dot_tail(power)
            }
            Token::LeftBracket | Token::Filter => self.expression(power),
            token if Self::power(token) < 10 => Ok(Ast::Identity),
            _ => Err(self.fail("a `.`, `[` or the end was expected after a projection")),
        }
    }

    fn dot_tail(&mut self, power: u8) -> Result<Ast, SyntaxError> {
        match self.peek() {
            Token::Name(_) | Token::Quoted(_) | Token::Star => self.expression(power),
            Token::LeftBracket => {
                self.at += 1;
                self.list()
            }
            Token::LeftBrace => {
                self.at += 1;
                self.hash()
            }
            _ => Err(self.fail("a name, `*`, `[` or `{` was expected after `.`")),
        }
    }

    fn filter(&mut self, left: Ast) -> Result<Ast, SyntaxError> {
        let condition = self.expression(0)?;
        self.expect(|t| matches!(t, Token::RightBracket), "`]` after the filter")?;
        let right = if matches!(self.peek(), Token::Flatten) {
            Ast::Identity
        } else {
            self.projection_tail(21)?
        };
        Ok(Ast::Filter(Box::new(left), Box::new(condition), Box::new(right)))
    }

    /// After `[`: an index or a slice up to and with `]`.
    fn index(&mut self) -> Result<Ast, SyntaxError> {
        let mut parts = [None, None, None];
        let mut colons = 0;
        loop {
            match self.next() {
                Token::Number(number) if parts[colons].is_none() => parts[colons] = Some(number),
                Token::Colon if colons < 2 => colons += 1,
                Token::RightBracket => break,
                _ => {
                    self.at -= 1;
                    return Err(self.fail("not an index or a slice"));
                }
            }
        }
        match (colons, parts) {
            (0, [Some(index), ..]) => Ok(Ast::Index(index)),
            (0, _) => Err(self.fail("an index was expected")),
            (_, [_, _, Some(0)]) => Err(self.fail("a slice's step must not be 0")),
            (_, [start, stop, step]) => Ok(Ast::Slice(start, stop, step.unwrap_or(1))),
        }
    }

    fn index_of(&mut self, left: Ast, index: Ast) -> Result<Ast, SyntaxError> {
        let slice = matches!(index, Ast::Slice(..));
        let indexed = Ast::Sub(Box::new(left), Box::new(index));
        if slice {
            let right = self.projection_tail(20)?;
            Ok(Ast::Projection(Box::new(indexed), Box::new(right)))
        } else {
            Ok(indexed)
        }
    }

    fn list(&mut self) -> Result<Ast, SyntaxError> {
        let mut items = vec![self.expression(0)?];
        loop {
            match self.next() {
                Token::Comma => items.push(self.expression(0)?),
                Token::RightBracket => return Ok(Ast::List(items)),
                _ => {
                    self.at -= 1;
                    return Err(self.fail("`,` or `]` was expected"));
                }
            }
        }
    }

    fn hash(&mut self) -> Result<Ast, SyntaxError> {
        let mut members = Vec::new();
        loop {
            let key = match self.next() {
                Token::Name(name) | Token::Quoted(name) => name,
                _ => {
                    self.at -= 1;
                    return Err(self.fail("a key was expected"));
                }
            };
            self.expect(|t| matches!(t, Token::Colon), "`:`")?;
            members.push((key.into(), self.expression(0)?));
            match self.next() {
                Token::Comma => {}
                Token::RightBrace => return Ok(Ast::Hash(members)),
                _ => {
                    self.at -= 1;
                    return Err(self.fail("`,` or `}` was expected"));
                }
            }
        }
    }

    fn call(&mut self, name: &str) -> Result<Ast, SyntaxError> {
        let Some(function) = function::find(name) else {
            self.at -= 1;
            return Err(self.fail(&format!("there is no function `{name}`")));
        };
        self.at += 1;
        let mut arguments = Vec::new();
        if !matches!(self.peek(), Token::RightParen) {
            loop {
                arguments.push(self.expression(0)?);
                if !matches!(self.peek(), Token::Comma) {
                    break;
                }
                self.at += 1;
            }
        }
        self.expect(|t| matches!(t, Token::RightParen), "`)` after the arguments")?;
        if !function.arity.contains(&arguments.len()) {
            return Err(self.fail(&format!("`{name}` was given {} arguments", arguments.len())));
        }
        Ok(Ast::Call(function, arguments))
    }
}
