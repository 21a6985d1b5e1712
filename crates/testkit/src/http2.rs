//! An HTTP/2 connection over TLS that carries many requests at a time, as Kubernetes clients keep one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// One connection; clones share it.
#[derive(Clone)]
pub struct Connection {
    sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
}

/// A client's certificate and key in PEM.
pub struct ClientIdentity<'a> {
    /// The certificate.
    pub certificate: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
}

impl Connection {
    /// Connects to an address; the server's certificate must be of one of the authorities (PEM).
    ///
    /// # Errors
    /// Nobody listens, the server is somebody else, or it does not speak HTTP/2.
    pub async fn open(
        address: SocketAddr,
        authorities: &[u8],
        client: Option<ClientIdentity<'_>>,
    ) -> Result<Connection> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match client {
            Some(client) => config.with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(client.certificate)?],
                PrivateKeyDer::from_pem_slice(client.key)?,
            )?,
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(address.ip());
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender })
    }

    /// Sends a request with a JSON body (empty for none); gives status and answer.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn send(&mut self, method: &str, path: &str, body: String) -> Result<(u16, Bytes)> {
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("https://127.0.0.1{path}"))
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
