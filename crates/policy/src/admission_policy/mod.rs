//! Kubernetes' own policies (`admissionregistration.k8s.io`): `ValidatingAdmissionPolicy`, `MutatingAdmissionPolicy` and
//! their bindings.
//!
//! A policy says what must hold or what is changed; a binding says where it counts, with which parameters and to what
//! effect. A policy without binding does nothing. Results are named by policy and binding, and speak as Kubernetes does.

mod binding;
mod definition;
mod evaluation;
mod merge;
mod mutate;
mod schema_types;
mod template;
mod typing;
mod validate;

use std::sync::Arc;

use ridgeway_doc::{Node, Value};

use crate::request::{Operation, Request};
use crate::ruleset::PolicyInfo;
use crate::verdict::{Action, CompileError, Dialect, Outcome, RuleResult};
use binding::Binding;
use definition::{Body, Definition};
pub use schema_types::type_warnings;
pub(crate) use template::TemplateCode;
pub(crate) use validate::Record;

/// The compiled policies and bindings of a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdmissionPolicies {
    definitions: Vec<Arc<Definition>>,
    bindings: Vec<Arc<Binding>>,
}

/// Whether objects of a kind are these policies or their bindings.
pub(crate) fn is_admission_policy(group: &str, kind: &str) -> bool {
    group == "admissionregistration.k8s.io"
        && matches!(
            kind,
            "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
        )
}

/// A policy under one binding, with one parameter, that may be asked to change an object again.
type Invocation = (usize, usize, usize);

impl AdmissionPolicies {
    /// Compiles a policy or binding into the set.
    pub(crate) fn add(&mut self, node: Node<'_>, errors: &mut Vec<CompileError>) {
        let binds = node.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("Binding"));
        let fault = if binds {
            Binding::compile(node).map(|binding| self.bindings.push(Arc::new(binding)))
        } else {
            Definition::compile(node).map(|definition| self.definitions.push(Arc::new(definition)))
        };
        errors.extend(fault.err());
    }

    /// One set of all of others.
    pub(crate) fn union<'a>(sets: impl IntoIterator<Item = &'a AdmissionPolicies>) -> AdmissionPolicies {
        let mut out = AdmissionPolicies::default();
        for set in sets {
            out.definitions.extend(set.definitions.iter().cloned());
            out.bindings.extend(set.bindings.iter().cloned());
        }
        out.ordered()
    }

    /// Policies and bindings in the order of their names.
    pub(crate) fn ordered(mut self) -> AdmissionPolicies {
        self.definitions.sort_by(|a, b| a.name.cmp(&b.name));
        self.bindings.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.definitions.len()
    }

    fn bindings_of<'a>(&'a self, definition: &'a Definition) -> impl Iterator<Item = (usize, &'a Binding)> {
        let about = |binding: &Binding| binding.policy == definition.name && binding.mutates == definition.mutates();
        let all = self.bindings.iter().map(|binding| &**binding).enumerate();
        all.filter(move |(_, binding)| about(binding))
    }

    /// The policies, for views.
    pub(crate) fn infos(&self) -> impl Iterator<Item = PolicyInfo> {
        self.definitions.iter().map(|definition| {
            let bindings = || self.bindings_of(definition).map(|(_, binding)| binding);
            PolicyInfo {
                name: definition.name.clone(),
                dialect: Dialect::Kubernetes,
                title: definition.title.clone(),
                category: definition.category.clone(),
                action: bindings().map(Binding::action).max().unwrap_or(Action::Audit),
                rules: bindings().map(|binding| binding.name.clone()).collect(),
                background: !definition.mutates() && !definition.asks_who,
                generates: false,
                mutates: definition.mutates(),
            }
        })
    }

    /// Adds what validating policies say about a request.
    pub(crate) fn judge(
        &self,
        request: &Request<'_>,
        background: bool,
        results: &mut Vec<RuleResult>,
        record: &mut Record,
    ) {
        if is_admission_policy(&request.gvk.group, &request.gvk.kind) {
            return;
        }
        for definition in self.definitions.iter().filter(|definition| !definition.mutates()) {
            if background && definition.asks_who || !definition.constraints.selects(request) {
                continue;
            }
            let bindings = self.bindings_of(definition).map(|(_, binding)| binding);
            validate::judge(definition, bindings, request, results, record);
        }
    }

    /// The first round of changes. What is to be asked again is kept in the rounds.
    pub(crate) fn mutate(
        &self,
        request: &Request<'_>,
        work: &mut Option<Value>,
        results: &mut Vec<RuleResult>,
    ) -> Rounds {
        let mut rounds = Rounds::default();
        self.round(request, work, results, &mut rounds);
        rounds.last = work.clone();
        rounds
    }

    /// The second round, for policies that saw an object which others have changed since.
    pub(crate) fn mutate_again(
        &self,
        request: &Request<'_>,
        work: &mut Option<Value>,
        results: &mut Vec<RuleResult>,
        mut rounds: Rounds,
    ) {
        if rounds.last != *work {
            rounds.again.append(&mut rounds.seen);
        }
        if rounds.again.is_empty() {
            return;
        }
        rounds.second = true;
        let mut second = Vec::new();
        self.round(request, work, &mut second, &mut rounds);
        // They have had their say; only what goes wrong now is news.
        results.extend(second.into_iter().filter(|result| result.outcome == Outcome::Error));
    }

    fn round(
        &self,
        request: &Request<'_>,
        work: &mut Option<Value>,
        results: &mut Vec<RuleResult>,
        rounds: &mut Rounds,
    ) {
        let changes = matches!(
            request.operation,
            Operation::Create | Operation::Update | Operation::Connect
        );
        if !changes || request.object.is_none() || is_admission_policy(&request.gvk.group, &request.gvk.kind) {
            return;
        }
        for (d, definition) in self.definitions.iter().enumerate() {
            let Body::Mutate { mutations, again } = &definition.body else {
                continue;
            };
            if !definition.constraints.selects(request) {
                continue;
            }
            for (b, binding) in self.bindings_of(definition) {
                if !binding.resources.selects(request) {
                    continue;
                }
                let mut say = |outcome, why: Option<&str>, reason: &str| {
                    results.push(said(definition, binding, outcome, why, reason));
                };
                let params = match binding.params(definition.param_kind.as_ref(), request) {
                    Ok(params) => params,
                    Err(why) => {
                        let why = format!("failed to configure binding: {why}");
                        say(Outcome::Error, Some(&why), "Forbidden");
                        continue;
                    }
                };
                if params.is_empty() {
                    say(Outcome::Skip, Some("there are no parameters"), "");
                }
                for (p, param) in params.iter().enumerate() {
                    if rounds.second && !rounds.again.contains(&(d, b, p)) {
                        continue;
                    }
                    let before = work.clone();
                    let object = before.as_ref().map(Value::node).or(request.object);
                    let request = Request { object, ..*request };
                    match evaluation::matches(definition, param.as_ref(), &request) {
                        Ok(true) => {}
                        Ok(false) => {
                            say(Outcome::Skip, Some("the match conditions do not hold"), "");
                            continue;
                        }
                        Err(why) => {
                            say(Outcome::Error, Some(&why), "Invalid");
                            continue;
                        }
                    }
                    let (made, faults) = mutate::run(mutations, definition, param.as_ref(), &request);
                    match faults.as_slice() {
                        [] => say(Outcome::Pass, None, ""),
                        faults => say(Outcome::Error, Some(&faults.join("; ")), "Invalid"),
                    }
                    if object != Some(made.node()) {
                        *work = Some(made);
                        rounds.again.append(&mut rounds.seen);
                    }
                    if *again {
                        rounds.seen.push((d, b, p));
                    }
                }
            }
        }
    }
}

/// Which policies are asked to change an object again.
#[derive(Default)]
pub(crate) struct Rounds {
    /// Those that others may still change the object after.
    seen: Vec<Invocation>,
    again: Vec<Invocation>,
    /// The object after the round.
    last: Option<Value>,
    second: bool,
}

fn said(definition: &Definition, binding: &Binding, outcome: Outcome, why: Option<&str>, reason: &str) -> RuleResult {
    let action = if definition.fail_open && outcome == Outcome::Error {
        Action::Audit
    } else {
        Action::Enforce
    };
    let mut result = validate::bare(definition, binding, outcome, action);
    result.message = match (outcome, why) {
        (Outcome::Error, Some(why)) => format!(
            "policy '{}' with binding '{}' denied request: {why}",
            definition.name, binding.name
        ),
        (_, why) => why.unwrap_or_default().to_owned(),
    };
    if outcome == Outcome::Error {
        result.author = why.unwrap_or_default().to_owned();
        result.remedy = format!("Ask the author of the policy {} to mend it.", definition.name);
        result.reason = reason.to_owned();
    }
    result
}

#[cfg(test)]
mod tests;
