//! The syntax tree.

use std::cmp::Ordering;
use std::sync::Arc;

use super::descriptor::{Descriptor, Types};

/// An expression. After [`super::resolve`] it holds no `Ident`: names are slots, globals, types or constants.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Literal(Literal),
    Ident {
        name: Arc<str>,
        /// Written with a leading dot.
        absolute: bool,
    },
    /// A variable of a macro, by its place on the stack.
    Local(usize),
    /// A name of the scope; dotted when a dotted name is declared.
    Global(Arc<str>),
    /// A type as a value.
    Type(Arc<str>),
    /// A constant of an enumeration.
    Constant(Arc<str>, i32),
    Select {
        operand: Box<Expr>,
        field: Arc<str>,
        optional: bool,
    },
    Has {
        operand: Box<Expr>,
        field: Arc<str>,
    },
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    Call {
        target: Option<Box<Expr>>,
        name: Arc<str>,
        arguments: Vec<Expr>,
    },
    List(Vec<(Expr, bool)>),
    Map(Vec<(Expr, Expr, bool)>),
    Message {
        name: Arc<str>,
        absolute: bool,
        fields: Vec<(Arc<str>, Expr, bool)>,
        /// Its description; without one it becomes a map.
        kind: Option<MessageKind>,
    },
    /// A number or name to a constant of an enumeration.
    Convert {
        types: Arc<Types>,
        name: Arc<str>,
        argument: Box<Expr>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Loop(Box<Loop>),
    /// `optMap` and `optFlatMap`.
    Optional {
        operand: Box<Expr>,
        name: Arc<str>,
        body: Box<Expr>,
        flat: bool,
    },
    Bind {
        name: Arc<str>,
        value: Box<Expr>,
        body: Box<Expr>,
    },
    /// `cel.block`: values that are computed when they are first needed.
    Block {
        slots: Arc<[Expr]>,
        body: Box<Expr>,
    },
    /// A value of the block around.
    Slot(usize),
}

/// What a message is made by.
#[derive(Clone, Debug)]
pub(crate) struct MessageKind {
    pub(super) types: Arc<Types>,
    pub(super) descriptor: Arc<Descriptor>,
    pub(super) strong_enums: bool,
}

/// A macro over a list or map.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) range: Expr,
    pub(super) names: (Arc<str>, Option<Arc<str>>),
    pub(super) condition: Option<Expr>,
    pub(super) body: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
    /// `transformMap`: keys stay, values are made anew.
    TransformMap,
    /// `sortBy`: the items in the order of what the body makes of them.
    SortBy,
    /// `transformMapEntry`: the body makes a map of one member.
    TransformEntry,
}

impl LoopKind {
    /// Whether the macro gives a boolean.
    pub(super) fn decides(self) -> bool {
        matches!(self, LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne)
    }
}

/// A value written in the expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operator {
    /// Whether it compares by order.
    pub(super) fn orders(self) -> bool {
        use Operator::{Greater, GreaterOrEqual, Less, LessOrEqual};
        matches!(self, Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// Whether a comparison holds of values in this order; no other operator does.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
            _ => false,
        }
    }

    /// As it is written.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Modulo => "%",
        }
    }
}

impl Expr {
    /// `a.b.c` of plain selections, and whether it opened with a dot.
    pub(super) fn dotted(&self) -> Option<(String, bool)> {
        match self {
            Expr::Ident { name, absolute } => Some((name.to_string(), *absolute)),
            Expr::Select {
                operand,
                field,
                optional: false,
            } => {
                let (base, absolute) = operand.dotted()?;
                Some((format!("{base}.{field}"), absolute))
            }
            _ => None,
        }
    }

    /// `object.spec.containers`, when the expression is such a path.
    fn path(&self) -> Option<String> {
        match self {
            Expr::Global(name) if &**name == "object" => Some(String::new()),
            Expr::Select { operand, field, .. } | Expr::Has { operand, field } => {
                let base = operand.path()?;
                Some(if base.is_empty() {
                    field.to_string()
                } else {
                    format!("{base}.{field}")
                })
            }
            Expr::Call {
                target: Some(target),
                name,
                ..
            } if matches!(&**name, "orValue" | "value" | "hasValue") => target.path(),
            _ => None,
        }
    }

    /// The first path of `object` that the expression reads.
    pub(super) fn first_path(&self) -> Option<String> {
        if let Some(path) = self.path().filter(|path| !path.is_empty()) {
            return Some(path);
        }
        let both = |a: &Expr, b: &Expr| a.first_path().or_else(|| b.first_path());
        match self {
            Expr::Select { operand, .. } | Expr::Has { operand, .. } => operand.first_path(),
            Expr::Index { operand, .. } | Expr::Not(operand) | Expr::Negate(operand) => operand.first_path(),
            Expr::Call { target, arguments, .. } => {
                let target = target.as_ref().and_then(|t| t.first_path());
                target.or_else(|| arguments.iter().find_map(Expr::first_path))
            }
            Expr::And(a, b) | Expr::Or(a, b) | Expr::Binary(_, a, b) => both(a, b),
            Expr::Ternary(c, a, b) => c.first_path().or_else(|| both(a, b)),
            Expr::Loop(inner) => both(&inner.range, &inner.body),
            Expr::Optional { operand, .. } => operand.first_path(),
            Expr::Bind { value, body, .. } => both(value, body),
            _ => None,
        }
    }
}
