//! HTTP edge: portal, API, sessions, events, Git over HTTP.
//!
//! Must not know: how objects are stored or evaluated.
