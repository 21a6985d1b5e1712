//! Signing in and out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ridgeway_apiserver::Peer;
use ridgeway_ledger::entry::{Actor, Entry, Phase, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Input};
use crate::Shared;
use crate::error::ApiError;
use crate::gateway::{self, COOKIE, Caller};
use crate::sessions::Session;

/// Credentials.
#[derive(Deserialize)]
pub(crate) struct SignIn {
    user: String,
    password: String,
}

/// The client's connection.
pub(crate) struct From {
    peer: Option<Peer>,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(From { peer: parts.extensions.get::<Peer>().cloned(), headers: parts.headers.clone() })
    }
}

pub(crate) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    from: From,
    Input(input): Input<SignIn>,
) -> Result<Response, ApiError> {
    let address = gateway::address(from.peer.as_ref());
    let source = gateway::source(&from.headers, from.peer.as_ref());
    shared.sessions.attempt(address).map_err(gateway::waits)?;
    // argon2 takes tens of milliseconds on purpose; it must not hold up other requests.
    let (verifier, user, from_where) = (shared.clone(), input.user.clone(), source.clone());
    let found = tokio::task::spawn_blocking(move || verifier.accounts.verify(&user, &input.password, &from_where))
        .await
        .map_err(|error| ApiError::internal(format!("the password could not be checked: {error}")))?;
    record(&shared, &input.user, &source, found.is_some()).await?;
    let Some(identity) = found else {
        return Err(ApiError::unauthenticated("user or password is wrong"));
    };
    shared.sessions.forgive(address);
    let (token, session) = shared.sessions.start(identity);
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
    Ok(([(header::SET_COOKIE, cookie)], Json(describe(&session))).into_response())
}

/// Every attempt stands in the ledger.
async fn record(shared: &Shared, user: &str, source: &str, allowed: bool) -> Result<(), ApiError> {
    let name: String = user.chars().take(64).collect();
    let message = if allowed { String::new() } else { "user or password is wrong".to_owned() };
    let entry = Entry {
        time: shared.clock.now().to_string(),
        phase: Phase::Event,
        actor: Actor { user: name, groups: Vec::new(), source: source.into() },
        verb: "sign-in".into(),
        code: if allowed { 200 } else { 401 },
        decision: Verdict { allowed, by: "password".into(), message },
        ..Entry::default()
    };
    shared
        .ledger
        .append(&entry)
        .await
        .map(drop)
        .map_err(|error| ApiError::internal(format!("signing in could not be recorded, so it did not happen: {error}")))
}

pub(crate) async fn show(caller: Caller) -> Answer {
    match &caller.session {
        Some(session) => Ok(Json(describe(session))),
        None => Err(ApiError::unauthenticated("a token has no session; sign in with a browser")),
    }
}

pub(crate) async fn sign_out(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if let Some(token) = gateway::cookie(request.headers()) {
        shared.sessions.end(&token);
    }
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]).into_response()
}

fn describe(session: &Session) -> Value {
    let identity = &session.identity;
    // What a button does is decided again when it is pressed; this only greys out what cannot work.
    let everything = identity.in_group("system:masters");
    let all = ["applications.sync", "applications.rollback", "promotions.create", "templates.run", "audit.verify"];
    let permissions: Vec<&str> = if everything { all.to_vec() } else { Vec::new() };
    json!({
        "name": identity.name,
        "displayName": identity.name,
        "groups": identity.groups,
        "csrfToken": session.csrf,
        "permissions": permissions,
    })
}
