//! What changes in the planes, published as events for open pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ridgeway_cluster::{Change, ListOptions, Reflector};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};

use crate::Shared;
use crate::api::applications;

/// How long changes are gathered before they are told: a rollout is many writes in one moment.
const GATHER: Duration = Duration::from_millis(60);

/// Publishes until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    shared.catalog.rebuild(&shared.repositories).await;
    let (sender, changed) = mpsc::unbounded_channel::<(String, Option<ridgeway_doc::Doc>)>();
    let listener = move |change: &Change| {
        let _ = sender.send((change.key.1.clone(), change.new.clone()));
    };
    let applications = Reflector::start(
        shared.plane.admin(),
        applications::kind(),
        ListOptions::default(),
        listener,
    );
    tokio::select! {
        () = tell_applications(&shared, changed) => {}
        () = tell_ledger(&shared) => {}
        () = tell_policies(&shared) => {}
        () = tell_pushes(&shared) => {}
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
    drop(applications);
}

async fn tell_applications(shared: &Shared, mut changed: mpsc::UnboundedReceiver<(String, Option<ridgeway_doc::Doc>)>) {
    // What was told last of each application's objects by key, to tell only what is new, and what is gone.
    let mut told: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    while let Some((name, doc)) = changed.recv().await {
        let mut latest = BTreeMap::from([(name, doc)]);
        tokio::time::sleep(GATHER).await;
        while let Ok((name, doc)) = changed.try_recv() {
            latest.insert(name, doc);
        }
        for (name, doc) in latest {
            let summary = doc.as_ref().map(|doc| shared.summary(doc.root()));
            shared
                .hub
                .publish("application", &json!({"name": name, "application": summary}));
            let Some(doc) = doc else {
                told.remove(&name);
                continue;
            };
            let operation = applications::operation(doc.root());
            if !operation.is_null() {
                let why = crate::api::detail::why_of(shared, doc.root()).await;
                shared.hub.publish(
                    "operation",
                    &json!({"application": name, "operation": operation, "why": why}),
                );
            }
            if let Ok(tree) = crate::api::detail::tree(&*shared.plane.admin(), doc.root()).await {
                let key = |node: &Value| node["ref"]["key"].as_str().unwrap_or_default().to_owned();
                let now: BTreeMap<String, Value> = tree.into_iter().map(|node| (key(&node), node)).collect();
                let before = told.insert(name.clone(), now.clone()).unwrap_or_default();
                let removed: Vec<&String> = before.keys().filter(|key| !now.contains_key(*key)).collect();
                let changed: Vec<&Value> = now
                    .iter()
                    .filter(|(key, node)| before.get(*key) != Some(node))
                    .map(|(_, node)| node)
                    .collect();
                if changed.is_empty() && removed.is_empty() {
                    continue;
                }
                shared.hub.publish(
                    "tree",
                    &json!({"application": name, "changed": changed, "removed": removed}),
                );
            }
        }
    }
}

async fn tell_ledger(shared: &Shared) {
    let mut size = shared.ledger.subscribe();
    let mut told = *size.borrow_and_update();
    while size.changed().await.is_ok() {
        tokio::time::sleep(GATHER * 4).await;
        let now = *size.borrow_and_update();
        let from = told.max(now.saturating_sub(50));
        told = now;
        let entries: Vec<Value> = match shared.ledger.entries(from..now) {
            Ok(records) => records
                .iter()
                .filter(|r| r.entry.of.is_none())
                .map(|record| shared.entry(record))
                .collect(),
            Err(_) => Vec::new(),
        };
        shared.hub.publish("ledger", &json!({"size": now, "entries": entries}));
    }
}

async fn tell_policies(shared: &Shared) {
    let mut scores = shared.guard.subscribe();
    loop {
        match scores.recv().await {
            Ok(id) => {
                let views = shared.guard.policies();
                let view = views.iter().find(|view| view.id == id);
                shared.hub.publish(
                    "policy",
                    &json!({"id": id, "policy": view.map(crate::api::policies::summary)}),
                );
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// A push may change the catalog.
async fn tell_pushes(shared: &Shared) {
    let mut pushes = shared.repositories.subscribe();
    loop {
        match pushes.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => shared.catalog.rebuild(&shared.repositories).await,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
