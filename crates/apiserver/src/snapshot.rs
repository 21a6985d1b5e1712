//! A value computed from stored objects, made anew when they have changed and somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Readers share one value. Whoever asks after [`Snapshot::outdate`] gets one that was computed afterwards.
pub(crate) struct Snapshot<T> {
    wanted: AtomicU64,
    built: RwLock<(u64, Arc<T>)>,
    building: Mutex<()>,
}

impl<T> Snapshot<T> {
    /// Starts with a value that is out of date.
    pub(crate) fn new(value: T) -> Self {
        Snapshot { wanted: AtomicU64::new(1), built: RwLock::new((0, Arc::new(value))), building: Mutex::new(()) }
    }

    /// What the value is computed from has changed.
    pub(crate) fn outdate(&self) {
        self.wanted.fetch_add(1, Ordering::SeqCst);
    }

    fn built(&self, wanted: u64) -> Option<Arc<T>> {
        let built = self.built.read().unwrap_or_else(PoisonError::into_inner);
        (built.0 >= wanted).then(|| built.1.clone())
    }

    /// The value, computed anew if it is out of date.
    pub(crate) fn get(&self, compute: impl FnOnce() -> T) -> Arc<T> {
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
        snapshot.outdate();
        snapshot.outdate();
        assert_eq!([read(&snapshot), read(&snapshot)], [2, 2]);
    }
}
