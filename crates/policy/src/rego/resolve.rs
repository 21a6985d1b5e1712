//! Names to what they mean: variables to numbers, rules and imports to references under `data` and `input`.

use std::collections::{HashMap, HashSet};

use super::ast::{Body, Call, Closure, HeadKind, Literal, LiteralKind, Module, Name, Part, Pos, Rule, Term, With};
use super::error::Error;

/// What the names of a module stand for.
pub(crate) struct Globals(HashMap<Name, Term>);

impl Globals {
    /// The names that a package's rules and a module's imports give.
    pub(crate) fn of(module: &Module, package_rules: &HashSet<Name>) -> Globals {
        let mut out = HashMap::new();
        for import in &module.imports {
            let head = match import.path.first().map(|name| &**name) {
                Some("data") => Term::Data,
                Some("input") => Term::Input,
                _ => continue,
            };
            let path: Vec<Term> = import.path[1..].iter().map(|name| Term::text(name)).collect();
            let Some(name) = import.alias.clone().or_else(|| import.path.last().cloned()) else {
                continue;
            };
            let term = if path.is_empty() {
                head
            } else {
                Term::Ref(Box::new(head), path)
            };
            out.insert(name, term);
        }
        for rule in package_rules {
            let path = module.package.iter().chain([rule]).map(|name| Term::text(name));
            out.insert(rule.clone(), Term::Ref(Box::new(Term::Data), path.collect()));
        }
        Globals(out)
    }

    /// No names.
    pub(crate) fn none() -> Globals {
        Globals(HashMap::new())
    }

    fn get(&self, name: &str) -> Option<Term> {
        match name {
            "data" => Some(Term::Data),
            "input" => Some(Term::Input),
            _ => self.0.get(name).cloned(),
        }
    }
}

/// Numbers the variables of one rule.
pub(crate) struct Resolver<'g> {
    globals: &'g Globals,
    scopes: Vec<HashMap<Name, u32>>,
    pub(crate) names: Vec<Name>,
    /// Which variables are read.
    read: HashSet<u32>,
    /// Those that are declared to be read.
    promised: Vec<u32>,
    /// Where the line stands that is read.
    pos: Pos,
    /// The first fault of the names.
    pub(crate) error: Option<Error>,
}

impl<'g> Resolver<'g> {
    pub(crate) fn new(globals: &'g Globals) -> Self {
        Resolver {
            globals,
            scopes: Vec::new(),
            names: Vec::new(),
            read: HashSet::new(),
            promised: Vec::new(),
            pos: Pos::default(),
            error: None,
        }
    }

    fn fault(&mut self, why: String) {
        let pos = self.pos;
        self.error.get_or_insert_with(|| Error::compile(pos, why));
    }

    /// Declares a variable in a line; a body declares each once, and does not read it before.
    fn introduce(&mut self, name: &Name) {
        if matches!(&**name, "input" | "data") {
            self.fault(format!(
                "variables must not shadow {name} (use a different variable name)"
            ));
        }
        if self.scopes.last().is_some_and(|scope| scope.contains_key(name)) {
            self.fault(format!("var {name} declared, assigned or referenced above"));
        }
        self.declare(name);
    }

    fn fresh(&mut self, name: &Name) -> u32 {
        self.names.push(name.clone());
        u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
    }

    fn next(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    fn declare(&mut self, name: &Name) -> u32 {
        let id = self.fresh(name);
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.clone(), id);
        }
        id
    }

    fn local(&self, name: &str) -> Option<u32> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    /// The variables that a query names.
    pub(crate) fn top(&self) -> Vec<(Name, u32)> {
        let scope = self.scopes.first();
        let mut out: Vec<_> = scope.into_iter().flatten().map(|(n, id)| (n.clone(), *id)).collect();
        out.sort();
        out
    }

    /// Resolves a query in a scope that stays open.
    pub(crate) fn query(&mut self, body: &Body) -> Body {
        self.open(body, &[]);
        self.body(body)
    }

    /// Resolves a rule.
    pub(crate) fn rule(&mut self, rule: &Rule) -> Rule {
        let mut out = rule.clone();
        self.scopes.push(HashMap::new());
        let mut extra = Body::new();
        if let Some(args) = &mut out.args {
            let mut declared = Vec::new();
            args.iter().for_each(|arg| pattern_names(arg, &mut declared));
            for name in declared {
                if !self.scopes.last().is_some_and(|scope| scope.contains_key(&name)) {
                    self.declare(&name);
                }
            }
            // A parameter that is no pattern is compared with the argument in the body.
            for arg in args.iter_mut() {
                if !is_pattern(arg) {
                    let name: Name = format!("_#arg{}", self.names.len()).into();
                    self.declare(&name);
                    let term = std::mem::replace(arg, Term::Var(name.clone()));
                    extra.push(Literal {
                        kind: LiteralKind::Unify(Term::Var(name), term),
                        with: Vec::new(),
                        pos: rule.pos,
                    });
                }
            }
        }
        let body: Body = extra.iter().chain(&rule.body).cloned().collect();
        let mut heads: Vec<&Term> = rule.path.iter().collect();
        match &rule.head {
            HeadKind::Value(term) | HeadKind::Contains(term) => heads.push(term),
        }
        self.open(&body, &heads);
        out.body = self.body(&body);
        out.path = rule.path.iter().map(|term| self.term(term)).collect();
        out.head = match &rule.head {
            HeadKind::Value(term) => HeadKind::Value(self.term(term)),
            HeadKind::Contains(term) => HeadKind::Contains(self.term(term)),
        };
        self.scopes.pop();
        out.elses = rule
            .elses
            .iter()
            .map(|(value, body)| {
                let body: Body = extra.iter().chain(body).cloned().collect();
                self.open(&body, &[value]);
                let body = self.body(&body);
                let value = self.term(value);
                self.scopes.pop();
                (value, body)
            })
            .collect();
        if let Some(args) = &mut out.args {
            *args = args.iter().map(|arg| self.term(arg)).collect();
        }
        self.scopes.pop();
        let unused = self.promised.iter().find(|id| !self.read.contains(id)).copied();
        if let Some(name) = unused.and_then(|id| self.names.get(id as usize)) {
            let why = format!("declared var {name} unused");
            self.pos = rule.pos;
            self.fault(why);
        }
        out
    }

    /// Opens the scope of a body: names it uses and nobody declares are its own.
    fn open(&mut self, body: &Body, heads: &[&Term]) {
        let mut used = Vec::new();
        let mut declared = Vec::new();
        for literal in body {
            literal_names(literal, &mut used, &mut declared);
        }
        heads.iter().for_each(|term| names(term, &mut used));
        self.scopes.push(HashMap::new());
        for name in used {
            if !declared.contains(&name) && self.local(&name).is_none() && self.globals.get(&name).is_none() {
                self.declare(&name);
            }
        }
    }

    fn body(&mut self, body: &Body) -> Body {
        body.iter()
            .map(|literal| {
                self.pos = literal.pos;
                // What `with` gives is read before the line declares anything.
                let with = literal
                    .with
                    .iter()
                    .map(|with| With {
                        target: self.target(&with.target),
                        value: if is_builtin(&with.value) && self.target_free(&with.value) {
                            with.value.clone()
                        } else {
                            self.term(&with.value)
                        },
                    })
                    .collect();
                Literal {
                    kind: self.literal(&literal.kind),
                    with,
                    pos: literal.pos,
                }
            })
            .collect()
    }

    fn literal(&mut self, kind: &LiteralKind) -> LiteralKind {
        match kind {
            LiteralKind::Term(term) => LiteralKind::Term(self.term(term)),
            LiteralKind::Not(kind) => LiteralKind::Not(Box::new(self.literal(kind))),
            LiteralKind::Unify(a, b) => LiteralKind::Unify(self.term(a), self.term(b)),
            LiteralKind::Assign(a, b) => {
                if let Some(what) = unassignable(a) {
                    self.fault(format!("cannot assign to {what}"));
                }
                let b = self.term(b);
                self.declare_all(a);
                LiteralKind::Unify(self.term(a), b)
            }
            LiteralKind::Some(list) => {
                for name in list {
                    self.promised.push(self.next());
                    self.introduce(name);
                }
                LiteralKind::Some(Vec::new())
            }
            LiteralKind::SomeIn(key, value, domain) => {
                let domain = self.term(domain);
                if let Some(key) = key {
                    self.declare_all(key);
                }
                self.declare_all(value);
                LiteralKind::SomeIn(key.as_ref().map(|key| self.term(key)), self.term(value), domain)
            }
            LiteralKind::Any(bodies) => LiteralKind::Any(bodies.iter().map(|body| self.closure(&[], body).1).collect()),
            LiteralKind::Every {
                key,
                value,
                domain,
                body,
            } => {
                let domain = self.term(domain);
                let start = self.next();
                self.scopes.push(HashMap::new());
                if let Some(key) = key {
                    self.declare_all(key);
                }
                self.declare_all(value);
                let key = key.as_ref().map(|key| self.term(key));
                let value = self.term(value);
                self.open(&body.body, &[]);
                let body = self.body(&body.body);
                self.scopes.pop();
                self.scopes.pop();
                LiteralKind::Every {
                    key,
                    value,
                    domain,
                    body: Closure {
                        body,
                        own: start..self.next(),
                    },
                }
            }
        }
    }

    fn declare_all(&mut self, pattern: &Term) {
        let mut declared = Vec::new();
        pattern_names(pattern, &mut declared);
        declared.sort();
        declared.dedup();
        for name in &declared {
            self.introduce(name);
        }
    }

    fn closure(&mut self, heads: &[&Term], closure: &Closure) -> (Vec<Term>, Closure) {
        let start = self.next();
        self.open(&closure.body, heads);
        let body = self.body(&closure.body);
        let heads = heads.iter().map(|head| self.term(head)).collect();
        self.scopes.pop();
        let own = start..self.next();
        (heads, Closure { body, own })
    }

    fn term(&mut self, term: &Term) -> Term {
        match term {
            Term::Var(name) => {
                if let Some(id) = self.local(name) {
                    self.read.insert(id);
                    return Term::Local(id);
                }
                match self.globals.get(name) {
                    Some(term) => term,
                    None => Term::Local(self.declare(name)),
                }
            }
            Term::Ref(head, path) => {
                let path: Vec<Term> = path.iter().map(|step| self.term(step)).collect();
                match self.term(head) {
                    Term::Ref(inner, mut steps) => {
                        steps.extend(path);
                        Term::Ref(inner, steps)
                    }
                    head => Term::Ref(Box::new(head), path),
                }
            }
            // A rule called without arguments is its value.
            Term::Call(call) if call.args.is_empty() && self.is_global(&call.target) => self.target(&call.target),
            Term::Call(call) => Term::Call(Box::new(Call {
                target: self.target(&call.target),
                args: call.args.iter().map(|arg| self.term(arg)).collect(),
                pos: call.pos,
            })),
            Term::Array(items) => Term::Array(items.iter().map(|item| self.term(item)).collect()),
            Term::Set(items) => Term::Set(items.iter().map(|item| self.term(item)).collect()),
            Term::Object(members) => Term::Object(members.iter().map(|(k, v)| (self.term(k), self.term(v))).collect()),
            Term::ArrayOf(head, closure) => {
                let (mut heads, closure) = self.closure(&[head], closure);
                Term::ArrayOf(Box::new(heads.remove(0)), closure)
            }
            Term::SetOf(head, closure) => {
                let (mut heads, closure) = self.closure(&[head], closure);
                Term::SetOf(Box::new(heads.remove(0)), closure)
            }
            Term::ObjectOf(head, closure) => {
                let (mut heads, closure) = self.closure(&[&head.0, &head.1], closure);
                let value = heads.remove(1);
                Term::ObjectOf(Box::new((heads.remove(0), value)), closure)
            }
            Term::Template(parts) => {
                let parts = parts.iter().map(|part| match part {
                    Part::Text(text) => Part::Text(text.clone()),
                    Part::Term(term, closure) if closure.body.is_empty() => {
                        Part::Term(Box::new(self.term(term)), Closure::default())
                    }
                    Part::Term(term, closure) => {
                        let (mut heads, closure) = self.closure(&[term], closure);
                        Part::Term(Box::new(heads.remove(0)), closure)
                    }
                });
                Term::Template(parts.collect())
            }
            Term::Scalar(_) | Term::Local(_) | Term::Input | Term::Data | Term::Rule(_) => term.clone(),
        }
    }

    /// Whether nothing but a built-in function has the name.
    fn target_free(&self, term: &Term) -> bool {
        let head = match term {
            Term::Ref(head, _) => head,
            head => head,
        };
        match head {
            Term::Var(name) => self.local(name).is_none() && self.globals.get(name).is_none(),
            _ => false,
        }
    }

    /// Whether a reference begins with a rule or an import.
    fn is_global(&self, term: &Term) -> bool {
        let head = match term {
            Term::Ref(head, _) => head,
            head => head,
        };
        matches!(head, Term::Var(name) if self.globals.get(name).is_some())
    }

    /// A function, or what `with` replaces: built-in functions keep their names.
    fn target(&mut self, term: &Term) -> Term {
        let head = match term {
            Term::Ref(head, _) => head,
            head => head,
        };
        match head {
            Term::Var(name) if self.globals.get(name).is_some() => {
                let saved = std::mem::take(&mut self.scopes);
                let out = self.term(term);
                self.scopes = saved;
                out
            }
            _ => term.clone(),
        }
    }
}

/// Whether a parameter binds by its shape alone.
fn is_pattern(term: &Term) -> bool {
    match term {
        Term::Var(_) | Term::Scalar(_) => true,
        Term::Array(items) => items.iter().all(is_pattern),
        Term::Object(members) => members
            .iter()
            .all(|(k, v)| matches!(k, Term::Scalar(_)) && is_pattern(v)),
        _ => false,
    }
}

/// The names that a pattern binds.
fn pattern_names(term: &Term, out: &mut Vec<Name>) {
    match term {
        Term::Var(name) => out.push(name.clone()),
        Term::Array(items) => items.iter().for_each(|item| pattern_names(item, out)),
        Term::Object(members) => members.iter().for_each(|(_, value)| pattern_names(value, out)),
        _ => {}
    }
}

fn literal_names(literal: &Literal, used: &mut Vec<Name>, declared: &mut Vec<Name>) {
    kind_names(&literal.kind, used, declared);
    for with in literal.with.iter().filter(|with| !is_builtin(&with.value)) {
        names(&with.value, used);
    }
}

/// What cannot stand left of `:=`.
fn unassignable(term: &Term) -> Option<&'static str> {
    match term {
        Term::Var(_) => None,
        Term::Array(items) => items.iter().find_map(unassignable),
        Term::Object(members) => members.iter().find_map(|(_, value)| unassignable(value)),
        Term::Scalar(value) => Some(value.kind().name()),
        Term::Call(_) => Some("call"),
        Term::Set(_) => Some("set"),
        _ => Some("ref"),
    }
}

/// Whether a term is the name of a built-in function.
fn is_builtin(term: &Term) -> bool {
    matches!(term, Term::Var(_) | Term::Ref(..))
        && term.dotted().is_some_and(|name| super::builtins::find(&name).is_some())
}

fn kind_names(kind: &LiteralKind, used: &mut Vec<Name>, declared: &mut Vec<Name>) {
    match kind {
        LiteralKind::Term(term) => names(term, used),
        LiteralKind::Not(kind) => kind_names(kind, used, declared),
        LiteralKind::Unify(a, b) => {
            names(a, used);
            names(b, used);
        }
        LiteralKind::Assign(a, b) => {
            names(a, used);
            names(b, used);
            pattern_names(a, declared);
        }
        LiteralKind::Some(list) => declared.extend(list.iter().cloned()),
        LiteralKind::SomeIn(key, value, domain) => {
            for term in key.iter().chain([value, domain]) {
                names(term, used);
            }
            key.iter().for_each(|key| pattern_names(key, declared));
            pattern_names(value, declared);
        }
        LiteralKind::Every { domain, .. } => names(domain, used),
        LiteralKind::Any(_) => {}
    }
}

/// The names in a term, but for those within bodies of its own.
fn names(term: &Term, out: &mut Vec<Name>) {
    match term {
        Term::Var(name) => out.push(name.clone()),
        Term::Ref(head, path) => {
            names(head, out);
            path.iter().for_each(|step| names(step, out));
        }
        Term::Call(call) => call.args.iter().for_each(|arg| names(arg, out)),
        Term::Array(items) | Term::Set(items) => items.iter().for_each(|item| names(item, out)),
        Term::Object(members) => members.iter().for_each(|(k, v)| {
            names(k, out);
            names(v, out);
        }),
        Term::Template(parts) => {
            for part in parts {
                if let Part::Term(term, closure) = part
                    && closure.body.is_empty()
                {
                    names(term, out);
                }
            }
        }
        _ => {}
    }
}
