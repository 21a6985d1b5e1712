//! Watches over HTTP: one JSON line an event, bookmarks, initial events, timeouts.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::Kind;
use ridgeway_store::Revision;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Call;
use super::negotiate::{self, Form};
use super::resource::parse_version;
use super::table::partial;
use crate::codec;
use crate::read::{Changes, ListQuery, Seen, SeenKind, Selection};
use crate::serve::Closing;

/// How long a watch lasts when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);
/// How often a quiet watch tells how far it is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

impl Call {
    /// Starts a watch from the version that the client asks for.
    pub(super) async fn watch(
        self,
        kind: &Arc<Kind>,
        namespace: Option<&str>,
        selection: Selection,
    ) -> Result<Response, Status> {
        let initial = self.query.flag("sendInitialEvents");
        let asked = self.query.get("resourceVersion").to_owned();
        let plane = &self.api.plane;
        // Without a version, or with "0", a watch starts with what is there.
        let mut first = Vec::new();
        let after = if asked.is_empty() || asked == "0" || initial {
            let query = ListQuery {
                selection: selection.clone(),
                ..ListQuery::default()
            };
            let page = plane.page(kind, namespace, &query).await?;
            let added = |entry| Seen {
                kind: SeenKind::Added,
                entry,
                revision: page.revision,
            };
            first.extend(page.entries.iter().cloned().map(added));
            page.revision
        } else {
            let version = parse_version(&asked)?;
            self.must_exist(version)?;
            version
        };
        let changes = plane.changes(kind, namespace, selection, after).await?;
        let timeout = self
            .query
            .number("timeoutSeconds")
            .map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let (sender, mut receiver) = mpsc::channel::<Bytes>(64);
        let run = Run {
            bookmarks: self.query.flag("allowWatchBookmarks"),
            form: negotiate::form(&self.headers),
            kind: kind.clone(),
            deadline: Instant::now() + timeout,
            headers_sent: false,
            call: self,
            sender,
        };
        tokio::spawn(run.forever(first, initial.then_some(after), changes));
        let stream = futures_util::stream::poll_fn(move |context| {
            receiver
                .poll_recv(context)
                .map(|item| item.map(Ok::<_, std::convert::Infallible>))
        });
        Ok(negotiate::json_bytes(StatusCode::OK, Body::from_stream(stream)))
    }
}

/// Resolves when the server stops; never where nobody says when.
async fn closed(closing: &mut Option<Closing>) {
    match closing {
        Some(Closing(receiver)) => drop(receiver.wait_for(|closing| *closing).await),
        None => std::future::pending().await,
    }
}

struct Run {
    call: Call,
    kind: Arc<Kind>,
    form: Form,
    bookmarks: bool,
    deadline: Instant,
    headers_sent: bool,
    sender: mpsc::Sender<Bytes>,
}

impl Run {
    async fn forever(mut self, first: Vec<Seen>, initial_end: Option<Revision>, mut changes: Changes) {
        for seen in first {
            if self.send(&seen).await.is_err() {
                return;
            }
        }
        if let Some(revision) = initial_end
            && self.bookmark(revision, true).await.is_err()
        {
            return;
        }
        let metrics = self.call.api.clone();
        let _watching = metrics.plane.metrics().watching();
        let mut closing = self.call.closing.take();
        let mut tick = tokio::time::interval(BOOKMARK_EVERY);
        tick.tick().await;
        loop {
            let sent = tokio::select! {
                seen = changes.next() => match seen {
                    Some(Ok(seen)) => self.send(&seen).await,
                    Some(Err(status)) => {
                        let _ = self.line("ERROR", &status.to_value().to_json()).await;
                        return;
                    }
                    None => return,
                },
                _ = tick.tick(), if self.bookmarks => self.bookmark(changes.progress(), false).await,
                () = tokio::time::sleep_until(self.deadline) => {
                    if self.bookmarks {
                        let _ = self.bookmark(changes.progress(), false).await;
                    }
                    return;
                }
                () = closed(&mut closing) => return,
                () = self.sender.closed() => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn line(&self, kind: &str, object: &str) -> Result<(), ()> {
        let line = format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
        self.sender.send(line.into()).await.map_err(drop)
    }

    async fn send(&mut self, seen: &Seen) -> Result<(), ()> {
        let (kind, revision) = match seen.kind {
            SeenKind::Added => ("ADDED", seen.entry.mod_revision),
            SeenKind::Modified => ("MODIFIED", seen.entry.mod_revision),
            // A deleted object carries the revision of its deletion, so that a resumed watch does not repeat it.
            SeenKind::Deleted => ("DELETED", seen.revision),
        };
        let json = codec::render(&seen.entry.value, revision);
        if self.form == Form::Object && self.kind.only_version {
            return self.line(kind, &String::from_utf8_lossy(&json)).await;
        }
        let Ok(doc) = Doc::parse_json(&json) else {
            return Err(());
        };
        let doc = codec::in_version(&self.kind, doc);
        let object = match self.form {
            Form::Object => doc.root().to_value(),
            Form::Table => {
                let headers = !std::mem::replace(&mut self.headers_sent, true);
                self.call.table(&self.kind, &[doc], &revision.to_string(), headers)
            }
            Form::Metadata => partial(doc.root()),
        };
        self.line(kind, &object.to_json()).await
    }

    async fn bookmark(&self, revision: Revision, initial_end: bool) -> Result<(), ()> {
        let mut object = Value::object();
        object.set(&["kind"], self.kind.gvk.kind.as_str());
        object.set(&["apiVersion"], self.kind.gvk.api_version());
        object.set(&["metadata", "resourceVersion"], revision.to_string());
        object.set(&["metadata", "creationTimestamp"], Value::NULL);
        if initial_end {
            object.set(&["metadata", "annotations", "k8s.io/initial-events-end"], "true");
        }
        if self.form == Form::Table {
            let mut table = self.call.table(&self.kind, &[], &revision.to_string(), false);
            let mut row = Value::object();
            row.set(&["cells"], Value::array());
            row.set(&["object"], object);
            table.set(&["rows"], [row].into_iter().collect::<Value>());
            return self.line("BOOKMARK", &table.to_json()).await;
        }
        self.line("BOOKMARK", &object.to_json()).await
    }
}
