//! The first page: my services, what waits for somebody, what changed lately, how delivery goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use ridgeway_doc::Doc;
use ridgeway_ledger::Query;
use serde_json::{Value, json};

use super::applications::{health, items, maybe, sync_state, text};
use super::{Answer, aside, catalog};
use crate::Shared;
use crate::access::Right;
use crate::error::ApiError;
use crate::gateway::Caller;

/// How many entries of the ledger the page looks at.
const LOOKED_AT: usize = 3000;
/// How many days delivery is counted for.
const DAYS: i64 = 14;

pub(crate) async fn show(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    let (index, all) = (shared.catalog.now(), shared.applications(&caller).await?);
    let services: Vec<Value> = index
        .entities()
        .filter(|entity| entity.kind().eq_ignore_ascii_case("component"))
        .map(|entity| {
            let summary = catalog::summary(&shared, &index, entity, &all);
            json!({
                "ref": summary["ref"],
                "title": summary["title"],
                "owner": summary["owner"],
                "deployments": summary["deployments"],
            })
        })
        .collect();
    let changes = if shared.may(&caller.identity, Right::Audit) {
        let shared = shared.clone();
        aside(move || changes(&shared, LOOKED_AT, &[])).await?
    } else {
        Vec::new()
    };
    Ok(Json(json!({
        "services": services,
        "waiting": waiting(&shared, &all),
        "changes": changes,
        "delivery": delivery(&shared, &all).await?,
    })))
}

/// What needs a person.
fn waiting(shared: &Shared, all: &[Doc]) -> Vec<Value> {
    let mut waiting = Vec::new();
    for application in all.iter().map(Doc::root) {
        let name = text(application, &["metadata", "name"]);
        let link = format!("/applications/{name}");
        let at = maybe(application, &["status", "reconciledAt"]);
        let at = if at.is_null() {
            json!(shared.clock.now().to_string())
        } else {
            at
        };
        let mut item = |kind: &str, severity: &str, title: String, detail: &str, action: Value| {
            waiting.push(json!({
                "id": format!("{kind}:{name}"), "kind": kind, "severity": severity, "title": title, "detail": detail,
                "link": link, "at": at, "action": action,
            }));
        };
        let open = json!({"label": "Open", "kind": "open", "target": link});
        if health(application) == "Degraded" {
            let detail = text(application, &["status", "health", "message"]);
            item("degraded", "high", format!("{name} is degraded"), detail, open.clone());
        }
        let problem = items(application, &["status", "conditions"]).find(|c| text(*c, &["type"]).ends_with("Error"));
        let running = text(application, &["status", "operationState", "phase"]) == "Running";
        if let Some(condition) = problem {
            item(
                "problem",
                "high",
                format!("{name} cannot be synced"),
                text(condition, &["message"]),
                open.clone(),
            );
        } else if sync_state(application) == "OutOfSync" && !running {
            let sync = json!({"label": "Sync", "kind": "sync", "target": name});
            item("outOfSync", "medium", format!("{name} differs from Git"), "", sync);
        }
        let bad = items(application, &["status", "quarantined"]).last();
        if let Some(bad) = bad {
            let revision: String = text(bad, &["revision"]).chars().take(7).collect();
            let title = match text(bad, &["restored"]) {
                "" => format!("{revision} is bad in {name}, and there is none to go back to"),
                _ => format!("{revision} was rolled back in {name}"),
            };
            item("problem", "medium", title, text(bad, &["reason"]), open);
        }
    }
    for view in shared.guard.policies().iter().filter(|view| view.failed > 0) {
        let severity = if view.severity == "high" { "medium" } else { "low" };
        waiting.push(json!({
            "id": format!("violation:{}", view.id),
            "kind": "violation",
            "severity": severity,
            "title": format!("{} objects break {}", view.failed, view.title),
            "detail": view.description,
            "link": format!("/policies/{}", view.id),
            "at": shared.clock.now().to_string(),
            "action": {"label": "Open", "kind": "open", "target": format!("/policies/{}", view.id)},
        }));
    }
    waiting
}

/// Ledger entries grouped by what they go back to, newest first; all, or those in some namespaces.
pub(crate) fn changes(shared: &Shared, look_at: usize, namespaces: &[String]) -> Vec<Value> {
    let query = Query {
        without_outcomes: true,
        limit: look_at,
        ..Query::default()
    };
    let records = match shared.ledger.query(&query) {
        Ok(page) => page.records,
        Err(error) => {
            tracing::error!(%error, "the ledger cannot be read");
            return Vec::new();
        }
    };
    let mut groups: Vec<Value> = Vec::new();
    let mut by_cause: BTreeMap<String, usize> = BTreeMap::new();
    for record in &records {
        let object = &record.entry.object;
        let status = object.resource.ends_with("/status") || matches!(object.main_resource(), "events" | "leases");
        let elsewhere = !namespaces.is_empty() && !namespaces.contains(&object.namespace);
        if status || elsewhere || record.entry.causality.is_empty() {
            continue;
        }
        let entry = shared.entry(record);
        // What controllers do by themselves (rollouts, status) is in the ledger; here it would drown what people did.
        if entry["actor"]["kind"] == "controller" && record.entry.causality.starts_with("req:") {
            continue;
        }
        let refused = u64::from(entry["outcome"] == "refused");
        match by_cause.get(&record.entry.causality).map(|place| &mut groups[*place]) {
            Some(group) => {
                group["count"] = json!(group["count"].as_u64().unwrap_or(0) + 1);
                group["refused"] = json!(group["refused"].as_u64().unwrap_or(0) + refused);
                group["firstIndex"] = entry["index"].clone();
                if refused > 0 {
                    group["outcome"] = json!("refused");
                }
                if let Some(objects) = group["objects"].as_array_mut()
                    && objects.len() < 5
                    && !entry["object"].is_null()
                    && !objects.contains(&entry["object"])
                {
                    objects.push(entry["object"].clone());
                }
            }
            None => {
                if groups.len() == 20 {
                    continue;
                }
                by_cause.insert(record.entry.causality.clone(), groups.len());
                let objects: Vec<Value> = [&entry["object"]]
                    .into_iter()
                    .filter(|o| !o.is_null())
                    .cloned()
                    .collect();
                groups.push(json!({
                    "causality": record.entry.causality,
                    "title": title(&record.entry.causality, &entry),
                    "actor": entry["actor"]["name"],
                    "at": entry["at"],
                    "count": 1,
                    "refused": refused,
                    "outcome": entry["outcome"],
                    "firstIndex": entry["index"],
                    "lastIndex": entry["index"],
                    "objects": objects,
                }));
            }
        }
    }
    groups
}

fn title(causality: &str, entry: &Value) -> String {
    match causality.split_once(':') {
        Some(("git", sha)) => format!("Commit {} was deployed", sha.get(..7).unwrap_or(sha)),
        Some(("drift", rest)) => format!("Drift in {} was corrected", rest.split('@').next().unwrap_or(rest)),
        Some(("policy", rule)) => format!("Policy {rule} made its objects"),
        Some(("run", _)) => "A golden path was run".to_owned(),
        Some(("install", what)) => format!("{what} was installed"),
        _ => entry["summary"].as_str().unwrap_or_default().to_owned(),
    }
}

/// Deployments and failures a day, from the histories of applications.
async fn delivery(shared: &Arc<Shared>, all: &[Doc]) -> Result<Value, ApiError> {
    let now = shared.clock.now();
    let day_of = |time: Timestamp| time.to_string().get(..10).unwrap_or_default().to_owned();
    let mut days: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for back in 0..DAYS {
        let day = now.checked_sub(SignedDuration::from_hours(24 * back)).unwrap_or(now);
        days.insert(day_of(day), [0; 3]);
    }
    let mut leads = Vec::new();
    let (mut done, mut failed) = (0u64, 0u64);
    for application in all.iter().map(Doc::root) {
        let repository = text(application, &["spec", "source", "repoURL"]);
        for entry in items(application, &["status", "history"]) {
            let Ok(at) = text(entry, &["deployedAt"]).parse::<Timestamp>() else {
                continue;
            };
            done += 1;
            if let Some(day) = days.get_mut(&day_of(at)) {
                day[0] += 1;
            }
            let commit = shared.commit(repository, text(entry, &["revision"])).await;
            if let Some(Ok(made)) = commit["at"].as_str().map(str::parse::<Timestamp>) {
                leads.push(at.duration_since(made).as_secs().max(0));
            }
        }
        for bad in items(application, &["status", "quarantined"]) {
            failed += 1;
            let at = text(bad, &["since"]).parse::<Timestamp>().unwrap_or(now);
            if let Some(day) = days.get_mut(&day_of(at)) {
                day[1] += 1;
            }
        }
    }
    let refused = Query {
        outcome: Some(ridgeway_ledger::Outcome::Failure),
        since: now.checked_sub(SignedDuration::from_hours(24 * DAYS)).ok(),
        without_outcomes: true,
        limit: LOOKED_AT,
        ..Query::default()
    };
    let looking = shared.clone();
    if let Ok(page) = aside(move || looking.ledger.query(&refused)).await? {
        for record in page.records.iter().filter(|record| !record.entry.decision.allowed) {
            if let Some(day) = record.entry.time.get(..10).and_then(|day| days.get_mut(day)) {
                day[2] += 1;
            }
        }
    }
    leads.sort_unstable();
    let days: Vec<Value> = days
        .into_iter()
        .map(|(date, [deployments, failed, refused])| {
            json!({"date": date, "deployments": deployments, "failed": failed, "refused": refused})
        })
        .collect();
    Ok(json!({
        "days": days,
        "medianLeadSeconds": leads.get(leads.len() / 2),
        "failureRate": (done + failed > 0).then(|| failed as f64 / (done + failed) as f64),
    }))
}
