//! The values of rules and functions.

use std::collections::BTreeMap;

use super::super::error::Error;
use super::super::plan::{Clause, Expr, Pattern, RuleKind, RuleSet};
use super::super::value::Value;
use super::{Eval, Pos, calls};

/// Told of a solution with the value and the keys of the rule: whether it counts, and whether to look for more.
type Tell<'t, 'p, 'd> = &'t mut dyn FnMut(&mut Eval<'p, 'd>, &'p Expr, &'p [Expr]) -> Result<(bool, bool), Error>;

/// A value under construction, from many rules.
enum Part<'d> {
    Value(Value<'d>),
    Set(Vec<Value<'d>>),
    Object(BTreeMap<Value<'d>, Part<'d>>),
}

impl<'d> Part<'d> {
    fn finish(self) -> Value<'d> {
        match self {
            Part::Value(value) => value,
            Part::Set(items) => Value::set(items),
            Part::Object(members) => Value::object(members.into_iter().map(|(k, v)| (k, v.finish())).collect()),
        }
    }

    /// Puts a value or an element below keys.
    fn put(&mut self, keys: &[Value<'d>], value: Value<'d>, element: bool, pos: Pos) -> Result<(), Error> {
        let conflict = || Error::conflict(pos, "object keys must be unique");
        let Some((key, rest)) = keys.split_first() else {
            return match self {
                Part::Set(items) if element => {
                    items.push(value);
                    Ok(())
                }
                Part::Value(found) if !element && *found == value => Ok(()),
                _ => Err(conflict()),
            };
        };
        if let Part::Object(members) = self {
            let start = || match rest {
                [] if element => Part::Set(Vec::new()),
                [] => Part::Value(value.clone()),
                _ => Part::Object(BTreeMap::new()),
            };
            return members
                .entry(key.clone())
                .or_insert_with(start)
                .put(rest, value.clone(), element, pos);
        }
        Err(conflict())
    }
}

impl<'p: 'd, 'd> Eval<'p, 'd> {
    /// The value of a rule, computed once.
    pub(crate) fn rule(&mut self, rule: usize) -> Result<Option<Value<'d>>, Error> {
        if let Some(known) = &self.world.cache[rule] {
            return Ok(known.clone());
        }
        let set = &self.program.rules[rule];
        let value = self.deeper(set.pos, |this| match set.kind {
            RuleKind::Complete | RuleKind::Function(_) => this.outputs(set, &[], set.pos),
            RuleKind::Set => this.elements(set),
            RuleKind::Object => this.members(set),
        })?;
        self.world.cache[rule] = Some(value.clone());
        Ok(value)
    }

    fn elements(&mut self, set: &'p RuleSet) -> Result<Option<Value<'d>>, Error> {
        let mut out = Vec::new();
        for clause in &set.clauses {
            if !clause.arms.is_empty() {
                self.arms(clause, &mut out)?;
                continue;
            }
            self.clause(clause, &[], &mut |this, value, _| {
                let value = this.eval(value)?;
                let found = value.is_some();
                out.extend(value);
                Ok((found, true))
            })?;
        }
        Ok(Some(Value::set(out)))
    }

    /// The elements of rules that begin alike.
    fn arms(&mut self, clause: &'p Clause, out: &mut Vec<Value<'d>>) -> Result<(), Error> {
        self.framed(clause.slots, |this| {
            this.run(&clause.branches[0].steps, &mut |this| {
                for arm in &clause.arms {
                    this.run(&arm.steps, &mut |this| {
                        out.extend(this.eval(&arm.value)?);
                        Ok(true)
                    })?;
                }
                Ok(true)
            })?;
            Ok(())
        })
    }

    fn members(&mut self, set: &'p RuleSet) -> Result<Option<Value<'d>>, Error> {
        let mut out = Part::Object(BTreeMap::new());
        for clause in &set.clauses {
            self.clause(clause, &[], &mut |this, value, keys| {
                let Some(value) = this.eval(value)? else {
                    return Ok((false, true));
                };
                let Some(keys) = this.all(keys)? else {
                    return Ok((false, true));
                };
                if keys.is_empty()
                    && let Some(members) = value.as_object()
                {
                    for (key, value) in members.iter() {
                        out.put(std::slice::from_ref(key), value.clone(), false, clause.pos)?;
                    }
                    return Ok((true, true));
                }
                out.put(&keys, value, clause.element, clause.pos)?;
                Ok((true, true))
            })?;
        }
        if let (Part::Object(members), Some(default)) = (&out, &set.default)
            && members.is_empty()
        {
            return self.one(default, &[], set, set.pos);
        }
        Ok(Some(out.finish()))
    }

    /// The value of a function.
    pub(super) fn call(&mut self, rule: usize, args: &[Value<'d>], pos: Pos) -> Result<Option<Value<'d>>, Error> {
        let set = &self.program.rules[rule];
        let Some(key) = calls::key(rule, args) else {
            return self.deeper(pos, |this| this.outputs(set, args, set.pos));
        };
        if let Some(known) = self.world.calls.get(key, rule, args) {
            let known = known.clone();
            self.env.fuel.burn(1)?;
            return Ok(known);
        }
        let value = self.deeper(pos, |this| this.outputs(set, args, set.pos))?;
        self.world.calls.put(key, rule, args, value.clone());
        Ok(value)
    }

    /// The one value that all rules of a name agree on.
    fn outputs(&mut self, set: &'p RuleSet, args: &[Value<'d>], pos: Pos) -> Result<Option<Value<'d>>, Error> {
        let mut out: Option<Value<'d>> = None;
        for clause in &set.clauses {
            let value = self.one(clause, args, set, pos)?;
            match (&out, value) {
                (_, None) => {}
                (None, value) => out = value,
                (Some(a), Some(b)) if *a == b => {}
                _ => return Err(conflict(set, clause.pos)),
            }
        }
        match (&out, &set.default) {
            (None, Some(default)) => self.one(default, args, set, pos),
            _ => Ok(out),
        }
    }

    fn one(
        &mut self,
        clause: &'p Clause,
        args: &[Value<'d>],
        set: &'p RuleSet,
        pos: Pos,
    ) -> Result<Option<Value<'d>>, Error> {
        let mut out: Option<Value<'d>> = None;
        self.clause(clause, args, &mut |this, expr, _| {
            let Some(value) = this.eval(expr)? else {
                return Ok((false, true));
            };
            match &out {
                Some(before) if *before != value => return Err(conflict(set, pos)),
                _ => out = Some(value),
            }
            // A constant stays the same in all further solutions.
            Ok((true, !matches!(expr, Expr::Const(_))))
        })?;
        Ok(out)
    }

    /// Tells each solution of a rule; the answer says whether it counts, and whether to look for more.
    fn clause(&mut self, clause: &'p Clause, args: &[Value<'d>], tell: Tell<'_, 'p, 'd>) -> Result<(), Error> {
        // Many clauses of one function are told apart by a constant argument.
        let other = |(pattern, arg): (&Pattern, &Value<'d>)| match pattern {
            Pattern::Equal(Expr::Const(wanted)) => wanted != arg,
            _ => false,
        };
        if clause.args.iter().zip(args).any(other) {
            return Ok(());
        }
        self.framed(clause.slots, |this| {
            for (pattern, arg) in clause.args.iter().zip(args) {
                if !this.matches(pattern, arg)? {
                    return Ok(());
                }
            }
            let keys = clause.branches.first().map_or(&[][..], |branch| &branch.keys);
            for branch in &clause.branches {
                let mut found = false;
                this.run(&branch.steps, &mut |this| {
                    let (counts, more) = tell(this, &branch.value, keys)?;
                    found |= counts;
                    Ok(more)
                })?;
                if found {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn conflict(set: &RuleSet, pos: Pos) -> Error {
    Error::conflict(
        pos,
        match set.kind {
            RuleKind::Function(_) => "functions must not produce multiple outputs for same inputs",
            _ => "complete rules must not produce multiple outputs",
        },
    )
}
