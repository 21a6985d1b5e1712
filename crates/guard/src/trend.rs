//! How each policy's score went: one entry an hour, kept for two weeks, and over restarts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;

use crate::source::text;

/// Seconds of an entry.
const HOUR: i64 = 3600;
/// How many entries are kept.
const KEPT: usize = 14 * 24;
/// Where they are stored.
pub(crate) const NAMESPACE: &str = "ridgeway-system";
pub(crate) const NAME: &str = "policy-trend";

/// A score at the end of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// When the hour began, in seconds since 1970.
    pub at: i64,
    /// How often stored objects satisfied a rule.
    pub passed: u64,
    /// How often they violated one.
    pub failed: u64,
}

/// Scores by policy id, oldest first; an hour without a change has no entry.
#[derive(Debug, Default)]
pub(crate) struct Trend(Mutex<BTreeMap<String, VecDeque<Score>>>);

/// The kind of the object that keeps it.
pub(crate) fn kind() -> Gvk {
    Gvk::new("", "v1", "ConfigMap")
}

impl Trend {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Score>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a score.
    pub(crate) fn note(&self, policy: &str, (passed, failed): (u64, u64), now: Timestamp) {
        let score = Score {
            at: now.as_second().div_euclid(HOUR) * HOUR,
            passed,
            failed,
        };
        let mut all = self.all();
        let ring = all.entry(policy.to_owned()).or_default();
        match ring.back_mut() {
            Some(last) if last.at >= score.at => *last = Score { at: last.at, ..score },
            Some(last) if (last.passed, last.failed) == (passed, failed) => {}
            _ => ring.push_back(score),
        }
        while ring.len() > KEPT {
            ring.pop_front();
        }
    }

    /// The last so many scores, one a `step` of seconds, the present one at the end; zero before anything was known.
    pub(crate) fn series(&self, policy: &str, count: usize, step: i64, now: Timestamp) -> Vec<Score> {
        let all = self.all();
        let ring = all.get(policy);
        let last = now.as_second().div_euclid(HOUR) * HOUR;
        let back = |i: usize| i64::try_from(count - 1 - i).unwrap_or(0) * step;
        let known = |at: i64| ring.and_then(|ring| ring.iter().rev().find(|score| score.at <= at));
        (0..count)
            .map(|i| {
                let at = last - back(i);
                let known = known(at).copied();
                known.map_or(
                    Score {
                        at,
                        passed: 0,
                        failed: 0,
                    },
                    |score| Score { at, ..score },
                )
            })
            .collect()
    }

    /// Forgets policies that are gone.
    pub(crate) fn forget(&self, policy: &str) {
        self.all().remove(policy);
    }

    /// The object that keeps it.
    pub(crate) fn stored(&self) -> Value {
        let mut out = Value::object();
        out.set(&["apiVersion"], "v1");
        out.set(&["kind"], "ConfigMap");
        out.set(&["metadata", "name"], NAME);
        out.set(&["metadata", "namespace"], NAMESPACE);
        for (policy, ring) in self.all().iter() {
            let entries: Vec<String> = ring
                .iter()
                .map(|score| format!("{} {} {}", score.at, score.passed, score.failed))
                .collect();
            // Keys of a ConfigMap are plainer than names of policies may be.
            let key: String = policy.replace('~', "__");
            out.set(&["data", &key], entries.join("\n"));
        }
        out
    }

    /// Takes in what was stored.
    pub(crate) fn load(&self, object: Node<'_>) {
        let mut all = self.all();
        for (key, entries) in object.get("data").into_iter().flat_map(Node::members) {
            let ring = entries.as_str().unwrap_or_default().lines().filter_map(|line| {
                let mut numbers = line.split(' ');
                Some(Score {
                    at: numbers.next()?.parse().ok()?,
                    passed: numbers.next()?.parse().ok()?,
                    failed: numbers.next()?.parse().ok()?,
                })
            });
            all.insert(key.replace("__", "~"), ring.collect());
        }
        let name = text(object, &["metadata", "name"]);
        tracing::debug!(name, policies = all.len(), "the trend of policies was taken in");
    }
}

/// When the hour after this one begins.
pub(crate) fn next_hour(now: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second((now.as_second().div_euclid(HOUR) + 1) * HOUR).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * HOUR + 5).unwrap()
    }

    #[test]
    fn one_entry_an_hour_that_is_kept() {
        let trend = Trend::default();
        trend.note("a~b", (1, 1), at(10));
        trend.note("a~b", (1, 2), at(10));
        trend.note("a~b", (3, 0), at(12));
        let failed = |trend: &Trend, now| -> Vec<u64> {
            let series = trend.series("a~b", 5, HOUR, now);
            series.iter().map(|score| score.failed).collect()
        };
        assert_eq!(failed(&trend, at(12)), [0, 0, 2, 2, 0]);
        assert_eq!(failed(&trend, at(14)), [2, 2, 0, 0, 0]);
        let again = Trend::default();
        again.load(trend.stored().node());
        assert_eq!(failed(&again, at(12)), failed(&trend, at(12)));
        for hour in 0..1000 {
            trend.note("c", (hour, 0), at(i64::try_from(hour).unwrap()));
        }
        assert_eq!(trend.all()["c"].len(), KEPT);
    }
}
