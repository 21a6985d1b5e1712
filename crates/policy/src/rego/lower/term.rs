//! Terms to expressions; what has many values becomes a step before.

use super::super::ast::{Body, Call, Literal, LiteralKind, Part, Pos, Term};
use super::super::builtins::{self, signatures};
use super::super::error::Error;
use super::super::need::Need;
use super::super::plan::{At, Base, Expr, PathKey, Pattern, RuleKind, Step, Steps, TemplatePart};
use super::super::value::Value;
use super::{Lower, is_walk};
use crate::name::Name;

impl Lower<'_> {
    pub(super) fn exprs(&mut self, terms: &[Term], steps: &mut Steps, pos: Pos) -> Result<Vec<Expr>, Error> {
        terms.iter().map(|term| self.expr(term, steps, pos)).collect()
    }

    /// Compiles a term; what has many values becomes a step before it.
    pub(crate) fn expr(&mut self, term: &Term, steps: &mut Steps, pos: Pos) -> Result<Expr, Error> {
        Ok(match term {
            Term::Scalar(value) => Expr::Const(value.clone()),
            // A variable that a reference further on in the line binds is bound by a step before its use.
            Term::Local(id) => Expr::Slot(*id),
            Term::Var(name) => return Err(Error::unsafe_var(pos, format!("var {name} is unsafe"))),
            Term::Input => Expr::Input,
            Term::Data => Expr::Data(0, Vec::new()),
            Term::Rule(node) => Expr::Data(*node, Vec::new()),
            Term::Ref(head, path) => {
                if self.goes_around(path) {
                    let (head, keys) = self.walk_parts(head, path, steps, pos)?;
                    let slot = self.temporary();
                    let value = Pattern::Bind(slot);
                    steps.push(Step::Walk { head, keys, value });
                    return Ok(Expr::Slot(slot));
                }
                match &**head {
                    Term::Data => {
                        let (node, used) = self.tree.follow(path);
                        if used == path.len() && self.tree.function(term).is_some() {
                            let name = term.dotted().unwrap_or_default();
                            let why = format!("function {name} used as reference, not called");
                            return Err(Error::type_error(pos, why));
                        }
                        let keys = self.exprs(&path[used..], steps, pos)?;
                        match self.tree.nodes[node].rule {
                            Some(rule)
                                if self.tree.nodes[node].children.is_empty()
                                    && !matches!(self.tree.kinds[rule], RuleKind::Function(_)) =>
                            {
                                reference(Expr::Rule(rule), keys)
                            }
                            _ => Expr::Data(node, keys),
                        }
                    }
                    head => {
                        let head = self.expr(head, steps, pos)?;
                        reference(head, self.exprs(path, steps, pos)?)
                    }
                }
            }
            Term::Call(call) => return self.call(call, steps),
            Term::Array(items) => constant_list(self.exprs(items, steps, pos)?, Value::array, Expr::Array),
            Term::Set(items) => constant_list(self.exprs(items, steps, pos)?, Value::set, Expr::Set),
            Term::Object(members) => {
                let mut out = Vec::new();
                for (key, value) in members {
                    out.push((self.expr(key, steps, pos)?, self.expr(value, steps, pos)?));
                }
                // Of members with one key the computed ones count.
                out.sort_by_key(|(key, _)| !matches!(key, Expr::Const(_)));
                let constant: Option<Vec<_>> = out
                    .iter()
                    .map(|(key, value)| match (key, value) {
                        (Expr::Const(key), Expr::Const(value)) => Some((key.clone(), value.clone())),
                        _ => None,
                    })
                    .collect();
                match constant {
                    Some(members) if distinct(&members) => Expr::Const(Value::object(members)),
                    _ => Expr::Object(out),
                }
            }
            Term::ArrayOf(head, closure) => {
                let (body, mut heads) = self.closure(&[head], &closure.body, pos)?;
                Expr::ArrayOf(Box::new(heads.remove(0)), body)
            }
            Term::SetOf(head, closure) => {
                let (body, mut heads) = self.closure(&[head], &closure.body, pos)?;
                Expr::SetOf(Box::new(heads.remove(0)), body)
            }
            Term::ObjectOf(head, closure) => {
                let (body, mut heads) = self.closure(&[&head.0, &head.1], &closure.body, pos)?;
                let value = heads.remove(1);
                Expr::ObjectOf(Box::new((heads.remove(0), value)), body)
            }
            Term::Template(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    out.push(match part {
                        Part::Text(text) => TemplatePart::Text(text.clone()),
                        Part::Term(term, closure) => {
                            let (body, mut heads) = self.closure(&[term], &closure.body, pos)?;
                            TemplatePart::Value(body, heads.remove(0))
                        }
                    });
                }
                Expr::Template(out)
            }
        })
    }

    fn closure(&mut self, heads: &[&Term], body: &Body, pos: Pos) -> Result<(Steps, Vec<Expr>), Error> {
        let known = self.known.clone();
        let (mut steps, heads) = match self.body(body) {
            Ok(steps) => (steps, heads.iter().map(|head| (*head).clone()).collect()),
            Err(error) => {
                self.set_known(known.clone());
                self.body_with_heads(heads, body, pos).map_err(|_| error)?
            }
        };
        let mut out = Vec::new();
        for head in &heads {
            let mut need = Need::default();
            need.of(head);
            if let Some(id) = need.missing(&self.known) {
                let name = self.names.get(id as usize).map_or("_", |name| name);
                return Err(Error::unsafe_var(pos, format!("var {name} is unsafe")));
            }
            out.push(self.expr(head, &mut steps, pos)?);
        }
        self.set_known(known);
        Ok((steps, out))
    }

    /// A body that needs what its heads bind: these become lines of it.
    fn body_with_heads(&mut self, heads: &[&Term], body: &Body, pos: Pos) -> Result<(Steps, Vec<Term>), Error> {
        let mut longer = body.clone();
        let mut out = Vec::new();
        for head in heads {
            let slot = self.temporary();
            self.known[slot as usize] = false;
            longer.push(Literal {
                kind: LiteralKind::Unify(Term::Local(slot), (*head).clone()),
                with: Vec::new(),
                pos,
            });
            out.push(Term::Local(slot));
        }
        Ok((self.body(&longer)?, out))
    }

    /// Compiles the value of a rule after its body.
    pub(crate) fn head(&mut self, term: &Term, steps: &mut Steps, pos: Pos) -> Result<Expr, Error> {
        let mut need = Need::default();
        need.of(term);
        if let Some(id) = need.missing(&self.known) {
            let name = self.names.get(id as usize).map_or("_", |name| name);
            let name = if name.starts_with("_#") { "_" } else { name };
            return Err(Error::unsafe_var(pos, format!("var {name} is unsafe")));
        }
        self.expr(term, steps, pos)
    }

    fn call(&mut self, call: &Call, steps: &mut Steps) -> Result<Expr, Error> {
        let pos = call.pos;
        let arity = self.arity(call)?;
        let name = || call.target.dotted().unwrap_or_default();
        if call.args.len() != arity {
            return Err(Error::type_error(
                pos,
                format!(
                    "{}: arity mismatch: have {} arguments, want {arity}",
                    name(),
                    call.args.len()
                ),
            ));
        }
        if is_walk(call) {
            let value = self.expr(&call.args[0], steps, pos)?;
            let slot = self.temporary();
            steps.push(Step::Descend {
                value,
                pair: Pattern::Bind(slot),
            });
            return Ok(Expr::Slot(slot));
        }
        if let Some((rule, _)) = self.tree.function(&call.target) {
            return Ok(Expr::Call(rule, self.exprs(&call.args, steps, pos)?, At(pos)));
        }
        let name = name();
        if let Some((chain, rule)) = &self.annotations {
            match name.as_str() {
                "rego.metadata.chain" => return Ok(Expr::Const(chain.clone())),
                "rego.metadata.rule" => {
                    return Ok(Expr::Const(rule.clone().unwrap_or_else(|| Value::object(Vec::new()))));
                }
                _ => {}
            }
        }
        let args = self.exprs(&call.args, steps, pos)?;
        match builtins::find(&name) {
            Some(builtin) => {
                if let Some((at, wanted, found)) = signatures::unfit(&name, &args) {
                    let at = at + 1;
                    let why = format!("{name}: invalid argument(s): argument {at} must be {wanted} but is {found}");
                    return Err(Error::type_error(pos, why));
                }
                Ok(Expr::Builtin(builtin, args, At(pos)))
            }
            None => Err(Error::type_error(pos, format!("undefined function {name}"))),
        }
    }
}

/// A value below known keys.
pub(super) fn reference(head: Expr, keys: Vec<Expr>) -> Expr {
    if keys.is_empty() {
        return head;
    }
    let plain = keys.iter().all(|key| matches!(key, Expr::Const(_) | Expr::Slot(_)));
    let (base, mut path) = match head {
        Expr::Input if plain => (Base::Input, Vec::new()),
        Expr::Slot(slot) if plain => (Base::Slot(slot), Vec::new()),
        Expr::Path(base, path) if plain => (base, path),
        Expr::Ref(inner, mut path) => {
            path.extend(keys);
            return Expr::Ref(inner, path);
        }
        head => return Expr::Ref(Box::new(head), keys),
    };
    path.extend(keys.into_iter().filter_map(|key| match key {
        Expr::Const(Value::Str(text)) => Some(PathKey::Name(Name::new(&text))),
        Expr::Const(value) => Some(PathKey::Const(value)),
        Expr::Slot(slot) => Some(PathKey::Slot(slot)),
        _ => None,
    }));
    Expr::Path(base, path)
}

fn distinct(members: &[(Value<'static>, Value<'static>)]) -> bool {
    let mut keys: Vec<_> = members.iter().map(|(key, _)| key).collect();
    keys.sort();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

fn constant_list(
    items: Vec<Expr>,
    constant: impl Fn(Vec<Value<'static>>) -> Value<'static>,
    build: impl Fn(Vec<Expr>) -> Expr,
) -> Expr {
    let values: Option<Vec<Value<'static>>> = items
        .iter()
        .map(|item| match item {
            Expr::Const(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    match values {
        Some(values) => Expr::Const(constant(values)),
        None => build(items),
    }
}
