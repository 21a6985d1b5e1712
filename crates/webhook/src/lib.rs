//! Admission webhooks over HTTPS: the platform's policies, verdicts and words before any Kubernetes cluster.
//!
//! Must not know: the store, the ledger, Git, how a dialect evaluates, the command line.
//!
//! ```text
//!  directories ─ policies.rs ─→ PolicySet (units, coverage) ─┬─ manifests.rs → Validating/MutatingWebhookConfiguration
//!                                                            │
//!  AdmissionReview ─ review.rs ─→ judge.rs (budgets) ────────┴─→ answer.rs ─→ AdmissionReview
//!                                    └ cluster.rs (kubeconfig, small cache)
//! ```
//!
//! One answer for the mutating call: what mutating rules change and what every validating rule says about the result.
//! Each policy has its own failure policy and its own time budget; one that is slow or broken is named and costs the
//! others nothing. The set of policies is replaced as a whole or not at all.

mod answer;
mod cluster;
mod coverage;
mod gatekeeping;
mod judge;
mod kubeconfig;
mod manifests;
mod metrics;
mod pki;
mod policies;
mod register;
mod reload;
mod review;
mod serve;
mod surroundings;

pub use answer::{Answer, Words};
pub use cluster::{Remote, RemoteError};
pub use coverage::{Coverage, Rule};
pub use judge::{Judge, Question};
pub use manifests::{Client, Options as ManifestOptions, manifests};
pub use metrics::Metrics;
pub use pki::{Certificates, PkiError};
pub use policies::{FailurePolicy, LoadError, PolicySet, Unit};
pub use register::{keep_registered, register};
pub use reload::{Loaded, follow};
pub use review::{Review, ReviewError};
pub use serve::{App, Options, RunError, router, serve};
pub use surroundings::Surroundings;

/// Namespaces whose objects no policy is asked about: a rule gone wrong must not lock the cluster out of itself.
pub const EXEMPT_NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "ridgeway-system"];
