//! One shape for every change.

use ridgeway_doc::{Doc, Value};
use ridgeway_krm::Gvk;

use crate::identity::Causality;
use crate::status::{Reason, Status};

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902, `application/json-patch+json`.
    Json,
    /// RFC 7386, `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// Server-side apply, `application/apply-patch+yaml`.
    Apply,
}

/// What happens to dependents of a deleted object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents are collected afterwards.
    #[default]
    Background,
    /// The object stays until its dependents are gone.
    Foreground,
    /// Dependents lose their owner and stay.
    Orphan,
}

/// What must hold of the object for the change to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Its `uid`.
    pub uid: Option<String>,
    /// Its `resourceVersion`.
    pub resource_version: Option<String>,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What happens to dependents.
    pub propagation: Propagation,
    /// What must hold.
    pub preconditions: Preconditions,
    /// Grace in seconds for kinds that stop slowly (Pods); `None` takes the object's own.
    pub grace_period_seconds: Option<i64>,
}

/// The change itself.
#[derive(Clone, Debug)]
pub enum Body {
    /// A new object.
    Create(Value),
    /// The whole object anew.
    Update(Value),
    /// A patch.
    Patch(PatchKind, Doc),
    /// Removal.
    Delete(DeleteOptions),
}

/// What goes with any change.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Run the whole pipeline, store nothing.
    pub dry_run: bool,
    /// Who owns the fields that the change sets.
    pub field_manager: String,
    /// Server-side apply: take fields over from other managers.
    pub force: bool,
    /// What the change goes back to; the pipeline makes one up where it is missing.
    pub causality: Option<Causality>,
    /// Refuse unknown and duplicate fields (`fieldValidation=Strict`) instead of warning.
    pub strict: bool,
}

impl WriteOptions {
    /// Options of a controller: its field manager, and what it acts upon.
    pub fn by(field_manager: &str, causality: Option<Causality>) -> WriteOptions {
        WriteOptions {
            field_manager: field_manager.into(),
            causality,
            ..WriteOptions::default()
        }
    }

    /// The same with `force`.
    pub fn forced(mut self) -> WriteOptions {
        self.force = true;
        self
    }

    /// The same with `dry_run`.
    pub fn dry(mut self) -> WriteOptions {
        self.dry_run = true;
        self
    }
}

/// A change to one object.
#[derive(Clone, Debug)]
pub struct Write {
    /// The kind.
    pub gvk: Gvk,
    /// The namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// The name; may be empty on create with `generateName`.
    pub name: String,
    /// The subresource, empty for the object itself.
    pub subresource: String,
    /// The change.
    pub body: Body,
    /// What goes with it.
    pub options: WriteOptions,
}

impl Write {
    /// A change whose target is read from the object it carries.
    pub fn of(object: Value, options: WriteOptions, body: impl FnOnce(Value) -> Body) -> Result<Write, Status> {
        let node = object.node();
        let gvk =
            Gvk::of(node).ok_or_else(|| Status::new(Reason::BadRequest, "the object needs `apiVersion` and `kind`"))?;
        let text = |key: &str| node.str_at(&["metadata", key]).unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        Ok(Write {
            gvk,
            namespace,
            name,
            subresource: String::new(),
            body: body(object),
            options,
        })
    }
}
