//! Keys and certificates in files: authorities, what they issue, and TLS listeners that renew without a restart.
//!
//! Must not know: whom the certificates are for, the Kubernetes API, HTTP, networks.
//!
//! An [`Authority`] is a key and a name; what it signs is given back as PEM, and whoever asked decides where it lies and
//! when it is due ([`ends`]). [`files`] writes keys so that only their owner reads them and half a file is never seen.
//! [`Serving`] is what listeners hold.

mod authority;
mod der;
mod error;
pub mod files;
mod serving;

pub use authority::{Authority, ClientCertificate};
pub use der::{Subject, not_after, subject};
pub use error::PkiError;
pub use rcgen::{KeyPair, PublicKeyData};
pub use serving::Serving;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The certificates in a PEM text; `path` is where it was read.
///
/// # Errors
/// [`PkiError::Damaged`] when something in it is none.
pub fn certificates(pem: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| PkiError::damaged(path, format!("no certificate in PEM form: {error}")))
}

/// When the first certificate of a PEM text ends; `None` when the text is empty.
///
/// # Errors
/// [`PkiError::Damaged`] when it holds something else than certificates.
pub fn ends(pem: &str, path: &Path) -> Result<Option<Timestamp>, PkiError> {
    let Some(first) = certificates(pem, path)?.into_iter().next() else {
        return Ok(None);
    };
    let end = not_after(&first).ok_or_else(|| PkiError::damaged(path, "it holds no X.509 certificate"))?;
    Ok(Some(end))
}

/// The moment so many days later.
pub fn days_after(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(now)
}
