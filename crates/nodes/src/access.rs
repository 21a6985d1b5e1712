//! The few calls that controllers make.

use ridgeway_cluster::{
    Body, DeleteOptions, ListOptions, PatchKind, Preconditions, Reason, Status, Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use crate::object::{owned_by, text};
use crate::{Nodes, Worked};

/// Who the fields belong to.
const MANAGER: &str = "ridgeway-nodes";

impl Nodes {
    /// An object, or `None`.
    pub(crate) async fn find(&self, gvk: &Gvk, namespace: &str, name: &str) -> Result<Option<Doc>, Status> {
        match self.cluster.get(gvk, namespace, name).await {
            Ok(doc) => Ok(Some(doc)),
            Err(status) if status.reason == Reason::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Objects of a kind that an owner controls. Read anew each time, so that no step is planned on an old view.
    pub(crate) async fn owned(&self, kind: Worked, owner: Node<'_>) -> Result<Vec<Doc>, Status> {
        let namespace = text(owner, &["metadata", "namespace"]);
        let uid = text(owner, &["metadata", "uid"]);
        let list = self
            .cluster
            .list(&kind.gvk(), Some(namespace), &ListOptions::default())
            .await?;
        Ok(list.items.into_iter().filter(|doc| owned_by(doc.root(), uid)).collect())
    }

    /// Creates an object of this crate's making.
    pub(crate) async fn create(&self, object: Value) -> Result<Doc, Status> {
        self.cluster.create(object, WriteOptions::by(MANAGER, None)).await
    }

    /// Sets the status of an object; unchanged costs nothing.
    pub(crate) async fn set_status(&self, object: &Doc, status: Value) -> Result<(), Status> {
        let mut patch = Value::object();
        patch.set(&["status"], status);
        self.patch(object, "status", patch).await.map(drop)
    }

    /// A merge patch of an object or of a subresource.
    pub(crate) async fn patch(&self, object: &Doc, subresource: &str, patch: Value) -> Result<Doc, Status> {
        let node = object.root();
        let gvk = Gvk::of(node).ok_or_else(|| Status::new(Reason::InternalError, "an object without a kind"))?;
        self.cluster
            .write(Write {
                gvk,
                namespace: text(node, &["metadata", "namespace"]).into(),
                name: text(node, &["metadata", "name"]).into(),
                subresource: subresource.into(),
                body: Body::Patch(PatchKind::Merge, patch.into_doc()),
                options: WriteOptions::by(MANAGER, None),
            })
            .await
    }

    /// Deletes exactly this object; being gone already is fine.
    pub(crate) async fn remove(&self, object: &Doc, grace: Option<i64>) -> Result<(), Status> {
        let node = object.root();
        let gvk = Gvk::of(node).ok_or_else(|| Status::new(Reason::InternalError, "an object without a kind"))?;
        let uid = Some(text(node, &["metadata", "uid"]).to_owned());
        let delete = DeleteOptions {
            preconditions: Preconditions {
                uid,
                resource_version: None,
            },
            grace_period_seconds: grace,
            ..DeleteOptions::default()
        };
        let (namespace, name) = (
            text(node, &["metadata", "namespace"]),
            text(node, &["metadata", "name"]),
        );
        match self
            .cluster
            .delete(&gvk, namespace, name, delete, WriteOptions::by(MANAGER, None))
            .await
        {
            Err(status) if matches!(status.reason, Reason::NotFound | Reason::Conflict) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The present in Kubernetes' time format.
    pub(crate) fn now(&self) -> String {
        ridgeway_cluster::rfc3339(self.clock.now())
    }
}
