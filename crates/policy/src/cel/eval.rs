//! Evaluation over a scope.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;

use super::ast::{Expr, Literal, MessageKind, Operator};
use super::message::Message;
use super::text::Text;
use super::{Cel, Program, library, operators};
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

/// The values of a block: what is still to be computed is `None`.
struct Block<'a> {
    slots: Arc<[Expr]>,
    values: Vec<Option<Answer<'a>>>,
}

/// Evaluates programs within one scope and one budget.
pub(crate) struct Evaluator<'e, 'a> {
    pub(super) scope: &'e dyn Scope<'a>,
    pub(super) fuel: &'e Fuel,
    pub(super) now: Option<Timestamp>,
    pub(super) data: &'a dyn Data,
    /// What macros have bound, by slot.
    pub(super) locals: RefCell<Vec<Cel<'a>>>,
    block: RefCell<Option<Block<'a>>>,
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
            block: RefCell::default(),
        }
    }

    /// The value of a program.
    pub(crate) fn run(&self, program: &Program) -> Answer<'a> {
        self.eval(&program.ast)
    }

    /// The value of a program that does not see the names bound around it.
    pub(crate) fn run_apart(&self, program: &Program) -> Answer<'a> {
        self.apart(&program.ast)
    }

    fn apart(&self, expr: &Expr) -> Answer<'a> {
        let around = self.locals.take();
        let out = self.eval(expr);
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

    /// Evaluates with one more bound value.
    fn with(&self, value: Cel<'a>, body: &Expr) -> Answer<'a> {
        self.locals.borrow_mut().push(value);
        let out = self.eval(body);
        self.locals.borrow_mut().pop();
        out
    }

    pub(super) fn eval(&self, expr: &Expr) -> Answer<'a> {
        self.fuel.burn(1)?;
        match expr {
            Expr::Literal(literal) => Ok(constant(literal)),
            Expr::Local(at) => match self.locals.borrow().get(*at) {
                Some(value) => Ok(value.clone()),
                None => fail("a variable of a macro is used outside of it"),
            },
            Expr::Global(name) | Expr::Ident { name, .. } => match self.scope.lookup(name) {
                Some(value) => Ok(value),
                None => fail(format!("undeclared reference to '{name}'")),
            },
            Expr::Type(name) => Ok(Cel::Type(name.clone())),
            Expr::Constant(kind, number) => Ok(Cel::Enum(kind.clone(), *number)),
            Expr::Select {
                operand,
                field,
                optional,
            } => self.select(operand, field, *optional),
            Expr::Has { operand, field } => self.has(operand, field),
            Expr::Index {
                operand,
                index,
                optional,
            } => self.index(operand, index, *optional),
            Expr::Call {
                target,
                name,
                arguments,
            } => self.call(target.as_deref(), name, arguments),
            Expr::List(items) => self.list(items),
            Expr::Map(members) => self.map(members),
            Expr::Message { name, fields, kind, .. } => self.message(name, fields, kind.as_ref()),
            Expr::Convert { types, name, argument } => match self.eval(argument)? {
                Cel::Int(i) => match i32::try_from(i) {
                    Ok(number) => Ok(Cel::Enum(name.clone(), number)),
                    Err(_) => fail(format!("{i} is out of the range of {name}")),
                },
                Cel::Text(text) => match types.number(name, &text) {
                    Some(number) => Ok(Cel::Enum(name.clone(), number)),
                    None => fail(format!("invalid value: {name} has no constant {:?}", &*text)),
                },
                other => fail(format!("no such overload: {name}({})", other.type_name())),
            },
            Expr::Not(inner) => match self.eval(inner)? {
                Cel::Bool(b) => Ok(Cel::Bool(!b)),
                other => fail(format!("no such overload: !{}", other.type_name())),
            },
            Expr::Negate(inner) => operators::negate(&self.eval(inner)?),
            Expr::And(left, right) => self.logic(left, right, false),
            Expr::Or(left, right) => self.logic(left, right, true),
            Expr::Ternary(condition, yes, no) => match self.eval(condition)? {
                Cel::Bool(true) => self.eval(yes),
                Cel::Bool(false) => self.eval(no),
                other => fail(format!("no such overload: {} ? :", other.type_name())),
            },
            Expr::Binary(Operator::In, left, right) if literals(right).is_some() => {
                let left = self.eval(left)?;
                let items = literals(right).unwrap_or_default();
                self.fuel.burn(items.len() as u64 / 4)?;
                self.pay(&left)?;
                Ok(Cel::Bool(items.iter().any(|(item, _)| is_literal(&left, item))))
            }
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.pay(&left)?;
                self.pay(&right)?;
                operators::binary(*operator, &left, &right)
            }
            Expr::Loop(inner) => self.repeat(inner),
            Expr::Optional {
                operand, body, flat, ..
            } => match self.eval(operand)? {
                Cel::Optional(None) => Ok(Cel::Optional(None)),
                Cel::Optional(Some(inner)) => {
                    let value = self.with((*inner).clone(), body)?;
                    match (*flat, value) {
                        (true, value @ Cel::Optional(_)) => Ok(value),
                        (true, other) => fail(format!("optFlatMap needs an optional, not a {}", other.type_name())),
                        (false, value) => Ok(Cel::some(value)),
                    }
                }
                other => fail(format!("optMap is for optionals, not for a {}", other.type_name())),
            },
            Expr::Bind { value, body, .. } => {
                let value = self.eval(value)?;
                self.with(value, body)
            }
            Expr::Block { slots, body } => {
                let around = self.block.replace(Some(Block {
                    slots: slots.clone(),
                    values: slots.iter().map(|_| None).collect(),
                }));
                let out = self.eval(body);
                self.block.replace(around);
                out
            }
            Expr::Slot(at) => self.slot(*at),
        }
    }

    /// Takes the price of handling a value; containers cost what they hold, however deep.
    pub(super) fn pay(&self, value: &Cel<'a>) -> Result<(), Fault> {
        match value {
            Cel::List(_) | Cel::Map(_) => {
                self.fuel.burn(value.weight())?;
                match value {
                    Cel::List(items) => items.iter().try_for_each(|item| self.pay(item)),
                    Cel::Map(members) => members.iter().try_for_each(|(_, member)| self.pay(member)),
                    _ => Ok(()),
                }
            }
            Cel::Node(node) => Ok(self.fuel.burn(node.len() as u64)?),
            Cel::Text(_) | Cel::Bytes(_) => Ok(self.fuel.burn(value.weight() / 16)?),
            _ => Ok(()),
        }
    }

    fn slot(&self, at: usize) -> Answer<'a> {
        let slots = match &*self.block.borrow() {
            Some(block) => match block.values.get(at) {
                Some(Some(known)) => return known.clone(),
                _ => block.slots.clone(),
            },
            None => return fail("a value of a block is used outside of it"),
        };
        let Some(expr) = slots.get(at) else {
            return fail("there is no such value in the block");
        };
        let value = self.apart(expr);
        if let Some(place) = self
            .block
            .borrow_mut()
            .as_mut()
            .and_then(|block| block.values.get_mut(at))
        {
            *place = Some(value.clone());
        }
        value
    }

    fn has(&self, operand: &Expr, field: &str) -> Answer<'a> {
        if let Some(found) = self.variable(operand, field) {
            return found.map(|_| Cel::Bool(true));
        }
        let value = self.eval(operand)?;
        let inner = match &value {
            Cel::Optional(None) => return Ok(Cel::Bool(false)),
            Cel::Optional(Some(inner)) => inner,
            other => other,
        };
        match inner.has(field) {
            Some(set) => Ok(Cel::Bool(set)),
            None => fail(format!("no such field: {field} (in a {})", inner.type_name())),
        }
    }

    fn index(&self, operand: &Expr, index: &Expr, optional: bool) -> Answer<'a> {
        let (value, index) = (self.eval(operand)?, self.eval(index)?);
        let chained = matches!(value, Cel::Optional(_));
        let inner = match &value {
            Cel::Optional(None) => return Ok(Cel::Optional(None)),
            Cel::Optional(Some(inner)) => inner,
            other => other,
        };
        if inner.is_map() && !matches!(index, Cel::Text(_) | Cel::Bool(_)) && !index.is_number() {
            return fail(format!("unsupported key type: {}", index.type_name()));
        }
        if !inner.is_map() && !inner.is_list() {
            return fail(format!(
                "no such overload: {}[{}]",
                inner.type_name(),
                index.type_name()
            ));
        }
        match inner.index(&index) {
            Some(found) if optional || chained => Ok(Cel::some(found)),
            Some(found) => Ok(found),
            None if optional || chained => Ok(Cel::Optional(None)),
            None if inner.is_list() => fail(format!(
                "index out of range: {} of {} items",
                index.print().unwrap_or_default(),
                inner.len()
            )),
            None => fail(format!("no such key: {}", index.print().unwrap_or_default())),
        }
    }

    fn list(&self, items: &[(Expr, bool)]) -> Answer<'a> {
        let mut out = Vec::with_capacity(items.len());
        for (item, optional) in items {
            match (self.eval(item)?, optional) {
                (Cel::Optional(inner), true) => out.extend(inner.map(|inner| (*inner).clone())),
                (other, true) => return fail(format!("`?` needs an optional, not a {}", other.type_name())),
                (value, false) => out.push(value),
            }
        }
        Ok(Cel::list(out))
    }

    fn map(&self, members: &[(Expr, Expr, bool)]) -> Answer<'a> {
        let mut out: Vec<(Cel<'a>, Cel<'a>)> = Vec::with_capacity(members.len());
        for (key, value, optional) in members {
            let key = self.eval(key)?;
            if !matches!(key, Cel::Text(_) | Cel::Bool(_) | Cel::Int(_) | Cel::Uint(_)) {
                return fail(format!("unsupported key type: {}", key.type_name()));
            }
            let value = match (self.eval(value)?, optional) {
                (Cel::Optional(Some(inner)), true) => (*inner).clone(),
                (Cel::Optional(None), true) => continue,
                (other, true) => return fail(format!("`?` needs an optional, not a {}", other.type_name())),
                (value, false) => value,
            };
            self.fuel.burn(out.len() as u64 / 8)?;
            if out.iter().any(|(known, _)| known.same(&key)) {
                return fail(format!("repeated key: {}", key.print().unwrap_or_default()));
            }
            out.push((key, value));
        }
        Ok(Cel::map(out))
    }

    fn message(&self, name: &str, fields: &[(Arc<str>, Expr, bool)], kind: Option<&MessageKind>) -> Answer<'a> {
        let mut values = Vec::with_capacity(fields.len());
        for (field, value, optional) in fields {
            match (self.eval(value)?, optional) {
                (Cel::Optional(Some(inner)), true) => values.push((field, (*inner).clone())),
                (Cel::Optional(None), true) => {}
                (other, true) => return fail(format!("`?` needs an optional, not a {}", other.type_name())),
                (value, false) => values.push((field, value)),
            }
        }
        let Some(kind) = kind else {
            // Kubernetes' objects to apply and patches are plain objects.
            if name.is_empty() {
                return fail("a message needs a type");
            }
            let member = |(field, value): (&Arc<str>, Cel<'a>)| (Cel::text(field.clone()), value);
            return Ok(Cel::map(values.into_iter().map(member).collect()));
        };
        let mut message = Message::new(&kind.types, &kind.descriptor, kind.strong_enums);
        for (field, value) in values {
            message.set(field, value)?;
        }
        message.finish()
    }

    /// `variables.name`, when the operand is that map.
    fn variable(&self, operand: &Expr, field: &str) -> Option<Answer<'a>> {
        let Expr::Global(name) = operand else { return None };
        if &**name != "variables" {
            return None;
        }
        match self.scope.variable(self, field) {
            Some(found) => Some(found),
            // It may be a value of that name instead.
            None if self
                .scope
                .lookup(name)
                .is_some_and(|value| value.field(field).is_some()) =>
            {
                None
            }
            None => Some(fail(format!(
                "no such key: {field} (there is no variable of that name)"
            ))),
        }
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
        let optional = optional || chained;
        if let Cel::Message(message) = inner
            && optional
        {
            return match message.has(field) {
                Some(true) => Ok(message.get(field).map_or(Cel::Optional(None), Cel::some)),
                Some(false) => Ok(Cel::Optional(None)),
                None => fail(format!("no such field: {field}")),
            };
        }
        match inner.field(field) {
            // In a document `null` is as good as nothing.
            Some(Cel::Null) if optional && matches!(inner, Cel::Node(_)) => Ok(Cel::Optional(None)),
            Some(found) if optional => Ok(Cel::some(found)),
            Some(found) => Ok(found),
            None if inner.is_map() && optional => Ok(Cel::Optional(None)),
            None if inner.is_map() => fail(format!("no such key: {field}")),
            None => fail(format!("no such field: {field} (in a {})", inner.type_name())),
        }
    }

    /// `&&` and `||`: one side that decides makes the other side's fault no fault.
    fn logic(&self, left: &Expr, right: &Expr, deciding: bool) -> Answer<'a> {
        let side = |expr: &Expr| match self.eval(expr)? {
            Cel::Bool(b) => Ok(b),
            other => fail(format!("no such overload: a {} in a condition", other.type_name())),
        };
        match side(left) {
            Ok(b) if b == deciding => Ok(Cel::Bool(deciding)),
            Err(Fault::Exhausted(e)) => Err(e.into()),
            Ok(_) => side(right).map(Cel::Bool),
            Err(fault) => match side(right) {
                Ok(b) if b == deciding => Ok(Cel::Bool(deciding)),
                Err(Fault::Exhausted(e)) => Err(e.into()),
                _ => Err(fault),
            },
        }
    }

    fn call(&self, target: Option<&Expr>, name: &str, arguments: &[Expr]) -> Answer<'a> {
        // The alternative of an optional is only looked at when it is needed.
        if let (Some(target), "orValue" | "or", [alternative]) = (target, name, arguments) {
            return match self.eval(target)? {
                Cel::Optional(Some(inner)) if name == "orValue" => Ok((*inner).clone()),
                found @ Cel::Optional(Some(_)) => Ok(found),
                Cel::Optional(None) => self.eval(alternative),
                // What is no optional stands for itself.
                other => Ok(other),
            };
        }
        let receiver = target.map(|target| self.eval(target)).transpose()?;
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.eval(argument)?);
        }
        if !matches!(name, "size" | "hasValue" | "value" | "first" | "last" | "type" | "dyn") {
            receiver.iter().chain(&values).try_for_each(|value| self.pay(value))?;
        }
        match (receiver, name.split_once('.')) {
            (Some(receiver), _) => library::method(self, &receiver, name, &values),
            (None, Some((module, function))) => library::in_module(self, module, function, &values),
            (None, None) => library::global(self, name, &values),
        }
    }
}

/// The items of a list that holds nothing but literals: it needs not be built to look into it.
fn literals(expr: &Expr) -> Option<&[(Expr, bool)]> {
    match expr {
        Expr::List(items) => {
            let plain = |(item, optional): &(Expr, bool)| matches!(item, Expr::Literal(_)) && !optional;
            items.iter().all(plain).then_some(items)
        }
        _ => None,
    }
}

fn is_literal(value: &Cel<'_>, item: &Expr) -> bool {
    match (value, item) {
        (Cel::Text(a), Expr::Literal(Literal::Text(b))) => **a == **b,
        (Cel::Text(_), _) => false,
        (value, Expr::Literal(literal)) => value.same(&constant(literal)),
        _ => false,
    }
}

fn constant<'a>(literal: &Literal) -> Cel<'a> {
    match literal {
        Literal::Null => Cel::Null,
        Literal::Bool(b) => Cel::Bool(*b),
        Literal::Int(i) => Cel::Int(*i),
        Literal::Uint(u) => Cel::Uint(*u),
        Literal::Double(d) => Cel::Double(*d),
        Literal::Text(text) => Cel::Text(Text::Shared(text.clone())),
        Literal::Bytes(bytes) => Cel::Bytes((&**bytes).into()),
    }
}
