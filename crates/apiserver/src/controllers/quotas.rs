//! Quota usage: counted anew when objects go or finish, and for quotas that are new or changed.
//!
//! What is created is charged in the very transaction that creates it (`write/admit.rs`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use ridgeway_cluster::{Cluster, Queue, Reason, Status, WriteOptions};
use ridgeway_krm::Gvk;

use super::{Observer, RETRY, Seen, client};
use crate::admission::quota;
use crate::plane::ControlPlane;

const NAME: &str = "resourcequota-controller";

/// Namespace and name of a quota.
type Key = (String, String);

pub(super) struct Quotas {
    plane: ControlPlane,
    cluster: Arc<dyn Cluster>,
    queue: Queue<Key>,
    /// Quotas by namespace.
    known: Mutex<HashMap<String, BTreeSet<String>>>,
}

impl Observer for Quotas {
    fn observe(&self, seen: &Seen<'_>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = seen.key.namespace.to_owned();
        if seen.is("", "resourcequotas") {
            let name = seen.key.name.to_owned();
            let quotas = known.entry(namespace.clone()).or_default();
            if seen.now.is_some() {
                quotas.insert(name.clone());
                self.queue.add((namespace, name));
            } else {
                quotas.remove(&name);
                if quotas.is_empty() {
                    known.remove(&namespace);
                }
            }
            return;
        }
        let Some(quotas) = known.get(&namespace) else { return };
        // Creations are charged when they happen; only what goes or changes may use less than before.
        if seen.before.is_some() {
            quotas
                .iter()
                .for_each(|name| self.queue.add((namespace.clone(), name.clone())));
        }
    }
}

impl Quotas {
    pub(super) fn new(plane: &ControlPlane) -> Quotas {
        Quotas {
            plane: plane.clone(),
            cluster: client(plane, NAME),
            queue: Queue::new(),
            known: Mutex::default(),
        }
    }

    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let key = self.queue.next().await;
            match self.recount(&key).await {
                Ok(()) => {}
                // Somebody was charged meanwhile: that change brings the quota here again.
                Err(status) if matches!(status.reason, Reason::NotFound | Reason::Conflict) => {}
                Err(status) => {
                    tracing::debug!(namespace = key.0, quota = key.1, %status, "usage could not be written");
                    self.queue.add_after(key.clone(), RETRY);
                }
            }
            self.queue.done(&key);
        }
    }

    async fn recount(&self, (namespace, name): &Key) -> Result<(), Status> {
        // Read before counting: if the quota is charged while we count, the version no longer fits and we count again.
        let live = self
            .cluster
            .get(&Gvk::new("", "v1", "ResourceQuota"), namespace, name)
            .await?;
        let Some(hard) = live.root().at(&["spec", "hard"]) else {
            return Ok(());
        };
        let used = self.plane.count_usage(namespace, live.root())?;
        let status = quota::status(hard, &used);
        if live.root().get("status") == Some(status.node()) {
            return Ok(());
        }
        let mut next = live.root().to_value();
        next.set(&["status"], status);
        self.cluster
            .update_status(next, WriteOptions::by(NAME, None))
            .await
            .map(drop)
    }
}
