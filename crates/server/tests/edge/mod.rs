//! The router over a whole platform in memory, driven without a socket.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "fixtures; each file of tests uses its part"
)]

pub mod schema;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use ridgeway_apiserver::{
    Authenticator, ControlPlane, Parts, Peer, SeededRandomness, TokenSigner, bootstrap, controllers,
};
use ridgeway_cluster::{Clock, Cluster, Identity, SystemClock, WriteOptions};
use ridgeway_deliver::Deliver;
use ridgeway_doc::parse_yaml;
use ridgeway_git::{Author, Repositories};
use ridgeway_guard::Guard;
use ridgeway_krm::KindTable;
use ridgeway_ledger::Ledger;
use ridgeway_server::{About, Accounts, Assets, Library};
use ridgeway_store::MemoryStore;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

/// A platform with its edge.
pub struct Edge {
    pub router: Router,
    pub password: String,
    pub plane: ControlPlane,
    pub admin: Arc<dyn Cluster>,
    pub authenticator: Arc<Authenticator>,
    pub ledger: Arc<Ledger>,
    pub repositories: Arc<Repositories>,
    pub scratch: tempfile::TempDir,
    stop: watch::Sender<bool>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts an error of the contract's shape, and gives its message.
    pub fn error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let body = self.json();
        schema::Contract::read().check_named(&body, "Error");
        assert_eq!(body["error"]["code"], code, "{body}");
        let id = body["error"]["requestId"].as_str().unwrap();
        assert!(!id.is_empty() && id == self.header("x-request-id"), "{self:?}");
        body["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// A browser that signed in.
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

impl Edge {
    /// The edge over an empty cluster.
    pub async fn start() -> Edge {
        Edge::over("http://127.0.0.1:7070").await.0
    }

    /// As [`Edge::start`], reached by another address.
    pub async fn at(portal_url: &str) -> Edge {
        Edge::over(portal_url).await.0
    }

    /// The edge with the demo organisation delivered and running.
    pub async fn with_demo() -> Edge {
        let (edge, deliver, stopping) = Edge::over("http://127.0.0.1:7070").await;
        let mut gone = stopping.clone();
        let down = async move {
            let _ = gone.wait_for(|stop| *stop).await;
        };
        tokio::spawn(controllers::run(
            edge.plane.clone(),
            controllers::Options::default(),
            down,
        ));
        let nodes = edge.plane.client(Identity::controller("nodes"));
        let nodes = ridgeway_nodes::Nodes::new(nodes, Arc::new(SystemClock), ridgeway_nodes::Options::default());
        tokio::spawn(nodes.run(stopping.clone()));
        tokio::spawn(deliver.run(stopping));
        for repository in ["checkout", "platform"] {
            edge.repositories.create(repository).await.unwrap();
            let files = files(&examples().join("demo").join(repository));
            let changes: Vec<_> = files
                .iter()
                .map(|(path, text)| (path.as_str(), Some(Bytes::from(text.clone()))))
                .collect();
            let author = Author::new("Ann", "ann@example.org");
            edge.repositories
                .commit_files(repository, "main", &author, "Begin", &changes)
                .await
                .unwrap();
        }
        edge.apply(
            "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: platform, namespace: argocd}
spec:
  project: default
  source: {repoURL: platform, targetRevision: HEAD, path: cluster, directory: {recurse: true}}
  destination: {server: https://kubernetes.default.svc, namespace: default}
  syncPolicy: {automated: {prune: true, selfHeal: true}}
",
        )
        .await;
        let browser = edge.sign_in().await;
        let began = Instant::now();
        loop {
            let all = edge.get(&browser, "/api/v1/applications").await.json();
            let healthy = |app: &Value| app["health"] == "Healthy" && app["sync"] == "Synced";
            let items = all["items"].as_array().unwrap();
            if items.len() == 3 && items.iter().all(healthy) {
                return edge;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{all:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn over(portal_url: &str) -> (Edge, Arc<Deliver>, watch::Receiver<bool>) {
        let scratch = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ledger_dir = scratch.path().join("ledger");
        let ledger = Ledger::open(&ledger_dir, ridgeway_ledger::Options::default()).unwrap();
        let plane = ControlPlane::open(Parts {
            store: Arc::new(MemoryStore::new()),
            ledger: Some(ledger.clone()),
            kinds: KindTable::builtin(),
            clock: clock.clone(),
            randomness: Arc::new(SeededRandomness::new(7)),
        })
        .await
        .unwrap();
        bootstrap(&plane).await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let guard = Guard::new(plane.client(Identity::controller("guard")), clock.clone());
        guard.install_crds().await.unwrap();
        plane.set_gate(guard.gate());
        tokio::spawn(guard.clone().run(stopping.clone()));
        guard.synced().await;
        let now = clock.clone();
        let git = ridgeway_git::Options::new(move || now.now().as_millisecond());
        let repositories = Repositories::open(scratch.path().join("git"), git).unwrap();
        repositories.add_base_url(&format!("{portal_url}/git"));
        let cluster = plane.client(Identity::controller("deliver"));
        ridgeway_deliver::install_crds(&*cluster).await.unwrap();
        let deliver = Deliver::new(
            cluster,
            repositories.clone(),
            clock.clone(),
            ridgeway_deliver::Options::default(),
        );
        let (accounts, password) = Accounts::open(&scratch.path().join("accounts.json")).unwrap();
        let authenticator = Arc::new(Authenticator::new(plane.clone(), TokenSigner::generate()));
        let templates = files(&examples().join("templates"));
        let page: Cow<'static, [u8]> = Cow::Borrowed(b"<!doctype html><title>portal</title>");
        let router = ridgeway_server::router(ridgeway_server::Parts {
            plane: plane.clone(),
            authenticator: authenticator.clone(),
            ledger: ledger.clone(),
            repositories: repositories.clone(),
            git_access: Arc::new(|user: &str, _: &str, _: bool| !user.is_empty()),
            deliver: deliver.clone(),
            guard,
            templates: Arc::new(Library::new(
                templates.iter().map(|(path, text)| (path.as_str(), text.as_slice())),
            )),
            accounts,
            assets: Assets::new([("index.html".to_owned(), page)]),
            clock: clock.clone(),
            stopping: stopping.clone(),
            about: About {
                version: "0.0.0".into(),
                started: clock.now(),
                portal_url: portal_url.into(),
                kubernetes_url: "https://127.0.0.1:6443".into(),
                kubeconfig: "/data/kubeconfig".into(),
                ledger_dir,
            },
        });
        let edge = Edge {
            router,
            password: password.unwrap().reveal().to_owned(),
            admin: plane.client(Identity::user("admin", &["system:masters"], "test")),
            plane,
            authenticator,
            ledger,
            repositories,
            scratch,
            stop,
        };
        (edge, deliver, stopping)
    }

    /// Applies objects as an administrator.
    pub async fn apply(&self, yaml: &str) {
        for doc in parse_yaml(yaml).unwrap() {
            let options = WriteOptions::by("kubectl", None).forced();
            self.admin.apply(doc.root().to_value(), options).await.unwrap();
        }
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// Sends what nobody signed in for.
    pub async fn plain(&self, method: Method, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
            .await
    }

    /// Reads as somebody who has a token.
    pub async fn by_token(&self, token: &str, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Tries to sign in from an address.
    pub async fn try_sign_in(&self, from: [u8; 4], user: &str, password: &str) -> Answer {
        let body = serde_json::json!({"user": user, "password": password}).to_string();
        let mut request = Request::post("/api/v1/session")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        request.extensions_mut().insert(peer(from));
        self.send(request).await
    }

    /// Signs the administrator in.
    pub async fn sign_in(&self) -> Browser {
        let answer = self.try_sign_in([127, 0, 0, 1], "admin", &self.password).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Browser {
            cookie: answer.header("set-cookie").split(';').next().unwrap().to_owned(),
            csrf: answer.json()["csrfToken"].as_str().unwrap().to_owned(),
        }
    }

    /// Reads a page's data.
    pub async fn get(&self, browser: &Browser, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &browser.cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts as the portal's page does.
    pub async fn post(&self, browser: &Browser, path: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, &browser.cookie)
            .header("x-csrf-token", &browser.csrf)
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Asks Git's door with a password.
    pub async fn git(&self, from: [u8; 4], path: &str, user: &str, password: &str) -> Answer {
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        let mut request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Basic {encoded}"))
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(peer(from));
        self.send(request).await
    }
}

fn peer(from: [u8; 4]) -> Peer {
    Peer {
        address: SocketAddr::from((from, 40_000)),
        certificate: None,
    }
}

/// A value as it stands in a query string.
pub fn encode(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    value
        .bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
