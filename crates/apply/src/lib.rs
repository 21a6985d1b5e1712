//! Patches: JSON patch, merge patch, strategic merge and server-side apply with managed fields.
//!
//! Must not know: storage, HTTP, clocks (the time is an argument).
//!
//! # Patches
//! [`json_patch`] (RFC 6902), [`merge_patch`] (RFC 7386) and [`strategic_merge_patch`] turn an object and a patch into
//! a new object; [`json_diff`] and [`merge_diff`] go the other way.
//!
//! # Ownership
//! Server-side apply knows for every field who set it. The record is `metadata.managedFields`: one entry per manager,
//! operation, API version and subresource, each with a set of fields. [`update`] books a write of any other kind;
//! [`apply`] merges a configuration into the live object, takes out what the manager applied before and does not
//! apply now (unless somebody else owns it), and refuses to change what others own unless it is forced.
//! How a list or map merges is read off its schema: list-maps by their keys, sets by their values, atomic parts as
//! one; what no schema describes merges by maps and replaces lists.
//!
//! [`three_way`] is the same merge without ownership, from a remembered last configuration.
//!
//! Results share every sub-tree that did not change with the documents they came from.

mod apply;
mod compare;
mod element;
mod error;
mod ignore;
mod json;
mod managed;
mod merge;
mod merge_json;
mod ownership;
mod set;
mod shape;
mod strategic;
mod strategic_list;
mod three_way;
mod update;

pub use apply::{Applied, apply};
pub use error::{ApplyError, Conflict};
pub use json::{json_diff, json_patch};
pub use merge_json::{merge_diff, merge_patch};
pub use strategic::strategic_merge_patch;
pub use three_way::three_way;
pub use update::update;
