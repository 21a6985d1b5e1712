//! What is done without being asked: sync, put right, roll back.

use ridgeway_cluster::EventType;
use ridgeway_sync::{Health, IgnoreRule};

use crate::act::intent;
use crate::compare::{Comparing, Comparison, diff_options};
use crate::controller::{Deliver, Memory};
use crate::decide::{Decision, Situation, decide};
use crate::live::Place;
use crate::look::{Look, Synced, Wanted, short};
use crate::names;
use crate::operation::Origin;
use crate::rollback::{Seen, Verdict};
use crate::status::{self};

impl Deliver {
    /// Decides what to do by itself, and does it. Returns whether something was done.
    pub(crate) async fn decide(
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
                look.deployed = Synced {
                    revision,
                    digest: wanted.digest.clone(),
                    at,
                    failure: None,
                };
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
    pub(crate) fn judge(&self, look: &mut Look<'_>, health: &Health) -> bool {
        let Some(at) = look.deployed.at.filter(|_| look.app.rolls_back()) else {
            return false;
        };
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
            Verdict::Stuck => {
                let reason = look.trust.bad(&revision, "").map_or("", |entry| entry.reason.as_str());
                let text = format!(
                    "{} is bad, and no revision before it was ever healthy: {reason}",
                    short(&revision)
                );
                tracing::info!(application = %look.app.key, %revision, reason, "a bad revision with none to go back to");
                self.event(look.app.doc.root(), EventType::Warning, "RevisionUnhealthy", &text);
                true
            }
            Verdict::Restore(restored) => {
                let reason = look
                    .trust
                    .bad(&revision, "")
                    .map(|entry| entry.reason.clone())
                    .unwrap_or_default();
                let text = format!(
                    "{} is quarantined and {} restored: {reason}",
                    short(&revision),
                    short(&restored)
                );
                tracing::info!(application = %look.app.key, %revision, %restored, reason, "automatic rollback");
                self.event(look.app.doc.root(), EventType::Warning, "RolledBack", &text);
                true
            }
        }
    }

    /// Puts right what was changed by hand. Returns whether something was done.
    pub(crate) async fn heal(
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
                format!(
                    "{} is changed back again and again; find who changes it",
                    place.reference()
                ),
            );
        }
        if due.is_empty() {
            return false;
        }
        let table = self.cluster.kinds();
        let ignore = IgnoreRule::from_spec(look.app.doc.root().at(&["spec", "ignoreDifferences"])).unwrap_or_default();
        let diff = diff_options(ignore);
        let comparing = Comparing {
            live: &self.live,
            kinds: &table,
            instance: &look.instance,
            diff: &diff,
        };
        for resource in comparison
            .resources
            .iter()
            .filter(|resource| due.contains(&resource.place))
        {
            memory.pace.corrected(&resource.place);
            let drift = crate::drift::describe(resource, &comparing);
            self.event(
                look.app.doc.root(),
                EventType::Warning,
                "DriftCorrected",
                &drift.sentence(),
            );
            status::push_correction(&mut look.status, drift.to_value(look.now));
        }
        let mut intent = intent(Origin::SelfHeal, wanted, prune, look.now);
        intent.selected = Some(due.iter().map(Place::reference).collect());
        intent.skip_hooks = true;
        self.begin_sync(look, memory, wanted, comparison, intent).await;
        true
    }
}
