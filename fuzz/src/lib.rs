//! Fuzz targets as plain functions, and what feeds them on a stable compiler.
//!
//! Must not know: servers, files, clusters. A target takes bytes and panics when a promise is broken.

pub mod generate;
pub mod targets;
