//! One application: its objects as a tree, its history, and why it runs what it runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ridgeway_cluster::{Cluster, ListOptions};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;
use ridgeway_ledger::Query;
use serde_json::{Value, json};

use super::Answer;
use super::applications::{items, maybe, operation, reference, refusal, text, version_of};
use super::catalog::merge;
use crate::Shared;
use crate::error::ApiError;
use crate::gateway::Caller;

/// Kinds that workloads make: what hangs below the objects from Git.
const CHILDREN: [(&str, &str, &str); 4] = [
    ("apps", "v1", "ReplicaSet"),
    ("batch", "v1", "Job"),
    ("", "v1", "Pod"),
    ("", "v1", "PersistentVolumeClaim"),
];

pub(crate) async fn show(State(shared): State<Arc<Shared>>, Path(name): Path<String>, caller: Caller) -> Answer {
    let application = shared.application(&caller, &name).await?;
    let node = application.root();
    let mut detail = shared.summary(node);
    let repository = text(node, &["spec", "source", "repoURL"]);
    let revision = text(node, &["status", "sync", "revision"]);
    let commit = shared.commit(repository, revision).await;
    let tree = tree(&*shared.cluster(&caller), node).await?;
    let conditions: Vec<Value> = items(node, &["status", "conditions"])
        .map(|c| {
            json!({"type": text(c, &["type"]), "message": text(c, &["message"]), "at": maybe(c, &["lastTransitionTime"])})
        })
        .collect();
    let extra = json!({
        "tree": tree,
        "history": shared.history(node, repository).await,
        "conditions": conditions,
        "operation": operation(node),
        "why": why(&shared, node, &commit),
        "headCommit": commit,
    });
    merge(&mut detail, extra);
    Ok(Json(detail))
}

impl Shared {
    async fn history(&self, application: Node<'_>, repository: &str) -> Vec<Value> {
        let current = text(application, &["status", "sync", "revision"]).to_owned();
        let mut entries: Vec<Node<'_>> = items(application, &["status", "history"]).collect();
        entries.reverse();
        let mut history = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            let revision = text(*entry, &["revision"]);
            let by = match text(*entry, &["initiatedBy", "username"]) {
                "" => "automated",
                user => user,
            };
            history.push(json!({
                "id": entry.get("id").and_then(Node::as_i64),
                "revision": revision,
                "commit": self.commit(repository, revision).await,
                "deployedAt": text(*entry, &["deployedAt"]),
                "initiatedBy": by,
                "version": match text(*entry, &["version"]) { "" => revision.get(..7).unwrap_or(revision), v => v },
                "ledgerIndex": self.ledger_index(&format!("git:{revision}")),
                "current": place == 0 && revision == current,
            }));
        }
        history
    }

    /// The newest ledger entry of a cause.
    pub(crate) fn ledger_index(&self, causality: &str) -> Option<u64> {
        let query = Query {
            causality: causality.to_owned(),
            without_outcomes: true,
            limit: 1,
            ..Query::default()
        };
        self.ledger
            .query(&query)
            .ok()
            .and_then(|page| page.records.first().map(|record| record.index))
    }
}

/// The objects of an application and what they made, as nodes of a tree.
pub(crate) async fn tree(cluster: &dyn Cluster, application: Node<'_>) -> Result<Vec<Value>, ApiError> {
    let mut nodes = Vec::new();
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    let mut namespaces: Vec<String> = Vec::new();
    let results: Vec<Node<'_>> = items(application, &["status", "operationState", "syncResult", "resources"]).collect();
    for resource in items(application, &["status", "resources"]) {
        let part = |key: &str| text(resource, &[key]);
        let (group, version, kind) = (part("group"), part("version"), part("kind"));
        let (namespace, name) = (part("namespace"), part("name"));
        let gvk = Gvk::new(group, version, kind);
        let live = cluster.get(&gvk, namespace, name).await.ok();
        let key = format!("{group}/{kind}/{namespace}/{name}");
        if let Some(live) = &live {
            keys.insert(text(live.root(), &["metadata", "uid"]).to_owned(), key.clone());
            if !namespace.is_empty() && !namespaces.iter().any(|n| n == namespace) {
                namespaces.push(namespace.to_owned());
            }
        }
        let failed = results.iter().filter(|r| {
            text(**r, &["kind"]) == kind && text(**r, &["name"]) == name && text(**r, &["status"]) == "SyncFailed"
        });
        let health = resource.get("health");
        nodes.push(json!({
            "ref": reference(group, version, kind, namespace, name),
            "parents": [],
            "health": health.map_or(Value::Null, |h| maybe(h, &["status"])),
            "healthMessage": health.map_or("", |h| text(h, &["message"])),
            "sync": maybe(resource, &["status"]),
            "images": live.as_ref().map(|l| images(l.root())).unwrap_or_default(),
            "createdAt": live.as_ref().map_or(Value::Null, |l| maybe(l.root(), &["metadata", "creationTimestamp"])),
            "prune": resource.get("requiresPruning").and_then(Node::as_bool) == Some(true),
            "hook": resource.get("hook").and_then(Node::as_bool) == Some(true),
            "info": live.as_ref().map(|l| facts(l.root())).unwrap_or_default(),
            "refusals": failed.map(|r| refusal(*r)).collect::<Vec<_>>(),
        }));
    }
    for namespace in namespaces {
        for (group, version, kind) in CHILDREN {
            let gvk = Gvk::new(group, version, kind);
            let Ok(list) = cluster.list(&gvk, Some(&namespace), &ListOptions::default()).await else {
                continue;
            };
            for child in &list.items {
                nodes.extend(child_node(child, &gvk, &mut keys));
            }
        }
    }
    Ok(nodes)
}

/// An object that something in the tree owns; empty old ReplicaSets are left out.
fn child_node(child: &Doc, gvk: &Gvk, keys: &mut BTreeMap<String, String>) -> Option<Value> {
    let node = child.root();
    let parents: Vec<String> = items(node, &["metadata", "ownerReferences"])
        .filter_map(|owner| keys.get(text(owner, &["uid"])).cloned())
        .collect();
    let uid = text(node, &["metadata", "uid"]).to_owned();
    if parents.is_empty() || keys.contains_key(&uid) {
        return None;
    }
    let replicas = |path: &[&str]| node.at(path).and_then(Node::as_i64).unwrap_or(0);
    if gvk.kind == "ReplicaSet" && replicas(&["spec", "replicas"]) == 0 && replicas(&["status", "replicas"]) == 0 {
        return None;
    }
    let (namespace, name) = (
        text(node, &["metadata", "namespace"]),
        text(node, &["metadata", "name"]),
    );
    let reference = reference(&gvk.group, &gvk.version, &gvk.kind, namespace, name);
    keys.insert(uid, reference["key"].as_str().unwrap_or_default().to_owned());
    let health = ridgeway_sync::health(node);
    Some(json!({
        "ref": reference,
        "parents": parents,
        "health": health.as_ref().map(|h| h.status.to_string()),
        "healthMessage": health.as_ref().map_or("", |h| h.message.as_str()),
        "sync": null,
        "images": images(node),
        "createdAt": maybe(node, &["metadata", "creationTimestamp"]),
        "prune": false,
        "hook": false,
        "info": facts(node),
        "refusals": [],
    }))
}

/// Images of a Pod or of a Pod template.
fn images(object: Node<'_>) -> Vec<String> {
    let containers = object
        .at(&["spec", "template", "spec", "containers"])
        .or_else(|| object.at(&["spec", "containers"]));
    containers
        .map(Node::items)
        .into_iter()
        .flatten()
        .map(|c| text(c, &["image"]).to_owned())
        .collect()
}

/// Short facts about an object.
pub(crate) fn facts(object: Node<'_>) -> Vec<Value> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push(json!({"name": name, "value": value}));
    let number = |path: &[&str]| object.at(path).and_then(Node::as_i64);
    if let Some(wanted) = number(&["spec", "replicas"]) {
        fact(
            "Ready",
            format!("{}/{wanted}", number(&["status", "readyReplicas"]).unwrap_or(0)),
        );
    }
    if let Some(image) = images(object).first() {
        fact("Version", version_of(image).to_owned());
    }
    match text(object, &["kind"]) {
        "Pod" => {
            fact("Phase", text(object, &["status", "phase"]).to_owned());
            fact("Node", text(object, &["spec", "nodeName"]).to_owned());
            let restarts: i64 = items(object, &["status", "containerStatuses"])
                .filter_map(|s| s.get("restartCount").and_then(Node::as_i64))
                .sum();
            if restarts > 0 {
                fact("Restarts", restarts.to_string());
            }
        }
        "Service" => fact("Address", text(object, &["spec", "clusterIP"]).to_owned()),
        _ => {}
    }
    facts.retain(|fact| fact["value"] != "");
    facts
}

/// The why line of an application, with its commit looked up.
pub(crate) async fn why_of(shared: &Shared, application: Node<'_>) -> Vec<Value> {
    let revision = text(application, &["status", "sync", "revision"]);
    let commit = shared
        .commit(text(application, &["spec", "source", "repoURL"]), revision)
        .await;
    why(shared, application, &commit)
}

/// The line from commit to running, each step with its place in the ledger.
fn why(shared: &Shared, application: Node<'_>, commit: &Value) -> Vec<Value> {
    let revision = text(application, &["status", "sync", "revision"]);
    let state = application.at(&["status", "operationState"]);
    let phase = state.map_or("", |s| text(s, &["phase"]));
    let message = state.map_or("", |s| text(s, &["message"]));
    let finished = state.map_or(Value::Null, |s| maybe(s, &["finishedAt"]));
    let index = shared.ledger_index(&format!("git:{revision}"));
    let comparison = items(application, &["status", "conditions"]).find(|c| text(*c, &["type"]) == "ComparisonError");
    let step = |id: &str, title: String, text: &str, state: &str, at: Value, index: Option<u64>| json!({"id": id, "title": title, "text": text, "state": state, "at": at, "ledgerIndex": index});
    let short = revision.get(..7).unwrap_or("no commit");
    let author = commit["author"].as_str().unwrap_or("unknown");
    let objects = items(application, &["status", "resources"]).count();
    let (render_text, render_state) = match comparison {
        Some(condition) => (text(condition, &["message"]), "failed"),
        None if revision.is_empty() => ("waiting for the first commit", "waiting"),
        None => ("rendered", "done"),
    };
    let refused = matches!(phase, "Failed" | "Error");
    let (verdict, apply) = match phase {
        "Running" => ("active", "waiting"),
        "Succeeded" => ("done", "done"),
        "" => ("waiting", "waiting"),
        _ => ("failed", "waiting"),
    };
    let health = super::applications::health(application);
    let running = match health {
        "Healthy" => "done",
        "Degraded" => "failed",
        _ if apply == "done" => "active",
        _ => "waiting",
    };
    let kind = text(application, &["status", "sourceType"]);
    vec![
        step(
            "commit",
            format!("{short} by {author}"),
            commit["message"].as_str().unwrap_or(""),
            if revision.is_empty() { "waiting" } else { "done" },
            commit["at"].clone(),
            None,
        ),
        step(
            "render",
            format!("{objects} objects"),
            if render_state == "done" { kind } else { render_text },
            render_state,
            maybe(application, &["status", "reconciledAt"]),
            None,
        ),
        step(
            "verdict",
            if refused { "refused".into() } else { "allowed".into() },
            if refused { message } else { "access and policies" },
            verdict,
            finished.clone(),
            index,
        ),
        step("apply", phase.to_owned(), message, apply, finished, index),
        step(
            "running",
            health.to_owned(),
            text(application, &["status", "health", "message"]),
            running,
            maybe(application, &["status", "health", "lastTransitionTime"]),
            None,
        ),
    ]
}
