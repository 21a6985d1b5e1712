//! What a module compiles to: rules in a tree of names, bodies as steps over numbered slots.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::ast::{Name, Pos};
use super::builtins::Builtin;
use super::compile::Tree;
use super::value::Value;

/// The compiled modules.
pub(crate) struct Program {
    pub(crate) tree: Tree,
    pub(crate) rules: Vec<RuleSet>,
    pub(crate) patterns: Patterns,
}

/// Regular expressions, compiled once.
#[derive(Default)]
pub(crate) struct Patterns(pub(crate) Mutex<HashMap<String, Arc<regex::Regex>>>);

/// A name under `data`.
#[derive(Debug, Default)]
pub(crate) struct TreeNode {
    pub(crate) path: Vec<Name>,
    pub(crate) children: BTreeMap<Name, usize>,
    pub(crate) rule: Option<usize>,
}

/// What the rules of one name make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuleKind {
    Complete,
    Set,
    Object,
    Function(usize),
}

/// The rules of one name.
#[derive(Debug)]
pub(crate) struct RuleSet {
    pub(crate) node: usize,
    pub(crate) kind: RuleKind,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) default: Option<Clause>,
    pub(crate) pos: Pos,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) slots: usize,
    pub(crate) args: Vec<Pattern>,
    /// The bodies, each tried when those before it fail.
    pub(crate) branches: Vec<Branch>,
    /// Ways on from the one body, each with an element of its own: what several rules of a set have in common is done
    /// once. The value of the body itself counts only where there are none.
    pub(crate) arms: Vec<Branch>,
    /// Whether it adds an element rather than a value.
    pub(crate) element: bool,
    pub(crate) pos: Pos,
}

/// One body with its value.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) steps: Steps,
    /// The keys from the rule's name to the value.
    pub(crate) keys: Vec<Expr>,
    pub(crate) value: Expr,
}

pub(crate) type Steps = Vec<Step>;

/// A step of a body.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Goes on when the value is there and not false.
    Test(Expr),
    /// Puts a value into a slot.
    Bind(u32, Expr),
    /// Takes a value apart.
    Match(Expr, Pattern),
    /// Goes through all places that a reference may mean.
    Walk {
        head: Head,
        keys: Vec<Key>,
        value: Pattern,
    },
    /// `walk(x)`: all places below a value, as pairs of path and value.
    Descend {
        value: Expr,
        pair: Pattern,
    },
    /// `some k, v in xs`
    Iterate {
        domain: Expr,
        key: Pattern,
        value: Pattern,
    },
    Not(Steps),
    Every {
        domain: Expr,
        key: Pattern,
        value: Pattern,
        body: Steps,
    },
    With {
        changes: Vec<Change>,
        body: Steps,
        /// The slots that the body fills.
        fills: Vec<u32>,
    },
}

/// What `with` changes.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Input(Vec<Value<'static>>, Expr),
    Data {
        path: Vec<Value<'static>>,
        node: Option<usize>,
        value: Expr,
    },
    /// A function is replaced by a value or another function.
    Function(Function, Mock),
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Builtin(&'static str),
    Rule(usize),
}

/// What stands in for a function.
#[derive(Debug, PartialEq)]
pub(crate) enum Mock {
    Value(Expr),
    Builtin(&'static Builtin),
    Rule(usize),
}

/// Where a reference begins.
#[derive(Debug, PartialEq)]
pub(crate) enum Head {
    Value(Expr),
    /// A name under `data`.
    Tree(usize),
}

/// A step of a reference.
#[derive(Debug, PartialEq)]
pub(crate) enum Key {
    /// A known key.
    At(Expr),
    /// A known name.
    Named(crate::name::Name),
    /// Any key that fits.
    Any(Pattern),
}

/// A shape that values are matched with.
#[derive(Debug, PartialEq)]
pub(crate) enum Pattern {
    Any,
    /// Anything but false.
    True,
    Bind(u32),
    Equal(Expr),
    Array(Vec<Pattern>),
    Object(Vec<(Expr, Pattern)>),
}

/// Where an expression stands, which is no part of what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Pos);

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

/// A value to compute.
#[derive(Debug, PartialEq)]
pub(crate) enum Expr {
    Const(Value<'static>),
    Slot(u32),
    Input,
    Rule(usize),
    /// A name under `data` with known keys below it.
    Data(usize, Vec<Expr>),
    Ref(Box<Expr>, Vec<Expr>),
    /// Known keys below the input or a variable: gone through without a copy.
    Path(Base, Vec<PathKey>),
    Array(Vec<Expr>),
    Set(Vec<Expr>),
    Object(Vec<(Expr, Expr)>),
    ArrayOf(Box<Expr>, Steps),
    SetOf(Box<Expr>, Steps),
    ObjectOf(Box<(Expr, Expr)>, Steps),
    Builtin(&'static Builtin, Vec<Expr>, At),
    Call(usize, Vec<Expr>, At),
    Template(Vec<TemplatePart>),
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Base {
    Input,
    Slot(u32),
}

/// A key of a path.
#[derive(Debug, PartialEq)]
pub(crate) enum PathKey {
    Name(crate::name::Name),
    Slot(u32),
    Const(Value<'static>),
}

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(crate) enum TemplatePart {
    Text(String),
    /// The value after the steps, or `<undefined>`.
    Value(Steps, Expr),
}
