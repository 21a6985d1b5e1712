//! A value computed from stored objects, made anew when they have changed and somebody asks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Readers share one value. While a [`Snapshot::changing`] guard lives, everybody computes their own; whoever asks after
/// it was dropped gets one that was computed afterwards. So who has seen a change in the store sees it here as well.
pub(crate) struct Snapshot<T> {
    wanted: AtomicU64,
    changing: AtomicUsize,
    built: RwLock<(u64, Arc<T>)>,
    building: Mutex<()>,
}

impl<T> Snapshot<T> {
    /// Starts with a value that is out of date.
    pub(crate) fn new(value: T) -> Self {
        Snapshot {
            wanted: AtomicU64::new(1),
            changing: AtomicUsize::new(0),
            built: RwLock::new((0, Arc::new(value))),
            building: Mutex::new(()),
        }
    }

    /// What the value is computed from changes while the guard lives.
    pub(crate) fn changing(&self) -> Changing<'_> {
        self.changing.fetch_add(1, Ordering::SeqCst);
        Changing {
            wanted: &self.wanted,
            changing: &self.changing,
        }
    }

    fn built(&self, wanted: u64) -> Option<Arc<T>> {
        let built = self.built.read().unwrap_or_else(PoisonError::into_inner);
        (built.0 >= wanted).then(|| built.1.clone())
    }

    /// The value, computed anew if it is out of date.
    pub(crate) fn get(&self, compute: impl FnOnce() -> T) -> Arc<T> {
        if self.changing.load(Ordering::SeqCst) > 0 {
            return Arc::new(compute());
        }
        let wanted = self.wanted.load(Ordering::SeqCst);
        if let Some(value) = self.built(wanted) {
            return value;
        }
        let _one = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = self.built(wanted) {
            return value;
        }
        // Read before computing: changes from here on make the value out of date again.
        let wanted = self.wanted.load(Ordering::SeqCst);
        let value = Arc::new(compute());
        *self.built.write().unwrap_or_else(PoisonError::into_inner) = (wanted, value.clone());
        value
    }
}

/// A change in progress.
pub(crate) struct Changing<'a> {
    wanted: &'a AtomicU64,
    changing: &'a AtomicUsize,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.wanted.fetch_add(1, Ordering::SeqCst);
        self.changing.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_once_per_change() {
        let snapshot = Snapshot::new(0);
        let mut runs = 0;
        let mut read = |snapshot: &Snapshot<i32>| {
            *snapshot.get(|| {
                runs += 1;
                runs
            })
        };
        assert_eq!([read(&snapshot), read(&snapshot)], [1, 1]);
        let change = snapshot.changing();
        assert_eq!(
            [read(&snapshot), read(&snapshot)],
            [2, 3],
            "nothing is kept during a change"
        );
        drop(change);
        assert_eq!([read(&snapshot), read(&snapshot)], [4, 4]);
    }
}
