//! The catalog: entities joined with where they run, and the repositories they come from.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use ridgeway_catalog::{Catalog, Entity, EntityRef};
use ridgeway_doc::{Doc, Node};
use serde_json::{Value, json};

use super::applications::{self, text};
use super::{Answer, aside, home, policies};
use crate::Shared;
use crate::access::Right;
use crate::catalog_index::component_of;
use crate::error::ApiError;
use crate::gateway::Caller;

/// How many commits are remembered: what is said of one never changes.
const KNOWN_COMMITS: usize = 10_000;

impl Shared {
    /// Reference of the component that a repository describes.
    pub(crate) fn entity_of_repository(&self, repository: &str) -> Option<String> {
        let name = self.repositories.own_name(repository)?;
        component_of(&self.catalog.now(), &name).map(|entity| entity.reference().to_string())
    }

    /// Applications that deploy a component: those that follow its repository.
    pub(crate) fn applications_of<'a>(&self, entity: &Entity, all: &'a [Doc]) -> Vec<&'a Doc> {
        if !entity.kind().eq_ignore_ascii_case("component") {
            return Vec::new();
        }
        let here = &entity.origin().repository;
        let of = |app: &&Doc| {
            self.repositories
                .own_name(text(app.root(), &["spec", "source", "repoURL"]))
                .as_ref()
                == Some(here)
        };
        all.iter().filter(of).collect()
    }
}

/// `Deployment` of the contract.
pub(crate) fn deployment(application: Node<'_>) -> Value {
    let environment = match text(application, &["metadata", "labels", "environment"]) {
        "" => text(application, &["spec", "destination", "namespace"]),
        name => name,
    };
    json!({
        "environment": environment,
        "application": text(application, &["metadata", "name"]),
        "health": applications::health(application),
        "sync": applications::sync_state(application),
        "version": applications::version(application),
        "revision": text(application, &["status", "sync", "revision"]),
        "changedAt": applications::maybe(application, &["status", "operationState", "finishedAt"]),
        "drift": applications::out_of_sync(application),
    })
}

/// Environments in the order in which versions pass them.
fn deployments(applications: &[&Doc]) -> Vec<Value> {
    let mut all: Vec<Value> = applications.iter().map(|a| deployment(a.root())).collect();
    let rank = |value: &Value| match value["environment"].as_str().unwrap_or_default() {
        "development" | "dev" => 0,
        "staging" => 1,
        "production" | "prod" => 3,
        _ => 2,
    };
    all.sort_by_key(|d| (rank(d), d["application"].as_str().unwrap_or_default().to_owned()));
    all
}

fn owner(catalog: &Catalog, entity: &Entity) -> Value {
    catalog
        .related(entity.reference(), "ownedBy")
        .map_or(Value::Null, |owner| json!(owner.to_string()))
}

fn worst(deployments: &[Value]) -> Value {
    const ORDER: [&str; 6] = ["Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown"];
    let rank = |d: &Value| ORDER.iter().position(|h| d["health"] == **h).unwrap_or(0);
    deployments
        .iter()
        .max_by_key(|d| rank(d))
        .map_or(Value::Null, |d| d["health"].clone())
}

/// `EntitySummary` of the contract.
pub(crate) fn summary(shared: &Shared, catalog: &Catalog, entity: &Entity, all: &[Doc]) -> Value {
    let deployments = deployments(&shared.applications_of(entity, all));
    let reference = entity.reference();
    let problems: Vec<String> = catalog
        .problems()
        .iter()
        .filter(|problem| problem.entity.as_ref() == Some(reference))
        .map(ToString::to_string)
        .collect();
    json!({
        "ref": reference.to_string(),
        "kind": entity.kind(),
        "namespace": entity.namespace(),
        "name": entity.name(),
        "title": entity.title(),
        "description": entity.description(),
        "type": entity.spec_text("type"),
        "lifecycle": entity.spec_text("lifecycle"),
        "owner": owner(catalog, entity),
        "system": catalog.related(reference, "partOf").map(ToString::to_string),
        "tags": entity.tags().collect::<Vec<_>>(),
        "health": worst(&deployments),
        "deployments": deployments,
        "problems": problems,
    })
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    let (catalog, all) = (shared.catalog.now(), shared.applications(&caller).await?);
    let items: Vec<Value> = catalog
        .entities()
        .map(|entity| summary(&shared, &catalog, entity, &all))
        .collect();
    Ok(Json(json!({"items": items})))
}

pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    Path((kind, namespace, name)): Path<(String, String, String)>,
    caller: Caller,
) -> Answer {
    let (catalog, all) = (shared.catalog.now(), shared.applications(&caller).await?);
    let reference = EntityRef::new(&kind, &namespace, &name);
    let entity = catalog
        .get(&reference)
        .ok_or_else(|| ApiError::not_found(format!("entity {reference}")))?;
    let mut detail = summary(&shared, &catalog, entity, &all);
    let relations: Vec<Value> = catalog
        .relations(&reference)
        .iter()
        .map(|r| json!({"type": r.name, "targetRef": r.target.to_string(), "known": catalog.get(&r.target).is_some()}))
        .collect();
    let pair = |(key, value): (&str, &str)| (key.to_owned(), json!(value));
    let origin = entity.origin();
    let deployed = shared.applications_of(entity, &all);
    let namespaces: Vec<String> = deployed
        .iter()
        .map(|a| text(a.root(), &["spec", "destination", "namespace"]).to_owned())
        .collect();
    let changes = if shared.may(&caller.identity, Right::Audit) {
        let (shared, namespaces) = (shared.clone(), namespaces.clone());
        aside(move || home::changes(&shared, 200, &namespaces)).await?
    } else {
        Vec::new()
    };
    let extra = json!({
        "annotations": entity.annotations().map(pair).collect::<serde_json::Map<_, _>>(),
        "labels": entity.labels().map(pair).collect::<serde_json::Map<_, _>>(),
        "links": entity.links().map(|l| json!({"title": l.title, "url": l.url})).collect::<Vec<_>>(),
        "relations": relations,
        "source": {"repository": origin.repository, "path": origin.path, "line": origin.line},
        "violations": policies::violations_in(&shared, &caller, &namespaces),
        "changes": changes,
        "readme": shared.readme(&origin.repository).await,
        "yaml": entity.node().to_yaml(),
    });
    merge(&mut detail, extra);
    Ok(Json(detail))
}

impl Shared {
    /// The README of a repository, if it has one.
    async fn readme(&self, repository: &str) -> Option<String> {
        let commit = self.repositories.resolve(repository, "HEAD").await.ok()?;
        let snapshot = self.repositories.snapshot(repository, commit).await.ok()?;
        let bytes = ["README.md", "readme.md"]
            .into_iter()
            .find_map(|name| snapshot.read(name).ok().flatten())?;
        String::from_utf8(bytes.to_vec()).ok()
    }
}

/// Adds the members of an object to another.
pub(crate) fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

pub(crate) async fn repositories(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    let (catalog, all) = (shared.catalog.now(), shared.applications(&caller).await?);
    let names = shared
        .repositories
        .list()
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let mut items = Vec::new();
    for name in names {
        let head = match shared.repositories.resolve(&name, "HEAD").await {
            Ok(commit) => shared.commit(&name, &commit.to_string()).await,
            Err(_) => Value::Null,
        };
        let entities: Vec<String> = catalog
            .entities()
            .filter(|entity| entity.origin().repository == name)
            .map(|entity| entity.reference().to_string())
            .collect();
        let follow: Vec<&str> = all
            .iter()
            .map(Doc::root)
            .filter(|a| {
                shared
                    .repositories
                    .own_name(text(*a, &["spec", "source", "repoURL"]))
                    .as_deref()
                    == Some(name.as_str())
            })
            .map(|a| text(a, &["metadata", "name"]))
            .collect();
        items.push(json!({
            "name": name,
            "url": shared.clone_url(&name),
            "defaultBranch": "main",
            "head": head,
            "entities": entities,
            "applications": follow,
        }));
    }
    Ok(Json(json!({"items": items})))
}

impl Shared {
    /// `Commit` of the contract, or null when it is not known here.
    pub(crate) async fn commit(&self, repository: &str, sha: &str) -> Value {
        let Ok(id) = sha.parse::<ridgeway_git::CommitId>() else {
            return Value::Null;
        };
        let key = (repository.to_owned(), sha.to_owned());
        if let Some(known) = self.commits().get(&key) {
            return known.clone();
        }
        let Ok(info) = self.repositories.commit_info(repository, id).await else {
            return Value::Null;
        };
        let value = json!({
            "sha": sha,
            "message": info.subject(),
            "author": info.author,
            "at": time_of(info.time),
        });
        let mut known = self.commits();
        if known.len() >= KNOWN_COMMITS {
            known.clear();
        }
        known.insert(key, value.clone());
        value
    }

    fn commits(&self) -> MutexGuard<'_, HashMap<(String, String), Value>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 3339 from Unix seconds.
pub(crate) fn time_of(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map(|t| t.to_string())
        .unwrap_or_default()
}
