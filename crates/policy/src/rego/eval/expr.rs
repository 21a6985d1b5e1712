//! The values of expressions.

use super::super::builtins::{self, Builtin};
use super::super::error::{Error, Fault};
use super::super::plan::{At, Base, Expr, Function, PathKey, Step, TemplatePart};
use super::super::value::Value;
use super::{Eval, Place, Pos, Stand};
use ridgeway_doc::Node;

type Found<'d> = Result<Option<Value<'d>>, Error>;

impl<'p: 'd, 'd> Eval<'p, 'd> {
    /// The value of an expression, when it has one.
    pub(crate) fn eval(&mut self, expr: &'p Expr) -> Found<'d> {
        Ok(Some(match expr {
            Expr::Const(value) => value.view(),
            Expr::Slot(slot) => self.slot(*slot).clone(),
            Expr::Input => return Ok(self.world.input.clone()),
            Expr::Rule(rule) => {
                let node = self.program.rules[*rule].node;
                if self.is_hidden(node) {
                    let place = self.place(node);
                    return self.whole(&place);
                }
                return match self.rule(*rule)? {
                    Some(value) => Ok(Some(value)),
                    // Without the rule, what lies there as data.
                    None => match self.place(node) {
                        Place::Tree(_, data) => Ok(data),
                        Place::Value(value) => Ok(Some(value)),
                    },
                };
            }
            Expr::Data(node, keys) => {
                let mut place = self.place(*node);
                for key in keys {
                    let Some(key) = self.eval(key)? else { return Ok(None) };
                    match self.step(&place, &key)? {
                        Some(next) => place = next,
                        None => return Ok(None),
                    }
                }
                return self.whole(&place);
            }
            Expr::Ref(head, keys) => {
                let Some(mut value) = self.eval(head)? else {
                    return Ok(None);
                };
                for key in keys {
                    let next = match key {
                        Expr::Const(key) => match key.as_str() {
                            Some(name) if !matches!(value, Value::Set(_)) => value.field(name),
                            _ => value.get(key),
                        },
                        Expr::Slot(slot) => value.get(self.slot(*slot)),
                        key => {
                            let Some(key) = self.eval(key)? else { return Ok(None) };
                            value.get(&key)
                        }
                    };
                    match next {
                        Some(next) => value = next,
                        None => return Ok(None),
                    }
                }
                value
            }
            Expr::Path(base, keys) => return Ok(self.path(*base, keys)),
            Expr::Array(items) => match self.all(items)? {
                Some(items) => Value::array(items),
                None => return Ok(None),
            },
            Expr::Set(items) => match self.all(items)? {
                Some(items) => Value::set(items),
                None => return Ok(None),
            },
            Expr::Object(members) => {
                let mut out = Vec::with_capacity(members.len());
                for (key, value) in members {
                    let (Some(key), Some(value)) = (self.eval(key)?, self.eval(value)?) else {
                        return Ok(None);
                    };
                    out.push((key, value));
                }
                Value::object(out)
            }
            Expr::ArrayOf(head, steps) => {
                let mut out = Vec::new();
                self.collect(steps, &mut |this| {
                    out.extend(this.eval(head)?);
                    Ok(())
                })?;
                Value::array(out)
            }
            Expr::SetOf(head, steps) => {
                let mut out = Vec::new();
                self.collect(steps, &mut |this| {
                    out.extend(this.eval(head)?);
                    Ok(())
                })?;
                Value::set(out)
            }
            Expr::ObjectOf(head, steps) => {
                let mut out = Vec::new();
                self.collect(steps, &mut |this| {
                    if let (Some(key), Some(value)) = (this.eval(&head.0)?, this.eval(&head.1)?) {
                        out.push((key, value));
                    }
                    Ok(())
                })?;
                out.sort();
                out.dedup();
                if out.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                    return Err(Error::conflict(Pos::default(), "object keys must be unique"));
                }
                Value::object(out)
            }
            Expr::Builtin(builtin, args, At(pos)) => return self.builtin(builtin, args, *pos),
            Expr::Call(rule, args, At(pos)) => {
                if !self.world.stands.is_empty()
                    && let Some(stand) = self.stand(Function::Rule(*rule))
                {
                    let Some(args) = self.all(args)? else { return Ok(None) };
                    return self.stand_in(stand, args, *pos);
                }
                // Most calls have one or two arguments: no list is allocated for those.
                return match &**args {
                    [a] => {
                        let Some(a) = self.eval(a)? else { return Ok(None) };
                        self.call(*rule, &[a], *pos)
                    }
                    [a, b] => {
                        let Some(a) = self.eval(a)? else { return Ok(None) };
                        let Some(b) = self.eval(b)? else { return Ok(None) };
                        self.call(*rule, &[a, b], *pos)
                    }
                    args => {
                        let Some(args) = self.all(args)? else { return Ok(None) };
                        self.call(*rule, &args, *pos)
                    }
                };
            }
            Expr::Template(parts) => {
                let mut out = String::new();
                for part in parts {
                    match part {
                        TemplatePart::Text(text) => out.push_str(text),
                        TemplatePart::Value(steps, expr) => {
                            let mut found = None;
                            self.run(steps, &mut |this| {
                                if found.is_none() {
                                    found = this.eval(expr)?;
                                    return Ok(found.is_none());
                                }
                                Ok(false)
                            })?;
                            match &found {
                                Some(value) => match value.as_str() {
                                    Some(text) => out.push_str(text),
                                    None => out.push_str(&value.to_string()),
                                },
                                None => out.push_str("<undefined>"),
                            }
                        }
                    }
                }
                Value::str(out)
            }
        }))
    }

    /// What lies below known keys; values on the way are looked through, not copied.
    fn path(&self, base: Base, keys: &[PathKey]) -> Option<Value<'d>> {
        let mut at = match base {
            Base::Input => self.world.input.as_ref()?,
            Base::Slot(slot) => self.slot(slot),
        };
        for (i, key) in keys.iter().enumerate() {
            match at {
                Value::Node(node) => return self.path_in(*node, &keys[i..]),
                Value::Object(_) | Value::Array(_) | Value::Set(_) => {
                    at = match key {
                        PathKey::Name(name) => at.named_member(&name.text)?,
                        PathKey::Slot(slot) => at.member(self.slot(*slot))?,
                        PathKey::Const(value) => at.member(value)?,
                    }
                }
                _ => return None,
            }
        }
        Some(at.clone())
    }

    fn path_in(&self, mut node: Node<'d>, keys: &[PathKey]) -> Option<Value<'d>> {
        for key in keys {
            let key = match key {
                PathKey::Name(name) => {
                    node = node.member(name.key())?;
                    continue;
                }
                PathKey::Slot(slot) => self.slot(*slot),
                PathKey::Const(value) => value,
            };
            node = match key.as_str() {
                Some(text) => node.get(text)?,
                None => node.item(usize::try_from(key.as_i64()?).ok()?)?,
            };
        }
        Some(Value::from_node(node))
    }

    fn collect(
        &mut self,
        steps: &'p [Step],
        each: &mut dyn FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.run(steps, &mut |this| {
            this.env.fuel.burn(1)?;
            each(this)?;
            Ok(true)
        })?;
        Ok(())
    }

    /// The values of all expressions, when each has one.
    pub(super) fn all(&mut self, exprs: &'p [Expr]) -> Result<Option<Vec<Value<'d>>>, Error> {
        let mut out = Vec::with_capacity(exprs.len());
        for expr in exprs {
            match self.eval(expr)? {
                Some(value) => out.push(value),
                None => return Ok(None),
            }
        }
        Ok(Some(out))
    }

    fn builtin(&mut self, builtin: &'static Builtin, args: &'p [Expr], pos: Pos) -> Found<'d> {
        if !self.world.stands.is_empty()
            && let Some(stand) = self.stand(Function::Builtin(builtin.name))
        {
            let Some(args) = self.all(args)? else { return Ok(None) };
            return self.stand_in(stand, args, pos);
        }
        // Most calls have one or two arguments: no list is allocated for those.
        match args {
            [a] => {
                let Some(a) = self.eval(a)? else { return Ok(None) };
                self.invoke(builtin, &[a], pos)
            }
            [a, b] => {
                let Some(a) = self.eval(a)? else { return Ok(None) };
                let Some(b) = self.eval(b)? else { return Ok(None) };
                self.invoke(builtin, &[a, b], pos)
            }
            args => {
                let Some(args) = self.all(args)? else { return Ok(None) };
                self.invoke(builtin, &args, pos)
            }
        }
    }

    fn invoke(&mut self, builtin: &'static Builtin, args: &[Value<'d>], pos: Pos) -> Found<'d> {
        self.env.fuel.burn(2)?;
        let fault = match (builtin.call)(&mut self.env, args) {
            Ok(value) => return Ok(Some(value)),
            Err(fault) => fault,
        };
        let (code, message) = match fault {
            Fault::Undefined => return Ok(None),
            Fault::Halt(error) => return Err(error.at(pos)),
            Fault::Type(message) => ("eval_type_error", message),
            Fault::Value(message) => ("eval_builtin_error", message),
        };
        if !self.env.strict {
            return Ok(None);
        }
        Err(Error::new(
            code,
            pos,
            format!("{}: {message}", builtins::shown(builtin.name)),
        ))
    }

    fn stand(&self, function: Function) -> Option<Stand<'d>> {
        let mut stands = self.world.stands.iter().rev();
        stands.find(|(of, _)| *of == function).map(|(_, stand)| stand.clone())
    }

    fn stand_in(&mut self, stand: Stand<'d>, args: Vec<Value<'d>>, pos: Pos) -> Found<'d> {
        match stand {
            Stand::Value(value) => Ok(Some(value)),
            Stand::Builtin(builtin) => self.invoke(builtin, &args, pos),
            Stand::Rule(rule) => {
                // What stands in calls the functions as they are.
                let mut world = self.world.clone();
                world.stands.clear();
                world.cache.fill(None);
                world.calls.clear();
                let saved = std::mem::replace(&mut self.world, world);
                let found = self.call(rule, &args, pos);
                self.world = saved;
                found
            }
        }
    }
}
