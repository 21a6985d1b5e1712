//! The webhook's authority and serving certificate: made, renewed, or brought by somebody else.
//!
//! A directory without `ca.key` but with `tls.crt` and `tls.key` (a mounted Secret, cert-manager) is only read. In any
//! other the authority lasts ten years and the serving certificate ninety days. The authority is renewed with its own
//! key a year before its end, so that the bundle that stands in a cluster goes on verifying while it is exchanged.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
pub use ridgeway_pki::PkiError;
use ridgeway_pki::files::{load_or_make_key, make_private_directory, read, write_private};
use ridgeway_pki::{Authority, Serving, certificates, days_after, ends, not_after};

const CA_DAYS: i64 = 3650;
const CA_RENEW_DAYS: i64 = 365;
const SERVING_DAYS: i64 = 90;
const SERVING_RENEW_DAYS: i64 = 30;

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
        let loaded = Loaded::from(directory, names, now)?;
        Ok(Certificates {
            directory: directory.to_owned(),
            names: names.to_vec(),
            serving: Serving::new(
                (&loaded.chain, &directory.join("tls.crt")),
                (&loaded.key, &directory.join("tls.key")),
            )?,
            state: RwLock::new(loaded.state),
        })
    }

    /// Makes and reads again what is due; running listeners use the new certificate at once.
    pub fn renew(&self, now: Timestamp) -> Result<(), PkiError> {
        let loaded = Loaded::from(&self.directory, &self.names, now)?;
        self.serving.replace(
            (&loaded.chain, &self.directory.join("tls.crt")),
            (&loaded.key, &self.directory.join("tls.key")),
        )?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = loaded.state;
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
        let Some(path) = clients else {
            return self.serving.server_config(None);
        };
        let pem = read(path)?.ok_or_else(|| PkiError::damaged(path, "there is no such file"))?;
        self.serving.server_config(Some((&pem, path)))
    }
}

/// What lies in the directory.
struct Loaded {
    state: State,
    chain: String,
    key: String,
}

impl Loaded {
    fn from(directory: &Path, names: &[String], now: Timestamp) -> Result<Loaded, PkiError> {
        let at = |name: &str| directory.join(name);
        let brought = !at("ca.key").exists() && at("tls.crt").exists() && at("tls.key").exists();
        let bundle = if brought {
            read(&at("ca.crt"))?.unwrap_or_default()
        } else {
            own(directory, names, now)?
        };
        let chain = read(&at("tls.crt"))?.unwrap_or_default();
        let not_after = ends(&chain, &at("tls.crt"))?;
        let not_after = not_after.ok_or_else(|| PkiError::damaged(&at("tls.crt"), "it holds no X.509 certificate"))?;
        Ok(Loaded {
            state: State { bundle, not_after },
            chain,
            key: read(&at("tls.key"))?.unwrap_or_default(),
        })
    }
}

/// Makes what is missing or due of an own authority; gives the bundle.
fn own(directory: &Path, names: &[String], now: Timestamp) -> Result<String, PkiError> {
    make_private_directory(directory)?;
    let at = |name: &str| directory.join(name);
    let authority = Authority::new("ridgeway-webhook-ca", load_or_make_key(&at("ca.key"))?);
    let ca_path = at("ca.crt");
    let mut bundle = read(&ca_path)?.unwrap_or_default();
    let last = certificates(&bundle, &ca_path)?
        .iter()
        .filter_map(|c| not_after(c))
        .max();
    if last.is_none_or(|end| end <= days_after(now, CA_RENEW_DAYS)) {
        // The older one stays in the bundle until it has ended.
        bundle = format!("{}{bundle}", authority.certificate(now, CA_DAYS)?);
        write_private(&ca_path, &bundle)?;
    }
    let key = load_or_make_key(&at("tls.key"))?;
    let (cert_path, names_path) = (at("tls.crt"), at("tls.names"));
    let end = ends(&read(&cert_path)?.unwrap_or_default(), &cert_path)?;
    let wanted = names.join("\n");
    let same = read(&names_path)?.is_some_and(|known| known == wanted);
    if !same || end.is_none_or(|end| end <= days_after(now, SERVING_RENEW_DAYS)) {
        let made = authority.server("ridgeway-webhook", names, &key, now, SERVING_DAYS)?;
        write_private(&cert_path, &made)?;
        write_private(&names_path, &wanted)?;
    }
    Ok(bundle)
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
