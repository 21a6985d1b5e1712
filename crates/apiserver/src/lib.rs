//! The embedded control plane: the Kubernetes API over the store, one generic pipeline, the Cluster trait by direct calls.
//!
//! Must not know: policies' dialects, Git, the portal, workload controllers.
//!
//! ```text
//!  HTTP (http/) ──┐                                   ┌─ store (objects, revisions, watch)
//!                 ├─ ControlPlane: read.rs, write/ ───┤
//!  Cluster trait ─┘   access → gate → ledger → commit └─ ledger (intent, outcome)
//! ```
//!
//! Kinds are data ([`ridgeway_krm::KindTable`]); what a few built-in kinds compute is in `write/strategy.rs`. The plane
//! serves evaluation, tests and simulation as well as small installations; it is not Kubernetes: no containers, no
//! network, no aggregation layer, and whatever it does not know it answers with 501.
//!
//! Around the pipeline: [`pki`] and [`Authenticator`] say who somebody is, [`serve`] listens, [`bootstrap`] makes the
//! first objects, and [`controllers`] are the loops that Kubernetes runs beside its API server and that objects rely on.

mod access;
mod admission;
mod audit;
mod authn;
mod bootstrap;
mod codec;
pub mod controllers;
mod direct;
mod fault;
mod history;
mod http;
mod keys;
mod logs;
mod metrics;
pub mod pki;
mod plane;
mod randomness;
mod read;
mod review;
mod serve;
mod snapshot;
#[cfg(test)]
mod testing;
mod write;

pub use authn::{Authenticator, ISSUER, Issued, PeerCertificate, Sessions, TokenSigner};
pub use bootstrap::bootstrap;
pub use http::router;
pub use logs::{LogQuery, LogSource, Logs};
pub use metrics::{Counts, Histogram, Metrics};
pub use plane::{ControlPlane, Parts, View};
pub use randomness::{Randomness, SeededRandomness, SystemRandomness};
pub use serve::{Peer, ServeError, bind, serve};
