//! Where code leads: to a node of a document, or to what is no node.
//!
//! A node is two words that travel in registers; every other value is four that go through memory. So what code leads
//! to is asked for as a node first ([`Evaluator::find`]), and only where there is none, [`Evaluator::side`] is looked
//! at.

use ridgeway_doc::Node;

use super::Cel;
use super::code::{Beginning, Call, Code, Function, Global, How, Index, Path, Root, Step, Variable};
use super::eval::{Answer, Evaluator, Fault, fail};

/// What code led to, where it is no node of a document.
pub(super) enum Side<'e, 'a> {
    /// An optional without a value.
    Absent,
    /// An optional with a value.
    Some(Cel<'a>),
    /// Any other value.
    Value(Cel<'a>),
    /// The same of a constant.
    Fixed(&'a Cel<'a>),
    /// The same of a variable.
    Known(&'e Cel<'a>),
    Fault(Fault),
}

impl<'a> Side<'_, 'a> {
    /// The value, where it is no optional and no fault.
    #[inline]
    pub(super) fn value(&self) -> Option<&Cel<'a>> {
        match self {
            Side::Value(value) => Some(value),
            Side::Fixed(value) => Some(value),
            Side::Known(value) => Some(value),
            _ => None,
        }
    }
}

/// A value on its way: nodes as they lie, optionals unboxed.
#[repr(u64)]
pub(super) enum Maybe<'a> {
    /// Any node of a document.
    Node(Node<'a>),
    /// What is no node and no optional.
    Plain(Cel<'a>),
    SomeNode(Node<'a>),
    Some(Cel<'a>),
    None,
}

impl<'a> Maybe<'a> {
    #[inline]
    pub(super) fn of(value: Cel<'a>) -> Maybe<'a> {
        match value {
            Cel::Node(node) => Maybe::Node(node),
            Cel::Optional(Some(inner)) => Maybe::Some((*inner).clone()),
            Cel::Optional(None) => Maybe::None,
            other => Maybe::Plain(other),
        }
    }

    pub(super) fn boxed(self) -> Cel<'a> {
        match self {
            Maybe::Node(node) => Cel::of(node),
            Maybe::Plain(value) => value,
            Maybe::SomeNode(node) => Cel::some(Cel::of(node)),
            Maybe::Some(value) => Cel::some(value),
            Maybe::None => Cel::Optional(None),
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Maybe::Node(node) => node.as_str(),
            Maybe::Plain(value) => value.as_str(),
            _ => None,
        }
    }

    pub(super) fn is_list(&self) -> bool {
        match self {
            Maybe::Node(node) => node.is_array(),
            Maybe::Plain(value) => value.is_list(),
            _ => false,
        }
    }

    /// How many elements it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Maybe::Node(node) => node.len(),
            Maybe::Plain(value) => value.len(),
            _ => 0,
        }
    }

    pub(super) fn type_name(&self) -> String {
        match self {
            Maybe::Node(node) => Cel::of(*node).type_name().to_owned(),
            Maybe::Plain(value) => value.type_name().to_owned(),
            _ => "optional_type".to_owned(),
        }
    }

    /// Whether it is an optional, and what it holds.
    pub(super) fn parted(self) -> (Option<Cel<'a>>, bool) {
        match self {
            Maybe::Node(node) => (Some(Cel::of(node)), false),
            Maybe::Plain(value) => (Some(value), false),
            Maybe::SomeNode(node) => (Some(Cel::of(node)), true),
            Maybe::Some(value) => (Some(value), true),
            Maybe::None => (None, true),
        }
    }
}

/// Whether a node that code is found to lead to is that of an optional.
pub(super) fn gives_optional(code: &Code) -> bool {
    match code {
        Code::Asked(_) => true,
        Code::Call(call) => match (&call.function, &call.target) {
            (Function::Or, Some(target)) => gives_optional(target),
            _ => false,
        },
        _ => false,
    }
}

impl<'e, 'a> Evaluator<'e, 'a> {
    /// The node that code leads to. Where it is none, `side` says what it is instead; optionals are boxed there.
    pub(super) fn find(&mut self, code: &'a Code) -> Option<Node<'a>> {
        // Nothing but calls at their ends: no frame is needed here.
        match code {
            Code::Path(path) => self.find_path(path),
            Code::Local(at) => match self.locals.get(self.base + at) {
                Some(Cel::Node(node)) => Some(*node),
                _ => self.local(*at),
            },
            Code::Variable(variable) => self.find_variable(variable),
            Code::Global(name) => self.find_global(name),
            Code::OrValue(parts) => self.or_value(&parts.0, &parts.1),
            other => self.find_made(other),
        }
    }

    /// The same for what has to be worked out.
    #[inline(never)]
    fn find_made(&mut self, code: &'a Code) -> Option<Node<'a>> {
        match code {
            Code::Fixed(value) => {
                self.side = Side::Fixed(value);
                None
            }
            Code::Call(call) => match (&call.function, &call.target, &*call.arguments) {
                (Function::Value, Some(target), []) => self.unboxed(call, target),
                (Function::Or, ..) => self.seek_boxed(code),
                _ => {
                    let made = self.call(call);
                    self.put(made)
                }
            },
            Code::Ternary(parts) => match self.told(&parts.0)? {
                true => self.find(&parts.1),
                false => self.find(&parts.2),
            },
            Code::Index(index) => match self.index(index) {
                Ok(found) => self.put_maybe(found),
                Err(fault) => self.no_truth(fault),
            },
            Code::Asked(_) => self.seek_boxed(code),
            other => {
                let made = self.eval(other);
                self.put(made)
            }
        }
    }

    /// The node that code leads to; optionals are not boxed on the way. Whether a node is that of an optional, its code
    /// says ([`gives_optional`]); where there is none, `side` is never [`Side::Value`] of an optional.
    pub(super) fn seek(&mut self, code: &'a Code) -> Option<Node<'a>> {
        match code {
            Code::Asked(path) => return self.walk_asking(path),
            Code::Call(call) if matches!(call.function, Function::Or) => {
                if let (Some(target), [alternative]) = (&call.target, &*call.arguments) {
                    let found = self.seek(target);
                    return match (&found, &self.side) {
                        (None, Side::Absent) => self.seek(alternative),
                        _ => found,
                    };
                }
            }
            _ => {}
        }
        let found = self.find(code);
        if found.is_none()
            && let Some(Cel::Optional(inner)) = self.side.value()
        {
            self.side = match inner {
                Some(inner) => Side::Some((**inner).clone()),
                None => Side::Absent,
            };
        }
        found
    }

    #[cold]
    fn seek_boxed(&mut self, code: &'a Code) -> Option<Node<'a>> {
        let found = self.seek(code);
        match found {
            Some(node) if gives_optional(code) => self.put(Ok(Cel::some(Cel::of(node)))),
            Some(node) => Some(node),
            None => {
                let value = self.take();
                self.put(value)
            }
        }
    }

    /// The value that `side` holds.
    pub(super) fn take(&mut self) -> Answer<'a> {
        match std::mem::replace(&mut self.side, Side::Absent) {
            Side::Absent => Ok(Cel::Optional(None)),
            Side::Some(value) => Ok(Cel::some(value)),
            Side::Value(value) => Ok(value),
            Side::Fixed(value) => Ok(value.view()),
            Side::Known(value) => Ok(value.clone()),
            Side::Fault(fault) => Err(fault),
        }
    }

    /// The same, optionals unboxed.
    fn take_unboxed(&mut self) -> Result<Maybe<'a>, Fault> {
        match std::mem::replace(&mut self.side, Side::Absent) {
            Side::Absent => Ok(Maybe::None),
            Side::Some(value) => Ok(Maybe::Some(value)),
            other => {
                self.side = other;
                self.take().map(Maybe::of)
            }
        }
    }

    /// Says that there is an optional without a value.
    #[inline]
    fn absent(&mut self) -> Option<Node<'a>> {
        if !matches!(self.side, Side::Absent) {
            self.side = Side::Absent;
        }
        None
    }

    /// Puts an answer where it is looked for.
    fn put(&mut self, answer: Answer<'a>) -> Option<Node<'a>> {
        self.side = match answer {
            Ok(Cel::Node(node)) => return Some(node),
            Ok(value) => Side::Value(value),
            Err(fault) => Side::Fault(fault),
        };
        None
    }

    fn put_maybe(&mut self, found: Maybe<'a>) -> Option<Node<'a>> {
        match found {
            Maybe::Node(node) => Some(node),
            other => self.put(Ok(other.boxed())),
        }
    }

    /// What a macro has bound, where it is no node.
    #[inline(never)]
    fn local(&mut self, at: usize) -> Option<Node<'a>> {
        let value = match self.locals.get(self.base + at) {
            Some(value) => Ok(value.clone()),
            None => fail("a variable of a macro is used outside of it"),
        };
        self.put(value)
    }

    #[inline(never)]
    fn find_variable(&mut self, variable: &'a Variable) -> Option<Node<'a>> {
        match self.known(variable) {
            Some(Cel::Node(node)) => Some(*node),
            Some(other) => {
                self.side = Side::Known(other);
                None
            }
            None => {
                let value = self.variable(variable);
                self.put(value)
            }
        }
    }

    #[inline(never)]
    fn find_global(&mut self, name: &'a Global) -> Option<Node<'a>> {
        if let Some(node) = self.scope.node(name) {
            return Some(node);
        }
        let value = match self.scope.lookup(name) {
            Some(value) => Ok(value),
            None => fail(format!("undeclared reference to '{}'", name.name)),
        };
        self.put(value)
    }

    /// `target.orValue(alternative)`: the alternative is only looked at when it is needed, and what is no optional
    /// stands for itself.
    #[inline(never)]
    fn or_value(&mut self, target: &'a Code, alternative: &'a Code) -> Option<Node<'a>> {
        let found = match target {
            Code::Asked(path) => self.walk_asking(path),
            other => self.seek(other),
        };
        match self.side {
            _ if found.is_some() => found,
            Side::Absent => self.find(alternative),
            _ => self.settled(),
        }
    }

    /// What an optional with a value holds; anything else is as it is.
    #[inline(never)]
    pub(super) fn settled(&mut self) -> Option<Node<'a>> {
        match std::mem::replace(&mut self.side, Side::Absent) {
            Side::Some(value) => self.put(Ok(value)),
            other => {
                self.side = other;
                None
            }
        }
    }

    /// `target.value()`
    fn unboxed(&mut self, call: &'a Call, target: &'a Code) -> Option<Node<'a>> {
        let made = match self.seek(target) {
            Some(node) if gives_optional(target) => return Some(node),
            Some(node) => self.apply(call, Some(Cel::of(node)), &[]),
            None => match self.take() {
                Ok(value) => self.apply(call, Some(value), &[]),
                Err(fault) => Err(fault),
            },
        };
        self.put(made)
    }

    /// The node that code is most often. Where there is none, nothing is said.
    #[inline(always)]
    fn near(&mut self, code: &'a Code) -> Option<Node<'a>> {
        match code {
            Code::Global(name) if name.root == Root::Object => self.beginning(Beginning::Object),
            Code::Global(name) => self.scope.node(name),
            Code::Local(at) => match self.locals.get(self.base + at) {
                Some(Cel::Node(node)) => Some(*node),
                _ => None,
            },
            Code::Variable(variable) => match self.known(variable) {
                Some(Cel::Node(node)) => Some(*node),
                _ => None,
            },
            _ => None,
        }
    }

    /// [`Evaluator::find`] for those who ask most: paths are gone through on the spot.
    #[inline(always)]
    pub(super) fn find_near(&mut self, code: &'a Code) -> Option<Node<'a>> {
        match code {
            Code::Path(path) => self.walk(path),
            other => self.find(other),
        }
    }

    #[inline(never)]
    fn find_path(&mut self, path: &'a Path) -> Option<Node<'a>> {
        self.walk(path)
    }

    /// Goes through names, none of them with `?`.
    #[inline(always)]
    pub(super) fn walk(&mut self, path: &'a Path) -> Option<Node<'a>> {
        let (near, steps) = match path.begins {
            Some(place) => (self.beginning(place), &path.steps[1..]),
            None => (self.near(&path.root), &*path.steps),
        };
        let found = near.and_then(|node| node.descend(steps.iter().map(|step| step.name.key())));
        if found.is_some() && self.fuel.burn(path.steps.len() as u64).is_ok() {
            return found;
        }
        self.walk_far(path)
    }

    /// The same from what is no node, has to be worked out, or does not lead there.
    #[inline(never)]
    fn walk_far(&mut self, path: &'a Path) -> Option<Node<'a>> {
        self.step(path.steps.len() as u64)?;
        if let Code::Global(name) = &path.root
            && name.root == Root::Request
            && let [first, rest @ ..] = &*path.steps
            && let Some(part) = self.scope.part(name, &first.name)
        {
            return match rest {
                [] => self.put(Ok(part)),
                rest => self.walk_value(Maybe::of(part), rest),
            };
        }
        let value = match self.find(&path.root) {
            Some(node) => match node.descend(path.steps.iter().map(|step| step.name.key())) {
                Some(found) => return Some(found),
                None => Maybe::Node(node),
            },
            None => match self.take() {
                Ok(value) => Maybe::of(value),
                Err(fault) => return self.no_truth(fault),
            },
        };
        self.walk_value(value, &path.steps)
    }

    /// The same one by one, from any value.
    #[cold]
    fn walk_value(&mut self, value: Maybe<'a>, steps: &'a [Step]) -> Option<Node<'a>> {
        match steps.iter().try_fold(value, stepped) {
            Ok(found) => self.put_maybe(found),
            Err(fault) => self.no_truth(fault),
        }
    }

    /// Goes through names, some of them with `?`.
    #[inline(never)]
    pub(super) fn walk_asking(&mut self, path: &'a Path) -> Option<Node<'a>> {
        self.step(path.steps.len() as u64)?;
        let begun = path.begins.and_then(|place| self.beginning(place));
        let begins = usize::from(begun.is_some());
        let near = begun.or_else(|| self.near(&path.root));
        let Some(mut node) = near.or_else(|| self.seek(&path.root)) else {
            return self.ask_far(path);
        };
        let mut optional = gives_optional(&path.root);
        for (at, step) in path.steps.iter().enumerate().skip(begins) {
            let before = optional;
            optional |= step.how.asks();
            match node.member(step.name.key()) {
                // In a document `null` is as good as nothing.
                Some(found) if optional && step.how.is_field() && found.is_null() => {
                    return self.absent();
                }
                Some(found) => node = found,
                None if optional && node.is_object() => {
                    return self.absent();
                }
                None => {
                    let value = match before {
                        true => Maybe::SomeNode(node),
                        false => Maybe::Node(node),
                    };
                    return self.ask_value(value, &path.steps[at..]);
                }
            }
        }
        Some(node)
    }

    /// The same from what is no node.
    #[inline(never)]
    fn ask_far(&mut self, path: &'a Path) -> Option<Node<'a>> {
        match self.take_unboxed() {
            Ok(value) => self.ask_value(value, &path.steps),
            Err(fault) => self.no_truth(fault),
        }
    }

    /// The same one by one, from any value.
    #[cold]
    fn ask_value(&mut self, value: Maybe<'a>, steps: &'a [Step]) -> Option<Node<'a>> {
        self.side = match steps.iter().try_fold(value, stepped) {
            Ok(Maybe::Node(node) | Maybe::SomeNode(node)) => return Some(node),
            Ok(Maybe::None) => Side::Absent,
            Ok(Maybe::Some(value)) => Side::Some(value),
            Ok(Maybe::Plain(value)) => Side::Value(value),
            Err(fault) => Side::Fault(fault),
        };
        None
    }

    /// The value, optionals unboxed and nodes as they lie.
    pub(super) fn maybe(&mut self, code: &'a Code) -> Result<Maybe<'a>, Fault> {
        self.fuel.burn(1)?;
        match self.seek(code) {
            Some(node) if gives_optional(code) => Ok(Maybe::SomeNode(node)),
            Some(node) => Ok(Maybe::Node(node)),
            None => self.take_unboxed(),
        }
    }

    fn index(&mut self, code: &'a Index) -> Result<Maybe<'a>, Fault> {
        let operand = self.maybe(&code.operand)?;
        let index = self.eval(&code.index)?;
        if let (Maybe::Node(node), false) = (&operand, code.asked) {
            let found = match &index {
                Cel::Int(at) => usize::try_from(*at).ok().and_then(|at| node.item(at)),
                Cel::Text(key) => node.get(key),
                _ => None,
            };
            if let Some(found) = found {
                return Ok(Maybe::Node(found));
            }
        }
        indexed(operand, &index, code.asked)
    }
}

/// One name on from a value.
fn stepped<'a>(value: Maybe<'a>, step: &'a Step) -> Result<Maybe<'a>, Fault> {
    match step.how {
        How::Field => field(value, step, false),
        How::AskedField => field(value, step, true),
        How::Key => indexed(value, &Cel::str(&step.name.text), false),
        How::AskedKey => indexed(value, &Cel::str(&step.name.text), true),
    }
}

/// An item or a member of a value; `asked` when it is written with `?`.
fn indexed<'a>(operand: Maybe<'a>, index: &Cel<'a>, asked: bool) -> Result<Maybe<'a>, Fault> {
    let (inner, optional) = match operand.parted() {
        (Some(inner), optional) => (inner, optional || asked),
        (None, _) => return Ok(Maybe::None),
    };
    if inner.is_map() && !matches!(index, Cel::Text(_) | Cel::Bool(_)) && !index.is_number() {
        return fail(format!("unsupported key type: {}", index.type_name()));
    }
    if asked && inner.is_scalar() {
        return Ok(Maybe::None);
    }
    if !inner.is_map() && !inner.is_list() {
        return fail(format!(
            "no such overload: {}[{}]",
            inner.type_name(),
            index.type_name()
        ));
    }
    match inner.index(index) {
        Some(found) if optional => Ok(Maybe::Some(found)),
        Some(found) => Ok(Maybe::of(found)),
        None if optional => Ok(Maybe::None),
        None if inner.is_list() => fail(format!(
            "index out of range: {} of {} items",
            index.print().unwrap_or_default(),
            inner.len()
        )),
        None => fail(format!("no such key: {}", index.print().unwrap_or_default())),
    }
}

/// The fault of a field that is not there.
#[cold]
fn missing<'a, T>(value: &Cel<'a>, step: &Step) -> Result<T, Fault> {
    let name = &step.name.text;
    if value.is_map() || value.is_scalar() {
        return fail(format!("no such key: {name}"));
    }
    fail(format!("no such field: {name} (in a {})", value.type_name()))
}

/// One selection on from a value; `asked` when it is written with `?`.
fn field<'a>(value: Maybe<'a>, step: &Step, asked: bool) -> Result<Maybe<'a>, Fault> {
    let (inner, optional) = match value {
        Maybe::Node(node) => return field_in(node, step, asked, asked),
        Maybe::SomeNode(node) => return field_in(node, step, true, asked),
        Maybe::None => return Ok(Maybe::None),
        Maybe::Some(Cel::Node(node)) => return field_in(node, step, true, asked),
        Maybe::Some(inner) => (inner, true),
        Maybe::Plain(inner) => (inner, asked),
    };
    let name = &step.name.text;
    if let Cel::Message(message) = &inner
        && optional
    {
        return match message.has(name) {
            Some(true) => Ok(message.get(name).map_or(Maybe::None, Maybe::Some)),
            Some(false) => Ok(Maybe::None),
            None => fail(format!("no such field: {name}")),
        };
    }
    match inner.field(name) {
        Some(found) if optional => Ok(Maybe::Some(found)),
        Some(found) => Ok(Maybe::of(found)),
        None if optional && (inner.is_map() || asked && inner.is_scalar()) => Ok(Maybe::None),
        None => missing(&inner, step),
    }
}

fn field_in<'a>(node: Node<'a>, step: &Step, optional: bool, asked: bool) -> Result<Maybe<'a>, Fault> {
    match node.member(step.name.key()) {
        Some(found) if optional && found.is_null() => Ok(Maybe::None),
        Some(found) if optional => Ok(Maybe::SomeNode(found)),
        Some(found) => Ok(Maybe::Node(found)),
        None if optional && (node.is_object() || asked && !node.is_array()) => Ok(Maybe::None),
        None => missing(&Cel::of(node), step),
    }
}
