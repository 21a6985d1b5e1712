//! The portal's API, one file a page; shapes and paths follow `openapi.json`.

pub(crate) mod applications;
mod audit;
mod catalog;
mod changes;
pub(crate) mod detail;
mod events;
mod home;
mod objects;
pub(crate) mod policies;
mod policy_exceptions;
mod promotions;
pub(crate) mod runs;
mod session;
mod system;
pub(crate) mod templates;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::routing::{delete, get, post};
use ridgeway_cluster::Cluster;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::gateway::Caller;
use crate::{MAX_BODY, Shared};

/// Does what reads many files or computes for long away from the threads that answer requests.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::internal(format!("it was not finished: {error}")))
}

/// What every handler answers.
pub(crate) type Answer<T = serde_json::Value> = Result<axum::Json<T>, ApiError>;

/// Routes that need nobody to be signed in: signing in.
pub(crate) fn open() -> Router<Arc<Shared>> {
    Router::new().route("/session", post(session::sign_in))
}

/// Routes behind authentication.
pub(crate) fn closed() -> Router<Arc<Shared>> {
    Router::new()
        .route("/session", get(session::show).delete(session::sign_out))
        .route("/system", get(system::show))
        .route("/home", get(home::show))
        .route("/applications", get(applications::list))
        .route("/applications/{name}", get(detail::show))
        .route("/applications/{name}/object", get(objects::show))
        .route("/applications/{name}/sync", post(applications::sync))
        .route("/applications/{name}/rollback", post(applications::rollback))
        .route("/promotions", get(promotions::list).post(promotions::promote))
        .route("/policies", get(policies::list))
        .route("/policies/playground", post(policies::playground))
        .route(
            "/policies/exceptions",
            get(policy_exceptions::list).post(policy_exceptions::ask),
        )
        .route("/policies/exceptions/{id}", delete(policy_exceptions::remove))
        .route("/policies/exceptions/{id}/approve", post(policy_exceptions::approve))
        .route("/policies/{id}", get(policies::show))
        .route("/audit/entries", get(audit::list))
        .route("/audit/entries/{index}", get(audit::show))
        .route("/audit/verify", post(audit::verify))
        .route("/catalog/entities", get(catalog::list))
        .route("/catalog/entities/{kind}/{namespace}/{name}", get(catalog::show))
        .route("/repositories", get(catalog::repositories))
        .route("/templates", get(templates::list))
        .route("/templates/{name}", get(templates::show))
        .route("/templates/{name}/preview", post(templates::preview))
        .route("/templates/{name}/runs", post(runs::start))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/events", get(events::stream))
}

impl Shared {
    /// The cluster on behalf of whoever asks.
    pub(crate) fn cluster(&self, caller: &Caller) -> Arc<dyn Cluster> {
        self.plane.client(caller.identity.clone())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Caller>()
            .cloned()
            .ok_or_else(|| ApiError::unauthenticated("sign in first"))
    }
}

/// A JSON body; what cannot be read says where.
pub(crate) struct Input<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // Pages elsewhere cannot send this type without asking first, so they cannot sign anybody in.
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/json") {
            let message = "the body must be JSON, sent with `Content-Type: application/json`";
            return Err(ApiError::unusable_body(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let bytes = axum::body::Bytes::from_request(request, state)
            .await
            .map_err(|error| match error.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    let message = format!("the body is larger than {} MiB; send less at a time", MAX_BODY >> 20);
                    ApiError::unusable_body(error.status(), message)
                }
                status => ApiError::unusable_body(status, format!("the body cannot be read: {error}")),
            })?;
        serde_json::from_slice(&bytes)
            .map(Input)
            .map_err(|error| ApiError::invalid(format!("the body is not as expected: {error}")))
    }
}
