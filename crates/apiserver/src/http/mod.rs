//! The Kubernetes API over HTTP: what kubectl and every other client speak.

mod body;
mod discovery;
mod negotiate;
mod path;
mod protobuf;
mod resource;
mod reviews;
mod scale;
mod stream;
mod subresource;
mod table;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use ridgeway_cluster::{Causality, Identity, Reason, Status};
use ridgeway_krm::Kind;
use tokio::time::Instant;
use tracing::Instrument;

use crate::access::{self, Question};
use crate::authn::Authenticator;
use crate::plane::ControlPlane;
use crate::serve::{Closing, Peer};

pub(crate) use path::{Query, Target};

/// Largest request body in bytes; upstream's limit is the same 3 MiB.
pub(crate) const MAX_BODY: usize = 3 * 1024 * 1024;

/// What every handler has at hand.
pub(crate) struct Api {
    pub(crate) plane: ControlPlane,
    pub(crate) authenticator: Arc<Authenticator>,
}

/// One request, authenticated.
pub(crate) struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) user: Identity,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    /// Whether nothing is to be stored.
    pub(crate) dry_run: bool,
    /// What everything that this request does goes back to.
    pub(crate) causality: Causality,
    /// Turns true when the server stops.
    pub(crate) closing: Option<Closing>,
}

/// The API as a router: everything goes through one fallback, because paths are data here.
pub fn router(plane: ControlPlane, authenticator: Arc<Authenticator>) -> Router {
    Router::new()
        .fallback(handle)
        .with_state(Arc::new(Api { plane, authenticator }))
}

fn not_found() -> Status {
    Status::new(Reason::NotFound, "the server could not find the requested resource")
}

async fn handle(State(api): State<Arc<Api>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if matches!(path.as_str(), "/healthz" | "/livez" | "/readyz") {
        return health(request.uri().query().unwrap_or_default());
    }
    let target = Target::parse(&path);
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let watching = query.flag("watch") && request.method() == Method::GET;
    let verb = verb(request.method(), target.as_ref(), watching);
    let causality = api.plane.fresh_causality();
    let span = tracing::debug_span!("request", %verb, %path, causality = %causality);
    let started = Instant::now();
    let metrics = api.plane.metrics();
    let running = metrics.in_flight();
    let result = dispatch(api.clone(), request, &path, target.as_ref(), query, causality.clone())
        .instrument(span)
        .await;
    drop(running);
    let mut response = result.unwrap_or_else(|status| negotiate::status(&status));
    let (group, resource) = target
        .as_ref()
        .map_or(("", ""), |t| (t.group.as_str(), t.resource.as_str()));
    let resource = if known(&api.plane, target.as_ref()) {
        resource
    } else {
        ""
    };
    let group = if resource.is_empty() { "" } else { group };
    let took: Option<Duration> = (!watching).then(|| started.elapsed());
    metrics.request(verb, group, resource, response.status().as_u16(), took);
    if let Ok(id) = HeaderValue::from_str(causality.as_str()) {
        response.headers_mut().insert("audit-id", id);
    }
    response
}

/// Whether a path names something served: metrics must not grow with whatever clients make up.
fn known(plane: &ControlPlane, target: Option<&Target>) -> bool {
    target.is_some_and(|t| plane.kinds().by_resource(&t.group, &t.version, &t.resource).is_some())
}

fn verb(method: &Method, target: Option<&Target>, watching: bool) -> &'static str {
    let collection = target.is_some_and(|target| target.name.is_empty());
    match method.as_str() {
        _ if watching => "watch",
        "GET" | "HEAD" if collection => "list",
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if collection => "deletecollection",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// Liveness; with `?verbose` it says what this control plane is not.
fn health(query: &str) -> Response {
    let text = if query.contains("verbose") {
        "[+]store ok\n[+]ledger ok\n\
         embedded control plane for evaluation, tests and small installations;\n\
         not here: containers (simulated runtime), aggregation layer, API priority and fairness, exec\n\
         readyz check passed\n"
    } else {
        "ok"
    };
    negotiate::text(StatusCode::OK, text)
}

async fn dispatch(
    api: Arc<Api>,
    request: Request,
    path: &str,
    target: Option<&Target>,
    query: Query,
    causality: Causality,
) -> Result<Response, Status> {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>();
    let certificate = peer.and_then(|peer| peer.certificate.as_ref());
    let mut user = api
        .authenticator
        .authenticate(&parts.headers, certificate)
        .map_err(|why| Status::new(Reason::Unauthorized, format!("Unauthorized: {why}")))?;
    if let Some(peer) = peer {
        user.source = format!("{} {}", peer.address, user.source);
    }
    let user = impersonated(&api.plane, user, &parts.headers, &causality).await?;
    let closing = parts.extensions.get::<Closing>().cloned();
    let dry_run = query.get("dryRun") == "All";
    let call = Call {
        api,
        user,
        method: parts.method,
        headers: parts.headers,
        query,
        dry_run,
        causality,
        closing,
    };
    match target {
        Some(target) => call.resource(target, body).await,
        None => call.document(path).await,
    }
}

/// `Impersonate-*` headers: allowed to those who hold the verb `impersonate` on each of what they name.
async fn impersonated(
    plane: &ControlPlane,
    user: Identity,
    headers: &HeaderMap,
    causality: &Causality,
) -> Result<Identity, Status> {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .map(Into::into)
        .collect();
    let uid = header("impersonate-uid").unwrap_or_default();
    let extras = headers
        .keys()
        .filter_map(|name| name.as_str().strip_prefix("impersonate-extra-"))
        .count();
    let Some(name) = header("impersonate-user") else {
        if !groups.is_empty() || !uid.is_empty() || extras > 0 {
            return Err(crate::fault::bad_request(
                "impersonating groups, uids or extras needs Impersonate-User too",
            ));
        }
        return Ok(user);
    };
    if extras > 0 {
        return Err(crate::fault::not_implemented("impersonation of extra attributes"));
    }
    let (resource, namespace, account) = access::impersonated_user(&name);
    let mut asked = vec![("", resource, namespace, account)];
    asked.extend(groups.iter().map(|group| ("", "groups", "", group.as_str())));
    if !uid.is_empty() {
        asked.push(("authentication.k8s.io", "uids", "", uid.as_str()));
    }
    for (group, resource, namespace, name) in asked {
        let question = Question {
            verb: "impersonate",
            group,
            resource,
            namespace,
            name,
            ..Question::default()
        };
        plane.permit(&user, causality, question).await?;
    }
    let mut groups = groups;
    if resource == "serviceaccounts" {
        groups.push("system:serviceaccounts".into());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    let group = if name == "system:anonymous" {
        "system:unauthenticated"
    } else {
        "system:authenticated"
    };
    if !groups.iter().any(|g| g == group) {
        groups.push(group.into());
    }
    Ok(Identity {
        uid,
        groups,
        source: user.source.clone(),
        impersonator: Some(user.name.clone()),
        name,
    })
}

impl Call {
    /// Paths that are documents, not resources: discovery, OpenAPI, version, metrics.
    async fn document(&self, path: &str) -> Result<Response, Status> {
        let question = Question {
            verb: "get",
            path,
            ..Question::default()
        };
        self.api.plane.permit(&self.user, &self.causality, question).await?;
        if self.method != Method::GET && self.method != Method::HEAD {
            return Err(Status::new(
                Reason::MethodNotAllowed,
                format!("{} is not allowed here", self.method),
            ));
        }
        self.discover(path).ok_or_else(not_found)
    }

    /// Whether the client may do this with the target; a refusal is written down.
    async fn may(&self, verb: &str, kind: &Kind, target: &Target) -> Result<(), Status> {
        let question = Question::about(verb, kind, &target.subresource, &target.namespace, &target.name);
        self.api.plane.permit(&self.user, &self.causality, question).await
    }

    /// Handles a request for a resource.
    async fn resource(self, target: &Target, body: Body) -> Result<Response, Status> {
        let kinds = self.api.plane.kinds();
        let kind = kinds
            .by_resource(&target.group, &target.version, &target.resource)
            .ok_or_else(not_found)?;
        if crate::write::is_review(&kind.gvk) {
            return self.review(&kind, target, body).await;
        }
        if !target.subresource.is_empty() {
            return self.subresource(&kind, target, body).await;
        }
        self.object(&kind, target, body).await
    }
}
