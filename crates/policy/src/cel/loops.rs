//! Macros over lists and maps.

use super::ast::LoopKind;
use super::code::LoopCode;
use super::eval::{Answer, Evaluator, Fault, fail};
use super::value::Cel;

/// What has been made so far.
#[derive(Default)]
struct Made<'a> {
    items: Vec<Cel<'a>>,
    members: Vec<(Cel<'a>, Cel<'a>)>,
    hits: usize,
    fault: Option<Fault>,
    /// `all` and `exists` are decided.
    decided: bool,
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn repeat(&self, inner: &LoopCode) -> Answer<'a> {
        let range = match self.spot(&inner.range) {
            Some(node) if node.is_array() || node.is_object() => Cel::Node(node),
            _ => self.eval(&inner.range)?,
        };
        let mut made = Made::default();
        match &range {
            Cel::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    if self.one(inner, Cel::Int(at as i64), item.clone(), false, &mut made)? {
                        break;
                    }
                }
            }
            Cel::Map(members) => {
                for (key, value) in members.iter() {
                    if self.one(inner, key.clone(), value.clone(), true, &mut made)? {
                        break;
                    }
                }
            }
            Cel::Node(node) if node.is_array() => {
                for (at, item) in node.items().enumerate() {
                    if self.one(inner, Cel::Int(at as i64), Cel::of(item), false, &mut made)? {
                        break;
                    }
                }
            }
            Cel::Node(node) => {
                for (key, value) in node.members() {
                    if self.one(inner, Cel::str(key), Cel::of(value), true, &mut made)? {
                        break;
                    }
                }
            }
            other => return fail(format!("no such overload: a {} has no elements", other.type_name())),
        }
        if let (false, Some(fault)) = (made.decided, made.fault) {
            return Err(fault);
        }
        Ok(match inner.kind {
            LoopKind::All => Cel::Bool(!made.decided),
            LoopKind::Exists => Cel::Bool(made.decided),
            LoopKind::ExistsOne => Cel::Bool(made.hits == 1),
            LoopKind::TransformMap | LoopKind::TransformEntry => Cel::map(made.members),
            LoopKind::Map | LoopKind::Filter => Cel::list(made.items),
            LoopKind::SortBy => return self.sorted(made.members),
        })
    }

    /// Values in the order of their keys.
    fn sorted(&self, mut keyed: Vec<(Cel<'a>, Cel<'a>)>) -> Answer<'a> {
        self.fuel.burn(keyed.len() as u64 * 4)?;
        if let Some((first, _)) = keyed.first()
            && let Some((other, _)) = keyed.iter().find(|(key, _)| key.order(first).is_none())
        {
            let (a, b) = (first.type_name(), other.type_name());
            return fail(format!("no such overload: a {a} and a {b} have no order"));
        }
        keyed.sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(std::cmp::Ordering::Equal));
        Ok(Cel::list(keyed.into_iter().map(|(_, value)| value).collect()))
    }

    /// One step; whether the loop is over.
    fn one(
        &self,
        inner: &LoopCode,
        key: Cel<'a>,
        value: Cel<'a>,
        over_map: bool,
        made: &mut Made<'a>,
    ) -> Result<bool, Fault> {
        if let (LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne, false) = (inner.kind, inner.two) {
            // A map is gone through by its keys.
            self.locals.borrow_mut().push(if over_map { key } else { value });
            let truth = self.truth(&inner.body);
            self.locals.borrow_mut().pop();
            return decide(inner.kind, truth, made);
        }
        let depth = self.locals.borrow().len();
        {
            let mut locals = self.locals.borrow_mut();
            match inner.two {
                true => locals.extend([key.clone(), value.clone()]),
                false => locals.push(if over_map { key.clone() } else { value.clone() }),
            }
        }
        let out = self.body(inner, key, value, over_map, made);
        self.locals.borrow_mut().truncate(depth);
        out
    }

    fn body(
        &self,
        inner: &LoopCode,
        key: Cel<'a>,
        value: Cel<'a>,
        over_map: bool,
        made: &mut Made<'a>,
    ) -> Result<bool, Fault> {
        match inner.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => {
                return decide(inner.kind, self.truth(&inner.body), made);
            }
            LoopKind::Filter => {
                if self.truth(&inner.body)? {
                    made.items.push(if over_map { key } else { value });
                }
            }
            LoopKind::SortBy if over_map => return fail("no such overload: a map has no order to be changed"),
            LoopKind::SortBy => made.members.push((self.eval(&inner.body)?, value)),
            LoopKind::Map | LoopKind::TransformMap | LoopKind::TransformEntry => {
                if let Some(condition) = &inner.condition
                    && !self.truth(condition)?
                {
                    return Ok(false);
                }
                let new = self.eval(&inner.body)?;
                match inner.kind {
                    LoopKind::Map => made.items.push(new),
                    LoopKind::TransformMap => made.members.push((key, new)),
                    _ if !new.is_map() => {
                        return fail(format!("transformMapEntry needs a map, not a {}", new.type_name()));
                    }
                    _ => {
                        for (key, member) in new.members() {
                            self.fuel.burn(made.members.len() as u64 / 8)?;
                            if made.members.iter().any(|(known, _)| known.same(&key)) {
                                return fail(format!("repeated key: {}", key.print().unwrap_or_default()));
                            }
                            made.members.push((key, member));
                        }
                    }
                }
            }
        }
        Ok(made.decided)
    }
}

/// What one element says to `all`, `exists` and `exists_one`; whether the loop is over.
fn decide(kind: LoopKind, truth: Result<bool, Fault>, made: &mut Made<'_>) -> Result<bool, Fault> {
    match (kind, truth) {
        (LoopKind::ExistsOne, truth) => made.hits += usize::from(truth?),
        (_, Ok(b)) if b == (kind == LoopKind::Exists) => made.decided = true,
        (_, Ok(_)) => {}
        (_, Err(Fault::Exhausted(e))) => return Err(e.into()),
        (_, Err(other)) => made.fault = made.fault.take().or(Some(other)),
    }
    Ok(made.decided)
}
