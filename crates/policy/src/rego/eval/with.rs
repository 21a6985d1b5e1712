//! `with`: a body in a changed world.

use super::super::ast::Pos;
use super::super::error::Error;
use super::super::plan::{Change, Mock, Program, Step};
use super::super::value::Value;
use super::{Eval, Stand};

impl<'p: 'd, 'd> Eval<'p, 'd> {
    /// The solutions of a body in a changed world: the values of the slots it fills. Nothing when a change is
    /// undefined.
    pub(super) fn with(
        &mut self,
        changes: &'p [Change],
        body: &'p [Step],
        fills: &[u32],
    ) -> Result<Option<Vec<Vec<Value<'d>>>>, Error> {
        let mut world = self.world.clone();
        world.cache.fill(None);
        world.calls.clear();
        for change in changes {
            if let Change::Input(path, _) | Change::Data { path, .. } = change
                && path.iter().any(|key| key.as_str().is_none())
            {
                return Err(Error::conflict(Pos::default(), "bad document path"));
            }
            match change {
                Change::Input(path, value) => {
                    let Some(value) = self.eval(value)? else {
                        return Ok(None);
                    };
                    world.input = Some(put(world.input.take(), path, value));
                }
                Change::Data { path, node, value } => {
                    let Some(value) = self.eval(value)? else {
                        return Ok(None);
                    };
                    world.data = put(Some(world.data), path, value);
                    if let Some(node) = node {
                        world.hidden.resize(self.program.tree.nodes.len(), false);
                        hide(self.program, *node, &mut world.hidden);
                    }
                }
                Change::Function(function, mock) => {
                    let stand = match mock {
                        Mock::Value(value) => match self.eval(value)? {
                            Some(value) => Stand::Value(value),
                            None => return Ok(None),
                        },
                        Mock::Builtin(builtin) => Stand::Builtin(builtin),
                        Mock::Rule(rule) => Stand::Rule(*rule),
                    };
                    world.stands.push((*function, stand));
                }
            }
        }
        let saved = std::mem::replace(&mut self.world, world);
        let mut out = Vec::new();
        let ended = self.run(body, &mut |this| {
            this.env.fuel.burn(1)?;
            out.push(fills.iter().map(|slot| this.slot(*slot).clone()).collect());
            Ok(!fills.is_empty())
        });
        self.world = saved;
        ended?;
        Ok(Some(out))
    }
}

fn hide(program: &Program, node: usize, hidden: &mut [bool]) {
    hidden[node] = true;
    for child in program.tree.nodes[node].children.values() {
        hide(program, *child, hidden);
    }
}

/// A value with another put below a path.
fn put<'d>(old: Option<Value<'d>>, path: &[Value<'static>], new: Value<'d>) -> Value<'d> {
    let Some((key, rest)) = path.split_first() else {
        return new;
    };
    let mut members = old
        .and_then(|old| old.as_object())
        .map_or_else(Vec::new, |old| old.to_vec());
    let at = members.iter().position(|(k, _)| k == key);
    let below = at.map(|at| members.swap_remove(at).1);
    members.push((key.clone(), put(below, rest, new)));
    Value::object(members)
}
