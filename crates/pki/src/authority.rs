//! An authority and what it issues.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::PkiError;

/// A key that signs under a name. Its own certificate is not needed for that: the name and the key say all of it.
pub struct Authority {
    name: String,
    key: KeyPair,
    /// How many authorities may stand below it.
    constraint: BasicConstraints,
}

/// A client's certificate with its key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate.
    pub cert_pem: String,
    /// Its private key: a secret.
    pub key_pem: String,
}

fn named(name: &str) -> DistinguishedName {
    let mut out = DistinguishedName::new();
    out.push(DnType::CommonName, name);
    out
}

/// An hour of slack for clocks that go a little behind.
const SLACK_SECONDS: i64 = 3600;

fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |seconds: i64| Duration::from_secs(seconds.max(0).unsigned_abs());
    params.not_before = epoch + since_epoch(now.as_second().saturating_sub(SLACK_SECONDS));
    params.not_after = epoch + since_epoch(now.as_second().saturating_add(days * 86_400));
}

impl Authority {
    /// An authority whose certificates sign no further authorities.
    pub fn new(name: &str, key: KeyPair) -> Authority {
        Authority {
            name: name.to_owned(),
            key,
            constraint: BasicConstraints::Constrained(0),
        }
    }

    /// An authority that may have others below it.
    pub fn unconstrained(name: &str, key: KeyPair) -> Authority {
        Authority {
            constraint: BasicConstraints::Unconstrained,
            ..Authority::new(name, key)
        }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&self.name);
        params.is_ca = IsCa::Ca(self.constraint);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params
    }

    /// Its own certificate, as PEM.
    ///
    /// # Errors
    /// [`PkiError::Issue`].
    pub fn certificate(&self, now: Timestamp, days: i64) -> Result<String, PkiError> {
        let mut params = self.params();
        set_validity(&mut params, now, days);
        let made = params.self_signed(&self.key);
        Ok(made.map_err(|error| PkiError::issue("the authority", error))?.pem())
    }

    fn sign(&self, subject: &str, params: &CertificateParams, key: &KeyPair) -> Result<String, PkiError> {
        let issuer = Issuer::new(self.params(), &self.key);
        let made = params.signed_by(key, &issuer);
        Ok(made.map_err(|error| PkiError::issue(subject, error))?.pem())
    }

    /// A certificate for a server of these names (DNS names and addresses), as PEM.
    ///
    /// # Errors
    /// [`PkiError::Issue`] when a name is none.
    pub fn server(
        &self,
        common_name: &str,
        names: &[String],
        key: &KeyPair,
        now: Timestamp,
        days: i64,
    ) -> Result<String, PkiError> {
        let (mut dns, mut addresses) = (Vec::new(), Vec::new());
        for name in names {
            match name.parse::<IpAddr>() {
                Ok(address) => addresses.push(SanType::IpAddress(address)),
                Err(_) => dns.push(name.clone()),
            }
        }
        let subject = names.join(", ");
        let mut params = CertificateParams::new(dns).map_err(|error| PkiError::issue(&subject, error))?;
        params.subject_alt_names.extend(addresses);
        params.distinguished_name = named(common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, days);
        self.sign(&subject, &params, key)
    }

    /// A certificate with a new key by which a client proves to be a user in a group.
    ///
    /// # Errors
    /// [`PkiError::Issue`].
    pub fn client(
        &self,
        user: &str,
        group: Option<&str>,
        now: Timestamp,
        days: i64,
    ) -> Result<ClientCertificate, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.distinguished_name.push(DnType::CommonName, user);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, now, days);
        let key = KeyPair::generate().map_err(|error| PkiError::issue(user, error))?;
        Ok(ClientCertificate {
            cert_pem: self.sign(user, &params, &key)?,
            key_pem: key.serialize_pem(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{certificates, days_after, ends, subject};

    #[test]
    fn what_is_issued_says_for_whom_and_until_when() {
        let authority = Authority::new("test-ca", KeyPair::generate().unwrap());
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let path = Path::new("x");
        let own = authority.certificate(now, 10).unwrap();
        assert_eq!(ends(&own, path).unwrap(), Some(days_after(now, 10)));
        let client = authority.client("alice", Some("team-a"), now, 2).unwrap();
        let said = subject(&certificates(&client.cert_pem, path).unwrap()[0]).unwrap();
        assert_eq!(
            (said.common_name.as_str(), said.organizations.as_slice(), said.not_after),
            ("alice", &["team-a".to_owned()][..], days_after(now, 2))
        );
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "::1".to_owned()];
        let server = authority.server("web", &names, &key, now, 3).unwrap();
        let said = subject(&certificates(&server, path).unwrap()[0]).unwrap();
        assert_eq!((said.common_name.as_str(), said.not_after), ("web", days_after(now, 3)));
        let bad = authority
            .server("web", &["é".to_owned()], &key, now, 3)
            .unwrap_err()
            .to_string();
        assert!(bad.starts_with("cannot make a certificate for é"), "{bad}");
    }

    #[test]
    fn texts_without_certificates() {
        let path = Path::new("tls.crt");
        assert_eq!(ends("", path).unwrap(), None);
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let said = ends(pem, path).unwrap_err().to_string();
        assert!(said.starts_with("tls.crt is damaged (it holds no X.509"), "{said}");
    }
}
