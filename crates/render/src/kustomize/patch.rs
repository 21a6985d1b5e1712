//! Patches: which resources they are for, and applying them.

use ridgeway_doc::{Doc, Node, Value, yaml};

use super::file::Kustomization;
use super::resource::{Id, Resource, Resources};
use super::selector::Selector;
use super::{jsonpatch, strategic};
use crate::error::{Fault, RenderError};
use crate::files::Recorder;

/// The documents of a patch, and the file they stand in.
struct Source {
    docs: Vec<Doc>,
    file: String,
    /// The line before the patch's first, for patches that stand in the kustomization.
    offset: u32,
}

impl Source {
    fn parse(text: &str, file: &str, offset: u32) -> Result<Source, RenderError> {
        let docs = yaml::parse_yaml_as(text, yaml::Reading::GoYaml3).map_err(|e| {
            let mut error = RenderError::parse(file, &e);
            error
                .faults
                .iter_mut()
                .for_each(|f| f.line = f.line.map(|l| l + offset));
            error
        })?;
        Ok(Source {
            docs,
            file: file.into(),
            offset,
        })
    }

    fn fault(&self, node: Node<'_>, message: impl Into<String>) -> Fault {
        let mut fault = Fault::in_file(&self.file, message).at(node);
        fault.line = fault.line.map(|l| l + self.offset);
        fault
    }
}

/// Applies `patchesStrategicMerge`.
pub(super) fn strategic_merges(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    resources: &mut Resources,
) -> Result<(), RenderError> {
    for (field, item) in this.items("patchesStrategicMerge") {
        let text = item.as_str().unwrap_or_default();
        // An entry is a path, or the patch itself.
        let source = if text.contains('\n') || text.trim_start().starts_with('{') {
            Source::parse(text, &this.file, line(item))?
        } else {
            let (path, text) = this.read(recorder, item, &field)?;
            Source::parse(&text, &path, 0)?
        };
        for doc in &source.docs {
            merge_by_identity(&source, doc.root(), resources)?;
        }
    }
    Ok(())
}

/// Applies `patches`.
pub(super) fn patches(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    resources: &mut Resources,
) -> Result<(), RenderError> {
    for (field, item) in this.items("patches") {
        if let Some((key, value)) = item
            .members()
            .find(|(k, _)| !["path", "patch", "target", "options"].contains(k))
        {
            let message = "is no field of a patch; use path, patch, target or options";
            return Err(this.fault(value, &format!("{field}.{key}"), message).into());
        }
        let source = source(recorder, this, &field, item)?;
        let target = target(this, &field, item)?;
        let is_json = source.docs.first().is_some_and(|d| d.root().is_array());
        match (is_json, target) {
            (true, None) => {
                return Err(this.fault(item, &field, "a JSON patch needs a target").into());
            }
            (true, Some(target)) => patch_json(&source, &target, resources)?,
            (false, None) => {
                for doc in &source.docs {
                    merge_by_identity(&source, doc.root(), resources)?;
                }
            }
            (false, Some(target)) => {
                if source.docs.len() > 1 {
                    let message = "a patch with a target holds one document; split it";
                    return Err(source.fault(source.docs[1].root(), message).into());
                }
                let option = |name: &str| item.at(&["options", name]).and_then(Node::as_bool) == Some(true);
                let (rename, rekind) = (option("allowNameChange"), option("allowKindChange"));
                for doc in &source.docs {
                    let chosen = |r: &Resource| target.matches(r);
                    merge(doc.root(), resources, chosen, rename, rekind);
                }
            }
        }
    }
    Ok(())
}

/// Applies `patchesJson6902`.
pub(super) fn json_patches(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    resources: &mut Resources,
) -> Result<(), RenderError> {
    for (field, item) in this.items("patchesJson6902") {
        let source = source(recorder, this, &field, item)?;
        let Some(target) = target(this, &field, item)? else {
            return Err(this.fault(item, &field, "a JSON patch needs a target").into());
        };
        patch_json(&source, &target, resources)?;
    }
    Ok(())
}

/// The line before the first one of a patch that stands in the kustomization.
fn line(item: Node<'_>) -> u32 {
    item.position().map_or(0, |p| p.line - 1)
}

fn source(recorder: &Recorder<'_>, this: &Kustomization, field: &str, item: Node<'_>) -> Result<Source, RenderError> {
    let inline = item
        .get("patch")
        .filter(|p| p.as_str().is_some_and(|s| !s.trim().is_empty()));
    let source = match (inline, item.get("path").filter(|p| !p.is_null())) {
        (Some(patch), None) => Source::parse(patch.as_str().unwrap_or_default(), &this.file, line(patch))?,
        (None, Some(path)) => {
            let (path, text) = this.read(recorder, path, &format!("{field}.path"))?;
            Source::parse(&text, &path, 0)?
        }
        _ => {
            return Err(this.fault(item, field, "needs either patch or path").into());
        }
    };
    if source.docs.is_empty() {
        return Err(this.fault(item, field, "the patch is empty").into());
    }
    Ok(source)
}

fn target(this: &Kustomization, field: &str, item: Node<'_>) -> Result<Option<Selector>, RenderError> {
    let Some(target) = item.get("target").filter(|t| !t.is_null()) else {
        return Ok(None);
    };
    Selector::from_node(target)
        .map(Some)
        .map_err(|why| this.fault(target, &format!("{field}.target"), why).into())
}

/// Merges a patch into the one resource that it names.
fn merge_by_identity(source: &Source, patch: Node<'_>, resources: &mut Resources) -> Result<(), RenderError> {
    let id = Id::of(patch);
    if id.name.is_empty() || id.gvk.kind.is_empty() {
        let message = "a patch without target names its resource by apiVersion, kind and metadata.name";
        return Err(source.fault(patch, message).into());
    }
    let found: Vec<usize> = (0..resources.0.len()).filter(|&i| resources.0[i].was(&id)).collect();
    match found.as_slice() {
        [] => {
            let near = resources
                .0
                .iter()
                .map(Resource::id)
                .find(|r| r.name == id.name && r.gvk.kind == id.gvk.kind);
            let hint = near.map_or_else(String::new, |r| {
                format!(
                    "; there is a {}, {r}: check apiVersion and namespace",
                    r.gvk.api_version()
                )
            });
            let message = format!(
                "no resource is the {} {id} that the patch is for{hint}",
                id.gvk.api_version()
            );
            Err(source.fault(patch, message).into())
        }
        &[at] => {
            let mut here = 0..;
            merge(patch, resources, |_| here.next() == Some(at), false, false);
            Ok(())
        }
        _ => Err(source
            .fault(patch, format!("{id} matches several resources; add a target"))
            .into()),
    }
}

/// Merges a patch into the resources chosen; those it deletes go.
fn merge(
    patch: Node<'_>,
    resources: &mut Resources,
    mut chosen: impl FnMut(&Resource) -> bool,
    rename: bool,
    rekind: bool,
) {
    resources.0.retain_mut(|resource| {
        if !chosen(resource) {
            return true;
        }
        let id = resource.id();
        let Some(mut merged) = strategic::merge(resource.node(), patch) else {
            return false;
        };
        if rename || rekind {
            resource.remember();
        }
        if !rekind {
            merged.set(&["kind"], &id.gvk.kind);
        }
        if !rename {
            merged.set(&["metadata", "name"], &id.name);
        }
        if id.namespace.is_empty() {
            merged.remove(&["metadata", "namespace"]);
        } else {
            merged.set(&["metadata", "namespace"], &id.namespace);
        }
        resource.value = merged;
        true
    });
}

fn patch_json(source: &Source, target: &Selector, resources: &mut Resources) -> Result<(), RenderError> {
    for doc in &source.docs {
        if !doc.root().is_array() {
            return Err(source.fault(doc.root(), "a JSON patch is a list of operations").into());
        }
        for resource in resources.0.iter_mut().filter(|r| target.matches(r)) {
            resource.remember();
            let id = resource.id();
            let mut value: Value = resource.value.clone();
            jsonpatch::apply(&mut value, doc.root())
                .map_err(|why| source.fault(doc.root(), format!("does not apply to {id}: {why}")))?;
            resource.value = value;
        }
    }
    Ok(())
}
