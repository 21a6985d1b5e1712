//! What this platform is and where to reach it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::Answer;
use crate::Shared;

pub(crate) async fn show(State(shared): State<Arc<Shared>>) -> Answer {
    let about = &shared.about;
    Ok(Json(json!({
        "version": about.version,
        "startedAt": about.started.to_string(),
        "runtime": {
            "kind": "simulated",
            "note": "Pods are simulated: no container runs here. Policies, delivery and audit are real.",
        },
        "urls": {
            "portal": about.portal_url,
            "kubernetes": about.kubernetes_url,
            "git": format!("{}/git/", about.portal_url),
            "kubeconfig": about.kubeconfig,
        },
        "ledger": {"size": shared.ledger.len(), "origin": shared.ledger.origin()},
    })))
}
