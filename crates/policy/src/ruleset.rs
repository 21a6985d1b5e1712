//! [`RuleSet`]: every policy compiled, indexed by kind, immutable.

mod cel;
mod exceptions;
mod existing;
mod fingerprint;
mod scan;

use std::collections::HashMap;
use std::sync::Arc;

use ridgeway_doc::{Node, Value};

use crate::admission_policy::{AdmissionPolicies, is_admission_policy};
use crate::budget::Fuel;
use crate::cel_policy::{CelBody, CelPolicy, Ruling};
use crate::explain::Trace;
use crate::gatekeeper::{Constraints, Gatekeeper, Point, is_gatekeeper};
use crate::jmespath::Fault;
use crate::kyverno::{Body, CelException, Env, Exception, Finding, Policy, Rule, Violation};
use crate::refine::{self, Refined};
use crate::request::Request;
use crate::verdict::{Action, CompileError, Dialect, Generated, Outcome, RuleResult, Verdicts};

use fingerprint::Fnv;

/// A place in the set: policy and rule.
type Place = (u32, u32);

/// All rules, compiled. Cheap to share, never changed: a new set replaces an old one.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub(crate) policies: Arc<Vec<Arc<Policy>>>,
    exceptions: Arc<Vec<Arc<Exception>>>,
    gatekeeper: Arc<Constraints>,
    admission: Arc<AdmissionPolicies>,
    cel: Arc<Vec<Arc<CelPolicy>>>,
    cel_exceptions: Arc<Vec<Arc<CelException>>>,
    by_kind: Arc<HashMap<String, Vec<Place>>>,
    any_kind: Arc<Vec<Place>>,
    point: Point,
    judging: bool,
    hash: u64,
}

/// A policy, described for views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInfo {
    /// The policy's name, as results name it.
    pub name: String,
    /// The dialect.
    pub dialect: Dialect,
    /// The title its author gave it.
    pub title: String,
    /// The category its author put it in.
    pub category: String,
    /// What violations do.
    pub action: Action,
    /// Its rules, without those carried over to controllers.
    pub rules: Vec<String>,
    /// Whether stored objects are judged by it.
    pub background: bool,
    /// Whether it generates objects.
    pub generates: bool,
    /// Whether it changes objects.
    pub mutates: bool,
}

impl RuleSet {
    /// Compiles policies, exceptions, templates and constraints; objects of other kinds are passed over. Policies with
    /// faults are left out and their faults returned, the others work.
    pub fn compile(sources: &[Node<'_>]) -> (RuleSet, Vec<CompileError>) {
        let mut errors = Vec::new();
        let (mut policies, mut exceptions) = (Vec::new(), Vec::new());
        let (mut cel, mut cel_exceptions) = (Vec::new(), Vec::new());
        let mut gatekeeper = Gatekeeper::default();
        let mut admission = AdmissionPolicies::default();
        let mut hash = Fnv::default();
        for source in sources {
            let group = source
                .str_at(&["apiVersion"])
                .unwrap_or_default()
                .split('/')
                .next()
                .unwrap_or_default();
            let kind = source.str_at(&["kind"]).unwrap_or_default();
            match (group, kind) {
                ("kyverno.io", "ClusterPolicy" | "Policy") => match Policy::compile(*source) {
                    Ok(policy) => policies.push(Arc::new(policy)),
                    Err(faults) => errors.extend(faults),
                },
                ("kyverno.io", "PolicyException") => match Exception::compile(*source) {
                    Ok(exception) => exceptions.push(Arc::new(exception)),
                    Err(fault) => errors.push(fault),
                },
                (
                    "policies.kyverno.io",
                    "ValidatingPolicy"
                    | "NamespacedValidatingPolicy"
                    | "MutatingPolicy"
                    | "NamespacedMutatingPolicy"
                    | "GeneratingPolicy"
                    | "NamespacedGeneratingPolicy",
                ) => match CelPolicy::compile(*source) {
                    Ok(policy) => cel.push(Arc::new(policy)),
                    Err(fault) => errors.push(fault),
                },
                ("policies.kyverno.io", "PolicyException") => match CelException::compile(*source) {
                    Ok(exception) => cel_exceptions.push(Arc::new(exception)),
                    Err(fault) => errors.push(fault),
                },
                (group, kind) if is_gatekeeper(group, kind) => gatekeeper.add(group, *source, &mut errors),
                (group, kind) if is_admission_policy(group, kind) => admission.add(*source, &mut errors),
                _ => continue,
            }
            hash.write(kind);
            hash.write(source.str_at(&["metadata", "namespace"]).unwrap_or_default());
            hash.write(source.str_at(&["metadata", "name"]).unwrap_or_default());
            hash.write(&source.get("spec").map(Node::to_json).unwrap_or_default());
        }
        let set = RuleSet::indexed(RuleSet {
            policies: Arc::new(policies),
            exceptions: Arc::new(exceptions),
            gatekeeper: Arc::new(gatekeeper.finish(&mut errors)),
            admission: Arc::new(admission.ordered()),
            cel: Arc::new(cel),
            cel_exceptions: Arc::new(cel_exceptions),
            hash: hash.0,
            ..RuleSet::default()
        });
        (set, errors)
    }

    /// One set of all rules of others. What is compiled is shared, not copied; a change of one policy costs no more than
    /// compiling that policy.
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a RuleSet>) -> RuleSet {
        let mut hash = Fnv::default();
        let (mut policies, mut exceptions) = (Vec::new(), Vec::new());
        let (mut cel, mut cel_exceptions) = (Vec::new(), Vec::new());
        let (mut constraints, mut admission) = (Vec::new(), Vec::new());
        for set in sets {
            policies.extend(set.policies.iter().cloned());
            exceptions.extend(set.exceptions.iter().cloned());
            cel.extend(set.cel.iter().cloned());
            cel_exceptions.extend(set.cel_exceptions.iter().cloned());
            constraints.push(&*set.gatekeeper);
            admission.push(&*set.admission);
            hash.write(&set.hash());
        }
        RuleSet::indexed(RuleSet {
            policies: Arc::new(policies),
            exceptions: Arc::new(exceptions),
            gatekeeper: Arc::new(Constraints::union(constraints)),
            admission: Arc::new(AdmissionPolicies::union(admission)),
            cel: Arc::new(cel),
            cel_exceptions: Arc::new(cel_exceptions),
            hash: hash.0,
            ..RuleSet::default()
        })
    }

    /// The same set, asked at another enforcement point.
    pub fn at(&self, point: Point) -> RuleSet {
        RuleSet { point, ..self.clone() }
    }

    /// The same set, which changes nothing of what it is asked about; what will follow from an object is changed.
    pub fn judging(&self) -> RuleSet {
        RuleSet {
            judging: true,
            ..self.clone()
        }
    }

    /// Kubernetes' own policies of the set alone.
    pub fn only_admission(&self) -> RuleSet {
        RuleSet {
            admission: self.admission.clone(),
            ..RuleSet::default()
        }
    }

    /// Whether some constraint of the set is asked about deletions: its template looks at the operation.
    pub fn asks_about_deletions(&self) -> bool {
        self.gatekeeper.asks_about_deletions()
    }

    /// Whether some constraint of the set reads objects beside the one at hand.
    pub fn reads_inventory(&self) -> bool {
        self.gatekeeper.reads_inventory()
    }

    /// What single objects of a set do not say and only together is wrong: Gatekeeper's mutators that contradict each
    /// other, and expansion that goes in circles. These objects have no effect.
    pub fn conflicts(&self) -> Vec<CompileError> {
        self.gatekeeper.conflicts()
    }

    /// Whether the objects of a namespace are kept out of the inventory of templates.
    pub fn unsynced(&self, namespace: &str) -> bool {
        self.gatekeeper.unsynced(namespace)
    }

    /// The set with its policies in order and indexed by kind.
    fn indexed(set: RuleSet) -> RuleSet {
        let (mut policies, mut cel) = ((*set.policies).clone(), (*set.cel).clone());
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        cel.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut by_kind, mut any_kind): (HashMap<String, Vec<Place>>, _) = (HashMap::new(), Vec::new());
        for (p, policy) in policies.iter().enumerate() {
            for (r, rule) in policy.rules.iter().enumerate() {
                let place = (p as u32, r as u32);
                match rule.matches.kinds() {
                    None => any_kind.push(place),
                    Some(mut kinds) => {
                        kinds.sort_unstable();
                        kinds.dedup();
                        for kind in kinds {
                            by_kind.entry(kind.to_owned()).or_default().push(place);
                        }
                    }
                }
            }
        }
        RuleSet {
            policies: Arc::new(policies),
            cel: Arc::new(cel),
            by_kind: Arc::new(by_kind),
            any_kind: Arc::new(any_kind),
            ..set
        }
    }

    /// A fingerprint of the sources: equal sets have equal ones.
    pub fn hash(&self) -> String {
        format!("{:016x}", self.hash)
    }

    /// How many policies and constraints are loaded.
    pub fn len(&self) -> usize {
        self.policies.len() + self.cel.len() + self.gatekeeper.len() + self.admission.len()
    }

    /// Whether nothing is loaded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The loaded policies and constraints.
    pub fn policies(&self) -> Vec<PolicyInfo> {
        let of = |policy: &Arc<Policy>| PolicyInfo {
            name: policy.name.clone(),
            dialect: Dialect::Kyverno,
            title: policy.title.clone(),
            category: policy.category.clone(),
            action: policy.strictest(),
            rules: policy
                .rules
                .iter()
                .filter(|r| r.origin.is_none())
                .map(|r| r.name.clone())
                .collect(),
            background: policy.background,
            generates: policy.rules.iter().any(|r| matches!(r.body, Body::Generate(_))),
            mutates: policy.rules.iter().any(|r| matches!(r.body, Body::Mutate(_))),
        };
        let cel = self.cel.iter().map(|policy| policy.info());
        self.policies
            .iter()
            .map(of)
            .chain(cel)
            .chain(self.gatekeeper.policies())
            .chain(self.admission.infos())
            .collect()
    }

    /// The rules that may be for a kind, in policy order.
    fn candidates(&self, kind: &str) -> impl Iterator<Item = (&Policy, &Rule)> {
        let named = self.by_kind.get(kind).map(Vec::as_slice).unwrap_or_default();
        let mut places: Vec<Place> = named.iter().chain(self.any_kind.iter()).copied().collect();
        if !self.any_kind.is_empty() {
            places.sort_unstable();
        }
        places.into_iter().map(|(p, r)| {
            let policy: &Policy = &self.policies[p as usize];
            (policy, &policy.rules[r as usize])
        })
    }

    /// Judges a change: mutations first, then everything that validates, on the object as mutated.
    pub fn admit(&self, request: &Request<'_>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        if !self.judging {
            verdicts.mutated = self.mutate(request, &mut verdicts.results);
        }
        let object = verdicts.mutated.as_ref().map(Value::node).or(request.object);
        let request = Request { object, ..*request };
        verdicts.annotations = self.validate(&request, false, &mut verdicts.results);
        if let Some(mutated) = verdicts.mutated.take() {
            verdicts.mutated = Some(mutated);
        }
        verdicts
    }

    pub(crate) fn mutate(&self, request: &Request<'_>, results: &mut Vec<RuleResult>) -> Option<Value> {
        let subject = request.subject()?;
        let mut work: Option<Value> = None;
        let rounds = self.admission.mutate(request, &mut work, results);
        self.gatekeeper.mutate(request, &mut work, results);
        for (policy, rule) in self.candidates(&request.gvk.kind) {
            let Body::Mutate(mutate) = &rule.body else { continue };
            if mutate.existing || !rule.applies(policy, request, subject) {
                continue;
            }
            let made = {
                let object = work.as_ref().map(Value::node).or(request.object);
                let request = Request { object, ..*request };
                let fuel = Fuel::default();
                let env = Env::new(&request, &fuel, &rule.name, &rule.context);
                match rule.preconditions.eval(&env) {
                    Err(fault) => Err(fault),
                    Ok(answer) if !answer.holds => Ok(None),
                    Ok(_) => mutate.eval(&env),
                }
            };
            let action = policy.action_for(rule, request);
            let mut result = RuleResult::new(Dialect::Kyverno, &policy.name, &rule.name, Outcome::Pass, action);
            match made {
                Ok(Some(value)) => work = Some(value),
                Ok(None) => {
                    result.outcome = Outcome::Skip;
                    result.message = "no patches applied".into();
                }
                Err(fault) => {
                    result.outcome = Outcome::Error;
                    // A mutation that fails must not pass silently, unless its author said so.
                    result.action = if policy.fail_open {
                        Action::Audit
                    } else {
                        Action::Enforce
                    };
                    result.message = broken(policy, rule, &fault);
                }
            }
            results.push(result);
        }
        self.mutate_cel(request, &mut work, results);
        self.admission.mutate_again(request, &mut work, results, rounds);
        work
    }

    pub(crate) fn judge(
        &self,
        policy: &Policy,
        rule: &Rule,
        request: &Request<'_>,
        subject: Node<'_>,
    ) -> Option<RuleResult> {
        let action = policy.action_for(rule, request);
        let mut result = RuleResult::new(Dialect::Kyverno, &policy.name, &rule.name, Outcome::Pass, action);
        let excepted = self.exceptions_of(policy, rule, request, subject);
        if let Some(exception) = excepted.iter().find(|e| e.controls.is_empty()) {
            result.outcome = Outcome::Skip;
            result.message = format!("excepted by {}", exception.name);
            return Some(result);
        }
        let mut finding = self.finding(rule, request, &excepted, None);
        if action == Action::Enforce
            && matches!(finding, Finding::Fail(_))
            && self.violated_before(rule, request, &excepted)
        {
            finding = Finding::Skip("the object violated the rule before the change".into());
        }
        match finding {
            Finding::Nothing => return None,
            Finding::Pass => {}
            Finding::Skip(why) => {
                result.outcome = Outcome::Skip;
                result.message = why;
            }
            Finding::Error(why) => {
                result.outcome = Outcome::Error;
                if policy.fail_open {
                    result.action = Action::Audit;
                }
                result.message = broken(policy, rule, &why);
                result.remedy = format!("Ask the author of the policy {} to mend the rule.", policy.name);
            }
            Finding::Fail(violation) => {
                result.outcome = if policy.unscored { Outcome::Warn } else { Outcome::Fail };
                let refined = if violation.failures.is_empty() {
                    Refined {
                        sentences: violation.sentences,
                        path: violation.path,
                        value: violation.value,
                        patch: violation.patch,
                    }
                } else {
                    refine::failures(&violation.failures, &request.gvk.kind, subject)
                };
                let author = if violation.author.is_empty() {
                    format!("the rule {} is violated", rule.name)
                } else {
                    violation.author.trim().to_owned()
                };
                result.message = refined.message(&author);
                result.remedy = refined.remedy();
                if result.remedy.is_empty() {
                    result.remedy = if refined.path.is_empty() {
                        format!("Change the object so that it satisfies: {author}")
                    } else {
                        format!("Change {} so that it satisfies: {author}", refined.path)
                    };
                }
                result.author = author;
                result.path = refined.path;
                result.value = refined.value;
                result.patch = refined.patch;
            }
        }
        Some(result)
    }

    /// What a rule makes of a request; what it looks at is written to the trace, if there is one.
    pub(crate) fn finding(
        &self,
        rule: &Rule,
        request: &Request<'_>,
        excepted: &[&Exception],
        trace: Option<&Trace>,
    ) -> Finding {
        let Body::Validate(validate) = &rule.body else {
            return Finding::Nothing;
        };
        let fuel = Fuel::default();
        let mut env = Env::new(request, &fuel, &rule.name, &rule.context);
        env.trace = trace;
        match rule.cel_preconditions(request) {
            Ok(true) => {}
            Ok(false) => return Finding::Skip("cel preconditions not met".into()),
            Err(fault) => {
                let author = format!("the preconditions cannot be evaluated: {fault}");
                return Finding::Fail(Box::new(Violation {
                    author,
                    ..Violation::default()
                }));
            }
        }
        match rule.preconditions.eval(&env) {
            Err(fault) => Finding::Error(format!("the preconditions cannot be evaluated: {fault}")),
            Ok(answer) if !answer.holds => {
                let message = if answer.message.is_empty() {
                    "preconditions not met".into()
                } else {
                    answer.message
                };
                Finding::Skip(message)
            }
            Ok(_) => validate.eval(&env, excepted.iter().flat_map(|e| &e.controls)),
        }
    }

    /// The objects that a trigger asks for, and how each rule that makes them ended.
    pub fn generate(&self, request: &Request<'_>) -> (Vec<Generated>, Vec<RuleResult>) {
        let (mut made, mut results) = (Vec::new(), Vec::new());
        let Some(subject) = request.subject() else {
            return (made, results);
        };
        for (policy, rule) in self.candidates(&request.gvk.kind) {
            let Body::Generate(generate) = &rule.body else { continue };
            if !rule.applies(policy, request, subject) {
                continue;
            }
            let fuel = Fuel::default();
            let env = Env::new(request, &fuel, &rule.name, &rule.context);
            let objects = match rule.preconditions.eval(&env) {
                Err(fault) => Err(fault),
                Ok(answer) if !answer.holds => Ok(None),
                Ok(_) => generate.eval(&env).map(Some),
            };
            let mut result = RuleResult::new(Dialect::Kyverno, &policy.name, &rule.name, Outcome::Pass, policy.action);
            match objects {
                Ok(Some(objects)) => made.extend(objects.into_iter().map(|object| Generated {
                    policy: policy.name.clone(),
                    rule: rule.name.clone(),
                    object,
                    synchronize: generate.synchronize,
                })),
                Ok(None) => {
                    result.outcome = Outcome::Skip;
                    result.message = "preconditions not met".into();
                }
                Err(fault) => {
                    result.outcome = Outcome::Error;
                    result.message = broken(policy, rule, &fault);
                }
            }
            results.push(result);
        }
        for policy in self.cel.iter() {
            for variant in policy
                .variants
                .iter()
                .filter(|v| matches!(v.body, CelBody::Generate(_)))
            {
                let allowed = match self.excepted(policy, variant, request) {
                    Ok(allowed) => allowed,
                    Err(excepted) => {
                        results.extend(excepted);
                        continue;
                    }
                };
                let ruling = variant.rule_on(policy, request, &allowed);
                if let Ruling::Made(objects) = &ruling {
                    made.extend(objects.iter().map(|object| Generated {
                        policy: policy.name.clone(),
                        rule: variant.rule.clone(),
                        object: object.clone(),
                        synchronize: policy.synchronize,
                    }));
                }
                results.extend(policy.result(variant, ruling));
            }
        }
        (made, results)
    }

    /// Kinds that trigger generation; `None` among them means that any may.
    pub fn triggers(&self) -> Vec<Option<String>> {
        let mut out: Vec<Option<String>> = Vec::new();
        for rule in self
            .policies
            .iter()
            .flat_map(|p| &p.rules)
            .filter(|r| matches!(r.body, Body::Generate(_)))
        {
            match rule.matches.kinds() {
                None => out.push(None),
                Some(kinds) => out.extend(kinds.into_iter().map(|kind| Some(kind.to_owned()))),
            }
        }
        out.sort();
        out.dedup();
        out
    }

    /// The policies whose generated objects are made for triggers that were there before them.
    pub fn generates_existing(&self, policy: &str) -> bool {
        self.policies.iter().any(|p| p.name == policy && p.generate_existing)
    }
}

fn broken(policy: &Policy, rule: &Rule, why: &dyn std::fmt::Display) -> String {
    format!(
        "The rule {} of the policy {} could not be evaluated: {why}",
        rule.name, policy.name
    )
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Finding {
        Finding::Error(fault.to_string())
    }
}
