//! Signing in and out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ridgeway_apiserver::Peer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Input};
use crate::Shared;
use crate::access::Right;
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
        Ok(From {
            peer: parts.extensions.get::<Peer>().cloned(),
            headers: parts.headers.clone(),
        })
    }
}

pub(crate) async fn sign_in(
    State(shared): State<Arc<Shared>>,
    from: From,
    Input(input): Input<SignIn>,
) -> Result<Response, ApiError> {
    let (address, source) = (
        gateway::address(from.peer.as_ref()),
        gateway::source(&from.headers, from.peer.as_ref()),
    );
    let identity = gateway::check_password(&shared, &input.user, &input.password, &source, address).await?;
    // A session that this browser had is over; the new one has a token of its own, never one that was sent.
    if let Some(old) = gateway::cookie(&from.headers) {
        shared.sessions.end(&old);
    }
    let (token, session) = shared.sessions.start(identity);
    Ok((
        [(header::SET_COOKIE, shared.cookie(&token, ""))],
        Json(describe(&shared, &session)),
    )
        .into_response())
}

impl Shared {
    /// The session cookie; `Secure` where the portal is reached by HTTPS.
    fn cookie(&self, token: &str, more: &str) -> String {
        let secure = if self.about.portal_url.starts_with("https://") {
            "; Secure"
        } else {
            ""
        };
        format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{more}")
    }
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    match &caller.session {
        Some(session) => Ok(Json(describe(&shared, session))),
        None => Err(ApiError::unauthenticated(
            "a token has no session; sign in with a browser",
        )),
    }
}

pub(crate) async fn sign_out(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if let Some(token) = gateway::cookie(request.headers()) {
        shared.sessions.end(&token);
    }
    (
        StatusCode::NO_CONTENT,
        [(header::SET_COOKIE, shared.cookie("", "; Max-Age=0"))],
    )
        .into_response()
}

fn describe(shared: &Shared, session: &Session) -> Value {
    let identity = &session.identity;
    // What a button does is decided again when it is pressed; this only greys out what cannot work.
    let permissions: Vec<&str> = [
        ("applications.sync", Right::Deploy),
        ("applications.rollback", Right::Deploy),
        ("promotions.create", Right::Promote),
        ("templates.run", Right::RunTemplates),
        ("audit.verify", Right::Audit),
    ]
    .into_iter()
    .filter(|(_, right)| shared.may(identity, *right))
    .map(|(name, _)| name)
    .collect();
    json!({
        "name": identity.name,
        "displayName": identity.name,
        "groups": identity.groups,
        "csrfToken": session.csrf,
        "permissions": permissions,
    })
}
