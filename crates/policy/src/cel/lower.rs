//! From the resolved tree to the code that is evaluated.

use std::sync::Arc;

use super::ast::{Expr, Literal, Operator};
use super::code::{Call, Code, Function, Global, How, Index, LoopCode, MessageCode, Path, Step, Variable};
use super::eval::{Evaluator, Fault, Scope};
use super::text::Text;
use super::value::Cel;
use crate::budget::Fuel;
use crate::name::Name;
use crate::pattern_text;
use crate::request::NoData;

/// Functions of nothing but their arguments, whose value for constants is a constant.
const FOLDED: [&str; 14] = [
    "dyn",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "duration",
    "timestamp",
    "quantity",
    "semver",
    "ip",
    "cidr",
    "url",
    "size",
];

/// Lowers an expression of a policy with these variables.
pub(super) fn lower(expr: &Expr, variables: &[&str]) -> Code {
    Lowering { variables }.lower(expr)
}

struct Lowering<'v> {
    variables: &'v [&'v str],
}

impl Lowering<'_> {
    fn lower(&self, expr: &Expr) -> Code {
        match expr {
            Expr::Literal(literal) => Code::Fixed(constant(literal)),
            Expr::Type(name) => Code::Fixed(Cel::Type(name.clone())),
            Expr::Constant(kind, number) => Code::Fixed(Cel::Enum(kind.clone(), *number)),
            Expr::Local(at) => Code::Local(*at),
            Expr::Global(name) | Expr::Ident { name, .. } => Code::Global(Global::new(name)),
            Expr::Select {
                operand,
                field,
                optional,
            } => self.select(operand, field, *optional),
            Expr::Has { operand, field } if is_variables(operand) => Code::HasVariable(self.variable(field)),
            Expr::Has { operand, field } => Code::Has(Box::new((self.lower(operand), Name::new(field)))),
            Expr::Index {
                operand,
                index,
                optional,
            } => match text_of(index) {
                Some(name) => {
                    let how = if *optional { How::AskedKey } else { How::Key };
                    led_on(self.lower(operand), Step { name, how })
                }
                None => Code::Index(Box::new(Index {
                    operand: self.lower(operand),
                    index: self.lower(index),
                    asked: *optional,
                })),
            },
            Expr::Call {
                target,
                name,
                arguments,
            } => self.call(target.as_deref(), name, arguments),
            Expr::List(items) => {
                let items: Box<[(Code, bool)]> = items
                    .iter()
                    .map(|(item, optional)| (self.lower(item), *optional))
                    .collect();
                let fixed = items
                    .iter()
                    .all(|(item, optional)| matches!(item, Code::Fixed(_)) && !optional);
                fold(Code::List(items), fixed)
            }
            Expr::Map(members) => {
                let members: Box<[(Code, Code, bool)]> = members
                    .iter()
                    .map(|(key, value, optional)| (self.lower(key), self.lower(value), *optional))
                    .collect();
                let fixed = members.iter().all(|(key, value, optional)| {
                    matches!((key, value), (Code::Fixed(_), Code::Fixed(_))) && !optional
                });
                fold(Code::Map(members), fixed)
            }
            Expr::Message { name, fields, kind, .. } => Code::Message(Box::new(MessageCode {
                name: name.clone(),
                fields: fields
                    .iter()
                    .map(|(field, value, optional)| (field.clone(), self.lower(value), *optional))
                    .collect(),
                kind: kind.clone(),
            })),
            Expr::Convert { types, name, argument } => {
                Code::Convert(Box::new((types.clone(), name.clone(), self.lower(argument))))
            }
            Expr::Not(inner) => Code::Not(Box::new(self.lower(inner))),
            Expr::Negate(inner) => {
                let inner = self.lower(inner);
                let fixed = matches!(inner, Code::Fixed(_));
                fold(Code::Negate(Box::new(inner)), fixed)
            }
            Expr::And(left, right) => Code::Logic(Box::new((self.lower(left), self.lower(right))), false),
            Expr::Or(left, right) => Code::Logic(Box::new((self.lower(left), self.lower(right))), true),
            Expr::Ternary(condition, yes, no) => {
                Code::Ternary(Box::new((self.lower(condition), self.lower(yes), self.lower(no))))
            }
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::Loop(inner) => Code::Loop(Box::new(LoopCode {
                kind: inner.kind,
                range: self.lower(&inner.range),
                two: inner.names.1.is_some(),
                condition: inner.condition.as_ref().map(|part| self.lower(part)),
                body: self.lower(&inner.body),
            })),
            Expr::Optional {
                operand, body, flat, ..
            } => Code::Optional(Box::new((self.lower(operand), self.lower(body))), *flat),
            Expr::Bind { value, body, .. } => Code::Bind(Box::new((self.lower(value), self.lower(body)))),
            Expr::Block { slots, body } => Code::Block(
                slots.iter().map(|part| self.lower(part)).collect(),
                Box::new(self.lower(body)),
            ),
            Expr::Slot(at) => Code::Slot(*at),
        }
    }

    fn variable(&self, name: &Arc<str>) -> Box<Variable> {
        let place = self.variables.iter().position(|known| **known == **name);
        Box::new(Variable {
            name: Name::new(name),
            place: place.unwrap_or(usize::MAX),
        })
    }

    fn select(&self, operand: &Expr, field: &Arc<str>, optional: bool) -> Code {
        if is_variables(operand) && !optional {
            return Code::Variable(self.variable(field));
        }
        let how = if optional { How::AskedField } else { How::Field };
        let name = Name::new(field);
        led_on(self.lower(operand), Step { name, how })
    }

    fn call(&self, target: Option<&Expr>, name: &Arc<str>, arguments: &[Expr]) -> Code {
        if let ("orValue", Some(target), [alternative]) = (&**name, target, arguments) {
            return Code::OrValue(Box::new((self.lower(target), self.lower(alternative))));
        }
        let function = match (&**name, target.is_some(), arguments) {
            ("size", true, []) | ("size", false, [_]) => Function::Size,
            ("hasValue", true, []) => Function::HasValue,
            ("value", true, []) => Function::Value,
            ("or", true, [_]) => Function::Or,
            ("startsWith", true, [_]) => Function::StartsWith,
            ("endsWith", true, [_]) => Function::EndsWith,
            ("contains", true, [_]) => Function::Contains,
            ("matches", true, [Expr::Literal(Literal::Text(pattern))]) => match pattern_text::regex(pattern) {
                Ok(regex) => Function::Matches(regex),
                Err(_) => Function::Other,
            },
            _ => Function::Other,
        };
        let arguments: Box<[Code]> = arguments.iter().map(|part| self.lower(part)).collect();
        let fixed = target.is_none()
            && !arguments.is_empty()
            && FOLDED.contains(&&**name)
            && arguments.iter().all(|argument| matches!(argument, Code::Fixed(_)));
        let code = Code::Call(Box::new(Call {
            function,
            name: name.clone(),
            module: name.find('.').filter(|_| target.is_none()),
            target: target.map(|part| self.lower(part)),
            arguments,
            cheap: matches!(
                &**name,
                "size" | "hasValue" | "value" | "first" | "last" | "type" | "dyn"
            ),
        }));
        fold(code, fixed)
    }

    fn binary(&self, operator: Operator, left: &Expr, right: &Expr) -> Code {
        if operator == Operator::Add {
            let mut parts = Vec::new();
            summands(left, &mut parts);
            parts.push(right);
            if parts.iter().any(|part| matches!(part, Expr::Literal(Literal::Text(_)))) {
                return Code::Concat(parts.into_iter().map(|part| self.lower(part)).collect());
            }
            if !parts.iter().any(|part| matches!(part, Expr::Literal(_))) {
                return Code::Sum(parts.into_iter().map(|part| self.lower(part)).collect());
            }
        }
        if let (Operator::In, Some(name)) = (operator, text_of(left)) {
            let range = self.lower(right);
            if !matches!(range, Code::Fixed(_)) {
                return Code::NameIn(Box::new((name, range)));
            }
        }
        let wanted = operator == Operator::Equal;
        match (self.lower(left), self.lower(right)) {
            (left @ Code::Fixed(_), right @ Code::Fixed(_)) => {
                fold(Code::Binary(operator, Box::new((left, right))), true)
            }
            (code, Code::Fixed(value)) | (Code::Fixed(value), code)
                if matches!(operator, Operator::Equal | Operator::NotEqual) =>
            {
                Code::Is(Box::new((code, value)), wanted)
            }
            (code, Code::Fixed(Cel::List(items))) if operator == Operator::In => Code::OneOf(Box::new((code, items))),
            both => Code::Binary(operator, Box::new(both)),
        }
    }
}

fn is_variables(expr: &Expr) -> bool {
    matches!(expr, Expr::Global(name) if **name == *"variables")
}

/// Code with one more name to go through.
fn led_on(operand: Code, step: Step) -> Code {
    let asks = step.how.asks();
    let (root, steps, asked): (Code, Box<[Step]>, bool) = match operand {
        Code::Path(path) => (path.root, path.steps.into_iter().chain([step]).collect(), asks),
        Code::Asked(path) => (path.root, path.steps.into_iter().chain([step]).collect(), true),
        root => (root, Box::new([step]), asks),
    };
    let path = Box::new(Path::new(root, steps));
    match asked {
        true => Code::Asked(path),
        false => Code::Path(path),
    }
}

fn text_of(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Literal(Literal::Text(text)) => Some(Name::new(text)),
        _ => None,
    }
}

/// The parts of a sum from the left.
fn summands<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Binary(Operator::Add, left, right) => {
            summands(left, out);
            out.push(right);
        }
        other => out.push(other),
    }
}

/// The names of an expression that has none.
struct Nothing;

impl<'a> Scope<'a> for Nothing {
    fn lookup(&self, _: &Global) -> Option<Cel<'a>> {
        None
    }

    fn variable(&self, _: &mut Evaluator<'_, 'a>, _: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        None
    }
}

/// The value of code that is made of constants; the code itself where it has none.
fn fold(code: Code, fixed: bool) -> Code {
    if !fixed {
        return code;
    }
    let fuel = Fuel::new(10_000);
    let value = Evaluator::new(&Nothing, &fuel, None, &NoData).eval(&code);
    match value.ok().and_then(|value| value.kept()) {
        Some(value) => Code::Fixed(value),
        None => code,
    }
}

fn constant(literal: &Literal) -> Cel<'static> {
    match literal {
        Literal::Null => Cel::Null,
        Literal::Bool(b) => Cel::Bool(*b),
        Literal::Int(i) => Cel::Int(*i),
        Literal::Uint(u) => Cel::Uint(*u),
        Literal::Double(d) => Cel::Double(*d),
        Literal::Text(text) => Cel::Text(Text::Shared(text.clone())),
        Literal::Bytes(bytes) => Cel::Bytes(bytes.clone()),
    }
}
