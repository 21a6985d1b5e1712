//! Simulated nodes and the workload controllers from Deployment to Pod.
//!
//! Must not know: the store, HTTP, GitOps, policy.
