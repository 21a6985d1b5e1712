//! Events are news: they go an hour after they happened last.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ridgeway_cluster::{Cluster, DeleteOptions, Preconditions, Queue, Reason, WriteOptions};
use ridgeway_doc::Node;
use ridgeway_krm::Gvk;

use super::{Observer, RETRY, Seen, client};
use crate::codec;
use crate::plane::ControlPlane;

const NAME: &str = "event-ttl-controller";
/// How long an event stays, in seconds.
const LIFETIME: i64 = 3600;

/// Group, namespace and name.
type Key = (&'static str, String, String);

pub(super) struct Events {
    plane: ControlPlane,
    cluster: Arc<dyn Cluster>,
    queue: Queue<Key>,
}

impl Observer for Events {
    fn observe(&self, seen: &Seen<'_>) {
        let group = match (seen.key.group, seen.key.resource) {
            ("", "events") => "",
            ("events.k8s.io", "events") => "events.k8s.io",
            _ => return,
        };
        // One timer an event, started when it first appears; what happens later is found out when it rings.
        if let (Some(entry), None) = (seen.now, seen.before) {
            let age = codec::decode(entry).map_or(0, |event| self.age(event.root()));
            let left = (LIFETIME - age).clamp(0, LIFETIME);
            let key = (group, seen.key.namespace.to_owned(), seen.key.name.to_owned());
            self.queue.add_after(key, Duration::from_secs(left.unsigned_abs()));
        }
    }
}

impl Events {
    pub(super) fn new(plane: &ControlPlane) -> Events {
        Events {
            plane: plane.clone(),
            cluster: client(plane, NAME),
            queue: Queue::new(),
        }
    }

    /// Seconds since the event happened last.
    fn age(&self, event: Node<'_>) -> i64 {
        let time = |path: &[&str]| event.str_at(path)?.parse::<Timestamp>().ok();
        let told: [&[&str]; 4] = [
            &["series", "lastObservedTime"],
            &["lastTimestamp"],
            &["eventTime"],
            &["firstTimestamp"],
        ];
        let last = told
            .iter()
            .filter_map(|path| time(path))
            .max()
            .or_else(|| time(&["metadata", "creationTimestamp"]));
        last.map_or(0, |last| self.plane.now().as_second() - last.as_second())
    }

    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let key = self.queue.next().await;
            if let Some(again) = self.expire(&key).await {
                self.queue.add_after(key.clone(), again);
            }
            self.queue.done(&key);
        }
    }

    /// Deletes an event whose time is up; says when to look again.
    async fn expire(&self, (group, namespace, name): &Key) -> Option<Duration> {
        let gvk = Gvk::new(group, "v1", "Event");
        let event = self.cluster.get(&gvk, namespace, name).await.ok()?;
        let left = LIFETIME - self.age(event.root());
        if left > 0 {
            return Some(Duration::from_secs(left.unsigned_abs()));
        }
        let resource_version = event.root().str_at(&["metadata", "resourceVersion"]).map(str::to_owned);
        let delete = DeleteOptions {
            preconditions: Preconditions {
                uid: None,
                resource_version,
            },
            ..DeleteOptions::default()
        };
        match self
            .cluster
            .delete(&gvk, namespace, name, delete, WriteOptions::by(NAME, None))
            .await
        {
            Ok(_) => None,
            Err(status) if status.reason == Reason::NotFound => None,
            Err(_) => Some(RETRY),
        }
    }
}
