//! The Kubernetes resource model over documents: names, references, labels, quantities and the kind table.
//!
//! Must not know: storage, HTTP, any single kind's behaviour beyond what the data files say.
