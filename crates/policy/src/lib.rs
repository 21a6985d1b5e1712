//! Policy engines over documents: Kyverno patterns, Gatekeeper templates and Pod Security Standards give one kind of verdict.
//!
//! Must not know: the API server, clusters, files, clocks.
