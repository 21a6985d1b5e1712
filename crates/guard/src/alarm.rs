//! What is to happen at a time, by the clock that was passed in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ridgeway_krm::ObjectRef;
use tokio::sync::Notify;

use crate::guard::Shared;

/// How often the clock is looked at while something is due some day.
const LOOK: Duration = Duration::from_millis(200);

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// The time of an exception is over.
    Expiry,
    /// A cleanup policy runs.
    Cleanup(ObjectRef),
    /// An object's time to live is over.
    Ttl(ObjectRef),
    /// A global context entry is to be made fresh.
    Global(ObjectRef),
    /// Another hour of scores is over.
    Hour,
}

/// What is to happen, and when.
#[derive(Default)]
pub(crate) struct Alarm {
    due: Mutex<BTreeMap<What, Timestamp>>,
    changed: Notify,
}

impl Alarm {
    fn due(&self) -> MutexGuard<'_, BTreeMap<What, Timestamp>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets when something is to happen; `None` for never.
    pub(crate) fn set(&self, what: What, at: Option<Timestamp>) {
        let mut due = self.due();
        if let Some(at) = at {
            due.insert(what, at);
        } else {
            due.remove(&what);
        }
        drop(due);
        self.changed.notify_one();
    }

    /// Takes out what is due.
    fn take(&self, now: Timestamp) -> Vec<What> {
        let mut due = self.due();
        let ripe: Vec<What> = due
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(what, _)| what.clone())
            .collect();
        due.retain(|what, _| !ripe.contains(what));
        ripe
    }

    fn is_empty(&self) -> bool {
        self.due().is_empty()
    }
}

/// Looks at the clock until the future is dropped.
pub(crate) async fn work(shared: Arc<Shared>) {
    loop {
        for what in shared.alarm.take(shared.clock.now()) {
            match what {
                What::Expiry => shared.mirror.expired(),
                What::Cleanup(policy) => shared.cleanup.ask(policy),
                What::Global(entry) => shared.mirror.globals.ask(entry),
                What::Hour => shared.keep_trend().await,
                What::Ttl(object) => shared.cleanup.ask_ttl(object),
            }
        }
        if shared.alarm.is_empty() {
            shared.alarm.changed.notified().await;
        } else {
            tokio::time::sleep(LOOK).await;
        }
    }
}
