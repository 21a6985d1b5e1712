//! Policies: their score, what violates them, and a playground.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;
use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_guard::{PolicyView, ViolationView};
use ridgeway_krm::ObjectRef;
use ridgeway_policy::{Action, Outcome, RuleResult};
use serde::Deserialize;
use serde_json::{Value, json};

use super::applications::{items, reference, text};
use super::catalog::merge;
use super::changes::json_of;
use super::{Answer, Input, aside};
use crate::Shared;
use crate::catalog_index::component_of;
use crate::error::ApiError;
use crate::gateway::Caller;

/// How many violations a page lists.
const MAX_VIOLATIONS: usize = 500;

/// `PolicySummary` of the contract.
pub(crate) fn summary(view: &PolicyView) -> Value {
    let trend: Vec<u64> = view.days.iter().map(|score| score.failed).collect();
    json!({
        "id": view.id,
        "name": view.name,
        "kind": view.kind,
        "title": view.title,
        "description": view.description,
        "category": view.category,
        "severity": view.severity,
        "mode": if view.enforce { "enforce" } else { "audit" },
        "rules": view.rules.len(),
        "passed": view.passed,
        "failed": view.failed,
        "refused24h": view.refused_24h,
        "trend": trend,
    })
}

/// Who answers for an object.
#[derive(Clone, Default)]
struct Place {
    application: Option<String>,
    owner: Option<String>,
}

/// Who answers for the objects of applications.
#[derive(Default)]
struct Places {
    objects: HashMap<ObjectRef, Place>,
    /// By the namespaces of the objects: what an application's objects have made in turn lies beside them.
    namespaces: HashMap<String, Place>,
}

impl Places {
    fn of(&self, object: &ObjectRef) -> Place {
        let made = matches!(object.kind.as_str(), "Pod" | "ReplicaSet" | "Job");
        let beside = || made.then(|| self.namespaces.get(&object.namespace)).flatten();
        self.objects.get(object).or_else(beside).cloned().unwrap_or_default()
    }
}

/// Who answers for what, by the applications that deploy it and the catalog.
fn places(shared: &Shared, applications: &[Doc]) -> Places {
    let catalog = shared.catalog.now();
    let mut out = Places::default();
    for application in applications {
        let root = application.root();
        let repository = shared.repositories.own_name(text(root, &["spec", "source", "repoURL"]));
        let entity = repository.and_then(|name| component_of(&catalog, &name));
        let owner = entity.and_then(|entity| catalog.related(entity.reference(), "ownedBy"));
        let place = Place {
            application: Some(text(root, &["metadata", "name"]).to_owned()),
            owner: owner.map(ToString::to_string),
        };
        for resource in items(root, &["status", "resources"]) {
            let object = ObjectRef {
                group: text(resource, &["group"]).to_owned(),
                kind: text(resource, &["kind"]).to_owned(),
                namespace: text(resource, &["namespace"]).to_owned(),
                name: text(resource, &["name"]).to_owned(),
            };
            if !object.namespace.is_empty() {
                let namespace = object.namespace.clone();
                out.namespaces.entry(namespace).or_insert_with(|| place.clone());
            }
            out.objects.insert(object, place.clone());
        }
    }
    out
}

/// `Violation` of the contract.
fn violation(view: &ViolationView, place: &Place) -> Value {
    json!({
        "refusal": {
            "policy": view.policy,
            "policyId": view.policy_id,
            "rule": view.rule,
            "message": view.message,
            "path": view.path,
            "value": view.value.as_ref().map_or(Value::Null, |v| json_of(v.node())),
            "remedy": view.remedy,
            "patch": view.patch.as_ref().map(|p| json_of(p.node())),
            "object": reference(
                &view.object.group,
                &view.api_version,
                &view.object.kind,
                &view.object.namespace,
                &view.object.name,
            ),
            "ask": place.owner,
        },
        "application": place.application,
        "owner": place.owner,
        "since": view.since,
    })
}

/// Violations in some namespaces; for the page of a service.
pub(crate) fn violations_in(shared: &Shared, caller: &Caller, namespaces: &[String]) -> Vec<Value> {
    let all = shared.guard.violations();
    let here = all.iter().filter(|v| namespaces.contains(&v.object.namespace));
    here.filter(|v| shared.may_see(&caller.identity, &v.object))
        .take(MAX_VIOLATIONS)
        .map(|one| violation(one, &Place::default()))
        .collect()
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Answer {
    let mut views = shared.guard.policies();
    views.sort_by(|a, b| b.failed.cmp(&a.failed).then_with(|| a.name.cmp(&b.name)));
    Ok(Json(json!({"items": views.iter().map(summary).collect::<Vec<_>>()})))
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>, caller: Caller) -> Answer {
    let views = shared.guard.policies();
    let view = views
        .iter()
        .find(|view| view.id == id)
        .ok_or_else(|| ApiError::not_found(format!("policy {id}")))?;
    let violations: Vec<ViolationView> = shared
        .guard
        .violations()
        .into_iter()
        .filter(|v| v.policy_id == view.id)
        .collect();
    let rules: Vec<Value> = view
        .rules
        .iter()
        .map(|rule| {
            let failed = violations.iter().filter(|v| written(&v.rule) == rule.name).count();
            json!({
                "name": rule.name,
                "kind": rule.kind,
                "words": rule.words,
                "applies": rule.applies,
                "line": rule.line,
                "passed": view.passed,
                "failed": failed,
            })
        })
        .collect();
    let places = places(&shared, &shared.applications(&caller).await?);
    // Violations show values of objects; the numbers above are everybody's.
    let shown = violations
        .iter()
        .filter(|v| shared.may_see(&caller.identity, &v.object))
        .take(MAX_VIOLATIONS);
    let mut detail = summary(view);
    merge(
        &mut detail,
        json!({
            "ruleList": rules,
            "violations": shown
                .map(|one| violation(one, &places.of(&one.object)))
                .collect::<Vec<_>>(),
            "hours": view
                .hours
                .iter()
                .map(|score| json!({"at": at(score.at), "passed": score.passed, "failed": score.failed}))
                .collect::<Vec<_>>(),
            "exceptions": shared.exceptions(&caller, Some(&view.id)),
            "excepts": excepts(&view.kind),
            "yaml": without_bookkeeping(&view.source),
        }),
    );
    Ok(Json(detail))
}

/// Whether exceptions to a policy of a kind are evaluated.
fn excepts(kind: &str) -> bool {
    matches!(kind, "ClusterPolicy" | "Policy") || kind.ends_with("ValidatingPolicy") || kind.ends_with("MutatingPolicy")
}

fn at(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), rfc3339)
}

/// The name of the rule as its author wrote it, for rules that were made from it for workloads.
pub(crate) fn written(rule: &str) -> &str {
    rule.strip_prefix("autogen-cronjob-")
        .or_else(|| rule.strip_prefix("autogen-"))
        .unwrap_or(rule)
}

fn without_bookkeeping(source: &Doc) -> String {
    let mut value = source.root().to_value();
    value.remove(&["metadata", "managedFields"]);
    value.node().to_yaml()
}

/// What to judge.
#[derive(Deserialize)]
pub(crate) struct Playground {
    resource: String,
    policy: String,
}

/// A document's problem, where it is.
fn problem(source: &str, line: Option<u32>, message: String) -> Value {
    json!({"source": source, "line": line, "message": message})
}

pub(crate) async fn playground(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Input(input): Input<Playground>,
) -> Answer {
    let mut problems = Vec::new();
    let mut read = |source: &str, text: &str| match parse_yaml(text) {
        Ok(docs) => docs,
        Err(error) => {
            problems.push(problem(source, Some(error.position.line), error.message));
            Vec::new()
        }
    };
    let (resources, policies) = (read("resource", &input.resource), read("policy", &input.policy));
    let (results, faults, took) = aside(move || {
        let start = tokio::time::Instant::now();
        let (results, faults) = shared.guard.evaluate(&resources, &policies);
        (results, faults, start.elapsed())
    })
    .await?;
    problems.extend(
        faults
            .into_iter()
            .map(|fault| problem("policy", (fault.line > 0).then_some(fault.line), fault.to_string())),
    );
    let verdicts: Vec<Value> = results.iter().map(|(object, result)| verdict(object, result)).collect();
    Ok(Json(json!({
        "verdicts": verdicts,
        "problems": problems,
        "mutated": null,
        "microseconds": took.as_micros() as u64,
    })))
}

fn verdict(object: &str, result: &RuleResult) -> Value {
    let failed = matches!(result.outcome, Outcome::Fail | Outcome::Warn | Outcome::Error);
    let shown = match (result.outcome, result.action) {
        (Outcome::Fail, Action::Warn) => "warn",
        (outcome, _) => outcome.as_str(),
    };
    json!({
        "policy": result.policy,
        "rule": result.rule,
        "object": object,
        "result": shown,
        "message": result.message,
        "refusal": failed.then(|| json!({
            "policy": result.policy,
            "policyId": null,
            "rule": result.rule,
            "message": result.message,
            "path": result.path,
            "value": result.value.as_ref().map_or(Value::Null, |v| json_of(v.node())),
            "remedy": result.remedy,
            "patch": result.patch.as_ref().map(|p| json_of(p.node())),
            "object": null,
            "ask": null,
        })),
    })
}
