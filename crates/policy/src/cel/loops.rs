//! Macros over lists and maps.

use smallvec::SmallVec;

use super::ast::{LoopKind, Operator};
use super::code::{Code, LoopCode};
use super::eval::{Answer, Evaluator, Fault, Parts, fail};
use super::select::Maybe;
use super::value::Cel;

/// What a macro goes over.
enum Range<'a> {
    One(Maybe<'a>),
    /// Lists, one after the other.
    Lists(Parts<'a>),
}

/// Whether a loop goes on.
type Goes = Result<bool, Fault>;

/// What the elements have said so far.
struct Tally {
    kind: LoopKind,
    hits: usize,
    /// Whether an element has decided.
    decided: bool,
    fault: Option<Fault>,
}

impl Range<'_> {
    fn len(&self) -> usize {
        match self {
            Range::One(one) => one.len(),
            Range::Lists(lists) => lists.iter().map(Maybe::len).sum(),
        }
    }
}

impl<'a> Evaluator<'_, 'a> {
    /// The range of a macro; sums of lists stay apart.
    fn range(&mut self, code: &'a Code) -> Result<Range<'a>, Fault> {
        let parts = match code {
            Code::Sum(parts) => self.parts(parts)?,
            Code::Binary(Operator::Add, sides) => SmallVec::from_iter([self.maybe(&sides.0)?, self.maybe(&sides.1)?]),
            other => return self.maybe(other).map(Range::One),
        };
        if parts.iter().all(Maybe::is_list) {
            return Ok(Range::Lists(parts));
        }
        self.total(parts).map(|sum| Range::One(Maybe::of(sum)))
    }

    /// Goes through a range until `step` says that it is enough: key, value, whether it is a map.
    fn each(
        &mut self,
        range: &Range<'a>,
        mut step: impl FnMut(&mut Self, Cel<'a>, Cel<'a>, bool) -> Goes,
    ) -> Result<(), Fault> {
        match range {
            Range::One(one) => self.through(one, 0, &mut step).map(drop),
            Range::Lists(lists) => {
                let mut before = 0;
                for list in lists {
                    if !self.through(list, before, &mut step)? {
                        break;
                    }
                    before += list.len();
                }
                Ok(())
            }
        }
    }

    fn through(
        &mut self,
        range: &Maybe<'a>,
        before: usize,
        step: &mut impl FnMut(&mut Self, Cel<'a>, Cel<'a>, bool) -> Goes,
    ) -> Goes {
        let place = |at: usize| Cel::Int((before + at) as i64);
        match range {
            Maybe::Node(node) if node.is_array() => {
                for (at, item) in node.items().enumerate() {
                    if !step(self, place(at), Cel::Node(item), false)? {
                        return Ok(false);
                    }
                }
            }
            Maybe::Node(node) if node.is_object() => {
                for (key, value) in node.members() {
                    if !step(self, Cel::str(key), Cel::Node(value), true)? {
                        return Ok(false);
                    }
                }
            }
            Maybe::Plain(Cel::List(items)) => {
                for (at, item) in items.iter().enumerate() {
                    if !step(self, place(at), item.clone(), false)? {
                        return Ok(false);
                    }
                }
            }
            Maybe::Plain(Cel::Map(members)) => {
                for (key, value) in members.iter() {
                    if !step(self, key.clone(), value.clone(), true)? {
                        return Ok(false);
                    }
                }
            }
            other => return fail(format!("no such overload: a {} has no elements", other.type_name())),
        }
        Ok(true)
    }

    /// `all`, `exists` and `exists_one`. What decides `all` or `exists` makes the faults of other elements no faults.
    pub(super) fn quantified(&mut self, inner: &'a LoopCode) -> Option<bool> {
        let range = match self.range(&inner.range) {
            Ok(range) => range,
            Err(fault) => return self.no_truth(fault),
        };
        let place = self.locals.len();
        self.locals.push(Cel::Null);
        if inner.two {
            self.locals.push(Cel::Null);
        }
        let mut tally = Tally {
            kind: inner.kind,
            hits: 0,
            decided: false,
            fault: None,
        };
        let gone = match &range {
            Range::One(Maybe::Node(list)) if list.is_array() && !inner.two => list.items().try_for_each(|item| {
                self.locals[place] = Cel::Node(item);
                self.count(inner, &mut tally).map_err(Some)?;
                if tally.decided { Err(None) } else { Ok(()) }
            }),
            range => {
                let gone = self.each(range, |evaluator, key, value, of_map| {
                    match inner.two {
                        true => (evaluator.locals[place], evaluator.locals[place + 1]) = (key, value),
                        // A map is gone through by its keys.
                        false => evaluator.locals[place] = if of_map { key } else { value },
                    }
                    evaluator.count(inner, &mut tally)?;
                    Ok(!tally.decided)
                });
                gone.map_err(Some)
            }
        };
        self.locals.truncate(place);
        if let Err(Some(fault)) = gone {
            return self.no_truth(fault);
        }
        let deciding = inner.kind == LoopKind::Exists;
        match (inner.kind, tally.fault) {
            (LoopKind::ExistsOne, _) => Some(tally.hits == 1),
            (_, Some(fault)) if !tally.decided => self.no_truth(fault),
            _ => Some(tally.decided == deciding),
        }
    }

    /// Counts what one element says.
    fn count(&mut self, inner: &'a LoopCode, tally: &mut Tally) -> Result<(), Fault> {
        match (self.told(&inner.body), tally.kind) {
            (Some(truth), LoopKind::ExistsOne) => tally.hits += usize::from(truth),
            (Some(truth), kind) => tally.decided = truth == (kind == LoopKind::Exists),
            (None, kind) => match self.fault() {
                fault if kind == LoopKind::ExistsOne => return Err(fault),
                exhausted @ Fault::Exhausted(_) => return Err(exhausted),
                fault => tally.fault = tally.fault.take().or(Some(fault)),
            },
        }
        Ok(())
    }

    /// Every other macro: what makes lists and maps.
    pub(super) fn repeat(&mut self, inner: &'a LoopCode) -> Answer<'a> {
        let range = self.range(&inner.range)?;
        let mut items: Vec<Cel<'a>> = Vec::new();
        let mut members: Vec<(Cel<'a>, Cel<'a>)> = Vec::new();
        if inner.kind == LoopKind::Map && inner.condition.is_none() {
            items.reserve_exact(range.len());
        }
        let place = self.locals.len();
        let gone = self.each(&range, |evaluator, key, value, of_map| {
            match inner.two {
                true => evaluator.locals.extend([key.clone(), value.clone()]),
                false if of_map => evaluator.locals.push(key.clone()),
                false => evaluator.locals.push(value.clone()),
            }
            // Of a map its keys are kept.
            let element = match (of_map, value) {
                (true, _) => key.clone(),
                (false, Cel::Node(node)) => Cel::of(node),
                (false, value) => value,
            };
            let out = evaluator.body(inner, &key, element, of_map, &mut items, &mut members);
            evaluator.locals.truncate(place);
            out.map(|()| true)
        });
        self.locals.truncate(place);
        gone?;
        Ok(match inner.kind {
            LoopKind::TransformMap | LoopKind::TransformEntry => Cel::map(members),
            LoopKind::SortBy => return self.sorted(members),
            _ => Cel::list(items),
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

    /// What one element adds.
    fn body(
        &mut self,
        inner: &'a LoopCode,
        key: &Cel<'a>,
        element: Cel<'a>,
        of_map: bool,
        items: &mut Vec<Cel<'a>>,
        members: &mut Vec<(Cel<'a>, Cel<'a>)>,
    ) -> Result<(), Fault> {
        match inner.kind {
            LoopKind::Filter => {
                if self.truth(&inner.body)? {
                    items.push(element);
                }
                return Ok(());
            }
            LoopKind::SortBy if of_map => return fail("no such overload: a map has no order to be changed"),
            LoopKind::SortBy => {
                members.push((self.eval(&inner.body)?, element));
                return Ok(());
            }
            _ => {}
        }
        if let Some(condition) = &inner.condition
            && !self.truth(condition)?
        {
            return Ok(());
        }
        let new = self.eval(&inner.body)?;
        match inner.kind {
            LoopKind::Map => items.push(new),
            LoopKind::TransformMap => members.push((key.clone(), new)),
            _ if !new.is_map() => {
                return fail(format!("transformMapEntry needs a map, not a {}", new.type_name()));
            }
            _ => {
                for (key, member) in new.members() {
                    self.fuel.burn(members.len() as u64 / 8)?;
                    if members.iter().any(|(known, _)| known.same(&key)) {
                        return fail(format!("repeated key: {}", key.print().unwrap_or_default()));
                    }
                    members.push((key, member));
                }
            }
        }
        Ok(())
    }
}
