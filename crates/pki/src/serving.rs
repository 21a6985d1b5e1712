//! The certificate that listeners show, exchanged while they run.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use crate::{PkiError, certificates};

/// The certificate and key in use.
#[derive(Debug)]
pub struct Serving(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// A chain and its key, from PEM texts that were read from the given files.
fn certified(chain: (&str, &Path), key: (&str, &Path)) -> Result<CertifiedKey, PkiError> {
    let private = PrivateKeyDer::from_pem_slice(key.0.as_bytes())
        .map_err(|error| PkiError::damaged(key.1, format!("no private key: {error}")))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(certificates(chain.0, chain.1)?, private, &provider).map_err(|error| {
        let file = key.1.file_name().unwrap_or_default().to_string_lossy();
        PkiError::damaged(chain.1, format!("it and {file} do not belong together: {error}"))
    })
}

impl Serving {
    /// What listeners show from now on. Each text comes with the file that it was read from.
    ///
    /// # Errors
    /// [`PkiError::Damaged`].
    pub fn new(chain: (&str, &Path), key: (&str, &Path)) -> Result<Arc<Serving>, PkiError> {
        Ok(Arc::new(Serving(RwLock::new(Arc::new(certified(chain, key)?)))))
    }

    /// Shows another one; running listeners use it for their next connection.
    ///
    /// # Errors
    /// [`PkiError::Damaged`]; then the one before stays.
    pub fn replace(&self, chain: (&str, &Path), key: (&str, &Path)) -> Result<(), PkiError> {
        let fresh = Arc::new(certified(chain, key)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// TLS for a listener: HTTP/2 and 1.1. With `clients` (PEM and its file), certificates of those authorities are
    /// welcome but not demanded; others end the handshake.
    ///
    /// # Errors
    /// [`PkiError::Issue`] or [`PkiError::Damaged`].
    pub fn server_config(self: &Arc<Self>, clients: Option<(&str, &Path)>) -> Result<Arc<ServerConfig>, PkiError> {
        let fail = |reason: String| PkiError::issue("the listener", reason);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| fail(error.to_string()))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some((pem, path)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem, path)? {
                    roots.add(certificate).map_err(|error| fail(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| fail(format!("{}: {error}", path.display())))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
