//! The Kubernetes resource model over documents: names, references, labels, quantities and the kind table.
//!
//! Must not know: storage, HTTP, any single kind's behaviour beyond what the data files say.

mod name;
mod schema;

pub use name::{GroupVersion, Gvk, Gvr, ObjectRef};
pub use schema::{ListType, MapType, Schema, SchemaError, SchemaId, SchemaRef, SchemaSet, SchemaType};
