//! What an expression is evaluated as: constants folded, names hashed, chains of selections in one piece.

use std::sync::Arc;

use super::ast::{LoopKind, MessageKind, Operator};
use super::descriptor::Types;
use super::seq::Seq;
use super::value::Cel;
use crate::name::Name;

/// An expression as it is evaluated.
pub(super) enum Code {
    /// A value that is always the same.
    Fixed(Cel<'static>),
    /// A variable of a macro, by its place on the stack.
    Local(usize),
    Global(Global),
    /// `variables.name`
    Variable(Box<Variable>),
    /// Names that are gone through one after the other, none of them with `?`.
    Path(Box<Path>),
    /// The same with a `?` somewhere: an optional.
    Asked(Box<Path>),
    /// Whether a field is set.
    Has(Box<(Code, Name)>),
    HasVariable(Box<Variable>),
    Index(Box<Index>),
    Call(Box<Call>),
    /// `optional.orValue(alternative)`
    OrValue(Box<(Code, Code)>),
    List(Box<[(Code, bool)]>),
    Map(Box<[(Code, Code, bool)]>),
    Message(Box<MessageCode>),
    Convert(Box<(Arc<Types>, Arc<str>, Code)>),
    Not(Box<Code>),
    Negate(Box<Code>),
    /// `&&` (false decides) and `||` (true decides).
    Logic(Box<(Code, Code)>, bool),
    Ternary(Box<(Code, Code, Code)>),
    Binary(Operator, Box<(Code, Code)>),
    /// Whether a value is (`true`) or is not a constant.
    Is(Box<(Code, Cel<'static>)>, bool),
    /// Whether a value is among constants.
    OneOf(Box<(Code, Seq<'static, Cel<'static>>)>),
    /// `'name' in map`
    NameIn(Box<(Name, Code)>),
    /// `+` of several values, one of which is a text.
    Concat(Box<[Code]>),
    /// `+` of three values or more.
    Sum(Box<[Code]>),
    Loop(Box<LoopCode>),
    /// `optMap`, and with `true` `optFlatMap`.
    Optional(Box<(Code, Code)>, bool),
    Bind(Box<(Code, Code)>),
    Block(Arc<[Code]>, Box<Code>),
    Slot(usize),
}

/// A variable of a policy.
pub(crate) struct Variable {
    pub(crate) name: Name,
    /// Its place among the policy's variables, where these were known; a hint that is checked.
    pub(crate) place: usize,
}

/// A value and the names that lead on from it.
pub(super) struct Path {
    pub(super) root: Code,
    pub(super) steps: Box<[Step]>,
    /// Where the path leads first, if that is where most paths do: each place is looked for once.
    pub(super) begins: Option<Beginning>,
}

impl Path {
    pub(super) fn new(root: Code, steps: Box<[Step]>) -> Path {
        let begins = match (&root, &*steps) {
            (Code::Global(name), [first, ..]) if name.root == Root::Object && first.how == How::Field => {
                match &*first.name.text {
                    "spec" => Some(Beginning::Spec),
                    "metadata" => Some(Beginning::Metadata),
                    _ => None,
                }
            }
            _ => None,
        };
        Path { root, steps, begins }
    }
}

/// Where most paths of expressions begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// `object`
    Object,
    /// `object.spec`
    Spec,
    /// `object.metadata`
    Metadata,
}

/// One name of a path.
pub(super) struct Step {
    pub(super) name: Name,
    pub(super) how: How,
}

/// How a name is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// `.name`
    Field,
    /// `['name']`
    Key,
    /// `.?name`
    AskedField,
    /// `[?'name']`
    AskedKey,
}

impl How {
    #[inline]
    pub(super) fn asks(self) -> bool {
        matches!(self, How::AskedField | How::AskedKey)
    }

    #[inline]
    pub(super) fn is_field(self) -> bool {
        matches!(self, How::Field | How::AskedField)
    }
}

/// A name of the scope.
pub(crate) struct Global {
    pub(crate) root: Root,
    pub(crate) name: Arc<str>,
}

/// The names that the expressions of policies begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Object,
    OldObject,
    Request,
    NamespaceObject,
    Params,
    /// Known by its name alone.
    Other,
}

impl Global {
    /// `variables`
    pub(super) fn variables() -> Global {
        Global::new(&Arc::from("variables"))
    }

    pub(super) fn new(name: &Arc<str>) -> Global {
        let root = match &**name {
            "object" => Root::Object,
            "oldObject" => Root::OldObject,
            "request" => Root::Request,
            "namespaceObject" => Root::NamespaceObject,
            "params" => Root::Params,
            _ => Root::Other,
        };
        Global {
            root,
            name: name.clone(),
        }
    }
}

impl Code {
    /// Whether it can give nothing but a boolean.
    #[inline]
    pub(super) fn is_truth(&self) -> bool {
        match self {
            Code::Has(_) | Code::Is(..) | Code::OneOf(_) | Code::NameIn(_) | Code::Not(_) | Code::Logic(..) => true,
            Code::Loop(inner) => inner.kind.decides(),
            Code::Binary(operator, _) => {
                operator.orders() || matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In)
            }
            _ => false,
        }
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The tree it was made from says the same.
        f.write_str("Code")
    }
}

pub(super) struct Index {
    pub(super) operand: Code,
    pub(super) index: Code,
    /// Whether it is written with `?`.
    pub(super) asked: bool,
}

pub(super) struct Call {
    pub(super) function: Function,
    pub(super) name: Arc<str>,
    /// Where the name of a module's function is parted.
    pub(super) module: Option<usize>,
    pub(super) target: Option<Code>,
    pub(super) arguments: Box<[Code]>,
    /// Whether the work does not depend on how large the values are.
    pub(super) cheap: bool,
}

/// Functions that are known before the values are.
#[derive(Clone)]
pub(super) enum Function {
    Size,
    HasValue,
    Value,
    Or,
    StartsWith,
    EndsWith,
    Contains,
    Matches(Arc<regex::Regex>),
    /// Found by its name.
    Other,
}

pub(super) struct MessageCode {
    pub(super) name: Arc<str>,
    pub(super) fields: Vec<(Arc<str>, Code, bool)>,
    pub(super) kind: Option<MessageKind>,
}

pub(super) struct LoopCode {
    pub(super) kind: LoopKind,
    pub(super) range: Code,
    /// Whether keys and values are both named.
    pub(super) two: bool,
    pub(super) condition: Option<Code>,
    pub(super) body: Code,
}
