//! What gives a boolean, without a value being made of it.

use regex::Regex;
use ridgeway_doc::{Node, Number};

use super::ast::Operator;
use super::calls::found;
use super::code::{Call, Code, Function, Root, Variable};
use super::eval::{Evaluator, Fault};
use super::select::{Maybe, Side, gives_optional};
use super::{Cel, operators};
use crate::budget::MAX_REGEX_TEXT;
use crate::name::Name;

impl<'a> Evaluator<'_, 'a> {
    /// The truth of code that is to give a boolean.
    pub(super) fn truth(&mut self, code: &'a Code) -> Result<bool, Fault> {
        match self.told(code) {
            Some(truth) => Ok(truth),
            None => Err(self.fault()),
        }
    }

    /// The same in a register; where there is none, `side` holds the fault.
    pub(super) fn told(&mut self, code: &'a Code) -> Option<bool> {
        self.step(1)?;
        // Nothing but calls at their ends: no frame is needed here.
        match code {
            Code::Logic(sides, deciding) => self.logic(&sides.0, &sides.1, *deciding),
            Code::Not(inner) => self.not(inner),
            Code::Has(parts) => self.has(&parts.0, &parts.1),
            Code::Is(parts, wanted) => self.is(&parts.0, &parts.1, *wanted),
            Code::Variable(variable) => self.variable_holds(code, variable),
            Code::Loop(inner) if inner.kind.decides() => self.quantified(inner),
            Code::Call(call) => self.asked(code, call),
            Code::OneOf(parts) => self.one_of(&parts.0, &parts.1),
            Code::Binary(operator, sides) if operator.orders() => self.ordered(*operator, &sides.0, &sides.1),
            other => self.told_rarely(other),
        }
    }

    #[inline(never)]
    fn not(&mut self, inner: &'a Code) -> Option<bool> {
        self.told(inner).map(|truth| !truth)
    }

    #[inline(never)]
    fn variable_holds(&mut self, code: &'a Code, variable: &Variable) -> Option<bool> {
        match self.known(variable) {
            Some(Cel::Bool(b)) => Some(*b),
            _ => self.found_truth(code),
        }
    }

    #[inline(never)]
    fn told_rarely(&mut self, code: &'a Code) -> Option<bool> {
        match code {
            Code::Fixed(Cel::Bool(b)) => Some(*b),
            Code::NameIn(parts) => self.name_in(&parts.0, &parts.1),
            Code::Ternary(parts) => match self.told(&parts.0)? {
                true => self.told(&parts.1),
                false => self.told(&parts.2),
            },
            Code::Binary(operator @ (Operator::Equal | Operator::NotEqual), sides) => {
                Some(self.alike(&sides.0, &sides.1)? == (*operator == Operator::Equal))
            }
            Code::Binary(Operator::In, sides) => {
                let left = self.value(&sides.0)?;
                let right = self.value(&sides.1)?;
                self.compared(Operator::In, &left, &right)
            }
            other => self.found_truth(other),
        }
    }

    /// Takes steps.
    #[inline]
    pub(super) fn step(&mut self, steps: u64) -> Option<()> {
        match self.fuel.burn(steps) {
            Ok(()) => Some(()),
            Err(exhausted) => self.no_truth(exhausted.into()),
        }
    }

    /// Puts a fault where it is looked for.
    #[cold]
    pub(super) fn no_truth<T>(&mut self, fault: Fault) -> Option<T> {
        self.side = Side::Fault(fault);
        None
    }

    /// The fault that `side` holds.
    #[cold]
    pub(super) fn fault(&mut self) -> Fault {
        match std::mem::replace(&mut self.side, Side::Absent) {
            Side::Fault(fault) => fault,
            _ => Fault::invalid("there is no value"),
        }
    }

    fn kept<T>(&mut self, made: Result<T, Fault>) -> Option<T> {
        match made {
            Ok(value) => Some(value),
            Err(fault) => self.no_truth(fault),
        }
    }

    /// The value of code, or `side` holds the fault.
    fn value(&mut self, code: &'a Code) -> Option<Cel<'a>> {
        let made = self.eval(code);
        self.kept(made)
    }

    /// What `side` holds, where that is no fault.
    fn other(&mut self) -> Option<Cel<'a>> {
        let made = self.take();
        self.kept(made)
    }

    fn boolean(&mut self, value: &Cel<'a>) -> Option<bool> {
        match value {
            Cel::Bool(b) => Some(*b),
            other => {
                let why = format!("no such overload: a {} in a condition", other.type_name());
                self.no_truth(Fault::invalid(why))
            }
        }
    }

    /// An operator that gives a boolean.
    fn compared(&mut self, operator: Operator, left: &Cel<'a>, right: &Cel<'a>) -> Option<bool> {
        let paid = self.pay(left).and_then(|()| self.pay(right));
        let made = paid.and_then(|()| operators::binary(operator, left, right));
        let made = self.kept(made)?;
        self.boolean(&made)
    }

    /// The boolean that a function gives.
    fn applied(&mut self, call: &'a Call, receiver: Cel<'a>, arguments: &[Cel<'a>]) -> Option<bool> {
        let made = self.apply(call, Some(receiver), arguments);
        let made = self.kept(made)?;
        self.boolean(&made)
    }

    /// The truth of what code leads to.
    #[inline(never)]
    fn found_truth(&mut self, code: &'a Code) -> Option<bool> {
        match self.find_near(code) {
            Some(node) => match node.as_bool() {
                Some(b) => Some(b),
                None => self.boolean(&Cel::of(node)),
            },
            None => match self.side.value() {
                Some(Cel::Bool(b)) => Some(*b),
                _ => {
                    let value = self.other()?;
                    self.boolean(&value)
                }
            },
        }
    }

    /// The truth of a call.
    #[inline(never)]
    pub(super) fn asked(&mut self, code: &'a Code, call: &'a Call) -> Option<bool> {
        match (&call.function, &call.target, &*call.arguments) {
            (
                function @ (Function::StartsWith | Function::EndsWith | Function::Contains),
                Some(target),
                [Code::Fixed(Cel::Text(part))],
            ) => self.part_of(call, function, target, part),
            (Function::HasValue, Some(target), []) => match self.seek(target) {
                Some(_) if gives_optional(target) => Some(true),
                Some(node) => self.applied(call, Cel::of(node), &[]),
                None => match &self.side {
                    Side::Absent => Some(false),
                    Side::Some(_) => Some(true),
                    _ => {
                        let value = self.other()?;
                        self.applied(call, value, &[])
                    }
                },
            },
            (Function::Matches(regex), Some(target), _) => self.matches(call, regex, target),
            _ => self.found_truth(code),
        }
    }

    /// Whether a text opens with, ends with or holds another.
    #[inline(never)]
    fn part_of(&mut self, call: &'a Call, function: &Function, target: &'a Code, part: &'a str) -> Option<bool> {
        let value = match self.find(target) {
            Some(node) => match node.as_str() {
                Some(text) => {
                    self.step((text.len() + part.len()) as u64 / 16)?;
                    return Some(found(function, text, part));
                }
                None => Cel::of(node),
            },
            None => self.other()?,
        };
        if let Cel::Text(text) = &value {
            self.step((text.len() + part.len()) as u64 / 16)?;
            return Some(found(function, text, part));
        }
        self.applied(call, value, &[Cel::str(part)])
    }

    /// `text.matches(pattern)`
    #[inline(never)]
    fn matches(&mut self, call: &'a Call, regex: &Regex, target: &'a Code) -> Option<bool> {
        let value = match self.find(target) {
            Some(node) => Cel::of(node),
            None => self.other()?,
        };
        if let Cel::Text(text) = &value
            && text.len() <= MAX_REGEX_TEXT
        {
            self.step(text.len() as u64 / 16)?;
            return Some(regex.is_match(text));
        }
        let arguments = self.all(&call.arguments);
        let arguments = self.kept(arguments)?;
        self.applied(call, value, &arguments)
    }

    #[inline(never)]
    fn one_of(&mut self, code: &'a Code, list: &[Cel<'static>]) -> Option<bool> {
        self.step(list.len() as u64 / 4)?;
        let among = |text: &str| list.iter().any(|item| item.as_str() == Some(text));
        let value = match self.find_near(code) {
            Some(node) => match node.as_str() {
                Some(text) => return Some(among(text)),
                None => Cel::of(node),
            },
            None => match self.side.value() {
                Some(Cel::Text(text)) => return Some(among(text)),
                _ => self.other()?,
            },
        };
        let paid = self.pay(&value);
        self.kept(paid)?;
        Some(list.iter().any(|item| item.same(&value)))
    }

    #[inline(never)]
    fn name_in(&mut self, name: &'a Name, range: &'a Code) -> Option<bool> {
        let range = match self.find(range) {
            Some(node) if node.is_object() => return Some(node.member(name.key()).is_some()),
            Some(node) if node.is_array() => {
                self.step(node.len() as u64)?;
                return Some(node.items().any(|item| item.as_str() == Some(&name.text)));
            }
            Some(node) => Cel::of(node),
            None => self.other()?,
        };
        self.compared(Operator::In, &Cel::str(&name.text), &range)
    }

    /// Whether a value is a constant, or with `wanted` false, is not.
    #[inline(never)]
    fn is(&mut self, code: &'a Code, fixed: &Cel<'static>, wanted: bool) -> Option<bool> {
        if let (Code::Variable(variable), Cel::Text(text)) = (code, fixed)
            && let Some(Cel::Text(known)) = self.known(variable)
        {
            return Some((**known == **text) == wanted);
        }
        if let Cel::Int(i) = fixed
            && let Code::Call(_) | Code::Path(_) = code
        {
            let same = match self.whole(code) {
                Some(known) => known == *i,
                None => self.other()?.same(fixed),
            };
            return Some(same == wanted);
        }
        let same = match self.find_near(code) {
            Some(node) => match fixed {
                Cel::Text(text) => node.as_str() == Some(&**text),
                Cel::Bool(b) => node.as_bool() == Some(*b),
                Cel::Null => node.is_null(),
                fixed => Cel::of(node).same(fixed),
            },
            None => match self.side.value() {
                Some(value) => value.same(fixed),
                None => self.other()?.same(fixed),
            },
        };
        Some(same == wanted)
    }

    /// Whether two values are one.
    #[inline(never)]
    fn alike(&mut self, left: &'a Code, right: &'a Code) -> Option<bool> {
        let left = match self.find(left) {
            Some(node) => Maybe::Node(node),
            None => Maybe::Plain(self.other()?),
        };
        let right = match self.find(right) {
            Some(node) => Maybe::Node(node),
            None => Maybe::Plain(self.other()?),
        };
        if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
            self.step((left.len() + right.len()) as u64 / 16)?;
            return Some(left == right);
        }
        self.compared(Operator::Equal, &left.boxed(), &right.boxed())
    }

    /// The whole number that code leads to. Where it is none, `side` has the value.
    fn whole(&mut self, code: &'a Code) -> Option<i64> {
        match code {
            Code::Fixed(Cel::Int(i)) => return Some(*i),
            Code::Call(call) if matches!(call.function, Function::Size) => {
                if let Some(count) = self.count_of(call) {
                    return Some(count);
                }
            }
            _ => {}
        }
        match self.find_near(code) {
            Some(node) => match node.as_number() {
                Some(Number::Int(i)) => Some(i),
                _ => {
                    self.side = Side::Value(Cel::of(node));
                    None
                }
            },
            None => match self.side.value() {
                Some(Cel::Int(i)) => Some(*i),
                _ => None,
            },
        }
    }

    /// How many elements a list or map has; nothing of what is neither.
    fn count_of(&mut self, call: &'a Call) -> Option<i64> {
        let of = call.target.as_ref().or(call.arguments.first())?;
        match self.find_near(of) {
            Some(node) => (node.is_array() || node.is_object()).then_some(node.len() as i64),
            None => match self.side.value() {
                Some(value) if value.is_list() || value.is_map() => Some(value.len() as i64),
                _ => None,
            },
        }
    }

    /// `<` and its like.
    #[inline(never)]
    fn ordered(&mut self, operator: Operator, left: &'a Code, right: &'a Code) -> Option<bool> {
        let (left, right) = match self.whole(left) {
            Some(left) => match self.whole(right) {
                Some(right) => return Some(operator.holds(left.cmp(&right))),
                None => (Cel::Int(left), self.other()?),
            },
            None => (self.other()?, self.value(right)?),
        };
        self.compared(operator, &left, &right)
    }

    #[inline(never)]
    fn has(&mut self, operand: &'a Code, field: &'a Name) -> Option<bool> {
        let found = match operand {
            Code::Path(path) => self.walk(path),
            Code::Global(name) if name.root == Root::Request && self.scope.part(name, field).is_some() => {
                return Some(true);
            }
            Code::Asked(path) => self.walk_asking(path),
            other => self.find(other),
        };
        match found {
            Some(node) if node.is_object() => Some(node.member(field.key()).is_some_and(|value| !value.is_null())),
            found => self.has_value(found, field),
        }
    }

    #[inline(never)]
    fn has_value(&mut self, found: Option<Node<'a>>, field: &'a Name) -> Option<bool> {
        let value = match found {
            Some(node) => Cel::of(node),
            None if matches!(self.side, Side::Absent) => return Some(false),
            None => match self.other()? {
                Cel::Optional(Some(inner)) => (*inner).clone(),
                Cel::Optional(None) => return Some(false),
                other => other,
            },
        };
        match value.has(&field.text) {
            Some(set) => Some(set),
            None if value.is_scalar() => Some(false),
            None => {
                let why = format!("no such field: {} (in a {})", field.text, value.type_name());
                self.no_truth(Fault::invalid(why))
            }
        }
    }

    /// `&&` and `||`: one side that decides makes the other side's fault no fault.
    #[inline(never)]
    fn logic(&mut self, left: &'a Code, right: &'a Code, deciding: bool) -> Option<bool> {
        match self.told(left) {
            Some(b) if b == deciding => Some(deciding),
            Some(_) => self.told(right),
            None => self.logic_after_fault(right, deciding),
        }
    }

    #[cold]
    fn logic_after_fault(&mut self, right: &'a Code, deciding: bool) -> Option<bool> {
        let fault = self.fault();
        if let Fault::Exhausted(_) = fault {
            return self.no_truth(fault);
        }
        match self.told(right) {
            Some(b) if b == deciding => Some(deciding),
            None if matches!(self.side, Side::Fault(Fault::Exhausted(_))) => None,
            _ => self.no_truth(fault),
        }
    }
}
