//! The few calls that controllers make.

use ridgeway_cluster::{
    Body, Causality, DeleteOptions, ListOptions, PatchKind, Preconditions, Reason, Status, Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use crate::object::owned_by;
use crate::{Nodes, Worked};

/// Who the fields belong to.
pub(crate) const MANAGER: &str = "ridgeway-nodes";

/// What an object as it is goes back to, when whoever wrote it said so and nobody has changed it since.
pub(crate) fn cause(object: Node<'_>) -> Option<Causality> {
    let said = object.str_at(&["metadata", "annotations", Causality::ANNOTATION])?;
    let field = format!("f:{}", Causality::ANNOTATION);
    let mut own = "";
    let mut others = "";
    for entry in object
        .at(&["metadata", "managedFields"])
        .into_iter()
        .flat_map(Node::items)
    {
        let time = entry.text_at(&["time"]);
        if entry.at(&["fieldsV1", "f:metadata", "f:annotations", &field]).is_some() {
            own = time;
        } else if entry.text_at(&["manager"]) != MANAGER && entry.text_at(&["subresource"]).is_empty() {
            others = others.max(time);
        }
    }
    (others <= own).then(|| Causality::new(said))
}

/// Hands on to an object what it is made for.
pub(crate) fn hand_on(cause: Option<&Causality>, object: &mut Value) {
    if let Some(cause) = cause {
        object.set(&["metadata", "annotations", Causality::ANNOTATION], cause.as_str());
    }
}

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
        let namespace = owner.text_at(&["metadata", "namespace"]);
        let uid = owner.text_at(&["metadata", "uid"]);
        let list = self
            .cluster
            .list(&kind.gvk(), Some(namespace), &ListOptions::default())
            .await?;
        Ok(list.items.into_iter().filter(|doc| owned_by(doc.root(), uid)).collect())
    }

    /// Creates an object of this crate's making.
    pub(crate) async fn create(&self, object: Value) -> Result<Doc, Status> {
        let cause = cause(object.node());
        self.cluster.create(object, WriteOptions::by(MANAGER, cause)).await
    }

    /// Sets the status of an object; unchanged costs nothing.
    pub(crate) async fn set_status(&self, object: &Doc, status: Value) -> Result<(), Status> {
        let mut patch = Value::object();
        patch.set(&["status"], status);
        self.patch(object, "status", patch).await.map(drop)
    }

    /// A merge patch of an object or of a subresource, for the reason that the object is there.
    pub(crate) async fn patch(&self, object: &Doc, subresource: &str, patch: Value) -> Result<Doc, Status> {
        self.patch_for(cause(object.root()), object, subresource, patch).await
    }

    /// The same for another reason.
    pub(crate) async fn patch_for(
        &self,
        cause: Option<Causality>,
        object: &Doc,
        subresource: &str,
        patch: Value,
    ) -> Result<Doc, Status> {
        let node = object.root();
        let gvk = Gvk::of(node).ok_or_else(|| Status::new(Reason::InternalError, "an object without a kind"))?;
        self.cluster
            .write(Write {
                gvk,
                namespace: node.text_at(&["metadata", "namespace"]).into(),
                name: node.text_at(&["metadata", "name"]).into(),
                subresource: subresource.into(),
                body: Body::Patch(PatchKind::Merge, patch.into_doc()),
                options: WriteOptions::by(MANAGER, cause),
            })
            .await
    }

    /// Deletes exactly this object; being gone already is fine.
    pub(crate) async fn remove(
        &self,
        object: &Doc,
        grace: Option<i64>,
        cause: Option<Causality>,
    ) -> Result<(), Status> {
        let node = object.root();
        let gvk = Gvk::of(node).ok_or_else(|| Status::new(Reason::InternalError, "an object without a kind"))?;
        let uid = Some(node.text_at(&["metadata", "uid"]).to_owned());
        let delete = DeleteOptions {
            preconditions: Preconditions {
                uid,
                resource_version: None,
            },
            grace_period_seconds: grace,
            ..DeleteOptions::default()
        };
        let (namespace, name) = (
            node.text_at(&["metadata", "namespace"]),
            node.text_at(&["metadata", "name"]),
        );
        match self
            .cluster
            .delete(&gvk, namespace, name, delete, WriteOptions::by(MANAGER, cause))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_holds_until_somebody_else_changes_the_object() {
        let object = |others: &str| {
            ridgeway_doc::parse_yaml(&format!(
                "{{metadata: {{annotations: {{ridgeway.dev/causality: 'git:abc'}}, managedFields: [{{manager: deliver, time: \
                 '2026-01-02T00:00:00Z', fieldsV1: {{'f:metadata': {{'f:annotations': {{'f:ridgeway.dev/causality': {{}}}}}}}}}}{others}]}}}}"
            ))
            .unwrap()
            .remove(0)
        };
        let said = |others: &str| cause(object(others).root()).map(|cause| cause.to_string());
        let by_commit = Some("git:abc".to_owned());
        assert_eq!(said(""), by_commit);
        assert_eq!(said(", {manager: kubectl, time: '2026-01-01T00:00:00Z'}"), by_commit);
        assert_eq!(
            said(", {manager: ridgeway-nodes, time: '2026-01-03T00:00:00Z'}"),
            by_commit
        );
        assert_eq!(
            said(", {manager: hpa, subresource: status, time: '2026-01-03T00:00:00Z'}"),
            by_commit
        );
        assert_eq!(said(", {manager: kubectl, time: '2026-01-03T00:00:00Z'}"), None);
    }
}
