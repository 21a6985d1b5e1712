//! Applications in one line each, and what can be done to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ridgeway_cluster::{Causality, ListOptions};
use ridgeway_deliver::{AppKey, SyncAsk};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Input};
use crate::Shared;
use crate::error::ApiError;
use crate::gateway::{Caller, RequestId};

/// Where Applications live.
pub(crate) const NAMESPACE: &str = "argocd";

/// The kind.
pub(crate) fn kind() -> Gvk {
    Gvk::new("argoproj.io", "v1alpha1", "Application")
}

/// Text at a path, or nothing.
pub(crate) fn text<'a>(node: Node<'a>, path: &[&str]) -> &'a str {
    node.str_at(path).unwrap_or_default()
}

/// Text at a path, or null.
pub(crate) fn maybe(node: Node<'_>, path: &[&str]) -> Value {
    match text(node, path) {
        "" => Value::Null,
        text => json!(text),
    }
}

/// Items of a list at a path.
pub(crate) fn items<'a>(node: Node<'a>, path: &[&str]) -> impl Iterator<Item = Node<'a>> {
    node.at(path).map(Node::items).into_iter().flatten()
}

/// The tag of an image, or its digest's first characters.
pub(crate) fn version_of(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    if let Some((_, digest)) = name.split_once('@') {
        return digest.get(..19).unwrap_or(digest);
    }
    name.split_once(':').map_or("latest", |(_, tag)| tag)
}

/// What runs: the tag of the first image, else the short commit.
pub(crate) fn version(application: Node<'_>) -> String {
    let image = items(application, &["status", "summary", "images"])
        .next()
        .and_then(Node::as_str);
    match image {
        Some(image) => version_of(image).to_owned(),
        None => text(application, &["status", "sync", "revision"])
            .chars()
            .take(7)
            .collect(),
    }
}

/// Whether sync is automated.
fn automated(application: Node<'_>) -> bool {
    application
        .at(&["spec", "syncPolicy", "automated"])
        .is_some_and(|auto| auto.get("enabled").and_then(Node::as_bool) != Some(false))
}

/// Resources of the status that differ from Git.
pub(crate) fn out_of_sync(application: Node<'_>) -> usize {
    items(application, &["status", "resources"])
        .filter(|r| text(*r, &["status"]) == "OutOfSync")
        .count()
}

impl Shared {
    /// `ApplicationSummary` of the contract.
    pub(crate) fn summary(&self, application: Node<'_>) -> Value {
        let repository = text(application, &["spec", "source", "repoURL"]);
        let results = items(application, &["status", "operationState", "syncResult", "resources"]);
        let refused = results.filter(|r| text(*r, &["status"]) == "SyncFailed").count();
        let images: Vec<&str> = items(application, &["status", "summary", "images"])
            .filter_map(Node::as_str)
            .collect();
        let destination = application.at(&["spec", "destination"]);
        let cluster = destination.map_or("", |d| match text(d, &["name"]) {
            "" => text(d, &["server"]),
            name => name,
        });
        let entity = self.entity_of_repository(repository);
        json!({
            "name": text(application, &["metadata", "name"]),
            "project": text(application, &["spec", "project"]),
            "entity": entity,
            "environment": maybe(application, &["metadata", "labels", "environment"]),
            "source": {
                "repository": self.clone_url(repository),
                "path": text(application, &["spec", "source", "path"]),
                "targetRevision": match text(application, &["spec", "source", "targetRevision"]) { "" => "HEAD", r => r },
            },
            "destination": {
                "cluster": cluster,
                "namespace": text(application, &["spec", "destination", "namespace"]),
            },
            "autoSync": automated(application),
            "health": health(application),
            "healthMessage": text(application, &["status", "health", "message"]),
            "sync": sync_state(application),
            "version": version(application),
            "revision": text(application, &["status", "sync", "revision"]),
            "images": images,
            "objects": items(application, &["status", "resources"]).count(),
            "outOfSync": out_of_sync(application),
            "refused": refused,
            "operationPhase": maybe(application, &["status", "operationState", "phase"]),
            "lastSyncedAt": maybe(application, &["status", "operationState", "finishedAt"]),
        })
    }

    /// The clone URL of a repository: our own by name, others as they are.
    pub(crate) fn clone_url(&self, repository: &str) -> String {
        match self.repositories.own_name(repository) {
            Some(name) => format!("{}/git/{name}.git", self.about.portal_url),
            None => repository.to_owned(),
        }
    }

    /// One application as the caller may see it.
    pub(crate) async fn application(&self, caller: &Caller, name: &str) -> Result<Doc, ApiError> {
        Ok(self.cluster(caller).get(&kind(), NAMESPACE, name).await?)
    }

    /// All applications as the caller may see them, by name.
    pub(crate) async fn applications(&self, caller: &Caller) -> Result<Vec<Doc>, ApiError> {
        let list = self
            .cluster(caller)
            .list(&kind(), Some(NAMESPACE), &ListOptions::default())
            .await?;
        Ok(list.items)
    }
}

/// Health as the contract spells it.
pub(crate) fn health(application: Node<'_>) -> &str {
    match text(application, &["status", "health", "status"]) {
        "" => "Unknown",
        health => health,
    }
}

/// Sync state as the contract spells it.
pub(crate) fn sync_state(application: Node<'_>) -> &str {
    match text(application, &["status", "sync", "status"]) {
        "" => "Unknown",
        sync => sync,
    }
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    let all = shared.applications(&caller).await?;
    let items: Vec<Value> = all.iter().map(|a| shared.summary(a.root())).collect();
    Ok(Json(json!({"items": items})))
}

/// How to sync.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SyncRequest {
    #[serde(default)]
    revision: String,
    #[serde(default)]
    prune: bool,
    #[serde(default)]
    dry_run: bool,
}

pub(crate) async fn sync(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    axum::Extension(RequestId(request)): axum::Extension<RequestId>,
    Input(input): Input<SyncRequest>,
) -> Result<Response, ApiError> {
    let ask = SyncAsk {
        revision: input.revision,
        prune: input.prune,
        dry_run: input.dry_run,
        ..asked_by(&caller, &request)
    };
    let cluster = shared.cluster(&caller);
    shared
        .deliver
        .sync(&*cluster, &AppKey::new(NAMESPACE, &name), ask)
        .await?;
    Ok(shared.started(&caller, &request))
}

/// Who asks for a sync, by which request.
fn asked_by(caller: &Caller, request: &str) -> SyncAsk {
    SyncAsk {
        user: caller.identity.name.clone(),
        causality: Some(Causality::new(format!("req:{request}"))),
        ..SyncAsk::default()
    }
}

/// Where to go back to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RollbackRequest {
    history_id: i64,
}

pub(crate) async fn rollback(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    axum::Extension(RequestId(request)): axum::Extension<RequestId>,
    Input(input): Input<RollbackRequest>,
) -> Result<Response, ApiError> {
    let cluster = shared.cluster(&caller);
    let (key, ask) = (AppKey::new(NAMESPACE, &name), asked_by(&caller, &request));
    shared.deliver.rollback(&*cluster, &key, input.history_id, ask).await?;
    Ok(shared.started(&caller, &request))
}

impl Shared {
    /// `Operation` of the contract for one that was just asked for.
    fn started(&self, caller: &Caller, request: &str) -> Response {
        let answer = json!({
            "kind": "sync",
            "phase": "Running",
            "message": "started",
            "revision": "",
            "initiatedBy": caller.identity.name,
            "startedAt": self.clock.now().to_string(),
            "finishedAt": null,
            "done": 0,
            "total": 0,
            "causality": format!("req:{request}"),
            "refusals": [],
        });
        (StatusCode::ACCEPTED, Json(answer)).into_response()
    }
}

/// `Operation` of the contract, from the status.
pub(crate) fn operation(application: Node<'_>) -> Value {
    let Some(state) = application.at(&["status", "operationState"]) else {
        return Value::Null;
    };
    let by = match text(state, &["operation", "initiatedBy", "username"]) {
        "" => "automated",
        user => user,
    };
    let results: Vec<Node<'_>> = items(state, &["syncResult", "resources"]).collect();
    let rollback = state.at(&["operation", "sync", "rollbackTo"]).is_some();
    json!({
        "kind": if rollback { "rollback" } else { "sync" },
        "phase": text(state, &["phase"]),
        "message": text(state, &["message"]),
        "revision": text(state, &["syncResult", "revision"]),
        "initiatedBy": by,
        "startedAt": text(state, &["startedAt"]),
        "finishedAt": maybe(state, &["finishedAt"]),
        "done": results.iter().filter(|r| !text(**r, &["status"]).is_empty()).count(),
        "total": results.len(),
        "causality": format!("git:{}", text(state, &["syncResult", "revision"])),
        "refusals": results.iter().filter(|r| text(**r, &["status"]) == "SyncFailed").map(|r| refusal(*r)).collect::<Vec<_>>(),
    })
}

/// A failed sync result as a refusal.
pub(crate) fn refusal(result: Node<'_>) -> Value {
    json!({
        "policy": "", "policyId": null, "rule": "",
        "message": text(result, &["message"]),
        "path": "", "value": null, "remedy": "", "patch": null,
        "object": reference(
            text(result, &["group"]),
            text(result, &["version"]),
            text(result, &["kind"]),
            text(result, &["namespace"]),
            text(result, &["name"]),
        ),
        "ask": null,
    })
}

/// `ObjectRef` of the contract.
pub(crate) fn reference(group: &str, version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({
        "key": format!("{group}/{kind}/{namespace}/{name}"),
        "apiVersion": if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") },
        "kind": kind,
        "namespace": namespace,
        "name": name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_tags() {
        for (image, version) in [
            ("registry.example.org:5000/shop/checkout:v1.2.3", "v1.2.3"),
            ("nginx", "latest"),
            ("registry.example.org:5000/nginx", "latest"),
            ("nginx@sha256:0123456789abcdef0123", "sha256:0123456789ab"),
        ] {
            assert_eq!(version_of(image), version, "{image}");
        }
    }
}
