//! One watch over the whole store, told to every controller.

use std::sync::Arc;

use ridgeway_cluster::Status;
use ridgeway_doc::Doc;
use ridgeway_store::{Entry, KeyRange, RangeRequest, Watch};

use crate::plane::ControlPlane;
use crate::{codec, fault, keys};

/// A change of one object, in stored form.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) key: keys::Parts<'a>,
    /// The object after the change; `None` when it is gone.
    pub(super) now: Option<&'a Entry>,
    /// The object before.
    pub(super) before: Option<&'a Entry>,
}

impl Seen<'_> {
    /// Whether it is a resource of a group.
    pub(super) fn is(&self, group: &str, resource: &str) -> bool {
        self.key.group == group && self.key.resource == resource
    }

    /// Whether the stored text mentions something, before or after: cheaper than parsing.
    pub(super) fn mentions(&self, text: &str) -> bool {
        let in_entry = |entry: Option<&Entry>| {
            entry.is_some_and(|entry| {
                std::str::from_utf8(entry.value.get(4..).unwrap_or_default()).is_ok_and(|t| t.contains(text))
            })
        };
        in_entry(self.now) || in_entry(self.before)
    }

    /// The object as it is, or was last.
    pub(super) fn object(&self) -> Option<Doc> {
        self.now.or(self.before).and_then(|entry| codec::decode(entry).ok())
    }
}

/// Told about every change, in order. Must not block: it notes down keys and returns.
pub(super) trait Observer: Send + Sync {
    fn observe(&self, seen: &Seen<'_>);
}

/// A snapshot of the store, and what comes after it.
pub(super) struct Source {
    entries: Vec<Arc<Entry>>,
    watch: Watch,
}

impl Source {
    pub(super) async fn open(plane: &ControlPlane) -> Result<Source, Status> {
        let store = plane.store();
        let page = store
            .range(RangeRequest::new(KeyRange::all()))
            .await
            .map_err(fault::store)?;
        let watch = store
            .watch(KeyRange::all(), Some(page.revision))
            .await
            .map_err(fault::store)?;
        Ok(Source {
            entries: page.entries,
            watch,
        })
    }

    /// Tells about everything that is there.
    pub(super) fn replay(&mut self, observers: &[Arc<dyn Observer>]) {
        for entry in std::mem::take(&mut self.entries) {
            tell(observers, &entry.key, Some(&entry), None);
        }
    }

    /// Tells about changes until the watch ends.
    pub(super) async fn follow(mut self, observers: &[Arc<dyn Observer>]) -> Result<(), Status> {
        while let Some(event) = self.watch.next().await {
            let event = event.map_err(|error| fault::internal(format!("the watch over the store ended: {error}")))?;
            tell(observers, &event.key, event.entry.as_deref(), event.prev.as_deref());
        }
        Ok(())
    }
}

fn tell(observers: &[Arc<dyn Observer>], key: &[u8], now: Option<&Entry>, before: Option<&Entry>) {
    let Some(key) = keys::parts(key) else { return };
    let seen = Seen { key, now, before };
    observers.iter().for_each(|observer| observer.observe(&seen));
}
