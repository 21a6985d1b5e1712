//! Asking the policies: mutations in order, then everything that validates, each within its time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_policy::{Action, Data, Dialect, NoData, Operation, Outcome, Request, RuleResult, User};
use tokio::sync::Notify;

use crate::EXEMPT_NAMESPACES;
use crate::answer::{Answer, Words};
use crate::cluster::{Reader, Remote};
use crate::metrics::Metrics;
use crate::policies::{FailurePolicy, PolicySet, Unit};
use crate::review::Review;
use crate::surroundings::Surroundings;

/// Budgets are held to about this.
const FINEST: Duration = Duration::from_millis(1);

/// Why a server without a cluster cannot tell what lies beside a review.
const ALONE: &str = "nothing is read from a cluster here; give the server one (--kubeconfig)";

/// What is asked, and of which policies.
#[derive(Clone)]
pub struct Question {
    /// The review.
    pub review: Review,
    /// Whether mutating rules are asked too.
    pub mutating: bool,
    /// Only policies with this failure policy; `None` for all.
    pub failure: Option<FailurePolicy>,
    /// When the API server stops waiting.
    pub deadline: Instant,
    /// The present.
    pub now: Timestamp,
}

/// Asks a set of policies.
#[derive(Clone)]
pub struct Judge {
    /// The cluster that rules may read; without it they see the request alone.
    pub remote: Option<Arc<Remote>>,
    /// How long a policy may take that does not say otherwise.
    pub budget: Duration,
    /// Namespaces whose objects no policy is asked about.
    pub exempt: Arc<Vec<String>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Judge {
    /// A judge without a cluster.
    pub fn new(budget: Duration, metrics: Arc<Metrics>) -> Judge {
        Judge {
            remote: None,
            budget,
            exempt: Arc::new(EXEMPT_NAMESPACES.map(str::to_owned).to_vec()),
            metrics,
        }
    }

    /// Whether policies are asked about an object at all.
    fn exempts(&self, review: &Review) -> bool {
        let gvk = &review.gvk;
        let place = |name: &str| self.exempt.iter().any(|exempt| exempt == name);
        let records = match (&*gvk.group, &*gvk.kind) {
            ("" | "events.k8s.io", "Event") | ("coordination.k8s.io", "Lease") => true,
            // Nodes belong to the cluster; ReplicaSets repeat what was judged of their Deployment.
            ("", "Node" | "Binding" | "ComponentStatus") | ("apps", "ReplicaSet" | "ControllerRevision") => true,
            ("apiregistration.k8s.io", "APIService") | ("admissionregistration.k8s.io", _) => true,
            ("authentication.k8s.io" | "authorization.k8s.io", _) => true,
            ("wgpolicyk8s.io" | "openreports.io" | "reports.kyverno.io", _) => true,
            ("kyverno.io", "ClusterPolicy" | "Policy") => true,
            (group, _) if group.ends_with(".gatekeeper.sh") => true,
            _ => false,
        };
        records
            || place(&review.namespace)
            || gvk.group.is_empty() && gvk.kind == "Namespace" && place(&review.name)
            || matches!(
                &*review.subresource,
                "status" | "finalize" | "binding" | "token" | "approval"
            )
            || review.leaving()
    }

    /// The namespace and the user's roles, read once and only when some policy asks about them.
    async fn beside(&self, reads: Surroundings, question: &Question) -> Beside {
        let Some(remote) = self.remote.clone() else {
            return Beside::unread(ALONE);
        };
        let review = &question.review;
        let (namespace, user, groups) = (review.namespace.clone(), review.user.clone(), review.groups.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut out = Beside::default();
            if !namespace.is_empty() {
                match remote.namespace(&namespace) {
                    Ok(Some(found)) => out.namespace = Some(found),
                    Ok(None) => out.no_namespace = Some(format!("there is no namespace {namespace} in the cluster")),
                    Err(error) => out.no_namespace = Some(error.to_string()),
                }
            }
            if reads.roles {
                match remote.roles(&user, &groups) {
                    Ok(roles) => (out.roles, out.cluster_roles) = roles,
                    Err(error) => out.no_roles = Some(error.to_string()),
                }
            }
            out
        });
        // Half of the time at most: the policies need the rest.
        let patience = question.deadline.saturating_duration_since(Instant::now()) / 2;
        match tokio::time::timeout(patience, read).await {
            Ok(Ok(beside)) => beside,
            Ok(Err(_)) => Beside::unread("the cluster could not be read"),
            Err(_) => Beside::unread(&format!("the cluster did not answer within {}", shown(patience))),
        }
    }

    /// Asks the policies. What takes longer than its budget is answered by its failure policy, and named.
    pub async fn ask(&self, set: &Arc<PolicySet>, question: Question) -> Answer {
        let mut answer = Answer {
            policies: set.hash.clone(),
            ..Answer::default()
        };
        if self.exempts(&question.review) {
            return answer;
        }
        let steps = steps(set, &question);
        if steps.is_empty() {
            return answer;
        }
        let deadline = question.deadline;
        let asked = steps.iter().map(|step| set.units[step.unit].reads);
        let reads = asked.fold(Surroundings::default(), |all, one| Surroundings {
            namespace: all.namespace || one.namespace,
            roles: all.roles || one.roles,
            inventory: all.inventory || one.inventory,
        });
        let beside = self.beside(reads, &question).await;
        let run = Arc::new(Run {
            judge: self.clone(),
            set: set.clone(),
            question,
            steps,
            beside,
            state: Mutex::new(State::new()),
            done: Notify::new(),
        });
        run.clone().start(0);
        let state = run.watch(deadline).await;
        for (step, results) in state.results {
            let unit = &set.units[step.unit];
            for result in results {
                // What cannot be asked is no reason to refuse where its author says so.
                let ignored = unit.failure == FailurePolicy::Ignore && result.outcome == Outcome::Error;
                if result.refuses() && !ignored {
                    answer.refusals.push(result.clone());
                } else if ignored || result.warns() {
                    answer.warnings.push(Words(&result).warning());
                }
                self.metrics.outcome(&unit.name, result.outcome);
                answer.results.push(result);
            }
        }
        answer.mutated = state.work;
        answer.recorded = state.recorded;
        answer
    }
}

/// The object as it was changed, what was said, and what is to be recorded.
type Evaluated = (Option<Value>, Vec<RuleResult>, Vec<(String, String)>);

/// One part of a unit.
#[derive(Clone, Copy, Debug)]
struct Step {
    unit: usize,
    mutating: bool,
    /// Whether the unit is asked once more, about what others have changed after it.
    again: bool,
}

/// What a question has to be put before: mutating parts first.
fn steps(set: &PolicySet, question: &Question) -> Vec<Step> {
    let review = &question.review;
    let mut out = Vec::new();
    for mutating in [true, false] {
        if mutating && !question.mutating {
            continue;
        }
        for (unit, part) in set.units.iter().enumerate() {
            if question.failure.is_some_and(|wanted| wanted != part.failure) {
                continue;
            }
            let half = if mutating { &part.mutate } else { &part.validate };
            let covers = half
                .as_ref()
                .is_some_and(|(_, coverage)| coverage.covers(&review.gvr, &review.subresource, review.operation));
            if covers {
                let again = false;
                out.push(Step { unit, mutating, again });
            }
        }
        if mutating {
            let again = out.iter().filter(|step| set.units[step.unit].again);
            let again: Vec<Step> = again.map(|step| Step { again: true, ..*step }).collect();
            out.extend(again);
        }
    }
    out
}

/// What is read beside the review, once.
#[derive(Clone, Default)]
struct Beside {
    namespace: Option<Doc>,
    roles: Vec<String>,
    cluster_roles: Vec<String>,
    /// Why the namespace could not be read.
    no_namespace: Option<String>,
    /// Why the roles could not be read.
    no_roles: Option<String>,
}

impl Beside {
    fn unread(why: &str) -> Beside {
        Beside {
            no_namespace: Some(why.to_owned()),
            no_roles: Some(why.to_owned()),
            ..Beside::default()
        }
    }

    /// Why a unit cannot be asked: of what it reads, something is not known.
    fn lacks(&self, unit: &Unit, review: &Review) -> Option<&str> {
        let namespace = self.no_namespace.as_ref();
        let namespace = namespace.filter(|_| unit.reads.namespace && !review.namespace.is_empty());
        let roles = self.no_roles.as_ref().filter(|_| unit.reads.roles);
        namespace.or(roles).map(String::as_str)
    }
}

/// How far a question has come. Whoever holds an older epoch has been given up and says nothing more.
struct State {
    epoch: u32,
    step: usize,
    since: Instant,
    work: Option<Value>,
    results: Vec<(Step, Vec<RuleResult>)>,
    recorded: Vec<(String, String)>,
    /// The object as units left it that are asked again.
    left: HashMap<usize, Option<Value>>,
    done: bool,
}

impl State {
    fn new() -> State {
        State {
            epoch: 0,
            step: 0,
            since: Instant::now(),
            work: None,
            results: Vec::new(),
            recorded: Vec::new(),
            left: HashMap::new(),
            done: false,
        }
    }
}

struct Run {
    judge: Judge,
    set: Arc<PolicySet>,
    question: Question,
    steps: Vec<Step>,
    beside: Beside,
    state: Mutex<State>,
    done: Notify,
}

impl Run {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with the policies on a thread of its own: rules compute, and may wait for the cluster.
    fn start(self: Arc<Self>, epoch: u32) {
        tokio::task::spawn_blocking(move || {
            while let Some((step, work)) = self.next(epoch) {
                let begun = Instant::now();
                let (mutated, results, recorded) = self.evaluate(step, work.as_ref());
                let unit = &self.set.units[step.unit];
                self.judge.metrics.took(&unit.name, begun.elapsed());
                let mut state = self.state();
                if state.epoch != epoch {
                    return;
                }
                if mutated.is_some() {
                    state.work = mutated;
                }
                if unit.again && !step.again {
                    let left = state.work.clone();
                    state.left.insert(step.unit, left);
                }
                state.results.push((step, results));
                state.recorded.extend(recorded);
                state.step += 1;
            }
        });
    }

    fn next(&self, epoch: u32) -> Option<(Step, Option<Value>)> {
        let mut state = self.state();
        if state.epoch != epoch {
            return None;
        }
        // Who would see again what they have left has nothing more to say.
        while let Some(step) = self.steps.get(state.step).filter(|step| step.again)
            && state.left.get(&step.unit).is_none_or(|left| *left == state.work)
        {
            state.step += 1;
        }
        let Some(step) = self.steps.get(state.step) else {
            state.done = true;
            drop(state);
            self.done.notify_one();
            return None;
        };
        state.since = Instant::now();
        Some((*step, state.work.clone()))
    }

    /// Waits for the end; gives up policies that take too long, and everything at the deadline.
    async fn watch(self: Arc<Self>, deadline: Instant) -> State {
        let shortest = self.steps.iter().map(|step| self.budget(*step)).min();
        let shortest = shortest.unwrap_or(FINEST).max(FINEST);
        loop {
            let until = {
                let mut state = self.state();
                if state.done {
                    return std::mem::replace(&mut *state, State::new());
                }
                let now = Instant::now();
                if now >= deadline {
                    self.give_up_all(&mut state);
                    return std::mem::replace(&mut *state, State::new());
                }
                match self.steps.get(state.step) {
                    // The last step is over; the thread is about to say so.
                    None => now + Duration::from_millis(1),
                    Some(step) => {
                        let end = state.since + self.budget(*step);
                        if now >= end {
                            self.give_up(&mut state, *step);
                            let epoch = state.epoch;
                            drop(state);
                            self.clone().start(epoch);
                            continue;
                        }
                        // Steps end unseen; those with less time must not hide behind one with more.
                        end.min(deadline).min(now + shortest)
                    }
                }
            };
            tokio::select! {
                () = self.done.notified() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    fn budget(&self, step: Step) -> Duration {
        self.set.units[step.unit].budget.unwrap_or(self.judge.budget)
    }

    fn give_up(&self, state: &mut State, step: Step) {
        let unit = &self.set.units[step.unit];
        self.judge.metrics.over_budget(&unit.name);
        let budget = self.budget(step);
        let message = format!(
            "The policy {} took longer than its time budget of {}",
            unit.name,
            shown(budget)
        );
        state.results.push((step, vec![unasked(unit, message)]));
        state.step += 1;
        state.epoch += 1;
        state.since = Instant::now();
    }

    fn give_up_all(&self, state: &mut State) {
        state.epoch += 1;
        let left = self.steps.iter().skip(state.step);
        for (at, step) in left.enumerate() {
            let unit = &self.set.units[step.unit];
            self.judge.metrics.over_budget(&unit.name);
            let message = if at == 0 {
                format!(
                    "The policy {} had not answered when the API server's time was over",
                    unit.name
                )
            } else {
                format!(
                    "The policy {} could not be asked before the API server's time was over",
                    unit.name
                )
            };
            state.results.push((*step, vec![unasked(unit, message)]));
        }
    }

    fn evaluate(&self, step: Step, work: Option<&Value>) -> Evaluated {
        let unit = &self.set.units[step.unit];
        let half = if step.mutating { &unit.mutate } else { &unit.validate };
        let Some((rules, _)) = half else {
            return (None, Vec::new(), Vec::new());
        };
        let review = &self.question.review;
        let beside = &self.beside;
        let reader = self
            .judge
            .remote
            .as_deref()
            .map(|remote| Reader::new(remote, &self.set.inventory));
        let inventory = (unit.reads.inventory && !self.set.inventory.is_empty()).then(|| match &reader {
            Some(reader) => reader.objects().as_ref().err().map(ToString::to_string),
            None => Some(ALONE.to_owned()),
        });
        let lacks = beside.lacks(unit, review).map(str::to_owned);
        if let Some(failed) = lacks.or(inventory.flatten()) {
            let message = format!("The policy {} could not be asked: {failed}", unit.name);
            return (None, vec![unasked(unit, message)], Vec::new());
        }
        let data: &dyn Data = match &reader {
            Some(reader) => reader,
            None => &NoData,
        };
        let object: Option<Node<'_>> = match review.operation {
            Operation::Delete => None,
            _ => work.map(Value::node).or_else(|| review.object()),
        };
        let verdicts = rules.admit(&Request {
            operation: review.operation,
            gvk: &review.gvk,
            gvr: Some(&review.gvr),
            subresource: &review.subresource,
            namespace: &review.namespace,
            name: &review.name,
            object,
            old_object: review.old_object(),
            namespace_object: beside.namespace.as_ref().map(Doc::root),
            user: Some(User {
                name: &review.user,
                uid: &review.user_uid,
                groups: &review.groups,
                roles: &beside.roles,
                cluster_roles: &beside.cluster_roles,
                extra: review.user_extra(),
            }),
            dry_run: review.dry_run,
            options: review.options(),
            now: Some(self.question.now),
            data,
            variables: &[],
        });
        // Pod Security labels are the cluster's own admission's.
        let results = verdicts.results.into_iter();
        let results = results.filter(|result| result.dialect != Dialect::PodSecurity);
        // Who is asked again has had their say; only what goes wrong now is news.
        let results = results.filter(|result| !step.again || result.outcome == Outcome::Error);
        (verdicts.mutated, results.collect(), verdicts.annotations)
    }
}

/// The result of a policy that could not be asked.
fn unasked(unit: &Unit, message: String) -> RuleResult {
    let remedy = match unit.failure {
        FailurePolicy::Fail => {
            "Try again; if it stays so, the policy's author has to make it simpler or give it more time."
        }
        FailurePolicy::Ignore => "",
    };
    RuleResult {
        dialect: Dialect::Kyverno,
        policy: unit.name.clone(),
        rule: String::new(),
        outcome: Outcome::Error,
        action: Action::Enforce,
        message,
        author: String::new(),
        path: String::new(),
        value: None,
        remedy: remedy.into(),
        patch: None,
        reason: String::new(),
    }
}

fn shown(time: Duration) -> String {
    match time.as_millis() {
        ms if ms >= 1000 && ms % 1000 == 0 => format!("{} s", ms / 1000),
        0 => format!("{} µs", time.as_micros()),
        ms => format!("{ms} ms"),
    }
}
