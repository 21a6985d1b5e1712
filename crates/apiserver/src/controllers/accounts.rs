//! What every namespace has: the account `default`, and the authority's certificate in `kube-root-ca.crt`.

use std::sync::Arc;

use ridgeway_cluster::{Cluster, Queue, Reason, Status, WriteOptions};
use ridgeway_doc::Value;
use ridgeway_krm::Gvk;

use super::{Observer, RETRY, Seen, client};
use crate::plane::ControlPlane;

const NAME: &str = "service-account-controller";
const ROOT_CA: &str = "kube-root-ca.crt";

pub(super) struct Accounts {
    plane: ControlPlane,
    cluster: Arc<dyn Cluster>,
    root_ca: Option<String>,
    queue: Queue<String>,
}

impl Observer for Accounts {
    fn observe(&self, seen: &Seen<'_>) {
        let namespace = if seen.is("", "namespaces") && seen.now.is_some() {
            seen.key.name
        } else if seen.is("", "serviceaccounts") && seen.key.name == "default" && seen.now.is_none()
            || seen.is("", "configmaps") && seen.key.name == ROOT_CA
        {
            seen.key.namespace
        } else {
            return;
        };
        self.queue.add(namespace.to_owned());
    }
}

impl Accounts {
    pub(super) fn new(plane: &ControlPlane, root_ca: Option<String>) -> Accounts {
        Accounts {
            plane: plane.clone(),
            cluster: client(plane, NAME),
            root_ca,
            queue: Queue::new(),
        }
    }

    pub(super) async fn work(self: Arc<Self>) {
        loop {
            let namespace = self.queue.next().await;
            if let Err(status) = self.reconcile(&namespace).await {
                tracing::debug!(namespace, %status, "the namespace's account or certificate could not be written");
                self.queue.add_after(namespace.clone(), RETRY);
            }
            self.queue.done(&namespace);
        }
    }

    async fn reconcile(&self, namespace: &str) -> Result<(), Status> {
        match self.plane.namespace(namespace)? {
            Some(object) if object.root().at(&["metadata", "deletionTimestamp"]).is_none() => {}
            _ => return Ok(()),
        }
        let account = self.object("ServiceAccount", namespace, "default");
        self.ensure(account, |_| true).await?;
        if let Some(pem) = &self.root_ca {
            let mut map = self.object("ConfigMap", namespace, ROOT_CA);
            map.set(
                &["metadata", "annotations", "kubernetes.io/description"],
                "Verifies connections to the API server",
            );
            map.set(&["data", "ca.crt"], pem.as_str());
            self.ensure(map, |live| live.root().str_at(&["data", "ca.crt"]) == Some(pem))
                .await?;
        }
        Ok(())
    }

    fn object(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let mut object = Value::object();
        object.set(&["apiVersion"], "v1");
        object.set(&["kind"], kind);
        object.set(&["metadata", "name"], name);
        object.set(&["metadata", "namespace"], namespace);
        object
    }

    /// Creates what is missing and replaces what is no longer right.
    async fn ensure(&self, wanted: Value, right: impl Fn(&ridgeway_doc::Doc) -> bool) -> Result<(), Status> {
        let node = wanted.node();
        let text = |key: &str| node.str_at(&["metadata", key]).unwrap_or_default();
        let gvk = Gvk::new("", "v1", node.str_at(&["kind"]).unwrap_or_default());
        match self.cluster.get(&gvk, text("namespace"), text("name")).await {
            Ok(live) if right(&live) => Ok(()),
            Ok(_) => self
                .cluster
                .update(wanted.clone(), WriteOptions::by(NAME, None))
                .await
                .map(drop),
            Err(status) if status.reason == Reason::NotFound => {
                match self.cluster.create(wanted.clone(), WriteOptions::by(NAME, None)).await {
                    // The namespace is on its way out.
                    Err(status) if matches!(status.reason, Reason::Forbidden | Reason::NotFound) => Ok(()),
                    Err(status) if status.reason == Reason::AlreadyExists => Ok(()),
                    other => other.map(drop),
                }
            }
            Err(status) => Err(status),
        }
    }
}
