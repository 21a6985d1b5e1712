//! Evaluation over a scope.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use ridgeway_doc::Node;

use super::ast::Operator;
use super::code::{Call, Code, Function, MessageCode};
use super::message::Message;
use super::select::Maybe;
use super::{Cel, Program, library, operators};
use crate::budget::{Exhausted, Fuel, MAX_REGEX_TEXT};
use crate::name::Name;
use crate::request::Data;

/// Where names are looked up.
pub(crate) trait Scope<'a> {
    /// The value of a root name.
    fn lookup(&self, name: &str) -> Option<Cel<'a>>;

    /// The value of a root name, where it is a node of a document.
    fn node(&self, name: &str) -> Option<Node<'a>> {
        match self.lookup(name) {
            Some(Cel::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// The value of `variables.name`, where it is known already to be a node of a document.
    fn variable_node(&self, name: &str) -> Option<Node<'a>> {
        let _ = name;
        None
    }

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
    slots: Arc<[Code]>,
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
        self.eval(&program.code)
    }

    /// The value of a program that does not see the names bound around it.
    pub(crate) fn run_apart(&self, program: &Program) -> Answer<'a> {
        self.apart(&program.code)
    }

    fn apart(&self, code: &Code) -> Answer<'a> {
        let around = self.locals.take();
        let out = self.eval(code);
        self.locals.replace(around);
        out
    }

    /// The truth of a program; anything but a boolean is a fault.
    pub(crate) fn holds(&self, program: &Program) -> Result<bool, Fault> {
        self.truth(&program.code)
    }

    /// Evaluates with one more bound value.
    fn with(&self, value: Cel<'a>, body: &Code) -> Answer<'a> {
        self.locals.borrow_mut().push(value);
        let out = self.eval(body);
        self.locals.borrow_mut().pop();
        out
    }

    pub(super) fn eval(&self, code: &Code) -> Answer<'a> {
        self.fuel.burn(1)?;
        match code {
            Code::Fixed(value) => Ok(value.clone()),
            Code::Local(at) => match self.locals.borrow().get(*at) {
                Some(value) => Ok(value.clone()),
                None => fail("a variable of a macro is used outside of it"),
            },
            Code::Global(name) => match self.scope.lookup(name) {
                Some(value) => Ok(value),
                None => fail(format!("undeclared reference to '{name}'")),
            },
            Code::Variable(name) => self.variable(name),
            Code::HasVariable(name) => self.has_variable(name),
            Code::Path(_) | Code::Select(_) | Code::Index(_) => self.maybe(code).map(Maybe::boxed),
            Code::Has(_) | Code::Is(..) | Code::OneOf(_) | Code::NameIn(_) | Code::Not(_) | Code::Logic(..) => {
                self.truth(code).map(Cel::Bool)
            }
            Code::Call(call) => self.call(call),
            Code::List(items) => self.list(items),
            Code::Map(members) => self.map(members),
            Code::Message(message) => self.message(message),
            Code::Convert(parts) => {
                let (types, name, argument) = &**parts;
                match self.eval(argument)? {
                    Cel::Int(i) => match i32::try_from(i) {
                        Ok(number) => Ok(Cel::Enum(name.clone(), number)),
                        Err(_) => fail(format!("{i} is out of the range of {name}")),
                    },
                    Cel::Text(text) => match types.number(name, &text) {
                        Some(number) => Ok(Cel::Enum(name.clone(), number)),
                        None => fail(format!("invalid value: {name} has no constant {:?}", &*text)),
                    },
                    other => fail(format!("no such overload: {name}({})", other.type_name())),
                }
            }
            Code::Negate(inner) => operators::negate(&self.eval(inner)?),
            Code::Ternary(parts) => match self.truth(&parts.0)? {
                true => self.eval(&parts.1),
                false => self.eval(&parts.2),
            },
            Code::Binary(operator, sides) => {
                let (left, right) = (self.eval(&sides.0)?, self.eval(&sides.1)?);
                self.pay(&left)?;
                self.pay(&right)?;
                operators::binary(*operator, &left, &right)
            }
            Code::Concat(parts) => self.concat(parts),
            Code::Loop(inner) => self.repeat(inner),
            Code::Optional(parts, flat) => match self.maybe(&parts.0)?.parted() {
                (None, _) => Ok(Cel::Optional(None)),
                (Some(inner), true) => {
                    let value = self.with(inner, &parts.1)?;
                    match (*flat, value) {
                        (true, value @ Cel::Optional(_)) => Ok(value),
                        (true, other) => fail(format!("optFlatMap needs an optional, not a {}", other.type_name())),
                        (false, value) => Ok(Cel::some(value)),
                    }
                }
                (Some(other), false) => fail(format!("optMap is for optionals, not for a {}", other.type_name())),
            },
            Code::Bind(parts) => {
                let value = self.eval(&parts.0)?;
                self.with(value, &parts.1)
            }
            Code::Block(slots, body) => {
                let around = self.block.replace(Some(Block {
                    slots: slots.clone(),
                    values: slots.iter().map(|_| None).collect(),
                }));
                let out = self.eval(body);
                self.block.replace(around);
                out
            }
            Code::Slot(at) => self.slot(*at),
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
        let Some(code) = slots.get(at) else {
            return fail("there is no such value in the block");
        };
        let value = self.apart(code);
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

    fn list(&self, items: &[(Code, bool)]) -> Answer<'a> {
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

    fn map(&self, members: &[(Code, Code, bool)]) -> Answer<'a> {
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

    fn message(&self, code: &MessageCode) -> Answer<'a> {
        let mut values = Vec::with_capacity(code.fields.len());
        for (field, value, optional) in &code.fields {
            match (self.eval(value)?, optional) {
                (Cel::Optional(Some(inner)), true) => values.push((field, (*inner).clone())),
                (Cel::Optional(None), true) => {}
                (other, true) => return fail(format!("`?` needs an optional, not a {}", other.type_name())),
                (value, false) => values.push((field, value)),
            }
        }
        let Some(kind) = &code.kind else {
            // Kubernetes' objects to apply and patches are plain objects.
            if code.name.is_empty() {
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

    /// `variables.name`
    fn variable(&self, name: &Name) -> Answer<'a> {
        if let Some(found) = self.scope.variable(self, &name.text) {
            return found;
        }
        // It may be a value of that name instead.
        match self.scope.lookup("variables").and_then(|value| value.field(&name.text)) {
            Some(found) => Ok(found),
            None => fail(format!(
                "no such key: {} (there is no variable of that name)",
                name.text
            )),
        }
    }

    fn has_variable(&self, name: &Name) -> Answer<'a> {
        if let Some(found) = self.scope.variable(self, &name.text) {
            return found.map(|_| Cel::Bool(true));
        }
        match self.scope.lookup("variables") {
            Some(value) if value.field(&name.text).is_some() => match value.has(&name.text) {
                Some(set) => Ok(Cel::Bool(set)),
                None => fail(format!("no such field: {}", name.text)),
            },
            _ => fail(format!(
                "no such key: {} (there is no variable of that name)",
                name.text
            )),
        }
    }

    /// A sum with a text in it: texts are joined at once.
    fn concat(&self, parts: &[Code]) -> Answer<'a> {
        let mut out = String::with_capacity(64);
        for (i, part) in parts.iter().enumerate() {
            match self.maybe(part)? {
                Maybe::Node(node) if node.as_str().is_some() => out.push_str(node.as_str().unwrap_or_default()),
                Maybe::Plain(Cel::Text(text)) => out.push_str(&text),
                other if i == 0 => return self.sum(other.boxed(), &parts[1..]),
                other => {
                    let sum = operators::binary(Operator::Add, &Cel::text(out), &other.boxed())?;
                    return self.sum(sum, &parts[i + 1..]);
                }
            }
        }
        self.fuel.burn(out.len() as u64 / 16)?;
        Ok(Cel::text(out))
    }

    fn sum(&self, mut sum: Cel<'a>, parts: &[Code]) -> Answer<'a> {
        for part in parts {
            let value = self.eval(part)?;
            self.pay(&sum)?;
            self.pay(&value)?;
            sum = operators::binary(Operator::Add, &sum, &value)?;
        }
        Ok(sum)
    }

    pub(super) fn call(&self, call: &Call) -> Answer<'a> {
        let Some(target) = &call.target else {
            return match &*call.arguments {
                [one] => self.apply(call, None, &[self.eval(one)?]),
                [one, two] => self.apply(call, None, &[self.eval(one)?, self.eval(two)?]),
                _ => self.apply(call, None, &self.all(&call.arguments)?),
            };
        };
        match (&call.function, &*call.arguments) {
            (Function::OrValue, [alternative]) => match self.optional_spot(target) {
                Some(Some(node)) => Ok(Cel::of(node)),
                Some(None) => self.eval(alternative),
                None => match self.maybe(target)?.parted() {
                    (Some(value), _) => Ok(value),
                    (None, _) => self.eval(alternative),
                },
            },
            (Function::Size, []) => match self.maybe(target)? {
                Maybe::Node(node) if node.is_array() || node.is_object() => Ok(Cel::Int(node.len() as i64)),
                Maybe::Plain(Cel::List(items)) => Ok(Cel::Int(items.len() as i64)),
                other => self.apply(call, Some(other.boxed()), &[]),
            },
            (Function::Or, [alternative]) => match self.maybe(target)? {
                Maybe::None => self.eval(alternative),
                found => Ok(found.boxed()),
            },
            (Function::HasValue, []) => match self.maybe(target)?.parted() {
                (None, _) => Ok(Cel::Bool(false)),
                (Some(_), true) => Ok(Cel::Bool(true)),
                (Some(value), false) => self.apply(call, Some(value), &[]),
            },
            (Function::Value, []) => match self.maybe(target)?.parted() {
                (Some(value), true) => Ok(value),
                (None, _) => self.apply(call, Some(Cel::Optional(None)), &[]),
                (Some(value), false) => self.apply(call, Some(value), &[]),
            },
            (Function::Matches(regex), _) => {
                let value = self.eval(target)?;
                match &value {
                    Cel::Text(text) if text.len() <= MAX_REGEX_TEXT => {
                        self.fuel.burn(text.len() as u64 / 16)?;
                        Ok(Cel::Bool(regex.is_match(text)))
                    }
                    _ => {
                        let arguments = self.all(&call.arguments)?;
                        self.apply(call, Some(value), &arguments)
                    }
                }
            }
            (
                function @ (Function::StartsWith | Function::EndsWith | Function::Contains),
                [argument @ Code::Fixed(Cel::Text(part))],
            ) => match self.maybe(target)? {
                Maybe::Node(node) if node.as_str().is_some() => {
                    self.found(function, node.as_str().unwrap_or_default(), part)
                }
                Maybe::Plain(Cel::Text(text)) => self.found(function, &text, part),
                other => self.apply(call, Some(other.boxed()), &[self.eval(argument)?]),
            },
            (_, []) => {
                let receiver = self.eval(target)?;
                self.apply(call, Some(receiver), &[])
            }
            (function, [argument]) => {
                let (receiver, argument) = (self.eval(target)?, self.eval(argument)?);
                if let (Cel::Text(text), Cel::Text(part)) = (&receiver, &argument)
                    && matches!(function, Function::StartsWith | Function::EndsWith | Function::Contains)
                {
                    return self.found(function, text, part);
                }
                self.apply(call, Some(receiver), &[argument])
            }
            (_, arguments) => {
                let receiver = self.eval(target)?;
                let arguments = self.all(arguments)?;
                self.apply(call, Some(receiver), &arguments)
            }
        }
    }

    /// Whether a text opens with, ends with or holds another.
    fn found(&self, function: &Function, text: &str, part: &str) -> Answer<'a> {
        self.fuel.burn((text.len() + part.len()) as u64 / 16)?;
        Ok(Cel::Bool(match function {
            Function::StartsWith => text.starts_with(part),
            Function::EndsWith => text.ends_with(part),
            _ => text.contains(part),
        }))
    }

    fn all(&self, list: &[Code]) -> Result<Vec<Cel<'a>>, Fault> {
        list.iter().map(|code| self.eval(code)).collect()
    }

    /// A function over values.
    fn apply(&self, call: &Call, receiver: Option<Cel<'a>>, arguments: &[Cel<'a>]) -> Answer<'a> {
        if let (Function::Size, Some(Cel::Node(node))) = (&call.function, receiver.as_ref().or(arguments.first())) {
            return Ok(Cel::Int(node.len() as i64));
        }
        if !call.cheap {
            receiver.iter().chain(arguments).try_for_each(|value| self.pay(value))?;
        }
        match (receiver, call.module) {
            (Some(receiver), _) => library::method(self, &receiver, &call.name, arguments),
            (None, Some(at)) => library::in_module(self, &call.name[..at], &call.name[at + 1..], arguments),
            (None, None) => library::global(self, &call.name, arguments),
        }
    }
}
