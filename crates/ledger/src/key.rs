//! Ed25519 keys: the signing key, which cannot be printed, and the verifier key in the signed-note text format.

use std::{
    fmt, fs, io, io::Write, os::unix::fs::OpenOptionsExt, os::unix::fs::PermissionsExt, path::Path, str::FromStr,
};

use aws_lc_rs::{
    digest,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// The algorithm byte of Ed25519 in C2SP signed-note.
const ALGORITHM: u8 = 1;

/// Why a key cannot be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness.
    #[error("cannot generate an Ed25519 key: the system has no randomness to give")]
    Generate,
    /// The key file cannot be read or written.
    #[error("cannot {action} the signing key {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The key file.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Others may read the key file.
    #[error("the signing key {path} has mode {mode:03o}, so others can use it; run `chmod 600 {path}`")]
    Permissions {
        /// The key file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold an Ed25519 key in PKCS#8.
    #[error("{path} is not an Ed25519 private key in PKCS#8 (DER); restore it from a backup, or start a new ledger")]
    Format {
        /// The key file.
        path: String,
    },
    /// A text is not a verifier key.
    #[error("`{text}` is not a verifier key: expected `name+hash+base64`, {reason}")]
    Verifier {
        /// The text.
        text: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A key name holds a space, a line break or a plus.
    #[error("`{0}` cannot name a key: it must be non-empty, without spaces and without `+`")]
    Name(String),
}

/// An Ed25519 private key. It has no way to be printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

impl SigningKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`KeyError::Generate`].
    pub fn generate() -> Result<Self, KeyError> {
        Ed25519KeyPair::generate()
            .map(|pair| Self { pair })
            .map_err(|_| KeyError::Generate)
    }

    /// Reads a key from a PKCS#8 file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Permissions`] or [`KeyError::Format`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let failed = |source| KeyError::File {
            action: "read",
            path: name.clone(),
            source,
        };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Permissions { path: name, mode });
        }
        let der = fs::read(path).map_err(failed)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| KeyError::Format { path: name })?;
        Ok(Self { pair })
    }

    /// Writes the key to a new PKCS#8 file with mode 0600; an existing file is never replaced.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let der = self.pair.to_pkcs8().map_err(|_| KeyError::Generate)?;
        // Written aside first: a crash leaves no half key behind that would pass for the key.
        let aside = path.with_added_extension("next");
        let write = || {
            match fs::remove_file(&aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(der.as_ref())?;
            file.sync_all()?;
            fs::hard_link(&aside, path)?;
            fs::remove_file(&aside)
        };
        write().map_err(|source| KeyError::File {
            action: "write",
            path: path.display().to_string(),
            source,
        })
    }

    /// Reads the key at `path`, or makes one there when nothing is there yet.
    ///
    /// # Errors
    /// As [`SigningKey::load`] and [`SigningKey::save`].
    pub fn load_or_generate(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                key.save(path)?;
                Ok(key)
            }
            other => other,
        }
    }

    /// The public half, under the name that its signature lines carry.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn verifier(&self, name: &str) -> Result<VerifierKey, KeyError> {
        VerifierKey::new(name, self.pair.public_key().as_ref())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// An Ed25519 public key with its name: the "vkey" of C2SP signed-note, `name+hash+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: Vec<u8>,
}

impl VerifierKey {
    fn new(name: &str, public: &[u8]) -> Result<Self, KeyError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return Err(KeyError::Name(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            public: public.to_vec(),
        })
    }

    /// The key name, which signature lines carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The four bytes that tell keys of the same name apart: SHA-256 of name, line feed, algorithm and key, cut.
    pub fn key_hash(&self) -> [u8; 4] {
        let message = [self.name.as_bytes(), b"\n", &[ALGORITHM], &self.public].concat();
        let mut hash = [0; 4];
        hash.copy_from_slice(&digest::digest(&digest::SHA256, &message).as_ref()[..4]);
        hash
    }

    /// Whether `signature` is this key's signature of `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ALGORITHM], self.public.as_slice()].concat());
        write!(f, "{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.key_hash()))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = |reason| KeyError::Verifier {
            text: text.to_owned(),
            reason,
        };
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("with two plus signs"));
        };
        let key = STANDARD
            .decode(key)
            .map_err(|_| wrong("and the last part is not base64"))?;
        let [ALGORITHM, public @ ..] = key.as_slice() else {
            return Err(wrong("with an Ed25519 key (algorithm byte 1)"));
        };
        if public.len() != 32 {
            return Err(wrong("with a key of 32 bytes"));
        }
        let key = Self::new(name, public)?;
        match hash == format!("{:08x}", u32::from_be_bytes(key.key_hash())) {
            true => Ok(key),
            false => Err(wrong("and the hash does not belong to this name and key")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_key_cannot_be_printed() {
        assert_eq!(format!("{:?}", SigningKey::generate().unwrap()), "SigningKey(redacted)");
    }

    #[test]
    fn a_saved_key_is_private_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.key");
        let key = SigningKey::load_or_generate(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = SigningKey::load_or_generate(&path).unwrap();
        assert_eq!(key.verifier("here").unwrap(), again.verifier("here").unwrap());
        assert!(matches!(key.save(&path), Err(KeyError::File { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKey::load(&path).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_verifier_key_reads_back_and_notices_each_changed_character() {
        // The example key of Go's golang.org/x/mod/sumdb/note documentation.
        let known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(known.parse::<VerifierKey>().unwrap().to_string(), known);
        for at in 0..known.len() {
            let mut changed = known.as_bytes().to_vec();
            changed[at] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<VerifierKey>().is_err(), "{changed}");
        }
    }
}
