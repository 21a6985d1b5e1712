//! The syntax tree of a module.

use std::sync::Arc;

use super::value::Value;

pub(crate) type Name = Arc<str>;

/// Line and column, from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pos {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A module.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// The names after `package`.
    pub(crate) package: Vec<Name>,
    pub(crate) package_pos: Pos,
    pub(crate) imports: Vec<Import>,
    pub(crate) rules: Vec<Rule>,
    /// Comments by line.
    pub(crate) comments: Vec<(u32, String)>,
}

/// `import data.a.b as c`
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<Name>,
    pub(crate) alias: Option<Name>,
}

/// What a head makes.
#[derive(Clone, Debug)]
pub(crate) enum HeadKind {
    /// One value.
    Value(Term),
    /// One element of a set.
    Contains(Term),
}

/// A rule with its alternatives.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) default: bool,
    pub(crate) name: Name,
    /// What follows the name, as in `p.q[x]`.
    pub(crate) path: Vec<Term>,
    /// The parameters of a function.
    pub(crate) args: Option<Vec<Term>>,
    pub(crate) head: HeadKind,
    pub(crate) body: Body,
    pub(crate) elses: Vec<(Term, Body)>,
    pub(crate) pos: Pos,
}

pub(crate) type Body = Vec<Literal>;

/// One line of a body.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) kind: LiteralKind,
    pub(crate) with: Vec<With>,
    pub(crate) pos: Pos,
}

#[derive(Clone, Debug)]
pub(crate) enum LiteralKind {
    Term(Term),
    Not(Box<LiteralKind>),
    Unify(Term, Term),
    Assign(Term, Term),
    /// Any of these bodies, the later ones only where those before do not hold. It gives nothing.
    Any(Vec<Closure>),
    Some(Vec<Name>),
    SomeIn(Option<Term>, Term, Term),
    Every {
        key: Option<Term>,
        value: Term,
        domain: Term,
        body: Closure,
    },
}

/// `with target as value`
#[derive(Clone, Debug)]
pub(crate) struct With {
    pub(crate) target: Term,
    pub(crate) value: Term,
}

/// A body with variables of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closure {
    pub(crate) body: Body,
    /// The numbers of its own variables, once resolved.
    pub(crate) own: std::ops::Range<u32>,
}

/// A call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The function as a reference.
    pub(crate) target: Term,
    pub(crate) args: Vec<Term>,
    pub(crate) pos: Pos,
}

/// A piece of `$"…"`.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(String),
    Term(Box<Term>, Closure),
}

/// A term.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    Scalar(Value<'static>),
    /// A name, before it is resolved.
    Var(Name),
    /// A variable of a rule, once resolved.
    Local(u32),
    Input,
    Data,
    /// A rule by its node, where the compiler made it.
    Rule(usize),
    Ref(Box<Term>, Vec<Term>),
    Call(Box<Call>),
    Array(Vec<Term>),
    Object(Vec<(Term, Term)>),
    Set(Vec<Term>),
    ArrayOf(Box<Term>, Closure),
    SetOf(Box<Term>, Closure),
    ObjectOf(Box<(Term, Term)>, Closure),
    Template(Vec<Part>),
}

impl Term {
    pub(crate) fn text(text: &str) -> Term {
        Term::Scalar(Value::str(text))
    }

    pub(crate) fn truth() -> Term {
        Term::Scalar(Value::Bool(true))
    }

    /// The text of a constant text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Term::Scalar(value) => value.as_str(),
            _ => None,
        }
    }

    /// A reference by names alone, dotted: `io.jwt.decode`.
    pub(crate) fn dotted(&self) -> Option<String> {
        match self {
            Term::Var(name) => Some(name.to_string()),
            Term::Data => Some("data".into()),
            Term::Input => Some("input".into()),
            Term::Ref(head, path) => {
                let mut out = head.dotted()?;
                for step in path {
                    out.push('.');
                    out.push_str(step.as_text()?);
                }
                Some(out)
            }
            _ => None,
        }
    }
}
