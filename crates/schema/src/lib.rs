//! OpenAPI and structural schemas: validate, default, prune.
//!
//! Must not know: where schemas come from, storage, HTTP.
//!
//! Everything reads through [`ridgeway_doc::Node`] and walks a [`ridgeway_krm::SchemaRef`] beside it.
//!
//! - [`unknown_fields`] and [`prune`] are what decoding does with fields that no schema declares.
//! - [`default`] fills in what was left out: the defaults a schema states, and for the built-in kinds those that
//!   their OpenAPI documents leave unsaid (`data/defaults.txt`). It also gives the built-in kinds their reading of
//!   `null`: a field that was not sent.
//! - [`validate`] judges a whole object against its schema and words its findings as Kubernetes does. With the old
//!   object at hand it ratchets: what was wrong before and did not change is left alone.
//! - [`validate_builtin`] holds the checks of built-in kinds that no schema can express.
//!
//! All four share sub-trees: an object that needs nothing is handed back untouched, and an edit thaws only the levels
//! above it.
//!
//! Not here: the CEL rules of `x-kubernetes-validations`, which are kept in the schema for the CEL engine.

mod builtin;
mod default;
mod edit;
mod fields;
mod meta;
mod path;
mod validate;
mod violation;

pub use builtin::validate_builtin;
pub use default::default;
pub use fields::{prune, unknown_fields};
pub use meta::{is_builtin, member_of_resource, object_meta};
pub use validate::validate;
pub use violation::{Fault, Violation};
