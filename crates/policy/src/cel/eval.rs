//! Evaluation over a scope.

use jiff::Timestamp;
use ridgeway_doc::Node;
use smallvec::SmallVec;

use super::ast::Operator;
use super::code::{Beginning, Code, Function, Global, MessageCode, Variable};
use super::message::Message;
use super::select::{Maybe, Side};
use super::slot::Slot;
use super::text::Joined;
use super::{Cel, Program, operators};
use crate::budget::{Exhausted, Fuel};
use crate::name::Name;
use crate::request::Data;

/// Where names are looked up.
pub(crate) trait Scope<'a> {
    /// The value of a root name.
    fn lookup(&self, name: &Global) -> Option<Cel<'a>>;

    /// The value of a root name, where it is a node of a document.
    fn node(&self, name: &Global) -> Option<Node<'a>> {
        match self.lookup(name) {
            Some(Cel::Node(node)) => Some(node),
            _ => None,
        }
    }

    /// The node at which many paths begin, where there is one.
    fn beginning(&self, place: Beginning) -> Option<Node<'a>> {
        let _ = place;
        None
    }

    /// A field of the value of a root name, where it can be told without the whole value; `None` says nothing.
    fn part(&self, name: &Global, field: &Name) -> Option<Cel<'a>> {
        let _ = (name, field);
        None
    }

    /// The variables in the order of the policy.
    fn slots(&self) -> &[Slot<'a>] {
        &[]
    }

    /// The value of a variable.
    fn variable(&self, evaluator: &mut Evaluator<'_, 'a>, variable: &Variable) -> Option<Answer<'a>>;
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It cannot be evaluated.
    #[error("{0}")]
    Invalid(Box<str>),
    /// The budget is used up.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

pub(crate) type Answer<'a> = Result<Cel<'a>, Fault>;

#[cold]
pub(super) fn fail<T>(message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::invalid(message))
}

impl Fault {
    #[cold]
    pub(crate) fn invalid(message: impl Into<String>) -> Fault {
        Fault::Invalid(message.into().into_boxed_str())
    }
}

const _: () = assert!(size_of::<Answer<'_>>() == 32);

/// The values of a block: what is still to be computed is `None`.
struct Block<'a> {
    slots: &'a [Code],
    values: Vec<Option<Answer<'a>>>,
}

/// Evaluates programs within one scope and one budget.
pub(crate) struct Evaluator<'e, 'a> {
    pub(super) scope: &'e dyn Scope<'a>,
    pub(super) fuel: &'e Fuel,
    pub(super) now: Option<Timestamp>,
    pub(super) data: &'a dyn Data,
    /// What macros have bound, by slot from `base` on. Here nodes of documents are nodes, scalars too.
    pub(super) locals: SmallVec<[Cel<'a>; 4]>,
    /// Where the slots of the program at hand begin.
    pub(super) base: usize,
    block: Option<Box<Block<'a>>>,
    /// The scope's variables.
    slots: &'e [Slot<'a>],
    /// Where paths begin, by [`Beginning`]; the inner `None` is a place that is not there.
    begun: [Option<Option<Node<'a>>>; 3],
    /// What code led to, where that is no node.
    pub(super) side: Side<'e, 'a>,
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
            locals: SmallVec::new(),
            base: 0,
            block: None,
            slots: scope.slots(),
            begun: [None; 3],
            side: Side::Absent,
        }
    }

    /// The value of a variable, where it is known already.
    #[inline(always)]
    pub(super) fn known(&self, variable: &Variable) -> Option<&'e Cel<'a>> {
        match self.slots.get(variable.place) {
            Some(slot) if slot.mark == variable.name.mark() => slot.value.get()?.as_ref().ok(),
            _ => None,
        }
    }

    /// The node at which many paths begin.
    #[inline(always)]
    pub(super) fn beginning(&mut self, place: Beginning) -> Option<Node<'a>> {
        match self.begun[place as usize] {
            Some(known) => known,
            None => self.begin(place),
        }
    }

    #[inline(never)]
    fn begin(&mut self, place: Beginning) -> Option<Node<'a>> {
        let found = self.scope.beginning(place);
        self.begun[place as usize] = Some(found);
        found
    }

    /// The value of a program.
    pub(crate) fn run(&mut self, program: &'a Program) -> Answer<'a> {
        self.eval(&program.code)
    }

    /// The value of a program that does not see the names bound around it.
    pub(crate) fn run_apart(&mut self, program: &'a Program) -> Answer<'a> {
        self.apart(&program.code)
    }

    fn apart(&mut self, code: &'a Code) -> Answer<'a> {
        let (base, depth) = (self.base, self.locals.len());
        self.base = depth;
        let out = self.eval(code);
        self.locals.truncate(depth);
        self.base = base;
        out
    }

    /// The truth of a program; anything but a boolean is a fault.
    pub(crate) fn holds(&mut self, program: &'a Program) -> Result<bool, Fault> {
        self.truth(&program.code)
    }

    /// Evaluates with one more bound value.
    fn with(&mut self, value: Cel<'a>, body: &'a Code) -> Answer<'a> {
        self.locals.push(value);
        let out = self.eval(body);
        self.locals.pop();
        out
    }

    /// The value of code.
    pub(super) fn eval(&mut self, code: &'a Code) -> Answer<'a> {
        self.fuel.burn(1)?;
        // Nothing but calls at their ends: no frame is needed here.
        match code {
            Code::Fixed(value) => fixed(value),
            Code::Path(_) | Code::Asked(_) | Code::Local(_) | Code::Global(_) | Code::Index(_) => self.found(code),
            Code::Variable(variable) => self.variable_value(variable),
            Code::Ternary(parts) => self.ternary(&parts.0, &parts.1, &parts.2),
            Code::OrValue(parts) => self.or_value_of(code, &parts.0, &parts.1),
            Code::Call(call) => match call.function {
                Function::Value | Function::Or => self.found(code),
                Function::HasValue
                | Function::Matches(_)
                | Function::StartsWith
                | Function::EndsWith
                | Function::Contains => self.truth_of(code),
                _ => self.call(call),
            },
            code if code.is_truth() => self.truth_of(code),
            code => self.make(code),
        }
    }

    /// The value of what code leads to.
    #[inline(never)]
    fn found(&mut self, code: &'a Code) -> Answer<'a> {
        match self.find_near(code) {
            Some(node) => Ok(Cel::of(node)),
            None => self.take(),
        }
    }

    #[inline(never)]
    fn variable_value(&mut self, variable: &'a Variable) -> Answer<'a> {
        match self.known(variable) {
            Some(Cel::Bool(b)) => Ok(Cel::Bool(*b)),
            Some(known) => Ok(known.clone()),
            None => self.variable(variable),
        }
    }

    #[inline(never)]
    fn ternary(&mut self, condition: &'a Code, yes: &'a Code, no: &'a Code) -> Answer<'a> {
        match self.told(condition) {
            Some(true) => self.eval(yes),
            Some(false) => self.eval(no),
            None => Err(self.fault()),
        }
    }

    #[inline(never)]
    fn or_value_of(&mut self, code: &'a Code, target: &'a Code, alternative: &'a Code) -> Answer<'a> {
        let Code::Asked(path) = target else {
            return self.found(code);
        };
        match self.walk_asking(path) {
            Some(node) => Ok(Cel::of(node)),
            None if matches!(self.side, Side::Absent) => self.eval(alternative),
            None => match self.settled() {
                Some(node) => Ok(Cel::of(node)),
                None => self.take(),
            },
        }
    }

    #[inline(never)]
    fn truth_of(&mut self, code: &'a Code) -> Answer<'a> {
        self.truth(code).map(Cel::Bool)
    }

    /// What makes a value of its own, and is no selection, no call and no truth.
    #[inline(never)]
    fn make(&mut self, code: &'a Code) -> Answer<'a> {
        match code {
            Code::HasVariable(name) => self.has_variable(name),
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
            Code::Binary(operator, sides) => self.binary(*operator, &sides.0, &sides.1),
            Code::Concat(parts) => self.concat(parts),
            Code::Sum(parts) => self.added(parts),
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
                let around = self.block.replace(Box::new(Block {
                    slots,
                    values: slots.iter().map(|_| None).collect(),
                }));
                let out = self.eval(body);
                self.block = around;
                out
            }
            Code::Slot(at) => self.slot(*at),
            _ => fail("selections, calls and truths are no values of their own"),
        }
    }

    fn binary(&mut self, operator: Operator, left: &'a Code, right: &'a Code) -> Answer<'a> {
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        self.pay(&left)?;
        self.pay(&right)?;
        operators::binary(operator, &left, &right)
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

    fn slot(&mut self, at: usize) -> Answer<'a> {
        let slots = match &self.block {
            Some(block) => match block.values.get(at) {
                Some(Some(known)) => return known.clone(),
                _ => block.slots,
            },
            None => return fail("a value of a block is used outside of it"),
        };
        let Some(code) = slots.get(at) else {
            return fail("there is no such value in the block");
        };
        let value = self.apart(code);
        if let Some(place) = self.block.as_mut().and_then(|block| block.values.get_mut(at)) {
            *place = Some(value.clone());
        }
        value
    }

    fn list(&mut self, items: &'a [(Code, bool)]) -> Answer<'a> {
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

    fn map(&mut self, members: &'a [(Code, Code, bool)]) -> Answer<'a> {
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

    fn message(&mut self, code: &'a MessageCode) -> Answer<'a> {
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
            return Ok(Cel::map(
                values
                    .into_iter()
                    .map(|(field, value)| (Cel::str(field), value))
                    .collect(),
            ));
        };
        let mut message = Message::new(&kind.types, &kind.descriptor, kind.strong_enums);
        for (field, value) in values {
            message.set(field, value)?;
        }
        message.finish()
    }

    /// `variables.name`, where it is not known yet.
    pub(super) fn variable(&mut self, variable: &'a Variable) -> Answer<'a> {
        let scope = self.scope;
        if let Some(found) = scope.variable(self, variable) {
            return found;
        }
        // It may be a value of that name instead.
        let name = &variable.name.text;
        match scope.lookup(&Global::variables()).and_then(|value| value.field(name)) {
            Some(found) => Ok(found),
            None => no_variable(name),
        }
    }

    fn has_variable(&mut self, variable: &'a Variable) -> Answer<'a> {
        let scope = self.scope;
        if self.known(variable).is_some() {
            return Ok(Cel::Bool(true));
        }
        if let Some(found) = scope.variable(self, variable) {
            return found.map(|_| Cel::Bool(true));
        }
        let name = &variable.name.text;
        match scope.lookup(&Global::variables()) {
            Some(value) if value.field(name).is_some() => match value.has(name) {
                Some(set) => Ok(Cel::Bool(set)),
                None => fail(format!("no such field: {name}")),
            },
            _ => no_variable(name),
        }
    }

    /// A sum with a text in it: texts are joined at once.
    fn concat(&mut self, parts: &'a [Code]) -> Answer<'a> {
        let mut out = Joined::take();
        for (i, part) in parts.iter().enumerate() {
            if let Code::Fixed(Cel::Text(text)) = part {
                out.push_str(text);
                continue;
            }
            let other = match self.find(part) {
                Some(node) => match node.as_str() {
                    Some(text) => {
                        out.push_str(text);
                        continue;
                    }
                    None => Cel::of(node),
                },
                None => match self.side.value() {
                    Some(Cel::Text(text)) => {
                        out.push_str(text);
                        continue;
                    }
                    _ => self.take()?,
                },
            };
            if i == 0 {
                return self.sum(other, &parts[1..]);
            }
            let sum = operators::binary(Operator::Add, &Cel::text(&**out), &other)?;
            return self.sum(sum, &parts[i + 1..]);
        }
        self.fuel.burn(out.len() as u64 / 16)?;
        Ok(Cel::text(&**out))
    }

    fn sum(&mut self, mut sum: Cel<'a>, parts: &'a [Code]) -> Answer<'a> {
        for part in parts {
            let value = self.eval(part)?;
            sum = self.plus(&sum, &value)?;
        }
        Ok(sum)
    }

    fn plus(&self, sum: &Cel<'a>, value: &Cel<'a>) -> Answer<'a> {
        self.pay(sum)?;
        self.pay(value)?;
        operators::binary(Operator::Add, sum, value)
    }

    /// A sum without a text in it. Lists are joined at once, and empty ones change nothing.
    fn added(&mut self, parts: &'a [Code]) -> Answer<'a> {
        let mut sum: Option<Cel<'a>> = None;
        let mut joined: Vec<Cel<'a>> = Vec::new();
        for part in parts {
            self.fuel.burn(1)?;
            let value = match self.find_near(part) {
                Some(node) => Cel::of(node),
                None => self.take()?,
            };
            let Some(before) = &sum else {
                sum = Some(value);
                continue;
            };
            if !before.is_list() || !value.is_list() {
                let before = if joined.is_empty() {
                    before.clone()
                } else {
                    Cel::list(std::mem::take(&mut joined))
                };
                sum = Some(self.plus(&before, &value)?);
                continue;
            }
            match (before.len(), value.len()) {
                (_, 0) => {}
                (0, _) => sum = Some(value),
                (known, more) => {
                    self.fuel.burn((known + more) as u64)?;
                    if joined.is_empty() {
                        joined.reserve(known + more);
                        before.extend(&mut joined);
                    }
                    value.extend(&mut joined);
                }
            }
        }
        match (joined.is_empty(), sum) {
            (false, _) => Ok(Cel::list(joined)),
            (true, sum) => Ok(sum.unwrap_or(Cel::Null)),
        }
    }

    /// The values of a sum.
    pub(super) fn parts(&mut self, parts: &'a [Code]) -> Result<Parts<'a>, Fault> {
        parts.iter().map(|part| self.maybe(part)).collect()
    }

    /// The sum of values that are not all lists.
    pub(super) fn total(&self, parts: Parts<'a>) -> Answer<'a> {
        let mut values = parts.into_iter().map(Maybe::boxed);
        let first = values.next().unwrap_or(Cel::Null);
        values.try_fold(first, |sum, value| self.plus(&sum, &value))
    }
}

/// The value of a constant.
#[inline]
fn fixed<'a>(value: &'a Cel<'static>) -> Answer<'a> {
    match value {
        Cel::Text(text) => Ok(Cel::str(text)),
        Cel::Bool(b) => Ok(Cel::Bool(*b)),
        Cel::Int(i) => Ok(Cel::Int(*i)),
        other => shown(other),
    }
}

#[inline(never)]
fn shown<'a>(value: &'a Cel<'static>) -> Answer<'a> {
    Ok(value.view())
}

/// The values of a sum, mostly few.
pub(super) type Parts<'a> = SmallVec<[Maybe<'a>; 4]>;

#[cold]
fn no_variable<T>(name: &str) -> Result<T, Fault> {
    fail(format!("no such key: {name} (there is no variable of that name)"))
}
