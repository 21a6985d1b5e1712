//! Volumes of claims, as a dynamic provisioner would make them.

use std::time::Duration;

use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Value};

use crate::Nodes;

impl Nodes {
    /// Binds a claim to a volume of its own. The volume is a name: nothing stores data here.
    pub(crate) async fn claim(&self, claim: &Doc) -> Result<Option<Duration>, Status> {
        let node = claim.root();
        if node.text_at(&["status", "phase"]) == "Bound" {
            return Ok(None);
        }
        if node.text_at(&["spec", "volumeName"]).is_empty() {
            let mut patch = Value::object();
            patch.set(
                &["spec", "volumeName"],
                format!("pvc-{}", node.text_at(&["metadata", "uid"])),
            );
            self.patch(claim, "", patch).await?;
        }
        let mut status = Value::object();
        status.set(&["phase"], "Bound");
        if let Some(modes) = node.at(&["spec", "accessModes"]) {
            status.set(&["accessModes"], modes);
        }
        if let Some(storage) = node.at(&["spec", "resources", "requests", "storage"]) {
            status.set(&["capacity", "storage"], storage);
        }
        self.set_status(claim, status).await?;
        Ok(None)
    }
}
