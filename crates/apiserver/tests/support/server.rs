//! The plane's API as a service that tests call without a network.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use ridgeway_apiserver::{Authenticator, TokenSigner, router};
use ridgeway_cluster::Identity;
use ridgeway_doc::Doc;
use tower::Service;

use super::{Plane, yaml};

/// A plane with an admin's token `root` and a user's token `bob`.
pub struct Server {
    pub plane: Plane,
    pub authenticator: Arc<Authenticator>,
}

pub struct Answer {
    pub code: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn doc(&self) -> Doc {
        Doc::parse_json(&self.body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self, path: &[&str]) -> String {
        self.doc().root().str_at(path).unwrap_or_default().to_owned()
    }
}

impl Server {
    pub async fn start() -> Server {
        Server::over(Plane::start().await)
    }

    /// Whose plane has a ledger.
    pub async fn recorded() -> Server {
        Server::over(Plane::recorded().await)
    }

    fn over(plane: Plane) -> Server {
        let authenticator = Arc::new(Authenticator::new(plane.clone(), TokenSigner::generate()));
        authenticator.add_token("root", Identity::user("root", &["system:masters"], ""));
        authenticator.add_token("bob", Identity::user("bob", &[], ""));
        Server { plane, authenticator }
    }

    pub async fn open(&self, request: Request<Body>) -> Response<Body> {
        router(self.plane.clone(), self.authenticator.clone())
            .call(request)
            .await
            .unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            code: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, "root").body(Body::empty()).unwrap())
            .await
    }

    pub async fn accept(&self, path: &str, accept: &str) -> Answer {
        self.send(
            request("GET", path, "root")
                .header("accept", accept)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub async fn post(&self, path: &str, object: &str) -> Answer {
        self.send(
            request("POST", path, "root")
                .body(yaml(object).to_json().into())
                .unwrap(),
        )
        .await
    }

    pub async fn config(&self, name: &str) -> Answer {
        self.post(
            MAPS,
            &format!(
                "{{metadata: {{name: {name}, labels: {{even: \"{}\"}}}}}}",
                name.len().is_multiple_of(2)
            ),
        )
        .await
    }
}

pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

pub fn request(method: &str, path: &str, token: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
}
