//! Evaluation over a scope.

use std::borrow::Cow;
use std::cell::RefCell;

use jiff::{SignedDuration, Timestamp};

use super::{Cel, Expr, Literal, Loop, LoopKind, Operator, Program, library};
use crate::budget::{Exhausted, Fuel};
use crate::request::Data;

/// Where names are looked up.
pub(crate) trait Scope<'a> {
    /// The value of a root name.
    fn lookup(&self, name: &str) -> Option<Cel<'a>>;

    /// The value of `variables.name`.
    fn variable(&self, evaluator: &Evaluator<'_, 'a>, name: &str) -> Option<Result<Cel<'a>, Fault>>;
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It cannot be evaluated.
    #[error("{0}")]
    Invalid(String),
    /// The budget is used up.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

pub(crate) type Answer<'a> = Result<Cel<'a>, Fault>;

pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Invalid(message.into()))
}

/// Evaluates programs within one scope and one budget.
pub(crate) struct Evaluator<'e, 'a> {
    scope: &'e dyn Scope<'a>,
    fuel: &'e Fuel,
    pub(super) now: Option<Timestamp>,
    pub(super) data: &'a dyn Data,
    locals: RefCell<Vec<(Box<str>, Cel<'a>)>>,
}

impl<'e, 'a> Evaluator<'e, 'a> {
    pub(crate) fn new(
        scope: &'e dyn Scope<'a>,
        fuel: &'e Fuel,
        now: Option<Timestamp>,
        data: &'a dyn Data,
    ) -> Evaluator<'e, 'a> {
        Evaluator {
            scope,
            fuel,
            now,
            data,
            locals: RefCell::default(),
        }
    }

    /// The value of a program.
    pub(crate) fn run(&self, program: &Program) -> Answer<'a> {
        self.eval(&program.ast)
    }

    /// The value of a program that does not see the names bound around it.
    pub(crate) fn run_apart(&self, program: &Program) -> Answer<'a> {
        let around = self.locals.take();
        let out = self.eval(&program.ast);
        self.locals.replace(around);
        out
    }

    /// The truth of a program; anything but a boolean is a fault.
    pub(crate) fn holds(&self, program: &Program) -> Result<bool, Fault> {
        match self.run(program)? {
            Cel::Bool(truth) => Ok(truth),
            other => fail(format!("the expression gives a {}, not a bool", other.type_name())),
        }
    }

    fn local(&self, name: &str) -> Option<Cel<'a>> {
        self.locals
            .borrow()
            .iter()
            .rev()
            .find(|(bound, _)| &**bound == name)
            .map(|(_, value)| value.clone())
    }

    /// Whether a name stands for a module of functions here.
    fn is_module(&self, name: &str) -> bool {
        library::MODULES.contains(&name) && self.local(name).is_none() && self.scope.lookup(name).is_none()
    }

    fn with<T>(&self, bindings: Vec<(&str, Cel<'a>)>, run: impl FnOnce() -> T) -> T {
        let depth = self.locals.borrow().len();
        self.locals
            .borrow_mut()
            .extend(bindings.into_iter().map(|(name, value)| (name.into(), value)));
        let out = run();
        self.locals.borrow_mut().truncate(depth);
        out
    }

    fn eval(&self, expr: &Expr) -> Answer<'a> {
        self.fuel.burn(1)?;
        match expr {
            Expr::Literal(literal) => Ok(match literal {
                Literal::Null => Cel::Null,
                Literal::Bool(b) => Cel::Bool(*b),
                Literal::Int(i) => Cel::Int(*i),
                Literal::Uint(u) => Cel::Uint(*u),
                Literal::Double(d) => Cel::Double(*d),
                Literal::Text(text) => Cel::text(&**text),
                Literal::Bytes(bytes) => Cel::Bytes(bytes.as_slice().into()),
            }),
            Expr::Ident(name) => match self.local(name).or_else(|| self.scope.lookup(name)) {
                Some(value) => Ok(value),
                None => match library::type_named(name) {
                    Some(kind) => Ok(Cel::Type(kind)),
                    None => fail(format!("undeclared reference to '{name}'")),
                },
            },
            Expr::Select {
                operand,
                field,
                optional,
            } => self.select(operand, field, *optional),
            Expr::Has { operand, field } => {
                if let Some(found) = self.variable(operand, field) {
                    return found.map(|_| Cel::Bool(true));
                }
                match self.eval(operand)? {
                    Cel::Optional(None) => Ok(Cel::Bool(false)),
                    Cel::Optional(Some(inner)) => Ok(Cel::Bool(inner.field(field).is_some())),
                    value if value.is_map() => {
                        Ok(Cel::Bool(value.field(field).is_some_and(|v| !matches!(v, Cel::Null))))
                    }
                    other => fail(format!("no such key: {field} (a {} has no fields)", other.type_name())),
                }
            }
            Expr::Index {
                operand,
                index,
                optional,
            } => {
                let (value, index) = (self.eval(operand)?, self.eval(index)?);
                let chained = matches!(value, Cel::Optional(_));
                let inner = match &value {
                    Cel::Optional(None) => return Ok(Cel::Optional(None)),
                    Cel::Optional(Some(inner)) => inner,
                    other => other,
                };
                match inner.index(&index) {
                    Some(found) if *optional || chained => Ok(Cel::some(found)),
                    Some(found) => Ok(found),
                    None if *optional || chained => Ok(Cel::Optional(None)),
                    None => fail(format!("no such key: {}", index.print().unwrap_or_default())),
                }
            }
            Expr::Call {
                target,
                name,
                arguments,
            } => self.call(target.as_deref(), name, arguments),
            Expr::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for (item, optional) in items {
                    match (self.eval(item)?, optional) {
                        (Cel::Optional(inner), true) => out.extend(inner.map(|inner| (*inner).clone())),
                        (value, _) => out.push(value),
                    }
                }
                Ok(Cel::list(out))
            }
            Expr::Map(members) => {
                let mut out = Vec::with_capacity(members.len());
                for (key, value, optional) in members {
                    let key = self.eval(key)?;
                    match (self.eval(value)?, optional) {
                        (Cel::Optional(inner), true) => out.extend(inner.map(|inner| (key, (*inner).clone()))),
                        (value, _) => out.push((key, value)),
                    }
                }
                Ok(Cel::map(out))
            }
            Expr::Message { fields } => {
                let mut out = Vec::with_capacity(fields.len());
                for (name, value, optional) in fields {
                    let key = Cel::text(&**name);
                    match (self.eval(value)?, optional) {
                        (Cel::Optional(inner), true) => out.extend(inner.map(|inner| (key, (*inner).clone()))),
                        (value, _) => out.push((key, value)),
                    }
                }
                Ok(Cel::map(out))
            }
            Expr::Not(inner) => match self.eval(inner)? {
                Cel::Bool(b) => Ok(Cel::Bool(!b)),
                other => fail(format!("no such overload: !{}", other.type_name())),
            },
            Expr::Negate(inner) => match self.eval(inner)? {
                Cel::Int(i) => i
                    .checked_neg()
                    .map(Cel::Int)
                    .ok_or_else(|| Fault::Invalid("integer overflow".into())),
                Cel::Double(d) => Ok(Cel::Double(-d)),
                Cel::Duration(d) => Ok(Cel::Duration(-d)),
                other => fail(format!("no such overload: -{}", other.type_name())),
            },
            Expr::And(left, right) => self.logic(left, right, false),
            Expr::Or(left, right) => self.logic(left, right, true),
            Expr::Ternary(condition, yes, no) => match self.eval(condition)? {
                Cel::Bool(true) => self.eval(yes),
                Cel::Bool(false) => self.eval(no),
                other => fail(format!("no such overload: {} ? :", other.type_name())),
            },
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.fuel
                    .burn((left.len().min(1 << 20) + right.len().min(1 << 20)) as u64 / 16)?;
                binary(*operator, &left, &right)
            }
            Expr::Loop(inner) => self.repeat(inner),
            Expr::Optional {
                operand,
                name,
                body,
                flat,
            } => match self.eval(operand)? {
                Cel::Optional(None) => Ok(Cel::Optional(None)),
                Cel::Optional(Some(inner)) => {
                    let value = self.with(vec![(name, (*inner).clone())], || self.eval(body))?;
                    Ok(if *flat { value } else { Cel::some(value) })
                }
                other => fail(format!("optMap is for optionals, not for a {}", other.type_name())),
            },
            Expr::Bind { name, value, body } => {
                let value = self.eval(value)?;
                self.with(vec![(name, value)], || self.eval(body))
            }
        }
    }

    /// `variables.name`, when the operand is that map.
    fn variable(&self, operand: &Expr, field: &str) -> Option<Answer<'a>> {
        let Expr::Ident(name) = operand else { return None };
        if &**name != "variables" || self.local(name).is_some() {
            return None;
        }
        let found = self.scope.variable(self, field);
        Some(found.unwrap_or_else(|| fail(format!("no such key: {field} (there is no variable of that name)"))))
    }

    fn select(&self, operand: &Expr, field: &str, optional: bool) -> Answer<'a> {
        if let Some(found) = self.variable(operand, field) {
            return if optional { found.map(Cel::some) } else { found };
        }
        let value = self.eval(operand)?;
        let (inner, chained) = match &value {
            Cel::Optional(None) => return Ok(Cel::Optional(None)),
            Cel::Optional(Some(inner)) => (&**inner, true),
            other => (other, false),
        };
        match inner.field(field) {
            Some(found) if optional || chained => Ok(Cel::some(found)),
            Some(found) => Ok(found),
            None if optional || chained => Ok(Cel::Optional(None)),
            None => fail(format!("no such key: {field}")),
        }
    }

    /// `&&` and `||`: one side that decides makes the other side's fault no fault.
    fn logic(&self, left: &Expr, right: &Expr, deciding: bool) -> Answer<'a> {
        let side = |expr: &Expr| match self.eval(expr)? {
            Cel::Bool(b) => Ok(b),
            other => fail(format!("no such overload: a {} in a condition", other.type_name())),
        };
        match side(left) {
            Ok(truth) if truth == deciding => Ok(Cel::Bool(deciding)),
            Err(Fault::Exhausted(e)) => Err(e.into()),
            left => match (left, side(right)) {
                (_, Ok(truth)) if truth == deciding => Ok(Cel::Bool(deciding)),
                (Err(fault), _) | (_, Err(fault)) => Err(fault),
                _ => Ok(Cel::Bool(!deciding)),
            },
        }
    }

    fn repeat(&self, inner: &Loop) -> Answer<'a> {
        let range = self.eval(&inner.range)?;
        let range = match range {
            Cel::Optional(Some(value)) => (*value).clone(),
            other => other,
        };
        let pairs: Vec<(Cel<'a>, Cel<'a>)> = if range.is_map() {
            range.members()
        } else if range.is_list() {
            range
                .items()
                .into_iter()
                .enumerate()
                .map(|(i, item)| (Cel::Int(i as i64), item))
                .collect()
        } else {
            return fail(format!("a {} has no elements", range.type_name()));
        };
        let (first, second) = &inner.names;
        let step = |key: &Cel<'a>, value: &Cel<'a>, body: &Expr| {
            let bindings = match second {
                Some(second) => vec![(&**first, key.clone()), (&**second, value.clone())],
                // A map is gone through by its keys.
                None if range.is_map() => vec![(&**first, key.clone())],
                None => vec![(&**first, value.clone())],
            };
            self.with(bindings, || self.eval(body))
        };
        let truth = |answer: Answer<'a>| match answer? {
            Cel::Bool(b) => Ok(b),
            other => fail(format!("the condition of a macro gives a {}", other.type_name())),
        };
        let mut fault = None;
        let (mut hits, mut out, mut members) = (0, Vec::new(), Vec::new());
        for (key, value) in &pairs {
            match inner.kind {
                LoopKind::All | LoopKind::Exists => match truth(step(key, value, &inner.body)) {
                    Ok(b) if b == (inner.kind == LoopKind::Exists) => return Ok(Cel::Bool(b)),
                    Ok(_) => {}
                    Err(Fault::Exhausted(e)) => return Err(e.into()),
                    Err(other) => fault = fault.or(Some(other)),
                },
                LoopKind::ExistsOne => hits += usize::from(truth(step(key, value, &inner.body))?),
                LoopKind::Filter => {
                    if truth(step(key, value, &inner.body))? {
                        if range.is_map() {
                            members.push((key.clone(), value.clone()))
                        } else {
                            out.push(value.clone())
                        }
                    }
                }
                LoopKind::Map | LoopKind::TransformMap => {
                    if let Some(condition) = &inner.condition
                        && !truth(step(key, value, condition))?
                    {
                        continue;
                    }
                    let made = step(key, value, &inner.body)?;
                    if inner.kind == LoopKind::Map {
                        out.push(made)
                    } else {
                        members.push((key.clone(), made))
                    }
                }
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        Ok(match inner.kind {
            LoopKind::All => Cel::Bool(true),
            LoopKind::Exists => Cel::Bool(false),
            LoopKind::ExistsOne => Cel::Bool(hits == 1),
            LoopKind::TransformMap => Cel::map(members),
            // Filtering a map gives its keys.
            LoopKind::Filter if range.is_map() => Cel::list(members.into_iter().map(|(key, _)| key).collect()),
            LoopKind::Map | LoopKind::Filter => Cel::list(out),
        })
    }

    fn call(&self, target: Option<&Expr>, name: &str, arguments: &[Expr]) -> Answer<'a> {
        let module = match target {
            Some(Expr::Ident(module)) if self.is_module(module) => Some(&**module),
            _ => None,
        };
        // The alternative of an optional is only looked at when it is needed.
        if module.is_none()
            && let (Some(target), "orValue" | "or", [alternative]) = (target, name, arguments)
        {
            return match self.eval(target)? {
                Cel::Optional(Some(inner)) if name == "orValue" => Ok((*inner).clone()),
                found @ Cel::Optional(Some(_)) => Ok(found),
                Cel::Optional(None) => self.eval(alternative),
                // What is no optional stands for itself.
                other => Ok(other),
            };
        }
        let receiver = match (module, target) {
            (None, Some(target)) => Some(self.eval(target)?),
            _ => None,
        };
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.eval(argument)?);
        }
        let size: usize = receiver.iter().chain(&values).map(Cel::len).sum();
        self.fuel.burn(size as u64 / 16 + 1)?;
        match module {
            Some(module) => library::in_module(self, module, name, &values),
            None => match receiver {
                Some(receiver) => library::method(&receiver, name, &values),
                None => library::global(self, name, &values),
            },
        }
    }
}

fn binary<'a>(operator: Operator, left: &Cel<'a>, right: &Cel<'a>) -> Answer<'a> {
    let overload = || {
        let sign = match operator {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Modulo => "%",
            Operator::In => "in",
            _ => "<",
        };
        fail(format!(
            "no such overload: {} {sign} {}",
            left.type_name(),
            right.type_name()
        ))
    };
    let ordered = |wanted: fn(std::cmp::Ordering) -> bool| match left.order(right) {
        Some(order) => Ok(Cel::Bool(wanted(order))),
        None => overload(),
    };
    match operator {
        Operator::Equal => Ok(Cel::Bool(left.same(right))),
        Operator::NotEqual => Ok(Cel::Bool(!left.same(right))),
        Operator::Less => ordered(std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => ordered(std::cmp::Ordering::is_le),
        Operator::Greater => ordered(std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(std::cmp::Ordering::is_ge),
        Operator::In if right.is_list() => Ok(Cel::Bool(right.items().iter().any(|item| item.same(left)))),
        Operator::In if right.is_map() => Ok(Cel::Bool(right.index(left).is_some())),
        Operator::In => overload(),
        Operator::Add => match (left, right) {
            (Cel::Text(a), Cel::Text(b)) => Ok(Cel::Text(Cow::Owned(format!("{a}{b}")))),
            (Cel::Bytes(a), Cel::Bytes(b)) => Ok(Cel::Bytes([&**a, &**b].concat().into())),
            (Cel::Duration(a), Cel::Duration(b)) => Ok(Cel::Duration(a.saturating_add(*b))),
            (Cel::Time(t), Cel::Duration(d)) | (Cel::Duration(d), Cel::Time(t)) => shift(*t, *d),
            (a, b) if a.is_list() && b.is_list() => Ok(Cel::list(a.items().into_iter().chain(b.items()).collect())),
            _ => arithmetic(operator, left, right).unwrap_or_else(overload),
        },
        Operator::Subtract => match (left, right) {
            (Cel::Duration(a), Cel::Duration(b)) => Ok(Cel::Duration(a.saturating_sub(*b))),
            (Cel::Time(t), Cel::Duration(d)) => shift(*t, d.saturating_neg()),
            (Cel::Time(a), Cel::Time(b)) => {
                let nanos = a.as_nanosecond() - b.as_nanosecond();
                Ok(Cel::Duration(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
            }
            _ => arithmetic(operator, left, right).unwrap_or_else(overload),
        },
        _ => arithmetic(operator, left, right).unwrap_or_else(overload),
    }
}

fn shift<'a>(time: Timestamp, nanos: i64) -> Answer<'a> {
    match time.checked_add(SignedDuration::from_nanos(nanos)) {
        Ok(time) => Ok(Cel::Time(time)),
        Err(_) => fail("the time is out of range"),
    }
}

/// Arithmetic of numbers of one type; `None` when the operands are none.
fn arithmetic<'a>(operator: Operator, left: &Cel<'a>, right: &Cel<'a>) -> Option<Answer<'a>> {
    let by_zero = || fail("division by zero");
    Some(match (left, right) {
        (Cel::Int(a), Cel::Int(b)) => {
            let out = match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                Operator::Divide | Operator::Modulo if *b == 0 => return Some(by_zero()),
                Operator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            out.map(Cel::Int)
                .ok_or_else(|| Fault::Invalid("integer overflow".into()))
        }
        (Cel::Uint(a), Cel::Uint(b)) => {
            let out = match operator {
                Operator::Add => a.checked_add(*b),
                Operator::Subtract => a.checked_sub(*b),
                Operator::Multiply => a.checked_mul(*b),
                Operator::Divide | Operator::Modulo if *b == 0 => return Some(by_zero()),
                Operator::Divide => a.checked_div(*b),
                _ => a.checked_rem(*b),
            };
            out.map(Cel::Uint)
                .ok_or_else(|| Fault::Invalid("integer overflow".into()))
        }
        (Cel::Double(a), Cel::Double(b)) => Ok(Cel::Double(match operator {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            _ => return None,
        })),
        _ => return None,
    })
}
