//! What an expression is evaluated as: constants folded, names hashed, chains of selections in one piece.

use std::sync::Arc;

use super::ast::{LoopKind, MessageKind, Operator};
use super::descriptor::Types;
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
    Variable(Name),
    /// Plain selections, one after the other.
    Path(Box<(Code, Box<[Name]>)>),
    /// `operand.?field`
    Select(Box<(Code, Name)>),
    /// Whether a field is set.
    Has(Box<(Code, Name)>),
    HasVariable(Name),
    Index(Box<Index>),
    Call(Box<Call>),
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
    OneOf(Box<(Code, Arc<Vec<Cel<'static>>>)>),
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
            Code::Binary(operator, _) => matches!(operator, Operator::Equal | Operator::NotEqual),
            _ => false,
        }
    }
}

impl Code {
    /// Whether its value may be a node or an optional on its way to what is asked of it.
    #[inline]
    pub(super) fn travels(&self) -> bool {
        matches!(
            self,
            Code::Path(_) | Code::Select(_) | Code::Index(_) | Code::Call(_) | Code::Global(_)
        )
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
    /// The index, where it is a text that is always the same.
    pub(super) name: Option<Name>,
    pub(super) optional: bool,
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
    OrValue,
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
