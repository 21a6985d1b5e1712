//! Garbage collection: objects go when their owners have gone.
//!
//! An owner is looked up by name in the store and compared by uid. A dependent with owners that are all absent is
//! deleted; with some absent it loses those references; with one that waits for it (foreground deletion) it goes first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ridgeway_cluster::{
    Body, Cluster, DeleteOptions, EventRecorder, EventType, Identity, PatchKind, Preconditions, Propagation, Queue,
    Reason, Status, Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind};

use super::graph::{Dependent, Graph, OwnerReference, Place, owners};
use super::{Observer, RETRY, Seen, client, identity};
use crate::codec;
use crate::plane::ControlPlane;
use crate::write::{FOREGROUND, ORPHAN};

const NAME: &str = "generic-garbage-collector";
/// How many objects are worked on at a time.
pub(super) const WORKERS: usize = 8;

/// What there is to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    /// Do the owners of this object (by uid) still exist?
    Dependent(String),
    /// Are the dependents of this object, which is being deleted, gone or orphaned?
    Owner(Place),
}

pub(super) struct Garbage {
    plane: ControlPlane,
    cluster: Arc<dyn Cluster>,
    user: Identity,
    graph: Mutex<Graph>,
    queue: Queue<Task>,
    recorder: EventRecorder,
}

/// What became of an owner.
enum Owner {
    /// It is there.
    Solid,
    /// It is there, and waits for its dependents to go.
    Waiting,
    /// It is gone.
    Absent,
}

impl Observer for Garbage {
    fn observe(&self, seen: &Seen<'_>) {
        let owned = seen.mentions("\"ownerReferences\"");
        let deleting = seen.mentions("\"deletionTimestamp\"");
        let gone = seen.now.is_none();
        let mut graph = self.graph();
        if !owned && !deleting && (!gone || graph.is_empty()) {
            return;
        }
        let Some(object) = seen.object() else { return };
        let place = Place {
            group: seen.key.group.into(),
            resource: seen.key.resource.into(),
            namespace: seen.key.namespace.into(),
            name: seen.key.name.into(),
        };
        let uid = object.root().str_at(&["metadata", "uid"]).unwrap_or_default();
        if gone {
            graph
                .of_owner(uid)
                .into_iter()
                .for_each(|dependent| self.queue.add(Task::Dependent(dependent.uid)));
            // Its owners may have waited for just this one.
            if let Some(known) = graph.remove(uid) {
                known
                    .owners
                    .iter()
                    .filter_map(|owner| self.place_of(owner, &known.place))
                    .for_each(|place| {
                        self.queue.add(Task::Owner(place));
                    });
            }
            return;
        }
        let dependent = Dependent::of(place.clone(), &object);
        if graph.put(dependent) {
            self.queue.add(Task::Dependent(uid.to_owned()));
        }
        if deleting && (has_finalizer(object.root(), FOREGROUND) || has_finalizer(object.root(), ORPHAN)) {
            self.queue.add(Task::Owner(place));
        }
    }
}

fn has_finalizer(object: Node<'_>, name: &str) -> bool {
    let mut finalizers = object
        .at(&["metadata", "finalizers"])
        .map(Node::items)
        .into_iter()
        .flatten();
    finalizers.any(|finalizer| finalizer.as_str() == Some(name))
}

fn is_deleting(object: Node<'_>) -> bool {
    object.at(&["metadata", "deletionTimestamp"]).is_some()
}

impl Garbage {
    pub(super) fn new(plane: &ControlPlane) -> Garbage {
        let cluster = client(plane, NAME);
        let recorder = EventRecorder::new(cluster.clone(), NAME, plane.clock().clone());
        Garbage {
            plane: plane.clone(),
            cluster,
            user: identity(NAME),
            graph: Mutex::default(),
            queue: Queue::new(),
            recorder,
        }
    }

    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let task = self.queue.next().await;
            let result = match &task {
                Task::Dependent(uid) => self.check_dependent(uid).await,
                Task::Owner(place) => self.check_owner(place).await,
            };
            match result {
                Ok(()) => {}
                Err(status) if status.reason == Reason::NotFound => {}
                Err(status) => {
                    tracing::debug!(?task, %status, "garbage collection tries again");
                    self.queue.add_after(task.clone(), RETRY);
                }
            }
            self.queue.done(&task);
        }
    }

    /// The kind at a place, in whichever version is served.
    fn kind_at(&self, place: &Place) -> Option<Arc<Kind>> {
        self.plane
            .kinds()
            .kinds()
            .find(|kind| kind.gvk.group == place.group && kind.plural == place.resource)
    }

    /// The kind that a reference names. A version that is no longer served stands for any.
    fn kind_of(&self, owner: &OwnerReference) -> Option<Arc<Kind>> {
        let kinds = self.plane.kinds();
        let gvk = Gvk::new(&owner.group_version.group, &owner.group_version.version, &owner.kind);
        kinds.get(&gvk).or_else(|| kinds.by_kind(&gvk.group, &gvk.kind))
    }

    /// Where an owner is, as seen from its dependent.
    fn place_of(&self, owner: &OwnerReference, dependent: &Place) -> Option<Place> {
        let kind = self.kind_of(owner)?;
        let namespace = if kind.namespaced {
            dependent.namespace.clone()
        } else {
            String::new()
        };
        Some(Place {
            group: kind.gvk.group.clone(),
            resource: kind.plural.clone(),
            namespace,
            name: owner.name.clone(),
        })
    }

    fn live(&self, place: &Place) -> Result<Option<(Arc<Kind>, Doc)>, Status> {
        let Some(kind) = self.kind_at(place) else {
            return Ok(None);
        };
        let Some(entry) = self.plane.entry(&kind, &place.namespace, &place.name)? else {
            return Ok(None);
        };
        let doc = codec::decode_as(&kind, &entry)?;
        Ok(Some((kind, doc)))
    }

    fn look_up(&self, owner: &OwnerReference, dependent: &Place, object: Node<'_>) -> Result<Owner, Status> {
        let Some(kind) = self.kind_of(owner) else {
            // Its CRD may come back; what cannot be looked up is not collected.
            return Ok(Owner::Solid);
        };
        if kind.namespaced && dependent.namespace.is_empty() {
            let message = format!(
                "ownerRef [{}/{}, uid: {}] does not name a cluster-scoped kind, so it cannot own a cluster-scoped object",
                kind.gvk.kind, owner.name, owner.uid
            );
            self.recorder
                .record(object, EventType::Warning, "OwnerRefInvalidNamespace", &message);
            return Ok(Owner::Solid);
        }
        let namespace = if kind.namespaced {
            dependent.namespace.as_str()
        } else {
            ""
        };
        let Some(entry) = self.plane.entry(&kind, namespace, &owner.name)? else {
            return Ok(Owner::Absent);
        };
        let found = codec::decode(&entry)?;
        let root = found.root();
        Ok(if root.str_at(&["metadata", "uid"]) != Some(&owner.uid) {
            Owner::Absent
        } else if is_deleting(root) && has_finalizer(root, FOREGROUND) {
            Owner::Waiting
        } else {
            Owner::Solid
        })
    }

    async fn check_dependent(&self, uid: &str) -> Result<(), Status> {
        let Some(known) = self.graph().get(uid).cloned() else {
            return Ok(());
        };
        let Some((kind, live)) = self.live(&known.place)? else {
            return Ok(());
        };
        let root = live.root();
        if root.str_at(&["metadata", "uid"]) != Some(uid) || is_deleting(root) {
            return Ok(());
        }
        let (mut solid, mut waiting, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        for owner in owners(root) {
            match self.look_up(&owner, &known.place, root)? {
                Owner::Solid => solid.push(owner),
                Owner::Waiting => waiting.push(owner),
                Owner::Absent => absent.push(owner),
            }
        }
        if solid.is_empty() && waiting.is_empty() && absent.is_empty() {
            return Ok(());
        }
        if !solid.is_empty() {
            if absent.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            return self
                .forget_owners(&kind, root, |uid| !solid.iter().any(|owner| owner.uid == uid))
                .await;
        }
        let propagation = if has_finalizer(root, ORPHAN) {
            Propagation::Orphan
        } else if has_finalizer(root, FOREGROUND) || !waiting.is_empty() && self.graph().has_dependents(uid) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            // An owner that was added meanwhile must be looked at first.
            resource_version: root.str_at(&["metadata", "resourceVersion"]).map(str::to_owned),
        };
        let delete = DeleteOptions {
            propagation,
            preconditions,
            grace_period_seconds: None,
        };
        let Place { namespace, name, .. } = &known.place;
        self.cluster
            .delete(&kind.gvk, namespace, name, delete, WriteOptions::by(NAME, None))
            .await
            .map(drop)
    }

    async fn check_owner(&self, place: &Place) -> Result<(), Status> {
        let Some((kind, live)) = self.live(place)? else {
            return Ok(());
        };
        let root = live.root();
        if !is_deleting(root) {
            return Ok(());
        }
        let uid = root.str_at(&["metadata", "uid"]).unwrap_or_default();
        let dependents = self.graph().of_owner(uid);
        if has_finalizer(root, ORPHAN) {
            for dependent in dependents {
                if let Some((kind, object)) = self.live(&dependent.place)? {
                    self.forget_owners(&kind, object.root(), |owner| owner == uid).await?;
                }
            }
            return self.remove_finalizer(&kind, root, ORPHAN).await;
        }
        if !has_finalizer(root, FOREGROUND) {
            return Ok(());
        }
        let blocks = |dependent: &Dependent| dependent.owners.iter().any(|owner| owner.uid == uid && owner.blocks);
        if !dependents.iter().any(blocks) {
            return self.remove_finalizer(&kind, root, FOREGROUND).await;
        }
        dependents
            .into_iter()
            .for_each(|dependent| self.queue.add(Task::Dependent(dependent.uid)));
        Ok(())
    }

    /// Takes references to some owners off an object.
    async fn forget_owners(&self, kind: &Kind, object: Node<'_>, forget: impl Fn(&str) -> bool) -> Result<(), Status> {
        let references = object
            .at(&["metadata", "ownerReferences"])
            .map(Node::items)
            .into_iter()
            .flatten();
        let kept: Vec<Value> = references
            .filter(|reference| !forget(reference.str_at(&["uid"]).unwrap_or_default()))
            .map(Node::to_value)
            .collect();
        let kept = if kept.is_empty() {
            Value::NULL
        } else {
            kept.into_iter().collect()
        };
        self.patch_metadata(kind, object, "ownerReferences", kept).await
    }

    async fn remove_finalizer(&self, kind: &Kind, object: Node<'_>, name: &str) -> Result<(), Status> {
        let finalizers = object
            .at(&["metadata", "finalizers"])
            .map(Node::items)
            .into_iter()
            .flatten();
        let kept: Vec<Value> = finalizers
            .filter(|f| f.as_str() != Some(name))
            .map(Node::to_value)
            .collect();
        let kept = if kept.is_empty() {
            Value::NULL
        } else {
            kept.into_iter().collect()
        };
        self.patch_metadata(kind, object, "finalizers", kept).await
    }

    async fn patch_metadata(&self, kind: &Kind, object: Node<'_>, field: &str, value: Value) -> Result<(), Status> {
        let text = |key: &str| object.str_at(&["metadata", key]).unwrap_or_default().to_owned();
        let mut patch = Value::object();
        patch.set(&["metadata", "uid"], text("uid"));
        patch.set(&["metadata", "resourceVersion"], text("resourceVersion"));
        patch.set(&["metadata", field], value);
        let write = Write {
            gvk: kind.gvk.clone(),
            namespace: text("namespace"),
            name: text("name"),
            subresource: String::new(),
            body: Body::Patch(PatchKind::Merge, patch.into_doc()),
            options: WriteOptions::by(NAME, None),
        };
        self.plane.execute(&self.user, write).await.map(drop)
    }
}
