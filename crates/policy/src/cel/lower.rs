//! From the resolved tree to the code that is evaluated.

use std::sync::Arc;

use super::ast::{Expr, Literal, Operator};
use super::code::{Call, Code, Function, Global, Index, LoopCode, MessageCode};
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

/// Lowers an expression.
pub(super) fn lower(expr: &Expr) -> Code {
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
        } => select(operand, field, *optional),
        Expr::Has { operand, field } if is_variables(operand) => Code::HasVariable(Name::new(field)),
        Expr::Has { operand, field } => Code::Has(Box::new((lower(operand), Name::new(field)))),
        Expr::Index {
            operand,
            index,
            optional,
        } => Code::Index(Box::new(Index {
            operand: lower(operand),
            name: text_of(index),
            index: lower(index),
            optional: *optional,
        })),
        Expr::Call {
            target,
            name,
            arguments,
        } => call(target.as_deref(), name, arguments),
        Expr::List(items) => {
            let items: Box<[(Code, bool)]> = items.iter().map(|(item, optional)| (lower(item), *optional)).collect();
            let fixed = items
                .iter()
                .all(|(item, optional)| matches!(item, Code::Fixed(_)) && !optional);
            fold(Code::List(items), fixed)
        }
        Expr::Map(members) => {
            let members: Box<[(Code, Code, bool)]> = members
                .iter()
                .map(|(key, value, optional)| (lower(key), lower(value), *optional))
                .collect();
            let fixed = members
                .iter()
                .all(|(key, value, optional)| matches!((key, value), (Code::Fixed(_), Code::Fixed(_))) && !optional);
            fold(Code::Map(members), fixed)
        }
        Expr::Message { name, fields, kind, .. } => Code::Message(Box::new(MessageCode {
            name: name.clone(),
            fields: fields
                .iter()
                .map(|(field, value, optional)| (field.clone(), lower(value), *optional))
                .collect(),
            kind: kind.clone(),
        })),
        Expr::Convert { types, name, argument } => {
            Code::Convert(Box::new((types.clone(), name.clone(), lower(argument))))
        }
        Expr::Not(inner) => Code::Not(Box::new(lower(inner))),
        Expr::Negate(inner) => {
            let inner = lower(inner);
            let fixed = matches!(inner, Code::Fixed(_));
            fold(Code::Negate(Box::new(inner)), fixed)
        }
        Expr::And(left, right) => Code::Logic(Box::new((lower(left), lower(right))), false),
        Expr::Or(left, right) => Code::Logic(Box::new((lower(left), lower(right))), true),
        Expr::Ternary(condition, yes, no) => Code::Ternary(Box::new((lower(condition), lower(yes), lower(no)))),
        Expr::Binary(operator, left, right) => binary(*operator, left, right),
        Expr::Loop(inner) => Code::Loop(Box::new(LoopCode {
            kind: inner.kind,
            range: lower(&inner.range),
            two: inner.names.1.is_some(),
            condition: inner.condition.as_ref().map(lower),
            body: lower(&inner.body),
        })),
        Expr::Optional {
            operand, body, flat, ..
        } => Code::Optional(Box::new((lower(operand), lower(body))), *flat),
        Expr::Bind { value, body, .. } => Code::Bind(Box::new((lower(value), lower(body)))),
        Expr::Block { slots, body } => Code::Block(slots.iter().map(lower).collect(), Box::new(lower(body))),
        Expr::Slot(at) => Code::Slot(*at),
    }
}

fn is_variables(expr: &Expr) -> bool {
    matches!(expr, Expr::Global(name) if **name == *"variables")
}

fn select(operand: &Expr, field: &Arc<str>, optional: bool) -> Code {
    let name = Name::new(field);
    if is_variables(operand) && !optional {
        return Code::Variable(name);
    }
    let operand = lower(operand);
    if optional {
        return Code::Select(Box::new((operand, name)));
    }
    match operand {
        Code::Path(path) => {
            let (root, fields) = *path;
            Code::Path(Box::new((root, fields.into_iter().chain([name]).collect())))
        }
        root => Code::Path(Box::new((root, Box::from([name])))),
    }
}

fn text_of(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Literal(Literal::Text(text)) => Some(Name::new(text)),
        _ => None,
    }
}

fn call(target: Option<&Expr>, name: &Arc<str>, arguments: &[Expr]) -> Code {
    let function = match (&**name, target.is_some(), arguments) {
        ("size", true, []) | ("size", false, [_]) => Function::Size,
        ("hasValue", true, []) => Function::HasValue,
        ("value", true, []) => Function::Value,
        ("orValue", true, [_]) => Function::OrValue,
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
    let arguments: Box<[Code]> = arguments.iter().map(lower).collect();
    let fixed = target.is_none()
        && !arguments.is_empty()
        && FOLDED.contains(&&**name)
        && arguments.iter().all(|argument| matches!(argument, Code::Fixed(_)));
    let code = Code::Call(Box::new(Call {
        function,
        name: name.clone(),
        module: name.find('.').filter(|_| target.is_none()),
        target: target.map(lower),
        arguments,
        cheap: matches!(
            &**name,
            "size" | "hasValue" | "value" | "first" | "last" | "type" | "dyn"
        ),
    }));
    fold(code, fixed)
}

fn binary(operator: Operator, left: &Expr, right: &Expr) -> Code {
    if operator == Operator::Add {
        let mut parts = Vec::new();
        summands(left, &mut parts);
        parts.push(right);
        if parts.iter().any(|part| matches!(part, Expr::Literal(Literal::Text(_)))) {
            return Code::Concat(parts.into_iter().map(lower).collect());
        }
        if parts.len() > 2 {
            return Code::Sum(parts.into_iter().map(lower).collect());
        }
    }
    if let (Operator::In, Some(name)) = (operator, text_of(left)) {
        let range = lower(right);
        if !matches!(range, Code::Fixed(_)) {
            return Code::NameIn(Box::new((name, range)));
        }
    }
    let wanted = operator == Operator::Equal;
    match (lower(left), lower(right)) {
        (left @ Code::Fixed(_), right @ Code::Fixed(_)) => fold(Code::Binary(operator, Box::new((left, right))), true),
        (code, Code::Fixed(value)) | (Code::Fixed(value), code)
            if matches!(operator, Operator::Equal | Operator::NotEqual) =>
        {
            Code::Is(Box::new((code, value)), wanted)
        }
        (code, Code::Fixed(Cel::List(items))) if operator == Operator::In => Code::OneOf(Box::new((code, items))),
        both => Code::Binary(operator, Box::new(both)),
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

    fn variable(&self, _: &mut Evaluator<'_, 'a>, _: &Name) -> Option<Result<Cel<'a>, Fault>> {
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
