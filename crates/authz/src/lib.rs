//! RBAC to one decision with its proof.
//!
//! Must not know: storage, HTTP, how users sign in.
//!
//! [`Rules`] is an immutable snapshot of every Role, ClusterRole and binding, indexed by subject; [`Rules::authorize`]
//! answers one request with kube-apiserver's words and with the binding, role and rule that decided. The same snapshot
//! answers the questions around it: what may a subject do here ([`Rules::rules_for`]), who may do this
//! ([`Rules::who_can`]), and would this grant hand out more than its author holds ([`Rules::escalation_check`]).

pub mod corpus;
mod escalation;
mod index;
mod review;
mod rule;
mod rules;

pub use escalation::Granted;
pub use rule::PolicyRule;
pub use rules::{Attributes, Decision, Grant, Proof, Rules, Subject};
