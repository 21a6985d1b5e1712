//! Server-sent events: what changes, so that open pages need no reload.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;

use crate::Shared;
use crate::access::Right;
use crate::error::ApiError;
use crate::gateway::Caller;
use crate::hub::Event;

fn sse(event: &Event) -> Sse {
    Sse::default()
        .id(event.id.to_string())
        .event(event.name)
        .data(&event.data)
}

fn resync(current: u64, reason: &str) -> Sse {
    let data = serde_json::json!({"reason": reason}).to_string();
    Sse::default().id(current.to_string()).event("resync").data(data)
}

pub(crate) async fn stream(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Response, ApiError> {
    // Events tell about all applications: whoever may not list them gets none.
    shared.applications(&caller).await?;
    // Those about the ledger tell about everybody.
    let audits = shared.may(&caller.identity, Right::Audit);
    let last = headers
        .get("last-event-id")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    let subscription = shared.hub.subscribe(last);
    let first: Vec<Sse> = match &subscription.missed {
        Some(missed) => missed
            .iter()
            .filter(|event| audits || event.name != "ledger")
            .map(|event| sse(event))
            .collect(),
        None => vec![resync(
            subscription.current,
            "the events since then are not kept any more",
        )],
    };
    let closing = shared.closing.clone();
    let coming = stream::unfold(
        (subscription.coming, closing),
        move |(mut coming, mut closing)| async move {
            let event = loop {
                let event = tokio::select! {
                    event = coming.recv() => event,
                    _ = closing.wait_for(|closed| *closed) => return None,
                };
                if audits || !event.as_ref().is_ok_and(|event| event.name == "ledger") {
                    break event;
                }
            };
            match event {
                Ok(event) => Some((sse(&event), (coming, closing))),
                Err(RecvError::Lagged(_)) => Some((resync(0, "this connection was too slow"), (coming, closing))),
                Err(RecvError::Closed) => None,
            }
        },
    );
    use futures_util::StreamExt;
    let all = stream::iter(first).chain(coming).map(Ok::<_, Infallible>);
    let keep = KeepAlive::new().interval(Duration::from_secs(15)).text("still here");
    Ok(axum::response::Sse::new(all).keep_alive(keep).into_response())
}
