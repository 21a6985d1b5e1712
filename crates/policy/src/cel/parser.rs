//! The parser of CEL; macros become nodes of their own.

use super::lexer::{Token, tokens};
use super::{Expr, Literal, Loop, LoopKind, Operator};

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
const MAX_DEPTH: u32 = 200;

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
        let mut left = self.and()?;
        while self.accept("||") {
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.relation()?;
        while self.accept("&&") {
            left = Expr::And(Box::new(left), Box::new(self.relation()?));
        }
        Ok(left)
    }

    fn relation(&mut self) -> Parsed {
        let mut left = self.sum()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("==") => Operator::Equal,
                Token::Sign("!=") => Operator::NotEqual,
                Token::Sign("<") => Operator::Less,
                Token::Sign("<=") => Operator::LessOrEqual,
                Token::Sign(">") => Operator::Greater,
                Token::Sign(">=") => Operator::GreaterOrEqual,
                Token::Name(name) if name == "in" => Operator::In,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.sum()?));
        }
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("+") => Operator::Add,
                Token::Sign("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Sign("*") => Operator::Multiply,
                Token::Sign("/") => Operator::Divide,
                Token::Sign("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
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
            match self.unary()? {
                Expr::Literal(Literal::Int(i)) => Expr::Literal(Literal::Int(i.wrapping_neg())),
                Expr::Literal(Literal::Double(d)) => Expr::Literal(Literal::Double(-d)),
                other => Expr::Negate(Box::new(other)),
            }
        } else {
            self.member()?
        };
        self.depth -= 1;
        Ok(out)
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.fail("a name was expected")),
        }
    }

    fn member(&mut self) -> Parsed {
        let mut out = self.primary()?;
        loop {
            if self.accept(".") {
                let name = self.name()?;
                if self.accept("(") {
                    let arguments = self.list(")")?;
                    out = self.call(Some(out), &name, arguments)?;
                } else {
                    out = Expr::Select {
                        operand: Box::new(out),
                        field: name.into(),
                        optional: false,
                    };
                }
            } else if self.accept(".?") {
                let field = self.name()?.into();
                out = Expr::Select {
                    operand: Box::new(out),
                    field,
                    optional: true,
                };
            } else if self.accept("[?") {
                let index = Box::new(self.ternary()?);
                self.expect("]")?;
                out = Expr::Index {
                    operand: Box::new(out),
                    index,
                    optional: true,
                };
            } else if self.accept("[") {
                let index = Box::new(self.ternary()?);
                self.expect("]")?;
                out = Expr::Index {
                    operand: Box::new(out),
                    index,
                    optional: false,
                };
            } else if is_type_name(&out) && matches!(self.peek(), Token::Sign("{" | "{?")) {
                out = self.message()?;
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
            Token::Name(name) => {
                self.at += 1;
                if self.accept("(") {
                    let arguments = self.list(")")?;
                    return self.call(None, &name, arguments);
                }
                Ok(Expr::Ident(name.into()))
            }
            // A leading dot makes a name absolute; all our names are.
            Token::Sign(".") => {
                self.at += 1;
                self.primary()
            }
            Token::Sign("(") => {
                self.at += 1;
                let out = self.ternary()?;
                self.expect(")")?;
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

    fn message(&mut self) -> Parsed {
        let mut optional = self.accept("{?");
        if !optional {
            self.expect("{")?;
        }
        let mut fields = Vec::new();
        while !self.accept("}") {
            optional |= self.accept("?");
            let name = match self.peek().clone() {
                Token::Name(name) => name,
                Token::Literal(Literal::Text(text)) => text.into(),
                _ => return Err(self.fail("a field's name was expected")),
            };
            self.at += 1;
            self.expect(":")?;
            fields.push((name.into(), self.ternary()?, optional));
            optional = false;
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr::Message { fields })
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

    /// A call, or the macro of that name.
    fn call(&mut self, target: Option<Expr>, name: &str, mut arguments: Vec<Expr>) -> Parsed {
        let variable = |argument: &Expr| match argument {
            Expr::Ident(name) => Some(name.clone()),
            _ => None,
        };
        if target.is_none() && name == "has" {
            return match arguments.pop() {
                Some(Expr::Select { operand, field, .. }) if arguments.is_empty() => Ok(Expr::Has { operand, field }),
                _ => Err(self.fail("`has` takes one field, such as has(object.spec)")),
            };
        }
        let Some(target) = target else {
            return Ok(Expr::Call {
                target: None,
                name: name.into(),
                arguments,
            });
        };
        if name == "bind"
            && matches!(&target, Expr::Ident(module) if &**module == "cel")
            && let [first, _, _] = arguments.as_slice()
            && let Some(bound) = variable(first)
            && let (Some(body), Some(value)) = (arguments.pop(), arguments.pop())
        {
            return Ok(Expr::Bind {
                name: bound,
                value: Box::new(value),
                body: Box::new(body),
            });
        }
        let kind = match (name, arguments.len()) {
            ("all", 2 | 3) => Some(LoopKind::All),
            ("exists", 2 | 3) => Some(LoopKind::Exists),
            ("exists_one" | "existsOne", 2 | 3) => Some(LoopKind::ExistsOne),
            ("map", 2 | 3) | ("transformList", 3) => Some(LoopKind::Map),
            ("filter", 2) => Some(LoopKind::Filter),
            ("transformMap", 3 | 4) => Some(LoopKind::TransformMap),
            _ => None,
        };
        let names = arguments.first().and_then(variable);
        if let (Some(kind), Some(first)) = (kind, names.clone()) {
            let three = arguments.len() == 3;
            let two_names = matches!(kind, LoopKind::TransformMap)
                || name == "transformList"
                || three && !matches!(kind, LoopKind::Map);
            let second = if two_names {
                arguments.get(1).and_then(variable)
            } else {
                None
            };
            if two_names && second.is_none() {
                return Err(self.fail("the second argument of this macro is a variable's name"));
            }
            let Some(body) = arguments.pop() else {
                return Err(self.fail("the macro needs a body"));
            };
            let filtered = three && matches!(kind, LoopKind::Map) && !two_names
                || matches!(kind, LoopKind::TransformMap) && arguments.len() == 3;
            let condition = if filtered { arguments.pop() } else { None };
            return Ok(Expr::Loop(Box::new(Loop {
                kind,
                range: target,
                names: (first, second),
                condition,
                body,
            })));
        }
        if matches!(name, "optMap" | "optFlatMap")
            && let (Some(bound), [_, _]) = (names, arguments.as_slice())
            && let Some(body) = arguments.pop()
        {
            let (operand, body) = (Box::new(target), Box::new(body));
            return Ok(Expr::Optional {
                operand,
                name: bound,
                body,
                flat: name == "optFlatMap",
            });
        }
        Ok(Expr::Call {
            target: Some(Box::new(target)),
            name: name.into(),
            arguments,
        })
    }
}

/// Whether an expression is a dotted name that opens with a capital: a type that is being made.
fn is_type_name(expr: &Expr) -> bool {
    match expr {
        Expr::Ident(name) => name.starts_with(|c: char| c.is_ascii_uppercase()),
        Expr::Select {
            operand,
            optional: false,
            ..
        } => is_type_name(operand),
        _ => false,
    }
}
