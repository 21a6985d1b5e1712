//! A caller over TLS with one HTTP/2 connection, as an API server keeps one.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

/// One connection.
#[derive(Clone)]
pub(crate) struct Caller {
    sender: hyper::client::conn::http2::SendRequest<Body>,
    /// The authority that is trusted.
    #[allow(dead_code, reason = "not every user of this file connects again")]
    pub(crate) bundle: String,
}

impl Caller {
    /// Connects; the server's certificate must be of the authority.
    pub(crate) async fn connect(address: SocketAddr, bundle: &str) -> Caller {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.expect("a certificate")).expect("a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("no delay");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .expect("TLS comes about");
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2 comes about");
        tokio::spawn(connection);
        Caller {
            sender,
            bundle: bundle.to_owned(),
        }
    }

    /// Posts a body; gives status and text.
    pub(crate) async fn post(&mut self, path: &str, body: String) -> (u16, String) {
        self.send("POST", path, Body::from(body)).await
    }

    /// Gets a path.
    #[allow(dead_code, reason = "not every user of this file asks for something without a body")]
    pub(crate) async fn get(&mut self, path: &str) -> (u16, String) {
        self.send("GET", path, Body::empty()).await
    }

    async fn send(&mut self, method: &str, path: &str, body: Body) -> (u16, String) {
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("https://127.0.0.1{path}"))
            .header("content-type", "application/json")
            .body(body)
            .expect("a request");
        let response = self.sender.send_request(request).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }
}
