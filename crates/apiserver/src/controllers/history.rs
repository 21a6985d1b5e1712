//! History is kept for a while, then forgotten: watches resume from it, and lists page through it.

use std::time::Duration;

use crate::plane::ControlPlane;

/// How long old revisions stay readable.
const KEPT: Duration = Duration::from_secs(300);

/// Compacts the store again and again; each time up to where it was the time before.
pub(super) async fn work(plane: ControlPlane) {
    let store = plane.store();
    let mut before = store.revision();
    loop {
        tokio::time::sleep(KEPT).await;
        let now = store.revision();
        if before < now
            && let Err(error) = store.compact(before).await
        {
            tracing::warn!(%error, "old revisions could not be forgotten");
        }
        before = now;
    }
}
