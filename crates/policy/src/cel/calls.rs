//! Calls of functions: those that are known before their values are, and the rest by their names.

use super::code::{Call, Code, Function};
use super::eval::{Answer, Evaluator, Fault};
use super::{Cel, library};

impl<'a> Evaluator<'_, 'a> {
    /// The value of a call; `or`, `orValue` and `value` are found, not called.
    pub(super) fn call(&mut self, call: &'a Call) -> Answer<'a> {
        match (&call.function, &call.target, &*call.arguments) {
            (Function::Size, Some(of), []) | (Function::Size, None, [of]) => {
                let value = match self.find(of) {
                    Some(node) if node.is_array() || node.is_object() => return Ok(Cel::Int(node.len() as i64)),
                    Some(node) => Cel::of(node),
                    None => match self.side.value() {
                        Some(Cel::List(items)) => return Ok(Cel::Int(items.len() as i64)),
                        _ => self.take()?,
                    },
                };
                self.apply(call, Some(value), &[])
            }
            (Function::StartsWith | Function::EndsWith | Function::Contains, Some(target), [argument]) => {
                let (value, part) = (self.eval(target)?, self.eval(argument)?);
                if let (Some(text), Some(part)) = (value.as_str(), part.as_str()) {
                    self.fuel.burn((text.len() + part.len()) as u64 / 16)?;
                    return Ok(Cel::Bool(found(&call.function, text, part)));
                }
                self.apply(call, Some(value), &[part])
            }
            (_, target, arguments) => {
                let receiver = match target {
                    Some(target) => Some(self.eval(target)?),
                    None => None,
                };
                match arguments {
                    [] => self.apply(call, receiver, &[]),
                    [one] => {
                        let one = [self.eval(one)?];
                        self.apply(call, receiver, &one)
                    }
                    more => {
                        let more = self.all(more)?;
                        self.apply(call, receiver, &more)
                    }
                }
            }
        }
    }

    pub(super) fn all(&mut self, list: &'a [Code]) -> Result<Vec<Cel<'a>>, Fault> {
        list.iter().map(|code| self.eval(code)).collect()
    }

    /// A function over values.
    pub(super) fn apply(&self, call: &Call, receiver: Option<Cel<'a>>, arguments: &[Cel<'a>]) -> Answer<'a> {
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

/// Whether a text opens with, ends with or holds another.
pub(super) fn found(function: &Function, text: &str, part: &str) -> bool {
    match function {
        Function::StartsWith => text.starts_with(part),
        Function::EndsWith => text.ends_with(part),
        _ => text.contains(part),
    }
}
