//! Bodies to steps: lines in a safe order, variables in slots.

mod term;

use super::ast::{Body, Call, Literal, LiteralKind, Name, Pos, Term, With};
use super::builtins;
use super::compile::Tree;
use super::error::Error;
use super::need::Need;
use super::plan::{Change, Expr, Function, Head, Key, Mock, Pattern, Step, Steps};
use super::value::Value;

/// Compiles the bodies of one rule.
pub(crate) struct Lower<'t> {
    tree: &'t Tree,
    names: Vec<Name>,
    known: Vec<bool>,
    slots: usize,
    /// What `rego.metadata.chain` and `rego.metadata.rule` answer here.
    pub(crate) annotations: Option<(Value<'static>, Option<Value<'static>>)>,
}

impl<'t> Lower<'t> {
    pub(crate) fn new(tree: &'t Tree, slots: usize, names: Vec<Name>) -> Self {
        Lower {
            tree,
            names,
            known: vec![false; slots],
            slots,
            annotations: None,
        }
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    pub(crate) fn known(&self) -> &Vec<bool> {
        &self.known
    }

    pub(crate) fn set_known(&mut self, known: Vec<bool>) {
        self.known = known;
        self.known.resize(self.slots, false);
    }

    fn temporary(&mut self) -> u32 {
        self.known.push(true);
        self.slots += 1;
        u32::try_from(self.slots - 1).unwrap_or(u32::MAX)
    }

    fn is_known(&self, id: u32) -> bool {
        self.known.get(id as usize) == Some(&true)
    }

    fn learn(&mut self, id: u32) {
        if let Some(known) = self.known.get_mut(id as usize) {
            *known = true;
        }
    }

    pub(crate) fn parameters(&mut self, args: &[Term]) -> Result<Vec<Pattern>, Error> {
        let mut steps = Steps::new();
        args.iter()
            .map(|arg| self.pattern(arg, &mut steps, Pos::default()))
            .collect()
    }

    /// Compiles a body, its lines in the first order in which each has what it needs.
    pub(crate) fn body(&mut self, body: &Body) -> Result<Steps, Error> {
        let mut left: Vec<Literal> = Vec::new();
        for literal in body.iter().filter(|literal| !is_print(literal)) {
            self.split(literal.clone(), &mut left)?;
        }
        let mut steps = Steps::new();
        while !left.is_empty() {
            let ready = left.iter().position(|literal| self.ready(literal));
            let Some(ready) = ready else {
                return Err(self.unsafe_error(&left[0]));
            };
            let literal = left.remove(ready);
            self.literal(literal, &mut steps)?;
        }
        Ok(steps)
    }

    fn unsafe_error(&self, literal: &Literal) -> Error {
        let mut need = Need::literal(&literal.kind);
        literal.with.iter().for_each(|with| need.of(&with.value));
        let missing = need.missing(&self.known).or(need.given.first().copied());
        let name = missing.and_then(|id| self.names.get(id as usize));
        let name = name.map_or("_", |name| if name.starts_with("_#") { "_" } else { &**name });
        Error::unsafe_var(literal.pos, format!("var {name} is unsafe"))
    }

    /// Calls with an output and unified composites become simpler lines.
    fn split(&self, mut literal: Literal, out: &mut Vec<Literal>) -> Result<(), Error> {
        literal.kind = self.with_output(literal.kind)?;
        if let LiteralKind::Unify(a, b) = &literal.kind
            && literal.with.is_empty()
        {
            let pairs: Option<Vec<(&Term, &Term)>> = match (a, b) {
                (Term::Array(a), Term::Array(b)) if a.len() == b.len() => Some(a.iter().zip(b).collect()),
                (Term::Object(a), Term::Object(b)) => object_pairs(a, b),
                _ => None,
            };
            if let Some(pairs) = pairs {
                for (a, b) in pairs {
                    let kind = LiteralKind::Unify(a.clone(), b.clone());
                    let pos = literal.pos;
                    self.split(
                        Literal {
                            kind,
                            with: Vec::new(),
                            pos,
                        },
                        out,
                    )?;
                }
                return Ok(());
            }
        }
        out.push(literal);
        Ok(())
    }

    /// `f(x, y)` with one argument more than parameters unifies the last with the result.
    fn with_output(&self, kind: LiteralKind) -> Result<LiteralKind, Error> {
        Ok(match kind {
            LiteralKind::Term(Term::Call(mut call)) => {
                let arity = self.arity(&call)?;
                if call.args.len() == arity + 1 {
                    let output = call.args.pop().unwrap_or(Term::Input);
                    LiteralKind::Unify(output, Term::Call(call))
                } else {
                    LiteralKind::Term(Term::Call(call))
                }
            }
            kind => kind,
        })
    }

    fn arity(&self, call: &Call) -> Result<usize, Error> {
        if let Some((_, arity)) = self.tree.function(&call.target) {
            return Ok(arity);
        }
        if is_print_call(call) {
            return Err(Error::type_error(call.pos, "print(…) used as value"));
        }
        let name = call.target.dotted().unwrap_or_default();
        if let Some(builtin) = builtins::find(&name) {
            return Ok(builtin.arity);
        }
        Err(Error::type_error(call.pos, format!("undefined function {name}")))
    }

    /// Whether a line may be evaluated now.
    fn ready(&self, literal: &Literal) -> bool {
        let mut with = Need::default();
        literal.with.iter().for_each(|change| with.of(&change.value));
        with.met(&self.known) && self.direction(&literal.kind).is_some()
    }

    /// Whether a line may be evaluated; for one that unifies, whether its sides change places.
    fn direction(&self, kind: &LiteralKind) -> Option<bool> {
        if Need::literal(kind).met(&self.known) {
            return Some(false);
        }
        if let LiteralKind::Unify(a, b) = kind {
            let mut need = Need::default();
            need.of(a);
            need.pattern(b);
            return need.met(&self.known).then_some(true);
        }
        None
    }

    fn literal(&mut self, literal: Literal, steps: &mut Steps) -> Result<(), Error> {
        let pos = literal.pos;
        if literal.with.is_empty() {
            return self.kind(literal.kind, steps, pos);
        }
        let mut changes = Vec::new();
        for with in &literal.with {
            changes.push(self.change(with, steps, pos)?);
        }
        let before = self.known.clone();
        let mut body = Steps::new();
        self.kind(literal.kind, &mut body, pos)?;
        let filled = |(id, known): (usize, &bool)| {
            let new = *known && before.get(id) != Some(&true);
            if new { u32::try_from(id).ok() } else { None }
        };
        let fills = self.known.iter().enumerate().filter_map(filled).collect();
        steps.push(Step::With { changes, body, fills });
        Ok(())
    }

    fn change(&mut self, with: &With, steps: &mut Steps, pos: Pos) -> Result<Change, Error> {
        let texts = |path: &[Term]| -> Option<Vec<Value<'static>>> {
            path.iter()
                .map(|key| match key {
                    Term::Scalar(value) => Some(value.clone()),
                    _ => None,
                })
                .collect()
        };
        let wrong = || {
            Error::type_error(
                pos,
                "with keyword target must reference existing input, data, or a function",
            )
        };
        let function = match &with.target {
            target @ Term::Ref(head, _) if matches!(**head, Term::Data) => {
                self.tree.function(target).map(|(rule, _)| Function::Rule(rule))
            }
            target => {
                let name = target.dotted().unwrap_or_default();
                builtins::find(&name).map(|builtin| Function::Builtin(builtin.name))
            }
        };
        if let Some(function) = function {
            let mock = if let Some((rule, _)) = self.tree.function(&with.value) {
                Mock::Rule(rule)
            } else if let Some(builtin) = unresolved(&with.value).and_then(|name| builtins::find(&name)) {
                Mock::Builtin(builtin)
            } else {
                Mock::Value(self.expr(&with.value, steps, pos)?)
            };
            return Ok(Change::Function(function, mock));
        }
        let value = self.expr(&with.value, steps, pos)?;
        match &with.target {
            Term::Input => Ok(Change::Input(Vec::new(), value)),
            Term::Data => Ok(Change::Data {
                path: Vec::new(),
                node: Some(0),
                value,
            }),
            Term::Ref(head, path) => match **head {
                Term::Input => Ok(Change::Input(texts(path).ok_or_else(wrong)?, value)),
                Term::Data => {
                    let (node, used) = self.tree.follow(path);
                    let path_texts = texts(path).ok_or_else(wrong)?;
                    Ok(Change::Data {
                        path: path_texts,
                        node: (used == path.len()).then_some(node),
                        value,
                    })
                }
                _ => Err(wrong()),
            },
            target => {
                let name = target.dotted().unwrap_or_default();
                Err(Error::type_error(pos, format!("undefined function {name}")))
            }
        }
    }

    fn kind(&mut self, kind: LiteralKind, steps: &mut Steps, pos: Pos) -> Result<(), Error> {
        match kind {
            LiteralKind::Term(term) => self.test(&term, steps, pos),
            LiteralKind::Unify(a, b) | LiteralKind::Assign(a, b) => {
                let turned = self
                    .direction(&LiteralKind::Unify(a.clone(), b.clone()))
                    .unwrap_or(false);
                if turned {
                    self.unify(&b, &a, steps, pos)
                } else {
                    self.unify(&a, &b, steps, pos)
                }
            }
            LiteralKind::Not(kind) => {
                let mut kind = *kind;
                self.lift_operands(&mut kind, steps, pos)?;
                let kind = self.with_output(kind)?;
                let known = self.known.clone();
                let mut body = Steps::new();
                self.kind(kind, &mut body, pos)?;
                self.set_known(known);
                steps.push(Step::Not(body));
                Ok(())
            }
            LiteralKind::Some(_) => Ok(()),
            LiteralKind::SomeIn(key, value, domain) => {
                let domain = self.expr(&domain, steps, pos)?;
                let key = match key {
                    Some(key) => self.pattern(&key, steps, pos)?,
                    None => Pattern::Any,
                };
                let value = self.pattern(&value, steps, pos)?;
                steps.push(Step::Iterate { domain, key, value });
                Ok(())
            }
            LiteralKind::Any(bodies) => {
                // Any holds where it is not so that none does.
                let known = self.known.clone();
                let mut none = Steps::new();
                for body in bodies {
                    let steps = self.body(&body.body)?;
                    self.set_known(known.clone());
                    none.push(Step::Not(steps));
                }
                steps.push(Step::Not(none));
                Ok(())
            }
            LiteralKind::Every {
                key,
                value,
                domain,
                body,
            } => {
                let domain = self.expr(&domain, steps, pos)?;
                let known = self.known.clone();
                let key = match key {
                    Some(key) => self.pattern(&key, steps, pos)?,
                    None => Pattern::Any,
                };
                let value = self.pattern(&value, steps, pos)?;
                let body = self.body(&body.body)?;
                self.set_known(known);
                steps.push(Step::Every {
                    domain,
                    key,
                    value,
                    body,
                });
                Ok(())
            }
        }
    }

    /// What a negated line is about has its values before the line: where one of them is undefined, so is the line.
    fn lift_operands(&mut self, kind: &mut LiteralKind, steps: &mut Steps, pos: Pos) -> Result<(), Error> {
        match kind {
            LiteralKind::Term(Term::Call(call)) => {
                let equality = call.target.dotted().as_deref() == Some("equal");
                for arg in &mut call.args {
                    self.lift(arg, !equality, steps, pos)?;
                }
            }
            LiteralKind::Unify(a, b) | LiteralKind::Assign(a, b) => {
                self.lift(a, false, steps, pos)?;
                self.lift(b, false, steps, pos)?;
            }
            LiteralKind::Term(term @ Term::Ref(..)) => self.lift(term, false, steps, pos)?,
            _ => {}
        }
        Ok(())
    }

    /// Binds the calls of a term before the line, and its references if `whole`; those within it always.
    fn lift(&mut self, term: &mut Term, whole: bool, steps: &mut Steps, pos: Pos) -> Result<(), Error> {
        match term {
            Term::Array(items) | Term::Set(items) => {
                return items.iter_mut().try_for_each(|item| self.lift(item, true, steps, pos));
            }
            Term::Object(members) => {
                return members
                    .iter_mut()
                    .try_for_each(|(_, value)| self.lift(value, true, steps, pos));
            }
            Term::Ref(head, path) => {
                if path.iter().any(|key| self.is_open(key)) {
                    return Ok(());
                }
                if matches!(**head, Term::Call(_)) {
                    self.lift(head, true, steps, pos)?;
                }
                path.iter_mut().try_for_each(|key| self.lift(key, true, steps, pos))?;
                if !whole {
                    return Ok(());
                }
            }
            Term::Call(call) if is_walk(call) => return Ok(()),
            Term::Call(_) => {}
            _ => return Ok(()),
        }
        let value = self.expr(term, steps, pos)?;
        let slot = self.temporary();
        steps.push(Step::Bind(slot, value));
        *term = Term::Local(slot);
        Ok(())
    }

    fn test(&mut self, term: &Term, steps: &mut Steps, pos: Pos) -> Result<(), Error> {
        if let Term::Ref(head, path) = term
            && self.goes_around(path)
        {
            return self.walk(head, path, Pattern::True, steps, pos);
        }
        let expr = self.expr(term, steps, pos)?;
        if let Expr::Builtin(builtin, args, _) = &expr
            && let ("equal", [a, b]) = (builtin.name, &args[..])
            && let Some((a, b)) = builtins::signatures::apart(a, b)
        {
            return Err(Error::type_error(pos, format!("match error: {a} and {b}")));
        }
        if !matches!(&expr, Expr::Const(value) if !value.is_false()) {
            steps.push(Step::Test(expr));
        }
        Ok(())
    }

    fn unify(&mut self, pattern: &Term, value: &Term, steps: &mut Steps, pos: Pos) -> Result<(), Error> {
        match value {
            Term::Ref(head, path) if self.goes_around(path) => {
                // The keys are bound before the pattern is read.
                let (head, keys) = self.walk_parts(head, path, steps, pos)?;
                let value = self.pattern(pattern, steps, pos)?;
                steps.push(Step::Walk { head, keys, value });
                return Ok(());
            }
            Term::Call(call) if is_walk(call) => {
                let value = self.expr(&call.args[0], steps, pos)?;
                let pair = self.pattern(pattern, steps, pos)?;
                steps.push(Step::Descend { value, pair });
                return Ok(());
            }
            _ => {}
        }
        let expr = self.expr(value, steps, pos)?;
        match self.pattern(pattern, steps, pos)? {
            Pattern::Bind(slot) => steps.push(Step::Bind(slot, expr)),
            pattern => steps.push(Step::Match(expr, pattern)),
        }
        Ok(())
    }

    /// Whether a key of a reference is not yet known.
    fn goes_around(&self, path: &[Term]) -> bool {
        path.iter().any(|key| self.is_open(key))
    }

    fn is_open(&self, term: &Term) -> bool {
        match term {
            Term::Local(id) => !self.is_known(*id),
            Term::Array(items) => items.iter().any(|item| self.is_open(item)),
            Term::Object(members) => members.iter().any(|(_, value)| self.is_open(value)),
            _ => false,
        }
    }

    fn walk(&mut self, head: &Term, path: &[Term], value: Pattern, steps: &mut Steps, pos: Pos) -> Result<(), Error> {
        let (head, keys) = self.walk_parts(head, path, steps, pos)?;
        steps.push(Step::Walk { head, keys, value });
        Ok(())
    }

    fn walk_parts(
        &mut self,
        head: &Term,
        path: &[Term],
        steps: &mut Steps,
        pos: Pos,
    ) -> Result<(Head, Vec<Key>), Error> {
        let mut path = path;
        let head = match head {
            Term::Data => {
                let (node, used) = self.tree.follow(path);
                path = &path[used..];
                Head::Tree(node)
            }
            Term::Rule(node) => Head::Tree(*node),
            head => {
                let head = self.expr(head, steps, pos)?;
                // The known keys before the first open one belong to the value that is gone through.
                let known = path.iter().take_while(|key| !self.is_open(key)).count();
                let keys = self.exprs(&path[..known], steps, pos)?;
                path = &path[known..];
                Head::Value(term::reference(head, keys))
            }
        };
        let mut keys = Vec::new();
        for key in path {
            keys.push(if self.is_open(key) {
                Key::Any(self.pattern(key, steps, pos)?)
            } else {
                match self.expr(key, steps, pos)? {
                    Expr::Const(Value::Str(text)) => Key::Named(crate::name::Name::new(&text)),
                    key => Key::At(key),
                }
            });
        }
        Ok((head, keys))
    }

    fn pattern(&mut self, term: &Term, steps: &mut Steps, pos: Pos) -> Result<Pattern, Error> {
        match term {
            Term::Local(id) if !self.is_known(*id) => {
                self.learn(*id);
                Ok(Pattern::Bind(*id))
            }
            Term::Array(items) if self.is_open(term) => {
                let items = items.iter().map(|item| self.pattern(item, steps, pos));
                Ok(Pattern::Array(items.collect::<Result<_, _>>()?))
            }
            Term::Object(members) if self.is_open(term) => {
                let mut out = Vec::new();
                for (key, value) in members {
                    out.push((self.expr(key, steps, pos)?, self.pattern(value, steps, pos)?));
                }
                Ok(Pattern::Object(out))
            }
            // In a larger pattern a reference may still go around.
            term => Ok(Pattern::Equal(self.expr(term, steps, pos)?)),
        }
    }
}

/// `print` tells nobody here: such a line is passed over, whatever stands in it.
fn is_print(literal: &Literal) -> bool {
    matches!(&literal.kind, LiteralKind::Term(Term::Call(call)) if is_print_call(call))
}

fn is_print_call(call: &Call) -> bool {
    matches!(&call.target, Term::Var(name) if &**name == "print")
}

fn is_walk(call: &Call) -> bool {
    call.args.len() == 1 && matches!(&call.target, Term::Var(name) if &**name == "walk")
}

/// The dotted name of a term that no scope knows.
fn unresolved(term: &Term) -> Option<String> {
    match term {
        Term::Var(_) => term.dotted(),
        Term::Ref(head, _) if matches!(**head, Term::Var(_)) => term.dotted(),
        _ => None,
    }
}

/// The members of two objects by their constant keys, when they are the same.
fn object_pairs<'a>(a: &'a [(Term, Term)], b: &'a [(Term, Term)]) -> Option<Vec<(&'a Term, &'a Term)>> {
    let scalar = |term: &'a Term| match term {
        Term::Scalar(value) => Some(value),
        _ => None,
    };
    if a.len() != b.len() {
        return None;
    }
    a.iter()
        .map(|(key, value)| {
            let key = scalar(key)?;
            let other = b.iter().find(|(other, _)| scalar(other) == Some(key))?;
            Some((value, &other.1))
        })
        .collect()
}
