//! Telling people what a controller did: Kubernetes events about objects.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;
use tokio::sync::mpsc;

use crate::{Clock, Cluster, Reason, Status, WriteOptions, rfc3339};

/// How many events may wait; more are dropped, because events must never hold up a controller.
const WAITING: usize = 512;
/// How many different events are remembered for counting repetitions.
const REMEMBERED: usize = 4096;

/// Whether an event is news or trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// Something happened as intended.
    Normal,
    /// Something needs attention.
    Warning,
}

impl EventType {
    /// As events spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// One event to be written.
struct Note {
    about: Value,
    event_type: EventType,
    reason: String,
    message: String,
}

/// Writes events in the background; a repeated event raises the count of the first one.
#[derive(Clone)]
pub struct EventRecorder {
    sender: mpsc::Sender<Note>,
}

impl EventRecorder {
    /// A recorder for a component; needs a tokio runtime. It ends when the last clone is dropped.
    pub fn new(cluster: Arc<dyn Cluster>, component: &str, clock: Arc<dyn Clock>) -> EventRecorder {
        let (sender, receiver) = mpsc::channel(WAITING);
        let writer = Writer {
            cluster,
            component: component.into(),
            clock,
            known: HashMap::new(),
        };
        tokio::spawn(writer.run(receiver));
        EventRecorder { sender }
    }

    /// Records an event about an object. Never waits.
    pub fn record(&self, about: Node<'_>, event_type: EventType, reason: &str, message: &str) {
        let note = Note {
            about: reference(about),
            event_type,
            reason: reason.into(),
            message: message.into(),
        };
        if self.sender.try_send(note).is_err() {
            tracing::debug!(reason, "too many events are waiting; one was dropped");
        }
    }
}

/// The `involvedObject` of an object.
fn reference(object: Node<'_>) -> Value {
    let mut value = Value::object();
    for key in ["kind", "apiVersion"] {
        value.set(&[key], object.str_at(&[key]));
    }
    for key in ["name", "namespace", "uid", "resourceVersion"] {
        if let Some(text) = object.str_at(&["metadata", key]) {
            value.set(&[key], text);
        }
    }
    value
}

/// An event that was written: where it is and how often it happened.
struct Known {
    name: String,
    count: i64,
}

struct Writer {
    cluster: Arc<dyn Cluster>,
    component: String,
    clock: Arc<dyn Clock>,
    known: HashMap<u64, Known>,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Note>) {
        while let Some(note) = receiver.recv().await {
            if let Err(status) = self.write(&note).await {
                tracing::debug!(reason = note.reason, %status, "an event was not written");
            }
        }
    }

    async fn write(&mut self, note: &Note) -> Result<(), Status> {
        let text = |key: &str| note.about.node().str_at(&[key]).unwrap_or_default().to_owned();
        let namespace = Some(text("namespace"))
            .filter(|ns| !ns.is_empty())
            .unwrap_or_else(|| "default".into());
        let mut hasher = DefaultHasher::new();
        (text("uid"), text("kind"), text("name"), &namespace).hash(&mut hasher);
        (note.event_type, &note.reason, &note.message, &self.component).hash(&mut hasher);
        let key = hasher.finish();
        let now = rfc3339(self.clock.now());
        let options = || WriteOptions::by(&self.component, None);
        if let Some(known) = self.known.get_mut(&key) {
            known.count += 1;
            let mut patch = Value::object();
            patch.set(&["count"], known.count);
            patch.set(&["lastTimestamp"], now.as_str());
            let gvk = Gvk::new("", "v1", "Event");
            match self
                .cluster
                .merge_patch(&gvk, &namespace, &known.name, patch, options())
                .await
            {
                // It has expired meanwhile: this is a first time again.
                Err(status) if status.reason == Reason::NotFound => drop(self.known.remove(&key)),
                other => return other.map(drop),
            }
        }
        let name = format!(
            "{}.{:016x}",
            text("name"),
            key ^ self.clock.now().as_nanosecond() as u64
        );
        let mut event = Value::object();
        event.set(&["apiVersion"], "v1");
        event.set(&["kind"], "Event");
        event.set(&["metadata", "name"], name.as_str());
        event.set(&["metadata", "namespace"], namespace);
        event.set(&["involvedObject"], note.about.clone());
        event.set(&["type"], note.event_type.as_str());
        event.set(&["reason"], note.reason.as_str());
        event.set(&["message"], note.message.as_str());
        event.set(&["source", "component"], self.component.as_str());
        event.set(&["reportingComponent"], self.component.as_str());
        event.set(&["reportingInstance"], "");
        event.set(&["firstTimestamp"], now.as_str());
        event.set(&["lastTimestamp"], now.as_str());
        event.set(&["count"], 1i64);
        self.cluster.create(event, options()).await?;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(key, Known { name, count: 1 });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;
    use crate::testing::{FakeCluster, still};

    #[tokio::test]
    async fn repetitions_are_counted_on_one_event() {
        let cluster = FakeCluster::new();
        let recorder = EventRecorder::new(cluster.clone(), "tester", still());
        let pod =
            Doc::parse_json(br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"n","uid":"u"}}"#)
                .unwrap();
        for message in ["no node", "no node", "other", "no node"] {
            recorder.record(pod.root(), EventType::Warning, "FailedScheduling", message);
        }
        let events = cluster
            .settle(2, |event| {
                event.root().at(&["count"]).and_then(Node::as_i64).unwrap_or(0) > 0
            })
            .await;
        cluster
            .wait(|events| {
                events
                    .iter()
                    .any(|e| e.root().at(&["count"]).and_then(Node::as_i64) == Some(3))
            })
            .await;
        let event = events[0].root();
        assert_eq!(event.str_at(&["involvedObject", "uid"]), Some("u"));
        assert_eq!(event.str_at(&["metadata", "namespace"]), Some("n"));
        assert!(event.str_at(&["metadata", "name"]).unwrap().starts_with("a."));
    }
}
