//! Calls that are macros: they bind names or look at their arguments unevaluated.

use std::sync::Arc;

use super::ast::{Expr, Literal, Loop, LoopKind};

/// A call, or what the macro of that name makes of it.
pub(super) fn expand(target: Option<Expr>, name: Arc<str>, mut arguments: Vec<Expr>) -> Result<Expr, String> {
    let Some(target) = target else {
        if &*name == "has" {
            return match arguments.pop() {
                Some(Expr::Select { operand, field, .. }) if arguments.is_empty() => Ok(Expr::Has { operand, field }),
                _ => Err("`has` takes one field, such as has(object.spec)".into()),
            };
        }
        return Ok(Expr::Call {
            target: None,
            name,
            arguments,
        });
    };
    match &target {
        Expr::Ident { name: module, .. } if &**module == "cel" => {
            if let Some(made) = of_cel(&name, &mut arguments)? {
                return Ok(made);
            }
        }
        Expr::Ident { name: module, .. } if &**module == "proto" && matches!(&*name, "hasExt" | "getExt") => {
            let field = match arguments.pop().map(|path| path.dotted()) {
                Some(Some((path, _))) if arguments.len() == 1 => path.into(),
                _ => return Err(format!("proto.{name} takes a message and the name of an extension")),
            };
            let operand = Box::new(arguments.remove(0));
            return Ok(match &*name {
                "hasExt" => Expr::Has { operand, field },
                _ => Expr::Select {
                    operand,
                    field,
                    optional: false,
                },
            });
        }
        _ => {}
    }
    let shape = match (&*name, arguments.len()) {
        ("all", 2 | 3) => Some((LoopKind::All, arguments.len() == 3, false)),
        ("exists", 2 | 3) => Some((LoopKind::Exists, arguments.len() == 3, false)),
        ("exists_one" | "existsOne", 2 | 3) => Some((LoopKind::ExistsOne, arguments.len() == 3, false)),
        ("map", 2 | 3) => Some((LoopKind::Map, false, arguments.len() == 3)),
        ("sortBy", 2) => Some((LoopKind::SortBy, false, false)),
        ("filter", 2) => Some((LoopKind::Filter, false, false)),
        ("transformList", 3 | 4) => Some((LoopKind::Map, true, arguments.len() == 4)),
        ("transformMap", 3 | 4) => Some((LoopKind::TransformMap, true, arguments.len() == 4)),
        ("transformMapEntry", 3 | 4) => Some((LoopKind::TransformEntry, true, arguments.len() == 4)),
        _ => None,
    };
    let first = arguments.first().and_then(variable);
    if let Some((kind, two_names, filtered)) = shape {
        let Some(first) = first else {
            return Err(format!("the first argument of `{name}` is the name of a variable"));
        };
        let second = if two_names {
            arguments.get(1).and_then(variable)
        } else {
            None
        };
        if two_names && second.as_ref().is_none_or(|second| *second == first) {
            return Err(format!(
                "the second argument of `{name}` is the name of another variable"
            ));
        }
        let Some(body) = arguments.pop() else {
            return Err("the macro needs a body".into());
        };
        let condition = if filtered { arguments.pop() } else { None };
        return Ok(Expr::Loop(Box::new(Loop {
            kind,
            range: target,
            names: (first, second),
            condition,
            body,
        })));
    }
    if matches!(&*name, "optMap" | "optFlatMap") && arguments.len() == 2 {
        let (Some(bound), Some(body)) = (first, arguments.pop()) else {
            return Err(format!("the first argument of `{name}` is the name of a variable"));
        };
        return Ok(Expr::Optional {
            operand: Box::new(target),
            name: bound,
            body: Box::new(body),
            flat: &*name == "optFlatMap",
        });
    }
    Ok(Expr::Call {
        target: Some(Box::new(target)),
        name,
        arguments,
    })
}

/// The name that an argument stands for.
fn variable(argument: &Expr) -> Option<Arc<str>> {
    match argument {
        Expr::Ident { name, absolute: false } => Some(name.clone()),
        _ => None,
    }
}

/// The macros of `cel`: `bind`, and those that optimizers write.
fn of_cel(name: &str, arguments: &mut Vec<Expr>) -> Result<Option<Expr>, String> {
    let number = |at: usize| match arguments.get(at) {
        Some(Expr::Literal(Literal::Int(i))) => usize::try_from(*i).ok(),
        _ => None,
    };
    Ok(Some(match (name, arguments.len()) {
        ("bind", 3) => {
            let Some(name) = arguments.first().and_then(variable) else {
                return Err("the first argument of `cel.bind` is the name of a variable".into());
            };
            let (Some(body), Some(value)) = (arguments.pop(), arguments.pop()) else {
                return Ok(None);
            };
            Expr::Bind {
                name,
                value: Box::new(value),
                body: Box::new(body),
            }
        }
        ("block", 2) => {
            let (Some(body), Some(Expr::List(slots))) = (arguments.pop(), arguments.pop()) else {
                return Err("`cel.block` takes a list and an expression".into());
            };
            Expr::Block {
                slots: slots.into_iter().map(|(slot, _)| slot).collect(),
                body: Box::new(body),
            }
        }
        ("index", 1) => match number(0) {
            Some(at) => Expr::Slot(at),
            None => return Err("`cel.index` takes the number of a value".into()),
        },
        ("iterVar" | "accuVar", 2) => match (number(0), number(1)) {
            (Some(depth), Some(at)) => Expr::Ident {
                name: format!("@{}:{depth}:{at}", &name[..2]).into(),
                absolute: false,
            },
            _ => return Err(format!("`cel.{name}` takes two numbers")),
        },
        _ => return Ok(None),
    }))
}
