//! RBAC to one decision with its proof.
//!
//! Must not know: storage, HTTP, how users sign in.
