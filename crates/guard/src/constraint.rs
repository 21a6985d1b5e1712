//! Gatekeeper: a stored template brings its kind of constraints with it.

use ridgeway_cluster::{Causality, Cluster, DeleteOptions, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use crate::install::{self, MANAGER};
use crate::snapshot::constraint_kind;
use crate::source::{self, text};

fn definition() -> Gvk {
    Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
}

fn causality(template: &str) -> Option<Causality> {
    Some(Causality::new(format!("template:{template}")))
}

/// Serves the constraint kind of a template. Returns the kind.
pub(crate) async fn serve(cluster: &dyn Cluster, template: &Doc) -> Result<Option<Gvk>, Status> {
    let root = template.root();
    let kind = constraint_kind(root);
    let Some(mut crd) = ridgeway_policy::constraint_crd(root).filter(|_| !kind.is_empty()) else {
        return Ok(None);
    };
    let name = text(root, &["metadata", "name"]);
    let mut owner = Value::object();
    owner.set(&["apiVersion"], source::template().api_version());
    owner.set(&["kind"], "ConstraintTemplate");
    owner.set(&["name"], name);
    owner.set(&["uid"], text(root, &["metadata", "uid"]));
    owner.set(&["controller"], true);
    owner.set(&["blockOwnerDeletion"], true);
    crd.set(&["metadata", "ownerReferences"], vec![owner]);
    cluster
        .apply(crd, WriteOptions::by(MANAGER, causality(name)).forced())
        .await?;
    let gvk = source::constraint(kind);
    install::served(cluster, &gvk).await?;
    let live = cluster.get(&source::template(), "", name).await?;
    if live.root().at(&["status", "created"]).and_then(Node::as_bool) != Some(true) {
        let mut told = live.root().to_value();
        told.set(&["status", "created"], true);
        match cluster
            .update_status(told, WriteOptions::by(MANAGER, causality(name)))
            .await
        {
            Err(status) if !matches!(status.reason, Reason::Conflict | Reason::NotFound) => return Err(status),
            _ => {}
        }
    }
    Ok(Some(gvk))
}

/// Ends the constraint kind of a template that is gone.
pub(crate) async fn withdraw(cluster: &dyn Cluster, template: &str, kind: &str) -> Result<(), Status> {
    let name = format!("{}.{}", kind.to_lowercase(), source::CONSTRAINTS);
    let options = WriteOptions::by(MANAGER, causality(template));
    match cluster
        .delete(&definition(), "", &name, DeleteOptions::default(), options)
        .await
    {
        Err(status) if status.reason != Reason::NotFound => Err(status),
        _ => Ok(()),
    }
}
