//! One object of an application: live and wanted, the differences with their reasons, events, history.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query as Parameters, State};
use ridgeway_cluster::{ListOptions, Reason};
use ridgeway_doc::Node;
use ridgeway_krm::{Gvk, shown};
use ridgeway_ledger::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::applications::{NAMESPACE, reference, refusal, text};
use super::changes::{diff_entry, json_of, reason, yaml};
use super::detail::facts;
use crate::Shared;
use crate::error::ApiError;
use crate::gateway::Caller;

/// Which object.
#[derive(Deserialize)]
pub(crate) struct Which {
    key: String,
}

pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Path(application): Path<String>,
    Parameters(Which { key }): Parameters<Which>,
    caller: Caller,
) -> Answer {
    let app = shared.application(&caller, &application).await?;
    let parts: Vec<&str> = key.split('/').collect();
    let [group, kind, namespace, name] = parts.as_slice() else {
        return Err(ApiError::invalid(format!(
            "`key={key}` is not group/Kind/namespace/name"
        )));
    };
    let kinds = shared.plane.kinds();
    let known = kinds.kinds().find(|k| k.gvk.group == *group && k.gvk.kind == *kind);
    let gvk = known
        .as_ref()
        .map_or_else(|| Gvk::new(group, "v1", kind), |k| k.gvk.clone());
    // Who may not see the object may not see it here either, nor what Git says of it.
    let live = match shared.cluster(&caller).get(&gvk, namespace, name).await {
        Ok(live) => Some(live),
        Err(status) if status.reason == Reason::Forbidden => return Err(status.into()),
        Err(_) => None,
    };
    let differences = shared.deliver.diff(NAMESPACE, &application).await.unwrap_or_default();
    let own = differences.iter().find(|d| {
        d.reference.group == *group
            && d.reference.kind == *kind
            && d.reference.name == *name
            && d.reference.namespace == *namespace
    });
    let mut diff: Vec<Value> = Vec::new();
    for change in own.map(|d| d.changes.as_slice()).unwrap_or_default() {
        let side = |value: &Option<ridgeway_doc::Value>| value.as_ref().map(|v| json_of(v.node()));
        let reason = match (&change.owner, &change.before) {
            (Some(owner), _) => reason("edited", &format!("changed in the cluster by {owner}"), Some(owner)),
            (None, None) => reason("missing", "in Git, not in the cluster yet", None),
            (None, Some(_)) => reason("git", "Git is ahead of the cluster", None),
        };
        diff.push(diff_entry(
            &change.path,
            side(&change.before),
            side(&change.after),
            reason,
        ));
    }
    let status = super::applications::items(app.root(), &["status", "resources"]).find(|r| {
        text(*r, &["group"]) == *group
            && text(*r, &["kind"]) == *kind
            && text(*r, &["name"]) == *name
            && text(*r, &["namespace"]) == *namespace
    });
    let judged = live.as_ref().and_then(|l| ridgeway_sync::health(l.root()));
    let results = super::applications::items(app.root(), &["status", "operationState", "syncResult", "resources"]);
    let refusals: Vec<Value> = results
        .filter(|r| {
            text(*r, &["status"]) == "SyncFailed" && text(*r, &["kind"]) == *kind && text(*r, &["name"]) == *name
        })
        .map(refusal)
        .collect();
    let wanted = match own {
        Some(difference) => difference
            .predicted
            .as_ref()
            .map(|v| shown(v.clone(), &gvk).node().to_yaml()),
        None if status.is_some() => live.as_ref().map(|l| yaml(l, &gvk)),
        None => None,
    };
    Ok(Json(json!({
        "ref": reference(group, &gvk.version, kind, namespace, name),
        "application": application,
        "health": judged.as_ref().map(|h| h.status.to_string()),
        "healthMessage": judged.as_ref().map_or("", |h| h.message.as_str()),
        "sync": status.map_or(Value::Null, |s| super::applications::maybe(s, &["status"])),
        "live": live.as_ref().map(|l| yaml(l, &gvk)),
        "desired": wanted,
        "diff": diff,
        "events": events(&shared, &caller, kind, namespace, name).await,
        "history": history(&shared, &gvk, namespace, name),
        "refusals": refusals,
        "facts": live.as_ref().map(|l| facts(l.root())).unwrap_or_default(),
    })))
}

async fn events(shared: &Shared, caller: &Caller, kind: &str, namespace: &str, name: &str) -> Vec<Value> {
    let options = ListOptions {
        fields: format!("involvedObject.kind={kind},involvedObject.name={name}"),
        ..ListOptions::default()
    };
    let scope = (!namespace.is_empty()).then_some(namespace);
    let Ok(list) = shared
        .cluster(caller)
        .list(&Gvk::new("", "v1", "Event"), scope, &options)
        .await
    else {
        return Vec::new();
    };
    let mut events: Vec<Value> = list
        .items
        .iter()
        .map(|event| {
            let node = event.root();
            let at = [
                &["lastTimestamp"] as &[&str],
                &["eventTime"],
                &["metadata", "creationTimestamp"],
            ]
            .iter()
            .map(|path| text(node, path))
            .find(|time| !time.is_empty())
            .unwrap_or_default();
            json!({
                "at": at,
                "type": match text(node, &["type"]) { "Warning" => "Warning", _ => "Normal" },
                "reason": text(node, &["reason"]),
                "message": text(node, &["message"]),
                "count": node.get("count").and_then(Node::as_i64).unwrap_or(1),
            })
        })
        .collect();
    events.sort_by(|a, b| b["at"].as_str().cmp(&a["at"].as_str()));
    events
}

fn history(shared: &Shared, gvk: &Gvk, namespace: &str, name: &str) -> Vec<Value> {
    let kinds = shared.plane.kinds();
    let Some(kind) = kinds.get(gvk) else { return Vec::new() };
    let query = Query {
        group: Some(gvk.group.clone()),
        resource: kind.plural.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        without_outcomes: true,
        limit: 50,
        ..Query::default()
    };
    match shared.ledger.query(&query) {
        Ok(page) => page.records.iter().map(|record| shared.entry(record)).collect(),
        Err(error) => {
            tracing::error!(%error, "the ledger cannot be read");
            Vec::new()
        }
    }
}
