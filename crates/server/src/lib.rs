//! HTTP edge: portal, API, sessions, events, Git over HTTP.
//!
//! Must not know: how the platform is wired, policy dialects, how anything is stored.
//!
//! One router on one port: the portal's files at `/`, its API at `/api/v1` (the contract is `openapi.json` beside this
//! crate), Git at `/git`, metrics at `/metrics`. The gateway is what every request passes. A page's data comes from the
//! objects in the cluster, on behalf of whoever asks, and from what the planes keep ready to be looked at.

mod access;
mod accounts;
mod api;
mod assets;
mod catalog_index;
mod error;
mod feed;
mod gateway;
mod hub;
mod metrics;
mod sessions;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Router, middleware};
use jiff::Timestamp;
use ridgeway_apiserver::{Authenticator, ControlPlane};
use ridgeway_cluster::Clock;
use ridgeway_deliver::Deliver;
use ridgeway_git::{Repositories, SmartHttp};
use ridgeway_guard::Guard;
use ridgeway_ledger::Ledger;

pub use accounts::{Accounts, AccountsError, Password};
pub use assets::Assets;

use tokio::sync::watch;

use crate::catalog_index::CatalogIndex;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::sessions::Sessions;

/// Largest body of an API request, in bytes. Git's limits are its own.
const MAX_BODY: usize = 4 << 20;

/// What the platform says about itself.
#[derive(Clone, Debug)]
pub struct About {
    /// Version of the binary.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Address of the portal, such as `http://127.0.0.1:7070`.
    pub portal_url: String,
    /// Address of the Kubernetes API.
    pub kubernetes_url: String,
    /// Path of the admin kubeconfig.
    pub kubeconfig: String,
    /// Directory of the ledger, for `verify`.
    pub ledger_dir: std::path::PathBuf,
}

/// What the edge is built from.
pub struct Parts {
    /// Objects.
    pub plane: ControlPlane,
    /// Bearer tokens.
    pub authenticator: Arc<Authenticator>,
    /// The record.
    pub ledger: Arc<Ledger>,
    /// Git.
    pub repositories: Arc<Repositories>,
    /// Who may read (`false`) or write (`true`) a repository.
    pub git_access: Arc<ridgeway_git::Access>,
    /// Applications.
    pub deliver: Arc<Deliver>,
    /// Policies.
    pub guard: Arc<Guard>,
    /// Golden paths.
    pub templates: Arc<Library>,
    /// People.
    pub accounts: Accounts,
    /// The portal's files.
    pub assets: Assets,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Turns true when the platform ends.
    pub stopping: watch::Receiver<bool>,
    /// About the platform.
    pub about: About,
}

pub use api::templates::Library;

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) plane: ControlPlane,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) git_http: SmartHttp,
    pub(crate) deliver: Arc<Deliver>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) templates: Arc<Library>,
    pub(crate) runs: Arc<api::runs::Runs>,
    pub(crate) catalog: CatalogIndex,
    /// Commits that were looked up, by repository and id.
    pub(crate) commits: std::sync::Mutex<std::collections::HashMap<(String, String), serde_json::Value>>,
    pub(crate) hub: Hub,
    pub(crate) closing: watch::Receiver<bool>,
    pub(crate) accounts: Accounts,
    pub(crate) sessions: Sessions,
    /// Held by the one verification of the whole ledger that may run at a time.
    pub(crate) verifying: tokio::sync::Mutex<()>,
    pub(crate) assets: Assets,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) about: About,
}

/// Everything on one router. Also starts what keeps open pages up to date, so it must be called within a runtime.
pub fn router(parts: Parts) -> Router {
    let shared = Arc::new(Shared {
        git_http: SmartHttp::new(parts.repositories.clone(), parts.git_access),
        sessions: Sessions::new(parts.clock.clone()),
        metrics: Metrics::new(&parts.about.version),
        runs: Arc::default(),
        catalog: CatalogIndex::default(),
        commits: std::sync::Mutex::default(),
        hub: Hub::default(),
        verifying: tokio::sync::Mutex::default(),
        closing: parts.stopping.clone(),
        plane: parts.plane,
        authenticator: parts.authenticator,
        ledger: parts.ledger,
        repositories: parts.repositories,
        deliver: parts.deliver,
        guard: parts.guard,
        templates: parts.templates,
        accounts: parts.accounts,
        assets: parts.assets,
        clock: parts.clock,
        about: parts.about,
    });
    tokio::spawn(feed::run(shared.clone(), parts.stopping));
    let closed = Router::new()
        .nest("/api/v1", api::closed())
        .route("/metrics", get(prometheus))
        .route_layer(middleware::from_fn_with_state(shared.clone(), gateway::authenticate));
    Router::new()
        .nest("/api/v1", api::open())
        .merge(closed)
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route("/git/{*path}", any(gateway::git))
        .fallback(files)
        .layer(middleware::from_fn_with_state(shared.clone(), gateway::identify))
        .with_state(shared)
}

async fn files(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if uri.path().starts_with("/api/") {
        return error::ApiError::not_found(format!("path {}", uri.path())).into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD")],
            "files are only read\n",
        )
            .into_response();
    }
    shared.assets.serve(uri.path(), &headers)
}

async fn prometheus(State(shared): State<Arc<Shared>>, caller: gateway::Caller) -> Response {
    if let Err(error) = shared.demand(&caller.identity, access::Right::Metrics) {
        return error.into_response();
    }
    let plane = shared.plane.metrics().render();
    let text = shared
        .metrics
        .render(shared.ledger.len(), shared.plane.revision(), &plane);
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}
