//! Selections: nodes are gone through where they lie, optionals are not boxed on the way.

use ridgeway_doc::Node;

use super::Cel;
use super::code::{Code, Global, Index};
use super::eval::{Evaluator, Fault, fail};
use crate::name::Name;

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

impl<'a> Evaluator<'_, 'a> {
    /// The node that a chain of plain names leads to; `None` says nothing about why not. A node is two words, which
    /// larger values on their way are not: what can be asked of a node is asked here first.
    #[inline]
    pub(super) fn spot(&self, code: &Code) -> Option<Node<'a>> {
        match code {
            Code::Path(parts) => self.root(&parts.0)?.descend(parts.1.iter().map(Name::key)),
            code => self.root(code),
        }
    }

    #[inline]
    fn root(&self, code: &Code) -> Option<Node<'a>> {
        match code {
            Code::Local(at) => match self.locals.get(self.base + at) {
                Some(Cel::Node(node)) => Some(*node),
                _ => None,
            },
            Code::Global(name) => self.scope.node(name),
            Code::Variable(name) => self.scope.variable_node(name),
            _ => None,
        }
    }

    /// The same for chains with `?`: the node, or that there is none. The outer `None` says nothing.
    pub(super) fn optional_spot(&self, code: &Code) -> Option<Option<Node<'a>>> {
        let below = |code: &Code| match self.spot(code) {
            Some(node) => Some(Some(node)),
            None => self.optional_spot(code),
        };
        // Of a scalar only `?` itself asks in vain; a field of what `?` has found is a fault there.
        let step = |node: Node<'a>, name: &Name, asked: bool| match node.member(name.key()) {
            Some(found) if found.is_null() => Some(None),
            Some(found) => Some(Some(found)),
            None => (node.is_object() || asked && !node.is_array()).then_some(None),
        };
        match code {
            Code::Select(parts) => match below(&parts.0)? {
                Some(node) => step(node, &parts.1, true),
                None => Some(None),
            },
            Code::Path(parts) => {
                let Some(mut node) = self.optional_spot(&parts.0)? else {
                    return Some(None);
                };
                for field in &parts.1 {
                    match step(node, field, false)? {
                        Some(next) => node = next,
                        None => return Some(None),
                    }
                }
                Some(Some(node))
            }
            Code::Index(index) if index.optional => {
                let name = index.name.as_ref()?;
                let Some(node) = below(&index.operand)? else {
                    return Some(None);
                };
                match node.member(name.key()) {
                    Some(found) => Some(Some(found)),
                    None => (!node.is_array()).then_some(None),
                }
            }
            _ => None,
        }
    }

    /// The value, optionals unboxed and nodes as they lie.
    pub(super) fn maybe(&mut self, code: &'a Code) -> Result<Maybe<'a>, Fault> {
        self.fuel.burn(1)?;
        if let Some(node) = self.spot(code) {
            return Ok(Maybe::Node(node));
        }
        match code {
            Code::Path(parts) => self.path(&parts.0, &parts.1),
            Code::Local(at) => match self.locals.get(self.base + at) {
                Some(value) => Ok(Maybe::of(value.clone())),
                None => fail("a variable of a macro is used outside of it"),
            },
            Code::Global(name) => self.global(name),
            Code::Variable(name) => self.variable(name).map(Maybe::of),
            Code::Call(call) => self.call(call),
            Code::Select(parts) => step(self.maybe(&parts.0)?, &parts.1, true),
            Code::Index(index) => self.index(index),
            Code::Ternary(parts) => match self.truth(&parts.0)? {
                true => self.maybe(&parts.1),
                false => self.maybe(&parts.2),
            },
            code if code.is_truth() => self.truth(code).map(|truth| Maybe::Plain(Cel::Bool(truth))),
            code => self.make(code).map(Maybe::of),
        }
    }

    fn global(&self, name: &Global) -> Result<Maybe<'a>, Fault> {
        match self.scope.lookup(name) {
            Some(value) => Ok(Maybe::of(value)),
            None => fail(format!("undeclared reference to '{}'", name.name)),
        }
    }

    /// Plain selections. Documents are gone through node by node.
    fn path(&mut self, root: &'a Code, fields: &'a [Name]) -> Result<Maybe<'a>, Fault> {
        self.fuel.burn(fields.len() as u64)?;
        let part = match (root, fields) {
            (Code::Global(name), [first, rest @ ..]) => self.scope.part(name, first).map(|part| (part, rest)),
            _ => None,
        };
        let (mut value, fields) = match part {
            Some((part, rest)) => (Maybe::of(part), rest),
            None => (self.maybe(root)?, fields),
        };
        if let Maybe::Node(node) = value {
            return below(node, fields);
        }
        for field in fields {
            value = step(value, field, false)?;
        }
        Ok(value)
    }

    fn index(&mut self, code: &'a Index) -> Result<Maybe<'a>, Fault> {
        let operand = self.maybe(&code.operand)?;
        let optional = code.optional || matches!(operand, Maybe::SomeNode(_) | Maybe::Some(_) | Maybe::None);
        if let (Maybe::Node(node) | Maybe::SomeNode(node), Some(name)) = (&operand, &code.name)
            && node.is_object()
        {
            return match node.member(name.key()) {
                Some(found) if optional => Ok(Maybe::SomeNode(found)),
                Some(found) => Ok(Maybe::Node(found)),
                None if optional => Ok(Maybe::None),
                None => fail(format!("no such key: {}", name.text)),
            };
        }
        let index = self.eval(&code.index)?;
        let (Some(inner), _) = operand.parted() else {
            return Ok(Maybe::None);
        };
        if inner.is_map() && !matches!(index, Cel::Text(_) | Cel::Bool(_)) && !index.is_number() {
            return fail(format!("unsupported key type: {}", index.type_name()));
        }
        if code.optional && inner.is_scalar() {
            return Ok(Maybe::None);
        }
        if !inner.is_map() && !inner.is_list() {
            return fail(format!(
                "no such overload: {}[{}]",
                inner.type_name(),
                index.type_name()
            ));
        }
        match inner.index(&index) {
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
}

/// The node that a chain of names leads to.
fn below<'a>(mut node: Node<'a>, fields: &[Name]) -> Result<Maybe<'a>, Fault> {
    for field in fields {
        match node.member(field.key()) {
            Some(next) => node = next,
            None => return missing(&Cel::of(node), field),
        }
    }
    Ok(Maybe::Node(node))
}

/// The fault of a field that is not there.
#[cold]
fn missing<'a, T>(value: &Cel<'a>, field: &Name) -> Result<T, Fault> {
    if value.is_map() || value.is_scalar() {
        return fail(format!("no such key: {}", field.text));
    }
    fail(format!("no such field: {} (in a {})", field.text, value.type_name()))
}

/// One selection on from a value; `asked` when it is written with `?`.
fn step<'a>(value: Maybe<'a>, field: &Name, asked: bool) -> Result<Maybe<'a>, Fault> {
    let (inner, optional) = match value {
        Maybe::Node(node) => return step_in(node, field, asked, asked),
        Maybe::SomeNode(node) => return step_in(node, field, true, asked),
        Maybe::None => return Ok(Maybe::None),
        Maybe::Some(Cel::Node(node)) => return step_in(node, field, true, asked),
        Maybe::Some(inner) => (inner, true),
        Maybe::Plain(inner) => (inner, asked),
    };
    if let Cel::Message(message) = &inner
        && optional
    {
        return match message.has(&field.text) {
            Some(true) => Ok(message.get(&field.text).map_or(Maybe::None, Maybe::Some)),
            Some(false) => Ok(Maybe::None),
            None => fail(format!("no such field: {}", field.text)),
        };
    }
    match inner.field(&field.text) {
        Some(found) if optional => Ok(Maybe::Some(found)),
        Some(found) => Ok(Maybe::of(found)),
        None if optional && (inner.is_map() || asked && inner.is_scalar()) => Ok(Maybe::None),
        None => missing(&inner, field),
    }
}

fn step_in<'a>(node: Node<'a>, field: &Name, optional: bool, asked: bool) -> Result<Maybe<'a>, Fault> {
    match node.member(field.key()) {
        // In a document `null` is as good as nothing.
        Some(found) if optional && found.is_null() => Ok(Maybe::None),
        Some(found) if optional => Ok(Maybe::SomeNode(found)),
        Some(found) => Ok(Maybe::Node(found)),
        None if optional && (node.is_object() || asked && !node.is_array()) => Ok(Maybe::None),
        None => missing(&Cel::of(node), field),
    }
}
