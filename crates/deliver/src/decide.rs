//! What to do with an Application that nobody is syncing by hand. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::compare::Comparison;
use crate::live::Place;
use crate::look::Synced;
use crate::spec::Automated;

/// What a decision rests on.
pub(crate) struct Situation<'a> {
    pub(crate) automated: Option<Automated>,
    /// The revision that should be deployed, and a digest of what it renders to.
    pub(crate) revision: &'a str,
    pub(crate) digest: &'a str,
    pub(crate) deployed: &'a Synced,
    pub(crate) attempt: &'a Synced,
    pub(crate) comparison: &'a Comparison,
    pub(crate) now: Timestamp,
    pub(crate) retry_failed: Duration,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing.
    Nothing,
    /// Nothing, and say why.
    Refuse(String),
    /// Note that the revision is deployed: nothing has to change for it.
    Adopt,
    /// Sync everything.
    Sync,
    /// Put these objects right: they were as they should be, and no longer are.
    Heal(Vec<Place>),
}

pub(crate) fn decide(situation: &Situation<'_>) -> Decision {
    let Situation {
        deployed,
        attempt,
        comparison,
        revision,
        digest,
        ..
    } = *situation;
    let known = deployed.revision == revision && deployed.digest == digest;
    if comparison.synced {
        return if known { Decision::Nothing } else { Decision::Adopt };
    }
    let Some(automated) = situation.automated else {
        return Decision::Nothing;
    };
    let out: Vec<_> = comparison
        .resources
        .iter()
        .filter(|r| r.counts && !r.is_synced())
        .collect();
    let acts = |resource: &&&crate::compare::Resource| automated.prune || !resource.is_extraneous();
    let places: Vec<Place> = out.iter().filter(acts).map(|resource| resource.place.clone()).collect();
    if places.is_empty() {
        return if known { Decision::Nothing } else { Decision::Adopt };
    }
    let nothing_wanted = !comparison
        .resources
        .iter()
        .any(|resource| resource.desired.is_some() && !resource.hook);
    if nothing_wanted && !automated.allow_empty {
        return Decision::Refuse(
            "the source renders to nothing, and syncing would delete every object of the Application; if that is meant, set \
             spec.syncPolicy.automated.allowEmpty"
                .into(),
        );
    }
    if known && deployed.failure.is_none() {
        return if automated.self_heal {
            Decision::Heal(places)
        } else {
            Decision::Nothing
        };
    }
    let failed = attempt.revision == revision && attempt.digest == digest && attempt.failure.is_some();
    let rested = attempt.at.is_none_or(|finished| {
        situation.now.duration_since(finished).as_secs() >= situation.retry_failed.as_secs() as i64
    });
    if failed && !rested {
        Decision::Nothing
    } else {
        Decision::Sync
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ridgeway_doc::Doc;
    use ridgeway_krm::Gvk;

    use super::*;
    use crate::compare::Resource;
    use crate::desired::DesiredObject;

    fn resource(name: &str, desired: bool, live: bool, modified: bool) -> Resource {
        let doc = Doc::parse_json(br#"{"metadata":{"name":"x"}}"#).unwrap();
        let place = Place {
            gvk: Gvk::new("", "v1", "ConfigMap"),
            namespace: "n".into(),
            name: name.into(),
        };
        let object = DesiredObject {
            place: place.clone(),
            doc: doc.clone(),
            hook: false,
            origin: String::new(),
        };
        Resource {
            desired: desired.then(|| Arc::new(object)),
            live: live.then_some(doc),
            place,
            modified,
            health: None,
            hook: false,
            counts: true,
            other: None,
        }
    }

    struct Case {
        automated: Option<(bool, bool, bool)>,
        deployed: &'static str,
        failed: Option<i64>,
        resources: Vec<Resource>,
    }

    fn run(case: Case) -> Decision {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let synced = case.resources.iter().all(Resource::is_synced);
        let deployed = Synced {
            revision: case.deployed.into(),
            digest: "d".into(),
            at: Some(now),
            failure: None,
        };
        let attempt = match case.failed {
            Some(ago) => Synced {
                revision: "r2".into(),
                digest: "d".into(),
                failure: Some("refused".into()),
                at: Some(Timestamp::from_second(1_700_000_000 - ago).unwrap()),
            },
            None => Synced::default(),
        };
        let automated = case.automated.map(|(prune, self_heal, allow_empty)| Automated {
            prune,
            self_heal,
            allow_empty,
        });
        let decision = decide(&Situation {
            automated,
            revision: "r2",
            digest: "d",
            deployed: &deployed,
            attempt: &attempt,
            comparison: &Comparison {
                resources: case.resources,
                synced,
                health: None,
            },
            now,
            retry_failed: Duration::from_secs(180),
        });
        if let Decision::Refuse(why) = &decision {
            assert!(why.contains("allowEmpty"));
            return Decision::Refuse(String::new());
        }
        decision
    }

    #[test]
    fn decisions() {
        let ok = || resource("ok", true, true, false);
        let changed = || resource("changed", true, true, true);
        let missing = || resource("missing", true, false, false);
        let extra = || resource("extra", false, true, false);
        let all = Some((true, true, false));
        let heal = |names: &[&str]| {
            Decision::Heal(
                names
                    .iter()
                    .map(|name| resource(name, true, true, true).place)
                    .collect(),
            )
        };
        let table = [
            ("synced", all, "r2", None, vec![ok()], Decision::Nothing),
            ("synced at a new revision", all, "r1", None, vec![ok()], Decision::Adopt),
            ("new revision", all, "r1", None, vec![ok(), changed()], Decision::Sync),
            ("by hand only", None, "r1", None, vec![changed()], Decision::Nothing),
            (
                "failed just now",
                all,
                "r1",
                Some(10),
                vec![changed()],
                Decision::Nothing,
            ),
            ("failed long ago", all, "r1", Some(180), vec![changed()], Decision::Sync),
            (
                "drift",
                all,
                "r2",
                None,
                vec![ok(), changed(), missing(), extra()],
                heal(&["changed", "missing", "extra"]),
            ),
            (
                "drift, no pruning",
                Some((false, true, false)),
                "r2",
                None,
                vec![changed(), extra()],
                heal(&["changed"]),
            ),
            (
                "drift, no healing",
                Some((true, false, false)),
                "r2",
                None,
                vec![changed()],
                Decision::Nothing,
            ),
            (
                "only extra, no pruning",
                Some((false, true, false)),
                "r1",
                None,
                vec![ok(), extra()],
                Decision::Adopt,
            ),
            (
                "all would go",
                all,
                "r1",
                None,
                vec![extra()],
                Decision::Refuse(String::new()),
            ),
            (
                "all may go",
                Some((true, true, true)),
                "r1",
                None,
                vec![extra()],
                Decision::Sync,
            ),
        ];
        for (name, automated, deployed, failed, resources, expected) in table {
            assert_eq!(
                run(Case {
                    automated,
                    deployed,
                    failed,
                    resources
                }),
                expected,
                "{name}"
            );
        }
    }
}
