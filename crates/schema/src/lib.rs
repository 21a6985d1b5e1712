//! OpenAPI and structural schemas: validate, default, prune.
//!
//! Must not know: where schemas come from, storage, HTTP.
