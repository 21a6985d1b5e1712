//! Git repositories: read trees, commit, fetch, and serve over smart HTTP with push events.
//!
//! Must not know: Kubernetes, rendering, users.
