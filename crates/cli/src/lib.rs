//! Command line types and printing, one file per command.
//!
//! Must not know: how the platform is wired.
