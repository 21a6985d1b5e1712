//! Keys and certificates: the plane's own authority, its serving certificate, client certificates and kubeconfigs.
//!
//! Everything lies in one directory (`ca.crt`, `ca.key`, `serving.crt`, `serving.key`, `tokens.key`), readable by the
//! owner only. The authority's key is never replaced by itself: clients embed its certificate.

pub(crate) mod der;
mod kubeconfig;

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::authn::TokenSigner;

pub use der::not_after;
pub use kubeconfig::Credential;

const CA_DAYS: i64 = 3650;
const SERVING_DAYS: i64 = 365;
const CLIENT_DAYS: i64 = 365;
/// Certificates with less time left are made anew.
const RENEW_DAYS: i64 = 30;

/// Why keys or certificates are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}; check that the data directory is writable by this user", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is there, but is not what it should be.
    #[error("{path} is damaged ({reason}); move it away and start again: a new one is made, and clients need the new kubeconfig", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate for {subject}: {reason}")]
    Issue {
        /// For whom.
        subject: String,
        /// Why not.
        reason: String,
    },
}

/// A client's certificate with its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate.
    pub cert_pem: String,
    /// Its private key: a secret.
    pub key_pem: String,
}

/// The authority and what it has issued for this plane.
pub struct Pki {
    directory: PathBuf,
    ca_pem: String,
    ca_key: KeyPair,
    serving: Arc<Serving>,
    token_key: Vec<u8>,
    token_public: Vec<u8>,
}

/// The serving certificate in use; renewed without a restart.
#[derive(Debug)]
struct Serving(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Pki {
    /// Opens the directory; makes what is missing or near its end.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Pki, PkiError> {
        make_private_directory(directory)?;
        let ca_key = load_or_make_key(&directory.join("ca.key"))?;
        let ca_path = directory.join("ca.crt");
        let ca_pem = match read(&ca_path)? {
            Some(pem) if lasts(&pem, &ca_path, now, RENEW_DAYS)? => pem,
            _ => {
                let mut params = ca_params();
                set_validity(&mut params, now, CA_DAYS);
                let made = params
                    .self_signed(&ca_key)
                    .map_err(|e| issue("the authority", e))?
                    .pem();
                write_file(&ca_path, &made, 0o644)?;
                made
            }
        };
        let tokens = load_or_make_key(&directory.join("tokens.key"))?;
        let placeholder = serving_certificate(directory, &ca_key, now)?;
        Ok(Pki {
            directory: directory.to_owned(),
            ca_pem,
            ca_key,
            serving: Arc::new(Serving(RwLock::new(Arc::new(placeholder)))),
            token_key: tokens.serialize_der(),
            token_public: rcgen::PublicKeyData::der_bytes(&tokens).to_vec(),
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
        let fresh = serving_certificate(&self.directory, &self.ca_key, now)?;
        *self.serving.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// TLS for the listener: HTTP/2 and 1.1, client certificates of this authority welcome but not demanded.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        let fail = |reason: String| PkiError::Issue {
            subject: "the listener".into(),
            reason,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).map_err(|e| fail(e.to_string()))?;
        roots.add(ca).map_err(|e| fail(e.to_string()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|e| fail(e.to_string()))?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| fail(e.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.serving.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// A certificate by which a client proves to be a user in some groups.
    pub fn client_certificate(
        &self,
        user: &str,
        groups: &[&str],
        now: Timestamp,
    ) -> Result<ClientCertificate, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        // One `O` only: the generator keeps one value a type. More groups come from RBAC subjects of kind User.
        if let [group, ..] = groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        if groups.len() > 1 {
            return Err(PkiError::Issue {
                subject: user.into(),
                reason: "a client certificate carries one group; bind the others to the user by name".into(),
            });
        }
        params.distinguished_name.push(DnType::CommonName, user);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, now, CLIENT_DAYS);
        let key = KeyPair::generate().map_err(|e| issue(user, e))?;
        let issuer = Issuer::new(ca_params(), &self.ca_key);
        let certificate = params.signed_by(&key, &issuer).map_err(|e| issue(user, e))?;
        Ok(ClientCertificate {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// A kubeconfig for a server, with the authority embedded.
    pub fn kubeconfig(&self, server: &str, user: &str, credential: &Credential) -> String {
        kubeconfig::write(server, &self.ca_pem, user, credential)
    }
}

fn issue(subject: &str, error: rcgen::Error) -> PkiError {
    PkiError::Issue {
        subject: subject.into(),
        reason: error.to_string(),
    }
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PkiError {
    let path = path.to_owned();
    move |source| PkiError::File { action, path, source }
}

/// The same at every start, so that the authority can sign again without reading its own certificate.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "ridgeway-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // An hour of slack for clocks that go a little behind.
    let from = now.as_second().saturating_sub(3600).max(0).unsigned_abs();
    let until = now.as_second().saturating_add(days * 86_400).max(0).unsigned_abs();
    params.not_before = epoch + Duration::from_secs(from);
    params.not_after = epoch + Duration::from_secs(until);
}

/// The serving certificate on disk, or a new one.
fn serving_certificate(directory: &Path, ca_key: &KeyPair, now: Timestamp) -> Result<CertifiedKey, PkiError> {
    let (cert_path, key_path) = (directory.join("serving.crt"), directory.join("serving.key"));
    let key = load_or_make_key(&key_path)?;
    let pem = match read(&cert_path)? {
        Some(pem) if lasts(&pem, &cert_path, now, RENEW_DAYS)? => pem,
        _ => {
            let made = issue_serving(&key, ca_key, now)?;
            write_file(&cert_path, &made, 0o644)?;
            made
        }
    };
    let damaged = |reason: String| PkiError::Damaged {
        path: cert_path.clone(),
        reason,
    };
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| damaged(e.to_string()))?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    CertifiedKey::from_der(
        vec![certificate],
        private,
        &rustls::crypto::aws_lc_rs::default_provider(),
    )
    .map_err(|e| damaged(format!("certificate and serving.key do not belong together: {e}")))
}

fn issue_serving(key: &KeyPair, ca_key: &KeyPair, now: Timestamp) -> Result<String, PkiError> {
    let names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let fail = |e| issue("the serving certificate", e);
    let mut params = CertificateParams::new(names.map(String::from).to_vec()).map_err(fail)?;
    for address in [
        IpAddr::from([127, 0, 0, 1]),
        IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
        IpAddr::from([10, 96, 0, 1]),
    ] {
        params.subject_alt_names.push(SanType::IpAddress(address));
    }
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "ridgeway-apiserver");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, SERVING_DAYS);
    let issuer = Issuer::new(ca_params(), ca_key);
    Ok(params.signed_by(key, &issuer).map_err(fail)?.pem())
}

/// Whether a certificate is valid for some days more.
fn lasts(pem: &str, path: &Path, now: Timestamp, days: i64) -> Result<bool, PkiError> {
    let damaged = |reason: &str| PkiError::Damaged {
        path: path.to_owned(),
        reason: reason.into(),
    };
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| damaged("it holds no PEM certificate"))?;
    let subject = der::subject(&der).ok_or_else(|| damaged("it holds no X.509 certificate"))?;
    let needed = now.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(now);
    Ok(subject.not_after > needed)
}

fn load_or_make_key(path: &Path) -> Result<KeyPair, PkiError> {
    if let Some(pem) = read(path)? {
        return KeyPair::from_pem(&pem).map_err(|e| PkiError::Damaged {
            path: path.to_owned(),
            reason: format!("no private key in PEM form: {e}"),
        });
    }
    let key = KeyPair::generate().map_err(|e| issue("a new key", e))?;
    write_private(path, &key.serialize_pem())?;
    Ok(key)
}

fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("read", path)(error)),
    }
}

fn make_private_directory(path: &Path) -> Result<(), PkiError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(file("create", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(file("protect", path))
}

/// Writes a file that only its owner may read, in one step.
pub fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    write_file(path, text, 0o600)
}

fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // A left-over of an earlier crash may have other permissions.
    let _ = std::fs::remove_file(&temporary);
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(file("create", &temporary))?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .map_err(file("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(file("put in place", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
        let der = CertificateDer::from_pem_slice(renewed.as_bytes()).unwrap();
        assert_eq!(der::subject(&der).unwrap().not_after, at("2027-12-10T00:00:00Z"));
    }

    #[test]
    fn client_certificates_carry_user_and_group() {
        let directory = tempfile::tempdir().unwrap();
        let now = at("2026-01-01T00:00:00Z");
        let pki = Pki::open(directory.path(), now).unwrap();
        let client = pki.client_certificate("alice", &["team-a"], now).unwrap();
        let der = CertificateDer::from_pem_slice(client.cert_pem.as_bytes()).unwrap();
        let subject = der::subject(&der).unwrap();
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
