//! Policy engines over documents: Kyverno patterns, Gatekeeper templates and Pod Security Standards give one kind of verdict.
//!
//! Must not know: the API server, clusters, files, clocks.
//!
//! ```text
//! ClusterPolicy, Policy, PolicyException ─┐
//! ConstraintTemplate, constraints ────────┼─ compile ─→ RuleSet ─ admit(request) ─→ Verdicts (results, mutated object)
//! namespace labels (Pod Security) ────────┘     │               └ generate(request) ─→ objects that shall be
//!                                               └→ CompileError (policy, rule, path, line)
//! ```
//!
//! A [`RuleSet`] is an immutable snapshot, indexed by kind. Policies compile once: patterns to trees over nodes,
//! expressions to syntax trees, Rego to a program. Evaluation reads [`ridgeway_doc::Node`]s and copies nothing until a
//! rule fails. What fails is told twice: in the author's words, and in a sentence made from the failing path that names
//! the container, the field, the remedy, and the patch that would make it pass.
//!
//! [`explain`] tells how a verdict came about, [`fix`] looks for the smallest change that would pass, [`replay`] puts
//! recorded admissions before other rules.
//!
//! Work is counted: each rule has a budget of steps, regular expressions run in linear time over bounded texts, and a
//! rule that exhausts its budget ends with an error that names it.

mod admission_policy;
mod budget;
mod cel;
mod cel_policy;
pub mod corpus;
pub mod explain;
pub mod fix;
mod gatekeeper;
mod global_context;
mod image;
mod jmespath;
mod kyverno;
mod name;
mod path;
mod pattern_text;
mod pod_security;
pub mod pss;
mod refine;
mod rego;
pub mod replay;
mod request;
mod ruleset;
mod semver;
mod source;
mod verdict;

pub use admission_policy::type_warnings;
pub use cel_policy::expression_type;
pub use gatekeeper::{Point, constraint_crd};
pub use image::Image;
/// The terms of exceptions, and the annotations that say them.
pub mod terms {
    pub use crate::kyverno::{APPROVED_AT, APPROVED_BY, EXPIRES, OWNER, REASON, REQUESTED_BY, Terms, TermsError};
}
pub use jmespath::{Evaluator, Expression, Fault, Scope, SyntaxError, Val};
pub use pattern_text::wildcard;
pub use request::{Answer, Data, Decision, Given, Global, NoData, Operation, Question, Request, User, only_releases};
pub use ruleset::{PolicyInfo, RuleSet};
pub use verdict::{Action, CompileError, Dialect, Generated, Mutated, Outcome, RuleResult, Verdicts};
