//! Gatekeeper: `ConstraintTemplate`s in Rego or CEL and the constraints that give them parameters.
//!
//! A template compiles once, to a program of our own Rego engine; what that engine does not know runs in the regorus
//! machine, or in its interpreter. Each constraint says where the template applies and with which parameters.
//! Violations become results like those of every other dialect.

mod constraint;
mod crd;
mod native;
mod rego;
mod template;

pub use crd::constraint_crd;

use std::collections::HashMap;
use std::sync::Arc;

use ridgeway_doc::{Doc, Node};

use crate::request::{Operation, Request};
use crate::ruleset::PolicyInfo;
use crate::verdict::{Action, CompileError, Dialect, Outcome, RuleResult};
use constraint::Constraint;
use template::{Code, Template};

/// Templates and constraints while a set is compiled.
#[derive(Default)]
pub(crate) struct Gatekeeper {
    templates: HashMap<String, Arc<Template>>,
    /// Kinds of templates that do not compile: their constraints are passed over.
    broken: Vec<String>,
    constraints: Vec<Doc>,
}

/// The compiled constraints.
#[derive(Debug, Default)]
pub(crate) struct Constraints(Vec<Arc<Constraint>>);

impl Gatekeeper {
    pub(crate) fn template(&mut self, node: Node<'_>, errors: &mut Vec<CompileError>) {
        match Template::compile(node) {
            Ok(template) => {
                self.templates.insert(template.kind.clone(), Arc::new(template));
            }
            Err(error) => {
                self.broken.extend(template::kind_of(node).map(str::to_owned));
                errors.push(error);
            }
        }
    }

    /// Keeps a constraint until all templates are known.
    pub(crate) fn constraint(&mut self, node: Node<'_>) {
        self.constraints.push(node.to_doc());
    }

    pub(crate) fn finish(self, errors: &mut Vec<CompileError>) -> Constraints {
        let mut out = Vec::new();
        for doc in &self.constraints {
            let kind = doc.root().str_at(&["kind"]).unwrap_or_default();
            match self.templates.get(kind) {
                Some(template) => match Constraint::compile(doc.root(), template.clone()) {
                    Ok(constraint) => out.push(Arc::new(constraint)),
                    Err(error) => errors.push(error),
                },
                None if self.broken.iter().any(|broken| broken == kind) => {}
                None => errors.push(template::fault(
                    doc.root(),
                    "kind",
                    format!("there is no ConstraintTemplate for {kind}; create it first"),
                )),
            }
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        Constraints(out)
    }
}

impl Constraints {
    /// All constraints of several sets.
    pub(crate) fn union(sets: Vec<&Constraints>) -> Constraints {
        let mut all: Vec<Arc<Constraint>> = sets.into_iter().flat_map(|set| set.0.iter().cloned()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Constraints(all)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn policies(&self) -> Vec<PolicyInfo> {
        let of = |constraint: &Arc<Constraint>| PolicyInfo {
            name: constraint.name.clone(),
            dialect: Dialect::Gatekeeper,
            title: constraint.template.title.clone(),
            category: String::new(),
            action: constraint.action,
            rules: vec![constraint.template.kind.clone()],
            background: true,
            generates: false,
            mutates: false,
        };
        self.0.iter().map(of).collect()
    }

    /// Adds what the constraints say about a request.
    pub(crate) fn judge(&self, request: &Request<'_>, background: bool, results: &mut Vec<RuleResult>) {
        let Some(subject) = request.subject() else { return };
        let mut review = None;
        let mut inventory = None;
        let native_review = native::review(request, background);
        let objects = std::cell::OnceCell::new();
        for constraint in self.0.iter().filter(|constraint| constraint.selects(request, subject)) {
            let template = &constraint.template;
            // Templates look at what is about to be; a deletion is only put before those that name the operation.
            if request.operation == Operation::Delete && !background && !template.names_operations {
                continue;
            }
            let all = || objects.get_or_init(|| request.data.inventory());
            let answer = match &template.code {
                Code::Cel(code) => Ok(in_cel(code.violations(&constraint.cel_parameters, request))),
                Code::Rego(code) => match &code.native {
                    Some(native) => {
                        let inventory = template.reads_inventory.then(|| match all() {
                            Some(all) => crate::rego::Value::from_node(all.node()),
                            None => crate::rego::Value::object(Vec::new()),
                        });
                        native.run(&native_review, &constraint.native_parameters, inventory)
                    }
                    None => {
                        let review = review.get_or_insert_with(|| rego::review(request, background));
                        let data = template
                            .reads_inventory
                            .then(|| inventory.get_or_insert_with(|| rego::inventory(all().clone())).clone());
                        code.run(review, &constraint.parameters, data)
                    }
                },
            };
            results.extend(told(constraint, answer));
        }
    }
}

/// Violations that a template in CEL reports: words alone.
fn in_cel(messages: Vec<String>) -> Vec<rego::Violation> {
    let of = |message| rego::Violation { message, details: None };
    messages.into_iter().map(of).collect()
}

/// The results of one constraint: one per violation, or one that it passes.
fn told(constraint: &Constraint, answer: Result<Vec<rego::Violation>, String>) -> Vec<RuleResult> {
    let bare = |outcome| {
        let rule = &constraint.template.kind;
        RuleResult::new(Dialect::Gatekeeper, &constraint.name, rule, outcome, constraint.action)
    };
    match answer {
        Ok(violations) if violations.is_empty() => vec![bare(Outcome::Pass)],
        Ok(violations) => violations
            .into_iter()
            .map(|violation| {
                let mut result = bare(if constraint.action == Action::Warn {
                    Outcome::Warn
                } else {
                    Outcome::Fail
                });
                let end = if violation.message.ends_with(['.', '!', '?']) {
                    ""
                } else {
                    "."
                };
                result.message = format!("Policy Violation: {}{end}", violation.message);
                result.remedy = format!("Change the object so that this no longer holds: {}", violation.message);
                result.author = violation.message;
                result.value = violation.details;
                result
            })
            .collect(),
        Err(why) => {
            let mut result = bare(Outcome::Error);
            result.message = format!("The constraint {} could not be evaluated: {why}", constraint.name);
            result.remedy = "Ask the author of the ConstraintTemplate to mend it.".into();
            vec![result]
        }
    }
}

#[cfg(test)]
mod tests;
