//! Kustomize, in process.

mod build;
mod config;
mod fieldspec;
mod file;
mod generate;
mod jsonpatch;
mod names;
mod options;
mod order;
mod patch;
mod replacements;
mod resource;
mod scope;
mod selector;
mod strategic;
mod tables;
mod transform;
mod vars;

pub use options::KustomizeOptions;

pub(crate) use file::KUSTOMIZATION_FILES;

use crate::error::{Fault, RenderError};
use crate::files::{Files, Recorder, join};
use crate::object::{Object, Rendered};

/// Builds the kustomization in a directory, as `kustomize build` does.
///
/// # Errors
/// What is wrong with the kustomization, with file, line and field.
pub fn kustomize(files: &dyn Files, path: &str, options: &KustomizeOptions) -> Result<Rendered, RenderError> {
    let recorder = Recorder::new(files);
    let dir = join("", path).ok_or_else(|| Fault::in_file(path, "the path leaves the repository"))?;
    let resources = build::build(&recorder, &dir, options)?;
    let objects = resources
        .0
        .into_iter()
        .map(|resource| Object {
            doc: resource.value.into_doc(),
            file: resource.file,
            line: resource.line,
        })
        .collect();
    let (files, directories) = recorder.into_seen();
    Ok(Rendered {
        objects,
        files,
        directories,
    })
}

#[cfg(test)]
mod tests;
