//! Gatekeeper: `ConstraintTemplate`s in Rego or CEL with their constraints, mutators, expansion templates and `Config`.
//!
//! A template compiles once, to a program of our Rego or CEL engine. Each constraint says where the template applies and with which parameters. Mutators
//! change objects beforehand; expansion templates name the objects that will follow, which are judged in advance.
//! Violations become results like those of every other dialect.

mod constraint;
mod crd;
mod exempt;
mod expansion;
mod matching;
mod mutation;
mod native;
mod point;
mod template;

pub use crd::constraint_crd;
pub use point::Point;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;
use smallvec::SmallVec;

use crate::request::{Operation, Request};
use crate::ruleset::PolicyInfo;
use crate::verdict::{Action, CompileError, Dialect, Outcome, RuleResult};
use constraint::Constraint;
use exempt::{Exempt, Process};
use expansion::{Expansion, Expansions, Made};
use matching::Origin;
use mutation::{Mutator, Mutators};
use native::Violation;
use template::{Code, Template};

/// Gatekeeper's objects while a set is compiled.
#[derive(Default)]
pub(crate) struct Gatekeeper {
    templates: HashMap<String, Arc<Template>>,
    /// Kinds of templates that do not compile: their constraints are passed over.
    broken: Vec<String>,
    constraints: Vec<Doc>,
    mutators: Vec<Arc<Mutator>>,
    expansions: Vec<Arc<Expansion>>,
    exempt: Vec<Arc<Exempt>>,
}

/// The objects beside those at hand, read once for each block of requests when a template first asks for them.
type Inventory = OnceCell<Option<Value>>;

/// What Gatekeeper's objects compile to.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    list: Vec<Arc<Constraint>>,
    mutators: Mutators,
    expansions: Expansions,
    exempt: Vec<Arc<Exempt>>,
}

/// Whether objects of a kind are Gatekeeper's.
pub(crate) fn is_gatekeeper(group: &str, kind: &str) -> bool {
    match group {
        "templates.gatekeeper.sh" => kind == "ConstraintTemplate",
        "constraints.gatekeeper.sh" => true,
        "expansion.gatekeeper.sh" => kind == "ExpansionTemplate",
        "config.gatekeeper.sh" => kind == "Config",
        _ => mutation::is_mutator(group, kind),
    }
}

impl Gatekeeper {
    /// Takes in an object of Gatekeeper's.
    pub(crate) fn add(&mut self, group: &str, node: Node<'_>, errors: &mut Vec<CompileError>) {
        let fault = match group {
            "templates.gatekeeper.sh" => return self.template(node, errors),
            // Kept until all templates are known.
            "constraints.gatekeeper.sh" => return self.constraints.push(node.to_doc()),
            "expansion.gatekeeper.sh" => Expansion::compile(node).map(|e| self.expansions.push(Arc::new(e))),
            "config.gatekeeper.sh" => Exempt::compile(node).map(|e| self.exempt.push(Arc::new(e))),
            _ => Mutator::compile(node).map(|m| self.mutators.push(Arc::new(m))),
        };
        errors.extend(fault.err());
    }

    fn template(&mut self, node: Node<'_>, errors: &mut Vec<CompileError>) {
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

    pub(crate) fn finish(self, errors: &mut Vec<CompileError>) -> Constraints {
        let mut list = Vec::new();
        for doc in &self.constraints {
            let kind = doc.root().str_at(&["kind"]).unwrap_or_default();
            match self.templates.get(kind) {
                Some(template) => match Constraint::compile(doc.root(), template.clone()) {
                    Ok(constraint) => list.push(Arc::new(constraint)),
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
        list.sort_by(|a, b| a.name.cmp(&b.name));
        let out = Constraints {
            list,
            mutators: Mutators::new(self.mutators),
            expansions: Expansions::new(self.expansions),
            exempt: self.exempt,
        };
        errors.extend(out.conflicts());
        out
    }
}

impl Constraints {
    /// All of several sets.
    pub(crate) fn union(sets: Vec<&Constraints>) -> Constraints {
        fn all<T: Clone>(sets: &[&Constraints], of: impl Fn(&Constraints) -> &[T]) -> Vec<T> {
            sets.iter().flat_map(|set| of(set).iter().cloned()).collect()
        }
        let mut list = all(&sets, |set| &set.list);
        list.sort_by(|a: &Arc<Constraint>, b| a.name.cmp(&b.name));
        Constraints {
            list,
            mutators: Mutators::new(all(&sets, |set| set.mutators.all())),
            expansions: Expansions::new(all(&sets, |set| set.expansions.all())),
            exempt: all(&sets, |set| &set.exempt),
        }
    }

    /// What each of several objects says and only together is wrong: mutators that contradict each other, expansion
    /// that goes in circles.
    pub(crate) fn conflicts(&self) -> Vec<CompileError> {
        self.mutators.faults().chain(self.expansions.faults()).collect()
    }

    /// Whether some template looks at what is being done.
    pub(crate) fn asks_about_deletions(&self) -> bool {
        self.list.iter().any(|constraint| constraint.template.names_operations)
    }

    /// Whether some template reads objects beside the one at hand.
    pub(crate) fn reads_inventory(&self) -> bool {
        self.list.iter().any(|constraint| constraint.template.reads_inventory)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len() + self.mutators.all().len()
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
        self.list.iter().map(of).chain(self.mutators.infos()).collect()
    }

    /// Whether a process leaves the namespace of a request alone.
    fn exempts(&self, process: Process, request: &Request<'_>) -> bool {
        let is_namespace = request.gvk.kind == "Namespace" && request.gvk.group.is_empty();
        let namespace = if is_namespace { request.name } else { request.namespace };
        !namespace.is_empty() && self.exempt.iter().any(|exempt| exempt.exempts(process, namespace))
    }

    /// Whether the objects of a namespace are kept out of `data.inventory`.
    pub(crate) fn unsynced(&self, namespace: &str) -> bool {
        self.exempt
            .iter()
            .any(|exempt| exempt.exempts(Process::Sync, namespace))
    }

    /// Changes an object; `work` is the object so far.
    pub(crate) fn mutate(&self, request: &Request<'_>, work: &mut Option<Value>, results: &mut Vec<RuleResult>) {
        if !self.exempts(Process::Mutation, request) {
            self.mutators.run(request, Origin::Original, work, results);
        }
    }

    /// Adds what the constraints say about objects, and about what will follow from them.
    pub(crate) fn judge(
        &self,
        requests: &[Request<'_>],
        background: bool,
        point: impl Fn(&Request<'_>) -> Point,
        results: &mut [Vec<RuleResult>],
    ) {
        if self.list.is_empty() {
            return;
        }
        let process = if background { Process::Audit } else { Process::Webhook };
        let asked = requests.iter().zip(results.iter_mut());
        let mut all: Looking<'_, '_> = asked
            .filter(|(request, _)| !self.exempts(process, request))
            .filter_map(|(request, results)| {
                let at = (background, point(request));
                Looked::new(request, at, Origin::Original, results)
            })
            .collect();
        let objects = OnceCell::new();
        self.look(&mut all, &objects);
        if self.expansions.is_empty() {
            return;
        }
        for looked in all {
            self.follow(looked.request, looked.point, &objects, looked.results);
        }
    }

    /// Adds what the constraints say about what will follow from an object.
    fn follow(&self, request: &Request<'_>, point: Point, objects: &Inventory, results: &mut Vec<RuleResult>) {
        let Some(object) = request.object else { return };
        if request.operation == Operation::Delete || !request.subresource.is_empty() {
            return;
        }
        let mut failed = Vec::new();
        let mut change = |gvk: &Gvk, object: Value| {
            let mut changed = None;
            let made = generated(request, gvk, object.node());
            self.mutators.run(&made, Origin::Generated, &mut changed, &mut failed);
            changed.unwrap_or(object)
        };
        match self
            .expansions
            .expand(request.gvk, object, request.namespace, &mut change)
        {
            Ok(made) => made
                .iter()
                .for_each(|made| results.extend(self.implied(request, made, point, objects))),
            Err((name, why)) => {
                let policy = format!("ExpansionTemplate/{name}");
                let action = Action::Enforce;
                let mut result = RuleResult::new(
                    Dialect::Gatekeeper,
                    &policy,
                    "ExpansionTemplate",
                    Outcome::Error,
                    action,
                );
                result.message = format!("What follows from the object cannot be told: {why}.");
                result.remedy = format!("Ask the author of {policy} to mend its templateSource.");
                results.push(result);
            }
        }
        // What mutators do to an object that is not there yet is nobody's news, unless it goes wrong.
        results.extend(failed.into_iter().filter(|result| result.outcome == Outcome::Error));
    }

    /// What constraints say about an object that will follow from another one.
    fn implied(&self, request: &Request<'_>, made: &Made, point: Point, objects: &Inventory) -> Vec<RuleResult> {
        let mut results = Vec::new();
        let of = generated(request, &made.gvk, made.object.node());
        let looked = Looked::new(&of, (true, point), Origin::Generated, &mut results);
        self.look(&mut looked.into_iter().collect::<Looking<'_, '_>>(), objects);
        for result in &mut results {
            if let Some(action) = made.template.action {
                result.action = action;
            }
            if matches!(result.outcome, Outcome::Fail | Outcome::Warn) {
                let author = format!("[Implied by {}] {}", made.template.name, result.author);
                let told = violation(author, result.value.take(), result.action);
                result.outcome = told.0;
                (result.message, result.remedy, result.author, result.value) = told.1;
            }
        }
        results
    }

    /// Asks every constraint about every object.
    fn look(&self, all: &mut [Looked<'_, '_>], objects: &Inventory) {
        for constraint in &self.list {
            for looked in all.iter_mut() {
                let request = looked.request;
                if !constraint.matches.selects(request, looked.subject, looked.origin) {
                    continue;
                }
                let Some(action) = constraint.action_at(looked.point) else {
                    continue;
                };
                let template = &constraint.template;
                // Templates look at what is about to be; a deletion is only put before those that name the operation.
                if request.operation == Operation::Delete && !looked.background && !template.names_operations {
                    continue;
                }
                let others = || objects.get_or_init(|| request.data.inventory());
                let answer = match &template.code {
                    Code::Cel(code) => Ok(in_cel(code.violations(&constraint.cel_parameters, request))),
                    Code::Rego(code) => {
                        let inventory = template.reads_inventory.then(|| match others() {
                            Some(all) => crate::rego::Value::from_node(all.node()),
                            None => crate::rego::Value::object(Vec::new()),
                        });
                        let review = looked.review.get_or_init(|| native::review(request, looked.background));
                        code.run(review, &constraint.parameters, inventory)
                    }
                };
                tell(constraint, action, answer, looked.results);
            }
        }
    }
}

/// One object that constraints are asked about.
struct Looked<'r, 'd> {
    request: &'r Request<'d>,
    subject: Node<'d>,
    background: bool,
    point: Point,
    origin: Origin,
    /// The object as templates see it.
    review: OnceCell<crate::rego::Value<'d>>,
    results: &'r mut Vec<RuleResult>,
}

type Looking<'r, 'd> = SmallVec<[Looked<'r, 'd>; 1]>;

impl<'r, 'd> Looked<'r, 'd> {
    /// Nothing, where there is no object.
    fn new(
        request: &'r Request<'d>,
        (background, point): (bool, Point),
        origin: Origin,
        results: &'r mut Vec<RuleResult>,
    ) -> Option<Looked<'r, 'd>> {
        Some(Looked {
            request,
            subject: request.subject()?,
            background,
            point,
            origin,
            review: OnceCell::new(),
            results,
        })
    }
}

/// Violations that a template in CEL reports: words alone.
fn in_cel(messages: Vec<String>) -> Vec<Violation> {
    let of = |message| Violation { message, details: None };
    messages.into_iter().map(of).collect()
}

/// The request that an object stands for which will follow from another one.
fn generated<'a>(request: &Request<'a>, gvk: &'a Gvk, object: Node<'a>) -> Request<'a> {
    Request {
        namespace_object: request.namespace_object,
        dry_run: request.dry_run,
        now: request.now,
        data: request.data,
        variables: request.variables,
        ..Request::create(gvk, object)
    }
}

/// How a violation ends, and its message, remedy, author's message and value.
type Told = (Outcome, (String, String, String, Option<Value>));

fn violation(author: String, details: Option<Value>, action: Action) -> Told {
    let outcome = if action == Action::Warn {
        Outcome::Warn
    } else {
        Outcome::Fail
    };
    let end = if author.ends_with(['.', '!', '?']) { "" } else { "." };
    let message = format!("Policy Violation: {author}{end}");
    let remedy = format!("Change the object so that this no longer holds: {author}");
    (outcome, (message, remedy, author, details))
}

/// Adds the results of one constraint: one per violation, or one that it passes.
fn tell(
    constraint: &Constraint,
    action: Action,
    answer: Result<Vec<Violation>, String>,
    results: &mut Vec<RuleResult>,
) {
    let bare = |outcome| {
        let rule = &constraint.template.kind;
        RuleResult::new(Dialect::Gatekeeper, &constraint.name, rule, outcome, action)
    };
    match answer {
        Ok(violations) if violations.is_empty() => results.push(bare(Outcome::Pass)),
        Ok(violations) => results.extend(violations.into_iter().map(|found| {
            let (outcome, words) = violation(found.message, found.details, action);
            let mut result = bare(outcome);
            (result.message, result.remedy, result.author, result.value) = words;
            result
        })),
        Err(why) => {
            let mut result = bare(Outcome::Error);
            result.message = format!("The constraint {} could not be evaluated: {why}", constraint.name);
            result.remedy = "Ask the author of the ConstraintTemplate to mend it.".into();
            results.push(result);
        }
    }
}

#[cfg(test)]
mod tests;
