//! Who is asking: client certificates, static tokens, service account tokens, portal sessions.
//!
//! There is no anonymous access but to the health endpoints. Secrets are compared as digests in constant time and never
//! shown; a failed attempt says what kind of credential was missing or refused, not what it contained.

mod token;

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use axum::http::{HeaderMap, header};
use base64::Engine;
use jiff::Timestamp;
use ridgeway_cluster::Identity;
use ridgeway_krm::Gvk;

use crate::plane::ControlPlane;

pub(crate) use token::{Bound, Claims};
pub use token::{ISSUER, TokenSigner};

/// A token that was made, and how long it lasts.
#[derive(Clone)]
pub struct Issued {
    /// The token: a secret.
    pub token: String,
    /// When it stops being accepted.
    pub expires: Timestamp,
}

/// Somebody who hands out tokens of their own: the portal's sessions.
pub trait Sessions: Send + Sync {
    /// Whose token this is; `None` when it is not theirs or no longer valid.
    fn identity(&self, token: &str) -> Option<Identity>;
}

/// The identity in a client certificate that the TLS layer has verified against our authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    user: String,
    groups: Vec<String>,
}

impl PeerCertificate {
    /// Reads the subject of a verified certificate: `CN` is the user, each `O` a group.
    pub fn from_der(certificate: &[u8]) -> Option<PeerCertificate> {
        let subject = ridgeway_pki::subject(certificate)?;
        (!subject.common_name.is_empty()).then_some(PeerCertificate {
            user: subject.common_name,
            groups: subject.organizations,
        })
    }
}

/// Tells who a request comes from.
pub struct Authenticator {
    plane: ControlPlane,
    signer: TokenSigner,
    tokens: RwLock<Vec<([u8; 32], Identity)>>,
    sessions: RwLock<Option<Arc<dyn Sessions>>>,
}

impl Authenticator {
    /// An authenticator over a plane (it looks up the service accounts that tokens are bound to).
    pub fn new(plane: ControlPlane, signer: TokenSigner) -> Authenticator {
        Authenticator {
            plane,
            signer,
            tokens: RwLock::default(),
            sessions: RwLock::default(),
        }
    }

    /// Accepts a static token for an identity. Only its digest is kept.
    pub fn add_token(&self, token: &str, identity: Identity) {
        self.tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((sha256(token), identity));
    }

    /// Accepts whatever tokens `sessions` knows.
    pub fn set_sessions(&self, sessions: Arc<dyn Sessions>) {
        *self.sessions.write().unwrap_or_else(PoisonError::into_inner) = Some(sessions);
    }

    /// The public keys that verify service account tokens, as a JSON Web Key Set.
    pub fn jwks(&self) -> ridgeway_doc::Value {
        self.signer.jwks()
    }

    /// Who a request comes from: its `Authorization` header, or else its client certificate.
    ///
    /// `Basic` is read as a token in the password's place, which is how Git clients send one.
    pub fn authenticate(&self, headers: &HeaderMap, peer: Option<&PeerCertificate>) -> Result<Identity, String> {
        let agent = headers
            .get(header::USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("unknown client");
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let value = value
                .to_str()
                .map_err(|_| "the Authorization header is not text".to_owned())?;
            let (scheme, credential) = value.split_once(' ').unwrap_or((value, ""));
            return match scheme.to_ascii_lowercase().as_str() {
                "bearer" => self.token(credential.trim(), agent),
                "basic" => self.token(&password(credential.trim())?, agent),
                other => Err(format!(
                    "the authorization scheme {other:?} is not known; send a bearer token"
                )),
            };
        }
        match peer {
            Some(certificate) => {
                let groups: Vec<&str> = certificate.groups.iter().map(String::as_str).collect();
                Ok(Identity::user(&certificate.user, &groups, agent))
            }
            None => Err("no credentials were sent; use the kubeconfig that this server wrote".into()),
        }
    }

    /// Whose bearer token this is.
    pub fn token(&self, token: &str, source: &str) -> Result<Identity, String> {
        let digest = sha256(token);
        {
            let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
            // Every entry is compared, so that the time taken does not tell which one it was.
            let found = tokens.iter().fold(None, |found, (known, identity)| {
                if verify_slices_are_equal(known, &digest).is_ok() {
                    Some(identity)
                } else {
                    found
                }
            });
            if let Some(identity) = found {
                return Ok(Identity {
                    source: source.into(),
                    ..identity.clone()
                });
            }
        }
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(identity) = sessions.and_then(|sessions| sessions.identity(token)) {
            return Ok(Identity {
                source: source.into(),
                ..identity
            });
        }
        if token.bytes().filter(|b| *b == b'.').count() == 2 {
            return self.service_account(token, source);
        }
        Err("the token is not known here; it may have expired or belong to another server".into())
    }

    fn service_account(&self, token: &str, source: &str) -> Result<Identity, String> {
        let Claims { kubernetes, .. } = self.signer.verify(token, self.plane.now())?;
        let (namespace, account) = (kubernetes.namespace, kubernetes.serviceaccount);
        self.must_live("ServiceAccount", &namespace, &account)?;
        if let Some(pod) = &kubernetes.pod {
            self.must_live("Pod", &namespace, pod)?;
        }
        let user = format!("system:serviceaccount:{namespace}:{}", account.name);
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}")];
        Ok(Identity {
            uid: account.uid,
            ..Identity::user(&user, &groups, source)
        })
    }

    /// A token ends with the object that it is bound to.
    fn must_live(&self, kind: &str, namespace: &str, bound: &Bound) -> Result<(), String> {
        let gone = || {
            format!(
                "the {kind} {namespace}/{} that the token was issued for is gone; request a new one",
                bound.name
            )
        };
        let kind = self
            .plane
            .kind(&Gvk::new("", "v1", kind))
            .map_err(|status| status.message)?;
        let entry = self
            .plane
            .entry(&kind, namespace, &bound.name)
            .map_err(|status| status.message)?;
        let object = crate::codec::decode(&*entry.ok_or_else(gone)?).map_err(|status| status.message)?;
        if object.root().str_at(&["metadata", "uid"]) != Some(&bound.uid) {
            return Err(gone());
        }
        Ok(())
    }

    /// A token for a service account, bound to its uid.
    pub fn issue(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        now: Timestamp,
        seconds: i64,
    ) -> Result<Issued, String> {
        self.issue_for(namespace, Bound::new(name, uid), None, &[], now, seconds)
    }

    /// The same for other audiences (empty: this server), and optionally bound to a Pod.
    pub(crate) fn issue_for(
        &self,
        namespace: &str,
        account: Bound,
        pod: Option<Bound>,
        audiences: &[String],
        now: Timestamp,
        seconds: i64,
    ) -> Result<Issued, String> {
        let claims = Claims::new(
            namespace,
            account,
            pod,
            audiences,
            now,
            seconds,
            self.plane.inner.randomness.uid(),
        );
        let expires = Timestamp::from_second(claims.exp).map_err(|_| "the lifetime is too long".to_owned())?;
        Ok(Issued {
            token: self.signer.sign(&claims)?,
            expires,
        })
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

/// The password of `Basic` credentials.
fn password(credential: &str) -> Result<String, String> {
    let bad = || "the Basic credentials are not base64 of user:password".to_owned();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(credential)
        .map_err(|_| bad())?;
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::testing::{now, plane};

    fn authenticator(plane: &ControlPlane) -> Authenticator {
        Authenticator::new(plane.clone(), TokenSigner::generate())
    }

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        headers.insert(header::USER_AGENT, HeaderValue::from_static("kubectl/v1"));
        headers
    }

    #[tokio::test]
    async fn static_tokens_by_bearer_and_basic() {
        let auth = authenticator(&plane().await);
        auth.add_token("s3cret", Identity::user("admin", &["system:masters"], ""));
        let who = auth.authenticate(&headers("Bearer s3cret"), None).unwrap();
        assert_eq!((who.name.as_str(), who.source.as_str()), ("admin", "kubectl/v1"));
        assert!(who.in_group("system:masters") && who.in_group("system:authenticated"));
        // base64 of git:s3cret
        assert_eq!(
            auth.authenticate(&headers("basic Z2l0OnMzY3JldA=="), None)
                .unwrap()
                .name,
            "admin"
        );
        for wrong in ["Bearer s3cre", "Bearer", "Basic !", "Digest x"] {
            let why = auth.authenticate(&headers(wrong), None).unwrap_err();
            assert!(!why.contains("s3cre"), "{why}");
        }
        assert!(
            auth.authenticate(&HeaderMap::new(), None).is_err(),
            "nobody is anonymous"
        );
    }

    #[tokio::test]
    async fn service_account_tokens_end_with_their_time_and_their_account() {
        let plane = plane().await;
        let auth = authenticator(&plane);
        let admin = plane.admin();
        let account = crate::testing::object("v1", "ServiceAccount", "default", "robot");
        let made = admin.create(account, Default::default()).await.unwrap();
        let uid = made.root().str_at(&["metadata", "uid"]).unwrap();
        let issued = auth.issue("default", "robot", uid, now(), 3600).unwrap();
        let who = auth.token(&issued.token, "test").unwrap();
        assert_eq!(who.name, "system:serviceaccount:default:robot");
        assert!(who.in_group("system:serviceaccounts:default"));
        let (head, _) = issued.token.rsplit_once('.').unwrap();
        assert!(
            auth.token(&format!("{head}.AAAA"), "test").is_err(),
            "a wrong signature"
        );
        assert!(
            authenticator(&plane).token(&issued.token, "test").is_err(),
            "another key"
        );
        let old = auth
            .issue(
                "default",
                "robot",
                uid,
                now() - jiff::SignedDuration::from_hours(2),
                3600,
            )
            .unwrap();
        assert!(auth.token(&old.token, "test").unwrap_err().contains("expired"));
        let foreign = auth
            .issue_for("default", Bound::new("robot", uid), None, &["vault".into()], now(), 600)
            .unwrap();
        assert!(auth.token(&foreign.token, "test").unwrap_err().contains("audience"));
        let gvk = Gvk::new("", "v1", "ServiceAccount");
        admin
            .delete(&gvk, "default", "robot", Default::default(), Default::default())
            .await
            .unwrap();
        assert!(auth.token(&issued.token, "test").unwrap_err().contains("gone"));
    }
}
