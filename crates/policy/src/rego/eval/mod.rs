//! Runs steps over slots. A body's solutions are told to a continuation; trying the next one overwrites slots.

mod calls;
mod expr;
mod rule;
mod with;

use super::ast::Pos;
use super::builtins::{Builtin, Env};
use super::error::Error;
use super::plan::{Function, Head, Key, Pattern, Program, RuleKind, Step};
use super::value::Value;
use crate::budget::Fuel;
use calls::Calls;

/// How deeply rules may call each other.
const MAX_DEPTH: u32 = 64;

/// What a function does for now.
#[derive(Clone, Debug)]
enum Stand<'d> {
    Value(Value<'d>),
    Builtin(&'static Builtin),
    Rule(usize),
}

/// What `with` may change.
#[derive(Clone)]
struct World<'d> {
    input: Option<Value<'d>>,
    data: Value<'d>,
    /// Values of rules: not yet known, undefined, or known.
    cache: Vec<Option<Option<Value<'d>>>>,
    /// What functions answered.
    calls: Calls<'d>,
    /// Names under `data` that are for now plain data.
    hidden: Vec<bool>,
    stands: Vec<(Function, Stand<'d>)>,
}

/// One evaluation.
pub(crate) struct Eval<'p, 'd> {
    program: &'p Program,
    world: World<'d>,
    slots: Vec<Value<'d>>,
    base: usize,
    depth: u32,
    pub(crate) env: Env<'p>,
}

/// A place that a reference leads to.
#[derive(Clone)]
enum Place<'d> {
    Value(Value<'d>),
    /// A name under `data`, with the plain data that lies there.
    Tree(usize, Option<Value<'d>>),
}

type Answer = Result<bool, Error>;

impl<'p: 'd, 'd> Eval<'p, 'd> {
    pub(crate) fn new(program: &'p Program, input: Option<Value<'d>>, data: Value<'d>, fuel: &'p Fuel) -> Self {
        Eval {
            program,
            world: World {
                input,
                data,
                cache: vec![None; program.rules.len()],
                calls: Calls::default(),
                hidden: Vec::new(),
                stands: Vec::new(),
            },
            slots: Vec::with_capacity(32),
            base: 0,
            depth: 0,
            env: Env::new(fuel, &program.patterns),
        }
    }

    pub(crate) fn slot(&self, slot: u32) -> &Value<'d> {
        &self.slots[self.base + slot as usize]
    }

    fn fill(&mut self, slot: u32, value: Value<'d>) {
        let at = self.base + slot as usize;
        self.slots[at] = value;
    }

    /// Opens a frame for so many slots, and closes it after the work.
    pub(crate) fn framed<T>(
        &mut self,
        slots: usize,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let saved = self.base;
        let start = self.slots.len();
        self.slots.resize_with(start + slots, || Value::Null);
        self.base = start;
        let out = work(self);
        self.base = saved;
        self.slots.truncate(start);
        out
    }

    fn deeper<T>(&mut self, pos: Pos, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.depth -= 1;
            return Err(Error::new("eval_cancel_error", pos, "rules call each other too deeply"));
        }
        let out = work(self);
        self.depth -= 1;
        out
    }

    /// Runs a body; `done` is told of each solution and answers whether to go on.
    pub(crate) fn run(&mut self, steps: &'p [Step], done: &mut dyn FnMut(&mut Self) -> Answer) -> Answer {
        let mut rest = steps;
        while let Some((step, after)) = rest.split_first() {
            rest = after;
            self.env.fuel.burn(1)?;
            match step {
                Step::Test(expr) => match self.eval(expr)? {
                    Some(value) if !value.is_false() => {}
                    _ => return Ok(true),
                },
                Step::Bind(slot, expr) => match self.eval(expr)? {
                    Some(value) => self.fill(*slot, value),
                    None => return Ok(true),
                },
                Step::Match(expr, pattern) => match self.eval(expr)? {
                    Some(value) if self.matches(pattern, &value)? => {}
                    _ => return Ok(true),
                },
                Step::Not(body) => {
                    let mut found = false;
                    self.run(body, &mut |_| {
                        found = true;
                        Ok(false)
                    })?;
                    if found {
                        return Ok(true);
                    }
                }
                Step::Every {
                    domain,
                    key,
                    value,
                    body,
                } => {
                    let Some(domain) = self.eval(domain)? else {
                        return Ok(true);
                    };
                    if domain.len().is_none() {
                        return Ok(true);
                    }
                    let all = domain.each(|k, v| {
                        self.env.fuel.burn(1)?;
                        if !self.matches(key, &k)? || !self.matches(value, &v)? {
                            return Ok(false);
                        }
                        let mut found = false;
                        self.run(body, &mut |_| {
                            found = true;
                            Ok(false)
                        })?;
                        Ok::<bool, Error>(found)
                    })?;
                    if !all {
                        return Ok(true);
                    }
                }
                Step::Walk { head, keys, value } => {
                    let place = match head {
                        Head::Value(expr) => match self.eval(expr)? {
                            Some(value) => Place::Value(value),
                            None => return Ok(true),
                        },
                        Head::Tree(node) => self.place(*node),
                    };
                    return self.walk(place, keys, &mut |this, found| {
                        if !this.matches(value, &found)? {
                            return Ok(true);
                        }
                        this.run(after, done)
                    });
                }
                Step::Descend { value, pair } => {
                    let Some(value) = self.eval(value)? else {
                        return Ok(true);
                    };
                    let mut path = Vec::new();
                    return self.descend(&value, &mut path, &mut |this, path, found| {
                        if !this.matches_pair(pair, path, found)? {
                            return Ok(true);
                        }
                        this.run(after, done)
                    });
                }
                Step::Iterate { domain, key, value } => {
                    let Some(domain) = self.eval(domain)? else {
                        return Ok(true);
                    };
                    return domain.each(|k, v| {
                        self.env.fuel.burn(1)?;
                        if !self.matches(key, &k)? || !self.matches(value, &v)? {
                            return Ok(true);
                        }
                        self.run(after, done)
                    });
                }
                Step::With { changes, body, fills } => {
                    let Some(solutions) = self.with(changes, body, fills)? else {
                        return Ok(true);
                    };
                    for solution in solutions {
                        for (slot, value) in fills.iter().zip(solution) {
                            self.fill(*slot, value);
                        }
                        if !self.run(after, done)? {
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                }
            }
        }
        done(self)
    }

    fn matches(&mut self, pattern: &'p Pattern, value: &Value<'d>) -> Answer {
        match pattern {
            Pattern::Any => Ok(true),
            Pattern::True => Ok(!value.is_false()),
            Pattern::Bind(slot) => {
                self.fill(*slot, value.clone());
                Ok(true)
            }
            Pattern::Equal(expr) => Ok(self.eval(expr)?.is_some_and(|wanted| wanted == *value)),
            Pattern::Array(items) => {
                let Some(values) = value.as_array().filter(|values| values.len() == items.len()) else {
                    return Ok(false);
                };
                for (item, value) in items.iter().zip(values.iter()) {
                    if !self.matches(item, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Pattern::Object(members) => {
                if value.len() != Some(members.len()) || value.as_array().is_some() {
                    return Ok(false);
                }
                for (key, pattern) in members {
                    let Some(key) = self.eval(key)? else { return Ok(false) };
                    let Some(found) = value.as_object().and_then(|_| value.get(&key)) else {
                        return Ok(false);
                    };
                    if !self.matches(pattern, &found)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Matches `[path, value]` without building it where nobody keeps it.
    fn matches_pair(&mut self, pattern: &'p Pattern, path: &[Value<'d>], value: &Value<'d>) -> Answer {
        match pattern {
            Pattern::Array(items) if items.len() == 2 => {
                let path_fits = match &items[0] {
                    Pattern::Any => true,
                    pattern => self.matches(pattern, &Value::array(path.to_vec()))?,
                };
                Ok(path_fits && self.matches(&items[1], value)?)
            }
            pattern => {
                let pair = Value::array(vec![Value::array(path.to_vec()), value.clone()]);
                self.matches(pattern, &pair)
            }
        }
    }

    /// Visits a value and all below it.
    fn descend(
        &mut self,
        value: &Value<'d>,
        path: &mut Vec<Value<'d>>,
        visit: &mut dyn FnMut(&mut Self, &[Value<'d>], &Value<'d>) -> Answer,
    ) -> Answer {
        self.env.fuel.burn(1)?;
        if !visit(self, path, value)? {
            return Ok(false);
        }
        if path.len() > 512 {
            return Ok(true);
        }
        value.each(|key, child| {
            path.push(key);
            let on = self.descend(&child, path, visit);
            path.pop();
            on
        })
    }

    fn is_hidden(&self, node: usize) -> bool {
        self.world.hidden.get(node) == Some(&true)
    }

    /// The rule of a node that gives a value.
    fn value_rule(&self, node: usize) -> Option<usize> {
        let rule = self.program.tree.nodes[node].rule?;
        (!matches!(self.program.rules[rule].kind, RuleKind::Function(_))).then_some(rule)
    }

    /// A node with the plain data that lies there.
    fn place(&self, node: usize) -> Place<'d> {
        let mut data = Some(self.world.data.clone());
        for name in &self.program.tree.nodes[node].path {
            data = data.and_then(|data| data.field(name));
        }
        if self.is_hidden(node) {
            return data.map_or(Place::Tree(node, None), Place::Value);
        }
        Place::Tree(node, data)
    }

    /// One step on from a place.
    fn step(&mut self, place: &Place<'d>, key: &Value<'d>) -> Result<Option<Place<'d>>, Error> {
        match place {
            Place::Value(value) => Ok(value.get(key).map(Place::Value)),
            Place::Tree(node, data) => {
                if self.value_rule(*node).is_some() {
                    let whole = self.whole(place)?;
                    return Ok(whole.and_then(|value| value.get(key)).map(Place::Value));
                }
                let below = data.as_ref().and_then(|data| data.get(key));
                let child = key.as_str().and_then(|name| {
                    let children = &self.program.tree.nodes[*node].children;
                    children.get(name).copied()
                });
                match child {
                    Some(child) if !self.is_hidden(child) => Ok(Some(Place::Tree(child, below))),
                    _ => Ok(below.map(Place::Value)),
                }
            }
        }
    }

    /// The value at a place.
    fn whole(&mut self, place: &Place<'d>) -> Result<Option<Value<'d>>, Error> {
        let (node, data) = match place {
            Place::Value(value) => return Ok(Some(value.clone())),
            Place::Tree(node, data) => (*node, data),
        };
        if self.is_hidden(node) {
            return Ok(data.clone());
        }
        let program = self.program;
        let children = &program.tree.nodes[node].children;
        let own = match self.value_rule(node) {
            Some(rule) => self.rule(rule)?,
            None if children.is_empty() && program.tree.nodes[node].rule.is_some() => return Ok(data.clone()),
            None => None,
        };
        if children.is_empty() && program.tree.nodes[node].rule.is_some() {
            return Ok(own.or_else(|| data.clone()));
        }
        let mut members: Vec<(Value<'d>, Value<'d>)> = Vec::new();
        if let Some(data) = data.as_ref().and_then(Value::as_object) {
            let virtual_name = |key: &Value<'d>| key.as_str().is_some_and(|name| children.contains_key(name));
            members.extend(data.iter().filter(|(key, _)| !virtual_name(key)).cloned());
        }
        let mut own = own
            .and_then(|own| own.as_object())
            .map_or_else(Vec::new, |own| own.to_vec());
        for (name, child) in children {
            let key = Value::Str(name.clone());
            let below = data.as_ref().and_then(|data| data.get(&key));
            // Where plain data has the name of a rule, the whole shows the data.
            let leaf = program.tree.nodes[*child].children.is_empty() && self.value_rule(*child).is_some();
            let mut value = match below {
                Some(below) if leaf => Some(below),
                below => self.whole(&Place::Tree(*child, below))?,
            };
            if let Some(at) = own.iter().position(|(k, _)| *k == key) {
                let (_, other) = own.remove(at);
                // A whole value of a rule is no place for the values of others.
                if value.is_some() && self.gives_members(node) {
                    return Err(self.clash(node));
                }
                value = Some(match value {
                    Some(value) => self.merged(value, other, node)?,
                    None => other,
                });
            }
            if let Some(value) = value {
                members.push((key, value));
            }
        }
        members.extend(own);
        Ok(Some(Value::object(members)))
    }

    fn clash(&self, node: usize) -> Error {
        let rule = self.program.tree.nodes[node].rule;
        let pos = rule.map_or(Pos::default(), |rule| self.program.rules[rule].pos);
        Error::conflict(pos, "object keys must be unique")
    }

    /// Whether the rules of a node give each member whole, and not what lies deeper.
    fn gives_members(&self, node: usize) -> bool {
        let rule = self.program.tree.nodes[node].rule;
        rule.is_some_and(|rule| {
            let mut clauses = self.program.rules[rule].clauses.iter();
            clauses.all(|clause| clause.branches.first().is_some_and(|branch| branch.keys.len() == 1))
        })
    }

    /// Two parts of one object.
    fn merged(&self, a: Value<'d>, b: Value<'d>, node: usize) -> Result<Value<'d>, Error> {
        if a == b {
            return Ok(a);
        }
        let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else {
            return Err(self.clash(node));
        };
        let mut out = left.to_vec();
        for (key, value) in right.iter() {
            match out.iter().position(|(k, _)| k == key) {
                Some(at) => out[at].1 = self.merged(out[at].1.clone(), value.clone(), node)?,
                None => out.push((key.clone(), value.clone())),
            }
        }
        Ok(Value::object(out))
    }

    fn walk(
        &mut self,
        place: Place<'d>,
        keys: &'p [Key],
        visit: &mut dyn FnMut(&mut Self, Value<'d>) -> Answer,
    ) -> Answer {
        self.env.fuel.burn(1)?;
        let Some((key, rest)) = keys.split_first() else {
            return match self.whole(&place)? {
                Some(value) => visit(self, value),
                None => Ok(true),
            };
        };
        match key {
            Key::At(expr) => {
                let Some(key) = self.eval(expr)? else { return Ok(true) };
                match self.step(&place, &key)? {
                    Some(next) => self.walk(next, rest, visit),
                    None => Ok(true),
                }
            }
            Key::Named(name) => {
                let next = match &place {
                    Place::Value(Value::Node(node)) => node.member(name.key()).map(Value::from_node).map(Place::Value),
                    Place::Value(value) => value.named_member(&name.text).cloned().map(Place::Value),
                    tree => self.step(tree, &Value::Str(name.text.clone()))?,
                };
                match next {
                    Some(next) => self.walk(next, rest, visit),
                    None => Ok(true),
                }
            }
            Key::Any(pattern) => {
                let value = match &place {
                    Place::Value(value) => value.clone(),
                    Place::Tree(node, _) if self.value_rule(*node).is_some() => match self.whole(&place)? {
                        Some(value) => value,
                        None => return Ok(true),
                    },
                    Place::Tree(node, data) => return self.walk_tree(*node, data.as_ref(), pattern, rest, visit),
                };
                value.each(|key, value| {
                    if !self.matches(pattern, &key)? {
                        return Ok(true);
                    }
                    self.walk(Place::Value(value), rest, visit)
                })
            }
        }
    }

    fn walk_tree(
        &mut self,
        node: usize,
        data: Option<&Value<'d>>,
        pattern: &'p Pattern,
        rest: &'p [Key],
        visit: &mut dyn FnMut(&mut Self, Value<'d>) -> Answer,
    ) -> Answer {
        let program = self.program;
        let children = &program.tree.nodes[node].children;
        for (name, child) in children {
            let key = Value::Str(name.clone());
            if !self.matches(pattern, &key)? {
                continue;
            }
            let below = data.and_then(|data| data.get(&key));
            let place = if self.is_hidden(*child) {
                match below {
                    Some(value) => Place::Value(value),
                    None => continue,
                }
            } else {
                Place::Tree(*child, below)
            };
            if !self.walk(place, rest, visit)? {
                return Ok(false);
            }
        }
        let Some(data) = data else { return Ok(true) };
        data.each(|key, value| {
            let is_virtual = key.as_str().is_some_and(|name| children.contains_key(name));
            if is_virtual || !self.matches(pattern, &key)? {
                return Ok(true);
            }
            self.walk(Place::Value(value), rest, visit)
        })
    }
}
