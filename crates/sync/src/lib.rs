//! Diff, health and sync order: desired and live objects to a printable plan.
//!
//! Must not know: clusters, Git, clocks (the time is an argument).
