//! Policy as a plane: admission in process, generated objects kept in step, reports as views.
//!
//! Must not know: Git, the store, HTTP, how a dialect evaluates.
