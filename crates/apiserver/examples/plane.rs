//! A control plane in memory with its API over TLS: `plane DIRECTORY` writes a kubeconfig there and serves until killed.

use std::path::PathBuf;
use std::sync::Arc;

use ridgeway_apiserver::{Authenticator, ControlPlane, bind, bootstrap, controllers, pki, router, serve};
use ridgeway_cluster::{Clock, SystemClock};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("name a directory")?);
    let plane = ControlPlane::in_memory(Arc::new(SystemClock));
    bootstrap(&plane).await?;
    let now = SystemClock.now();
    let pki = pki::Pki::open(&directory.join("pki"), now)?;
    let listener = bind("127.0.0.1:0".parse()?).await?;
    let server = format!("https://{}", listener.local_addr()?);
    let credential = pki::Credential::Certificate(pki.client_certificate("admin", &["system:masters"], now)?);
    pki::write_private(
        &directory.join("kubeconfig"),
        &pki.kubeconfig(&server, "admin", &credential),
    )?;
    let authenticator = Arc::new(Authenticator::new(plane.clone(), pki.token_signer()));
    let options = controllers::Options {
        root_ca: Some(pki.ca_pem().into()),
    };
    tokio::spawn(controllers::run(plane.clone(), options, std::future::pending()));
    serve(
        listener,
        router(plane, authenticator),
        Some(pki.server_config()?),
        std::future::pending(),
    )
    .await?;
    Ok(())
}
