//! The step machine of a sync: events in, effects out.
//!
//! An attempt first tries every object without changing anything; a refusal there ends it with nothing applied. Then it
//! goes through phases and waves: prunes, then objects in groups of one kind. A sync of several steps waits until each
//! step is healthy before the next. The last step ends when everything is applied, unless it runs hooks. A failure runs the `SyncFail`
//! hooks, and asks for a new plan while retries are left.

mod message;
mod result;

pub use message::{Effect, Event, OperationPhase};
pub use result::ResourceResult;

use ridgeway_doc::Doc;
use ridgeway_krm::ObjectRef;

use crate::health::{HealthStatus, health};
use crate::plan::{Action, DeletePolicy, Phase, Plan, Task, TaskId};
use crate::retry::Retry;
use result::result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Pending,
    Trying,
    Busy,
    /// An old hook is going away; the new one comes when it is gone.
    Clearing,
    Running,
    Succeeded,
    Failed,
}

#[derive(Clone, Debug)]
struct State {
    standing: Standing,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Trying,
    Working,
    /// Running the hooks that follow a failure.
    Failing,
    Retrying,
    Done,
}

/// A sync under way.
#[derive(Clone, Debug)]
pub struct Operation {
    plan: Plan,
    retry: Retry,
    retries: u32,
    stage: Stage,
    states: Vec<State>,
    phase: OperationPhase,
    message: String,
    /// Why the attempt failed, while its hooks run.
    failure: String,
}

impl Operation {
    /// A sync that has not begun.
    pub fn new(plan: Plan, retry: Retry) -> Operation {
        let states = fresh(&plan);
        Operation {
            plan,
            retry,
            retries: 0,
            stage: Stage::Idle,
            states,
            phase: OperationPhase::Running,
            message: "waiting to start".into(),
            failure: String::new(),
        }
    }

    /// How it stands.
    pub fn phase(&self) -> OperationPhase {
        self.phase
    }

    /// What it does or did, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The plan that is carried out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How often it was tried again.
    pub fn retry_count(&self) -> u32 {
        self.retries
    }

    /// What came of each object so far.
    pub fn results(&self) -> Vec<ResourceResult> {
        let tasks = self.plan.tasks.iter().zip(&self.states);
        tasks
            .filter(|(_, state)| state.standing != Standing::Pending)
            .map(|(task, state)| result(task, state))
            .collect()
    }

    /// Takes an event; says what is to be done.
    pub fn step(mut self, event: Event) -> (Operation, Vec<Effect>) {
        if self.stage == Stage::Done {
            return (self, Vec::new());
        }
        let effects = match event {
            Event::Start => self.begin(),
            Event::Replanned(plan) => {
                self.retries += 1;
                self.states = fresh(&plan);
                self.plan = plan;
                self.begin()
            }
            Event::Terminate => self.terminate(),
            Event::Applied { task, outcome } => self.applied(task, outcome),
            Event::Deleted { task, outcome } => self.deleted(task, outcome),
            Event::Observed { task, live } => self.observed(task, live.as_ref()),
        };
        (self, effects)
    }

    /// Stops: hooks that run are deleted, objects stay as they are.
    fn terminate(&mut self) -> Vec<Effect> {
        let running = |standing| matches!(standing, Standing::Busy | Standing::Running);
        let mut effects = Vec::new();
        for (id, task) in self.plan.tasks.iter().enumerate() {
            if task.hook.is_some() && running(self.states[id].standing) {
                effects.push(delete(id, task));
                self.states[id] = State {
                    standing: Standing::Failed,
                    message: "Deleted".into(),
                };
            }
        }
        effects.extend(self.end(OperationPhase::Failed, "Operation terminated".into()));
        effects
    }

    /// Tries everything first.
    fn begin(&mut self) -> Vec<Effect> {
        self.stage = Stage::Trying;
        self.message = "trying all objects before any is applied".into();
        let mut effects = Vec::new();
        for (id, task) in self.plan.tasks.iter().enumerate() {
            match (task.action, &task.desired) {
                // The kind may be one that the sync itself brings.
                (Action::Apply, Some(_)) if task.options.skip_dry_run_on_missing && task.live.is_none() => {}
                (Action::Apply, Some(object)) => {
                    self.states[id].standing = Standing::Trying;
                    effects.push(apply(id, task, object, true));
                }
                (Action::PruneSkipped, _) => {
                    self.states[id] = State {
                        standing: Standing::Succeeded,
                        message: task.note.clone(),
                    };
                }
                _ => {}
            }
        }
        if effects.is_empty() { self.tried() } else { effects }
    }

    fn applied(&mut self, id: TaskId, outcome: Result<Doc, String>) -> Vec<Effect> {
        let Some(state) = self.states.get_mut(id) else {
            return Vec::new();
        };
        match (state.standing, outcome) {
            (Standing::Trying, outcome) => {
                match outcome {
                    Ok(_) => state.standing = Standing::Pending,
                    Err(message) => {
                        *state = State {
                            standing: Standing::Failed,
                            message,
                        }
                    }
                }
                if self.states.iter().any(|s| s.standing == Standing::Trying) {
                    Vec::new()
                } else {
                    self.tried()
                }
            }
            (Standing::Busy, Ok(_)) => {
                let verb = if self.plan.tasks[id].live.is_some() {
                    "configured"
                } else {
                    "created"
                };
                let message = format!("{} {verb}", self.plan.tasks[id].title());
                self.states[id] = State {
                    standing: Standing::Running,
                    message,
                };
                let mut effects = self.watch(id);
                effects.extend(self.advance());
                effects
            }
            (Standing::Busy, Err(message)) => {
                *state = State {
                    standing: Standing::Failed,
                    message,
                };
                self.advance()
            }
            _ => Vec::new(),
        }
    }

    /// Everything was tried: on with it, or an end before anything is changed.
    fn tried(&mut self) -> Vec<Effect> {
        let failed = self.failures();
        if !failed.is_empty() {
            return self.fail(format!("one or more objects failed to apply, reason: {failed}"));
        }
        if self.plan.dry_run {
            self.states
                .iter_mut()
                .for_each(|state| state.standing = Standing::Succeeded);
            return self.end(OperationPhase::Succeeded, "successfully synced (dry run)".into());
        }
        self.stage = Stage::Working;
        self.advance()
    }

    fn deleted(&mut self, id: TaskId, outcome: Result<(), String>) -> Vec<Effect> {
        let Some(state) = self.states.get_mut(id) else {
            return Vec::new();
        };
        match (state.standing, outcome) {
            (Standing::Busy, Ok(())) => {
                *state = State {
                    standing: Standing::Running,
                    message: "pruned".into(),
                };
                let mut effects = self.watch(id);
                effects.extend(self.advance());
                effects
            }
            (Standing::Clearing, Ok(())) => vec![Effect::Watch { task: id }],
            (Standing::Busy | Standing::Clearing, Err(message)) => {
                *state = State {
                    standing: Standing::Failed,
                    message,
                };
                self.advance()
            }
            // The deletion of a hook that has done its work: it is gone, or somebody will see it.
            _ => Vec::new(),
        }
    }

    fn observed(&mut self, id: TaskId, live: Option<&Doc>) -> Vec<Effect> {
        let Some(state) = self.states.get(id) else {
            return Vec::new();
        };
        let task = &self.plan.tasks[id];
        let next = match (state.standing, task.action, live) {
            (Standing::Clearing, _, None) => {
                if let Some(object) = &task.desired {
                    let effect = apply(id, task, object, false);
                    self.states[id].standing = Standing::Busy;
                    return vec![effect];
                }
                return Vec::new();
            }
            (Standing::Running, Action::Prune, None) => State {
                standing: Standing::Succeeded,
                message: "pruned".into(),
            },
            (Standing::Running, Action::Apply, None) => State {
                standing: Standing::Failed,
                message: format!("{} is gone", task.title()),
            },
            (Standing::Running, Action::Apply, Some(live)) => match health(live.root()) {
                None => State {
                    standing: Standing::Succeeded,
                    message: state.message.clone(),
                },
                Some(h) => match h.status {
                    HealthStatus::Healthy => State {
                        standing: Standing::Succeeded,
                        message: state.message.clone(),
                    },
                    HealthStatus::Degraded => State {
                        standing: Standing::Failed,
                        message: h.message,
                    },
                    _ => return Vec::new(),
                },
            },
            _ => return Vec::new(),
        };
        self.states[id] = next;
        self.advance()
    }

    /// Whether steps wait for each other: several of them, or hooks.
    fn waits(&self) -> bool {
        let mut steps = self
            .plan
            .tasks
            .iter()
            .filter(|t| t.phase != Phase::SyncFail)
            .map(|t| (t.phase, t.wave));
        let first = steps.next();
        steps.any(|step| Some(step) != first) || self.plan.tasks.iter().any(|t| t.hook.is_some())
    }

    /// Whether a task belongs to the last step and nothing waits for it: whether it becomes healthy is then for the
    /// Application's health to tell, not for the sync.
    fn is_final(&self, id: TaskId) -> bool {
        let step = |task: &Task| (task.phase, task.wave);
        let own = step(&self.plan.tasks[id]);
        let regular = || self.plan.tasks.iter().filter(|t| t.phase != Phase::SyncFail);
        own.0 != Phase::SyncFail
            && regular().all(|t| step(t) <= own)
            && regular().all(|t| step(t) != own || t.hook.is_none())
    }

    fn watch(&mut self, id: TaskId) -> Vec<Effect> {
        if self.waits() && !self.is_final(id) {
            return vec![Effect::Watch { task: id }];
        }
        self.states[id].standing = Standing::Succeeded;
        Vec::new()
    }

    fn failures(&self) -> String {
        let failed = self
            .plan
            .tasks
            .iter()
            .zip(&self.states)
            .filter(|(_, state)| state.standing == Standing::Failed);
        failed
            .map(|(task, state)| format!("{}: {}", task.title(), state.message))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// The next group of tasks, or the end.
    fn advance(&mut self) -> Vec<Effect> {
        let current = |op: &Operation, wanted: &dyn Fn(Standing) -> bool| -> Vec<TaskId> {
            let in_stage = |task: &Task| (task.phase == Phase::SyncFail) == (op.stage == Stage::Failing);
            let open = |id: &TaskId| in_stage(&op.plan.tasks[*id]) && wanted(op.states[*id].standing);
            (0..op.plan.tasks.len()).filter(open).collect()
        };
        let busy = |s: Standing| matches!(s, Standing::Busy | Standing::Clearing);
        if !current(self, &busy).is_empty() {
            return Vec::new();
        }
        let failed = !current(self, &|s| s == Standing::Failed).is_empty();
        if failed && self.stage == Stage::Working {
            let reason = self.failures();
            return self.fail(format!(
                "one or more synchronization tasks completed unsuccessfully, reason: {reason}"
            ));
        }
        let unfinished = current(self, &|s| matches!(s, Standing::Pending | Standing::Running));
        let step = |id: &TaskId| (self.plan.tasks[*id].phase, self.plan.tasks[*id].wave);
        let Some(first) = unfinished.first().map(step) else {
            return self.finish();
        };
        let group: Vec<TaskId> = unfinished.into_iter().filter(|id| step(id) == first).collect();
        let pending: Vec<TaskId> = group
            .iter()
            .copied()
            .filter(|id| self.states[*id].standing == Standing::Pending)
            .collect();
        let Some(head) = pending.first().copied() else {
            let task = &self.plan.tasks[group[0]];
            let (what, more) = match (task.hook, task.action) {
                (Some(_), _) => ("completion of hook", "hooks"),
                (None, Action::Apply) => ("healthy state of", "resources"),
                (None, _) => ("deletion of", "resources"),
            };
            let ObjectRef {
                group: api, kind, name, ..
            } = &task.reference;
            let more = match group.len() - 1 {
                0 => String::new(),
                n => format!(" and {n} more {more}"),
            };
            self.message = format!("waiting for {what} {api}/{kind}/{name}{more}");
            return Vec::new();
        };
        // One kind at a time, and all of that kind together.
        let kind = |id: &TaskId| (self.plan.tasks[*id].action, self.plan.tasks[*id].gvk.clone());
        let (action, gvk) = kind(&head);
        let together: Vec<TaskId> = pending
            .into_iter()
            .take_while(|id| kind(id) == (action, gvk.clone()))
            .collect();
        self.message = format!("{} wave {}: {} {}", first.0, first.1, together.len(), gvk.kind);
        let mut effects = Vec::new();
        for id in together {
            let task = &self.plan.tasks[id];
            let clear = task.hook.is_some()
                && task.live.is_some()
                && task.delete_policies.contains(&DeletePolicy::BeforeHookCreation);
            let (standing, effect) = match (&task.desired, clear) {
                (Some(_), true) => (Standing::Clearing, delete(id, task)),
                (Some(object), false) => (Standing::Busy, apply(id, task, object, false)),
                (None, _) => (Standing::Busy, delete(id, task)),
            };
            self.states[id].standing = standing;
            effects.push(effect);
        }
        effects
    }

    /// Nothing is left to do in this stage.
    fn finish(&mut self) -> Vec<Effect> {
        if self.stage == Stage::Failing {
            let message = std::mem::take(&mut self.failure);
            return self.give_up(message);
        }
        let mut effects = self.clear_hooks(Standing::Succeeded, DeletePolicy::HookSucceeded);
        effects.extend(self.end(OperationPhase::Succeeded, "successfully synced (all tasks run)".into()));
        effects
    }

    /// A failure: its hooks first, then a retry or the end.
    fn fail(&mut self, message: String) -> Vec<Effect> {
        let mut effects = self.clear_hooks(Standing::Failed, DeletePolicy::HookFailed);
        let began = self.stage == Stage::Working;
        let hooks = self.plan.tasks.iter().any(|task| task.phase == Phase::SyncFail);
        if began && hooks {
            self.stage = Stage::Failing;
            self.failure = message;
            effects.extend(self.advance());
        } else {
            effects.extend(self.give_up(message));
        }
        effects
    }

    fn give_up(&mut self, message: String) -> Vec<Effect> {
        if self.retry.limit < 0 || i64::from(self.retries) < self.retry.limit {
            self.stage = Stage::Retrying;
            let attempt = self.retries + 1;
            self.message = format!("{message}. Retrying attempt #{attempt}.");
            return vec![Effect::Retry {
                after: self.retry.after(attempt),
                attempt,
            }];
        }
        let tries = self.retries;
        let message = if tries > 0 {
            format!("{message} (retried {tries} times).")
        } else {
            message
        };
        self.end(OperationPhase::Failed, message)
    }

    fn clear_hooks(&self, standing: Standing, policy: DeletePolicy) -> Vec<Effect> {
        let tasks = self.plan.tasks.iter().enumerate();
        tasks
            .filter(|(id, task)| {
                task.hook.is_some() && self.states[*id].standing == standing && task.delete_policies.contains(&policy)
            })
            .map(|(id, task)| delete(id, task))
            .collect()
    }

    fn end(&mut self, phase: OperationPhase, message: String) -> Vec<Effect> {
        self.stage = Stage::Done;
        self.phase = phase;
        self.message.clone_from(&message);
        vec![Effect::Done { phase, message }]
    }
}

fn fresh(plan: &Plan) -> Vec<State> {
    plan.tasks
        .iter()
        .map(|_| State {
            standing: Standing::Pending,
            message: String::new(),
        })
        .collect()
}

fn apply(id: TaskId, task: &Task, object: &Doc, dry_run: bool) -> Effect {
    Effect::Apply {
        task: id,
        object: object.clone(),
        replace: task.options.replace,
        force: task.options.force,
        server_side: task.options.server_side_apply,
        dry_run,
    }
}

fn delete(id: TaskId, task: &Task) -> Effect {
    Effect::Delete {
        task: id,
        reference: task.reference.clone(),
        propagation: task.options.propagation,
    }
}

#[cfg(test)]
mod tests;
