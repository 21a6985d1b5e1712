//! The checker: the type of an expression, or what cannot work in it.

use std::collections::HashMap;

use super::Program;
use super::ast::{Expr, Literal, Loop, LoopKind};
use super::descriptor::Descriptor;
use super::env::Env;
use super::types::Type;

/// What cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckError {
    /// A name or function that is not known.
    #[error("undeclared reference to '{0}'")]
    Undeclared(String),
    /// Types that do not go together.
    #[error("{0}")]
    Mismatch(String),
}

type Deduced = Result<Type, CheckError>;

fn wrong<T>(message: impl Into<String>) -> Result<T, CheckError> {
    Err(CheckError::Mismatch(message.into()))
}

/// Deduces the type of a program. What is only known in evaluation is `dyn`.
pub(crate) fn check(program: &Program, env: &Env) -> Deduced {
    let mut checker = Checker {
        env,
        bound: Vec::new(),
        slots: Vec::new(),
        found: Found::default(),
        next: FIRST,
    };
    let out = checker.expr(&program.ast)?;
    Ok(checker.found.settle(&out, true))
}

/// Parameters that stand for something to be found are numbered from here; below are the letters of signatures.
const FIRST: u32 = 1 << 10;

/// What parameters turned out to be.
#[derive(Clone, Default)]
struct Found(HashMap<u32, Type>);

impl Found {
    /// The type with its found parameters put in; the others become `dyn` at the end.
    fn settle(&self, kind: &Type, at_end: bool) -> Type {
        kind.with(&mut |id| match self.0.get(&id) {
            Some(found) => self.settle(found, at_end),
            None if at_end => Type::Dyn,
            None => Type::Param(id),
        })
    }

    fn occurs(&self, id: u32, kind: &Type) -> bool {
        match kind {
            Type::Param(other) => *other == id || self.0.get(other).is_some_and(|found| self.occurs(id, found)),
            Type::List(item) => self.occurs(id, item),
            Type::Map(key, value) => self.occurs(id, key) || self.occurs(id, value),
            Type::Opaque(_, parameters) => parameters.iter().any(|p| self.occurs(id, p)),
            _ => false,
        }
    }

    /// Whether a parameter can stand for a type, and whether something was known of it.
    fn substitutes(&mut self, kind: &Type, id: u32) -> (bool, bool) {
        if *kind == Type::Param(id) {
            return (true, true);
        }
        if let Some(known) = self.0.get(&id).cloned() {
            if *kind == known {
                return (true, true);
            }
            if self.assignable(kind, &known) {
                let general = more_general(kind, &known);
                if !self.occurs(id, &general) {
                    self.0.insert(id, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.occurs(id, kind) {
            return (false, false);
        }
        self.0.insert(id, kind.clone());
        (true, false)
    }

    fn assignable(&mut self, a: &Type, b: &Type) -> bool {
        if let Type::Param(id) = b {
            let (valid, known) = self.substitutes(a, *id);
            if valid || known {
                return valid;
            }
        }
        if let Type::Param(id) = a {
            return self.substitutes(b, *id).0;
        }
        match (a, b) {
            (Type::Dyn | Type::Any, _) | (_, Type::Dyn | Type::Any) => true,
            (Type::Null, other) | (other, Type::Null) => matches!(
                other,
                Type::Null | Type::Wrapper(_) | Type::Message(_) | Type::Opaque(..) | Type::Timestamp | Type::Duration
            ),
            (Type::Wrapper(a), Type::Wrapper(b)) => a == b,
            (Type::Wrapper(inner), other) | (other, Type::Wrapper(inner)) => **inner == *other,
            (Type::List(a), Type::List(b)) => self.assignable(a, b),
            (Type::Map(k, v), Type::Map(l, w)) => self.assignable(k, l) && self.assignable(v, w),
            (Type::Opaque(name, a), Type::Opaque(other, b)) => {
                name == other && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.assignable(a, b))
            }
            (a, b) => a == b,
        }
    }

    /// As [`Found::assignable`] for lists; nothing is found when they do not fit.
    fn all_assignable(&mut self, given: &[Type], wanted: &[Type]) -> bool {
        let mut tried = self.clone();
        let fits = given.len() == wanted.len() && given.iter().zip(wanted).all(|(a, b)| tried.assignable(a, b));
        if fits {
            *self = tried;
        }
        fits
    }
}

/// Whether a type says as much as the other or less.
fn says_less(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Any | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Any | Type::Param(_)) => false,
        (Type::Wrapper(inner), other) => a == b || **inner == *other || *other == Type::Null,
        (_, Type::Null) => true,
        (Type::List(a), Type::List(b)) => says_less(a, b),
        (Type::Map(k, v), Type::Map(l, w)) => says_less(k, l) && says_less(v, w),
        (Type::Opaque(name, a), Type::Opaque(other, b)) => {
            name == other && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| says_less(a, b))
        }
        (a, b) => a == b,
    }
}

fn more_general(a: &Type, b: &Type) -> Type {
    match (a, b) {
        // Of two named types the parameters are widened one by one.
        (Type::Opaque(name, a), Type::Opaque(other, b)) if name == other && a.len() == b.len() => {
            Type::Opaque(name.clone(), a.iter().zip(b).map(|(a, b)| more_general(a, b)).collect())
        }
        _ if says_less(a, b) => a.clone(),
        _ => b.clone(),
    }
}

struct Checker<'e> {
    env: &'e Env,
    bound: Vec<Type>,
    slots: Vec<Type>,
    found: Found,
    next: u32,
}

impl Checker<'_> {
    fn fresh(&mut self) -> Type {
        self.next += 1;
        Type::Param(self.next)
    }

    fn within(&mut self, names: Vec<Type>, expr: &Expr) -> Deduced {
        let depth = self.bound.len();
        self.bound.extend(names);
        let out = self.expr(expr);
        self.bound.truncate(depth);
        out
    }

    fn is_bool(&mut self, expr: &Expr, what: &str) -> Result<(), CheckError> {
        let kind = self.expr(expr)?;
        if self.found.assignable(&kind, &Type::Bool) {
            return Ok(());
        }
        wrong(format!(
            "{what} must be a bool, not a {}",
            self.found.settle(&kind, true)
        ))
    }

    fn boxed_within(&mut self, names: Vec<Type>, expr: &Expr, what: &str) -> Result<(), CheckError> {
        let depth = self.bound.len();
        self.bound.extend(names);
        let out = self.is_bool(expr, what);
        self.bound.truncate(depth);
        out
    }

    fn expr(&mut self, expr: &Expr) -> Deduced {
        Ok(match expr {
            Expr::Literal(literal) => match literal {
                Literal::Null => Type::Null,
                Literal::Bool(_) => Type::Bool,
                Literal::Int(_) => Type::Int,
                Literal::Uint(_) => Type::Uint,
                Literal::Double(_) => Type::Double,
                Literal::Text(_) => Type::Text,
                Literal::Bytes(_) => Type::Bytes,
            },
            Expr::Ident { name, .. } | Expr::Global(name) => match self.env.variables.get(&**name) {
                Some(kind) => kind.clone(),
                None => return Err(CheckError::Undeclared(name.to_string())),
            },
            Expr::Local(at) => self.bound.get(*at).cloned().unwrap_or(Type::Dyn),
            Expr::Slot(at) => self.slots.get(*at).cloned().unwrap_or(Type::Dyn),
            Expr::Type(_) => Type::Meta,
            Expr::Constant(name, _) => Type::Opaque(name.clone(), Vec::new()),
            Expr::Convert { name, argument, .. } => {
                let given = self.expr(argument)?;
                let fits = [Type::Int, Type::Text]
                    .iter()
                    .any(|kind| self.found.assignable(&given, kind));
                if !fits {
                    return wrong(format!("{name} is made of an int or a string, not of a {given}"));
                }
                Type::Opaque(name.clone(), Vec::new())
            }
            Expr::Select {
                operand,
                field,
                optional,
            } => {
                // Members that are declared one by one.
                if let Expr::Global(name) = &**operand
                    && let Some(kind) = self.env.variables.get(&format!("{name}.{field}"))
                {
                    return Ok(if *optional {
                        Type::optional(kind.clone())
                    } else {
                        kind.clone()
                    });
                }
                let kind = self.expr(operand)?;
                let kind = self.found.settle(&kind, false);
                let (inner, chained) = match kind.as_optional() {
                    Some(inner) => (inner.clone(), true),
                    None => (kind, false),
                };
                let out = self.member(&inner, field)?;
                if *optional || chained { Type::optional(out) } else { out }
            }
            Expr::Has { operand, field } => {
                let kind = self.expr(operand)?;
                let kind = self.found.settle(&kind, false);
                let inner = kind.as_optional().cloned().unwrap_or(kind);
                self.member(&inner, field)?;
                Type::Bool
            }
            Expr::Index {
                operand,
                index,
                optional,
            } => {
                let given = vec![self.expr(operand)?, self.expr(index)?];
                self.call(if *optional { "_[?_]" } else { "_[_]" }, false, given)?
            }
            Expr::Call {
                target,
                name,
                arguments,
            } => {
                let mut given = Vec::with_capacity(arguments.len() + 1);
                for argument in target.iter().map(|target| &**target).chain(arguments) {
                    given.push(self.expr(argument)?);
                }
                self.call(name, target.is_some(), given)?
            }
            Expr::List(items) => {
                let mut out = None;
                for (item, optional) in items {
                    let kind = self.expr(item)?;
                    let kind = if *optional { self.unwrapped(kind)? } else { kind };
                    out = Some(self.joined(out, kind));
                }
                Type::list(out.unwrap_or_else(|| self.fresh()))
            }
            Expr::Map(members) => {
                let (mut keys, mut values) = (None, None);
                for (key, value, optional) in members {
                    let key = self.expr(key)?;
                    keys = Some(self.joined(keys, key));
                    let value = self.expr(value)?;
                    let value = if *optional { self.unwrapped(value)? } else { value };
                    values = Some(self.joined(values, value));
                }
                let key = keys.unwrap_or_else(|| self.fresh());
                Type::map(key, values.unwrap_or_else(|| self.fresh()))
            }
            Expr::Message { name, fields, kind, .. } => {
                for (field, value, optional) in fields {
                    let value = self.expr(value)?;
                    let value = if *optional { self.unwrapped(value)? } else { value };
                    if let Some(kind) = kind {
                        self.assigned(&kind.descriptor, field, &value, kind.strong_enums)?;
                    }
                }
                if kind.is_some() {
                    Type::of_message(name)
                } else {
                    Type::Dyn
                }
            }
            Expr::Not(inner) => {
                let given = vec![self.expr(inner)?];
                self.call("!_", false, given)?
            }
            Expr::Negate(inner) => {
                let given = vec![self.expr(inner)?];
                self.call("-_", false, given)?
            }
            Expr::And(a, b) | Expr::Or(a, b) => {
                self.is_bool(a, "a side of `&&` or `||`")?;
                self.is_bool(b, "a side of `&&` or `||`")?;
                Type::Bool
            }
            Expr::Ternary(condition, a, b) => {
                let given = vec![self.expr(condition)?, self.expr(a)?, self.expr(b)?];
                self.call("_?_:_", false, given)?
            }
            Expr::Binary(operator, a, b) => {
                let given = vec![self.expr(a)?, self.expr(b)?];
                self.call(&format!("_{}_", operator.sign()), false, given)?
            }
            Expr::Loop(inner) => self.repeat(inner)?,
            Expr::Optional {
                operand, body, flat, ..
            } => {
                let kind = self.expr(operand)?;
                let inner = self.unwrapped(kind)?;
                let made = self.within(vec![inner], body)?;
                if *flat {
                    let inner = self.unwrapped(made)?;
                    Type::optional(inner)
                } else {
                    Type::optional(made)
                }
            }
            Expr::Bind { value, body, .. } => {
                let value = self.expr(value)?;
                self.within(vec![value], body)?
            }
            Expr::Block { slots, body } => {
                for slot in slots.iter() {
                    let bound = std::mem::take(&mut self.bound);
                    let kind = self.expr(slot)?;
                    self.bound = bound;
                    self.slots.push(kind);
                }
                self.expr(body)?
            }
        })
    }

    /// What an optional holds.
    fn unwrapped(&mut self, kind: Type) -> Deduced {
        let inner = self.fresh();
        if !self.found.assignable(&kind, &Type::optional(inner.clone())) {
            return wrong(format!(
                "an optional is needed, not a {}",
                self.found.settle(&kind, true)
            ));
        }
        Ok(self.found.settle(&inner, false))
    }

    /// The type of the items of a list so far, with one more.
    fn joined(&mut self, before: Option<Type>, kind: Type) -> Type {
        let Some(before) = before else { return kind };
        let (a, b) = (self.found.settle(&before, false), self.found.settle(&kind, false));
        if self.found.assignable(&a, &b) {
            more_general(&a, &b)
        } else {
            Type::Dyn
        }
    }

    fn member(&mut self, kind: &Type, field: &str) -> Deduced {
        match kind {
            Type::Map(_, value) => Ok((**value).clone()),
            Type::Dyn | Type::Any | Type::Param(_) => Ok(Type::Dyn),
            Type::Message(name) => match self.env.types.message(name) {
                Some(descriptor) => match descriptor.field(field) {
                    Some(found) => Ok(found.cel_type(self.env.strong_enums)),
                    None => wrong(format!("undefined field '{field}' of {name}")),
                },
                None => Ok(Type::Dyn),
            },
            other => wrong(format!("a {other} has no fields, so no '{field}'")),
        }
    }

    fn assigned(&mut self, message: &Descriptor, name: &str, value: &Type, strong: bool) -> Result<(), CheckError> {
        let Some(field) = message.field(name) else {
            return wrong(format!("undefined field '{name}' of {}", message.name));
        };
        let wanted = field.cel_type(strong);
        if self.found.assignable(value, &wanted) {
            return Ok(());
        }
        wrong(format!(
            "the field '{name}' of {} is a {wanted}, not a {value}",
            message.name
        ))
    }

    fn call(&mut self, name: &str, method: bool, given: Vec<Type>) -> Deduced {
        let overloads = self.env.overloads(name);
        if overloads.is_empty() {
            return Err(CheckError::Undeclared(name.to_owned()));
        }
        let mut result: Option<Type> = None;
        for overload in overloads {
            let mut wanted = overload.parameters.clone();
            while let (true, Some(last)) = (overload.variadic && wanted.len() < given.len(), wanted.last().cloned()) {
                wanted.push(last);
            }
            // What takes anything is asked last.
            let anything = overload.variadic && overload.parameters.last() == Some(&Type::Dyn);
            if overload.method != method || wanted.len() != given.len() || anything && result.is_some() {
                continue;
            }
            // Every use of a signature has its own parameters.
            let mut own: HashMap<u32, Type> = HashMap::new();
            let next = &mut self.next;
            let mut instance = |kind: &Type| {
                kind.with(&mut |id| {
                    let fresh = || {
                        *next += 1;
                        Type::Param(*next)
                    };
                    own.entry(id).or_insert_with(fresh).clone()
                })
            };
            let wanted: Vec<Type> = wanted.iter().map(&mut instance).collect();
            let made = instance(&overload.result);
            if self.found.all_assignable(&given, &wanted) {
                let made = self.found.settle(&made, false);
                result = Some(match result {
                    Some(before) if before != made => Type::Dyn,
                    _ => made,
                });
            }
        }
        if let Some(result) = result {
            return Ok(result);
        }
        let mut types: Vec<String> = given
            .iter()
            .map(|kind| self.found.settle(kind, true).to_string())
            .collect();
        let receiver = if method {
            format!("{}.", types.remove(0))
        } else {
            String::new()
        };
        wrong(format!("no matching overload: {receiver}{name}({})", types.join(", ")))
    }

    fn repeat(&mut self, inner: &Loop) -> Deduced {
        let range = self.expr(&inner.range)?;
        let range = self.found.settle(&range, false);
        let (key, value, over_map) = match &range {
            Type::List(item) => (Type::Int, (**item).clone(), false),
            Type::Map(key, value) => ((**key).clone(), (**value).clone(), true),
            Type::Dyn | Type::Any | Type::Param(_) => (Type::Dyn, Type::Dyn, false),
            other => return wrong(format!("a {other} has no elements to go through")),
        };
        let one = if over_map { key.clone() } else { value };
        let names = match &inner.names.1 {
            Some(_) => {
                let second = match &range {
                    Type::List(item) => (**item).clone(),
                    Type::Map(_, value) => (**value).clone(),
                    _ => Type::Dyn,
                };
                vec![key.clone(), second]
            }
            None => vec![one.clone()],
        };
        let what = "the condition of a macro";
        if let Some(condition) = &inner.condition {
            self.boxed_within(names.clone(), condition, what)?;
        }
        Ok(match inner.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => {
                self.boxed_within(names, &inner.body, what)?;
                Type::Bool
            }
            LoopKind::Filter => {
                self.boxed_within(names, &inner.body, what)?;
                Type::list(one)
            }
            LoopKind::SortBy => {
                let key = self.within(names, &inner.body)?;
                let key = self.found.settle(&key, false);
                if matches!(
                    key,
                    Type::List(_) | Type::Map(..) | Type::Message(_) | Type::Opaque(..) | Type::Null
                ) {
                    return wrong(format!("sortBy needs keys that have an order, not a {key}"));
                }
                Type::list(one)
            }
            LoopKind::Map => Type::list(self.within(names, &inner.body)?),
            LoopKind::TransformMap => Type::map(key, self.within(names, &inner.body)?),
            LoopKind::TransformEntry => {
                let made = self.within(names, &inner.body)?;
                match self.found.settle(&made, false) {
                    map @ (Type::Map(..) | Type::Dyn | Type::Param(_)) => map,
                    other => return wrong(format!("transformMapEntry needs a map, not a {other}")),
                }
            }
        })
    }
}
