//! The embedded control plane: the Kubernetes API over the store, one generic pipeline, the Cluster trait by direct calls.
//!
//! Must not know: policies' dialects, Git, the portal, workload controllers.
