//! Keys: from PEM, certificates and JSON Web Keys; checking and making signatures.

use aws_lc_rs::signature::{self as sig, KeyPair as _, UnparsedPublicKey};
use aws_lc_rs::{hmac, rand};

use super::super::error::Fault;
use super::super::value::Value;
use super::der::{self, Element, SEQUENCE};
use super::encoding::from_base64url;

/// A public key, or a secret.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) alg: Option<String>,
    pub(super) material: Material,
}

#[derive(Clone, Debug)]
pub(super) enum Material {
    /// `RSAPublicKey` in DER.
    Rsa(Vec<u8>),
    /// An uncompressed point.
    Ec(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

/// The key within a `SubjectPublicKeyInfo`.
pub(super) fn of_spki(spki: &Element<'_>) -> Option<Material> {
    let parts = spki.is(SEQUENCE)?.children();
    let oid = parts.first()?.children().first()?.oid()?;
    let bits = parts.get(1)?.bits()?.to_vec();
    Some(match oid.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => Material::Rsa(bits),
        "1.2.840.10045.2.1" => Material::Ec(bits),
        "1.3.101.112" => Material::Ed25519(bits),
        _ => return None,
    })
}

/// The `SubjectPublicKeyInfo` of a certificate.
pub(super) fn spki_of_certificate(der: &[u8]) -> Option<Element<'_>> {
    let tbs = *der::element(der)?.0.is(SEQUENCE)?.children().first()?;
    let mut parts = tbs.is(SEQUENCE)?.children();
    if parts.first()?.tag == 0xa0 {
        parts.remove(0);
    }
    parts.get(5).copied()
}

/// The keys of a certificate, a public key or a set of JSON Web Keys.
pub(super) fn read(text: &str) -> Result<Vec<Key>, Fault> {
    let bare = |material| {
        vec![Key {
            id: None,
            alg: None,
            material,
        }]
    };
    if text.contains("-----BEGIN ") {
        let (blocks, rest) = der::pem(text);
        let unknown = || Fault::value("failed to extract a Key from the PEM certificate");
        let (label, bytes) = blocks.first().ok_or_else(unknown)?;
        if !rest.trim().is_empty() || blocks.len() > 1 {
            return Err(Fault::value("extra data after a PEM certificate block"));
        }
        return match label.as_str() {
            "CERTIFICATE" => {
                let material = spki_of_certificate(bytes).as_ref().and_then(of_spki);
                let wrong = || Fault::value("failed to parse a PEM certificate: x509: malformed certificate");
                material.map(bare).ok_or_else(wrong)
            }
            "PUBLIC KEY" => {
                let spki = der::element(bytes).map(|(spki, _)| spki);
                let material = spki.as_ref().and_then(of_spki);
                material
                    .map(bare)
                    .ok_or_else(|| Fault::value("failed to parse a PEM public key"))
            }
            _ => Err(unknown()),
        };
    }
    let wrong = || Fault::value("failed to parse a JWK key (set)");
    let json = super::encoding::from_json(text).map_err(|_| wrong())?;
    let list = match json.field("keys").and_then(|keys| keys.as_array()) {
        Some(keys) => keys.to_vec(),
        None => vec![json],
    };
    list.iter().map(|key| of_jwk(key).ok_or_else(wrong)).collect()
}

/// A number of a JSON Web Key.
fn member(jwk: &Value<'_>, name: &str) -> Option<Vec<u8>> {
    from_base64url(jwk.field(name)?.as_str()?).ok()
}

pub(super) fn of_jwk(jwk: &Value<'_>) -> Option<Key> {
    let named = |name: &str| jwk.field(name).and_then(|value| value.as_str().map(str::to_owned));
    let material = match named("kty")?.as_str() {
        "RSA" => {
            let numbers = [member(jwk, "n")?, member(jwk, "e")?];
            let content: Vec<u8> = numbers.iter().flat_map(|n| der::write_unsigned(n)).collect();
            Material::Rsa(der::write(SEQUENCE, &content))
        }
        "EC" => Material::Ec(point(jwk)?),
        "OKP" => Material::Ed25519(member(jwk, "x")?),
        "oct" => Material::Secret(member(jwk, "k")?),
        _ => return None,
    };
    Some(Key {
        id: named("kid"),
        alg: named("alg"),
        material,
    })
}

fn point(jwk: &Value<'_>) -> Option<Vec<u8>> {
    let size = match jwk.field("crv")?.as_str()? {
        "P-256" => 32,
        "P-384" => 48,
        "P-521" => 66,
        _ => return None,
    };
    let mut out = vec![4];
    for name in ["x", "y"] {
        let number = member(jwk, name)?;
        out.extend(std::iter::repeat_n(0, size - number.len().min(size)));
        out.extend(number);
    }
    Some(out)
}

/// Whether a signature is that of a message.
pub(super) fn verify(alg: &str, key: &Material, message: &[u8], signature: &[u8]) -> bool {
    let check = |alg: &'static dyn sig::VerificationAlgorithm, bytes: &[u8]| {
        UnparsedPublicKey::new(alg, bytes).verify(message, signature).is_ok()
    };
    match (alg, key) {
        ("RS256", Material::Rsa(key)) => check(&sig::RSA_PKCS1_2048_8192_SHA256, key),
        ("RS384", Material::Rsa(key)) => check(&sig::RSA_PKCS1_2048_8192_SHA384, key),
        ("RS512", Material::Rsa(key)) => check(&sig::RSA_PKCS1_2048_8192_SHA512, key),
        ("PS256", Material::Rsa(key)) => check(&sig::RSA_PSS_2048_8192_SHA256, key),
        ("PS384", Material::Rsa(key)) => check(&sig::RSA_PSS_2048_8192_SHA384, key),
        ("PS512", Material::Rsa(key)) => check(&sig::RSA_PSS_2048_8192_SHA512, key),
        ("ES256", Material::Ec(key)) => check(&sig::ECDSA_P256_SHA256_FIXED, key),
        ("ES384", Material::Ec(key)) => check(&sig::ECDSA_P384_SHA384_FIXED, key),
        ("ES512", Material::Ec(key)) => check(&sig::ECDSA_P521_SHA512_FIXED, key),
        ("EdDSA", Material::Ed25519(key)) => check(&sig::ED25519, key),
        (alg, Material::Secret(key)) => hmac_of(alg).is_some_and(|alg| {
            let key = hmac::Key::new(alg, key);
            hmac::verify(&key, message, signature).is_ok()
        }),
        _ => false,
    }
}

/// Whether the issuer's key made the signature of a certificate.
pub(super) fn verify_certificate(oid: &str, key: &Material, message: &[u8], signature: &[u8]) -> bool {
    let check = |alg: &'static dyn sig::VerificationAlgorithm, bytes: &[u8]| {
        UnparsedPublicKey::new(alg, bytes).verify(message, signature).is_ok()
    };
    match (oid, key) {
        ("1.2.840.113549.1.1.11", Material::Rsa(key)) => check(&sig::RSA_PKCS1_2048_8192_SHA256, key),
        ("1.2.840.113549.1.1.12", Material::Rsa(key)) => check(&sig::RSA_PKCS1_2048_8192_SHA384, key),
        ("1.2.840.113549.1.1.13", Material::Rsa(key)) => check(&sig::RSA_PKCS1_2048_8192_SHA512, key),
        ("1.2.840.10045.4.3.2", Material::Ec(key)) if key.len() == 65 => check(&sig::ECDSA_P256_SHA256_ASN1, key),
        ("1.2.840.10045.4.3.2", Material::Ec(key)) => check(&sig::ECDSA_P384_SHA256_ASN1, key),
        ("1.2.840.10045.4.3.3", Material::Ec(key)) if key.len() == 65 => check(&sig::ECDSA_P256_SHA384_ASN1, key),
        ("1.2.840.10045.4.3.3", Material::Ec(key)) => check(&sig::ECDSA_P384_SHA384_ASN1, key),
        ("1.2.840.10045.4.3.4", Material::Ec(key)) => check(&sig::ECDSA_P521_SHA512_ASN1, key),
        ("1.3.101.112", Material::Ed25519(key)) => check(&sig::ED25519, key),
        _ => false,
    }
}

pub(super) fn hmac_of(alg: &str) -> Option<hmac::Algorithm> {
    Some(match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => return None,
    })
}

/// `RSAPrivateKey` in DER, from a JSON Web Key.
fn rsa_private(jwk: &Value<'_>) -> Option<Vec<u8>> {
    let mut content = der::write_unsigned(&[0]);
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        content.extend(der::write_unsigned(&member(jwk, name)?));
    }
    Some(der::write(SEQUENCE, &content))
}

/// Signs a message with a private JSON Web Key.
pub(super) fn sign(alg: &str, jwk: &Value<'_>, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let wrong = || Fault::value(format!("failed to sign the token: the key does not fit {alg}"));
    let random = rand::SystemRandom::new();
    let rsa = |encoding: &'static dyn sig::RsaEncoding| {
        let pair = rsa_private(jwk).and_then(|der| sig::RsaKeyPair::from_der(&der).ok())?;
        let mut out = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &random, message, &mut out).ok()?;
        Some(out)
    };
    let ec = |alg: &'static sig::EcdsaSigningAlgorithm| {
        let pair = sig::EcdsaKeyPair::from_private_key_and_public_key(alg, &member(jwk, "d")?, &point(jwk)?).ok()?;
        Some(pair.sign(&random, message).ok()?.as_ref().to_vec())
    };
    let out = match alg {
        "HS256" | "HS384" | "HS512" => hmac_of(alg).and_then(|alg| {
            let key = hmac::Key::new(alg, &member(jwk, "k")?);
            Some(hmac::sign(&key, message).as_ref().to_vec())
        }),
        "RS256" => rsa(&sig::RSA_PKCS1_SHA256),
        "RS384" => rsa(&sig::RSA_PKCS1_SHA384),
        "RS512" => rsa(&sig::RSA_PKCS1_SHA512),
        "PS256" => rsa(&sig::RSA_PSS_SHA256),
        "PS384" => rsa(&sig::RSA_PSS_SHA384),
        "PS512" => rsa(&sig::RSA_PSS_SHA512),
        "ES256" => ec(&sig::ECDSA_P256_SHA256_FIXED_SIGNING),
        "ES384" => ec(&sig::ECDSA_P384_SHA384_FIXED_SIGNING),
        "ES512" => ec(&sig::ECDSA_P521_SHA512_FIXED_SIGNING),
        "EdDSA" => member(jwk, "d").and_then(|seed| {
            let pair = sig::Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
            let fits = member(jwk, "x").is_none_or(|x| x == pair.public_key().as_ref());
            fits.then(|| pair.sign(message).as_ref().to_vec())
        }),
        other => return Err(Fault::value(format!("unknown JWS algorithm: {other}"))),
    };
    out.ok_or_else(wrong)
}
