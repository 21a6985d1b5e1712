//! [`Kind`]: everything the platform knows about one kind in one version.

use std::sync::Arc;

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node, Value};

use crate::column::Column;
use crate::name::Gvk;
use crate::schema::{SchemaId, SchemaRef, SchemaSet};

/// A subresource, such as `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    /// Its name in the path.
    pub name: String,
    /// The kind that it takes and answers.
    pub gvk: Gvk,
    /// What it can do.
    pub verbs: Vec<String>,
}

/// Where the scale subresource finds its numbers, as dotted paths (`.spec.replicas`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The wanted number of replicas.
    pub spec_replicas_path: String,
    /// The number of replicas there are.
    pub status_replicas_path: String,
    /// The label selector of the replicas, as text or object.
    pub label_selector_path: Option<String>,
}

/// One kind in one version.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The resource's name in paths.
    pub plural: String,
    /// Its singular name.
    pub singular: String,
    /// The kind of its lists.
    pub list_kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Short names for the command line.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// What can be done with it.
    pub verbs: Vec<String>,
    /// Its subresources.
    pub subresources: Vec<Subresource>,
    /// Its scale paths, if it has the scale subresource.
    pub scale: Option<Scale>,
    /// Its schema: the set and the root's index in it.
    pub schema: Option<(Arc<SchemaSet>, SchemaId)>,
    /// Whether the schema is a published one (strategic merge patches apply) and not that of a CRD.
    pub schema_is_builtin: bool,
    /// Whether the resource is served in this version only, so that stored objects need no conversion.
    pub only_version: bool,
    /// Columns of its tables.
    pub columns: Vec<Column>,
    /// Fields beyond metadata that field selectors may name (a CRD's `selectableFields`).
    pub selectable_fields: Vec<String>,
    /// The schema as its CRD states it, for OpenAPI.
    pub(crate) published: Option<Doc>,
    /// Changes with the kind's public description.
    pub(crate) fingerprint: u64,
}

impl Kind {
    /// Whether it has the status subresource.
    pub fn has_status(&self) -> bool {
        self.subresource("status").is_some()
    }

    /// A subresource by name.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|sub| sub.name == name)
    }

    /// The kind of its lists.
    pub fn list_kind(&self) -> &str {
        &self.list_kind
    }

    /// Its schema's root.
    pub fn schema(&self) -> Option<SchemaRef<'_>> {
        self.schema.as_ref().map(|(set, id)| set.get(*id))
    }

    /// The cells of an object's table row, one for each column. `now` is what ages are counted from.
    pub fn cells(&self, object: Node<'_>, now: Timestamp) -> Vec<Value> {
        self.columns.iter().map(|column| column.cell(object, now)).collect()
    }

    /// Whether a verb is offered.
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// FNV-1a over bytes: stable over runs and machines, for hashes that clients keep.
pub(crate) fn fingerprint(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
