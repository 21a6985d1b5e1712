//! Syncs of an Application: started, driven, ended.

use std::collections::HashMap;

use jiff::Timestamp;
use ridgeway_cluster::{Causality, EventType, rfc3339};
use ridgeway_doc::Value;
use ridgeway_git::CommitId;
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_sync::{HealthStatus, OperationPhase, PlanOptions, SyncOptions};

use crate::compare::Comparison;
use crate::controller::{Deliver, Memory};
use crate::execute::Executor;
use crate::live::Place;
use crate::look::{Look, Synced, Wanted, short};
use crate::operation::{Intent, Origin, Running};
use crate::rollback::Quarantine;
use crate::spec::{Application, Operation, Retry};
use crate::status::{self};

impl Deliver {
    /// Lets a running sync go on. Returns whether it ended.
    pub(crate) async fn go_on(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        effective: Option<&Wanted>,
        comparison: &Comparison,
    ) -> bool {
        let Some(mut running) = memory.running.take() else {
            return true;
        };
        let revision: Option<CommitId> = running.intent.revision.parse().ok();
        let wanted = match (revision, effective) {
            (Some(revision), Some(effective)) if effective.commit == revision => Some(effective.clone()),
            (Some(revision), _) => self.try_wanted(look, memory, revision).await.ok(),
            (None, _) => None,
        };
        let origins = origins(wanted.as_ref());
        let executor = Executor {
            cluster: &*self.cluster,
            live: &self.live,
            origins: &|place| origins.get(place).cloned(),
        };
        let told = look
            .app
            .status()
            .and_then(|status| status.str_at(&["operationState", "phase"]));
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
                resource
                    .health
                    .as_ref()
                    .is_some_and(|health| health.status == HealthStatus::Degraded)
                    && running.waits_for(&resource.place)
            });
            if let (Some(resource), None) = (crashed, running.done()) {
                let message = resource
                    .health
                    .as_ref()
                    .map(|health| health.message.as_str())
                    .unwrap_or_default();
                running.fail(format!("{}: {message}", resource.place.reference()));
            }
        }
        self.after_step(look, memory, running)
    }

    /// Keeps a running sync, or takes in how it ended. Returns whether it ended.
    pub(crate) fn after_step(&self, look: &mut Look<'_>, memory: &mut Memory, mut running: Running) -> bool {
        // Repeating a half-applied bad revision delays what mends it: going back.
        let can_go_back = look.app.rolls_back()
            && look
                .trust
                .last_healthy
                .as_ref()
                .is_some_and(|healthy| *healthy != running.intent.revision);
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
                    format!(
                        "sync of {} failed and is tried again: {}",
                        short(&running.intent.revision),
                        running.last_failure()
                    ),
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
            look.attempt = Synced {
                revision: running.intent.revision.clone(),
                digest: running.intent.digest.clone(),
                failure: (!succeeded).then(|| message.clone()),
                at: Some(look.now),
            };
        }
        let replaces = running.intent.is_full() && !running.intent.dry_run && running.intent.origin != Origin::SelfHeal;
        if replaces && (succeeded || running.changed) {
            look.deployed = Synced {
                revision: running.intent.revision.clone(),
                digest: running.intent.digest.clone(),
                at: Some(look.now),
                failure: (!succeeded).then(|| message.clone()),
            };
        }
        if replaces && succeeded {
            status::push_history(
                &mut look.status,
                running.history(source, look.now),
                look.app.history_limit,
            );
        }
        let (event_type, reason) = if succeeded {
            (EventType::Normal, "OperationCompleted")
        } else {
            (EventType::Warning, "OperationFailed")
        };
        let text = format!("sync of {} {phase}: {message}", short(&running.intent.revision));
        self.event(look.app.doc.root(), event_type, reason, &text);
        true
    }

    pub(crate) fn plan(
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
    pub(crate) async fn begin_sync(
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
            Origin::Manual(operation) => operation.retry.unwrap_or(Retry {
                limit: 0,
                ..look.app.retry
            }),
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
        let executor = Executor {
            cluster: &*self.cluster,
            live: &self.live,
            origins: &|place| origins.get(place).cloned(),
        };
        executor.start(&mut running).await;
        self.after_step(look, memory, running);
    }

    /// Starts the sync that somebody asked for.
    pub(crate) async fn start_manual(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        operation: &Operation,
        head: Option<&Wanted>,
        comparison: &Comparison,
    ) {
        let asked = operation.revision.as_str();
        let wanted = if asked.is_empty() {
            head.cloned()
                .ok_or_else(|| "the target revision cannot be deployed; see the conditions".to_owned())
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
                look.status
                    .set(&["operationState"], failed_operation(operation, &why, look.now));
                look.condition(status::SYNC_ERROR, why);
                return;
            }
        };
        let partial = !operation.resources.is_empty() || operation.dry_run;
        if !partial {
            self.note_choice(look, operation, &wanted, head, comparison);
        }
        let fresh = self.compare(look, memory, &wanted.desired).await;
        let selected: Vec<ObjectRef> = operation
            .resources
            .iter()
            .map(|[group, kind, namespace, name]| ObjectRef {
                group: group.clone(),
                kind: kind.clone(),
                namespace: if namespace.is_empty() {
                    look.app.destination.namespace.clone()
                } else {
                    namespace.clone()
                },
                name: name.clone(),
            })
            .collect();
        let origin = Origin::Manual(Box::new(operation.clone()));
        let mut intent = intent(origin, &wanted, operation.prune, look.now);
        intent.dry_run = operation.dry_run;
        intent.selected = (!selected.is_empty()).then_some(selected);
        intent.skip_hooks = operation.skip_hooks || intent.selected.is_some();
        self.begin_sync(look, memory, &wanted, &fresh, intent).await;
    }

    /// Somebody chose a revision by hand: what they chose counts until the branch moves on.
    pub(crate) fn note_choice(
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
        let Some(head) = head.filter(|head| head.commit != wanted.commit && look.app.rolls_back()) else {
            return;
        };
        let who = if operation.username.is_empty() {
            "somebody"
        } else {
            &operation.username
        };
        look.trust.quarantine(Quarantine {
            revision: head.commit.to_string(),
            digest: if head.digest == wanted.digest {
                String::new()
            } else {
                head.digest.clone()
            },
            since: rfc3339(look.now),
            reason: format!("{who} deployed {} instead", wanted.commit.short()),
            restored: revision,
        });
    }

    pub(crate) fn supersede(&self, look: &mut Look<'_>, revision: &str, comparison: &Comparison) {
        if look.deployed.revision != revision && look.deployed.failure.is_none() {
            let health = comparison
                .health
                .as_ref()
                .map_or(HealthStatus::Unknown, |health| health.status);
            look.trust.superseded(&look.deployed.revision, health);
        }
    }

    /// The namespace to be made first, if the Application asks for that and it is not there.
    pub(crate) fn namespace_target(
        &self,
        app: &Application,
        comparison: &Comparison,
        options: &SyncOptions,
    ) -> Option<ridgeway_sync::Target> {
        let name = app.destination.namespace.as_str();
        let place = Place {
            gvk: Gvk::new("", "v1", "Namespace"),
            namespace: String::new(),
            name: name.into(),
        };
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
        Some(ridgeway_sync::Target {
            desired: Some(namespace.into_doc()),
            live: None,
            modified: false,
        })
    }
}

pub(crate) fn intent(origin: Origin, wanted: &Wanted, prune: bool, now: Timestamp) -> Intent {
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

pub(crate) fn plan_options(intent: &Intent, look: &Look<'_>) -> PlanOptions {
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

pub(crate) fn origins(wanted: Option<&Wanted>) -> HashMap<Place, String> {
    let objects = wanted.into_iter().flat_map(|wanted| wanted.desired.objects.iter());
    objects
        .map(|object| (object.place.clone(), object.origin.clone()))
        .collect()
}

pub(crate) fn failed_operation(operation: &Operation, why: &str, now: Timestamp) -> Value {
    let mut value = Value::object();
    value.set(&["operation"], operation.doc.clone().map(Value::from));
    value.set(&["phase"], "Error");
    value.set(&["message"], why);
    value.set(&["startedAt"], rfc3339(now));
    value.set(&["finishedAt"], rfc3339(now));
    value
}
