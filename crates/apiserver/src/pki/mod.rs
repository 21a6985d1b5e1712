//! Keys and certificates: the plane's own authority, its serving certificate, client certificates and kubeconfigs.
//!
//! Everything lies in one directory (`ca.crt`, `ca.key`, `serving.crt`, `serving.key`, `tokens.key`), readable by the
//! owner only. The authority's key is never replaced by itself: clients embed its certificate.

mod kubeconfig;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use ridgeway_pki::files::{load_or_make_key, make_private_directory, read, write_public};
use ridgeway_pki::{Authority, KeyPair, PublicKeyData, Serving, days_after, ends};

use crate::authn::TokenSigner;

pub use kubeconfig::Credential;
pub use ridgeway_pki::files::write_private;
pub use ridgeway_pki::{ClientCertificate, PkiError};

const CA_DAYS: i64 = 3650;
const SERVING_DAYS: i64 = 365;
const CLIENT_DAYS: i64 = 365;
/// Certificates with less time left are made anew.
const RENEW_DAYS: i64 = 30;

/// What clients call the API: this machine, and the service that Pods know.
const NAMES: &[&str] = &[
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "127.0.0.1",
    "::1",
    "10.96.0.1",
];

/// The authority and what it has issued for this plane.
pub struct Pki {
    directory: PathBuf,
    authority: Authority,
    ca_pem: String,
    serving: Arc<Serving>,
    token_key: Vec<u8>,
    token_public: Vec<u8>,
}

impl Pki {
    /// Opens the directory; makes what is missing or near its end.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Pki, PkiError> {
        make_private_directory(directory)?;
        let authority = Authority::unconstrained("ridgeway-ca", load_or_make_key(&directory.join("ca.key"))?);
        let ca_pem = lasting(&directory.join("ca.crt"), now, || authority.certificate(now, CA_DAYS))?;
        let tokens = load_or_make_key(&directory.join("tokens.key"))?;
        let files = ServingFiles::of(directory);
        let (chain, key) = files.fresh(&authority, now)?;
        Ok(Pki {
            directory: directory.to_owned(),
            authority,
            ca_pem,
            serving: Serving::new((&chain, &files.certificate), (&key, &files.key))?,
            token_key: tokens.serialize_der(),
            token_public: PublicKeyData::der_bytes(&tokens).to_vec(),
        })
    }

    /// The authority's certificate, for clients to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What signs and verifies service account tokens.
    pub fn token_signer(&self) -> TokenSigner {
        TokenSigner::new(&self.token_key, &self.token_public)
    }

    /// Renews the serving certificate when it is near its end; running listeners use the new one at once.
    pub fn renew(&self, now: Timestamp) -> Result<(), PkiError> {
        let files = ServingFiles::of(&self.directory);
        let (chain, key) = files.fresh(&self.authority, now)?;
        self.serving.replace((&chain, &files.certificate), (&key, &files.key))
    }

    /// TLS for the listener: HTTP/2 and 1.1, client certificates of this authority welcome but not demanded.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        self.serving
            .server_config(Some((&self.ca_pem, &self.directory.join("ca.crt"))))
    }

    /// A certificate by which a client proves to be a user in some groups.
    pub fn client_certificate(
        &self,
        user: &str,
        groups: &[&str],
        now: Timestamp,
    ) -> Result<ClientCertificate, PkiError> {
        // One `O` only: the generator keeps one value a type. More groups come from RBAC subjects of kind User.
        if groups.len() > 1 {
            let reason = "a client certificate carries one group; bind the others to the user by name";
            return Err(PkiError::issue(user, reason));
        }
        self.authority.client(user, groups.first().copied(), now, CLIENT_DAYS)
    }

    /// A kubeconfig for a server, with the authority embedded.
    pub fn kubeconfig(&self, server: &str, user: &str, credential: &Credential) -> String {
        kubeconfig::write(server, &self.ca_pem, user, credential)
    }
}

/// The certificate in a file, or a new one that is written there when it is missing or near its end.
fn lasting(path: &Path, now: Timestamp, make: impl FnOnce() -> Result<String, PkiError>) -> Result<String, PkiError> {
    if let Some(pem) = read(path)? {
        let end = ends(&pem, path)?.ok_or_else(|| PkiError::damaged(path, "it holds no PEM certificate"))?;
        if end > days_after(now, RENEW_DAYS) {
            return Ok(pem);
        }
    }
    let made = make()?;
    write_public(path, &made)?;
    Ok(made)
}

/// Where the serving certificate and its key are.
struct ServingFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl ServingFiles {
    fn of(directory: &Path) -> ServingFiles {
        ServingFiles {
            certificate: directory.join("serving.crt"),
            key: directory.join("serving.key"),
        }
    }

    /// Certificate and key as PEM; made when they are missing or near their end.
    fn fresh(&self, authority: &Authority, now: Timestamp) -> Result<(String, String), PkiError> {
        let key: KeyPair = load_or_make_key(&self.key)?;
        let names: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
        let certificate = lasting(&self.certificate, now, || {
            authority.server("ridgeway-apiserver", &names, &key, now, SERVING_DAYS)
        })?;
        Ok((certificate, key.serialize_pem()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ridgeway_pki::{certificates, subject};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_private_and_kept_and_the_serving_certificate_is_renewed_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pki");
        let first = Pki::open(&path, at("2026-01-01T00:00:00Z")).unwrap();
        for key in ["ca.key", "serving.key", "tokens.key"] {
            let mode = std::fs::metadata(path.join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
        let serving = std::fs::read_to_string(path.join("serving.crt")).unwrap();
        let again = Pki::open(&path, at("2026-06-01T00:00:00Z")).unwrap();
        assert_eq!(first.ca_pem(), again.ca_pem());
        assert_eq!(serving, std::fs::read_to_string(path.join("serving.crt")).unwrap());
        again.renew(at("2026-12-10T00:00:00Z")).unwrap();
        let renewed = std::fs::read_to_string(path.join("serving.crt")).unwrap();
        assert_ne!(serving, renewed);
        assert_eq!(ends(&renewed, &path).unwrap(), Some(at("2027-12-10T00:00:00Z")));
    }

    #[test]
    fn client_certificates_carry_user_and_group() {
        let directory = tempfile::tempdir().unwrap();
        let now = at("2026-01-01T00:00:00Z");
        let pki = Pki::open(directory.path(), now).unwrap();
        let client = pki.client_certificate("alice", &["team-a"], now).unwrap();
        let der = certificates(&client.cert_pem, directory.path()).unwrap().remove(0);
        let subject = subject(&der).unwrap();
        assert_eq!(
            (subject.common_name.as_str(), subject.organizations.as_slice()),
            ("alice", &["team-a".to_owned()][..])
        );
        assert!(pki.server_config().is_ok());
        assert!(pki.client_certificate("alice", &["a", "b"], now).is_err());
    }

    #[test]
    fn damaged_files_say_which_and_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.key"), "nonsense").unwrap();
        let error = Pki::open(directory.path(), at("2026-01-01T00:00:00Z"))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("ca.key is damaged") && error.contains("move it away"),
            "{error}"
        );
    }
}
