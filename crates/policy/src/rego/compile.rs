//! Modules to a program: the tree of names, checks that concern all rules, then each body.

use std::collections::{HashMap, HashSet};

use super::ast::{Closure, HeadKind, Literal, LiteralKind, Module, Name, Part, Pos, Rule, Term};
use super::error::Error;
use super::lower::Lower;
use super::metadata::Metadata;
use super::narrow::narrow;
use super::plan::{Branch, Clause, Patterns, Program, RuleKind, RuleSet, TreeNode};
use super::resolve::{Globals, Resolver};
use super::share;
use super::value::Value;

/// The names under `data` while rules are compiled.
pub(crate) struct Tree {
    /// The first is `data` itself.
    pub(crate) nodes: Vec<TreeNode>,
    /// The kind of each rule set.
    pub(crate) kinds: Vec<RuleKind>,
}

impl Tree {
    fn child(&mut self, node: usize, name: &Name) -> usize {
        if let Some(child) = self.nodes[node].children.get(name) {
            return *child;
        }
        let child = self.nodes.len();
        let mut path = self.nodes[node].path.clone();
        path.push(name.clone());
        self.nodes.push(TreeNode {
            path,
            ..TreeNode::default()
        });
        self.nodes[node].children.insert(name.clone(), child);
        child
    }

    /// Follows constant names from `data`: the node, and how many names led there.
    pub(crate) fn follow(&self, path: &[Term]) -> (usize, usize) {
        let mut node = 0;
        for (i, step) in path.iter().enumerate() {
            let next = step.as_text().and_then(|name| self.nodes[node].children.get(name));
            match next {
                Some(next) => node = *next,
                None => return (node, i),
            }
        }
        (node, path.len())
    }

    /// The function that a reference names.
    pub(crate) fn function(&self, target: &Term) -> Option<(usize, usize)> {
        let Term::Ref(head, path) = target else { return None };
        if !matches!(**head, Term::Data) {
            return None;
        }
        let (node, used) = self.follow(path);
        let rule = self.nodes[node].rule.filter(|_| used == path.len())?;
        match self.kinds[rule] {
            RuleKind::Function(arity) => Some((rule, arity)),
            _ => None,
        }
    }

    /// The rules that a reference may mean: an open key may be any name.
    fn reached(&self, node: usize, path: &[Term], out: &mut Vec<usize>) {
        let Some((key, rest)) = path.split_first() else {
            return self.below(node, out);
        };
        out.extend(self.nodes[node].rule);
        match key.as_text() {
            Some(name) => {
                if let Some(child) = self.nodes[node].children.get(name) {
                    self.reached(*child, rest, out);
                }
            }
            None => {
                for child in self.nodes[node].children.values() {
                    self.reached(*child, rest, out);
                }
            }
        }
    }

    /// All rules at and below a node.
    fn below(&self, node: usize, out: &mut Vec<usize>) {
        out.extend(self.nodes[node].rule);
        for child in self.nodes[node].children.values() {
            self.below(*child, out);
        }
    }
}

/// A rule with its variables numbered.
#[derive(Clone)]
pub(super) struct Resolved {
    pub(super) rule: Rule,
    names: Vec<Name>,
    annotations: (Value<'static>, Option<Value<'static>>),
}

/// The rules of each name: its node, where it is first, and its rules.
pub(super) type Sets = Vec<(usize, Pos, Vec<Resolved>)>;

/// Compiles modules.
pub(crate) fn compile(modules: &[Module]) -> Result<Program, Error> {
    let mut packages: HashMap<&[Name], HashSet<Name>> = HashMap::new();
    for module in modules {
        let rules = packages.entry(&module.package).or_default();
        rules.extend(module.rules.iter().map(|rule| rule.name.clone()));
    }
    let mut tree = Tree {
        nodes: vec![TreeNode::default()],
        kinds: Vec::new(),
    };
    let mut sets = Sets::new();
    let metadata = Metadata::of(modules);
    for (at, module) in modules.iter().enumerate() {
        let globals = Globals::of(module, &packages[&module.package[..]]);
        let mut package = 0;
        for name in &module.package {
            package = tree.child(package, name);
        }
        for rule in &module.rules {
            if matches!(&*rule.name, "input" | "data") {
                let why = format!("rules must not shadow {} (use a different rule name)", rule.name);
                return Err(Error::compile(rule.pos, why));
            }
            let mut resolver = Resolver::new(&globals);
            let mut rule = resolver.rule(rule);
            if let Some(error) = resolver.error {
                return Err(error);
            }
            let names = resolver.names;
            let mut node = tree.child(package, &rule.name);
            let fixed = rule.path.iter().take_while(|step| step.as_text().is_some()).count();
            for step in rule.path.drain(..fixed) {
                node = tree.child(node, &step.as_text().unwrap_or_default().into());
            }
            if rule.args.is_some() && !rule.path.is_empty() {
                return Err(Error::compile(rule.pos, "the name of a function must be constant"));
            }
            let kind = match (&rule.args, &rule.head) {
                (Some(args), _) => RuleKind::Function(args.len()),
                (None, _) if !rule.path.is_empty() => RuleKind::Object,
                (None, HeadKind::Contains(_)) => RuleKind::Set,
                (None, HeadKind::Value(_)) => RuleKind::Complete,
            };
            let index = *tree.nodes[node].rule.get_or_insert_with(|| {
                tree.kinds.push(kind);
                sets.push((node, rule.pos, Vec::new()));
                sets.len() - 1
            });
            match (tree.kinds[index], kind) {
                (a, b) if a == b => {}
                (RuleKind::Object, RuleKind::Set) | (RuleKind::Set, RuleKind::Object) => {
                    tree.kinds[index] = RuleKind::Object;
                }
                // A default may stand beside what it is the default of.
                (RuleKind::Complete, RuleKind::Object) | (RuleKind::Object, RuleKind::Complete) => {
                    tree.kinds[index] = RuleKind::Object;
                }
                _ => {
                    return Err(Error::type_error(
                        rule.pos,
                        format!("conflicting rules data.{} found", tree.nodes[node].path.join(".")),
                    ));
                }
            }
            let annotations = metadata.of_rule(at, module, &rule, &tree.nodes[node].path);
            sets[index].2.push(Resolved {
                rule,
                names,
                annotations,
            });
        }
    }
    check_names(&tree, &sets)?;
    check_recursion(&tree, &sets)?;
    narrow(&mut tree, &mut sets);
    let mut rules = Vec::new();
    for (index, (node, pos, clauses)) in sets.into_iter().enumerate() {
        let mut set = RuleSet {
            node,
            kind: tree.kinds[index],
            clauses: Vec::new(),
            default: None,
            pos,
        };
        for resolved in clauses {
            let default = resolved.rule.default;
            let pos = resolved.rule.pos;
            let clause = clause(&tree, resolved)?;
            if !default {
                set.clauses.push(clause);
            } else if set.default.is_some() {
                return Err(Error::type_error(
                    pos,
                    format!("multiple default rules data.{} found", tree.nodes[node].path.join(".")),
                ));
            } else {
                set.default = Some(clause);
            }
        }
        if set.kind == RuleKind::Set {
            set.clauses = share::merged(set.clauses);
        }
        rules.push(set);
    }
    Ok(Program {
        tree,
        rules,
        patterns: Patterns::default(),
    })
}

fn clause(tree: &Tree, resolved: Resolved) -> Result<Clause, Error> {
    let Resolved {
        rule,
        names,
        annotations,
    } = resolved;
    let mut lower = Lower::new(tree, names.len(), names);
    lower.annotations = Some(annotations);
    let args = lower.parameters(rule.args.as_deref().unwrap_or_default())?;
    let known = lower.known().clone();
    let element = matches!(rule.head, HeadKind::Contains(_));
    let (HeadKind::Value(value) | HeadKind::Contains(value)) = &rule.head;
    let mut branches = Vec::new();
    let bodies = std::iter::once((value, &rule.body)).chain(rule.elses.iter().map(|(value, body)| (value, body)));
    for (i, (value, body)) in bodies.enumerate() {
        lower.set_known(known.clone());
        let mut steps = lower.body(body)?;
        let keys = if i == 0 {
            let keys = rule.path.iter().map(|key| lower.head(key, &mut steps, rule.pos));
            keys.collect::<Result<Vec<_>, _>>()?
        } else {
            Vec::new()
        };
        let value = lower.head(value, &mut steps, rule.pos)?;
        branches.push(Branch { steps, keys, value });
    }
    Ok(Clause {
        slots: lower.slots(),
        args,
        branches,
        arms: Vec::new(),
        element,
        pos: rule.pos,
    })
}

/// Below a rule that gives one value, a set or a function there is no other rule.
fn check_names(tree: &Tree, sets: &Sets) -> Result<(), Error> {
    for (index, (node, pos, _)) in sets.iter().enumerate() {
        let mut below = Vec::new();
        tree.below(*node, &mut below);
        let other = below.into_iter().find(|rule| *rule != index);
        if let Some(other) = other.filter(|_| tree.kinds[index] != RuleKind::Object) {
            let name = |node: usize| tree.nodes[node].path.join(".");
            let (name, other) = (name(*node), name(sets[other].0));
            let why = format!("rule data.{name} conflicts with: rule data.{other}");
            return Err(Error::type_error(*pos, why));
        }
    }
    Ok(())
}

/// No rule may need itself.
fn check_recursion(tree: &Tree, sets: &[(usize, Pos, Vec<Resolved>)]) -> Result<(), Error> {
    let needs: Vec<Vec<usize>> = sets
        .iter()
        .map(|(_, _, rules)| {
            let mut out = Vec::new();
            for resolved in rules {
                rule_needs(tree, &resolved.rule, &mut out);
            }
            out.sort_unstable();
            out.dedup();
            out
        })
        .collect();
    // 0: not seen, 1: on the way, 2: done.
    let mut marks = vec![0u8; sets.len()];
    for start in 0..sets.len() {
        let mut stack = vec![(start, 0usize)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                if marks[at] == 2 {
                    continue;
                }
                marks[at] = 1;
            }
            let Some(need) = needs[at].get(next) else {
                marks[at] = 2;
                continue;
            };
            stack.push((at, next + 1));
            match marks[*need] {
                0 => stack.push((*need, 0)),
                1 => {
                    let name = tree.nodes[sets[*need].0].path.join(".");
                    return Err(Error::new(
                        "rego_recursion_error",
                        sets[*need].1,
                        format!("rule data.{name} is recursive: data.{name}"),
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn rule_needs(tree: &Tree, rule: &Rule, out: &mut Vec<usize>) {
    let (HeadKind::Value(value) | HeadKind::Contains(value)) = &rule.head;
    let terms = rule.path.iter().chain([value]).chain(rule.args.iter().flatten());
    terms.for_each(|term| needs(tree, term, out));
    body_needs(tree, &rule.body, out);
    for (value, body) in &rule.elses {
        needs(tree, value, out);
        body_needs(tree, body, out);
    }
}

fn body_needs(tree: &Tree, body: &[Literal], out: &mut Vec<usize>) {
    for literal in body {
        kind_needs(tree, &literal.kind, out);
        for with in &literal.with {
            needs(tree, &with.value, out);
        }
    }
}

fn kind_needs(tree: &Tree, kind: &LiteralKind, out: &mut Vec<usize>) {
    match kind {
        LiteralKind::Term(term) => needs(tree, term, out),
        LiteralKind::Not(kind) => kind_needs(tree, kind, out),
        LiteralKind::Unify(a, b) | LiteralKind::Assign(a, b) => {
            needs(tree, a, out);
            needs(tree, b, out);
        }
        LiteralKind::Some(_) => {}
        LiteralKind::SomeIn(key, value, domain) => {
            key.iter()
                .chain([value, domain])
                .for_each(|term| needs(tree, term, out));
        }
        LiteralKind::Any(bodies) => bodies.iter().for_each(|closure| body_needs(tree, &closure.body, out)),
        LiteralKind::Every { domain, body, .. } => {
            needs(tree, domain, out);
            body_needs(tree, &body.body, out);
        }
    }
}

fn needs(tree: &Tree, term: &Term, out: &mut Vec<usize>) {
    let closure = |heads: &[&Term], closure: &Closure, out: &mut Vec<usize>| {
        heads.iter().for_each(|head| needs(tree, head, out));
        body_needs(tree, &closure.body, out);
    };
    match term {
        Term::Data => tree.below(0, out),
        Term::Ref(head, path) => {
            if matches!(**head, Term::Data) {
                tree.reached(0, path, out);
            } else {
                needs(tree, head, out);
            }
            path.iter().for_each(|step| needs(tree, step, out));
        }
        Term::Call(call) => {
            if matches!(call.target, Term::Ref(..)) {
                needs(tree, &call.target, out);
            }
            call.args.iter().for_each(|arg| needs(tree, arg, out));
        }
        Term::Array(items) | Term::Set(items) => items.iter().for_each(|item| needs(tree, item, out)),
        Term::Object(members) => members.iter().for_each(|(k, v)| {
            needs(tree, k, out);
            needs(tree, v, out);
        }),
        Term::ArrayOf(head, body) | Term::SetOf(head, body) => closure(&[head], body, out),
        Term::ObjectOf(head, body) => closure(&[&head.0, &head.1], body, out),
        Term::Template(parts) => {
            for part in parts {
                if let Part::Term(term, body) = part {
                    closure(&[term], body, out);
                }
            }
        }
        Term::Rule(node) => tree.below(*node, out),
        Term::Scalar(_) | Term::Var(_) | Term::Local(_) | Term::Input => {}
    }
}
