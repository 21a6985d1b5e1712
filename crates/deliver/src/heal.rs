//! How often the same object is put right: at once, until somebody insists.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::live::Place;

/// Corrections in quick succession that are made without any pause.
const FREE: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After how long without drift an object's count starts anew.
const FORGIVEN: Duration = Duration::from_secs(120);

/// Corrections made, per object.
#[derive(Default)]
pub(crate) struct HealPace(HashMap<Place, (u32, Instant)>);

impl HealPace {
    /// How long to wait before an object is put right again.
    pub(crate) fn pause(&self, place: &Place) -> Duration {
        let Some((count, last)) = self.0.get(place) else {
            return Duration::ZERO;
        };
        if *count < FREE || last.elapsed() > FORGIVEN {
            return Duration::ZERO;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << (count - FREE).min(10))
            .min(LONGEST_PAUSE);
        pause.saturating_sub(last.elapsed())
    }

    /// Says that it was put right.
    pub(crate) fn corrected(&mut self, place: &Place) {
        self.0.retain(|_, (_, last)| last.elapsed() <= FORGIVEN);
        let entry = self.0.entry(place.clone()).or_insert((0, Instant::now()));
        *entry = (entry.0.saturating_add(1), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_krm::Gvk;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tug_of_war_slows_down_and_is_forgotten() {
        let place = Place {
            gvk: Gvk::new("", "v1", "ConfigMap"),
            namespace: "n".into(),
            name: "c".into(),
        };
        let mut pace = HealPace::default();
        for _ in 0..FREE {
            assert_eq!(pace.pause(&place), Duration::ZERO);
            pace.corrected(&place);
        }
        assert_eq!(pace.pause(&place), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pace.pause(&place), Duration::ZERO);
        pace.corrected(&place);
        assert_eq!(pace.pause(&place), Duration::from_secs(2));
        tokio::time::advance(FORGIVEN + Duration::from_secs(1)).await;
        assert_eq!(pace.pause(&place), Duration::ZERO);
    }
}
