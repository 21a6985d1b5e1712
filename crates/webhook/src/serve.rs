//! The server: reviews in, answers out; health, metrics, renewal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ridgeway_apiserver::{Peer, ServeError};
use ridgeway_cluster::Clock;
use ridgeway_krm::GoDuration;
use tokio::net::TcpListener;

use crate::judge::{Judge, Question};
use crate::metrics::Metrics;
use crate::pki::{Certificates, PkiError};
use crate::policies::FailurePolicy;
use crate::reload::{Loaded, follow};
use crate::review::Review;

/// How long a caller waits that does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Kept back of the caller's time for the way home.
const WAY_HOME: Duration = Duration::from_millis(100);
/// How often certificates are looked at.
const RENEW: Duration = Duration::from_secs(60);

/// What the server holds itself to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest request body.
    pub max_body: usize,
    /// How often the directories are looked at.
    pub poll: Duration,
    /// The authority of the clients that may ask; without it whoever reaches the port may.
    pub client_ca: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            // An API server takes objects of 3 MiB; an update's review holds two.
            max_body: 8 << 20,
            poll: Duration::from_secs(1),
            client_ca: None,
        }
    }
}

/// What the routes work on.
#[derive(Clone)]
pub struct App {
    /// The policies in force.
    pub loaded: Arc<Loaded>,
    /// Asks them.
    pub judge: Judge,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// What the server holds itself to.
    pub options: Options,
}

impl App {
    fn metrics(&self) -> &Metrics {
        &self.judge.metrics
    }
}

/// The routes: `/mutate`, `/validate` (and `/fail` or `/ignore` under each), `/healthz`, `/readyz`, `/metrics`.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/mutate/{failure}", post(mutate_some))
        .route("/validate", post(validate))
        .route("/validate/{failure}", post(validate_some))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(app))
}

type Shared = State<Arc<App>>;

async fn mutate(State(app): Shared, RawQuery(query): RawQuery, extensions: Extensions, body: Body) -> Response {
    app.answer(true, None, query, &extensions, body).await
}

async fn validate(State(app): Shared, RawQuery(query): RawQuery, extensions: Extensions, body: Body) -> Response {
    app.answer(false, None, query, &extensions, body).await
}

async fn mutate_some(
    State(app): Shared,
    Path(failure): Path<String>,
    RawQuery(query): RawQuery,
    extensions: Extensions,
    body: Body,
) -> Response {
    match group(&failure) {
        None => unknown_group(),
        failure => app.answer(true, failure, query, &extensions, body).await,
    }
}

async fn validate_some(
    State(app): Shared,
    Path(failure): Path<String>,
    RawQuery(query): RawQuery,
    extensions: Extensions,
    body: Body,
) -> Response {
    match group(&failure) {
        None => unknown_group(),
        failure => app.answer(false, failure, query, &extensions, body).await,
    }
}

fn group(text: &str) -> Option<FailurePolicy> {
    match text {
        "fail" => Some(FailurePolicy::Fail),
        "ignore" => Some(FailurePolicy::Ignore),
        _ => None,
    }
}

fn unknown_group() -> Response {
    refuse(StatusCode::NOT_FOUND, "the path ends with /fail or /ignore")
}

async fn ready(State(app): Shared) -> Response {
    let set = app.loaded.set();
    // Policies that were refused do not make the ones in force unfit.
    let more = match app.loaded.refused() {
        None => String::new(),
        Some(faults) => format!("\nnot in force, for there are faults:\n{faults}"),
    };
    format!("ready: {} policies ({}){more}\n", set.units.len(), set.hash).into_response()
}

async fn metrics(State(app): Shared) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics().text()).into_response()
}

fn refuse(status: StatusCode, why: impl Into<String>) -> Response {
    (status, why.into()).into_response()
}

/// How long the caller waits: it says so in the URL.
fn patience(query: Option<&str>) -> Duration {
    let said = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="));
    let said = said
        .and_then(|text| GoDuration::parse(text).ok())
        .and_then(GoDuration::to_std);
    let all = said.unwrap_or(TIMEOUT).min(Duration::from_secs(30));
    all.saturating_sub(WAY_HOME.min(all / 5))
}

impl App {
    async fn answer(
        &self,
        mutating: bool,
        failure: Option<FailurePolicy>,
        query: Option<String>,
        extensions: &Extensions,
        body: Body,
    ) -> Response {
        let begun = Instant::now();
        let known = extensions.get::<Peer>().is_some_and(|peer| peer.certificate.is_some());
        if self.options.client_ca.is_some() && !known {
            self.metrics().answered(mutating, "unauthenticated", begun.elapsed());
            return refuse(
                StatusCode::UNAUTHORIZED,
                "reviews need a client certificate of the authority that this server was given (--client-ca)",
            );
        }
        let body = match self.read(body).await {
            Ok(body) => body,
            Err(response) => {
                self.metrics().answered(mutating, "malformed", begun.elapsed());
                return response;
            }
        };
        let review = match Review::parse(&body) {
            Ok(review) => review,
            Err(error) => {
                self.metrics().answered(mutating, "malformed", begun.elapsed());
                return refuse(StatusCode::BAD_REQUEST, error.to_string());
            }
        };
        let question = Question {
            review: review.clone(),
            mutating,
            failure,
            deadline: begun + patience(query.as_deref()),
            now: self.clock.now(),
        };
        let set = self.loaded.set();
        let answer = self.judge.ask(&set, question).await;
        let said = if answer.allowed() { "allowed" } else { "refused" };
        if !answer.allowed() {
            let by: Vec<&str> = answer.refusals.iter().map(|r| &*r.policy).collect();
            tracing::info!(
                operation = review.operation.as_str(),
                kind = review.gvk.kind,
                namespace = review.namespace,
                name = review.name,
                user = review.user,
                policies = by.join(","),
                "refused"
            );
        }
        let text = answer.review(&review, mutating).to_json();
        self.metrics().answered(mutating, said, begun.elapsed());
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }

    async fn read(&self, body: Body) -> Result<Bytes, Response> {
        let most = self.options.max_body;
        match Limited::new(body, most).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the review is larger than {most} bytes (--max-body)"),
            )),
            Err(error) => Err(refuse(
                StatusCode::BAD_REQUEST,
                format!("the review could not be read: {error}"),
            )),
        }
    }
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The certificates.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The listener.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Serves until `shutdown` resolves; follows the directories and renews the certificates meanwhile.
pub async fn serve(
    listener: TcpListener,
    app: App,
    certificates: Arc<Certificates>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let tls = certificates.server_config(app.options.client_ca.as_deref())?;
    let metrics = app.judge.metrics.clone();
    metrics.certificate_ends(certificates.not_after().as_second());
    let following = tokio::spawn(follow(app.loaded.clone(), app.options.poll));
    let clock = app.clock.clone();
    let renewing = tokio::spawn(async move {
        loop {
            tokio::time::sleep(RENEW).await;
            if let Err(error) = certificates.renew(clock.now()) {
                tracing::error!(%error, "the serving certificate stays as it is");
            }
            metrics.certificate_ends(certificates.not_after().as_second());
        }
    });
    let outcome = ridgeway_apiserver::serve(listener, router(app), Some(tls), shutdown).await;
    following.abort();
    renewing.abort();
    Ok(outcome?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_say_how_long_they_wait() {
        for (query, want) in [
            (None, 9_900),
            (Some("timeout=5s"), 4_900),
            (Some("a=b&timeout=100ms"), 80),
            (Some("timeout=1h"), 29_900),
            (Some("timeout=soon"), 9_900),
        ] {
            assert_eq!(patience(query).as_millis(), want, "{query:?}");
        }
    }
}
