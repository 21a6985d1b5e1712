//! The Kubernetes resource model over documents: names, references, labels, quantities and the kind table.
//!
//! Must not know: storage, HTTP, any single kind's behaviour beyond what the data files say.
//!
//! [`KindTable`] is the heart: every served kind with its scope, subresources, schema and table columns. Built-in kinds
//! come from `data/` (published schemas, and two hand-written tables for what schemas do not say), custom ones from
//! their definitions by [`Kind::from_crd`].

mod builtin;
mod column;
mod computed;
mod crd;
mod duration;
mod fields;
mod jsonpath;
mod kind;
mod labels;
mod name;
mod openapi;
mod quantity;
mod schema;
mod shown;
mod table;
mod validation;

pub use column::Column;
pub use crd::CrdError;
pub use duration::{DurationError, GoDuration, human_age};
pub use fields::FieldSelector;
pub use jsonpath::{JsonPath, JsonPathError};
pub use kind::{Kind, Scale, Subresource};
pub use labels::{LabelSelector, Operator, Requirement, SelectorError};
pub use name::{GroupVersion, Gvk, Gvr, ObjectRef};
pub use quantity::{Quantity, QuantityError};
pub use schema::{ListType, MapType, Schema, SchemaError, SchemaId, SchemaRef, SchemaSet, SchemaType};
pub use shown::{HIDDEN, is_secret, kept, kept_json, shown};
pub use table::KindTable;
pub use validation::{
    validate_label, validate_label_key, validate_label_value, validate_path_segment, validate_subdomain,
};
