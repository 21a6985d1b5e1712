//! What can go wrong with keys and certificates, and what to do about it.

use std::path::{Path, PathBuf};

/// Why keys or certificates are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}; check that its directory is writable by this user", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is there, but is not what it should be.
    #[error("{path} is damaged ({reason}); move it away and start again: a new one is made, and who trusts the old one has to be given the new one", path = path.display())]
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

impl PkiError {
    /// A damaged file.
    pub fn damaged(path: &Path, reason: impl Into<String>) -> PkiError {
        PkiError::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// A certificate that cannot be made.
    pub fn issue(subject: &str, reason: impl ToString) -> PkiError {
        PkiError::Issue {
            subject: subject.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PkiError {
        let path = path.to_owned();
        move |source| PkiError::File { action, path, source }
    }
}
