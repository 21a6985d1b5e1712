//! Directories and kustomizations to objects, recording every file read.
//!
//! Must not know: Git, clusters, the real file system (files come through a trait).
