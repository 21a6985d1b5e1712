//! Tokens to an expression tree.

use ridgeway_doc::Value;

use super::Fault;
use super::lex::{Token, lex};

/// How deep expressions may nest.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub(crate) offset: usize,
    pub(crate) node: Tree,
}

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Literal(Value),
    Name(String),
    Member(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    Filter(Box<Expression>, String, Vec<Expression>),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    /// `value if condition else other`
    Choose {
        condition: Box<Expression>,
        value: Box<Expression>,
        other: Option<Box<Expression>>,
    },
    /// `value is [not] defined`
    IsDefined(Box<Expression>, bool),
    Array(Vec<Expression>),
    Object(Vec<(String, Expression)>),
}

/// Parses a whole expression that stands at byte `base` of its text.
pub(crate) fn parse(source: &str, base: usize) -> Result<Expression, Fault> {
    let mut parser = Parser {
        tokens: lex(source, base)?,
        at: 0,
        depth: 0,
    };
    let expression = parser.expression()?;
    parser.end()?;
    Ok(expression)
}

/// Parses `name[, name] in expression` of a `for` tag.
pub(crate) fn parse_for(source: &str, base: usize) -> Result<(Vec<String>, Expression), Fault> {
    let mut parser = Parser {
        tokens: lex(source, base)?,
        at: 0,
        depth: 0,
    };
    let mut names = vec![parser.name()?];
    while parser.take(",") {
        names.push(parser.name()?);
    }
    if names.len() > 2 || !parser.word("in") {
        return Err(parser.fault("write `for item in list` or `for key, value in object`"));
    }
    let expression = parser.expression()?;
    parser.end()?;
    Ok((names, expression))
}

/// Parses `name = expression` of a `set` tag.
pub(crate) fn parse_set(source: &str, base: usize) -> Result<(String, Expression), Fault> {
    let mut parser = Parser {
        tokens: lex(source, base)?,
        at: 0,
        depth: 0,
    };
    let name = parser.name()?;
    if !parser.take("=") {
        return Err(parser.fault("write `set name = value`"));
    }
    let expression = parser.expression()?;
    parser.end()?;
    Ok((name, expression))
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)].0
    }

    fn offset(&self) -> usize {
        self.tokens[self.at.min(self.tokens.len() - 1)].1
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.offset(), message)
    }

    fn end(&self) -> Result<(), Fault> {
        match self.peek() {
            Token::End => Ok(()),
            other => Err(self.fault(format!("expected the end of the expression, found {}", told(other)))),
        }
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(m) if *m == mark);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), Fault> {
        if self.take(mark) {
            Ok(())
        } else {
            Err(self.fault(format!("expected `{mark}`, found {}", told(self.peek()))))
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(name) if name == word);
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            other => Err(self.fault(format!("expected a name, found {}", told(&other)))),
        }
    }

    fn expression(&mut self) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault("the expression nests too deeply"));
        }
        let value = self.binary(0)?;
        let result = if self.word("if") {
            let condition = Box::new(self.binary(0)?);
            let other = if self.word("else") {
                Some(Box::new(self.expression()?))
            } else {
                None
            };
            Expression {
                offset: value.offset,
                node: Tree::Choose {
                    condition,
                    value: Box::new(value),
                    other,
                },
            }
        } else if self.take("?") {
            let chosen = Box::new(self.expression()?);
            self.expect(":")?;
            let other = Some(Box::new(self.expression()?));
            Expression {
                offset: value.offset,
                node: Tree::Choose {
                    condition: Box::new(value),
                    value: chosen,
                    other,
                },
            }
        } else {
            value
        };
        self.depth -= 1;
        Ok(result)
    }

    /// Binary operators by climbing; the weakest level is 0.
    fn binary(&mut self, level: usize) -> Result<Expression, Fault> {
        const LEVELS: [&[&str]; 7] = [
            &["or"],
            &["and"],
            &["not"],
            &["in", "==", "!=", "===", "!==", "<", ">", "<=", ">="],
            &["~"],
            &["+", "-"],
            &["*", "/", "//", "%", "**"],
        ];
        if level == 2 {
            let offset = self.offset();
            if self.word("not") || self.take("!") {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.fault("the expression nests too deeply"));
                }
                let inner = self.binary(2)?;
                self.depth -= 1;
                return Ok(Expression {
                    offset,
                    node: Tree::Not(Box::new(inner)),
                });
            }
            return self.binary(3);
        }
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        loop {
            if level == 3 && self.word("is") {
                let negated = self.word("not");
                if !self.word("defined") {
                    return Err(self.fault("of the `is` tests only `is defined` and `is not defined` are known"));
                }
                left = Expression {
                    offset: left.offset,
                    node: Tree::IsDefined(Box::new(left), negated),
                };
                continue;
            }
            let Some(operator) = operators.iter().find(|op| match self.peek() {
                Token::Mark(mark) => mark == *op,
                Token::Name(name) => name == *op,
                _ => false,
            }) else {
                return Ok(left);
            };
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expression {
                offset: left.offset,
                node: Tree::Binary(operator, Box::new(left), Box::new(right)),
            };
        }
    }

    fn unary(&mut self) -> Result<Expression, Fault> {
        let offset = self.offset();
        if self.take("-") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.fault("the expression nests too deeply"));
            }
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expression {
                offset,
                node: Tree::Negate(Box::new(inner)),
            });
        }
        let mut value = self.primary()?;
        loop {
            let offset = self.offset();
            if self.take(".") {
                let name = self.name()?;
                if matches!(self.peek(), Token::Mark("(")) {
                    return Err(self.fault(format!("values have no methods; use a filter instead of `.{name}(…)`")));
                }
                value = Expression {
                    offset: value.offset,
                    node: Tree::Member(Box::new(value), name),
                };
            } else if self.take("[") {
                let index = self.expression()?;
                self.expect("]")?;
                value = Expression {
                    offset: value.offset,
                    node: Tree::Index(Box::new(value), Box::new(index)),
                };
            } else if self.take("|") {
                let name = self.name()?;
                let arguments = if self.take("(") { self.list(")")? } else { Vec::new() };
                value = Expression {
                    offset,
                    node: Tree::Filter(Box::new(value), name, arguments),
                };
            } else {
                return Ok(value);
            }
        }
    }

    fn list(&mut self, close: &str) -> Result<Vec<Expression>, Fault> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.expression()?);
            if !self.take(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn primary(&mut self) -> Result<Expression, Fault> {
        let offset = self.offset();
        let token = self.peek().clone();
        self.at += 1;
        let node = match token {
            Token::Text(text) => Tree::Literal(text.into()),
            Token::Int(int) => Tree::Literal(int.into()),
            Token::Float(float) => Tree::Literal(float.into()),
            Token::Name(name) => match name.as_str() {
                "true" | "True" => Tree::Literal(true.into()),
                "false" | "False" => Tree::Literal(false.into()),
                "null" | "none" | "None" => Tree::Literal(Value::NULL),
                _ if matches!(self.peek(), Token::Mark("(")) => {
                    return Err(Fault::new(
                        offset,
                        format!("`{name}` is not a function that templates have"),
                    ));
                }
                _ => Tree::Name(name),
            },
            Token::Mark("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                inner.node
            }
            Token::Mark("[") => Tree::Array(self.list("]")?),
            Token::Mark("{") => Tree::Object(self.members()?),
            other => {
                self.at -= 1;
                return Err(self.fault(format!("expected a value, found {}", told(&other))));
            }
        };
        Ok(Expression { offset, node })
    }

    fn members(&mut self) -> Result<Vec<(String, Expression)>, Fault> {
        let mut members = Vec::new();
        while !self.take("}") {
            let key = match self.peek().clone() {
                Token::Name(key) | Token::Text(key) => key,
                other => return Err(self.fault(format!("expected a key, found {}", told(&other)))),
            };
            self.at += 1;
            self.expect(":")?;
            members.push((key, self.expression()?));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(members)
    }
}

fn told(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Text(text) => format!("the text {text:?}"),
        Token::Int(int) => format!("`{int}`"),
        Token::Float(float) => format!("`{float}`"),
        Token::Mark(mark) => format!("`{mark}`"),
        Token::End => "the end".to_owned(),
    }
}
