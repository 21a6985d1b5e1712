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
    pub(super) fn truth(&mut self, code: &'a Code) -> Result<bool, Fault> {
        self.fuel.burn(1)?;
        match code {
            Code::Fixed(Cel::Bool(b)) => Ok(*b),
            Code::Logic(sides, deciding) => self.logic(&sides.0, &sides.1, *deciding),
            Code::Not(inner) => self.truth(inner).map(|truth| !truth),
            Code::Has(parts) => self.has(&parts.0, &parts.1),
            Code::Is(parts, wanted) => Ok(self.is(&parts.0, &parts.1)? == *wanted),
            Code::OneOf(parts) => self.one_of(&parts.0, &parts.1),
            Code::NameIn(parts) => self.name_in(&parts.0, &parts.1),
            Code::Loop(inner) if inner.kind.decides() => self.quantified(inner),
            Code::Ternary(parts) => match self.truth(&parts.0)? {
                true => self.truth(&parts.1),
                false => self.truth(&parts.2),
            },
            Code::Binary(operator @ (Operator::Equal | Operator::NotEqual), sides) => {
                Ok(self.alike(&sides.0, &sides.1)? == (*operator == Operator::Equal))
            }
            Code::Binary(operator, sides) if operator.orders() => self.ordered(*operator, &sides.0, &sides.1),
            Code::Call(call) => match (&call.function, &call.target, &*call.arguments) {
                (
                    function @ (Function::StartsWith | Function::EndsWith | Function::Contains),
                    Some(target),
                    [Code::Fixed(Cel::Text(part))],
                ) if let Some(text) = self.spot(target).and_then(Node::as_str) => self.found(function, text, part),
                _ => self.call(call).map(Maybe::boxed).and_then(boolean),
            },
            other => match self.maybe(other)? {
                Maybe::Node(node) => match node.as_bool() {
                    Some(b) => Ok(b),
                    None => boolean(Cel::of(node)),
                },
                Maybe::Plain(Cel::Bool(b)) => Ok(b),
                other => boolean(other.boxed()),
            },
        }
    }

    fn one_of(&mut self, code: &'a Code, list: &[Cel<'static>]) -> Result<bool, Fault> {
        self.fuel.burn(list.len() as u64 / 4)?;
        if let Some(text) = self.spot(code).and_then(Node::as_str) {
            return Ok(list.iter().any(|item| item.as_str() == Some(text)));
        }
        Ok(match self.maybe(code)? {
            Maybe::Plain(Cel::Text(text)) => list.iter().any(|item| item.as_str() == Some(&*text)),
            value => {
                let value = value.boxed();
                self.pay(&value)?;
                list.iter().any(|item| item.same(&value))
            }
        })
    }

    fn name_in(&mut self, name: &'a Name, range: &'a Code) -> Result<bool, Fault> {
        if let Some(node) = self.spot(range).filter(|node| node.is_object()) {
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
                operators::binary(Operator::In, &Cel::str(&name.text), &range).and_then(boolean)
            }
        }
    }

    /// Whether a value is a constant.
    fn is(&mut self, code: &'a Code, fixed: &Cel<'static>) -> Result<bool, Fault> {
        let equal = |node: Node<'a>| match fixed {
            Cel::Text(text) => node.as_str() == Some(&**text),
            Cel::Bool(b) => node.as_bool() == Some(*b),
            Cel::Null => node.is_null(),
            fixed => Cel::of(node).same(fixed),
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

    /// Whether two values are one.
    fn alike(&mut self, left: &'a Code, right: &'a Code) -> Result<bool, Fault> {
        if let (Some(left), Some(right)) = (self.spot(left), self.spot(right))
            && let (Some(left), Some(right)) = (left.as_str(), right.as_str())
        {
            return self.same_text(left, right);
        }
        let (left, right) = (self.maybe(left)?, self.maybe(right)?);
        if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
            return self.same_text(left, right);
        }
        let (left, right) = (left.boxed(), right.boxed());
        self.pay(&left)?;
        self.pay(&right)?;
        Ok(left.same(&right))
    }

    fn same_text(&self, left: &str, right: &str) -> Result<bool, Fault> {
        self.fuel.burn((left.len() + right.len()) as u64 / 16)?;
        Ok(left == right)
    }

    /// `<` and its like.
    fn ordered(&mut self, operator: Operator, left: &'a Code, right: &'a Code) -> Result<bool, Fault> {
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        if let (Cel::Int(left), Cel::Int(right)) = (&left, &right) {
            return Ok(operator.holds(left.cmp(right)));
        }
        self.pay(&left)?;
        self.pay(&right)?;
        operators::binary(operator, &left, &right).and_then(boolean)
    }

    fn has(&mut self, operand: &'a Code, field: &'a Name) -> Result<bool, Fault> {
        let set = |node: Node<'a>| node.member(field.key()).is_some_and(|value| !value.is_null());
        if let Some(node) = self.spot(operand).filter(|node| node.is_object()) {
            return Ok(set(node));
        }
        if let Code::Global(name) = operand
            && self.scope.part(name, field).is_some()
        {
            return Ok(true);
        }
        let value = match self.maybe(operand)? {
            Maybe::None => return Ok(false),
            Maybe::Node(node) | Maybe::SomeNode(node) if node.is_object() => return Ok(set(node)),
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
    fn logic(&mut self, left: &'a Code, right: &'a Code, deciding: bool) -> Result<bool, Fault> {
        match self.truth(left) {
            Ok(b) if b == deciding => Ok(deciding),
            Ok(_) => self.truth(right),
            Err(Fault::Exhausted(e)) => Err(e.into()),
            Err(fault) => match self.truth(right) {
                Ok(b) if b == deciding => Ok(deciding),
                Err(Fault::Exhausted(e)) => Err(e.into()),
                _ => Err(fault),
            },
        }
    }
}

/// The boolean of a value.
fn boolean(value: Cel<'_>) -> Result<bool, Fault> {
    match value {
        Cel::Bool(b) => Ok(b),
        other => fail(format!("no such overload: a {} in a condition", other.type_name())),
    }
}
