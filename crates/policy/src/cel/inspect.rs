//! What can be read off an expression without evaluating it.

use super::ast::{Expr, Literal};

/// The expressions directly within one.
fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Literal(_)
        | Expr::Ident { .. }
        | Expr::Local(_)
        | Expr::Global(_)
        | Expr::Type(_)
        | Expr::Constant(..)
        | Expr::Slot(_) => Vec::new(),
        Expr::Select { operand, .. } | Expr::Has { operand, .. } => vec![operand],
        Expr::Index { operand, index, .. } => vec![operand, index],
        Expr::Call { target, arguments, .. } => target.iter().map(|target| &**target).chain(arguments).collect(),
        Expr::List(items) => items.iter().map(|(item, _)| item).collect(),
        Expr::Map(members) => members.iter().flat_map(|(key, value, _)| [key, value]).collect(),
        Expr::Message { fields, .. } => fields.iter().map(|(_, value, _)| value).collect(),
        Expr::Convert { argument, .. } => vec![argument],
        Expr::Not(inner) | Expr::Negate(inner) => vec![inner],
        Expr::And(a, b) | Expr::Or(a, b) | Expr::Binary(_, a, b) => vec![a, b],
        Expr::Ternary(condition, a, b) => vec![condition, a, b],
        Expr::Loop(inner) => {
            let condition = inner.condition.iter();
            [&inner.range, &inner.body].into_iter().chain(condition).collect()
        }
        Expr::Optional { operand, body, .. } => vec![operand, body],
        Expr::Bind { value, body, .. } => vec![value, body],
        Expr::Block { slots, body } => slots.iter().chain([&**body]).collect(),
    }
}

/// An expression with all within it.
fn all(expr: &Expr) -> impl Iterator<Item = &Expr> {
    let mut open = vec![expr];
    std::iter::from_fn(move || {
        let next = open.pop()?;
        open.extend(parts(next));
        Some(next)
    })
}

/// The functions that are called; those of modules with their module.
pub(super) fn calls(expr: &Expr) -> impl Iterator<Item = &str> {
    all(expr).filter_map(|expr| match expr {
        Expr::Call { target: None, name, .. } => Some(&**name),
        _ => None,
    })
}

/// Whether a field of a name is read, or the name as a whole, which gives all of its fields away.
pub(super) fn reads(expr: &Expr, root: &str, field: &str) -> bool {
    let is_root = |expr: &Expr| matches!(expr, Expr::Ident { name, .. } | Expr::Global(name) if **name == *root);
    let inner = |expr: &Expr| parts(expr).into_iter().any(|part| reads(part, root, field));
    match expr {
        Expr::Ident { name, .. } | Expr::Global(name) => match name.strip_prefix(root) {
            Some("") => true,
            Some(rest) => {
                let path = rest.strip_prefix('.');
                path.is_some_and(|path| path.split('.').next() == Some(field))
            }
            None => false,
        },
        Expr::Select {
            operand, field: own, ..
        }
        | Expr::Has { operand, field: own }
            if is_root(operand) =>
        {
            **own == *field
        }
        Expr::Index { operand, index, .. } if is_root(operand) => match &**index {
            Expr::Literal(Literal::Text(own)) => **own == *field,
            _ => true,
        },
        other => inner(other),
    }
}

/// Whether a name is read, or something in it.
pub(super) fn names(expr: &Expr, root: &str) -> bool {
    all(expr).any(|expr| match expr {
        Expr::Ident { name, .. } | Expr::Global(name) => name.split('.').next() == Some(root),
        _ => false,
    })
}

/// The parts of an object to be applied are named by their place: `Object.spec` at `spec`, for items of lists too. The
/// first one that is not.
pub(super) fn misnamed_object(expr: &Expr) -> Option<String> {
    all(expr).find_map(|expr| match expr {
        Expr::Message { name, fields, .. } if **name == *"Object" || name.starts_with("Object.") => {
            fields.iter().find_map(|(field, value, _)| {
                let wanted = format!("{name}.{field}");
                let items: Vec<&Expr> = match value {
                    Expr::List(items) => items.iter().map(|(item, _)| item).collect(),
                    other => vec![other],
                };
                items.into_iter().find_map(|item| match item {
                    Expr::Message { name, .. } if **name != *wanted => Some(format!(
                        "what stands at `{field}` of {name_of} is {wanted}, not {name}",
                        name_of = expr_name(expr)
                    )),
                    _ => None,
                })
            })
        }
        _ => None,
    })
}

fn expr_name(expr: &Expr) -> &str {
    match expr {
        Expr::Message { name, .. } => name,
        _ => "",
    }
}
