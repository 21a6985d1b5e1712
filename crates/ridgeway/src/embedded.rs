//! What the build put into the binary: the portal, the demo organisation, the golden paths.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
