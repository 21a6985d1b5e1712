//! Names to what they stand for: slots of macros, globals, types, constants, functions.

use std::sync::Arc;

use super::ast::{Expr, Literal, MessageKind};
use super::descriptor::NULL_VALUE;
use super::env::{Env, type_named};
use super::library;

/// How high a tree may grow; evaluation recurses over it.
const MAX_HEIGHT: u32 = 120;

/// Resolves every name of an expression.
pub(super) fn resolve(expr: Expr, env: &Env) -> Result<Expr, String> {
    let mut resolver = Resolver {
        env,
        bound: Vec::new(),
        height: 0,
        slots: 0,
    };
    resolver.expr(expr)
}

struct Resolver<'e> {
    env: &'e Env,
    bound: Vec<Arc<str>>,
    height: u32,
    slots: usize,
}

type Resolved = Result<Expr, String>;

impl Resolver<'_> {
    fn boxed(&mut self, expr: Expr) -> Result<Box<Expr>, String> {
        Ok(Box::new(self.expr(expr)?))
    }

    fn all(&mut self, list: Vec<Expr>) -> Result<Vec<Expr>, String> {
        list.into_iter().map(|expr| self.expr(expr)).collect()
    }

    fn within(&mut self, names: &[&Arc<str>], expr: Expr) -> Resolved {
        let depth = self.bound.len();
        self.bound.extend(names.iter().map(|name| (*name).clone()));
        let out = self.expr(expr);
        self.bound.truncate(depth);
        out
    }

    fn expr(&mut self, expr: Expr) -> Resolved {
        self.height += 1;
        if self.height > MAX_HEIGHT {
            return Err("the expression nests too deeply".into());
        }
        let out = self.step(expr);
        self.height -= 1;
        out
    }

    fn step(&mut self, expr: Expr) -> Resolved {
        Ok(match expr {
            Expr::Ident { .. } | Expr::Select { .. } => return self.name_or_selection(expr),
            Expr::Has { operand, field } => Expr::Has {
                operand: self.boxed(*operand)?,
                field,
            },
            Expr::Index {
                operand,
                index,
                optional,
            } => Expr::Index {
                operand: self.boxed(*operand)?,
                index: self.boxed(*index)?,
                optional,
            },
            Expr::Call {
                target,
                name,
                arguments,
            } => return self.call(target, name, arguments),
            Expr::List(items) => Expr::List(
                items
                    .into_iter()
                    .map(|(item, optional)| Ok((self.expr(item)?, optional)))
                    .collect::<Result<_, String>>()?,
            ),
            Expr::Map(members) => Expr::Map(
                members
                    .into_iter()
                    .map(|(key, value, optional)| Ok((self.expr(key)?, self.expr(value)?, optional)))
                    .collect::<Result<_, String>>()?,
            ),
            Expr::Message {
                name, absolute, fields, ..
            } => {
                let found = self
                    .env
                    .candidates(&name, absolute)
                    .into_iter()
                    .find(|full| self.env.types.is_message(full));
                let name: Arc<str> = match found {
                    Some(full) => full.into(),
                    None if self.env.open_messages => name,
                    None => {
                        return Err(format!(
                            "undeclared reference to '{name}': there is no such message type"
                        ));
                    }
                };
                let fields = fields
                    .into_iter()
                    .map(|(k, v, optional)| Ok((k, self.expr(v)?, optional)));
                let fields = fields.collect::<Result<_, String>>()?;
                let kind = self.env.types.message(&name).map(|descriptor| MessageKind {
                    types: self.env.types.clone(),
                    descriptor: descriptor.clone(),
                    strong_enums: self.env.strong_enums,
                });
                Expr::Message {
                    name,
                    absolute: true,
                    fields,
                    kind,
                }
            }
            Expr::Convert { types, name, argument } => Expr::Convert {
                types,
                name,
                argument: self.boxed(*argument)?,
            },
            Expr::Not(inner) => Expr::Not(self.boxed(*inner)?),
            Expr::Negate(inner) => Expr::Negate(self.boxed(*inner)?),
            Expr::And(a, b) => Expr::And(self.boxed(*a)?, self.boxed(*b)?),
            Expr::Or(a, b) => Expr::Or(self.boxed(*a)?, self.boxed(*b)?),
            Expr::Ternary(a, b, c) => Expr::Ternary(self.boxed(*a)?, self.boxed(*b)?, self.boxed(*c)?),
            Expr::Binary(operator, a, b) => Expr::Binary(operator, self.boxed(*a)?, self.boxed(*b)?),
            Expr::Loop(mut inner) => {
                inner.range = self.expr(inner.range)?;
                let (first, second) = inner.names.clone();
                let names: Vec<&Arc<str>> = std::iter::once(&first).chain(&second).collect();
                inner.condition = match inner.condition.take() {
                    Some(condition) => Some(self.within(&names, condition)?),
                    None => None,
                };
                inner.body = self.within(&names, inner.body)?;
                Expr::Loop(inner)
            }
            Expr::Optional {
                operand,
                name,
                body,
                flat,
            } => Expr::Optional {
                operand: self.boxed(*operand)?,
                body: Box::new(self.within(&[&name], *body)?),
                name,
                flat,
            },
            Expr::Bind { name, value, body } => Expr::Bind {
                value: self.boxed(*value)?,
                body: Box::new(self.within(&[&name], *body)?),
                name,
            },
            Expr::Block { slots, body } => {
                if self.slots > 0 {
                    return Err("`cel.block` cannot stand in another one".into());
                }
                let mut resolved = Vec::with_capacity(slots.len());
                for (at, slot) in slots.iter().enumerate() {
                    // A value sees those before it, and no variables of macros.
                    self.slots = at;
                    let bound = std::mem::take(&mut self.bound);
                    resolved.push(self.expr(slot.clone())?);
                    self.bound = bound;
                }
                self.slots = slots.len();
                let body = self.boxed(*body)?;
                self.slots = 0;
                Expr::Block {
                    slots: resolved.into(),
                    body,
                }
            }
            Expr::Slot(at) if at >= self.slots => return Err(format!("there is no value {at} in the block here")),
            other => other,
        })
    }

    /// A name, or a selection that may be a dotted name.
    fn name_or_selection(&mut self, expr: Expr) -> Resolved {
        if let Some((path, absolute)) = expr.dotted()
            && let Some(found) = self.dotted(&path, absolute)
        {
            return Ok(found);
        }
        match expr {
            Expr::Select {
                operand,
                field,
                optional,
            } => Ok(Expr::Select {
                operand: self.boxed(*operand)?,
                field,
                optional,
            }),
            Expr::Ident { name, .. } => Ok(Expr::Global(name)),
            other => Ok(other),
        }
    }

    /// What a whole dotted name stands for.
    fn dotted(&self, path: &str, absolute: bool) -> Option<Expr> {
        let root = path.split_once('.').map_or(path, |(root, _)| root);
        if !absolute && let Some(at) = self.bound.iter().rposition(|name| **name == *root) {
            // What a macro binds hides every other name that opens with it.
            return (root.len() == path.len()).then_some(Expr::Local(at));
        }
        for full in self.env.candidates(path, absolute) {
            if self.env.variables.contains_key(&full) {
                return Some(Expr::Global(full.into()));
            }
            if let Some((kind, number)) = self.env.types.constant(&full) {
                return Some(if self.env.strong_enums && &*kind != NULL_VALUE {
                    Expr::Constant(kind, number)
                } else if &*kind == NULL_VALUE {
                    Expr::Literal(Literal::Null)
                } else {
                    Expr::Literal(Literal::Int(number.into()))
                });
            }
            let native = type_named(&full) || self.env.types.is_message(&full) || self.env.types.is_enum(&full);
            if native {
                return Some(Expr::Type(full.into()));
            }
        }
        None
    }

    fn call(&mut self, target: Option<Box<Expr>>, name: Arc<str>, arguments: Vec<Expr>) -> Resolved {
        let arguments = self.all(arguments)?;
        let namespace = target.as_ref().and_then(|target| target.dotted());
        let Some(target) = target else {
            let found = self
                .env
                .candidates(&name, false)
                .into_iter()
                .find(|full| self.is_function(full));
            if let Some(full) = found.as_ref().filter(|full| self.env.types.is_enum(full))
                && arguments.len() == 1
            {
                return Ok(Expr::Convert {
                    types: self.env.types.clone(),
                    name: full.as_str().into(),
                    argument: Box::new(arguments.into_iter().next().unwrap_or(Expr::Literal(Literal::Null))),
                });
            }
            return Ok(Expr::Call {
                target: None,
                name: found.map_or(name, Into::into),
                arguments,
            });
        };
        if let Some((namespace, absolute)) = namespace {
            let root = namespace.split_once('.').map_or(namespace.as_str(), |(root, _)| root);
            let hidden = !absolute && self.bound.iter().any(|bound| **bound == *root);
            let full = format!("{namespace}.{name}");
            let found = self
                .env
                .candidates(&full, absolute)
                .into_iter()
                .find(|full| self.is_function(full));
            let module = library::MODULES.contains(&namespace.as_str()) && !self.env.variables.contains_key(&namespace);
            if let (Some(name), false) = (found.or(module.then_some(full)), hidden) {
                if self.env.types.is_enum(&name) && arguments.len() == 1 {
                    return Ok(Expr::Convert {
                        types: self.env.types.clone(),
                        name: name.into(),
                        argument: Box::new(arguments.into_iter().next().unwrap_or(Expr::Literal(Literal::Null))),
                    });
                }
                return Ok(Expr::Call {
                    target: None,
                    name: name.into(),
                    arguments,
                });
            }
        }
        Ok(Expr::Call {
            target: Some(self.boxed(*target)?),
            name,
            arguments,
        })
    }

    fn is_function(&self, name: &str) -> bool {
        self.env.is_function(name) || self.env.strong_enums && self.env.types.is_enum(name)
    }
}
