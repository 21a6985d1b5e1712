//! Events for open pages: one numbered sequence, kept a while for those who reconnect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::broadcast;

/// How many events are kept for clients that reconnect.
const KEPT: usize = 512;

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) data: String,
}

/// Where events are published and followed.
pub(crate) struct Hub {
    recent: Mutex<Recent>,
    sender: broadcast::Sender<Arc<Event>>,
}

struct Recent {
    next: u64,
    events: VecDeque<Arc<Event>>,
}

/// What somebody who connects gets first, and then what comes.
pub(crate) struct Subscription {
    /// Events that the client missed; `None` when they are not known any more and it must read everything again.
    pub(crate) missed: Option<Vec<Arc<Event>>>,
    /// The id that is current.
    pub(crate) current: u64,
    /// What comes.
    pub(crate) coming: broadcast::Receiver<Arc<Event>>,
}

impl Default for Hub {
    fn default() -> Self {
        Hub {
            recent: Mutex::new(Recent {
                next: 1,
                events: VecDeque::with_capacity(KEPT),
            }),
            sender: broadcast::channel(KEPT).0,
        }
    }
}

impl Hub {
    /// Publishes an event.
    pub(crate) fn publish(&self, name: &'static str, data: &Value) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Arc::new(Event {
            id: recent.next,
            name,
            data: data.to_string(),
        });
        recent.next += 1;
        if recent.events.len() == KEPT {
            recent.events.pop_front();
        }
        recent.events.push_back(event.clone());
        // Nobody listening is no error. Sending under the lock keeps the order of ids.
        let _ = self.sender.send(event);
    }

    /// Follows from behind an id; `None` for somebody who just read everything.
    pub(crate) fn subscribe(&self, last: Option<u64>) -> Subscription {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let coming = self.sender.subscribe();
        let current = recent.next - 1;
        let oldest = recent.events.front().map_or(recent.next, |event| event.id);
        let missed = match last {
            None => Some(Vec::new()),
            Some(last) if last > current || last + 1 < oldest => None,
            Some(last) => Some(recent.events.iter().filter(|event| event.id > last).cloned().collect()),
        };
        Subscription {
            missed,
            current,
            coming,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reconnecting_client_gets_what_it_missed_or_is_told() {
        let hub = Hub::default();
        for n in 0..600 {
            hub.publish("ledger", &json!({"n": n}));
        }
        assert_eq!(
            hub.subscribe(Some(598))
                .missed
                .unwrap()
                .iter()
                .map(|e| e.id)
                .collect::<Vec<_>>(),
            [599, 600]
        );
        assert!(hub.subscribe(Some(600)).missed.unwrap().is_empty());
        assert!(hub.subscribe(Some(5)).missed.is_none(), "too long ago");
        assert!(hub.subscribe(Some(9999)).missed.is_none(), "of another run");
        let mut subscription = hub.subscribe(None);
        hub.publish("run", &json!({}));
        assert_eq!(subscription.coming.try_recv().unwrap().id, 601);
    }
}
