//! The scale subresource: `autoscaling/v1 Scale` over the paths that the kind table names.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use ridgeway_cluster::{Body as Change, PatchKind, Reason, Status};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Kind, LabelSelector, Scale};

use super::{Call, Target, negotiate};
use crate::write::Asked;
use crate::{codec, fault};

impl Call {
    /// Reads or sets the number of replicas.
    pub(super) async fn scale(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        let paths = kind.scale.as_ref().ok_or_else(|| fault::not_implemented("scale"))?;
        let plane = &self.api.plane;
        let verb = match self.method {
            Method::GET => "get",
            Method::PUT => "update",
            Method::PATCH => "patch",
            _ => return Err(Status::new(Reason::MethodNotAllowed, "scale takes GET, PUT and PATCH")),
        };
        self.may(verb, kind, target).await?;
        let live = codec::decode(&*plane.must_entry(kind, &target.namespace, &target.name)?)?;
        if self.method == Method::GET {
            return Ok(negotiate::object(StatusCode::OK, scale_of(&live, paths).node(), &[]));
        }
        let wanted = if self.method == Method::PUT {
            self.document_of(body).await?
        } else {
            let (patch_kind, patch) = self.patch_of(body).await?;
            let current = scale_of(&live, paths);
            match patch_kind {
                PatchKind::Json => ridgeway_apply::json_patch(current.node(), patch.root())
                    .map_err(|e| Status::new(Reason::Invalid, e.to_string()))?
                    .into_doc(),
                _ => ridgeway_apply::merge_patch(current.node(), patch.root()).into_doc(),
            }
        };
        let replicas = wanted
            .root()
            .at(&["spec", "replicas"])
            .and_then(Node::as_i64)
            .unwrap_or(0);
        if replicas < 0 {
            return Err(fault::bad_request(format!(
                "spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0"
            )));
        }
        let mut patch = Value::object();
        let version = wanted
            .root()
            .str_at(&["metadata", "resourceVersion"])
            .unwrap_or_default();
        if !version.is_empty() {
            patch.set(&["metadata", "resourceVersion"], version);
        }
        patch.set(&path_keys(&paths.spec_replicas_path), replicas);
        // The right to scale was decided above; the change itself is one to the object.
        let change = Change::Patch(PatchKind::Merge, patch.into_doc());
        let asked = Asked {
            verb,
            subresource: "scale",
        };
        let written = self.run_as(kind, target, "scale", change, Some(asked)).await?;
        Ok(negotiate::object(
            StatusCode::OK,
            scale_of(&written.doc()?, paths).node(),
            &[],
        ))
    }
}

fn path_keys(path: &str) -> Vec<&str> {
    path.trim_start_matches('.').split('.').collect()
}

fn scale_of(object: &Doc, paths: &Scale) -> Value {
    let root = object.root();
    let number = |path: &str| root.at(&path_keys(path)).and_then(Node::as_i64).unwrap_or(0);
    let mut scale = Value::object();
    scale.set(&["kind"], "Scale");
    scale.set(&["apiVersion"], "autoscaling/v1");
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = root.at(&["metadata", field]) {
            scale.set(&["metadata", field], value);
        }
    }
    scale.set(&["spec", "replicas"], number(&paths.spec_replicas_path));
    scale.set(&["status", "replicas"], number(&paths.status_replicas_path));
    let selector = paths
        .label_selector_path
        .as_deref()
        .and_then(|path| root.at(&path_keys(path)));
    let selector = match selector {
        Some(node) if node.is_object() => LabelSelector::from_node(node)
            .map(|s| s.to_string())
            .unwrap_or_default(),
        Some(node) => node.as_str().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    if !selector.is_empty() {
        scale.set(&["status", "selector"], selector);
    }
    scale
}
