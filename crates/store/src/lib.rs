//! A revisioned ordered key-value store with watch and transactions.
//!
//! Must not know: what the values mean.
