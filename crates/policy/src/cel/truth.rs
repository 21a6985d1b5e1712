//! What gives a boolean, without a value being made of it.

use ridgeway_doc::Node;

use super::ast::Operator;
use super::code::{Code, Function};
use super::eval::{Evaluator, Fault, fail};
use super::select::Maybe;
use super::{Cel, operators};
use crate::name::Name;

impl<'a> Evaluator<'_, 'a> {
    /// The truth of code that is to give a boolean.
    pub(super) fn truth(&self, code: &Code) -> Result<bool, Fault> {
        self.fuel.burn(1)?;
        match code {
            Code::Fixed(Cel::Bool(b)) => Ok(*b),
            Code::Logic(sides, deciding) => self.logic(&sides.0, &sides.1, *deciding),
            Code::Not(inner) => self.truth(inner).map(|truth| !truth),
            Code::Has(parts) => self.has(&parts.0, &parts.1),
            Code::Is(parts, wanted) => {
                let (code, fixed) = &**parts;
                Ok(self.is(code, fixed)? == *wanted)
            }
            Code::OneOf(parts) => {
                let (code, list) = &**parts;
                self.fuel.burn(list.len() as u64 / 4)?;
                let node = match self.spot(code) {
                    Some(node) => Maybe::Node(node),
                    None => self.maybe(code)?,
                };
                match node {
                    Maybe::Node(node) if node.as_str().is_some() => {
                        let text = node.as_str();
                        Ok(list.iter().any(|item| item.as_str() == text))
                    }
                    value => {
                        let value = value.boxed();
                        self.pay(&value)?;
                        Ok(list.iter().any(|item| item.same(&value)))
                    }
                }
            }
            Code::NameIn(parts) => {
                let (name, range) = &**parts;
                if let Some(node) = self.spot(range)
                    && node.is_object()
                {
                    return Ok(node.member(name.key()).is_some());
                }
                match self.maybe(range)? {
                    Maybe::Node(node) if node.is_object() => Ok(node.member(name.key()).is_some()),
                    Maybe::Node(node) if node.is_array() => {
                        self.fuel.burn(node.len() as u64)?;
                        Ok(node.items().any(|item| item.as_str() == Some(&name.text)))
                    }
                    range => {
                        let range = range.boxed();
                        self.pay(&range)?;
                        let found = operators::binary(Operator::In, &Cel::text(name.text.clone()), &range)?;
                        Ok(matches!(found, Cel::Bool(true)))
                    }
                }
            }
            Code::Ternary(parts) => match self.truth(&parts.0)? {
                true => self.truth(&parts.1),
                false => self.truth(&parts.2),
            },
            other => match self.eval(other)? {
                Cel::Bool(b) => Ok(b),
                other => fail(format!("no such overload: a {} in a condition", other.type_name())),
            },
        }
    }

    /// Whether a value is a constant.
    pub(super) fn is(&self, code: &Code, fixed: &Cel<'static>) -> Result<bool, Fault> {
        let equal = |node: Node<'a>| match fixed {
            Cel::Text(text) => node.as_str() == Some(&**text),
            Cel::Bool(b) => node.as_bool() == Some(*b),
            other => Cel::of(node).same(other),
        };
        if let Some(node) = self.spot(code) {
            return Ok(equal(node));
        }
        if let Code::Call(call) = code
            && let (Function::OrValue, Some(target), [Code::Fixed(alternative)]) =
                (&call.function, &call.target, &*call.arguments)
            && let Some(found) = self.optional_spot(target)
        {
            return Ok(found.map_or_else(|| alternative.same(fixed), equal));
        }
        Ok(match self.maybe(code)? {
            Maybe::Node(node) => equal(node),
            value => value.boxed().same(fixed),
        })
    }

    pub(super) fn has(&self, operand: &Code, field: &Name) -> Result<bool, Fault> {
        if let Some(node) = self.spot(operand)
            && node.is_object()
        {
            return Ok(node.member(field.key()).is_some_and(|value| !value.is_null()));
        }
        let value = match self.maybe(operand)? {
            Maybe::None => return Ok(false),
            Maybe::Node(node) | Maybe::SomeNode(node) if node.is_object() => {
                return Ok(node.member(field.key()).is_some_and(|value| !value.is_null()));
            }
            Maybe::Node(node) | Maybe::SomeNode(node) => Cel::of(node),
            Maybe::Plain(value) | Maybe::Some(value) => value,
        };
        match value.has(&field.text) {
            Some(set) => Ok(set),
            None if value.is_scalar() => Ok(false),
            None => fail(format!("no such field: {} (in a {})", field.text, value.type_name())),
        }
    }

    /// `&&` and `||`: one side that decides makes the other side's fault no fault.
    pub(super) fn logic(&self, left: &Code, right: &Code, deciding: bool) -> Result<bool, Fault> {
        match self.truth(left) {
            Ok(b) if b == deciding => Ok(deciding),
            Err(Fault::Exhausted(e)) => Err(e.into()),
            Ok(_) => self.truth(right),
            Err(fault) => match self.truth(right) {
                Ok(b) if b == deciding => Ok(deciding),
                Err(Fault::Exhausted(e)) => Err(e.into()),
                _ => Err(fault),
            },
        }
    }
}
