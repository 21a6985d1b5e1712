//! The Ridgeway binary: configuration, wiring, signals.
//!
//! Must not know: anything that could live in a crate below.
fn main() {}
