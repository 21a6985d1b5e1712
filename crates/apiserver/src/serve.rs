//! The listener: TLS, HTTP/1.1 and HTTP/2, and a prompt end even while watches are open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authn::PeerCertificate;

/// How long a client may take for the TLS handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long requests in progress may take when the server stops.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken.
    #[error("{address} is already in use: stop the other process (`ss -ltnp` shows it) or choose another port")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// What the listener knows about a request's client; found in the request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it connected from.
    pub address: SocketAddr,
    /// Its verified client certificate, if it sent one.
    pub certificate: Option<PeerCertificate>,
}

/// Turns true when the server stops: watches end themselves.
#[derive(Clone, Debug)]
pub(crate) struct Closing(pub(crate) watch::Receiver<bool>);

/// Opens a listening socket.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::InUse { address },
        _ => ServeError::Bind { address, source },
    })
}

/// Serves until `shutdown` resolves, then ends within a second. Without `tls` it speaks plain HTTP.
pub fn serve<'a>(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: impl Future<Output = ()> + Send + 'a,
) -> BoxFuture<'a, Result<(), ServeError>> {
    until(listener, router, tls, shutdown.boxed())
}

/// Boxed here, so that it is compiled with this crate and not again in each that serves.
fn until(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: BoxFuture<'_, ()>,
) -> BoxFuture<'_, Result<(), ServeError>> {
    accept(listener, router, tls, shutdown).boxed()
}

async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    mut shutdown: BoxFuture<'_, ()>,
) -> Result<(), ServeError> {
    let acceptor = tls.map(TlsAcceptor::from);
    let graceful = GracefulShutdown::new();
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Finished connections are taken out as they end.
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or a client that was gone already: the next one may do better.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let connection = Connection {
            router: router.clone(),
            closing: closing.clone(),
            address,
        };
        connections.spawn(connection.run(stream, acceptor.clone(), graceful.watcher()));
    }
    drop(listener);
    close.send_replace(true);
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::debug!(open = connections.len(), "connections are cut off");
    }
    connections.shutdown().await;
    Ok(())
}

struct Connection {
    router: Router,
    closing: watch::Receiver<bool>,
    address: SocketAddr,
}

impl Connection {
    async fn run(self, stream: TcpStream, acceptor: Option<TlsAcceptor>, watcher: Watcher) {
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = acceptor else {
            return self.http(stream, None, watcher).await;
        };
        match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let certificate = certificates
                    .and_then(|all| all.first())
                    .and_then(|c| PeerCertificate::from_der(c));
                self.http(stream, certificate, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(client = %self.address, %error, "no TLS connection came about"),
            Err(_) => tracing::debug!(client = %self.address, "the TLS handshake took too long"),
        }
    }

    async fn http<S>(self, stream: S, certificate: Option<PeerCertificate>, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer {
            address: self.address,
            certificate,
        };
        let closing = Closing(self.closing);
        let router = TowerToHyperService::new(self.router);
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(closing.clone());
            router.call(request)
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(1000);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::trace!(client = %self.address, %error, "the connection ended with an error");
        }
    }
}
