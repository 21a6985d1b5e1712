//! The ledger: searched, and each entry with its evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query as Parameters, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ridgeway_ledger::{LedgerError, Outcome, Query, Record, VerifyError, verify_dir};
use serde::Deserialize;
use serde_json::{Value, json};

use super::applications::reference;
use super::changes::{self, Versions};
use super::{Answer, aside};
use crate::Shared;
use crate::access::Right;
use crate::error::{ApiError, Refusal};
use crate::gateway::Caller;

/// How many entries a search looks at for its histogram and facets.
const LOOKED_AT: usize = 5000;
/// How many buckets a histogram has.
const BUCKETS: i64 = 60;

/// What the query string may say.
#[derive(Default, Deserialize)]
pub(crate) struct Search {
    q: Option<String>,
    from: Option<String>,
    to: Option<String>,
    actor: Option<String>,
    verb: Option<String>,
    object: Option<String>,
    namespace: Option<String>,
    outcome: Option<String>,
    causality: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Search {
    fn query(&self) -> Result<Query, ApiError> {
        let time = |name: &str, text: &Option<String>| {
            let parse = |text: &String| {
                text.parse::<Timestamp>()
                    .map_err(|_| ApiError::invalid(format!("`{name}` is no RFC 3339 time; write 2026-01-31T12:00:00Z")))
            };
            text.as_ref().map(parse).transpose()
        };
        let own = |text: &Option<String>| text.clone().unwrap_or_default();
        Ok(Query {
            since: time("from", &self.from)?,
            until: time("to", &self.to)?,
            actor: own(&self.actor),
            verb: own(&self.verb),
            namespace: own(&self.namespace),
            causality: own(&self.causality),
            without_outcomes: true,
            ..Query::default()
        })
    }

    /// What the ledger's own index does not know.
    fn matches(&self, entry: &Value) -> bool {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
        let words = self.q.as_deref().unwrap_or_default().to_lowercase();
        let all = format!(
            "{} {} {}",
            text(&entry["summary"]),
            text(&entry["actor"]["name"]),
            text(&entry["object"]["key"])
        );
        let object = self.object.as_deref().unwrap_or_default();
        let kind_and_name = format!(
            "{}/{}",
            entry["object"]["kind"].as_str().unwrap_or(""),
            entry["object"]["name"].as_str().unwrap_or("")
        );
        words.split_whitespace().all(|word| all.contains(word))
            && (object.is_empty()
                || entry["object"]["key"] == object
                || kind_and_name == object
                || entry["object"]["kind"] == object)
            && self
                .outcome
                .as_deref()
                .is_none_or(|wanted| wanted.is_empty() || entry["outcome"] == wanted)
    }
}

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Parameters(search): Parameters<Search>,
) -> Answer {
    shared.demand(&caller.identity, Right::Audit)?;
    aside(move || page(&shared, &search)).await?.map(Json)
}

fn page(shared: &Shared, search: &Search) -> Result<Value, ApiError> {
    let limit = search.limit.unwrap_or(100).clamp(1, 500);
    let mut query = search.query()?;
    if let Some(cursor) = search.cursor.as_deref().filter(|c| !c.is_empty()) {
        query.before = Some(
            cursor
                .parse()
                .map_err(|_| ApiError::invalid("`cursor` is not one of ours"))?,
        );
    }
    let first = query.before.is_none();
    let mut found: Vec<Value> = Vec::new();
    let mut seen = 0;
    query.limit = 500;
    // A first page looks further, for the histogram; later ones end when they are full. Neither looks without end: where
    // the looking stopped, the next page goes on.
    let mut next = loop {
        let page = shared.ledger.query(&query).map_err(fault)?;
        let mut full = false;
        for record in &page.records {
            seen += 1;
            let entry = shared.entry(record);
            if !search.matches(&entry) {
                continue;
            }
            full = !first && found.len() == limit;
            if full {
                break;
            }
            found.push(entry);
        }
        if full {
            break found.last().and_then(|entry| entry["index"].as_u64());
        }
        query.before = page.next;
        if page.next.is_none() || seen >= LOOKED_AT {
            break page.next;
        }
    };
    let total = found.len();
    let (histogram, facets) = if first {
        (histogram(&found), facets(&found))
    } else {
        (Value::Null, Value::Null)
    };
    if found.len() > limit {
        found.truncate(limit);
        next = found.last().and_then(|entry| entry["index"].as_u64());
    }
    Ok(json!({
        "items": found,
        "nextCursor": next.map(|n| n.to_string()),
        "total": total,
        "histogram": histogram,
        "facets": facets,
    }))
}

fn fault(error: LedgerError) -> ApiError {
    ApiError::internal(format!("the ledger cannot be read: {error}"))
}

impl Shared {
    /// `AuditEntry` of the contract.
    pub(crate) fn entry(&self, record: &Record) -> Value {
        let entry = &record.entry;
        let object = &entry.object;
        let kind = self.kind_of(&object.group, object.main_resource());
        let subresource = object.resource.split_once('/').map_or("", |(_, sub)| sub);
        let outcome = match (record.result, entry.decision.allowed) {
            (Outcome::Success | Outcome::Open, _) => "allowed",
            (Outcome::Failure, true) => "failed",
            (Outcome::Failure, false) => "refused",
        };
        let actor_kind = match entry.actor.user.as_str() {
            user if user.starts_with("system:serviceaccount:ridgeway-system:") => "controller",
            user if user.starts_with("system:") => "workload",
            _ => "person",
        };
        let place = if object.namespace.is_empty() {
            String::new()
        } else {
            format!(" in {}", object.namespace)
        };
        let what = if object.resource.is_empty() {
            String::new()
        } else {
            format!(" {kind} {}{place}", object.name)
        };
        let refused = if entry.decision.message.is_empty() || outcome == "allowed" {
            String::new()
        } else {
            format!(": {}", entry.decision.message.lines().next().unwrap_or_default())
        };
        let reference = (!object.resource.is_empty())
            .then(|| reference(&object.group, &object.version, &kind, &object.namespace, &object.name));
        json!({
            "index": record.index,
            "at": entry.time,
            "actor": {"name": entry.actor.user, "kind": actor_kind, "impersonator": entry.detail.get("impersonator")},
            "verb": entry.verb,
            "object": reference,
            "subresource": subresource,
            "outcome": outcome,
            "summary": format!("{}{what}{refused}", entry.verb),
            "causality": entry.causality,
            "source": entry.actor.source,
        })
    }

    /// The kind of a plural resource; the plural where it is not served any more.
    fn kind_of(&self, group: &str, plural: &str) -> String {
        let kinds = self.plane.kinds();
        let found = kinds
            .kinds()
            .find(|kind| kind.gvk.group == group && kind.plural == plural);
        found.map_or_else(|| plural.to_owned(), |kind| kind.gvk.kind.clone())
    }
}

fn histogram(entries: &[Value]) -> Value {
    let second = |e: &Value| {
        e["at"]
            .as_str()
            .and_then(|t| t.parse::<Timestamp>().ok())
            .map(Timestamp::as_second)
    };
    let times: Vec<i64> = entries.iter().filter_map(second).collect();
    let (Some(from), Some(to)) = (times.iter().min().copied(), times.iter().max().copied()) else {
        return Value::Null;
    };
    let width = ((to - from) / BUCKETS + 1).max(1);
    let mut buckets: BTreeMap<i64, [u64; 3]> = BTreeMap::new();
    for entry in entries {
        let Some(at) = second(entry) else { continue };
        let place = match entry["outcome"].as_str() {
            Some("refused") => 1,
            Some("failed") => 2,
            _ => 0,
        };
        buckets.entry(from + (at - from) / width * width).or_default()[place] += 1;
    }
    let buckets: Vec<Value> = buckets
        .into_iter()
        .map(|(at, [allowed, refused, failed])| {
            json!({"at": super::catalog::time_of(at), "allowed": allowed, "refused": refused, "failed": failed})
        })
        .collect();
    json!({"bucketSeconds": width, "buckets": buckets})
}

fn facets(entries: &[Value]) -> Value {
    let count = |pick: &dyn Fn(&Value) -> Option<String>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for value in entries.iter().filter_map(pick).filter(|v| !v.is_empty()) {
            *counts.entry(value).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(20);
        counts
            .into_iter()
            .map(|(value, count)| json!({"value": value, "count": count}))
            .collect::<Vec<_>>()
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    json!({
        "actors": count(&|e| text(&e["actor"]["name"])),
        "verbs": count(&|e| text(&e["verb"])),
        "kinds": count(&|e| text(&e["object"]["kind"])),
        "namespaces": count(&|e| text(&e["object"]["namespace"])),
    })
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, Path(index): Path<u64>, caller: Caller) -> Answer {
    shared.demand(&caller.identity, Right::Audit)?;
    let record = shared.ledger.get(index).map_err(|error| match error {
        LedgerError::NoEntry { .. } => ApiError::not_found(format!("ledger entry {index}")),
        error => fault(error),
    })?;
    let mut note = shared.ledger.checkpoint();
    let mut checkpoint = note
        .verify(shared.ledger.key())
        .map_err(|e| ApiError::internal(e.to_string()))?;
    if checkpoint.size <= index {
        note = shared.ledger.checkpoint_now().await.map_err(fault)?;
        checkpoint = note
            .verify(shared.ledger.key())
            .map_err(|e| ApiError::internal(e.to_string()))?;
    }
    let path = shared.ledger.inclusion_proof(index, checkpoint.size).map_err(fault)?;
    let body = shared.ledger.body(index).map_err(fault)?;
    let Versions { before, after, changes } = changes::of(&shared, &record).await;
    let refusals = if record.entry.decision.allowed {
        Vec::new()
    } else {
        let by = record.entry.decision.by.split(", ").filter(|by| !by.is_empty());
        let mut refusals: Vec<Refusal> = by
            .map(|by| {
                let (policy, rule) = by.split_once('/').unwrap_or((by, ""));
                Refusal {
                    policy: policy.into(),
                    rule: rule.into(),
                    message: record.entry.decision.message.clone(),
                    ..Refusal::default()
                }
            })
            .collect();
        if refusals.is_empty() {
            let message = record.entry.decision.message.clone();
            refusals.push(Refusal {
                policy: "access".into(),
                message,
                ..Refusal::default()
            });
        }
        refusals
    };
    let evaluated: Vec<Value> = record
        .entry
        .detail
        .iter()
        .filter_map(|(key, value)| Some(json!({"rule": key.strip_prefix("rule:")?, "result": value})))
        .collect();
    Ok(Json(json!({
        "entry": shared.entry(&record),
        "before": before,
        "after": after,
        "changes": changes,
        "refusals": refusals,
        "evaluated": evaluated,
        "proof": {
            "leaf": STANDARD.encode(body),
            "index": index,
            "size": checkpoint.size,
            "path": path.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
        },
        "checkpoint": {"note": note.as_str(), "verifierKey": shared.ledger.key().to_string()},
    })))
}

pub(crate) async fn verify(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    shared.demand(&caller.identity, Right::Audit)?;
    let directory = shared.about.ledger_dir.clone();
    let _alone = shared.verifying.lock().await;
    let start = tokio::time::Instant::now();
    let outcome = aside(move || verify_dir(&directory)).await?;
    let answer = match outcome {
        Ok(verified) => json!({
            "ok": true,
            "size": verified.size,
            "root": STANDARD.encode(verified.root),
            "milliseconds": start.elapsed().as_millis() as u64,
            "checkedAt": shared.clock.now().to_string(),
            "problem": null,
        }),
        Err(error) => json!({
            "ok": false,
            "size": 0,
            "root": "",
            "milliseconds": start.elapsed().as_millis() as u64,
            "checkedAt": shared.clock.now().to_string(),
            "problem": {
                "index": match &error { VerifyError::Corrupt(at) => Some(at.index), _ => None },
                "message": error.to_string(),
            },
        }),
    };
    Ok(Json(answer))
}
