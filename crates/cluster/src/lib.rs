//! The Cluster and Gate traits through which planes meet objects, and the controller loop over them.
//!
//! Must not know: which substrate answers, any single kind.
