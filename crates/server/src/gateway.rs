//! What every request passes: an id, a size limit, who it is, and whether a page of ours sent it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_apiserver::Peer;
use ridgeway_cluster::Identity;

use crate::Shared;
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
    shared.metrics.observe(&method, &path, response.status(), start.elapsed());
    if let Some(ErrorBody(mut body)) = response.extensions_mut().remove::<ErrorBody>() {
        body["error"]["requestId"] = id.as_str().into();
        let status = response.status();
        if status.is_server_error() {
            tracing::error!(request = id, %method, path, %status, error = %body["error"]["message"], "a request failed");
        } else {
            tracing::debug!(request = id, %method, path, %status, error = %body["error"]["message"], "a request was refused");
        }
        let mut fresh = (status, axum::Json(body)).into_response();
        for (name, value) in response.headers() {
            if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
                fresh.headers_mut().append(name, value.clone());
            }
        }
        response = fresh;
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// Lets a request of the API through when it says who sends it. Changes by a browser also need the CSRF token.
pub(crate) async fn authenticate(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let caller = match find_caller(&shared, request.headers(), request.extensions().get::<Peer>()) {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if let (false, Some(session)) = (reads, &caller.session) {
        let sent = request.headers().get(CSRF).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !same(sent, &session.csrf) {
            return ApiError::csrf().into_response();
        }
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Git's requests: HTTP Basic, or nobody, who is asked to log in.
pub(crate) async fn git(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let caller = find_caller(&shared, request.headers(), request.extensions().get::<Peer>()).ok();
    let user = caller.map(|caller| caller.identity.name);
    let response = shared.git_http.handle(user.as_deref(), request.map(Body::new)).await;
    response.into_response()
}

fn find_caller(shared: &Shared, headers: &HeaderMap, peer: Option<&Peer>) -> Result<Caller, ApiError> {
    let source = source(headers, peer);
    if let Some(token) = cookie(headers) {
        let session = shared
            .sessions
            .find(&token)
            .ok_or_else(|| ApiError::unauthenticated("the session has ended; sign in again"))?;
        let identity = Identity { source, ..session.identity.clone() };
        return Ok(Caller { identity, session: Some(session) });
    }
    let authorization = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        let identity = shared
            .authenticator
            .token(token, &source)
            .map_err(|why| ApiError::unauthenticated(format!("the token was not accepted: {why}")))?;
        return Ok(Caller { identity, session: None });
    }
    if let Some(encoded) = authorization.strip_prefix("Basic ") {
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = decoded.as_deref().and_then(|text| text.split_once(':')).unwrap_or_default();
        // Passwords by Basic pass the same limit as the sign-in page: it is the same password.
        let address = address(peer);
        if let Some(identity) = shared.accounts.verify(user, password, &source) {
            shared.sessions.forgive(address);
            return Ok(Caller { identity, session: None });
        }
        shared.sessions.attempt(address).map_err(waits)?;
        return Err(ApiError::unauthenticated("user or password is wrong"));
    }
    Err(ApiError::unauthenticated("sign in first, or send a token"))
}

/// The error for somebody who tried too often.
pub(crate) fn waits(seconds: u64) -> ApiError {
    ApiError::too_many_requests(format!("too many attempts to sign in; try again in {seconds} s"))
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
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let agent: String = agent.chars().filter(|c| !c.is_control()).take(80).collect();
    format!("{} {agent}", address(peer)).trim_end().to_owned()
}

/// Equal, in a time that does not depend on where they differ.
fn same(a: &str, b: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}
