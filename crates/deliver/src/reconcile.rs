//! One look at one Application: what is asked for, what is wanted, what there is.

use std::sync::{Arc, PoisonError};

use ridgeway_doc::{Node, Value};
use ridgeway_git::CommitId;
use ridgeway_krm::Gvk;
use ridgeway_sync::IgnoreRule;

use crate::compare::{Comparing, Comparison, diff_options};
use crate::controller::{Deliver, Memory};
use crate::desired::{Desired, Preparing, Rendering, Renderings};
use crate::look::{ATTEMPT, DEPLOYED, Look, Pin, Synced, Target, Wanted, short};
use crate::names;
use crate::project::Project;
use crate::promotion::{PromotionSpec, StageStatus};
use crate::rollback::Trust;
use crate::spec::{AppKey, Application};
use crate::status::{self};

/// How many steps one look may take; each one acts, so there are few.
const MAX_STEPS: usize = 8;

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
            deployed: Synced::read(status, DEPLOYED),
            attempt: Synced::read(status, ATTEMPT),
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
                format!(
                    "there is no project {:?}; create the AppProject or use project default",
                    app.project
                ),
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
            look.status
                .set(&["health"], status::health_value(&status::unknown_health("")));
        }
        self.write_status(look, &mut memory).await;
        drop(memory);
        self.wake_promotions(key);
    }

    pub(crate) async fn look(&self, look: &mut Look<'_>, memory: &mut Memory) {
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
                self.start_manual(look, memory, operation, head.as_ref(), &comparison)
                    .await;
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
    pub(crate) async fn refresh(&self, look: &mut Look<'_>, memory: &mut Memory) {
        let url = &look.app.source.repo_url;
        if look.refreshed {
            if look.app.annotation(names::REFRESH) == Some("hard") {
                memory.renderings.clear();
                memory.prepared.clear();
            }
            self.fetch(url).await;
        }
        let unfetched = self
            .unfetched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(url)
            .cloned();
        if let Some(why) = unfetched {
            look.condition(status::COMPARISON_ERROR, why);
        }
    }

    /// The revision that is asked for: what a Promotion let through, or the target's head.
    pub(crate) async fn target(&self, look: &mut Look<'_>) -> Target {
        match self.pin(look.app) {
            Pin::Free => {}
            Pin::To(revision) => match revision.parse() {
                Ok(commit) => {
                    return Target {
                        revision: Some(commit),
                        waiting: false,
                    };
                }
                Err(_) => {
                    look.condition(
                        status::COMPARISON_ERROR,
                        format!("the promoted revision {revision:?} is no commit"),
                    );
                }
            },
            Pin::Waiting(why) => {
                look.condition(status::WAITING, why);
                return Target {
                    revision: look.deployed.revision.parse().ok(),
                    waiting: true,
                };
            }
        }
        let source = &look.app.source;
        match self
            .repositories
            .resolve(&source.repo_url, &source.target_revision)
            .await
        {
            Ok(commit) => Target {
                revision: Some(commit),
                waiting: false,
            },
            Err(error) => {
                look.condition(status::COMPARISON_ERROR, crate::credentials::told(&error));
                Target::default()
            }
        }
    }

    /// What a Promotion says about an Application's revision.
    pub(crate) fn pin(&self, app: &Application) -> Pin {
        for doc in self.promotions() {
            let (spec, _) = PromotionSpec::read(doc.root());
            let Some(index) = spec.stages.iter().position(|stage| stage.app == app.key) else {
                continue;
            };
            if index == 0 {
                return Pin::Free;
            }
            let status = doc
                .root()
                .at(&["status", "stages"])
                .and_then(|stages| stages.item(index));
            let status = status.map(StageStatus::read).unwrap_or_default();
            if !status.revision.is_empty() {
                return Pin::To(status.revision);
            }
            let name = doc.root().str_at(&["metadata", "name"]).unwrap_or_default();
            let before = &spec.stages[index - 1].name;
            return Pin::Waiting(format!("Promotion {name}: waiting for a revision to pass {before}"));
        }
        match app.annotation(names::PROMOTION) {
            Some(name) => Pin::Waiting(format!(
                "there is no Promotion {name} with this Application as a stage; create it"
            )),
            None => Pin::Free,
        }
    }

    /// A commit rendered and made ready, or conditions that say why it cannot be.
    pub(crate) async fn wanted(&self, look: &mut Look<'_>, memory: &mut Memory, commit: CommitId) -> Option<Wanted> {
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

    pub(crate) async fn try_wanted(
        &self,
        look: &Look<'_>,
        memory: &mut Memory,
        commit: CommitId,
    ) -> Result<Wanted, String> {
        let rendering = self.rendering(look.app, memory, commit).await?;
        // Changes of kinds and projects change what can be applied; both are rare, and preparing is cheap.
        let kinds = self.cluster.kinds();
        let namespace = &look.app.destination.namespace;
        let stamp = format!(
            "{}/{namespace}/{:p}/{:?}",
            rendering.digest,
            Arc::as_ptr(&kinds),
            look.project
        );
        let digest = format!("{}-{namespace}", rendering.digest);
        if let Some(known) = memory.prepared.get(&stamp) {
            let (desired, source_type) = (known.clone(), rendering.source_type);
            return Ok(Wanted {
                commit,
                digest,
                source_type,
                desired,
            });
        }
        let preparing = Preparing {
            app: look.app,
            instance: &look.instance,
            kinds: &kinds,
            project: &look.project,
        };
        let desired = preparing.prepare(&rendering.rendered);
        if memory.prepared.len() > 8 {
            memory.prepared.clear();
        }
        memory.prepared.insert(stamp, desired.clone());
        Ok(Wanted {
            commit,
            digest,
            source_type: rendering.source_type,
            desired,
        })
    }

    pub(crate) async fn rendering(
        &self,
        app: &Application,
        memory: &mut Memory,
        commit: CommitId,
    ) -> Result<Rendering, String> {
        let source = app
            .source
            .doc
            .as_ref()
            .map(|doc| doc.root().to_json())
            .unwrap_or_default();
        if let Some(known) = memory.renderings.known(&source, commit) {
            return Ok(known);
        }
        let snapshot = self
            .repositories
            .snapshot(&app.source.repo_url, commit)
            .await
            .map_err(|e| e.to_string())?;
        let (kept, app) = (memory.renderings.all(), app.clone());
        let rendering = tokio::task::spawn_blocking(move || Renderings::render(kept, &app, &snapshot))
            .await
            .map_err(|_| "the renderer failed; please report the sources that make it do so".to_owned())??;
        memory.renderings.keep(rendering.clone());
        Ok(rendering)
    }

    /// The revision to deploy: the target, unless it proved bad or cannot be rendered.
    pub(crate) async fn effective(
        &self,
        look: &mut Look<'_>,
        memory: &mut Memory,
        target: &Target,
        head: Option<&Wanted>,
    ) -> Option<Wanted> {
        let Some(head) = head else {
            // What is deployed is still looked after while nobody knows what else it should be.
            let commit = look.deployed.revision.parse().ok()?;
            return self
                .try_wanted(look, memory, commit)
                .await
                .ok()
                .filter(|wanted| wanted.desired.faults.is_empty());
        };
        let quarantine = look.trust.bad(&head.commit.to_string(), &head.digest).cloned();
        let Some(quarantine) = quarantine.filter(|_| look.app.rolls_back() && !target.waiting) else {
            return Some(head.clone());
        };
        if quarantine.restored.is_empty() {
            look.condition(
                status::QUARANTINED,
                format!(
                    "{} is bad since {} ({}), and no revision before it was ever healthy: it stays deployed, and goes no \
                     further; push a commit that mends it, which is tried at once, or set right what it waits for",
                    head.commit.short(),
                    quarantine.since,
                    quarantine.reason,
                ),
            );
            return Some(head.clone());
        }
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
        self.try_wanted(look, memory, restored)
            .await
            .ok()
            .filter(|wanted| wanted.desired.faults.is_empty())
    }

    pub(crate) async fn compare(&self, look: &mut Look<'_>, memory: &mut Memory, desired: &Desired) -> Comparison {
        let mut kinds: Vec<Gvk> = desired.objects.iter().map(|object| object.place.gvk.clone()).collect();
        // What was deployed and is no longer wanted is found by the kinds that the status names.
        let old = look
            .status
            .node()
            .get("resources")
            .into_iter()
            .flat_map(|list| list.items());
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
        let comparing = Comparing {
            live: &self.live,
            kinds: &table,
            instance: &look.instance,
            diff: &diff,
        };
        comparing.compare(&desired.objects, &mut memory.verdicts)
    }
}
