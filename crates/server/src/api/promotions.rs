//! Promotions: a service's stages in order, and what could be promoted now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ridgeway_cluster::{Causality, ListOptions, WriteOptions};
use ridgeway_doc::{Doc, Node, Value as DocValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::applications::{NAMESPACE, items, text};
use super::catalog::deployment;
use super::{Answer, Input};
use crate::Shared;
use crate::error::ApiError;
use crate::gateway::Caller;

async fn promotions(shared: &Shared, caller: &Caller) -> Result<Vec<Doc>, ApiError> {
    let gvk = ridgeway_deliver::promotion();
    Ok(shared
        .cluster(caller)
        .list(&gvk, Some(NAMESPACE), &ListOptions::default())
        .await?
        .items)
}

/// `PromotionBoard` of the contract.
async fn board(shared: &Shared, promotion: Node<'_>, all: &[Doc]) -> Value {
    let mut stages = Vec::new();
    let mut entity = Value::Null;
    for stage in items(promotion, &["spec", "stages"]) {
        let name = text(stage, &["application"]);
        let application = all
            .iter()
            .map(Doc::root)
            .find(|a| text(*a, &["metadata", "name"]) == name);
        let (mut shown, mut commit) = (Value::Null, Value::Null);
        if let Some(application) = application {
            let repository = text(application, &["spec", "source", "repoURL"]);
            commit = shared
                .commit(repository, text(application, &["status", "sync", "revision"]))
                .await;
            shown = deployment(application);
            entity = shared.entity_of_repository(repository).map_or(entity, Value::from);
        }
        stages.push(
            json!({"name": match text(stage, &["name"]) { "" => name, n => n }, "deployment": shown, "commit": commit}),
        );
    }
    let state: Vec<Node<'_>> = items(promotion, &["status", "stages"]).collect();
    let next = stages.windows(2).enumerate().find_map(|(i, pair)| {
        let (from, to) = (&pair[0], &pair[1]);
        let behind = from["deployment"]["revision"] != to["deployment"]["revision"];
        let waiting = state.get(i + 1).is_some_and(|s| text(*s, &["phase"]) == "AwaitingApproval");
        (behind || waiting).then(|| {
            let why = state.get(i + 1).map(|s| text(*s, &["message"])).filter(|m| !m.is_empty() && !waiting);
            let blocked: Vec<Value> = why
                .map(|message| {
                    json!({"policy": "promotion", "policyId": null, "rule": "health gate", "message": message, "path": "",
                           "value": null, "remedy": "", "patch": null, "object": null, "ask": null})
                })
                .into_iter()
                .collect();
            json!({"to": to["name"], "from": from["name"], "version": from["deployment"]["version"], "blocked": blocked})
        })
    });
    json!({
        "entity": if entity.is_null() { json!(format!("component:default/{}", text(promotion, &["metadata", "name"]))) } else { entity },
        "title": text(promotion, &["metadata", "name"]),
        "stages": stages,
        "next": next,
    })
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    let all = shared.applications(&caller).await?;
    let mut boards = Vec::new();
    for promotion in promotions(&shared, &caller).await? {
        boards.push(board(&shared, promotion.root(), &all).await);
    }
    Ok(Json(json!({"items": boards})))
}

/// Which promotion.
#[derive(Deserialize)]
pub(crate) struct PromotionRequest {
    entity: String,
    to: String,
}

/// Approves what waits for a person: the stage before decides the version, its health whether it may go on.
pub(crate) async fn promote(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Input(input): Input<PromotionRequest>,
) -> Result<Response, ApiError> {
    let all = shared.applications(&caller).await?;
    for promotion in promotions(&shared, &caller).await? {
        let node = promotion.root();
        let shown = board(&shared, node, &all).await;
        if shown["entity"] != input.entity {
            continue;
        }
        let stages = shown["stages"].as_array().cloned().unwrap_or_default();
        let at = stages
            .iter()
            .position(|stage| stage["name"] == input.to)
            .filter(|at| *at > 0);
        let at = at.ok_or_else(|| ApiError::not_found(format!("stage {} that another one leads to", input.to)))?;
        let (from, to) = (&stages[at - 1], &stages[at]);
        let revision = from["deployment"]["revision"].as_str().unwrap_or_default();
        if from["deployment"]["health"] != "Healthy" {
            let message = format!(
                "{} is not healthy; a version is promoted from a healthy stage",
                from["name"]
            );
            return Err(ApiError::conflict(message));
        }
        let mut patch = DocValue::object();
        let key = "ridgeway.dev/approve";
        patch.set(&["metadata", "annotations", key], revision);
        let causality = Causality::new(format!("git:{revision}"));
        let options = WriteOptions::by("ridgeway-portal", Some(causality.clone()));
        let name = text(node, &["metadata", "name"]);
        shared
            .cluster(&caller)
            .merge_patch(&ridgeway_deliver::promotion(), NAMESPACE, name, patch, options)
            .await?;
        let answer = json!({
            "commit": from["commit"],
            "application": to["deployment"]["application"],
            "causality": causality.as_str(),
        });
        return Ok((StatusCode::CREATED, Json(answer)).into_response());
    }
    Err(ApiError::not_found(format!("promotion of {}", input.entity)))
}
