//! JSON and YAML documents as one tree that every engine reads.
//!
//! Must not know: Kubernetes, schemas, files, sockets, clocks.
//!
//! # One tree, three faces
//!
//! - [`Doc`] is what parsing gives: an immutable arena behind an `Arc`. Nodes lie in one vector, the children of a
//!   container side by side; keys and strings are slices of the source text unless they held escapes. Cloning a `Doc`,
//!   or cutting a sub-tree out of it, copies no node.
//! - [`Node`] is the borrowed, `Copy` handle through which everything reads. It points into a `Doc` or into a [`Value`],
//!   and readers cannot tell which: an engine is written once, against `Node`.
//! - [`Value`] is the editable overlay. A value made from a node holds the node's sub-tree *shared*; the first mutable
//!   access thaws exactly one level. Editing `spec.replicas` of a Pod template therefore touches three small maps and
//!   leaves every other sub-tree where the parser put it.
//!
//! Why not `serde_json::Value`: parsing and converting cost more than evaluating, and a map of `String` keys costs ten
//! times the bytes of its text. Why keys are hashed and not interned process-wide: user-supplied keys (labels, data
//! keys) would grow a global table for ever. Each member stores a 32-bit hash beside its key, so a prepared [`Key`]
//! compares one integer before it compares bytes, and no table exists that could leak.
//!
//! Numbers follow Kubernetes' JSON: an integer that fits is an `i64`, everything else an `f64`.

mod arena;
mod json;
mod node;
mod number;
mod pointer;
mod value;
mod write;
pub mod yaml;

pub use arena::{Doc, DocBuilder};
pub use json::{MAX_DEPTH, ParseError, parse_json};
pub use node::{Items, Key, Kind, Members, Node, Position};
pub use number::Number;
pub use pointer::{Pointer, PointerError};
pub use value::{Map, Value};
pub use yaml::{parse_yaml, parse_yaml_as};
