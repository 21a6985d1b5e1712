//! Partial sets that are asked for some of their elements are made only as far as asked.
//!
//! `problem[{"msg": msg, "field": "containers"}]` wants the elements with that field. The rules of `problem` are copied with
//! the field's variable replaced by the value, so that what would not be asked for is not looked for. OPA does the same
//! when it unifies a reference's key with the head of a rule before its body.

use super::ast::{Body, Closure, HeadKind, Literal, LiteralKind, Part, Rule, Term};
use super::compile::{Resolved, Sets, Tree};
use super::plan::{RuleKind, TreeNode};
use super::value::Value;

/// How many sets may be added to a program.
const MOST: usize = 32;

/// Members that a key fixes, by name.
type Fixed = Vec<(Value<'static>, Value<'static>)>;

/// Adds narrowed copies of rules and refers to them.
pub(super) fn narrow(tree: &mut Tree, sets: &mut Sets) {
    // A changed `data` may stand in for a rule, and would have to for its copies.
    if sets
        .iter()
        .any(|(.., rules)| rules.iter().any(|resolved| changes_world(&resolved.rule)))
    {
        return;
    }
    let mut made: Vec<(usize, Fixed, usize)> = Vec::new();
    let mut at = 0;
    while at < sets.len() {
        for rule in 0..sets[at].2.len() {
            for line in 0..sets[at].2[rule].rule.body.len() {
                let Some((of, fixed)) = asked(tree, &sets[at].2[rule].rule.body[line].kind) else {
                    continue;
                };
                let known = made.iter().find(|(set, known, _)| *set == of && *known == fixed);
                let node = match known {
                    Some((.., node)) => *node,
                    None if made.len() < MOST => {
                        let Some(rules) = narrowed(&sets[of].2, &fixed) else {
                            continue;
                        };
                        let (original, pos, _) = sets[of];
                        let node = tree.nodes.len();
                        tree.nodes.push(TreeNode {
                            path: tree.nodes[original].path.clone(),
                            rule: Some(sets.len()),
                            ..TreeNode::default()
                        });
                        tree.kinds.push(RuleKind::Set);
                        sets.push((node, pos, rules));
                        made.push((of, fixed, node));
                        node
                    }
                    None => continue,
                };
                if let LiteralKind::Term(Term::Ref(head, path)) = &mut sets[at].2[rule].rule.body[line].kind {
                    **head = Term::Rule(node);
                    path.drain(..path.len() - 1);
                }
            }
        }
        at += 1;
    }
}

fn changes_world(rule: &Rule) -> bool {
    fn in_body(body: &Body) -> bool {
        body.iter().any(|literal| !literal.with.is_empty())
    }
    let mut found = in_body(&rule.body) || rule.elses.iter().any(|(_, body)| in_body(body));
    let mut rule = rule.clone();
    each(&mut rule, &mut |term| {
        found |= match term {
            Term::ArrayOf(_, closure) | Term::SetOf(_, closure) | Term::ObjectOf(_, closure) => in_body(&closure.body),
            _ => false,
        };
    });
    found
}

/// The set that a line asks, and what it fixes of the elements.
fn asked(tree: &Tree, kind: &LiteralKind) -> Option<(usize, Fixed)> {
    let LiteralKind::Term(Term::Ref(head, path)) = kind else {
        return None;
    };
    let (Term::Data, Some((Term::Object(members), names))) = (&**head, path.split_last()) else {
        return None;
    };
    let (node, used) = tree.follow(names);
    let set = tree.nodes[node].rule.filter(|_| used == names.len())?;
    if tree.kinds[set] != RuleKind::Set || !tree.nodes[node].children.is_empty() {
        return None;
    }
    let mut fixed = Fixed::new();
    for (key, value) in members {
        match (key, value) {
            (Term::Scalar(key), Term::Scalar(value)) => fixed.push((key.clone(), value.clone())),
            (Term::Scalar(_), _) => {}
            _ => return None,
        }
    }
    (!fixed.is_empty()).then_some((set, fixed))
}

/// The rules of a set as far as they make elements with the fixed members.
fn narrowed(rules: &[Resolved], fixed: &Fixed) -> Option<Vec<Resolved>> {
    let mut out = Vec::new();
    'rules: for resolved in rules {
        let rule = &resolved.rule;
        let HeadKind::Contains(Term::Object(members)) = &rule.head else {
            return None;
        };
        if rule.default || !rule.elses.is_empty() || !rule.path.is_empty() || rule.args.is_some() {
            return None;
        }
        let mut known: Vec<(u32, Value<'static>)> = Vec::new();
        for (key, value) in fixed {
            let is_key = |(name, _): &&(Term, Term)| matches!(name, Term::Scalar(name) if name == key);
            match members.iter().find(is_key).map(|(_, value)| value) {
                Some(Term::Local(id)) => known.push((*id, value.clone())),
                Some(Term::Scalar(own)) if own != value => continue 'rules,
                // What is computed is compared when the element is there.
                _ => {}
            }
        }
        let mut copy = resolved.clone();
        each(&mut copy.rule, &mut |term| {
            if let Term::Local(id) = term
                && let Some((_, value)) = known.iter().find(|(known, _)| known == id)
            {
                *term = Term::Scalar(value.clone());
            }
        });
        out.push(copy);
    }
    Some(out)
}

/// Visits all terms of a rule, outer ones first.
fn each(rule: &mut Rule, visit: &mut dyn FnMut(&mut Term)) {
    let (HeadKind::Value(head) | HeadKind::Contains(head)) = &mut rule.head;
    term(head, visit);
    rule.path.iter_mut().for_each(|key| term(key, visit));
    rule.args.iter_mut().flatten().for_each(|arg| term(arg, visit));
    body(&mut rule.body, visit);
    for (value, alternative) in &mut rule.elses {
        term(value, visit);
        body(alternative, visit);
    }
}

fn body(lines: &mut Body, visit: &mut dyn FnMut(&mut Term)) {
    for Literal { kind, with, .. } in lines {
        line(kind, visit);
        for with in with {
            term(&mut with.target, visit);
            term(&mut with.value, visit);
        }
    }
}

fn line(kind: &mut LiteralKind, visit: &mut dyn FnMut(&mut Term)) {
    match kind {
        LiteralKind::Term(of) => term(of, visit),
        LiteralKind::Not(kind) => line(kind, visit),
        LiteralKind::Unify(a, b) | LiteralKind::Assign(a, b) => {
            term(a, visit);
            term(b, visit);
        }
        LiteralKind::Some(_) => {}
        LiteralKind::SomeIn(key, value, domain) => {
            key.iter_mut().for_each(|key| term(key, visit));
            term(value, visit);
            term(domain, visit);
        }
        LiteralKind::Any(bodies) => bodies.iter_mut().for_each(|closure| body(&mut closure.body, visit)),
        LiteralKind::Every {
            key,
            value,
            domain,
            body: closure,
        } => {
            key.iter_mut().for_each(|key| term(key, visit));
            term(value, visit);
            term(domain, visit);
            body(&mut closure.body, visit);
        }
    }
}

fn term(of: &mut Term, visit: &mut dyn FnMut(&mut Term)) {
    visit(of);
    let closed = |heads: &mut [&mut Term], closure: &mut Closure, visit: &mut dyn FnMut(&mut Term)| {
        heads.iter_mut().for_each(|head| term(head, visit));
        body(&mut closure.body, visit);
    };
    match of {
        Term::Ref(head, path) => {
            term(head, visit);
            path.iter_mut().for_each(|key| term(key, visit));
        }
        Term::Call(call) => {
            term(&mut call.target, visit);
            call.args.iter_mut().for_each(|arg| term(arg, visit));
        }
        Term::Array(items) | Term::Set(items) => items.iter_mut().for_each(|item| term(item, visit)),
        Term::Object(members) => members.iter_mut().for_each(|(key, value)| {
            term(key, visit);
            term(value, visit);
        }),
        Term::ArrayOf(head, closure) | Term::SetOf(head, closure) => closed(&mut [head], closure, visit),
        Term::ObjectOf(pair, closure) => {
            let (key, value) = &mut **pair;
            closed(&mut [key, value], closure, visit);
        }
        Term::Template(parts) => {
            for part in parts {
                if let Part::Term(head, closure) = part {
                    closed(&mut [head], closure, visit);
                }
            }
        }
        Term::Scalar(_) | Term::Var(_) | Term::Local(_) | Term::Input | Term::Data | Term::Rule(_) => {}
    }
}
