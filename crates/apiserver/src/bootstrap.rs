//! What every control plane starts with: namespaces, roles and bindings, created through the pipeline like anything else.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use ridgeway_cluster::{Causality, Cluster, Reason, Status, WriteOptions};
use ridgeway_doc::{Node, Value};

use crate::fault;
use crate::plane::ControlPlane;

const SETS: [&str; 3] = [
    include_str!("../data/bootstrap/namespaces.yaml"),
    include_str!("../data/bootstrap/roles.yaml"),
    include_str!("../data/bootstrap/bindings.yaml"),
];

/// An object with this annotation set to `false` is left as somebody made it.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// Creates what is missing, and brings roles and bindings back to what this release ships, unless their annotation
/// `rbac.authorization.kubernetes.io/autoupdate` says `false`.
pub fn bootstrap(plane: &ControlPlane) -> BoxFuture<'_, Result<(), Status>> {
    make(plane).boxed()
}

async fn make(plane: &ControlPlane) -> Result<(), Status> {
    let cluster = plane.admin();
    for text in SETS {
        let docs = ridgeway_doc::parse_yaml(text)
            .map_err(|error| fault::internal(format!("the built-in start-up objects cannot be read: {error}")))?;
        // One set after the other, because roles live in namespaces; within a set together, so that they share their syncs.
        try_join_all(docs.iter().map(|doc| ensure(&*cluster, doc.root().to_value()))).await?;
    }
    Ok(())
}

async fn ensure(cluster: &dyn Cluster, mut wanted: Value) -> Result<(), Status> {
    let options = || WriteOptions::by("ridgeway-bootstrap", Some(Causality::new("bootstrap")));
    let rbac = wanted
        .node()
        .str_at(&["apiVersion"])
        .is_some_and(|v| v.starts_with("rbac."));
    if rbac {
        wanted.set(&["metadata", "annotations", AUTOUPDATE], "true");
        wanted.set(&["metadata", "labels", "kubernetes.io/bootstrapping"], "rbac-defaults");
    }
    match cluster.create(wanted.clone(), options()).await {
        Ok(_) => return Ok(()),
        Err(status) if status.reason == Reason::AlreadyExists => {}
        Err(status) => return Err(status),
    }
    if !rbac {
        return Ok(());
    }
    let node = wanted.node();
    let gvk = ridgeway_krm::Gvk::of(node).ok_or_else(|| fault::internal("a start-up object without a kind"))?;
    let text = |key: &str| node.str_at(&["metadata", key]).unwrap_or_default();
    let live = cluster.get(&gvk, text("namespace"), text("name")).await?;
    if live.root().str_at(&["metadata", "annotations", AUTOUPDATE]) == Some("false") || same(live.root(), node) {
        return Ok(());
    }
    let mut next = live.root().to_value();
    for key in ["rules", "aggregationRule", "subjects"] {
        if let Some(part) = node.get(key) {
            next.set(&[key], part);
        }
    }
    cluster.update(next, options()).await.map(drop)
}

/// Whether a stored role or binding still says what is shipped.
fn same(live: Node<'_>, wanted: Node<'_>) -> bool {
    ["rules", "aggregationRule", "subjects", "roleRef"]
        .iter()
        .all(|key| match (live.get(key), wanted.get(key)) {
            (live, None) => live.is_none_or(Node::is_empty),
            (Some(live), Some(wanted)) => live == wanted,
            (None, Some(wanted)) => wanted.is_empty(),
        })
}

#[cfg(test)]
mod tests {
    use ridgeway_cluster::{Identity, ListOptions};
    use ridgeway_krm::Gvk;

    use super::*;
    use crate::testing::plane;

    #[tokio::test]
    async fn starting_twice_changes_nothing_and_a_weakened_role_is_restored() {
        let plane = plane().await;
        let revision = plane.revision();
        bootstrap(&plane).await.unwrap();
        assert_eq!(plane.revision(), revision, "nothing was to be done");
        let gvk = Gvk::new("rbac.authorization.k8s.io", "v1", "ClusterRole");
        let mut view = plane
            .admin()
            .get(&gvk, "", "system:discovery")
            .await
            .unwrap()
            .root()
            .to_value();
        view.set(&["rules"], Value::array());
        plane.admin().update(view, WriteOptions::default()).await.unwrap();
        bootstrap(&plane).await.unwrap();
        let restored = plane.admin().get(&gvk, "", "system:discovery").await.unwrap();
        assert!(!restored.root().get("rules").unwrap().is_empty());
    }

    #[tokio::test]
    async fn rights_of_ordinary_users_and_of_planes() {
        let plane = plane().await;
        let namespaces = Gvk::new("", "v1", "Namespace");
        let nobody = plane.client(Identity::user("nobody", &[], "test"));
        assert_eq!(nobody.get(&namespaces, "", "default").await.unwrap_err().code(), 403);
        let guard = plane.client(Identity::controller("guard"));
        assert!(guard.get(&namespaces, "", "default").await.is_ok());
        let nodes = plane.client(Identity::controller("nodes"));
        let list = async |kind: &str| {
            nodes
                .list(&Gvk::new("", "v1", kind), None, &ListOptions::default())
                .await
        };
        assert!(list("Pod").await.is_ok());
        assert_eq!(list("Secret").await.unwrap_err().code(), 403, "nodes read no secrets");
        // Only what applies roles from Git may hand out more than it has.
        let all = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: all}, rules: [{apiGroups: \
                   ['*'], resources: ['*'], verbs: ['*']}]}";
        let all = ridgeway_doc::parse_yaml(all).unwrap()[0].root().to_value();
        let deliver = plane.client(Identity::controller("deliver"));
        let refused = guard.create(all.clone(), WriteOptions::default()).await.unwrap_err();
        assert_eq!(refused.code(), 403);
        assert!(deliver.create(all, WriteOptions::default()).await.is_ok());
    }
}
