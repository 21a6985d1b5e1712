//! Patches: JSON patch, merge patch, strategic merge and server-side apply with managed fields.
//!
//! Must not know: storage, HTTP, clocks (the time is an argument).
