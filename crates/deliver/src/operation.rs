//! Running a sync: the state machine's effects carried out through the cluster, and what came of them fed back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ridgeway_cluster::{Causality, rfc3339};
use ridgeway_doc::{Doc, Map, Value};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_sync::{DeletePolicy, Event, OperationPhase, Plan, TaskId};
use tokio::time::Instant;

use crate::live::{Live, Place, version};
use crate::spec::Operation;

/// Why a sync runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    /// Somebody asked for it.
    Manual(Box<Operation>),
    /// A revision is to be deployed.
    Automatic,
    /// What was changed by hand is put right.
    SelfHeal,
    /// A bad revision is replaced by a good one.
    Rollback,
}

/// What a sync is to do.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) origin: Origin,
    pub(crate) revision: String,
    pub(crate) digest: String,
    pub(crate) prune: bool,
    pub(crate) dry_run: bool,
    /// The only objects to sync; `None` for the whole Application.
    pub(crate) selected: Option<Vec<ObjectRef>>,
    /// Whether hooks are left out.
    pub(crate) skip_hooks: bool,
    pub(crate) started_at: Timestamp,
}

impl Intent {
    /// Whether the whole Application is synced, and not only some of its resources.
    pub(crate) fn is_full(&self) -> bool {
        self.selected.is_none()
    }
}

/// A sync that runs.
pub(crate) struct Running {
    pub(crate) machine: Option<ridgeway_sync::Operation>,
    pub(crate) intent: Intent,
    pub(crate) causality: Causality,
    /// Watched tasks, with the version last told.
    pub(crate) watches: BTreeMap<TaskId, Option<(u64, bool)>>,
    /// When the machine wants to be given a new plan.
    pub(crate) retry_at: Option<Instant>,
    /// Whether anything was changed.
    pub(crate) changed: bool,
    /// A failure that repeating cannot mend.
    pub(crate) hopeless: bool,
    /// How the last attempt failed.
    pub(crate) last_failure: String,
    pub(crate) done: Option<(OperationPhase, String)>,
}

impl Running {
    pub(crate) fn new(intent: Intent, plan: Plan, retry: ridgeway_sync::Retry, causality: Causality) -> Running {
        Running {
            machine: Some(ridgeway_sync::Operation::new(plan, retry)),
            intent,
            causality,
            watches: BTreeMap::new(),
            retry_at: None,
            changed: false,
            hopeless: false,
            last_failure: String::new(),
            done: None,
        }
    }

    /// A sync that could not even be planned.
    pub(crate) fn unplanned(intent: Intent, causality: Causality, why: String) -> Running {
        Running {
            machine: None,
            intent,
            causality,
            watches: BTreeMap::new(),
            retry_at: None,
            changed: false,
            hopeless: true,
            last_failure: why.clone(),
            done: Some((OperationPhase::Error, why)),
        }
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.machine.as_ref().map(ridgeway_sync::Operation::plan)
    }

    /// The kinds that the sync touches.
    pub(crate) fn kinds(&self) -> Vec<Gvk> {
        self.plan()
            .map(|plan| plan.tasks.iter().map(|task| task.gvk.clone()).collect())
            .unwrap_or_default()
    }

    /// How it ended.
    pub(crate) fn done(&self) -> Option<&(OperationPhase, String)> {
        self.done.as_ref()
    }

    /// When it wants to go on by itself.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether a new plan is due.
    pub(crate) fn wants_plan(&self) -> bool {
        self.done.is_none() && self.retry_at.is_some_and(|at| at <= Instant::now())
    }

    /// Whether it waits between two attempts.
    pub(crate) fn is_between_attempts(&self) -> bool {
        self.done.is_none() && self.retry_at.is_some()
    }

    /// Gives up between two attempts.
    pub(crate) fn give_up(&mut self) {
        self.done = Some((OperationPhase::Failed, self.last_failure.clone()));
    }

    /// How the last attempt failed.
    pub(crate) fn last_failure(&self) -> &str {
        &self.last_failure
    }

    /// Whether a task's object is a hook whose leftover is deleted before it is made anew.
    pub(crate) fn is_made_anew(&self, task: TaskId) -> bool {
        self.plan()
            .and_then(|plan| plan.tasks.get(task))
            .is_some_and(|task| task.hook.is_some() && task.delete_policies.contains(&DeletePolicy::BeforeHookCreation))
    }

    /// Ends it as failed.
    pub(crate) fn fail(&mut self, why: String) {
        self.done = Some((OperationPhase::Failed, why));
    }

    /// Whether it waits for an object to become healthy.
    pub(crate) fn waits_for(&self, place: &Place) -> bool {
        self.watches
            .keys()
            .any(|task| self.place(*task).as_ref() == Some(place))
    }

    pub(crate) fn place(&self, task: TaskId) -> Option<Place> {
        let task = self.plan()?.tasks.get(task)?;
        Some(Place {
            gvk: task.gvk.clone(),
            namespace: task.reference.namespace.clone(),
            name: task.reference.name.clone(),
        })
    }

    /// What watched objects look like now, where that is news.
    pub(crate) fn news(&mut self, live: &Live) -> Vec<Event> {
        let mut events = Vec::new();
        for task in self.watches.keys().copied().collect::<Vec<_>>() {
            let Some(place) = self.place(task) else { continue };
            let doc = live.get(&place);
            let state = (doc.as_ref().map_or(0, version), doc.is_some());
            if self.watches.insert(task, Some(state)) != Some(Some(state)) {
                events.push(Event::Observed { task, live: doc });
            }
        }
        events
    }
}

impl Running {
    /// `status.operationState`
    pub(crate) fn state(&self, source: Option<&Doc>, now: Timestamp) -> Value {
        let mut value = Value::object();
        value.set(&["operation"], self.operation());
        let machine = self.machine.as_ref();
        let (phase, message) = match &self.done {
            Some((phase, message)) => (phase.to_string(), message.clone()),
            None => {
                let message = machine.map(|m| m.message().to_owned()).unwrap_or_default();
                let waiting = self
                    .retry_at
                    .map(|_| format!("trying again after: {}", self.last_failure));
                ("Running".to_owned(), waiting.unwrap_or(message))
            }
        };
        value.set(&["phase"], phase);
        value.set(&["message"], message);
        value.set(&["startedAt"], rfc3339(self.intent.started_at));
        if self.done.is_some() {
            value.set(&["finishedAt"], rfc3339(now));
        }
        if let Some(retries) = machine.map(|m| m.retry_count()).filter(|retries| *retries > 0) {
            value.set(&["retryCount"], retries);
        }
        let mut result = Value::object();
        result.set(&["revision"], &self.intent.revision);
        if let Some(source) = source {
            result.set(&["source"], source.root());
        }
        let results = machine.map(|m| m.results()).unwrap_or_default();
        result.set(
            &["resources"],
            results.iter().map(|result| result.to_value()).collect::<Value>(),
        );
        value.set(&["syncResult"], result);
        value
    }

    fn operation(&self) -> Value {
        if let Origin::Manual(operation) = &self.intent.origin
            && let Some(doc) = &operation.doc
        {
            return doc.clone().into();
        }
        let mut value = Value::object();
        value.set(&["sync", "revision"], &self.intent.revision);
        if self.intent.prune {
            value.set(&["sync", "prune"], true);
        }
        value.set(&["initiatedBy"], self.initiated_by());
        let why = match self.intent.origin {
            Origin::SelfHeal => Some("drift was corrected"),
            Origin::Rollback => Some("a bad revision was rolled back"),
            _ => None,
        };
        if let Some(why) = why {
            let mut info = Value::object();
            info.set(&["name"], "Reason");
            info.set(&["value"], why);
            value.set(&["info"], Value::from(vec![info]));
        }
        value
    }

    fn initiated_by(&self) -> Value {
        let mut value = Value::object();
        match &self.intent.origin {
            Origin::Manual(operation) if !operation.username.is_empty() => {
                value.set(&["username"], &operation.username)
            }
            Origin::Manual(_) => {}
            _ => value.set(&["automated"], true),
        }
        value
    }

    /// A `status.history` entry.
    pub(crate) fn history(&self, source: Option<&Doc>, now: Timestamp) -> Map {
        let mut entry = Map::new();
        entry.insert("revision", self.intent.revision.as_str());
        entry.insert("deployedAt", rfc3339(now));
        entry.insert("deployStartedAt", rfc3339(self.intent.started_at));
        if let Some(source) = source {
            entry.insert("source", source.root());
        }
        entry.insert("initiatedBy", self.initiated_by());
        entry
    }
}
