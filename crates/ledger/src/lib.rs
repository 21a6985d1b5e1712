//! An append-only Merkle log with signed checkpoints, proofs and an offline verifier.
//!
//! Must not know: what the entries mean.
