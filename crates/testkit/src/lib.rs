//! Drives Ridgeway from outside: corpora runners, the demo journey, platform benches. Never shipped.
//!
//! Must not know: how the platform is wired inside; it starts the binary and speaks its public interfaces.

pub mod corpora;
pub mod http2;
pub mod journey;
pub mod kube;
pub mod platform;
pub mod portal;
pub mod report;
pub mod rivals;
