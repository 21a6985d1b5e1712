//! Automatic rollback: when a revision is trusted, when it is quarantined, and which one is deployed then.
//!
//! Pure: what is known of an Application and what is seen of it go in, a verdict comes out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Node, Value};
use ridgeway_sync::HealthStatus;

/// How many quarantined revisions are remembered.
const MAX_QUARANTINED: usize = 10;

/// A revision that is not deployed again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The commit.
    pub revision: String,
    /// A digest of what it rendered to: a later commit that renders to the same is no new try.
    pub digest: String,
    /// Since when, as RFC 3339.
    pub since: String,
    /// What went wrong.
    pub reason: String,
    /// The revision that was restored in its place; empty when there was none that had ever been healthy: then it stays.
    pub restored: String,
}

/// What is remembered of an Application's revisions; kept in its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The latest revision that proved healthy.
    pub last_healthy: Option<String>,
    /// The revision whose health is being watched, and since when it has been healthy without a break.
    pub healthy_since: Option<(String, Timestamp)>,
    /// Revisions that proved bad.
    pub quarantined: Vec<Quarantine>,
}

/// What is seen of an Application.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The present.
    pub now: Timestamp,
    /// The revision deployed now.
    pub deployed: &'a str,
    /// A digest of what it renders to.
    pub digest: &'a str,
    /// When its sync ended (or gave up).
    pub deployed_at: Timestamp,
    /// Why the sync of it failed after changing something, if it did.
    pub failure: Option<&'a str>,
    /// The health of what runs.
    pub health: HealthStatus,
    /// Why.
    pub health_message: &'a str,
    /// How long it must be healthy without a break.
    pub window: Duration,
    /// How long it may take to become healthy.
    pub deadline: Duration,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Look again after a time.
    Watch(Duration),
    /// The deployed revision is bad; deploy this one.
    Restore(String),
    /// The deployed revision is found bad just now, and none before it was ever healthy: it stays, and is marked.
    Stuck,
}

impl Trust {
    /// Judges the deployed revision, remembering what is to be remembered.
    pub fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        let age = seen.now.duration_since(seen.deployed_at);
        let trusted = self.last_healthy.as_deref() == Some(seen.deployed);
        let late = age >= signed(seen.deadline);
        let bad = match seen.health {
            _ if seen.failure.is_some() => seen.failure.map(str::to_owned),
            HealthStatus::Degraded => Some(or(seen.health_message, "its health became Degraded")),
            HealthStatus::Progressing | HealthStatus::Missing if late && !trusted => Some(format!(
                "it was not healthy {} s after its sync ({})",
                age.as_secs(),
                or(seen.health_message, "still progressing")
            )),
            _ => None,
        };
        if let Some(reason) = bad {
            self.healthy_since = None;
            if trusted {
                // It was healthy for long enough: what broke is not the revision, and an older one would not mend it.
                return Verdict::Fine;
            }
            let restored = self.last_healthy.clone();
            let known = self
                .bad(seen.deployed, "")
                .is_some_and(|entry| entry.reason == reason && entry.restored.is_empty());
            if restored.is_none() && known {
                return Verdict::Fine;
            }
            self.quarantine(Quarantine {
                revision: seen.deployed.to_owned(),
                digest: seen.digest.to_owned(),
                since: rfc3339(seen.now),
                reason,
                restored: restored.clone().unwrap_or_default(),
            });
            return restored.map_or(Verdict::Stuck, Verdict::Restore);
        }
        match seen.health {
            HealthStatus::Healthy | HealthStatus::Suspended => {
                let since = match &self.healthy_since {
                    Some((revision, since)) if revision == seen.deployed => *since,
                    _ => {
                        self.healthy_since = Some((seen.deployed.to_owned(), seen.now));
                        seen.now
                    }
                };
                let healthy = seen.now.duration_since(since);
                // The first revision of all is taken for good at once: there is nothing better to fall back on.
                if healthy >= signed(seen.window) || self.last_healthy.is_none() {
                    // A first revision that was marked may come round: what it waited for is there now.
                    self.quarantined
                        .retain(|entry| entry.revision != seen.deployed || !entry.restored.is_empty());
                    self.last_healthy = Some(seen.deployed.to_owned());
                    return Verdict::Fine;
                }
                if trusted {
                    Verdict::Fine
                } else {
                    Verdict::Watch(unsigned(signed(seen.window) - healthy))
                }
            }
            _ => {
                self.healthy_since = None;
                if trusted || late {
                    Verdict::Fine
                } else {
                    Verdict::Watch(unsigned(signed(seen.deadline) - age))
                }
            }
        }
    }

    /// Says that another revision is about to be deployed: one that is healthy at that moment is good enough to return
    /// to, even if it was not watched to the end.
    pub fn superseded(&mut self, deployed: &str, health: HealthStatus) {
        if health == HealthStatus::Healthy && !deployed.is_empty() && self.bad(deployed, "").is_none() {
            self.last_healthy = Some(deployed.to_owned());
        }
    }

    /// The quarantine entry of a revision, or of one that rendered to the same.
    pub fn bad(&self, revision: &str, digest: &str) -> Option<&Quarantine> {
        let same = |entry: &&Quarantine| entry.revision == revision || (!digest.is_empty() && entry.digest == digest);
        self.quarantined.iter().rev().find(same)
    }

    /// Lifts a quarantine: somebody asked for this very revision.
    pub fn pardon(&mut self, revision: &str, digest: &str) {
        self.quarantined
            .retain(|entry| entry.revision != revision && (digest.is_empty() || entry.digest != digest));
    }

    /// Takes a revision out of automatic deployment.
    pub fn quarantine(&mut self, entry: Quarantine) {
        self.quarantined.retain(|known| known.revision != entry.revision);
        self.quarantined.push(entry);
        if self.quarantined.len() > MAX_QUARANTINED {
            self.quarantined.remove(0);
        }
    }

    /// Reads what a status remembers.
    pub fn read(status: Option<Node<'_>>) -> Trust {
        let Some(status) = status else { return Trust::default() };
        let part = |node: Node<'_>, key: &str| node.str_at(&[key]).unwrap_or_default().to_owned();
        let entries = status.get("quarantined").map(|list| {
            let read = |node: Node<'_>| Quarantine {
                revision: part(node, "revision"),
                digest: part(node, "digest"),
                since: part(node, "since"),
                reason: part(node, "reason"),
                restored: part(node, "restored"),
            };
            list.items().map(read).collect()
        });
        let since = status.get("healthySince").and_then(|node| {
            let at = node.str_at(&["at"])?.parse().ok()?;
            Some((part(node, "revision"), at))
        });
        Trust {
            last_healthy: status.str_at(&["lastHealthyRevision"]).map(str::to_owned),
            healthy_since: since,
            quarantined: entries.unwrap_or_default(),
        }
    }

    /// Writes it into a status.
    pub fn write(&self, status: &mut Value) {
        status.set(&["lastHealthyRevision"], self.last_healthy.as_deref());
        let since = self.healthy_since.as_ref().map(|(revision, at)| {
            let mut value = Value::object();
            value.set(&["revision"], revision);
            value.set(&["at"], rfc3339(*at));
            value
        });
        status.set(&["healthySince"], since);
        let entry = |quarantine: &Quarantine| {
            let mut value = Value::object();
            for (key, text) in [
                ("revision", &quarantine.revision),
                ("digest", &quarantine.digest),
                ("since", &quarantine.since),
                ("reason", &quarantine.reason),
                ("restored", &quarantine.restored),
            ] {
                value.set(&[key], text);
            }
            value
        };
        let entries: Option<Value> =
            (!self.quarantined.is_empty()).then(|| self.quarantined.iter().map(entry).collect::<Value>());
        status.set(&["quarantined"], entries);
    }
}

fn or(text: &str, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text.to_owned()
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// A pause of at least a millisecond, so that looking again makes progress.
fn unsigned(duration: SignedDuration) -> Duration {
    Duration::try_from(duration)
        .unwrap_or_default()
        .max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000;

    struct World {
        trust: Trust,
        deployed_at: i64,
    }

    impl World {
        fn at(&mut self, second: i64, revision: &str, health: HealthStatus) -> Verdict {
            self.full(second, revision, health, None)
        }

        fn full(&mut self, second: i64, revision: &str, health: HealthStatus, failure: Option<&str>) -> Verdict {
            let time = |s: i64| Timestamp::from_second(START + s).unwrap();
            // What is remembered survives a restart at any point.
            let mut status = Value::object();
            self.trust.write(&mut status);
            self.trust = Trust::read(Some(status.node()));
            self.trust.judge(&Seen {
                now: time(second),
                deployed: revision,
                digest: &format!("d-{revision}"),
                deployed_at: time(self.deployed_at),
                failure,
                health,
                health_message: "",
                window: Duration::from_secs(60),
                deadline: Duration::from_secs(600),
            })
        }
    }

    fn world() -> World {
        World {
            trust: Trust::default(),
            deployed_at: 0,
        }
    }

    #[test]
    fn a_bad_revision_is_quarantined_and_the_healthy_one_restored() {
        let mut w = world();
        assert_eq!(
            w.at(0, "r1", HealthStatus::Progressing),
            Verdict::Watch(Duration::from_secs(600))
        );
        assert_eq!(w.at(5, "r1", HealthStatus::Healthy), Verdict::Fine);
        w.trust.superseded("r1", HealthStatus::Healthy);
        w.deployed_at = 10;
        assert_eq!(w.at(12, "r2", HealthStatus::Degraded), Verdict::Restore("r1".into()));
        assert_eq!(w.trust.bad("r2", "").unwrap().restored, "r1");
        assert!(
            w.trust.bad("r3", "d-r2").is_some(),
            "the same objects from another commit"
        );
        assert!(w.trust.bad("r3", "d-r3").is_none(), "other objects are tried");
        assert_eq!(
            w.at(13, "r1", HealthStatus::Degraded),
            Verdict::Fine,
            "nothing better to go to: no flapping"
        );
        w.trust.pardon("r2", "");
        assert!(w.trust.bad("r2", "").is_none());
    }

    #[test]
    fn a_revision_is_watched_after_it_became_healthy() {
        let mut w = world();
        w.at(0, "r1", HealthStatus::Healthy);
        w.deployed_at = 100;
        assert_eq!(
            w.at(100, "r2", HealthStatus::Healthy),
            Verdict::Watch(Duration::from_secs(60))
        );
        assert_eq!(
            w.at(130, "r2", HealthStatus::Healthy),
            Verdict::Watch(Duration::from_secs(30))
        );
        assert_eq!(w.at(140, "r2", HealthStatus::Degraded), Verdict::Restore("r1".into()));

        let mut w = world();
        w.at(0, "r1", HealthStatus::Healthy);
        w.at(100, "r2", HealthStatus::Healthy);
        assert_eq!(w.at(160, "r2", HealthStatus::Healthy), Verdict::Fine);
        assert_eq!(w.trust.last_healthy.as_deref(), Some("r2"));
        assert_eq!(
            w.at(900, "r2", HealthStatus::Degraded),
            Verdict::Fine,
            "trusted: something else broke"
        );
    }

    #[test]
    fn a_revision_that_never_becomes_healthy_is_given_up_at_its_deadline() {
        let mut w = world();
        w.at(0, "r1", HealthStatus::Healthy);
        w.deployed_at = 100;
        assert_eq!(
            w.at(400, "r2", HealthStatus::Progressing),
            Verdict::Watch(Duration::from_secs(300))
        );
        assert_eq!(
            w.at(700, "r2", HealthStatus::Progressing),
            Verdict::Restore("r1".into())
        );
        assert!(w.trust.bad("r2", "").unwrap().reason.contains("600 s"));
    }

    #[test]
    fn a_failed_sync_counts_as_bad_and_a_first_revision_cannot_be_rolled_back() {
        let mut w = world();
        assert_eq!(
            w.full(0, "r1", HealthStatus::Progressing, Some("hook failed")),
            Verdict::Stuck
        );
        assert_eq!(
            w.full(1, "r1", HealthStatus::Progressing, Some("hook failed")),
            Verdict::Fine,
            "marked once"
        );
        assert_eq!(w.trust.bad("r1", "").unwrap().restored, "");
        assert_eq!(
            w.at(2, "r2", HealthStatus::Degraded),
            Verdict::Stuck,
            "the next one is judged by itself"
        );
        w.at(3, "r2", HealthStatus::Healthy);
        assert!(w.trust.bad("r2", "").is_none(), "it came round");
        w.at(4, "r1", HealthStatus::Healthy);
        w.trust.last_healthy = Some("r1".into());
        assert_eq!(
            w.full(2, "r2", HealthStatus::Healthy, Some("hook failed")),
            Verdict::Restore("r1".into())
        );
        assert_eq!(w.trust.bad("r2", "").unwrap().reason, "hook failed");
    }
}
