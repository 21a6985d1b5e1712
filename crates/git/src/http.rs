//! Serving repositories over smart HTTP.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::GitError;
use crate::name::check_name;
use crate::pkt::{self, Head};
use crate::process;
use crate::repositories::{PushEvent, Repositories};

/// How much of a push is read before its commands must be complete.
const MAX_HEAD: usize = 4 << 20;
/// How large a fetch's negotiation may be.
const MAX_NEGOTIATION: u64 = 64 << 20;
/// How large the answer to a push (progress and report) may be.
const MAX_REPORT: usize = 8 << 20;

/// Decides whether a user may read (`false`) or write (`true`) a repository: `(user, repository, write)`.
pub type Access = dyn Fn(&str, &str, bool) -> bool + Send + Sync;

/// Serves repositories to Git clients.
///
/// Who the user is has been found out before; whether that user may, [`Access`] says.
#[derive(Clone)]
pub struct SmartHttp {
    repositories: Arc<Repositories>,
    access: Arc<Access>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    fn parse(name: &str) -> Option<Service> {
        match name {
            "git-upload-pack" => Some(Service::UploadPack),
            "git-receive-pack" => Some(Service::ReceivePack),
            _ => None,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Service::UploadPack => "upload-pack",
            Service::ReceivePack => "receive-pack",
        }
    }
}

enum Endpoint {
    Advertise(Service),
    Call(Service),
}

impl SmartHttp {
    /// A server of repositories.
    pub fn new(repositories: Arc<Repositories>, access: Arc<Access>) -> SmartHttp {
        SmartHttp { repositories, access }
    }

    /// Answers one request, whose path is `/<repository>.git/…` (the mount point may be left on or off: everything up
    /// to `/git/` is ignored). `user` is `None` for nobody in particular, who is then asked to log in.
    pub async fn handle(&self, user: Option<&str>, request: Request<Body>) -> Response<Body> {
        match self.answer(user, request).await {
            Ok(response) | Err(response) => response,
        }
    }

    async fn answer(&self, user: Option<&str>, request: Request<Body>) -> Result<Response<Body>, Response<Body>> {
        let path = request.uri().path();
        let path = path.find("/git/").map_or(path, |at| &path[at + 4..]);
        let (name, endpoint) = route(request.method(), path.trim_start_matches('/'), request.uri().query())
            .map_err(|(status, sentence)| text(status, sentence))?;
        let service = match endpoint {
            Endpoint::Advertise(service) | Endpoint::Call(service) => service,
        };
        check_name(&name).map_err(|error| text(StatusCode::NOT_FOUND, &error.to_string()))?;
        let write = service == Service::ReceivePack;
        if !(self.access)(user.unwrap_or_default(), &name, write) {
            return Err(refuse(user, &name, write));
        }
        let directory = self.repositories.own_directory(&name).map_err(|error| {
            let status = match error {
                GitError::NotFound { .. } => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            text(
                status,
                &format!(
                    "there is no repository {name:?} here, or you may not see it ({})",
                    status.as_u16()
                ),
            )
        })?;
        let permit = self.repositories.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| text(StatusCode::SERVICE_UNAVAILABLE, "the server is shutting down"))?;
        match endpoint {
            Endpoint::Advertise(service) => self.advertise(service, &directory, request.headers()).await,
            Endpoint::Call(Service::UploadPack) => self.upload_pack(&directory, request, permit),
            Endpoint::Call(Service::ReceivePack) => {
                self.receive_pack(&name, &directory, user.unwrap_or("anonymous"), request)
                    .await
            }
        }
        .map_err(|error| {
            tracing::warn!(repo = %name, %error, "serving git failed");
            text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
        })
    }

    async fn advertise(
        &self,
        service: Service,
        directory: &Path,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, GitError> {
        let mut command = self.command(service, directory, &[]);
        let mut body = Vec::new();
        // Version 2 has no service line, and pushing knows no version 2.
        let version = protocol(headers).filter(|_| service == Service::UploadPack);
        if !version.is_some_and(|version| version.contains("version=2")) {
            body.extend(pkt::line(&format!("# service=git-{}\n", service.verb())));
            body.extend(b"0000");
        }
        if let Some(version) = version {
            command.env("GIT_PROTOCOL", version);
        }
        command.arg("--http-backend-info-refs").arg(directory);
        let limit = self.repositories.options.serve_timeout;
        body.extend(
            process::finish(command, "advertising references", vec![], limit)
                .await?
                .output(service.verb())?,
        );
        Ok(binary(
            &format!("application/x-git-{}-advertisement", service.verb()),
            Body::from(body),
        ))
    }

    fn command(&self, service: Service, directory: &Path, guards: &[&str]) -> Command {
        let mut command = process::git(Some(directory));
        for guard in guards {
            command.args(["-c", guard]);
        }
        command.args([
            "-c",
            "uploadpack.allowFilter=true",
            "-c",
            "uploadpack.allowReachableSHA1InWant=true",
        ]);
        if service == Service::ReceivePack {
            let limit = self.repositories.options.max_push_bytes;
            command.args(["-c", "receive.fsckObjects=true", "-c", "receive.denyDeleteCurrent=true"]);
            command.arg("-c").arg(format!("receive.maxInputSize={limit}"));
        }
        command.arg(service.verb()).arg("--stateless-rpc");
        command
    }

    fn upload_pack(
        &self,
        directory: &Path,
        request: Request<Body>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, GitError> {
        let mut command = self.command(Service::UploadPack, directory, &[]);
        if let Some(version) = protocol(request.headers()) {
            command.env("GIT_PROTOCOL", version);
        }
        command.arg(directory).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(GitError::GitMissing)?;
        let (stdin, stdout) = pipes(&mut child)?;
        let limit = self.repositories.options.serve_timeout;
        tokio::spawn(async move {
            let mut input = Input::new(request, MAX_NEGOTIATION);
            let _ = tokio::time::timeout(limit, input.pour(stdin)).await;
        });
        let deadline = tokio::time::Instant::now() + limit;
        Ok(binary(
            "application/x-git-upload-pack-result",
            Body::from_stream(output(child, stdout, permit, deadline)),
        ))
    }

    async fn receive_pack(
        &self,
        name: &str,
        directory: &Path,
        user: &str,
        request: Request<Body>,
    ) -> Result<Response<Body>, GitError> {
        let options = &self.repositories.options;
        // Git itself refuses what is too large, in words that reach the user; this is the second line.
        let mut input = Input::new(request, options.max_push_bytes.saturating_add(8 << 20));
        let mut head = BytesMut::new();
        let commands = loop {
            match pkt::push_head(&head) {
                Head::Commands(commands) => break commands,
                Head::Incomplete if head.len() <= MAX_HEAD => match input.next().await {
                    Some(Ok(chunk)) => head.extend_from_slice(&chunk),
                    Some(Err(why)) => return Ok(text(StatusCode::BAD_REQUEST, &why)),
                    None => return Ok(text(StatusCode::BAD_REQUEST, "the push ended before its commands did")),
                },
                _ => return Ok(text(StatusCode::BAD_REQUEST, "this is no push that Git would send")),
            }
        };
        let refuse = |why: &str| {
            let report = pkt::refusal(&head, &commands, why);
            Ok(binary("application/x-git-receive-pack-result", Body::from(report)))
        };
        let allowed = |name: &str| name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
        if !commands.iter().all(|command| allowed(&command.refname)) {
            while let Some(Ok(_)) = input.next().await {}
            return refuse("only branches and tags can be pushed here");
        }
        let guarded = |name: &str| {
            name.strip_prefix("refs/heads/")
                .is_some_and(|b| options.protected_branches.iter().any(|p| p == b))
        };
        let guards = if commands.iter().any(|command| guarded(&command.refname)) {
            ["receive.denyNonFastForwards=true", "receive.denyDeletes=true"].as_slice()
        } else {
            &[]
        };
        let mut command = self.command(Service::ReceivePack, directory, guards);
        command.arg(directory).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(GitError::GitMissing)?;
        let (mut stdin, stdout) = pipes(&mut child)?;
        let feed = async move {
            if stdin.write_all(&head).await.is_ok() {
                input.pour(stdin).await
            } else {
                Ok(())
            }
        };
        let mut report = Vec::new();
        let drain = async {
            let read = stdout.take(MAX_REPORT as u64).read_to_end(&mut report).await;
            read.map_err(GitError::io("reading git receive-pack"))
        };
        let both = async { tokio::join!(feed, drain) };
        let (fed, drained) =
            tokio::time::timeout(options.serve_timeout, both)
                .await
                .map_err(|_| GitError::TimedOut {
                    what: "receiving a push".into(),
                    after: options.serve_timeout,
                })?;
        drained?;
        if let Err(why) = fed {
            return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, &why));
        }
        let _ = child.wait().await;
        let updated = pkt::updated_refs(&report);
        for command in commands
            .into_iter()
            .filter(|command| updated.contains(&command.refname))
        {
            let some = |id: crate::Oid| (!id.is_zero()).then_some(id);
            self.repositories.publish(PushEvent {
                repo: name.to_owned(),
                refname: command.refname,
                old: some(command.old),
                new: some(command.new),
                pusher: user.to_owned(),
                time_ms: self.repositories.now(),
            });
        }
        Ok(binary("application/x-git-receive-pack-result", Body::from(report)))
    }
}

fn route(method: &Method, path: &str, query: Option<&str>) -> Result<(String, Endpoint), (StatusCode, &'static str)> {
    let named = |suffix: &str| {
        path.strip_suffix(suffix)
            .map(|name| name.strip_suffix(".git").unwrap_or(name).to_owned())
    };
    if let Some(name) = named("/info/refs") {
        if method != Method::GET {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "references are read with GET"));
        }
        let asked = query
            .unwrap_or_default()
            .split('&')
            .find_map(|pair| pair.strip_prefix("service="));
        return match asked.and_then(Service::parse) {
            Some(service) => Ok((name, Endpoint::Advertise(service))),
            None => Err((
                StatusCode::FORBIDDEN,
                "only Git's smart HTTP protocol is spoken here: use git 1.6.6 or newer",
            )),
        };
    }
    for service in [Service::UploadPack, Service::ReceivePack] {
        if let Some(name) = named(&format!("/git-{}", service.verb())) {
            if method != Method::POST {
                return Err((StatusCode::METHOD_NOT_ALLOWED, "packs are exchanged with POST"));
            }
            return Ok((name, Endpoint::Call(service)));
        }
    }
    Err((
        StatusCode::NOT_FOUND,
        "nothing here but Git repositories: git clone <this URL>/<name>.git",
    ))
}

fn refuse(user: Option<&str>, name: &str, write: bool) -> Response<Body> {
    let verb = if write { "push to" } else { "read" };
    match user {
        None => {
            let mut response = text(StatusCode::UNAUTHORIZED, &format!("log in to {verb} {name}"));
            let challenge = HeaderValue::from_static("Basic realm=\"Ridgeway\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
        Some(user) => text(
            StatusCode::FORBIDDEN,
            &format!("{user} may not {verb} repository {name}; ask its owner"),
        ),
    }
}

/// The protocol version that a client asks for, if it reads like one.
fn protocol(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("git-protocol")?.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "=:.-_".contains(c);
    (value.len() <= 128 && value.chars().all(plain)).then_some(value)
}

/// A plain sentence; Git shows it as `remote: …`.
fn text(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{sentence}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

fn binary(content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, max-age=0, must-revalidate"),
    );
    response
}

fn pipes(child: &mut Child) -> Result<(ChildStdin, ChildStdout), GitError> {
    match (child.stdin.take(), child.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok((stdin, stdout)),
        _ => Err(GitError::Corrupt("git was started without pipes".into())),
    }
}

/// The output of a child as it comes. The child lives as long as somebody reads, and no longer than the deadline.
fn output(
    child: Child,
    stdout: ChildStdout,
    permit: OwnedSemaphorePermit,
    deadline: tokio::time::Instant,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    stream::unfold(Some((child, stdout, permit)), move |state| async move {
        let (mut child, mut stdout, permit) = state?;
        let mut chunk = BytesMut::with_capacity(64 << 10);
        match tokio::time::timeout_at(deadline, stdout.read_buf(&mut chunk)).await {
            Ok(Ok(0)) => {
                let _ = child.wait().await;
                None
            }
            Ok(Ok(_)) => Some((Ok(chunk.freeze()), Some((child, stdout, permit)))),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(_) => Some((Err(std::io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

/// A request's body, unpacked if it is gzipped, and not longer than allowed.
struct Input {
    body: axum::body::BodyDataStream,
    gunzip: Option<GzDecoder<Vec<u8>>>,
    left: u64,
    packed: Bytes,
}

impl Input {
    fn new(request: Request<Body>, limit: u64) -> Input {
        let gzipped = request
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_some_and(|v| v == "gzip" || v == "x-gzip");
        Input {
            body: request.into_body().into_data_stream(),
            gunzip: gzipped.then(|| GzDecoder::new(Vec::new())),
            left: limit,
            packed: Bytes::new(),
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            let chunk = if self.packed.is_empty() {
                match self.body.next().await? {
                    Ok(chunk) => chunk,
                    Err(error) => return Some(Err(format!("the request broke off: {error}"))),
                }
            } else {
                std::mem::take(&mut self.packed)
            };
            let chunk = match &mut self.gunzip {
                None => chunk,
                Some(gunzip) => {
                    // Small bites: what a bite unpacks to is held in memory.
                    let bite = chunk.len().min(4 << 10);
                    if let Err(error) = gunzip.write_all(&chunk[..bite]).and_then(|()| gunzip.flush()) {
                        return Some(Err(format!("the request's gzip encoding is damaged: {error}")));
                    }
                    self.packed = chunk.slice(bite..);
                    Bytes::from(std::mem::take(gunzip.get_mut()))
                }
            };
            let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
                return Some(Err(
                    "the push is larger than this server accepts; push less history at a time".into(),
                ));
            };
            self.left = left;
            if !chunk.is_empty() {
                return Some(Ok(chunk));
            }
        }
    }

    /// Pours everything that comes into a child. Fails only for the client's faults.
    async fn pour(&mut self, mut stdin: ChildStdin) -> Result<(), String> {
        while let Some(chunk) = self.next().await {
            if stdin.write_all(&chunk?).await.is_err() {
                // The child has seen enough; its report says why.
                while let Some(Ok(_)) = self.next().await {}
                break;
            }
        }
        Ok(())
    }
}
