//! The Cluster and Gate traits through which planes meet objects, and the controller loop over them.
//!
//! Must not know: which substrate answers, any single kind.
//!
//! A plane holds an `Arc<dyn Cluster>` that already carries its identity: every call it makes passes the same gate and
//! ledger as a person's. Reads give [`ridgeway_doc::Doc`]s; writes go through [`Cluster::write`], one shape for
//! create, update, patch, apply and delete. [`Reflector`] keeps a live copy of one kind, [`Queue`] turns its changes
//! into de-duplicated work.

mod clock;
mod event;
mod gate;
mod identity;
mod queue;
mod reflector;
mod status;
#[cfg(test)]
mod testing;
mod write;

pub use clock::{Clock, SystemClock, rfc3339};
pub use event::{EventRecorder, EventType};
pub use gate::{Gate, GateAnswer, GateRequest, Operation, Refusal};
pub use identity::{Causality, Identity};
pub use queue::Queue;
pub use reflector::{Change, Reflector};
pub use status::{Cause, Reason, Status};
pub use write::{Body, DeleteOptions, PatchKind, Preconditions, Propagation, Write, WriteOptions};

use std::sync::Arc;

use async_trait::async_trait;
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{Gvk, KindTable};
use tokio::sync::mpsc;

/// What narrows a list or watch.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Label selector in its text form; empty selects everything.
    pub labels: String,
    /// Field selector in its text form; empty selects everything.
    pub fields: String,
}

/// The answer to a list: objects in key order, all read at one revision.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The objects.
    pub items: Vec<Doc>,
    /// The revision they were read at; a watch resumes from it.
    pub resource_version: String,
}

/// One change seen by a watch.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// The object came into view.
    Added(Doc),
    /// The object changed.
    Modified(Doc),
    /// The object left the view; its last state.
    Deleted(Doc),
    /// Everything up to this resource version has been delivered.
    Bookmark(String),
    /// The watch ended; list again when the reason is [`Reason::Expired`].
    Error(Status),
}

/// A running watch; dropping it ends it.
pub type Watch = mpsc::Receiver<WatchEvent>;

/// A place where Kubernetes-style objects live. `namespace` is empty for cluster-scoped kinds.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// The kinds served now. A snapshot: ask again after CRDs changed.
    fn kinds(&self) -> Arc<KindTable>;

    /// One object.
    async fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Result<Doc, Status>;

    /// Objects of a kind in one namespace, or in all (`None`).
    async fn list(&self, gvk: &Gvk, namespace: Option<&str>, options: &ListOptions) -> Result<List, Status>;

    /// Changes of a kind after a resource version.
    async fn watch(
        &self,
        gvk: &Gvk,
        namespace: Option<&str>,
        options: &ListOptions,
        from: &str,
    ) -> Result<Watch, Status>;

    /// Any change. Returns the object as it is afterwards (for a delete: as it was last).
    async fn write(&self, write: Write) -> Result<Doc, Status>;

    /// This cluster on behalf of somebody else, within the same gate (impersonation; needs the right to do so).
    fn impersonate(&self, identity: Identity) -> Arc<dyn Cluster>;

    /// Creates an object; its kind, namespace and name are read from it.
    async fn create(&self, object: Value, options: WriteOptions) -> Result<Doc, Status> {
        self.write(Write::of(object, options, Body::Create)?).await
    }

    /// Replaces an object; a `resourceVersion` in it must match.
    async fn update(&self, object: Value, options: WriteOptions) -> Result<Doc, Status> {
        self.write(Write::of(object, options, Body::Update)?).await
    }

    /// Replaces the status of an object.
    async fn update_status(&self, object: Value, options: WriteOptions) -> Result<Doc, Status> {
        let mut write = Write::of(object, options, Body::Update)?;
        write.subresource = "status".into();
        self.write(write).await
    }

    /// Server-side apply; `options.field_manager` must be set.
    async fn apply(&self, object: Value, options: WriteOptions) -> Result<Doc, Status> {
        self.write(Write::of(object, options, |object| {
            Body::Patch(PatchKind::Apply, object.into_doc())
        })?)
        .await
    }

    /// A JSON merge patch.
    async fn merge_patch(
        &self,
        gvk: &Gvk,
        namespace: &str,
        name: &str,
        patch: Value,
        options: WriteOptions,
    ) -> Result<Doc, Status> {
        let body = Body::Patch(PatchKind::Merge, patch.into_doc());
        self.write(Write {
            gvk: gvk.clone(),
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            body,
            options,
        })
        .await
    }

    /// Deletes an object.
    async fn delete(
        &self,
        gvk: &Gvk,
        namespace: &str,
        name: &str,
        delete: DeleteOptions,
        options: WriteOptions,
    ) -> Result<Doc, Status> {
        self.write(Write {
            gvk: gvk.clone(),
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            body: Body::Delete(delete),
            options,
        })
        .await
    }
}
