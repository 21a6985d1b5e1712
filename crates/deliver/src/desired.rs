//! What an Application wants: its source rendered at a commit, made ready for the cluster.

use std::collections::HashMap;
use std::sync::Arc;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_git::{CommitId, EntryKind, Oid, Snapshot};
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_render::{DirEntry, Files, Rendered, SourceType, render_source};
use ridgeway_sync::TrackingId;

use crate::live::Place;
use crate::names::TRACKING_ID;
use crate::project::Project;
use crate::spec::Application;

/// How many renderings of an Application are kept: its target's, the deployed one, and what a rollback needs.
const KEPT: usize = 4;

/// Reads a commit's files for the renderer.
struct SnapshotFiles<'a>(&'a Snapshot);

impl Files for SnapshotFiles<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.0
            .read(path)
            .map(|bytes| bytes.map(|bytes| bytes.to_vec()))
            .map_err(|error| error.to_string())
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, String> {
        let entries = self.0.list(dir).map_err(|error| error.to_string())?;
        let Some(entries) = entries else { return Ok(None) };
        let mut listed = Vec::with_capacity(entries.len());
        for entry in entries {
            let kind = match entry.kind {
                EntryKind::Link => {
                    let path = if dir.is_empty() {
                        entry.name.clone()
                    } else {
                        format!("{dir}/{}", entry.name)
                    };
                    self.0.kind(&path).map_err(|error| error.to_string())?
                }
                kind => Some(kind),
            };
            let is_dir = match kind {
                Some(EntryKind::File) => false,
                Some(EntryKind::Directory) => true,
                // A link to nowhere, or another repository's commit.
                _ => continue,
            };
            listed.push(DirEntry {
                name: entry.name,
                is_dir,
            });
        }
        Ok(Some(listed))
    }
}

/// A source rendered at a commit.
#[derive(Clone)]
pub(crate) struct Rendering {
    pub(crate) source_type: String,
    pub(crate) rendered: Arc<Rendered>,
    /// A digest of the objects.
    pub(crate) digest: String,
    /// What was read, with its hash at that time; `None` for what was looked for and not there.
    reads: Arc<[(String, Option<Oid>)]>,
    source: String,
    commits: Vec<CommitId>,
}

/// Renderings of one Application.
#[derive(Default)]
pub(crate) struct Renderings(Vec<Rendering>);

impl Renderings {
    /// A rendering that is known for a commit.
    pub(crate) fn known(&self, source: &str, commit: CommitId) -> Option<Rendering> {
        self.0
            .iter()
            .find(|known| known.source == source && known.commits.contains(&commit))
            .cloned()
    }

    /// Renders a commit, or finds that an earlier commit's rendering still holds because nothing it read has changed.
    /// Blocking.
    pub(crate) fn render(kept: Vec<Rendering>, app: &Application, snapshot: &Snapshot) -> Result<Rendering, String> {
        let Some(doc) = &app.source.doc else {
            return Err("spec.source is missing".into());
        };
        let source = doc.root().to_json();
        let unchanged = |known: &Rendering| {
            known.source == source
                && known
                    .reads
                    .iter()
                    .all(|(path, id)| snapshot.hash(path).is_ok_and(|now| now == *id))
        };
        if let Some(mut known) = kept.into_iter().find(unchanged) {
            known.commits.push(snapshot.commit());
            return Ok(known);
        }
        let rendered = render_source(&SnapshotFiles(snapshot), doc.root());
        let (source_type, rendered): (SourceType, Rendered) = rendered.map_err(|error| error.to_string())?;
        let paths = rendered.files.iter().chain(&rendered.directories);
        let reads = paths
            .map(|path| (path.clone(), snapshot.hash(path).unwrap_or_default()))
            .collect();
        Ok(Rendering {
            source_type: source_type.to_string(),
            digest: digest(rendered.objects.iter().map(|object| object.doc.root())),
            rendered: Arc::new(rendered),
            reads,
            source,
            commits: vec![snapshot.commit()],
        })
    }

    pub(crate) fn all(&self) -> Vec<Rendering> {
        self.0.clone()
    }

    /// Keeps a rendering, the latest used first.
    pub(crate) fn keep(&mut self, rendering: Rendering) {
        self.0
            .retain(|known| !Arc::ptr_eq(&known.rendered, &rendering.rendered));
        self.0.insert(0, rendering);
        self.0.truncate(KEPT);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// FNV-1a over the objects' JSON: it tells sets apart, it protects from nobody.
fn digest<'a>(objects: impl Iterator<Item = Node<'a>>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut buffer = Vec::new();
    for object in objects {
        buffer.clear();
        object.write_json(&mut buffer);
        buffer.push(b'\n');
        for byte in &buffer {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

/// One object to be.
#[derive(Debug)]
pub(crate) struct DesiredObject {
    pub(crate) place: Place,
    /// The object with its tracking annotation and namespace.
    pub(crate) doc: Doc,
    /// Whether it is a hook: made for a phase of a sync, and not part of the state that is compared.
    pub(crate) hook: bool,
    /// Where it is written: `file:line`.
    pub(crate) origin: String,
}

/// All that an Application wants at a commit.
#[derive(Clone, Default)]
pub(crate) struct Desired {
    pub(crate) objects: Vec<Arc<DesiredObject>>,
    /// Why the set cannot be applied; empty when it can.
    pub(crate) faults: Vec<String>,
    /// What is odd about it.
    pub(crate) warnings: Vec<String>,
}

/// What preparing needs beside the rendering.
pub(crate) struct Preparing<'a> {
    pub(crate) app: &'a Application,
    pub(crate) instance: &'a str,
    pub(crate) kinds: &'a KindTable,
    pub(crate) project: &'a Project,
}

impl Preparing<'_> {
    /// Puts the objects into their namespaces, marks them as the Application's, and finds what cannot be applied.
    pub(crate) fn prepare(&self, rendered: &Rendered) -> Desired {
        let mut desired = Desired::default();
        let defined = scopes(rendered);
        let mut seen: HashMap<Place, usize> = HashMap::new();
        for object in &rendered.objects {
            let origin = format!("{}:{}", object.file, object.line);
            match self.object(object.doc.root(), &origin, &defined) {
                Err(fault) => desired.faults.push(format!("{origin}: {fault}")),
                Ok(object) => match seen.get(&object.place) {
                    Some(index) if !object.place.name.is_empty() => {
                        let earlier = &desired.objects[*index];
                        desired.warnings.push(format!(
                            "{origin}: {} is also in {}; the later one counts: remove one of them",
                            object.place.reference(),
                            earlier.origin
                        ));
                        desired.objects[*index] = Arc::new(object);
                    }
                    _ => {
                        seen.insert(object.place.clone(), desired.objects.len());
                        desired.objects.push(Arc::new(object));
                    }
                },
            }
        }
        desired
    }

    fn object(
        &self,
        node: Node<'_>,
        origin: &str,
        defined: &HashMap<(String, String), bool>,
    ) -> Result<DesiredObject, String> {
        let gvk = Gvk::of(node).ok_or("apiVersion and kind are missing: this is no Kubernetes object")?;
        let name = node.str_at(&["metadata", "name"]).unwrap_or_default();
        let hook = is_hook(node);
        if name.is_empty() && !(hook && node.str_at(&["metadata", "generateName"]).is_some()) {
            return Err(format!("{} has no metadata.name", gvk.kind));
        }
        let namespaced = match self.kinds.get(&gvk) {
            Some(kind) => kind.namespaced,
            None => match defined.get(&(gvk.group.clone(), gvk.kind.clone())) {
                Some(namespaced) => *namespaced,
                None if skips_missing(self.app, node) => node.str_at(&["metadata", "namespace"]).is_some(),
                None => return Err(self.unknown(&gvk, name)),
            },
        };
        let mut value = node.to_value();
        let namespace = if namespaced {
            let own = node.str_at(&["metadata", "namespace"]).filter(|ns| !ns.is_empty());
            let namespace = own.unwrap_or(&self.app.destination.namespace);
            if namespace.is_empty() {
                return Err(format!(
                    "{} {name} is namespaced and names no namespace; set metadata.namespace, or spec.destination.namespace \
                     of the Application",
                    gvk.kind
                ));
            }
            value.set(&["metadata", "namespace"], namespace);
            namespace.to_owned()
        } else {
            value.remove(&["metadata", "namespace"]);
            String::new()
        };
        self.project
            .permits(&gvk.group, &gvk.kind, namespaced.then_some(namespace.as_str()))?;
        let place = Place {
            gvk,
            namespace,
            name: name.to_owned(),
        };
        TrackingId::mark(self.instance, &mut value, &place.namespace);
        Ok(DesiredObject {
            doc: value.into_doc(),
            hook,
            origin: origin.to_owned(),
            place,
        })
    }

    fn unknown(&self, gvk: &Gvk, name: &str) -> String {
        let mut elsewhere: Vec<String> = self
            .kinds
            .kinds()
            .filter(|kind| kind.gvk.kind == gvk.kind)
            .map(|kind| kind.gvk.api_version())
            .collect();
        elsewhere.sort();
        elsewhere.dedup();
        let remedy = if elsewhere.is_empty() {
            "install its CustomResourceDefinition first, or put it into the same source".to_owned()
        } else {
            format!(
                "the cluster knows {} in {}: correct apiVersion",
                gvk.kind,
                elsewhere.join(", ")
            )
        };
        format!(
            "{} {name}: the cluster knows no kind {} in {}; {remedy}",
            gvk.kind,
            gvk.kind,
            gvk.api_version()
        )
    }
}

fn skips_missing(app: &Application, node: Node<'_>) -> bool {
    const OPTION: &str = "SkipDryRunOnMissingResource=true";
    let own = node
        .str_at(&["metadata", "annotations", "argocd.argoproj.io/sync-options"])
        .unwrap_or_default();
    app.has_option(OPTION) || own.split(',').any(|option| option.trim() == OPTION)
}

/// Whether the kinds that CRDs of the set itself define are namespaced, by group and kind.
fn scopes(rendered: &Rendered) -> HashMap<(String, String), bool> {
    let crds = rendered.objects.iter().map(|object| object.doc.root()).filter(|node| {
        node.str_at(&["kind"]) == Some("CustomResourceDefinition")
            && node
                .str_at(&["apiVersion"])
                .is_some_and(|version| version.starts_with("apiextensions.k8s.io/"))
    });
    crds.filter_map(|crd| {
        let spec = crd.get("spec")?;
        let key = (
            spec.str_at(&["group"])?.to_owned(),
            spec.str_at(&["names", "kind"])?.to_owned(),
        );
        Some((key, spec.str_at(&["scope"]) == Some("Namespaced")))
    })
    .collect()
}

/// Whether an object is a hook. Argo's annotation wins over Helm's.
pub(crate) fn is_hook(node: Node<'_>) -> bool {
    let annotation = |name: &str| node.str_at(&["metadata", "annotations", name]);
    match (annotation("argocd.argoproj.io/hook"), annotation("helm.sh/hook")) {
        (Some(own), _) => !own.is_empty(),
        (None, Some(helm)) => !helm.split(',').any(|hook| matches!(hook.trim(), "crd-install" | "")),
        (None, None) => false,
    }
}

/// An object without what only says that it is an Application's, for showing.
pub(crate) fn unmarked(doc: &Doc) -> Value {
    let mut value = doc.root().to_value();
    value.remove(&["metadata", "annotations", TRACKING_ID]);
    value
}
