//! The arithmetic of rollouts, pure: what to scale to which number next.
//!
//! Follows the rules of Kubernetes' Deployment controller: never more than `replicas + maxSurge` Pods, never fewer than
//! `replicas - maxUnavailable` available ones; unhealthy old Pods go first.

/// One ReplicaSet as the plan sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// `spec.replicas`.
    pub wanted: i64,
    /// `status.availableReplicas`.
    pub available: i64,
    /// Pods that exist.
    pub existing: i64,
}

/// What a rolling update is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Pods above `replicas`.
    pub surge: i64,
    /// Pods that may be missing.
    pub unavailable: i64,
}

impl Bounds {
    /// Resolves `maxSurge` and `maxUnavailable` (a number or a percentage) for a number of replicas: surge rounds up,
    /// unavailability down, and both at zero would never move.
    pub fn resolve(surge: &str, unavailable: &str, replicas: i64) -> Bounds {
        let part = |text: &str, up: bool| match text.strip_suffix('%') {
            Some(percent) => {
                let product = percent.parse::<i64>().unwrap_or(0).max(0) * replicas;
                if up { (product + 99) / 100 } else { product / 100 }
            }
            None => text.parse::<i64>().unwrap_or(0).max(0),
        };
        let surge = part(surge, true);
        let unavailable = part(unavailable, false);
        Bounds {
            surge,
            unavailable: if surge == 0 && unavailable == 0 { 1 } else { unavailable },
        }
    }
}

/// The next numbers of a rolling update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// For the new set.
    pub new: i64,
    /// For the old sets, in the order given.
    pub old: Vec<i64>,
}

/// Plans the next step from `old` (oldest first) to `new`.
pub fn rolling(replicas: i64, bounds: Bounds, new: Set, old: &[Set]) -> Step {
    let mut step = Step {
        new: new.wanted,
        old: old.iter().map(|set| set.wanted).collect(),
    };
    let total = new.wanted + old.iter().map(|set| set.wanted).sum::<i64>();
    if new.wanted > replicas {
        step.new = replicas;
    } else if new.wanted < replicas {
        let room = replicas + bounds.surge - total;
        step.new = new.wanted + room.clamp(0, replicas - new.wanted);
    }
    let total = step.new + old.iter().map(|set| set.wanted).sum::<i64>();
    let floor = replicas - bounds.unavailable;
    let missing_new = step.new - new.available.min(step.new);
    let mut may_go = total - floor - missing_new;
    // Old Pods that do not serve anyway.
    for (target, set) in step.old.iter_mut().zip(old) {
        let broken = (*target - set.available).clamp(0, may_go.max(0));
        *target -= broken;
        may_go -= broken;
    }
    let available = new.available
        + old
            .iter()
            .zip(&step.old)
            .map(|(set, target)| set.available.min(*target))
            .sum::<i64>();
    let mut spare = (available - floor).max(0);
    for target in &mut step.old {
        let less = (*target).min(spare);
        *target -= less;
        spare -= less;
    }
    step
}

/// Plans the next step of `Recreate`: nothing new while anything old exists.
pub fn recreate(replicas: i64, new: Set, old: &[Set]) -> Step {
    let gone = old.iter().all(|set| set.existing == 0);
    Step {
        new: if gone { replicas } else { new.wanted.min(replicas) },
        old: vec![0; old.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(wanted: i64, available: i64) -> Set {
        Set {
            wanted,
            available,
            existing: wanted,
        }
    }

    #[test]
    fn bounds_round_as_documented() {
        for (surge, unavailable, replicas, want) in [
            ("25%", "25%", 4, (1, 1)),
            ("25%", "25%", 3, (1, 0)),
            ("25%", "25%", 1, (1, 0)),
            ("0", "0", 5, (0, 1)),
            ("0%", "10%", 5, (0, 1)),
            ("100%", "0", 3, (3, 0)),
            ("2", "1", 3, (2, 1)),
        ] {
            let bounds = Bounds::resolve(surge, unavailable, replicas);
            assert_eq!(
                (bounds.surge, bounds.unavailable),
                want,
                "{surge} {unavailable} of {replicas}"
            );
        }
    }

    #[test]
    fn steps() {
        let bounds = Bounds {
            surge: 1,
            unavailable: 0,
        };
        for (what, new, old, want) in [
            ("first rollout", set(0, 0), vec![], Step { new: 3, old: vec![] }),
            ("one above", set(0, 0), vec![set(3, 3)], Step { new: 1, old: vec![3] }),
            (
                "waits for the new one",
                set(1, 0),
                vec![set(3, 3)],
                Step { new: 1, old: vec![3] },
            ),
            (
                "then one old goes",
                set(1, 1),
                vec![set(3, 3)],
                Step { new: 1, old: vec![2] },
            ),
            (
                "the new one broken: old stay",
                set(1, 0),
                vec![set(3, 3)],
                Step { new: 1, old: vec![3] },
            ),
            (
                "old broken ones go first",
                set(1, 0),
                vec![set(3, 0)],
                Step { new: 1, old: vec![3] },
            ),
            ("scaled down", set(5, 5), vec![], Step { new: 3, old: vec![] }),
        ] {
            assert_eq!(rolling(3, bounds, new, &old), want, "{what}");
        }
        assert_eq!(recreate(2, set(0, 0), &[set(2, 2)]), Step { new: 0, old: vec![0] });
        let gone = Set {
            wanted: 0,
            available: 0,
            existing: 0,
        };
        assert_eq!(recreate(2, set(0, 0), &[gone]), Step { new: 2, old: vec![0] });
    }

    /// Whatever becomes available when: the rollout ends, and never leaves its bounds.
    #[test]
    fn every_rollout_ends_within_bounds() {
        for replicas in 1..8 {
            for (surge, unavailable) in [("25%", "25%"), ("1", "0"), ("0", "1"), ("100%", "0"), ("0", "50%")] {
                let bounds = Bounds::resolve(surge, unavailable, replicas);
                let (mut new, mut old) = (set(0, 0), set(replicas, replicas));
                let mut steps = 0;
                while new.available < replicas || old.wanted > 0 {
                    let step = rolling(replicas, bounds, new, &[old]);
                    assert!(
                        step.new + step.old[0] <= replicas + bounds.surge,
                        "{replicas} {surge} {unavailable}"
                    );
                    old = set(step.old[0], step.old[0]);
                    assert!(new.available + old.available >= replicas - bounds.unavailable);
                    // One Pod becomes available at a time: the slowest world.
                    new = set(step.new, (new.available + 1).min(step.new));
                    steps += 1;
                    assert!(steps < 100, "{replicas} {surge} {unavailable} does not end");
                }
            }
        }
    }
}
