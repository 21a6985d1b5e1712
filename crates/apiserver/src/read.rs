//! Get, list and watch over the store, in stored form: callers render bytes or parse documents as they need.

use std::sync::Arc;

use ridgeway_cluster::{Identity, Status};
use ridgeway_doc::Doc;
use ridgeway_krm::{FieldSelector, Kind, LabelSelector};
use ridgeway_store::{Entry, KeyRange, RangeRequest, Revision, StoreError, Watch, WatchError, WatchEvent, successor};

use crate::access::Question;
use crate::plane::ControlPlane;
use crate::{codec, fault, keys};

/// Label and field selectors of a list or watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    labels: Option<LabelSelector>,
    fields: Option<FieldSelector>,
}

impl Selection {
    /// Parses both; empty texts select everything.
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Selection, Status> {
        let labels = match labels.trim() {
            "" => None,
            text => Some(LabelSelector::parse(text).map_err(|e| fault::bad_request(format!("labelSelector: {e}")))?),
        };
        let fields = match fields.trim() {
            "" => None,
            text => Some(FieldSelector::parse(text).map_err(|e| fault::bad_request(format!("fieldSelector: {e}")))?),
        };
        Ok(Selection { labels, fields })
    }

    /// Whether everything is selected, so that nothing need be parsed.
    pub(crate) fn is_all(&self) -> bool {
        self.labels.is_none() && self.fields.is_none()
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, object: &Doc) -> bool {
        let labels = object.root().at(&["metadata", "labels"]);
        self.labels.as_ref().is_none_or(|selector| selector.matches(labels))
            && self
                .fields
                .as_ref()
                .is_none_or(|selector| selector.matches(object.root()))
    }

    fn selects(&self, entry: &Entry) -> Result<bool, Status> {
        Ok(self.is_all() || self.matches(&codec::decode(entry)?))
    }
}

/// A list as asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListQuery {
    pub(crate) selection: Selection,
    /// At most so many objects; 0 for all.
    pub(crate) limit: usize,
    /// Where an earlier page ended.
    pub(crate) token: Option<PageToken>,
    /// Read at exactly this revision.
    pub(crate) exact: Option<Revision>,
}

/// What `continue` carries: the snapshot and the last key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageToken {
    pub(crate) revision: Revision,
    pub(crate) after: Vec<u8>,
}

/// One page of a list.
pub(crate) struct ListPage {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) revision: Revision,
    pub(crate) next: Option<PageToken>,
    /// How many objects follow; unknown when a selector filters them.
    pub(crate) remaining: Option<u64>,
}

/// One change as a watcher sees it, in stored form.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) kind: SeenKind,
    pub(crate) entry: Arc<Entry>,
    /// The revision of the change (a deletion's is not in its entry).
    pub(crate) revision: Revision,
}

/// How a change looks through a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenKind {
    Added,
    Modified,
    Deleted,
}

impl ControlPlane {
    /// Whether a controller may read; that is decided, not recorded.
    pub(crate) fn may_read(
        &self,
        user: &Identity,
        verb: &str,
        kind: &Kind,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<(), Status> {
        self.authorize(user, Question::about(verb, kind, subresource, namespace, name))
            .map(drop)
    }

    /// The stored entry of an object.
    pub(crate) fn entry(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Option<Arc<Entry>>, Status> {
        if let Some(view) = self.view(kind) {
            let mut objects = view(&kind.gvk, Some(namespace)).into_iter();
            let found = objects.find(|object| object.root().str_at(&["metadata", "name"]) == Some(name));
            return Ok(found.map(|object| self.viewed(kind, &object)));
        }
        self.inner
            .store
            .get_latest(&keys::object(kind, namespace, name))
            .map_err(fault::store)
    }

    /// The stored entry of an object, or 404.
    pub(crate) fn must_entry(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Arc<Entry>, Status> {
        self.entry(kind, namespace, name)?
            .ok_or_else(|| Status::not_found(&kind.gvk.group, &kind.plural, name))
    }

    /// One page of a kind's objects.
    pub(crate) async fn page(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        query: &ListQuery,
    ) -> Result<ListPage, Status> {
        if let Some(view) = self.view(kind) {
            // All in one page: a view has no revisions to continue at.
            let objects = view(&kind.gvk, namespace);
            let selected = objects.iter().filter(|object| query.selection.matches(object));
            return Ok(ListPage {
                entries: selected.map(|object| self.viewed(kind, object)).collect(),
                revision: self.inner.store.revision(),
                next: None,
                remaining: None,
            });
        }
        let mut request = RangeRequest::prefix(keys::prefix(kind, namespace));
        request.at = query.token.as_ref().map(|token| token.revision).or(query.exact);
        if let Some(token) = &query.token {
            // Tokens come from clients: one from elsewhere must not reach other kinds.
            if !request.keys.contains(&token.after) {
                return Err(fault::bad_request(
                    "the continue token belongs to another list; start the list again",
                ));
            }
            request.keys.start = successor(&token.after);
        }
        let token = |revision, last: Option<&Arc<Entry>>| {
            last.map(|last| PageToken {
                revision,
                after: last.key.to_vec(),
            })
        };
        if query.selection.is_all() {
            request.limit = query.limit;
            let page = self.inner.store.range(request).await.map_err(fault::store)?;
            let next = if page.more {
                token(page.revision, page.entries.last())
            } else {
                None
            };
            let remaining = page.more.then_some(page.remaining);
            return Ok(ListPage {
                entries: page.entries,
                revision: page.revision,
                next,
                remaining,
            });
        }
        let page = self.inner.store.range(request).await.map_err(fault::store)?;
        let mut entries = Vec::new();
        let mut next = None;
        for entry in page.entries {
            if !query.selection.selects(&entry)? {
                continue;
            }
            if query.limit > 0 && entries.len() == query.limit {
                next = token(page.revision, entries.last());
                break;
            }
            entries.push(entry);
        }
        Ok(ListPage {
            entries,
            revision: page.revision,
            next,
            remaining: None,
        })
    }

    /// A computed object in stored form.
    fn viewed(&self, kind: &Kind, object: &Doc) -> Arc<Entry> {
        let text = |key: &str| object.root().str_at(&["metadata", key]).unwrap_or_default();
        let revision = self.inner.store.revision();
        Arc::new(Entry {
            key: keys::object(kind, text("namespace"), text("name")),
            value: codec::encode(object.root()),
            create_revision: revision,
            mod_revision: revision,
            version: 1,
        })
    }

    /// Changes of a kind after a revision.
    pub(crate) async fn changes(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selection: Selection,
        after: Revision,
    ) -> Result<Changes, Status> {
        let keys = KeyRange::prefix(keys::prefix(kind, namespace));
        let watch = self.inner.store.watch(keys, Some(after)).await.map_err(fault::store)?;
        Ok(Changes { watch, selection })
    }
}

/// A running watch that looks through a selector.
pub(crate) struct Changes {
    watch: Watch,
    selection: Selection,
}

impl Changes {
    /// The next change in view. `None` when the store closed.
    pub(crate) async fn next(&mut self) -> Option<Result<Seen, Status>> {
        loop {
            let event = match self.watch.next().await? {
                Ok(event) => event,
                Err(error) => return Some(Err(watch_fault(error))),
            };
            match self.view(&event) {
                Ok(Some(seen)) => return Some(Ok(seen)),
                Ok(None) => {}
                Err(status) => return Some(Err(status)),
            }
        }
    }

    /// The revision up to which everything has been delivered.
    pub(crate) fn progress(&self) -> Revision {
        self.watch.progress()
    }

    /// A change of selector membership shows as appearing or vanishing.
    fn view(&self, event: &WatchEvent) -> Result<Option<Seen>, Status> {
        let revision = event.revision;
        let selected = |entry: &Option<Arc<Entry>>| match entry {
            Some(entry) if self.selection.selects(entry)? => Ok::<_, Status>(Some(entry.clone())),
            _ => Ok(None),
        };
        Ok(match (selected(&event.prev)?, selected(&event.entry)?) {
            (None, Some(entry)) => Some(Seen {
                kind: SeenKind::Added,
                entry,
                revision,
            }),
            (Some(_), Some(entry)) => Some(Seen {
                kind: SeenKind::Modified,
                entry,
                revision,
            }),
            // The last state that was in view, at the revision at which it went out of view.
            (Some(last), None) => Some(Seen {
                kind: SeenKind::Deleted,
                entry: last,
                revision,
            }),
            (None, None) => None,
        })
    }
}

fn watch_fault(error: WatchError) -> Status {
    match error {
        WatchError::Compacted { requested, oldest } => fault::store(StoreError::Compacted { requested, oldest }),
        other => Status::new(
            ridgeway_cluster::Reason::Expired,
            format!("the watch fell behind: {other}"),
        ),
    }
}
