//! Objects as they were: reads of the past, as far as the store keeps it.

use ridgeway_doc::Doc;
use ridgeway_krm::Gvk;
use ridgeway_store::Revision;

use crate::plane::ControlPlane;
use crate::{codec, keys};

impl ControlPlane {
    /// An object as it was at a revision of the store; `None` when it was not there, or the past is compacted.
    ///
    /// For readers who were authorized before: it asks nobody.
    pub async fn object_at(&self, gvk: &Gvk, namespace: &str, name: &str, revision: u64) -> Option<Doc> {
        let kind = self.kinds().get(gvk)?;
        let key = keys::object(&kind, namespace, name);
        let entry = self.inner.store.get(&key, Some(Revision(revision))).await.ok()??;
        codec::decode(&entry).ok()
    }
}
