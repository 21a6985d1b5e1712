//! Custom resource definitions take their objects with them.

use std::sync::Arc;

use ridgeway_cluster::{
    Body, DeleteOptions, Identity, PatchKind, Preconditions, Queue, Reason, Status, Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind};

use super::{Observer, RETRY, Seen, identity};
use crate::plane::ControlPlane;
use crate::write::CLEANUP;
use crate::{codec, fault, keys};

const NAME: &str = "customresource-cleanup-controller";
const GROUP: &str = "apiextensions.k8s.io";

pub(super) struct Definitions {
    plane: ControlPlane,
    user: Identity,
    queue: Queue<String>,
}

impl Observer for Definitions {
    fn observe(&self, seen: &Seen<'_>) {
        if seen.is(GROUP, "customresourcedefinitions") && seen.now.is_some() && seen.mentions("\"deletionTimestamp\"") {
            self.queue.add(seen.key.name.to_owned());
        }
    }
}

impl Definitions {
    pub(super) fn new(plane: &ControlPlane) -> Definitions {
        Definitions {
            plane: plane.clone(),
            user: identity(NAME),
            queue: Queue::new(),
        }
    }

    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let name = self.queue.next().await;
            match self.clean(&name).await {
                Ok(true) => {}
                Ok(false) => self.queue.add_after(name.clone(), RETRY),
                Err(status) => {
                    tracing::debug!(definition = name, %status, "its objects are not gone yet");
                    self.queue.add_after(name.clone(), RETRY);
                }
            }
            self.queue.done(&name);
        }
    }

    /// Deletes the objects of a definition that is being deleted. Says whether it is done.
    async fn clean(&self, name: &str) -> Result<bool, Status> {
        let gvk = Gvk::new(GROUP, "v1", "CustomResourceDefinition");
        let kind = self.plane.kind(&gvk)?;
        let Some(entry) = self.plane.entry(&kind, "", name)? else {
            return Ok(true);
        };
        let definition = codec::decode(&entry)?;
        let root = definition.root();
        let finalizers = || {
            root.at(&["metadata", "finalizers"])
                .map(Node::items)
                .into_iter()
                .flatten()
        };
        if root.at(&["metadata", "deletionTimestamp"]).is_none() || !finalizers().any(|f| f.as_str() == Some(CLEANUP)) {
            return Ok(true);
        }
        let kinds = Kind::from_crd(root).map_err(|error| fault::internal(error.to_string()))?;
        if let Some(kind) = kinds.first() {
            let objects = |plane: &ControlPlane| {
                plane
                    .store()
                    .range_latest(&keys::prefix(kind, None), 0)
                    .map_err(fault::store)
            };
            for entry in objects(&self.plane)?.entries {
                self.delete(kind, &codec::decode_as(kind, &entry)?).await?;
            }
            if !objects(&self.plane)?.entries.is_empty() {
                return Ok(false);
            }
        }
        let kept: Vec<Value> = finalizers()
            .filter(|f| f.as_str() != Some(CLEANUP))
            .map(Node::to_value)
            .collect();
        let mut patch = Value::object();
        patch.set(
            &["metadata", "resourceVersion"],
            root.str_at(&["metadata", "resourceVersion"]),
        );
        patch.set(&["metadata", "finalizers"], kept);
        self.write(gvk, "", name, Body::Patch(PatchKind::Merge, patch.into_doc()))
            .await?;
        Ok(true)
    }

    async fn delete(&self, kind: &Kind, object: &Doc) -> Result<(), Status> {
        let root = object.root();
        if root.at(&["metadata", "deletionTimestamp"]).is_some() {
            return Ok(());
        }
        let text = |key: &str| root.str_at(&["metadata", key]).unwrap_or_default();
        let preconditions = Preconditions {
            uid: Some(text("uid").to_owned()),
            resource_version: None,
        };
        let body = Body::Delete(DeleteOptions {
            preconditions,
            ..DeleteOptions::default()
        });
        match self
            .write(kind.gvk.clone(), text("namespace"), text("name"), body)
            .await
        {
            Err(status) if matches!(status.reason, Reason::NotFound | Reason::Conflict) => Ok(()),
            other => other,
        }
    }

    async fn write(&self, gvk: Gvk, namespace: &str, name: &str, body: Body) -> Result<(), Status> {
        let write = Write {
            gvk,
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            body,
            options: WriteOptions::by(NAME, None),
        };
        self.plane.execute(&self.user, write).await.map(drop)
    }
}
