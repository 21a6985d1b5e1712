//! The webhook's authority and serving certificate: made, renewed, or brought by somebody else.
//!
//! A directory without `ca.key` but with `tls.crt` and `tls.key` (a mounted Secret, cert-manager) is only read. In any
//! other the authority lasts ten years and the serving certificate ninety days. The authority is renewed with its own
//! key a year before its end, so that the bundle that stands in a cluster goes on verifying while it is exchanged.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use ridgeway_apiserver::pki::{not_after, write_private};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

const CA_DAYS: i64 = 3650;
const CA_RENEW_DAYS: i64 = 365;
const SERVING_DAYS: i64 = 90;
const SERVING_RENEW_DAYS: i64 = 30;

/// Why certificates are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {fault}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        fault: String,
    },
    /// A file is there, but is not what it should be.
    #[error("{path} is damaged ({fault}); move it away: a new one is made, and the cluster needs the new manifests", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate for {subject}: {fault}")]
    Issue {
        /// For whom.
        subject: String,
        /// Why not.
        fault: String,
    },
}

/// The serving certificate in use; renewed without a restart.
#[derive(Debug)]
struct Serving(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The certificates in one directory.
pub struct Certificates {
    directory: PathBuf,
    names: Vec<String>,
    serving: Arc<Serving>,
    state: RwLock<State>,
}

#[derive(Clone)]
struct State {
    bundle: String,
    not_after: Timestamp,
}

impl Certificates {
    /// Opens a directory for a server of these names (DNS names and addresses); makes what is missing or near its end.
    pub fn open(directory: &Path, names: &[String], now: Timestamp) -> Result<Certificates, PkiError> {
        let (state, key) = load(directory, names, now)?;
        Ok(Certificates {
            directory: directory.to_owned(),
            names: names.to_vec(),
            serving: Arc::new(Serving(RwLock::new(Arc::new(key)))),
            state: RwLock::new(state),
        })
    }

    /// Makes and reads again what is due; running listeners use the new certificate at once.
    pub fn renew(&self, now: Timestamp) -> Result<(), PkiError> {
        let (state, key) = load(&self.directory, &self.names, now)?;
        *self.serving.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The authorities that an API server shall trust, as PEM: the webhook configurations' `caBundle`.
    pub fn bundle(&self) -> String {
        self.state().bundle
    }

    /// When the serving certificate ends.
    pub fn not_after(&self) -> Timestamp {
        self.state().not_after
    }

    /// TLS for the listener. With `clients`, client certificates of that authority are verified; the router demands
    /// them for reviews.
    pub fn server_config(&self, clients: Option<&Path>) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        let fail = |fault: String| PkiError::Issue {
            subject: "the listener".into(),
            fault,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| fail(e.to_string()))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(&read(path)?.unwrap_or_default(), path)? {
                    roots.add(certificate).map_err(|e| fail(e.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|e| fail(format!("{}: {e}", path.display())))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(self.serving.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn load(directory: &Path, names: &[String], now: Timestamp) -> Result<(State, CertifiedKey), PkiError> {
    let at = |name: &str| directory.join(name);
    let brought = !at("ca.key").exists() && at("tls.crt").exists() && at("tls.key").exists();
    let bundle = if brought {
        read(&at("ca.crt"))?.unwrap_or_default()
    } else {
        own(directory, names, now)?
    };
    let (cert_path, key_path) = (at("tls.crt"), at("tls.key"));
    let damaged = |path: &Path, fault: String| PkiError::Damaged {
        path: path.to_owned(),
        fault,
    };
    let chain = certificates(&read(&cert_path)?.unwrap_or_default(), &cert_path)?;
    let not_after = chain.first().and_then(|c| not_after(c));
    let not_after = not_after.ok_or_else(|| damaged(&cert_path, "it holds no X.509 certificate".into()))?;
    let key = read(&key_path)?.unwrap_or_default();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|e| damaged(&key_path, format!("no private key: {e}")))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|e| damaged(&cert_path, format!("it and tls.key do not belong together: {e}")))?;
    Ok((State { bundle, not_after }, key))
}

/// Makes what is missing or due of an own authority; gives the bundle.
fn own(directory: &Path, names: &[String], now: Timestamp) -> Result<String, PkiError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| PkiError::File {
            action: "create",
            path: directory.to_owned(),
            fault: error.to_string(),
        })?;
    let at = |name: &str| directory.join(name);
    let ca_key = load_or_make_key(&at("ca.key"))?;
    let ca_path = at("ca.crt");
    let mut bundle = read(&ca_path)?.unwrap_or_default();
    let ends = certificates(&bundle, &ca_path)?
        .iter()
        .filter_map(|c| not_after(c))
        .max();
    if ends.is_none_or(|end| end <= after(now, CA_RENEW_DAYS)) {
        let mut params = ca_params();
        set_validity(&mut params, now, CA_DAYS);
        let made = params.self_signed(&ca_key).map_err(|e| issue("the authority", &e))?;
        // The older one stays in the bundle until it has ended.
        bundle = format!("{}{}", made.pem(), bundle);
        write(&ca_path, &bundle)?;
    }
    let key_path = at("tls.key");
    let key = load_or_make_key(&key_path)?;
    let (cert_path, names_path) = (at("tls.crt"), at("tls.names"));
    let current = read(&cert_path)?.unwrap_or_default();
    let ends = certificates(&current, &cert_path)?.first().and_then(|c| not_after(c));
    let wanted = names.join("\n");
    let same = read(&names_path)?.is_some_and(|known| known == wanted);
    if !same || ends.is_none_or(|end| end <= after(now, SERVING_RENEW_DAYS)) {
        write(&cert_path, &serving(&key, &ca_key, names, now)?)?;
        write(&names_path, &wanted)?;
    }
    Ok(bundle)
}

fn serving(key: &KeyPair, ca_key: &KeyPair, names: &[String], now: Timestamp) -> Result<String, PkiError> {
    let (mut dns, mut addresses) = (Vec::new(), Vec::new());
    for name in names {
        match name.parse::<IpAddr>() {
            Ok(address) => addresses.push(SanType::IpAddress(address)),
            Err(_) => dns.push(name.clone()),
        }
    }
    let fail = |e: rcgen::Error| issue(&names.join(", "), &e);
    let mut params = CertificateParams::new(dns).map_err(fail)?;
    params.subject_alt_names.extend(addresses);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "ridgeway-webhook");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, SERVING_DAYS);
    let issuer = Issuer::new(ca_params(), ca_key);
    Ok(params.signed_by(key, &issuer).map_err(fail)?.pem())
}

/// The same each time, so that the authority can sign again without reading its own certificate.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "ridgeway-webhook-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
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

fn after(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(now)
}

fn issue(subject: &str, error: &rcgen::Error) -> PkiError {
    PkiError::Issue {
        subject: subject.into(),
        fault: error.to_string(),
    }
}

fn load_or_make_key(path: &Path) -> Result<KeyPair, PkiError> {
    if let Some(pem) = read(path)? {
        return KeyPair::from_pem(&pem).map_err(|error| PkiError::Damaged {
            path: path.to_owned(),
            fault: format!("no private key in PEM form: {error}"),
        });
    }
    let key = KeyPair::generate().map_err(|error| issue("a new key", &error))?;
    write(path, &key.serialize_pem())?;
    Ok(key)
}

fn write(path: &Path, text: &str) -> Result<(), PkiError> {
    write_private(path, text).map_err(|error| PkiError::File {
        action: "write",
        path: path.to_owned(),
        fault: error.to_string(),
    })
}

fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::File {
            action: "read",
            path: path.to_owned(),
            fault: error.to_string(),
        }),
    }
}

fn certificates(pem: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| PkiError::Damaged {
            path: path.to_owned(),
            fault: format!("no certificate in PEM form: {error}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn names() -> Vec<String> {
        vec!["localhost".into(), "127.0.0.1".into()]
    }

    #[test]
    fn certificates_are_made_kept_and_renewed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("certs");
        let begin = at("2026-01-01T00:00:00Z");
        let certificates = Certificates::open(&directory, &names(), begin).unwrap();
        assert_eq!(certificates.not_after(), at("2026-04-01T00:00:00Z"));
        let mode = std::fs::metadata(directory.join("tls.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let serving = || std::fs::read_to_string(directory.join("tls.crt")).unwrap();
        let (bundle, first) = (certificates.bundle(), serving());
        certificates.renew(at("2026-01-20T00:00:00Z")).unwrap();
        assert_eq!(serving(), first);
        // Less than thirty days are left.
        certificates.renew(at("2026-03-10T00:00:00Z")).unwrap();
        assert_ne!(serving(), first);
        assert_eq!(certificates.not_after(), at("2026-06-08T00:00:00Z"));
        assert_eq!(certificates.bundle(), bundle);
        // The authority's last year: a new certificate for the same key comes beside the old one.
        certificates.renew(at("2035-06-01T00:00:00Z")).unwrap();
        let both = certificates.bundle();
        assert!(
            both.ends_with(&bundle) && both.matches("BEGIN CERTIFICATE").count() == 2,
            "{both}"
        );
    }

    #[test]
    fn other_names_need_another_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-01-01T00:00:00Z");
        let serving = || std::fs::read_to_string(folder.path().join("tls.crt")).unwrap();
        Certificates::open(folder.path(), &names(), now).unwrap();
        let first = serving();
        Certificates::open(folder.path(), &names(), now).unwrap();
        assert_eq!(serving(), first);
        Certificates::open(folder.path(), &["hook.example.org".into()], now).unwrap();
        assert_ne!(serving(), first);
    }

    #[test]
    fn certificates_that_somebody_brings_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let now = at("2026-01-01T00:00:00Z");
        Certificates::open(folder.path(), &names(), now).unwrap();
        std::fs::remove_file(folder.path().join("ca.key")).unwrap();
        let before = std::fs::read_to_string(folder.path().join("tls.crt")).unwrap();
        let late = Certificates::open(folder.path(), &["other".into()], at("2026-03-30T00:00:00Z")).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("tls.crt")).unwrap(), before);
        assert_eq!(late.not_after(), at("2026-04-01T00:00:00Z"));
        std::fs::write(folder.path().join("tls.crt"), "nothing").unwrap();
        let said = late.renew(now).unwrap_err().to_string();
        assert!(said.contains("tls.crt is damaged"), "{said}");
    }
}
