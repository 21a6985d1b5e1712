//! Evaluation over a scope.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Ast, Comparison, Expression, Val};
use crate::budget::{Exhausted, Fuel};

/// Where names at the root of an expression are looked up.
pub trait Scope<'a> {
    /// The value of a root name; `None` when there is no such name.
    fn lookup(&self, name: &str) -> Option<Result<Val<'a>, Fault>>;

    /// The root as one value, where there is one.
    fn root(&self) -> Option<Val<'a>> {
        None
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A key is not there.
    #[error("Unknown key {0:?} in path")]
    NotFound(String),
    /// A function cannot do that.
    #[error("{0}")]
    Invalid(String),
    /// The budget is used up.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

impl Fault {
    pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::Invalid(message.into()))
    }
}

/// Evaluates expressions within one scope and one budget.
pub struct Evaluator<'e, 'a> {
    scope: &'e dyn Scope<'a>,
    fuel: &'e Fuel,
    pub(super) now: Option<Timestamp>,
}

impl<'e, 'a> Evaluator<'e, 'a> {
    /// An evaluator. Without `now`, functions that read the time fail.
    pub fn new(scope: &'e dyn Scope<'a>, fuel: &'e Fuel, now: Option<Timestamp>) -> Evaluator<'e, 'a> {
        Evaluator { scope, fuel, now }
    }

    /// The value of an expression.
    pub fn evaluate(&self, expression: &Expression) -> Result<Val<'a>, Fault> {
        self.eval(&expression.ast, &self.scope.root().unwrap_or(Val::Scope))
    }

    pub(super) fn eval(&self, ast: &Ast, current: &Val<'a>) -> Result<Val<'a>, Fault> {
        self.fuel.burn(1)?;
        match ast {
            Ast::Identity => Ok(current.clone()),
            Ast::Field(name) => match current {
                Val::Scope => self
                    .scope
                    .lookup(name)
                    .unwrap_or_else(|| Err(Fault::NotFound(name.to_string()))),
                // Only what has keys can lack one: with Kyverno, a field of anything else is null.
                other => match other.get(name) {
                    Some(value) => Ok(value),
                    None if other.is_object() => Err(Fault::NotFound(name.to_string())),
                    None => Ok(Val::Null),
                },
            },
            Ast::Index(index) => Ok(current.item(*index).unwrap_or(Val::Null)),
            Ast::Slice(start, stop, step) => Ok(slice(current, *start, *stop, *step)),
            Ast::Sub(left, right) => {
                let value = self.eval(left, current)?;
                self.eval(right, &value)
            }
            Ast::Pipe(left, right) => {
                let value = self.or_null(left, current)?;
                self.or_null(right, &value)
            }
            Ast::Projection(left, right) => {
                let value = self.or_null(left, current)?;
                if !value.is_array() {
                    return Ok(Val::Null);
                }
                self.project(value.items(), right)
            }
            Ast::ValueProjection(left, right) => {
                let value = self.forgiven(left, current)?;
                if !value.is_object() {
                    return Ok(Val::Null);
                }
                self.project(value.members().into_iter().map(|(_, v)| v).collect(), right)
            }
            Ast::Filter(left, condition, right) => {
                let value = self.forgiven(left, current)?;
                if !value.is_array() {
                    return Ok(Val::Null);
                }
                let mut kept = Vec::new();
                for item in value.items() {
                    if self.or_null(condition, &item)?.truthy() {
                        kept.push(item);
                    }
                }
                self.project(kept, right)
            }
            Ast::Flatten(inner) => {
                let value = self.forgiven(inner, current)?;
                if !value.is_array() {
                    return Ok(Val::Null);
                }
                let mut out = Vec::new();
                for item in value.items() {
                    if item.is_array() {
                        self.fuel.burn(item.len() as u64)?;
                        out.extend(item.items());
                    } else {
                        out.push(item);
                    }
                }
                Ok(Val::array(out))
            }
            Ast::List(items) => {
                if current.is_null() {
                    return Ok(Val::Null);
                }
                let items = items
                    .iter()
                    .map(|item| self.or_null(item, current))
                    .collect::<Result<_, _>>()?;
                Ok(Val::array(items))
            }
            Ast::Hash(members) => {
                if current.is_null() {
                    return Ok(Val::Null);
                }
                let mut out = Vec::with_capacity(members.len());
                for (key, member) in members {
                    out.push((Cow::Owned(key.to_string()), self.or_null(member, current)?));
                }
                Ok(Val::object(out))
            }
            Ast::Literal(value) => Ok(Val::copy(value.node())),
            Ast::Compare(op, left, right) => {
                let (left, right) = (self.or_null(left, current)?, self.or_null(right, current)?);
                Ok(compare(*op, &left, &right))
            }
            Ast::And(left, right) => {
                let value = self.or_null(left, current)?;
                if value.truthy() {
                    self.eval(right, current)
                } else {
                    Ok(value)
                }
            }
            Ast::Or(left, right) => {
                let value = self.or_null(left, current)?;
                if value.truthy() {
                    Ok(value)
                } else {
                    self.or_null(right, current)
                }
            }
            Ast::Not(inner) => Ok(Val::Bool(!self.or_null(inner, current)?.truthy())),
            Ast::Call(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(match argument {
                        // References are evaluated by the function, once per item.
                        Ast::Reference(_) => Val::Null,
                        other => self.or_null(other, current)?,
                    });
                }
                self.fuel
                    .burn(values.iter().map(|v| v.len() as u64 / 16).sum::<u64>() + 1)?;
                (function.call)(self, &values, arguments)
            }
            Ast::Reference(_) => Fault::invalid("`&` may only stand before a function's argument"),
        }
    }

    /// The value, where a missing key is `null`.
    pub(super) fn or_null(&self, ast: &Ast, current: &Val<'a>) -> Result<Val<'a>, Fault> {
        match self.eval(ast, current) {
            Err(Fault::NotFound(_)) => Ok(Val::Null),
            other => other,
        }
    }

    /// The value, where whatever goes wrong is `null`: as in Kyverno's JMESPath, what `[]`, `[?…]` and `*` are about.
    fn forgiven(&self, ast: &Ast, current: &Val<'a>) -> Result<Val<'a>, Fault> {
        match self.eval(ast, current) {
            Err(Fault::NotFound(_) | Fault::Invalid(_)) => Ok(Val::Null),
            other => other,
        }
    }

    fn project(&self, items: Vec<Val<'a>>, right: &Ast) -> Result<Val<'a>, Fault> {
        if matches!(right, Ast::Identity) {
            return Ok(Val::array(items.into_iter().filter(|v| !v.is_null()).collect()));
        }
        let mut out = Vec::with_capacity(items.len());
        for item in &items {
            let value = self.or_null(right, item)?;
            if !value.is_null() {
                out.push(value);
            }
        }
        Ok(Val::array(out))
    }
}

fn slice<'a>(current: &Val<'a>, start: Option<i64>, stop: Option<i64>, step: i64) -> Val<'a> {
    if !current.is_array() {
        return Val::Null;
    }
    let len = current.len() as i64;
    let clamp = |bound: i64| {
        let bound = if bound < 0 { bound + len } else { bound };
        if step > 0 {
            bound.clamp(0, len)
        } else {
            bound.clamp(-1, len - 1)
        }
    };
    let mut at = start.map_or(if step > 0 { 0 } else { len - 1 }, clamp);
    let end = stop.map_or(if step > 0 { len } else { -1 }, clamp);
    let mut out = Vec::new();
    while if step > 0 { at < end } else { at > end } {
        out.extend(current.item(at));
        at += step;
    }
    Val::array(out)
}

fn compare<'a>(op: Comparison, left: &Val<'a>, right: &Val<'a>) -> Val<'a> {
    match op {
        Comparison::Equal => return Val::Bool(left.same(right)),
        Comparison::NotEqual => return Val::Bool(!left.same(right)),
        _ => {}
    }
    let (Some(left), Some(right)) = (left.as_number(), right.as_number()) else {
        return Val::Null;
    };
    let (left, right) = (left.as_f64(), right.as_f64());
    Val::Bool(match op {
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        _ => left >= right,
    })
}
