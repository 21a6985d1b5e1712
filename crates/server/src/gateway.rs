//! What every request passes: an id, a size limit, who it is, and whether a page of ours sent it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_apiserver::Peer;
use ridgeway_cluster::Identity;
use ridgeway_ledger::entry::{Actor, Entry, Phase, Verdict};

use crate::Shared;
use crate::access::Right;
use crate::api::aside;
use crate::error::{ApiError, ErrorBody};
use crate::sessions::Session;

/// The session cookie's name.
pub(crate) const COOKIE: &str = "ridgeway_session";
/// The header that proves that a request comes from the portal's own page.
const CSRF: &str = "x-csrf-token";

/// Who sends a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    /// The session, when a browser sends it.
    pub(crate) session: Option<Session>,
}

/// The request's id, also in the answer's `x-request-id`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives each request an id, and puts it into the answer and into the error's body.
pub(crate) async fn identify(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().simple().to_string()[..16].to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let start = tokio::time::Instant::now();
    let mut response = next.run(request).await;
    shared
        .metrics
        .observe(&method, &path, response.status(), start.elapsed());
    if path.starts_with("/api/") {
        response = in_our_shape(response, &method, &path).await;
    }
    if let Some(ErrorBody(mut body)) = response.extensions_mut().remove::<ErrorBody>() {
        body["error"]["requestId"] = id.as_str().into();
        let status = response.status();
        if status.is_server_error() {
            tracing::error!(request = id, %method, path, %status, error = %body["error"]["message"], "a request failed");
        } else {
            let error = &body["error"]["message"];
            tracing::debug!(request = id, %method, path, %status, %error, "a request was refused");
        }
        let mut fresh = (status, axum::Json(body)).into_response();
        for (name, value) in response.headers() {
            if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
                fresh.headers_mut().append(name, value.clone());
            }
        }
        response = fresh;
    }
    let api = path.starts_with("/api/");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if api {
        // Answers hold tokens and what only the caller may see.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Gives errors that no handler made (a wrong method, a path that cannot be read) the one shape of the API's errors.
async fn in_our_shape(response: Response, method: &Method, path: &str) -> Response {
    let status = response.status();
    let fails = status.is_client_error() || status.is_server_error();
    if !fails || response.extensions().get::<ErrorBody>().is_some() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
    let message = match (status, String::from_utf8_lossy(&said).trim()) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => format!("{path} cannot be asked with {method}; see the Allow header"),
        (_, "") => status.to_string(),
        (_, text) => text.to_owned(),
    };
    let mut ours = ApiError::early(status, message).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        ours.headers_mut().insert(header::ALLOW, allow.clone());
    }
    ours
}

/// Lets a request of the API through when it says who sends it. Changes by a browser also need the CSRF token.
pub(crate) async fn authenticate(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    let found = match session(&shared, request.headers(), peer.as_ref()) {
        Some(found) => found,
        None => credentials(&shared, request.headers(), peer.as_ref()).await,
    };
    let caller = match found {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    if request
        .headers()
        .keys()
        .any(|name| name.as_str().starts_with("impersonate-"))
    {
        let message =
            "impersonation is not offered here and the request is not done as you instead; it is at the Kubernetes API";
        return ApiError::forbidden(message).into_response();
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if let (false, Some(session)) = (reads, &caller.session) {
        let sent = request
            .headers()
            .get(CSRF)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !same(sent, &session.csrf) {
            return ApiError::csrf().into_response();
        }
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Git's requests: a password or token, or nobody, who is asked to log in. Sessions are for pages: no cookie counts here.
pub(crate) async fn git(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().cloned();
    let user = match credentials(&shared, request.headers(), peer.as_ref()).await {
        Ok(caller) => {
            let right = if pushes(request.uri()) {
                Right::WriteRepositories
            } else {
                Right::ReadRepositories
            };
            if let Err(error) = shared.demand(&caller.identity, right) {
                return error.into_text();
            }
            Some(caller.identity.name)
        }
        Err(error) if error.status() == StatusCode::TOO_MANY_REQUESTS => return error.into_text(),
        Err(_) => None,
    };
    let response = shared.git_http.handle(user.as_deref(), request.map(Body::new)).await;
    response.into_response()
}

/// Whether a request of Git's belongs to a push.
fn pushes(uri: &Uri) -> bool {
    let asked = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .any(|pair| pair == "service=git-receive-pack");
    asked || uri.path().ends_with("/git-receive-pack")
}

/// Whom the session cookie stands for; `None` without one.
fn session(shared: &Shared, headers: &HeaderMap, peer: Option<&Peer>) -> Option<Result<Caller, ApiError>> {
    let token = cookie(headers)?;
    let Some(session) = shared.sessions.find(&token) else {
        return Some(Err(ApiError::unauthenticated("the session has ended; sign in again")));
    };
    let identity = Identity {
        source: source(headers, peer),
        ..session.identity.clone()
    };
    Some(Ok(Caller {
        identity,
        session: Some(session),
    }))
}

/// Whom the `Authorization` header stands for.
async fn credentials(shared: &Arc<Shared>, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, ApiError> {
    let source = source(headers, peer);
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let (scheme, credential) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let identity = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => shared
            .authenticator
            .token(credential.trim(), &source)
            .map_err(|why| ApiError::unauthenticated(format!("the token was not accepted: {why}")))?,
        "basic" => {
            let decoded = STANDARD
                .decode(credential.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let (user, password) = decoded
                .as_deref()
                .and_then(|text| text.split_once(':'))
                .unwrap_or_default();
            match shared.accounts.remembered(user, password, &source) {
                Some(identity) => identity,
                None => check_password(shared, user, password, &source, address(peer)).await?,
            }
        }
        _ => return Err(ApiError::unauthenticated("sign in first, or send a token")),
    };
    Ok(Caller {
        identity,
        session: None,
    })
}

/// Checks a password, wherever it was sent: attempts are limited and stand in the ledger.
pub(crate) async fn check_password(
    shared: &Arc<Shared>,
    user: &str,
    password: &str,
    source: &str,
    address: IpAddr,
) -> Result<Identity, ApiError> {
    shared.sessions.attempt(address).map_err(|seconds| {
        ApiError::too_many_requests(format!("too many attempts to sign in; try again in {seconds} s"))
    })?;
    let (verifier, name, secret, from) = (shared.clone(), user.to_owned(), password.to_owned(), source.to_owned());
    let found = aside(move || verifier.accounts.verify(&name, &secret, &from)).await?;
    record(shared, user, source, found.is_some()).await?;
    let identity = found.ok_or_else(|| ApiError::unauthenticated("user or password is wrong"))?;
    shared.sessions.forgive(address);
    Ok(identity)
}

/// Every attempt stands in the ledger; without that it does not count.
async fn record(shared: &Shared, user: &str, source: &str, allowed: bool) -> Result<(), ApiError> {
    let message = if allowed {
        String::new()
    } else {
        "user or password is wrong".to_owned()
    };
    let entry = Entry {
        time: shared.clock.now().to_string(),
        phase: Phase::Event,
        actor: Actor {
            user: user.chars().take(64).collect(),
            groups: Vec::new(),
            source: source.into(),
        },
        verb: "sign-in".into(),
        code: if allowed { 200 } else { 401 },
        decision: Verdict {
            allowed,
            by: "password".into(),
            message,
        },
        ..Entry::default()
    };
    shared.ledger.append(&entry).await.map(drop).map_err(|error| {
        // Nobody is signed in yet: what the disk said is for the log.
        tracing::error!(%error, "an attempt to sign in cannot be recorded");
        ApiError::internal("signing in could not be recorded, so it did not happen; the platform's log says why")
    })
}

/// The session token in the cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// The client's address.
pub(crate) fn address(peer: Option<&Peer>) -> IpAddr {
    peer.map_or(IpAddr::from(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip())
}

/// Address and client, for the ledger.
pub(crate) fn source(headers: &HeaderMap, peer: Option<&Peer>) -> String {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let agent: String = agent.chars().filter(|c| !c.is_control()).take(80).collect();
    format!("{} {agent}", address(peer)).trim_end().to_owned()
}

/// Equal, in a time that does not depend on where they differ.
fn same(a: &str, b: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}
