//! Namespace termination: everything in a namespace is deleted, Pods first, then the namespace lets go of itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use ridgeway_cluster::{
    Body, DeleteOptions, Identity, PatchKind, Preconditions, Queue, Reason, Status, Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind};

use super::{Observer, RETRY, Seen, identity};
use crate::plane::ControlPlane;
use crate::{codec, fault, keys};

const NAME: &str = "namespace-controller";
/// How many objects are being deleted at a time.
const AT_ONCE: usize = 16;
/// How often a namespace that waits for others is looked at without being told to.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Namespaces {
    plane: ControlPlane,
    user: Identity,
    queue: Queue<String>,
    terminating: Mutex<HashSet<String>>,
}

/// What is left in a namespace.
#[derive(Default)]
struct Remains {
    /// Objects by resource, such as `pods.`.
    content: BTreeMap<String, usize>,
    /// Objects by the finalizer that holds them.
    finalizers: BTreeMap<String, usize>,
    /// Deletions that failed.
    failures: Vec<String>,
}

impl Observer for Namespaces {
    fn observe(&self, seen: &Seen<'_>) {
        let mut terminating = self.terminating.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is("", "namespaces") {
            if seen.now.is_none() {
                terminating.remove(seen.key.name);
            } else if seen.mentions("\"deletionTimestamp\"") {
                terminating.insert(seen.key.name.to_owned());
                self.queue.add(seen.key.name.to_owned());
            }
        } else if !terminating.is_empty() && terminating.contains(seen.key.namespace) {
            // A deletion may have been the last; a change may have let go of a finalizer; a creation raced with the mark.
            self.queue.add(seen.key.namespace.to_owned());
        }
    }
}

impl Namespaces {
    pub(super) fn new(plane: &ControlPlane) -> Namespaces {
        Namespaces {
            plane: plane.clone(),
            user: identity(NAME),
            queue: Queue::new(),
            terminating: Mutex::default(),
        }
    }

    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let name = self.queue.next().await;
            let again = match self.reconcile(&name).await {
                Ok(true) => None,
                Ok(false) => Some(PATIENCE),
                Err(status) if status.reason == Reason::NotFound => None,
                Err(status) => {
                    tracing::debug!(namespace = name, %status, "the namespace is not gone yet");
                    Some(RETRY)
                }
            };
            if let Some(delay) = again {
                self.queue.add_after(name.clone(), delay);
            }
            self.queue.done(&name);
        }
    }

    /// Deletes what is left. Says whether nothing more is to be done.
    async fn reconcile(&self, name: &str) -> Result<bool, Status> {
        let Some(namespace) = self.plane.namespace(name)? else {
            return Ok(true);
        };
        if namespace.root().at(&["metadata", "deletionTimestamp"]).is_none() {
            return Ok(true);
        }
        let (pods, others) = self.kinds();
        let mut remains = self.clear(name, &pods).await?;
        // Pods may need what else is in the namespace while they stop.
        if remains.content.is_empty() {
            remains = self.clear(name, &others).await?;
        }
        if !remains.content.is_empty() {
            self.report(&namespace, &remains).await?;
            return Ok(false);
        }
        if namespace
            .root()
            .at(&["spec", "finalizers"])
            .is_some_and(|list| !list.is_empty())
        {
            let kept: Value = namespace
                .root()
                .at(&["spec", "finalizers"])
                .map(Node::items)
                .into_iter()
                .flatten()
                .filter(|finalizer| finalizer.as_str() != Some("kubernetes"))
                .map(Node::to_value)
                .collect();
            let mut next = namespace.root().to_value();
            next.set(&["spec", "finalizers"], kept);
            self.write(name, "finalize", Body::Update(next)).await?;
        }
        Ok(true)
    }

    /// Namespaced kinds, one version of each: Pods, and all others.
    fn kinds(&self) -> (Vec<Arc<Kind>>, Vec<Arc<Kind>>) {
        let table = self.plane.kinds();
        let mut seen = BTreeSet::new();
        table
            .kinds()
            .filter(|kind| kind.namespaced && kind.allows("delete") && kind.allows("list"))
            .filter(|kind| seen.insert((kind.gvk.group.clone(), kind.plural.clone())))
            .partition(|kind| kind.gvk.group.is_empty() && kind.plural == "pods")
    }

    /// Deletes the objects of some kinds and says what is still there afterwards.
    async fn clear(&self, namespace: &str, kinds: &[Arc<Kind>]) -> Result<Remains, Status> {
        let mut todo = Vec::new();
        for kind in kinds {
            let page = self
                .plane
                .store()
                .range_latest(&keys::prefix(kind, Some(namespace)), 0)
                .map_err(fault::store)?;
            for entry in page.entries {
                let object = codec::decode_as(kind, &entry)?;
                if object.root().at(&["metadata", "deletionTimestamp"]).is_none()
                    || self.is_stranded(kind, object.root())?
                {
                    todo.push((kind.clone(), object));
                }
            }
        }
        let deletions: Vec<_> = todo
            .into_iter()
            .map(|(kind, object)| self.delete(kind, namespace, object))
            .collect();
        let failures: Vec<String> = futures_util::stream::iter(deletions)
            .buffer_unordered(AT_ONCE)
            .filter_map(|result| std::future::ready(result.err().map(|status| status.message)))
            .collect()
            .await;
        let mut remains = Remains {
            failures,
            ..Remains::default()
        };
        for kind in kinds {
            let page = self
                .plane
                .store()
                .range_latest(&keys::prefix(kind, Some(namespace)), 0)
                .map_err(fault::store)?;
            if page.entries.is_empty() {
                continue;
            }
            remains
                .content
                .insert(format!("{}.{}", kind.plural, kind.gvk.group), page.entries.len());
            for entry in &page.entries {
                let object = codec::decode(entry)?;
                let finalizers = object
                    .root()
                    .at(&["metadata", "finalizers"])
                    .map(Node::items)
                    .into_iter()
                    .flatten();
                for finalizer in finalizers.filter_map(Node::as_str) {
                    *remains.finalizers.entry(finalizer.to_owned()).or_default() += 1;
                }
            }
        }
        Ok(remains)
    }

    /// A Pod that should have stopped on a node that does not exist: nobody else will remove it.
    fn is_stranded(&self, kind: &Kind, object: Node<'_>) -> Result<bool, Status> {
        if !kind.gvk.group.is_empty() || kind.plural != "pods" {
            return Ok(false);
        }
        let nodes = self.plane.kind(&Gvk::new("", "v1", "Node"))?;
        let node = object.str_at(&["spec", "nodeName"]).unwrap_or_default();
        Ok(self.plane.entry(&nodes, "", node)?.is_none())
    }

    async fn delete(&self, kind: Arc<Kind>, namespace: &str, object: Doc) -> Result<(), Status> {
        let object = object.root();
        let stranded = self.is_stranded(&kind, object)?;
        let uid = object.str_at(&["metadata", "uid"]).map(str::to_owned);
        let options = DeleteOptions {
            preconditions: Preconditions {
                uid,
                resource_version: None,
            },
            grace_period_seconds: stranded.then_some(0),
            ..DeleteOptions::default()
        };
        let write = Write {
            gvk: kind.gvk.clone(),
            namespace: namespace.into(),
            name: object.str_at(&["metadata", "name"]).unwrap_or_default().into(),
            subresource: String::new(),
            body: Body::Delete(options),
            options: WriteOptions::by(NAME, None),
        };
        match self.plane.execute(&self.user, write).await {
            Ok(_) => Ok(()),
            Err(status) if matches!(status.reason, Reason::NotFound | Reason::Conflict) => Ok(()),
            Err(status) => Err(status),
        }
    }

    /// Says in the namespace's conditions what holds it up.
    async fn report(&self, namespace: &Doc, remains: &Remains) -> Result<(), Status> {
        let root = namespace.root();
        let name = root.str_at(&["metadata", "name"]).unwrap_or_default();
        let list = |counts: &BTreeMap<String, usize>, what: &str| {
            counts
                .iter()
                .map(|(name, n)| format!("{name} {what} {n} resource instances"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let findings = [
            (
                "NamespaceDeletionDiscoveryFailure",
                false,
                "ResourcesDiscovered",
                "All resources successfully discovered".into(),
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                false,
                "ParsedGroupVersions",
                "All legacy kube types successfully parsed".into(),
            ),
            match remains.failures.as_slice() {
                [] => (
                    "NamespaceDeletionContentFailure",
                    false,
                    "ContentDeleted",
                    "All content successfully deleted, may be waiting on finalization".into(),
                ),
                failures => {
                    let message = format!(
                        "Failed to delete all resource types, {} remaining: {}",
                        failures.len(),
                        failures.join(", ")
                    );
                    (
                        "NamespaceDeletionContentFailure",
                        true,
                        "ContentDeletionFailed",
                        message,
                    )
                }
            },
            (
                "NamespaceContentRemaining",
                true,
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", list(&remains.content, "has")),
            ),
            if remains.finalizers.is_empty() {
                (
                    "NamespaceFinalizersRemaining",
                    false,
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished".into(),
                )
            } else {
                let message = format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    list(&remains.finalizers, "in")
                );
                ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", message)
            },
        ];
        let old = |kind: &str| {
            let conditions = root
                .at(&["status", "conditions"])
                .map(Node::items)
                .into_iter()
                .flatten();
            conditions.into_iter().find(|c| c.str_at(&["type"]) == Some(kind))
        };
        let conditions: Value = findings
            .iter()
            .map(|(kind, status, reason, message)| {
                let status = if *status { "True" } else { "False" };
                let since = old(kind).filter(|c| c.str_at(&["status"]) == Some(status));
                let since = since.and_then(|c| c.str_at(&["lastTransitionTime"])).map(str::to_owned);
                let mut condition = Value::object();
                condition.set(&["type"], *kind);
                condition.set(&["status"], status);
                condition.set(&["lastTransitionTime"], since.unwrap_or_else(|| self.plane.timestamp()));
                condition.set(&["reason"], *reason);
                condition.set(&["message"], message.as_str());
                condition
            })
            .collect();
        if root.at(&["status", "conditions"]) == Some(conditions.node()) {
            return Ok(());
        }
        let mut patch = Value::object();
        patch.set(&["status", "conditions"], conditions);
        self.write(name, "status", Body::Patch(PatchKind::Merge, patch.into_doc()))
            .await
    }

    async fn write(&self, name: &str, subresource: &str, body: Body) -> Result<(), Status> {
        let write = Write {
            gvk: Gvk::new("", "v1", "Namespace"),
            namespace: String::new(),
            name: name.into(),
            subresource: subresource.into(),
            body,
            options: WriteOptions::by(NAME, None),
        };
        self.plane.execute(&self.user, write).await.map(drop)
    }
}
