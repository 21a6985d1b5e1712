//! Service account tokens: JSON Web Tokens signed with ES256, with Kubernetes' claims.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ridgeway_doc::Value;
use serde::{Deserialize, Serialize};

/// Who issues the tokens, and the audience that this server accepts.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 10;

/// An object that a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Bound {
    pub(crate) fn new(name: &str, uid: &str) -> Bound {
        Bound {
            name: name.into(),
            uid: uid.into(),
        }
    }
}

/// The `kubernetes.io` claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: String,
    pub(crate) serviceaccount: Bound,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Bound>,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Vec<String>,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Kubernetes,
}

impl Claims {
    pub(crate) fn new(
        namespace: &str,
        account: Bound,
        pod: Option<Bound>,
        audiences: &[String],
        now: Timestamp,
        seconds: i64,
        id: String,
    ) -> Claims {
        let from = now.as_second();
        Claims {
            iss: ISSUER.into(),
            sub: format!("system:serviceaccount:{namespace}:{}", account.name),
            aud: if audiences.is_empty() {
                vec![ISSUER.into()]
            } else {
                audiences.to_vec()
            },
            iat: from,
            nbf: from,
            exp: from.saturating_add(seconds),
            jti: id,
            kubernetes: Kubernetes {
                namespace: namespace.into(),
                serviceaccount: account,
                pod,
            },
        }
    }
}

/// The key that signs and verifies tokens.
pub struct TokenSigner {
    signing: EncodingKey,
    verifying: DecodingKey,
    /// The uncompressed point: 4, x, y.
    public: Vec<u8>,
    key_id: String,
}

impl TokenSigner {
    /// A signer from a P-256 key: PKCS#8, and the public point in uncompressed form.
    pub fn new(pkcs8: &[u8], public: &[u8]) -> TokenSigner {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public);
        TokenSigner {
            signing: EncodingKey::from_ec_der(pkcs8),
            verifying: DecodingKey::from_ec_der(public),
            public: public.to_vec(),
            key_id: URL_SAFE_NO_PAD.encode(digest.as_ref()),
        }
    }

    /// A signer with a fresh key that lives as long as the process: for tests and simulations.
    pub fn generate() -> TokenSigner {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .expect("the operating system's random generator works, or nothing here is safe");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref())
            .expect("the key was just made in this very form");
        TokenSigner::new(pkcs8.as_ref(), pair.public_key().as_ref())
    }

    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, String> {
        let header = Header {
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &self.signing)
            .map_err(|error| format!("the token cannot be signed: {error}"))
    }

    /// Checks signature, issuer, audience and times.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, String> {
        let mut validation = Validation::new(Algorithm::ES256);
        // Times are checked below, against the clock that was passed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_issuer(&[ISSUER]);
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &validation)
            .map_err(|error| format!("the service account token is not valid here: {error}"))?
            .claims;
        if !claims.aud.iter().any(|audience| audience == ISSUER) {
            return Err(format!(
                "the token's audience is {}, not this server",
                claims.aud.join(", ")
            ));
        }
        let now = now.as_second();
        if claims.exp <= now {
            return Err("the token has expired; request a new one (`kubectl create token`)".into());
        }
        if claims.nbf > now + LEEWAY {
            return Err("the token is not valid yet; compare the clocks of client and server".into());
        }
        let account = &claims.kubernetes;
        if claims.sub
            != format!(
                "system:serviceaccount:{}:{}",
                account.namespace, account.serviceaccount.name
            )
        {
            return Err("the token contradicts itself about its service account".into());
        }
        Ok(claims)
    }

    pub(crate) fn jwks(&self) -> Value {
        let coordinate = |from: usize, to: usize| URL_SAFE_NO_PAD.encode(self.public.get(from..to).unwrap_or_default());
        let mut key = Value::object();
        for (name, value) in [
            ("kty", "EC".to_owned()),
            ("crv", "P-256".to_owned()),
            ("alg", "ES256".to_owned()),
            ("use", "sig".to_owned()),
            ("kid", self.key_id.clone()),
            ("x", coordinate(1, 33)),
            ("y", coordinate(33, 65)),
        ] {
            key.set(&[name], value);
        }
        let mut keys = Value::object();
        keys.set(&["keys"], [key].into_iter().collect::<Value>());
        keys
    }
}
