//! Directories and kustomizations to objects, recording every file read.
//!
//! Must not know: Git, clusters, the real file system (files come through a trait).
//!
//! [`render_source`] takes the `spec.source` of an Argo CD Application and a [`Files`]; it gives the objects in order,
//! each with the file and line it came from, and the set of files and directories that were looked at. Whoever caches
//! renderings keys them by that set: a change elsewhere in the repository cannot change the result.
//!
//! [`directory`] reads manifests as they are. [`kustomize`] does what `kustomize build` does, in process: generators,
//! components, patches, name and namespace transformers, labels, images, replicas, replacements, vars, and the
//! repair of references to renamed objects; its output is meant to be the real tool's, byte for byte.

pub mod corpus;
mod directory;
mod error;
mod files;
mod glob;
mod kustomize;
mod object;
mod source;

pub use directory::{DirectoryOptions, directory};
pub use error::{Fault, RenderError};
pub use files::{DirEntry, Files, MAX_FILE_BYTES, MemoryFiles};
pub use kustomize::{KustomizeOptions, kustomize};
pub use object::{Object, Rendered};
pub use source::{SourceType, detect, render_source};
