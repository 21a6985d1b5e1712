//! Which variables a line needs and which it gives: the ground of safety and order.

use super::ast::{Body, Closure, Literal, LiteralKind, Part, Term};

/// What a term needs and gives.
#[derive(Debug, Default)]
pub(crate) struct Need {
    pub(crate) required: Vec<u32>,
    pub(crate) given: Vec<u32>,
}

impl Need {
    /// Whether all that is needed is known or given by itself.
    pub(crate) fn met(&self, known: &[bool]) -> bool {
        self.missing(known).is_none()
    }

    /// A variable that is needed and not known.
    pub(crate) fn missing(&self, known: &[bool]) -> Option<u32> {
        let has = |id: &u32| known.get(*id as usize) == Some(&true) || self.given.contains(id);
        self.required.iter().find(|id| !has(id)).copied()
    }

    /// What evaluating a term needs; references give the variables among their keys.
    pub(crate) fn of(&mut self, term: &Term) {
        match term {
            Term::Local(id) => self.required.push(*id),
            Term::Ref(head, path) => {
                self.of(head);
                for key in path {
                    self.pattern(key);
                }
            }
            Term::Call(call) => call.args.iter().for_each(|arg| self.of(arg)),
            Term::Array(items) | Term::Set(items) => items.iter().for_each(|item| self.of(item)),
            Term::Object(members) => members.iter().for_each(|(k, v)| {
                self.of(k);
                self.of(v);
            }),
            Term::ArrayOf(head, closure) | Term::SetOf(head, closure) => self.closure(&[head], closure),
            Term::ObjectOf(head, closure) => self.closure(&[&head.0, &head.1], closure),
            Term::Template(parts) => {
                for part in parts {
                    match part {
                        Part::Term(term, closure) if closure.body.is_empty() => {
                            let mut inner = Need::default();
                            inner.of(term);
                            // What an expression of a template binds stays within it.
                            let own = inner.given;
                            self.required
                                .extend(inner.required.into_iter().filter(|id| !own.contains(id)));
                        }
                        Part::Term(term, closure) => self.closure(&[term], closure),
                        Part::Text(_) => {}
                    }
                }
            }
            Term::Scalar(_) | Term::Var(_) | Term::Input | Term::Data | Term::Rule(_) => {}
        }
    }

    /// What matching with a term needs and gives.
    pub(crate) fn pattern(&mut self, term: &Term) {
        match term {
            Term::Local(id) => self.given.push(*id),
            Term::Array(items) => items.iter().for_each(|item| self.pattern(item)),
            Term::Object(members) => members.iter().for_each(|(k, v)| {
                self.of(k);
                self.pattern(v);
            }),
            _ => self.of(term),
        }
    }

    fn closure(&mut self, heads: &[&Term], closure: &Closure) {
        let mut used = Vec::new();
        heads.iter().for_each(|head| locals(head, &mut used));
        body_locals(&closure.body, &mut used);
        self.required
            .extend(used.into_iter().filter(|id| !closure.own.contains(id)));
    }

    /// What a line needs; for one that unifies, with the right side evaluated and the left side matched.
    pub(crate) fn literal(kind: &LiteralKind) -> Need {
        let mut need = Need::default();
        match kind {
            LiteralKind::Term(term) => need.of(term),
            LiteralKind::Unify(a, b) | LiteralKind::Assign(a, b) => {
                need.of(b);
                need.pattern(a);
            }
            // Calls within a negated call are evaluated before the line: what they refer to gives its keys.
            LiteralKind::Not(kind) if operands(kind).is_some() => {
                for operand in operands(kind).into_iter().flatten() {
                    if matches!(operand, Term::Call(_)) {
                        need.of(operand);
                    } else {
                        locals(operand, &mut need.required);
                    }
                }
            }
            LiteralKind::Not(kind) => {
                let mut used = Vec::new();
                kind_locals(kind, &mut used);
                need.required = used;
            }
            LiteralKind::Some(_) => {}
            LiteralKind::SomeIn(key, value, domain) => {
                need.of(domain);
                key.iter().for_each(|key| need.pattern(key));
                need.pattern(value);
            }
            LiteralKind::Any(bodies) => bodies.iter().for_each(|body| need.closure(&[], body)),
            LiteralKind::Every {
                key,
                value,
                domain,
                body,
            } => {
                need.of(domain);
                let heads: Vec<&Term> = key.iter().chain([value]).collect();
                need.closure(&heads, body);
            }
        }
        need
    }
}

/// The operands of a line that is a call or unifies.
fn operands(kind: &LiteralKind) -> Option<Vec<&Term>> {
    match kind {
        LiteralKind::Term(Term::Call(call)) => Some(call.args.iter().collect()),
        LiteralKind::Unify(a, b) => Some(vec![a, b]),
        _ => None,
    }
}

/// All variables of a body that are not its closures' own.
fn body_locals(body: &Body, out: &mut Vec<u32>) {
    for Literal { kind, with, .. } in body {
        kind_locals(kind, out);
        with.iter().for_each(|with| locals(&with.value, out));
    }
}

fn kind_locals(kind: &LiteralKind, out: &mut Vec<u32>) {
    match kind {
        LiteralKind::Term(term) => locals(term, out),
        LiteralKind::Not(kind) => kind_locals(kind, out),
        LiteralKind::Unify(a, b) | LiteralKind::Assign(a, b) => {
            locals(a, out);
            locals(b, out);
        }
        LiteralKind::Some(_) => {}
        LiteralKind::SomeIn(key, value, domain) => {
            key.iter().chain([value, domain]).for_each(|term| locals(term, out));
        }
        LiteralKind::Every { .. } | LiteralKind::Any(_) => {
            let need = Need::literal(kind);
            out.extend(need.required);
            out.extend(need.given);
        }
    }
}

fn locals(term: &Term, out: &mut Vec<u32>) {
    let mut need = Need::default();
    need.of(term);
    out.extend(need.required);
    out.extend(need.given);
}
