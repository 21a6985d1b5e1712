//! Local accounts: who may sign in with a password, kept as argon2id hashes in one private file.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use ridgeway_cluster::Identity;
use serde::{Deserialize, Serialize};

/// Letters and digits that are not mistaken for each other.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Why accounts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The file cannot be read or written.
    #[error("accounts file {path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what was written.
    #[error("accounts file {path} is damaged ({message}); remove it to get a new one-time password at the next start")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Hashing failed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

#[derive(Clone, Serialize, Deserialize)]
struct Account {
    groups: Vec<String>,
    hash: String,
}

/// The accounts of one platform.
pub struct Accounts {
    accounts: BTreeMap<String, Account>,
    /// Passwords that were verified lately, as keyed digests: git sends one with every request, and argon2 is slow on
    /// purpose.
    verified: Mutex<Vec<[u8; 32]>>,
    key: aws_lc_rs::hmac::Key,
}

/// A password that must not be printed by accident.
pub struct Password(String);

impl Password {
    /// The text; for the one place that shows it to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Accounts {
    /// Reads the accounts. The first time it makes `admin` and gives the password, which is kept nowhere.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(path: &Path) -> Result<(Accounts, Option<Password>), AccountsError> {
        let file_error = |source| AccountsError::File {
            path: path.into(),
            source,
        };
        let mut made = None;
        let accounts = match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| AccountsError::Damaged {
                path: path.into(),
                message: e.to_string(),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let password = generated();
                let hash = Argon2::default()
                    .hash_password(password.as_bytes())
                    .map_err(|e| AccountsError::Hash(e.to_string()))?
                    .to_string();
                let admin = Account {
                    groups: vec!["system:masters".into()],
                    hash,
                };
                let accounts = BTreeMap::from([("admin".to_owned(), admin)]);
                let text = serde_json::to_string_pretty(&accounts).map_err(|e| AccountsError::Hash(e.to_string()))?;
                let mut file = std::fs::OpenOptions::new()
                    .create_new(true)
                    .write(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(file_error)?;
                file.write_all(text.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(file_error)?;
                made = Some(Password(password));
                accounts
            }
            Err(error) => return Err(file_error(error)),
        };
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(|e| AccountsError::Hash(e.to_string()))?;
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        Ok((
            Accounts {
                accounts,
                verified: Mutex::default(),
                key,
            },
            made,
        ))
    }

    /// Who it is, when this very password was verified lately; quick, and of no use for guessing.
    pub(crate) fn remembered(&self, user: &str, password: &str, source: &str) -> Option<Identity> {
        let digest = self.digest(user, password);
        let known = self
            .verified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&digest);
        known.then(|| self.identity(user, source)).flatten()
    }

    /// Checks a password. Takes as long for a name that nobody has: tens of milliseconds, so not on a thread that answers
    /// requests.
    pub fn verify(&self, user: &str, password: &str, source: &str) -> Option<Identity> {
        let account = self.accounts.get(user);
        let hash = account
            .or_else(|| self.accounts.values().next())
            .map(|a| a.hash.as_str())
            .unwrap_or_default();
        let hash = phc::PasswordHash::new(hash).ok()?;
        let right = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
        if account.is_none() || !right {
            return None;
        }
        let digest = self.digest(user, password);
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if !verified.contains(&digest) {
            if verified.len() >= 64 {
                verified.remove(0);
            }
            verified.push(digest);
        }
        drop(verified);
        self.identity(user, source)
    }

    fn identity(&self, user: &str, source: &str) -> Option<Identity> {
        let groups: Vec<&str> = self.accounts.get(user)?.groups.iter().map(String::as_str).collect();
        Some(Identity::user(user, &groups, source))
    }

    fn digest(&self, user: &str, password: &str) -> [u8; 32] {
        let tag = aws_lc_rs::hmac::sign(&self.key, format!("{}:{user}:{password}", user.len()).as_bytes());
        let mut digest = [0u8; 32];
        digest.copy_from_slice(tag.as_ref());
        digest
    }
}

/// Twenty characters, some 115 bits.
fn generated() -> String {
    let mut random = [0u8; 20];
    getrandom::fill(&mut random).expect("the operating system's random generator works, or nothing here is safe");
    random
        .iter()
        .map(|b| ALPHABET[usize::from(*b) % ALPHABET.len()] as char)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_password_is_given_once_and_kept_as_a_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.json");
        let (accounts, password) = Accounts::open(&path).unwrap();
        let password = password.unwrap();
        assert!(
            accounts.remembered("admin", password.reveal(), "test").is_none(),
            "nothing was verified yet"
        );
        let identity = accounts.verify("admin", password.reveal(), "test").unwrap();
        assert!(identity.in_group("system:masters"));
        assert!(accounts.remembered("admin", password.reveal(), "test").is_some());
        assert!(accounts.remembered("admin", "wrong", "test").is_none());
        assert!(accounts.verify("admin", "wrong", "test").is_none());
        assert!(accounts.verify("nobody", password.reveal(), "test").is_none());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&path).unwrap().contains(password.reveal()));
        let (again, none) = Accounts::open(&path).unwrap();
        assert!(none.is_none());
        assert!(again.verify("admin", password.reveal(), "test").is_some());
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(Accounts::open(&path), Err(AccountsError::Damaged { .. })));
    }
}
