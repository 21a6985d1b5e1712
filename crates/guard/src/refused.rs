//! How many changes each policy has refused in the last 24 hours.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Width of a bucket in seconds: the window moves on in steps of it.
const STEP: i64 = 300;
/// The window.
const WINDOW: i64 = 24 * 3600;

/// Counts by policy id in buckets of a few minutes.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<HashMap<String, VecDeque<(i64, u64)>>>);

impl Refused {
    /// Counts one refusal.
    pub(crate) fn count(&self, policy: &str, now: Timestamp) {
        let bucket = now.as_second() / STEP;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = all.entry(policy.to_owned()).or_default();
        while buckets.front().is_some_and(|(at, _)| at + WINDOW / STEP <= bucket) {
            buckets.pop_front();
        }
        match buckets.back_mut() {
            Some((at, count)) if *at == bucket => *count += 1,
            _ => buckets.push_back((bucket, 1)),
        }
    }

    /// What was refused within the window.
    pub(crate) fn within(&self, policy: &str, now: Timestamp) -> u64 {
        let oldest = now.as_second() / STEP - WINDOW / STEP;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(policy).map_or(0, |buckets| {
            buckets
                .iter()
                .filter(|(at, _)| *at > oldest)
                .map(|(_, count)| count)
                .sum()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_moves_on() {
        let refused = Refused::default();
        let at = |hours: i64| Timestamp::from_second(hours * 3600).unwrap();
        refused.count("p", at(1));
        refused.count("p", at(1));
        refused.count("p", at(20));
        assert_eq!(refused.within("p", at(20)), 3);
        assert_eq!(refused.within("p", at(26)), 1);
        assert_eq!(refused.within("other", at(20)), 0);
        refused.count("p", at(50));
        assert_eq!(refused.within("p", at(50)), 1);
    }
}
