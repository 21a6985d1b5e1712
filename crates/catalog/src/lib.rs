//! The software catalog and golden-path templates.
//!
//! Must not know: the store, policy dialects, how repositories are served.
