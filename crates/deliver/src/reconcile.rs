//! One look at one Application: observe, decide, act, write down.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ridgeway_cluster::{Causality, EventType, WriteOptions, rfc3339};
use ridgeway_doc::{Node, Value};
use ridgeway_git::CommitId;
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_sync::{Health, HealthStatus, IgnoreRule, OperationPhase, PlanOptions, SyncOptions};

use crate::compare::{Comparing, Comparison, diff_options};
use crate::controller::{Deliver, Memory, Work};
use crate::decide::{Attempt, Decision, Situation, decide};
use crate::desired::{Desired, Preparing, Rendering, Renderings};
use crate::live::Place;
use crate::names;
use crate::operation::{Executor, Intent, Origin, Running};
use crate::project::Project;
use crate::promotion::{PromotionSpec, StageStatus};
use crate::rollback::{Quarantine, Seen, Trust, Verdict};
use crate::spec::{AppKey, Application, Operation, Retry};
use crate::status::{self, Condition};

/// How many steps one look may take; each one acts, so there are few.
const MAX_STEPS: usize = 8;

/// What is deployed, as the status remembers it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deployed {
    pub(crate) revision: String,
    pub(crate) digest: String,
    pub(crate) at: Option<Timestamp>,
    /// How its sync failed after it changed something.
    pub(crate) failure: Option<String>,
}

/// The revision that is asked for.
#[derive(Clone, Debug, Default)]
struct Target {
    revision: Option<CommitId>,
    /// Whether the revision is only what is deployed, because the right one cannot be had.
    waiting: bool,
}

/// A revision with all it wants.
#[derive(Clone)]
struct Wanted {
    commit: CommitId,
    digest: String,
    source_type: String,
    desired: Desired,
}

/// What one look gathers on its way to the status.
struct Look<'a> {
    app: &'a Application,
    instance: String,
    project: Project,
    now: Timestamp,
    trust: Trust,
    deployed: Deployed,
    attempt: Attempt,
    status: Value,
    conditions: Vec<Condition>,
    /// When to look again.
    again: Duration,
    /// The `operation` in the object is done with.
    operation_done: bool,
    refreshed: bool,
}

impl Look<'_> {
    fn condition(&mut self, kind: &'static str, message: impl Into<String>) {
        let condition = Condition { kind, message: message.into() };
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    fn again_in(&mut self, pause: Duration) {
        self.again = self.again.min(pause.max(Duration::from_millis(5)));
    }
}

impl Deliver {
    /// Looks at an Application and does what is to be done.
    pub(crate) async fn reconcile(&self, key: &AppKey) {
        let memory = self.memory(key);
        let mut memory = memory.lock().await;
        let Some(doc) = self.application(key, memory.latest.as_ref()) else {
            drop(memory);
            self.forget(key);
            return;
        };
        let (app, faults) = Application::read(&doc);
        if app.is_deleting() {
            return self.cascade(&app, &mut memory).await;
        }
        let now = self.clock.now();
        let status = app.status();
        let mut look = Look {
            instance: key.instance(&self.options.control_plane),
            project: Project::permissive(&app.project),
            now,
            trust: Trust::read(status),
            deployed: Deployed::read(status),
            attempt: Attempt::read(status),
            status: status.map_or_else(Value::object, Node::to_value),
            conditions: Vec::new(),
            again: self.options.resync,
            operation_done: false,
            refreshed: app.annotation(names::REFRESH).is_some(),
            app: &app,
        };
        match self.project(&app.project) {
            Some(project) => {
                for fault in project.faults(&app, &self.options.control_plane) {
                    look.condition(status::INVALID_SPEC, fault);
                }
                look.project = project;
            }
            None => look.condition(
                status::INVALID_SPEC,
                format!("there is no project {:?}; create the AppProject or use project default", app.project),
            ),
        }
        for fault in faults {
            look.condition(status::INVALID_SPEC, fault);
        }
        if look.conditions.is_empty() {
            self.look(&mut look, &mut memory).await;
        } else {
            memory.running = None;
            look.status.set(&["sync", "status"], "Unknown");
            look.status.set(&["health"], status::health_value(&status::unknown_health("")));
        }
        self.write_status(look, &mut memory).await;
        drop(memory);
        self.wake_promotions(key);
    }

    async fn look(&self, look: &mut Look<'_>, memory: &mut Memory) {
        self.refresh(look, memory).await;
        let target = self.target(look).await;
        let head = match target.revision {
            Some(commit) => self.wanted(look, memory, commit).await,
            None => None,
        };
        let mut comparison = Comparison::default();
        let mut effective: Option<Wanted> = None;
        let mut source_type = String::new();
        for _ in 0..MAX_STEPS {
            effective = self.effective(look, memory, &target, head.as_ref()).await;
            let none = Desired::default();
            let desired = effective.as_ref().map_or(&none, |wanted| &wanted.desired);
            comparison = self.compare(look, memory, desired).await;
            if let Some(wanted) = &effective {
                source_type.clone_from(&wanted.source_type);
            }
            if memory.running.is_some() {
                if self.go_on(look, memory, effective.as_ref(), &comparison).await {
                    continue;
                }
                break;
            }
            if let Some(operation) = &look.app.operation
                && !look.operation_done
            {
                self.start_manual(look, memory, operation, head.as_ref(), &comparison).await;
                continue;
            }
            let Some(wanted) = &effective else { break };
            if !self.decide(look, memory, wanted, head.as_ref(), &comparison).await {
                break;
            }
        }
        self.describe(look, memory, &target, head.as_ref(), effective.as_ref(), &comparison);
        if !source_type.is_empty() {
            look.status.set(&["sourceType"], source_type);
        }
    }

    /// Answers the refresh annotation, and says what is wrong with a repository elsewhere.
    async fn refresh(&self, look: &mut Look<'_>, memory: &mut Memory) {
        let url = &look.app.source.repo_url;
        if look.refreshed {
            if look.app.annotation(names::REFRESH) == Some("hard") {
                memory.renderings.clear();
                memory.prepared.clear();
            }
            self.fetch(url).await;
        }
        let unfetched = self.unfetched.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        if let Some(why) = unfetched {
            look.condition(status::COMPARISON_ERROR, why);
        }
    }

    /// The revision that is asked for: what a Promotion let through, or the target's head.
    async fn target(&self, look: &mut Look<'_>) -> Target {
        match self.pin(look.app) {
            Pin::Free => {}
            Pin::To(revision) => match revision.parse() {
                Ok(commit) => return Target { revision: Some(commit), waiting: false },
                Err(_) => {
                    look.condition(status::COMPARISON_ERROR, format!("the promoted revision {revision:?} is no commit"));
                }
            },
            Pin::Waiting(why) => {
                look.condition(status::WAITING, why);
                return Target { revision: look.deployed.revision.parse().ok(), waiting: true };
            }
        }
        let source = &look.app.source;
        match self.repositories.resolve(&source.repo_url, &source.target_revision).await {
            Ok(commit) => Target { revision: Some(commit), waiting: false },
            Err(error) => {
                look.condition(status::COMPARISON_ERROR, error.to_string());
                Target::default()
            }
        }
    }

    /// What a Promotion says about an Application's revision.
    fn pin(&self, app: &Application) -> Pin {
        for doc in self.promotions() {
            let (spec, _) = PromotionSpec::read(doc.root());
            let Some(index) = spec.stages.iter().position(|stage| stage.app == app.key) else { continue };
            if index == 0 {
                return Pin::Free;
            }
            let status = doc.root().at(&["status", "stages"]).and_then(|stages| stages.item(index));
            let status = status.map(StageStatus::read).unwrap_or_default();
            if !status.revision.is_empty() {
                return Pin::To(status.revision);
            }
            let name = doc.root().str_at(&["metadata", "name"]).unwrap_or_default();
            let before = &spec.stages[index - 1].name;
            return Pin::Waiting(format!("Promotion {name}: waiting for a revision to pass {before}"));
        }
        match app.annotation(names::PROMOTION) {
            Some(name) => Pin::Waiting(format!("there is no Promotion {name} with this Application as a stage; create it")),
            None => Pin::Free,
        }
    }

    /// A commit rendered and made ready, or conditions that say why it cannot be.
    async fn wanted(&self, look: &mut Look<'_>, memory: &mut Memory, commit: CommitId) -> Option<Wanted> {
        match self.try_wanted(look, memory, commit).await {
            Ok(wanted) if wanted.desired.faults.is_empty() => {
                for warning in &wanted.desired.warnings {
                    look.condition(status::REPEATED, warning.clone());
                }
                Some(wanted)
            }
            Ok(wanted) => {
                for fault in wanted.desired.faults {
                    look.condition(status::COMPARISON_ERROR, format!("{}: {fault}", commit.short()));
                }
                None
            }
            Err(why) => {
                look.condition(status::COMPARISON_ERROR, format!("{}: {why}", commit.short()));
                None
            }
        }
    }

    async fn try_wanted(&self, look: &Look<'_>, memory: &mut Memory, commit: CommitId) -> Result<Wanted, String> {
        let rendering = self.rendering(look.app, memory, commit).await?;
        // Changes of kinds and projects change what can be applied; both are rare, and preparing is cheap.
        let kinds = self.cluster.kinds();
        let namespace = &look.app.destination.namespace;
        let stamp = format!("{}/{namespace}/{:p}/{:?}", rendering.digest, Arc::as_ptr(&kinds), look.project);
        let digest = format!("{}-{namespace}", rendering.digest);
        if let Some(known) = memory.prepared.get(&stamp) {
            let (desired, source_type) = (known.clone(), rendering.source_type);
            return Ok(Wanted { commit, digest, source_type, desired });
        }
        let preparing = Preparing { app: look.app, instance: &look.instance, kinds: &kinds, project: &look.project };
        let desired = preparing.prepare(&rendering.rendered);
        if memory.prepared.len() > 8 {
            memory.prepared.clear();
        }
        memory.prepared.insert(stamp, desired.clone());
        Ok(Wanted { commit, digest, source_type: rendering.source_type, desired })
    }

    async fn rendering(&self, app: &Application, memory: &mut Memory, commit: CommitId) -> Result<Rendering, String> {
        let source = app.source.doc.as_ref().map(|doc| doc.root().to_json()).unwrap_or_default();
        if let Some(known) = memory.renderings.known(&source, commit) {
            return Ok(known);
        }
        let snapshot = self.repositories.snapshot(&app.source.repo_url, commit).await.map_err(|e| e.to_string())?;
        let (kept, app) = (memory.renderings.all(), app.clone());
        let rendering = tokio::task::spawn_blocking(move || Renderings::render(kept, &app, &snapshot))
            .await
            .map_err(|_| "the renderer failed; please report the sources that make it do so".to_owned())??;
        memory.renderings.keep(rendering.clone());
        Ok(rendering)
    }

    /// The revision to deploy: the target, unless it proved bad or cannot be rendered.
    async fn effective(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        target: &Target,
        head: Option<&Wanted>,
    ) -> Option<Wanted> {
        let Some(head) = head else {
            // What is deployed is still looked after while nobody knows what else it should be.
            let commit = look.deployed.revision.parse().ok()?;
            return self.try_wanted(look, memory, commit).await.ok().filter(|wanted| wanted.desired.faults.is_empty());
        };
        let quarantine = look.trust.bad(&head.commit.to_string(), &head.digest).cloned();
        let Some(quarantine) = quarantine.filter(|_| look.app.rolls_back() && !target.waiting) else {
            return Some(head.clone());
        };
        let restored = quarantine.restored.parse().ok()?;
        look.condition(
            status::QUARANTINED,
            format!(
                "{} is quarantined since {} ({}); {} is deployed in its place, and the next commit that changes something \
                 will be tried",
                head.commit.short(),
                quarantine.since,
                quarantine.reason,
                short(&quarantine.restored)
            ),
        );
        self.try_wanted(look, memory, restored).await.ok().filter(|wanted| wanted.desired.faults.is_empty())
    }

    async fn compare(&self, look: &mut Look<'_>, memory: &mut Memory, desired: &Desired) -> Comparison {
        let mut kinds: Vec<Gvk> = desired.objects.iter().map(|object| object.place.gvk.clone()).collect();
        // What was deployed and is no longer wanted is found by the kinds that the status names.
        let old = look.status.node().get("resources").into_iter().flat_map(|list| list.items());
        kinds.extend(old.map(|item| {
            let part = |key: &str| item.str_at(&[key]).unwrap_or_default();
            Gvk::new(part("group"), part("version"), part("kind"))
        }));
        kinds.sort();
        kinds.dedup();
        self.live.ensure(kinds).await;
        let ignore = look.app.doc.root().at(&["spec", "ignoreDifferences"]);
        let ignore = IgnoreRule::from_spec(ignore).unwrap_or_else(|error| {
            look.condition(status::INVALID_SPEC, format!("spec.ignoreDifferences: {error}"));
            Vec::new()
        });
        let table = self.cluster.kinds();
        let diff = diff_options(ignore);
        let comparing = Comparing { live: &self.live, kinds: &table, instance: &look.instance, diff: &diff };
        comparing.compare(&desired.objects, &mut memory.verdicts)
    }

    /// Lets a running sync go on. Returns whether it ended.
    async fn go_on(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        effective: Option<&Wanted>,
        comparison: &Comparison,
    ) -> bool {
        let Some(mut running) = memory.running.take() else { return true };
        let revision: Option<CommitId> = running.intent.revision.parse().ok();
        let wanted = match (revision, effective) {
            (Some(revision), Some(effective)) if effective.commit == revision => Some(effective.clone()),
            (Some(revision), _) => self.try_wanted(look, memory, revision).await.ok(),
            (None, _) => None,
        };
        let origins = origins(wanted.as_ref());
        let executor =
            Executor { cluster: &*self.cluster, live: &self.live, origins: &|place| origins.get(place).cloned() };
        let told = look.app.status().and_then(|status| status.str_at(&["operationState", "phase"]));
        let superseded = !matches!(running.intent.origin, Origin::Manual(_))
            && effective.is_some_and(|effective| Some(effective.commit) != revision);
        if told == Some("Terminating") || superseded {
            executor.terminate(&mut running).await;
        } else if running.wants_plan() {
            let plan = match &wanted {
                Some(wanted) => {
                    let fresh = self.compare(look, memory, &wanted.desired).await;
                    let comparison = if running.intent.is_full() { &fresh } else { comparison };
                    self.plan(look, comparison, &running.intent)
                }
                None => Err("its revision can no longer be rendered".into()),
            };
            match plan {
                Ok(plan) => executor.replan(&mut running, plan).await,
                Err(_) => running.give_up(),
            }
        } else {
            executor.observe(&mut running).await;
            // The machine judges objects one by one; that a workload's Pods crash shows only in the comparison.
            let crashed = comparison.resources.iter().find(|resource| {
                resource.health.as_ref().is_some_and(|health| health.status == HealthStatus::Degraded)
                    && running.waits_for(&resource.place)
            });
            if let (Some(resource), None) = (crashed, running.done()) {
                let message = resource.health.as_ref().map(|health| health.message.as_str()).unwrap_or_default();
                running.fail(format!("{}: {message}", resource.place.reference()));
            }
        }
        self.after_step(look, memory, running)
    }

    /// Keeps a running sync, or takes in how it ended. Returns whether it ended.
    fn after_step(&self, look: &mut Look<'_>, memory: &mut Memory, mut running: Running) -> bool {
        // Repeating a half-applied bad revision delays what mends it: going back.
        let can_go_back = look.app.rolls_back()
            && look.trust.last_healthy.as_ref().is_some_and(|healthy| *healthy != running.intent.revision);
        let automatic = running.intent.origin == Origin::Automatic;
        if running.is_between_attempts() && automatic && running.changed && can_go_back {
            running.give_up();
        }
        let source = look.app.source.doc.as_ref();
        look.status.set(&["operationState"], running.state(source, look.now));
        let Some((phase, message)) = running.done().cloned() else {
            if running.is_between_attempts() {
                look.condition(
                    status::SYNC_ERROR,
                    format!("sync of {} failed and is tried again: {}", short(&running.intent.revision), running.last_failure()),
                );
            }
            if let Some(at) = running.retry_at() {
                look.again_in(at.saturating_duration_since(tokio::time::Instant::now()));
            }
            memory.running = Some(running);
            return false;
        };
        look.operation_done |= matches!(running.intent.origin, Origin::Manual(_));
        let succeeded = phase == OperationPhase::Succeeded;
        if !running.intent.dry_run && running.intent.origin != Origin::SelfHeal {
            look.attempt = Attempt {
                revision: running.intent.revision.clone(),
                digest: running.intent.digest.clone(),
                failure: (!succeeded).then(|| message.clone()),
                finished: Some(look.now),
            };
        }
        let replaces = running.intent.is_full() && !running.intent.dry_run && running.intent.origin != Origin::SelfHeal;
        if replaces && (succeeded || running.changed) {
            look.deployed = Deployed {
                revision: running.intent.revision.clone(),
                digest: running.intent.digest.clone(),
                at: Some(look.now),
                failure: (!succeeded).then(|| message.clone()),
            };
        }
        if replaces && succeeded {
            status::push_history(&mut look.status, running.history(source, look.now), look.app.history_limit);
        }
        let (event_type, reason) =
            if succeeded { (EventType::Normal, "OperationCompleted") } else { (EventType::Warning, "OperationFailed") };
        let text = format!("sync of {} {phase}: {message}", short(&running.intent.revision));
        self.event(look.app.doc.root(), event_type, reason, &text);
        true
    }

    fn plan(
        &self,
        look: &Look<'_>,
        comparison: &Comparison,
        intent: &Intent,
    ) -> Result<ridgeway_sync::Plan, String> {
        let (options, skip_hooks) = (&plan_options(intent, look), intent.skip_hooks);
        let mut targets = comparison.targets(skip_hooks);
        if let Some(target) = self.namespace_target(look.app, comparison, &options.sync) {
            targets.push(target);
        }
        ridgeway_sync::plan(&targets, options).map_err(|error| error.to_string())
    }

    /// Starts a sync and drives it as far as it goes without waiting.
    async fn begin_sync(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        wanted: &Wanted,
        comparison: &Comparison,
        intent: Intent,
    ) {
        let causality = match &intent.origin {
            Origin::SelfHeal => Causality::new(format!("drift:{}@{}", look.instance, intent.revision)),
            _ => Causality::new(format!("git:{}", intent.revision)),
        };
        let retry = match &intent.origin {
            Origin::Manual(operation) => operation.retry.unwrap_or(Retry { limit: 0, ..look.app.retry }),
            _ => look.app.retry,
        };
        let retry = ridgeway_sync::Retry {
            limit: retry.limit,
            base: retry.pause,
            factor: u32::try_from(retry.factor).unwrap_or(2),
            max: retry.max,
        };
        let mut running = match self.plan(look, comparison, &intent) {
            Ok(plan) => Running::new(intent, plan, retry, causality),
            Err(why) => {
                look.condition(status::SYNC_ERROR, why.clone());
                self.after_step(look, memory, Running::unplanned(intent, causality, why));
                return;
            }
        };
        self.live.ensure(running.kinds()).await;
        let origins = origins(Some(wanted));
        let executor =
            Executor { cluster: &*self.cluster, live: &self.live, origins: &|place| origins.get(place).cloned() };
        executor.start(&mut running).await;
        self.after_step(look, memory, running);
    }

    /// Starts the sync that somebody asked for.
    async fn start_manual(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        operation: &Operation,
        head: Option<&Wanted>,
        comparison: &Comparison,
    ) {
        let asked = operation.revision.as_str();
        let wanted = if asked.is_empty() {
            head.cloned().ok_or_else(|| "the target revision cannot be deployed; see the conditions".to_owned())
        } else {
            match self.repositories.resolve(&look.app.source.repo_url, asked).await {
                Ok(commit) => self.try_wanted(look, memory, commit).await,
                Err(error) => Err(error.to_string()),
            }
        };
        let wanted = wanted.and_then(|wanted| match wanted.desired.faults.first() {
            Some(fault) => Err(format!("{}: {fault}", wanted.commit.short())),
            None => Ok(wanted),
        });
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(why) => {
                look.operation_done = true;
                look.status.set(&["operationState"], failed_operation(operation, &why, look.now));
                look.condition(status::SYNC_ERROR, why);
                return;
            }
        };
        let partial = !operation.resources.is_empty() || operation.dry_run;
        if !partial {
            self.note_choice(look, operation, &wanted, head, comparison);
        }
        let fresh = self.compare(look, memory, &wanted.desired).await;
        let selected: Vec<ObjectRef> = operation.resources.iter().map(|[group, kind, namespace, name]| ObjectRef {
            group: group.clone(),
            kind: kind.clone(),
            namespace: if namespace.is_empty() { look.app.destination.namespace.clone() } else { namespace.clone() },
            name: name.clone(),
        }).collect();
        let origin = Origin::Manual(Box::new(operation.clone()));
        let mut intent = intent(origin, &wanted, operation.prune, look.now);
        intent.dry_run = operation.dry_run;
        intent.selected = (!selected.is_empty()).then_some(selected);
        intent.skip_hooks = operation.skip_hooks || intent.selected.is_some();
        self.begin_sync(look, memory, &wanted, &fresh, intent).await;
    }

    /// Somebody chose a revision by hand: what they chose counts until the branch moves on.
    fn note_choice(
        &self,
        look: &mut Look<'_>,
        operation: &Operation,
        wanted: &Wanted,
        head: Option<&Wanted>,
        comparison: &Comparison,
    ) {
        let revision = wanted.commit.to_string();
        self.supersede(look, &revision, comparison);
        look.trust.pardon(&revision, &wanted.digest);
        let Some(head) = head.filter(|head| head.commit != wanted.commit && look.app.rolls_back()) else { return };
        let who = if operation.username.is_empty() { "somebody" } else { &operation.username };
        look.trust.quarantine(Quarantine {
            revision: head.commit.to_string(),
            digest: if head.digest == wanted.digest { String::new() } else { head.digest.clone() },
            since: rfc3339(look.now),
            reason: format!("{who} deployed {} instead", wanted.commit.short()),
            restored: revision,
        });
    }

    fn supersede(&self, look: &mut Look<'_>, revision: &str, comparison: &Comparison) {
        if look.deployed.revision != revision && look.deployed.failure.is_none() {
            let health = comparison.health.as_ref().map_or(HealthStatus::Unknown, |health| health.status);
            look.trust.superseded(&look.deployed.revision, health);
        }
    }

    /// Decides what to do by itself, and does it. Returns whether something was done.
    async fn decide(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        wanted: &Wanted,
        head: Option<&Wanted>,
        comparison: &Comparison,
    ) -> bool {
        let revision = wanted.commit.to_string();
        let health = comparison.health.clone().unwrap_or_else(|| status::unknown_health(""));
        let situation = Situation {
            automated: look.app.automated,
            revision: &revision,
            digest: &wanted.digest,
            deployed: &look.deployed,
            attempt: &look.attempt,
            comparison,
            now: look.now,
            retry_failed: self.options.retry_failed,
        };
        let prune = look.app.automated.is_some_and(|automated| automated.prune);
        match decide(&situation) {
            Decision::Nothing => {}
            Decision::Refuse(why) => look.condition(status::SYNC_ERROR, why),
            Decision::Adopt => {
                // The commit changed nothing here: what runs is what it wants.
                let same = look.deployed.digest == wanted.digest && look.deployed.at.is_some();
                let at = if same { look.deployed.at } else { Some(look.now) };
                if look.trust.last_healthy.as_deref() == Some(&look.deployed.revision) && same {
                    look.trust.last_healthy = Some(revision.clone());
                }
                look.deployed = Deployed { revision, digest: wanted.digest.clone(), at, failure: None };
            }
            Decision::Sync => {
                let back = head.is_none_or(|head| head.commit != wanted.commit);
                if !back {
                    self.supersede(look, &revision, comparison);
                }
                let origin = if back { Origin::Rollback } else { Origin::Automatic };
                let intent = intent(origin, wanted, prune, look.now);
                self.begin_sync(look, memory, wanted, comparison, intent).await;
                return true;
            }
            Decision::Heal(places) => return self.heal(look, memory, wanted, comparison, places, prune).await,
        }
        self.judge(look, &health)
    }

    /// Judges the deployed revision. Returns whether another one is to be deployed.
    fn judge(&self, look: &mut Look<'_>, health: &Health) -> bool {
        let Some(at) = look.deployed.at.filter(|_| look.app.rolls_back()) else { return false };
        let (revision, digest) = (look.deployed.revision.clone(), look.deployed.digest.clone());
        let verdict = look.trust.judge(&Seen {
            now: look.now,
            deployed: &revision,
            digest: &digest,
            deployed_at: at,
            failure: look.deployed.failure.as_deref(),
            health: health.status,
            health_message: &health.message,
            window: look.app.duration(names::ROLLBACK_WINDOW, self.options.rollback_window),
            deadline: look.app.duration(names::HEALTH_DEADLINE, self.options.health_deadline),
        });
        match verdict {
            Verdict::Fine => false,
            Verdict::Watch(pause) => {
                look.again_in(pause);
                false
            }
            Verdict::Restore(restored) => {
                let reason = look.trust.bad(&revision, "").map(|entry| entry.reason.clone()).unwrap_or_default();
                let text = format!("{} is quarantined and {} restored: {reason}", short(&revision), short(&restored));
                tracing::info!(application = %look.app.key, %revision, %restored, reason, "automatic rollback");
                self.event(look.app.doc.root(), EventType::Warning, "RolledBack", &text);
                true
            }
        }
    }

    /// Puts right what was changed by hand. Returns whether something was done.
    async fn heal(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        wanted: &Wanted,
        comparison: &Comparison,
        places: Vec<Place>,
        prune: bool,
    ) -> bool {
        let (due, later): (Vec<Place>, Vec<Place>) =
            places.into_iter().partition(|place| memory.pace.pause(place).is_zero());
        for place in &later {
            look.again_in(memory.pace.pause(place));
            look.condition(
                status::SYNC_ERROR,
                format!("{} is changed back again and again; find who changes it", place.reference()),
            );
        }
        if due.is_empty() {
            return false;
        }
        let table = self.cluster.kinds();
        let ignore = IgnoreRule::from_spec(look.app.doc.root().at(&["spec", "ignoreDifferences"])).unwrap_or_default();
        let diff = diff_options(ignore);
        let comparing = Comparing { live: &self.live, kinds: &table, instance: &look.instance, diff: &diff };
        for resource in comparison.resources.iter().filter(|resource| due.contains(&resource.place)) {
            memory.pace.corrected(&resource.place);
            let drift = crate::drift::describe(resource, &comparing);
            self.event(look.app.doc.root(), EventType::Warning, "DriftCorrected", &drift.sentence());
            status::push_correction(&mut look.status, drift.to_value(look.now));
        }
        let mut intent = intent(Origin::SelfHeal, wanted, prune, look.now);
        intent.selected = Some(due.iter().map(Place::reference).collect());
        intent.skip_hooks = true;
        self.begin_sync(look, memory, wanted, comparison, intent).await;
        true
    }

    /// Writes what was seen into the status.
    fn describe(
        &self,
        look: &mut Look<'_>,
        memory: &Memory,
        target: &Target,
        head: Option<&Wanted>,
        effective: Option<&Wanted>,
        comparison: &Comparison,
    ) {
        let at_target = match (head, effective) {
            (Some(head), Some(effective)) => head.commit == effective.commit && !target.waiting,
            _ => false,
        };
        let sync = match (head, target.waiting) {
            (None, false) => "Unknown",
            _ if at_target && comparison.synced => "Synced",
            _ => "OutOfSync",
        };
        look.status.set(&["sync", "status"], sync);
        if let Some(revision) = target.revision.filter(|_| !target.waiting) {
            look.status.set(&["sync", "revision"], revision.to_string());
        }
        look.status.set(&["sync", "comparedTo"], status::compared_to(look.app));
        if effective.is_some() || head.is_some() {
            look.status.set(&["resources"], status::resources(comparison));
            look.status.set(&["summary"], status::summary(comparison));
        }
        let health = match (&comparison.health, effective) {
            (Some(health), Some(_)) => health.clone(),
            _ if target.waiting => Health { status: HealthStatus::Missing, message: "nothing has come here yet".into() },
            _ => status::unknown_health(""),
        };
        let old = look.app.status().and_then(|status| status.str_at(&["health", "status"])).map(str::to_owned);
        let changed = old.as_deref() != Some(health.status.to_string().as_str());
        let mut value = status::health_value(&health);
        let since = look.app.status().and_then(|status| status.str_at(&["health", "lastTransitionTime"]));
        let since = since.filter(|_| !changed).map_or_else(|| rfc3339(look.now), str::to_owned);
        value.set(&["lastTransitionTime"], since);
        look.status.set(&["health"], value);
        if let Some(failure) = &look.attempt.failure
            && memory.running.is_none()
            && effective.is_some_and(|effective| effective.commit.to_string() == look.attempt.revision)
        {
            let text = format!("sync of {} failed: {failure}", short(&look.attempt.revision));
            look.condition(status::SYNC_ERROR, text);
            look.again_in(self.options.retry_failed);
        }
    }

    async fn write_status(&self, mut look: Look<'_>, memory: &mut Memory) {
        look.trust.write(&mut look.status);
        look.deployed.write(&mut look.status);
        look.attempt.write(&mut look.status);
        let app = look.app;
        let old = app.status();
        let conditions = status::conditions(&look.conditions, old.and_then(|status| status.get("conditions")), look.now);
        look.status.set(&["conditions"], conditions);
        look.status.set(&["controllerNamespace"], self.options.control_plane.as_str());
        let mut patch = Value::object();
        let reconciled = old.and_then(|status| status.str_at(&["reconciledAt"])).and_then(|t| t.parse::<Timestamp>().ok());
        let stale = reconciled.is_none_or(|at| look.now.duration_since(at).as_secs() >= self.options.resync.as_secs() as i64);
        let inner = status::merge_patch(old, look.status.node());
        if inner.is_some() || stale || look.refreshed {
            look.status.set(&["reconciledAt"], rfc3339(look.now));
            patch.set(&["status"], status::merge_patch(old, look.status.node()).unwrap_or_else(Value::object));
        }
        if look.refreshed {
            patch.set(&["metadata", "annotations", names::REFRESH], Value::NULL);
        }
        if look.operation_done {
            patch.set(&["operation"], Value::NULL);
        }
        if let Some(pause) = memory.wake(look.again) {
            self.queue.add_after(Work::Application(app.key.clone()), pause);
        }
        if patch.node().is_empty() {
            return;
        }
        let options = WriteOptions::by(names::STATUS_MANAGER, None);
        let (namespace, name) = (&app.key.namespace, &app.key.name);
        match self.cluster.merge_patch(&names::application(), namespace, name, patch, options).await {
            Ok(doc) => memory.latest = Some(doc),
            Err(error) => {
                tracing::warn!(application = %app.key, %error, "the status could not be written");
                self.queue.add_after(Work::Application(app.key.clone()), Duration::from_millis(200));
            }
        }
    }

    /// The namespace to be made first, if the Application asks for that and it is not there.
    fn namespace_target(
        &self,
        app: &Application,
        comparison: &Comparison,
        options: &SyncOptions,
    ) -> Option<ridgeway_sync::Target> {
        let name = app.destination.namespace.as_str();
        let place = Place { gvk: Gvk::new("", "v1", "Namespace"), namespace: String::new(), name: name.into() };
        let wanted = comparison.resources.iter().any(|resource| resource.place == place);
        if !options.create_namespace || name.is_empty() || wanted || self.live.get(&place).is_some() {
            return None;
        }
        let mut namespace = Value::object();
        namespace.set(&["apiVersion"], "v1");
        namespace.set(&["kind"], "Namespace");
        namespace.set(&["metadata", "name"], name);
        let managed = app.doc.root().at(&["spec", "syncPolicy", "managedNamespaceMetadata"]);
        for part in ["labels", "annotations"] {
            if let Some(value) = managed.and_then(|managed| managed.get(part)) {
                namespace.set(&["metadata", part], value);
            }
        }
        Some(ridgeway_sync::Target { desired: Some(namespace.into_doc()), live: None, modified: false })
    }
}

/// What a Promotion says about an Application's revision.
enum Pin {
    /// It follows its own target.
    Free,
    /// It deploys this commit.
    To(String),
    /// Nothing may come yet.
    Waiting(String),
}

fn intent(origin: Origin, wanted: &Wanted, prune: bool, now: Timestamp) -> Intent {
    Intent {
        origin,
        revision: wanted.commit.to_string(),
        digest: wanted.digest.clone(),
        prune,
        dry_run: false,
        selected: None,
        skip_hooks: false,
        started_at: now,
    }
}

fn plan_options(intent: &Intent, look: &Look<'_>) -> PlanOptions {
    let app = look.app;
    let mut list: Vec<String> = app.options.clone();
    if let Origin::Manual(operation) = &intent.origin {
        list.extend(operation.options.iter().cloned());
        if operation.force {
            list.push("Force=true".into());
        }
    }
    let list: Value = list.into_iter().collect();
    PlanOptions {
        namespace: app.destination.namespace.clone(),
        revision: intent.revision.clone(),
        prune: intent.prune,
        dry_run: intent.dry_run,
        sync: SyncOptions::from_list(Some(list.node())),
        selected: intent.selected.clone(),
        started_at: intent.started_at.as_second(),
        prune_confirmed: app.annotation("argocd.argoproj.io/deletion-approved").is_some(),
    }
}

fn origins(wanted: Option<&Wanted>) -> HashMap<Place, String> {
    let objects = wanted.into_iter().flat_map(|wanted| wanted.desired.objects.iter());
    objects.map(|object| (object.place.clone(), object.origin.clone())).collect()
}

pub(crate) fn short(revision: &str) -> &str {
    revision.get(..7).unwrap_or(revision)
}

fn failed_operation(operation: &Operation, why: &str, now: Timestamp) -> Value {
    let mut value = Value::object();
    value.set(&["operation"], operation.doc.clone().map(Value::from));
    value.set(&["phase"], "Error");
    value.set(&["message"], why);
    value.set(&["startedAt"], rfc3339(now));
    value.set(&["finishedAt"], rfc3339(now));
    value
}

impl Deployed {
    pub(crate) fn read(status: Option<Node<'_>>) -> Deployed {
        let Some(node) = status.and_then(|status| status.get("deployed")) else { return Deployed::default() };
        let part = |key: &str| node.str_at(&[key]).unwrap_or_default();
        Deployed {
            revision: part("revision").into(),
            digest: part("digest").into(),
            at: part("at").parse().ok(),
            failure: node.str_at(&["failure"]).map(str::to_owned),
        }
    }

    fn write(&self, status: &mut Value) {
        if self.revision.is_empty() {
            return;
        }
        let mut value = Value::object();
        value.set(&["revision"], &self.revision);
        value.set(&["digest"], &self.digest);
        value.set(&["at"], self.at.map(rfc3339));
        value.set(&["failure"], self.failure.as_deref());
        status.set(&["deployed"], value);
    }
}
