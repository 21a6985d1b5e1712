//! What the portal reads, and what it asks for.

use std::collections::{BTreeSet, VecDeque};

use ridgeway_cluster::{Causality, Cluster, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_sync::{Change, Health, HealthStatus, IgnoreRule, health};

use crate::compare::{Comparing, diff_options};
use crate::controller::{Deliver, Memory};
use crate::desired::{Preparing, unmarked};
use crate::live::Place;
use crate::look::{DEPLOYED, Synced};
use crate::names;
use crate::rollback::Trust;
use crate::spec::{AppKey, Application};

/// How many objects a tree shows.
const MAX_NODES: usize = 2000;

/// One object of an Application's tree.
#[derive(Clone, Debug)]
pub struct TreeNode {
    /// Which object.
    pub reference: ObjectRef,
    /// Its kind with version.
    pub gvk: Gvk,
    /// Its uid; empty for an object that is missing.
    pub uid: String,
    /// Those above it; empty for what the Application manages itself.
    pub parents: Vec<ObjectRef>,
    /// Its health, if its kind has any.
    pub health: Option<Health>,
    /// `Synced`, `OutOfSync`, or empty for objects that are not in Git.
    pub sync: String,
    /// Whether it is a hook.
    pub hook: bool,
    /// When it was made, as RFC 3339.
    pub created_at: String,
    /// The images of its containers.
    pub images: Vec<String>,
}

/// An Application with all that hangs on it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Objects, each after its parents.
    pub nodes: Vec<TreeNode>,
    /// Whether there were more than are shown.
    pub truncated: bool,
}

/// How one object differs from Git.
#[derive(Clone, Debug)]
pub struct ObjectDiff {
    /// Which object.
    pub reference: ObjectRef,
    /// The single changes that a sync would make.
    pub changes: Vec<Change>,
    /// The object as it is; Secret values masked.
    pub live: Option<Value>,
    /// The object as a sync would leave it; Secret values masked. `None` when it would be deleted.
    pub predicted: Option<Value>,
    /// Where it is written: `file:line`.
    pub origin: String,
}

/// A sync that somebody asks for.
#[derive(Clone, Debug, Default)]
pub struct SyncAsk {
    /// Who asks.
    pub user: String,
    /// Which revision; empty for the target's.
    pub revision: String,
    /// Whether to delete what Git no longer has.
    pub prune: bool,
    /// Whether only to try.
    pub dry_run: bool,
    /// The history entry that is gone back to, if that is what this is.
    pub rollback_to: Option<i64>,
    /// What the request goes back to.
    pub causality: Option<Causality>,
}

impl Deliver {
    /// The objects of an Application and their children, as far as they are known.
    pub fn application_tree(&self, namespace: &str, name: &str) -> Option<Tree> {
        let key = AppKey::new(namespace, name);
        let doc = self.application(&key, None)?;
        let (app, _) = Application::read(&doc);
        let mut tree = Tree::default();
        let mut seen = BTreeSet::new();
        let mut ahead: VecDeque<(Doc, ObjectRef)> = VecDeque::new();
        let items = app
            .status()
            .and_then(|status| status.get("resources"))
            .into_iter()
            .flat_map(|list| list.items());
        for item in items {
            let part = |key: &str| item.str_at(&[key]).unwrap_or_default().to_owned();
            let gvk = Gvk::new(&part("group"), &part("version"), &part("kind"));
            let place = Place {
                gvk: gvk.clone(),
                namespace: part("namespace"),
                name: part("name"),
            };
            let live = self.live.get(&place);
            let reference = place.reference();
            seen.insert(reference.clone());
            let said = item.get("health").map(|node| read_health(node));
            let mut node = node(reference.clone(), gvk, live.as_ref(), Vec::new());
            node.health = said.or(node.health);
            node.sync = part("status");
            node.hook = item.get("hook").and_then(Node::as_bool).unwrap_or(false);
            tree.nodes.push(node);
            ahead.extend(live.map(|live| (live, reference)));
        }
        while let Some((parent, reference)) = ahead.pop_front() {
            let uid = parent
                .root()
                .str_at(&["metadata", "uid"])
                .unwrap_or_default()
                .to_owned();
            let mut children = self.live.owned_by(&uid);
            children.sort_by_key(|child| ObjectRef::of(child.root()));
            for child in children {
                if tree.nodes.len() >= MAX_NODES {
                    tree.truncated = true;
                    return Some(tree);
                }
                let (Some(own), Some(gvk)) = (ObjectRef::of(child.root()), Gvk::of(child.root())) else {
                    continue;
                };
                if seen.insert(own.clone()) {
                    tree.nodes
                        .push(node(own.clone(), gvk, Some(&child), vec![reference.clone()]));
                    ahead.push_back((child, own));
                }
            }
        }
        Some(tree)
    }

    /// How the objects of an Application differ from what its target revision wants. Objects that do not are left out.
    pub async fn diff(&self, namespace: &str, name: &str) -> Result<Vec<ObjectDiff>, String> {
        let key = AppKey::new(namespace, name);
        let doc = self
            .application(&key, None)
            .ok_or_else(|| format!("there is no Application {key}"))?;
        let (app, _) = Application::read(&doc);
        let asked = app
            .status()
            .and_then(|status| status.str_at(&["sync", "revision"]))
            .unwrap_or_default();
        let revision = if asked.is_empty() {
            app.source.target_revision.as_str()
        } else {
            asked
        };
        let url = app.source.repo_url.clone();
        let commit = self
            .repositories
            .resolve(&url, revision)
            .await
            .map_err(|error| error.to_string())?;
        // What the controller rendered serves here too, unless it is at work on this very Application.
        let memory = self.memory(&key);
        let rendering = match memory.try_lock() {
            Ok(mut memory) => self.rendering(&app, &mut memory, commit).await?,
            Err(_) => self.rendering(&app, &mut Memory::default(), commit).await?,
        };
        let project = self
            .project(&app.project)
            .ok_or_else(|| format!("there is no project {}", app.project))?;
        let kinds = self.cluster.kinds();
        let instance = key.instance(&self.options.control_plane);
        let desired = Preparing {
            app: &app,
            instance: &instance,
            kinds: &kinds,
            project: &project,
        }
        .prepare(&rendering.rendered);
        if let Some(fault) = desired.faults.first() {
            return Err(fault.clone());
        }
        self.live
            .ensure(
                desired
                    .objects
                    .iter()
                    .map(|object| object.place.gvk.clone())
                    .collect::<BTreeSet<_>>(),
            )
            .await;
        let ignore = IgnoreRule::from_spec(app.doc.root().at(&["spec", "ignoreDifferences"])).unwrap_or_default();
        let options = diff_options(ignore);
        let comparing = Comparing {
            live: &self.live,
            kinds: &kinds,
            instance: &instance,
            diff: &options,
        };
        let comparison = comparing.compare(&desired.objects, &mut Default::default());
        let out = comparison
            .resources
            .iter()
            .filter(|resource| !resource.hook && !resource.is_synced());
        Ok(out
            .map(|resource| match (&resource.desired, &resource.live) {
                (Some(desired), Some(live)) => {
                    let diff = comparing.diff_of(desired, live);
                    ObjectDiff {
                        reference: resource.place.reference(),
                        changes: diff.changes,
                        live: Some(masked(diff.live)),
                        predicted: Some(masked(diff.predicted)),
                        origin: desired.origin.clone(),
                    }
                }
                (desired, live) => ObjectDiff {
                    reference: resource.place.reference(),
                    changes: Vec::new(),
                    live: live.as_ref().map(|doc| masked(doc.root().to_value())),
                    predicted: desired.as_ref().map(|object| masked(unmarked(&object.doc))),
                    origin: desired.as_ref().map(|object| object.origin.clone()).unwrap_or_default(),
                },
            })
            .collect())
    }

    /// Asks for a sync, as the user whose cluster this is. One at a time: an operation that waits or runs is a conflict.
    pub async fn sync(&self, cluster: &dyn Cluster, app: &AppKey, ask: SyncAsk) -> Result<Doc, Status> {
        let doc = cluster.get(&names::application(), &app.namespace, &app.name).await?;
        if doc.root().get("operation").is_some() {
            let message = format!("an operation of {} is running; wait until it has ended", app.name);
            return Err(Status::new(Reason::Conflict, message));
        }
        let mut patch = Value::object();
        patch.set(&["operation", "initiatedBy", "username"], ask.user);
        let mut sync = Value::object();
        if !ask.revision.is_empty() {
            sync.set(&["revision"], ask.revision);
        }
        sync.set(&["prune"], ask.prune);
        sync.set(&["dryRun"], ask.dry_run);
        sync.set(&["rollbackTo"], ask.rollback_to);
        patch.set(&["operation", "sync"], sync);
        let options = WriteOptions::by("ridgeway-portal", ask.causality);
        cluster
            .merge_patch(&names::application(), &app.namespace, &app.name, patch, options)
            .await
    }

    /// Asks for the revision of a history entry. Automatic sync stays on: it leaves the choice alone until the branch
    /// moves.
    pub async fn rollback(
        &self,
        cluster: &dyn Cluster,
        app: &AppKey,
        id: i64,
        mut ask: SyncAsk,
    ) -> Result<Doc, Status> {
        let doc = cluster.get(&names::application(), &app.namespace, &app.name).await?;
        let history = doc.root().at(&["status", "history"]);
        let is_it = |entry: &Node<'_>| entry.get("id").and_then(Node::as_i64) == Some(id);
        let entry = history.and_then(|history| history.items().find(is_it));
        let revision = entry.and_then(|entry| entry.str_at(&["revision"])).ok_or_else(|| {
            let known: Vec<String> = history
                .into_iter()
                .flat_map(|history| history.items())
                .filter_map(|entry| entry.get("id").map(|id| id.to_string()))
                .collect();
            Status::not_found(names::ARGO_GROUP, "applications", &app.name).with_message(format!(
                "Application {app} has no history entry {id}; it has {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            ))
        })?;
        ask.revision = revision.to_owned();
        ask.prune = true;
        ask.rollback_to = Some(id);
        self.sync(cluster, app, ask).await
    }

    /// The revision that is deployed, and what is remembered of the others.
    pub fn trust(&self, namespace: &str, name: &str) -> Option<(String, Trust)> {
        let doc = self.application(&AppKey::new(namespace, name), None)?;
        let status = doc.root().get("status");
        Some((Synced::read(status, DEPLOYED).revision, Trust::read(status)))
    }
}

trait WithMessage {
    fn with_message(self, message: String) -> Status;
}

impl WithMessage for Status {
    fn with_message(mut self, message: String) -> Status {
        self.message = message;
        self
    }
}

fn read_health(node: Node<'_>) -> Health {
    let status = node
        .str_at(&["status"])
        .and_then(|said| said.parse().ok())
        .unwrap_or(HealthStatus::Unknown);
    Health {
        status,
        message: node.str_at(&["message"]).unwrap_or_default().to_owned(),
    }
}

fn node(reference: ObjectRef, gvk: Gvk, live: Option<&Doc>, parents: Vec<ObjectRef>) -> TreeNode {
    let root = live.map(Doc::root);
    let text = |path: &[&str]| root.and_then(|root| root.str_at(path)).unwrap_or_default().to_owned();
    let containers = root.and_then(|root| root.at(&["spec", "containers"]));
    let images = containers
        .into_iter()
        .flat_map(|list| list.items())
        .filter_map(|c| c.str_at(&["image"]));
    TreeNode {
        reference,
        gvk,
        uid: text(&["metadata", "uid"]),
        parents,
        health: root.and_then(health),
        sync: String::new(),
        hook: false,
        created_at: text(&["metadata", "creationTimestamp"]),
        images: images.map(str::to_owned).collect(),
    }
}

/// A Secret without its values.
fn masked(mut value: Value) -> Value {
    let node = value.node();
    if node.str_at(&["kind"]) == Some("Secret") && !node.str_at(&["apiVersion"]).unwrap_or_default().contains('/') {
        for part in ["data", "stringData"] {
            if let Some(map) = value.get_mut(part).and_then(Value::as_object_mut) {
                map.iter_mut().for_each(|(_, secret)| *secret = "••••••".into());
            }
        }
        value.remove(&[
            "metadata",
            "annotations",
            "kubectl.kubernetes.io/last-applied-configuration",
        ]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let read = |text: &str| ridgeway_doc::parse_yaml(text).unwrap()[0].root().to_value();
        let secret = masked(read(
            "{apiVersion: v1, kind: Secret, data: {a: c2VjcmV0}, stringData: {b: secret}}",
        ));
        assert!(
            !secret.to_json().contains("ecret\"}") && !secret.to_json().contains("c2VjcmV0"),
            "{secret}"
        );
        let map = masked(read("{apiVersion: v1, kind: ConfigMap, data: {a: b}}"));
        assert_eq!(map.node().str_at(&["data", "a"]), Some("b"));
    }
}
