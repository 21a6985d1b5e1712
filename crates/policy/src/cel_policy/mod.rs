//! Policies written in CEL: `ValidatingPolicy`, `MutatingPolicy` and `GeneratingPolicy` (`policies.kyverno.io`), and the
//! `cel` rules of `ClusterPolicy`.

mod autogen;
mod constraints;
mod existing;
mod expressions;
mod mutation;
mod policy;
mod typing;

pub(crate) use autogen::rewrite;
pub(crate) use constraints::{Constraints, plural};
pub(crate) use existing::Existing;
pub(crate) use expressions::{Allowed, CelCheck, CelScope, Named, Verdict, all_hold, conditions};
pub(crate) use policy::{CelBody, CelPolicy, Ruling, Variant};
pub use typing::expression_type;

#[cfg(test)]
mod tests;
