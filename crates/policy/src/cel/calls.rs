//! Calls of functions: those that are known before their values are, and the rest by their names.

use super::code::{Call, Code, Function};
use super::eval::{Answer, Evaluator, Fault};
use super::select::Maybe;
use super::{Cel, library};
use crate::budget::MAX_REGEX_TEXT;

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn call(&mut self, call: &'a Call) -> Result<Maybe<'a>, Fault> {
        match (&call.function, &call.target, &*call.arguments) {
            (Function::Size, Some(of), []) | (Function::Size, None, [of])
                if let Some(node) = self.spot(of).filter(|node| node.is_array() || node.is_object()) =>
            {
                plain(Cel::Int(node.len() as i64))
            }
            (Function::Size, Some(of), []) | (Function::Size, None, [of]) => match self.maybe(of)? {
                Maybe::Node(node) if node.is_array() || node.is_object() => plain(Cel::Int(node.len() as i64)),
                Maybe::Plain(Cel::List(items)) => plain(Cel::Int(items.len() as i64)),
                other => self.apply(call, Some(other.boxed()), &[]).map(Maybe::of),
            },
            // The alternative of an optional is only looked at when it is needed.
            (Function::OrValue, Some(target), [alternative]) => match self.optional_spot(target) {
                Some(Some(node)) => Ok(Maybe::Node(node)),
                Some(None) => self.maybe(alternative),
                None => match self.maybe(target)? {
                    // What is no optional stands for itself.
                    Maybe::Node(node) | Maybe::SomeNode(node) => Ok(Maybe::Node(node)),
                    Maybe::Plain(value) | Maybe::Some(value) => Ok(Maybe::of(value)),
                    Maybe::None => self.maybe(alternative),
                },
            },
            (Function::Or, Some(target), [alternative]) => match self.maybe(target)? {
                Maybe::None => self.maybe(alternative),
                found => Ok(found),
            },
            (Function::HasValue, Some(target), []) => match self.maybe(target)?.parted() {
                (None, _) => plain(Cel::Bool(false)),
                (Some(_), true) => plain(Cel::Bool(true)),
                (Some(value), false) => self.apply(call, Some(value), &[]).map(Maybe::of),
            },
            (Function::Value, Some(target), []) => match self.maybe(target)? {
                Maybe::SomeNode(node) => Ok(Maybe::Node(node)),
                Maybe::Some(value) => Ok(Maybe::of(value)),
                other => self.apply(call, Some(other.boxed()), &[]).map(Maybe::of),
            },
            (Function::Matches(regex), Some(target), arguments) => match self.maybe(target)? {
                value if value.as_str().is_some_and(|text| text.len() <= MAX_REGEX_TEXT) => {
                    let text = value.as_str().unwrap_or_default();
                    self.fuel.burn(text.len() as u64 / 16)?;
                    plain(Cel::Bool(regex.is_match(text)))
                }
                other => {
                    let arguments = self.all(arguments)?;
                    self.apply(call, Some(other.boxed()), &arguments).map(Maybe::of)
                }
            },
            (function @ (Function::StartsWith | Function::EndsWith | Function::Contains), Some(target), [argument]) => {
                let (value, part) = (self.maybe(target)?, self.maybe(argument)?);
                if let (Some(text), Some(part)) = (value.as_str(), part.as_str()) {
                    return plain(Cel::Bool(self.found(function, text, part)?));
                }
                self.apply(call, Some(value.boxed()), &[part.boxed()]).map(Maybe::of)
            }
            (_, target, arguments) => {
                let receiver = match target {
                    Some(target) => Some(self.eval(target)?),
                    None => None,
                };
                let made = match arguments {
                    [] => self.apply(call, receiver, &[]),
                    [one] => {
                        let one = [self.eval(one)?];
                        self.apply(call, receiver, &one)
                    }
                    more => {
                        let more = self.all(more)?;
                        self.apply(call, receiver, &more)
                    }
                };
                made.map(Maybe::of)
            }
        }
    }

    /// Whether a text opens with, ends with or holds another.
    pub(super) fn found(&self, function: &Function, text: &str, part: &str) -> Result<bool, Fault> {
        self.fuel.burn((text.len() + part.len()) as u64 / 16)?;
        Ok(match function {
            Function::StartsWith => text.starts_with(part),
            Function::EndsWith => text.ends_with(part),
            _ => text.contains(part),
        })
    }

    fn all(&mut self, list: &'a [Code]) -> Result<Vec<Cel<'a>>, Fault> {
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

#[inline]
fn plain<'a>(value: Cel<'a>) -> Result<Maybe<'a>, Fault> {
    Ok(Maybe::Plain(value))
}
