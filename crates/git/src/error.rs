//! What can go wrong with a repository, said so that the reader knows what to do.

use std::time::Duration;

/// An operation on a repository that did not succeed. Texts never hold credentials.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no `git`.
    #[error("cannot run `git` ({0}); install Git 2.36 or newer and put it on the PATH")]
    GitMissing(#[source] std::io::Error),
    /// `git` is too old.
    #[error("this is {found}; Ridgeway needs Git 2.36 or newer (`git cat-file --batch-command`)")]
    GitTooOld {
        /// What `git version` says.
        found: String,
    },
    /// A repository's name that cannot be one.
    #[error("{name:?} cannot name a repository: {why}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A URL that is not served or fetched.
    #[error("repository URL {url} cannot be used: {why}")]
    InvalidUrl {
        /// The URL without credentials.
        url: String,
        /// What is wrong, and what would do.
        why: String,
    },
    /// No repository of that name.
    #[error("there is no repository {name:?} here{}", known_names(.known))]
    NotFound {
        /// The name.
        name: String,
        /// Names that do exist.
        known: Vec<String>,
    },
    /// The name is taken.
    #[error("repository {0:?} already exists")]
    AlreadyExists(String),
    /// The revision does not exist.
    #[error("repository {repo} has no branch, tag or commit {revision:?}{}", branch_names(.branches))]
    RevisionNotFound {
        /// Repository.
        repo: String,
        /// Revision asked for.
        revision: String,
        /// Branches that do exist.
        branches: Vec<String>,
    },
    /// A revision that cannot be one.
    #[error("{revision:?} is not a revision: {why}")]
    InvalidRevision {
        /// The text.
        revision: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A repository elsewhere that is not there (any more).
    #[error(
        "repository {url} {}; check the URL, and whether it was moved, renamed or made private (the server says: {detail})",
        if *.seen_before { "has vanished: it could be fetched before and cannot now" } else { "does not exist" }
    )]
    Vanished {
        /// The URL without credentials.
        url: String,
        /// Whether it had been fetched before.
        seen_before: bool,
        /// What Git said.
        detail: String,
    },
    /// A repository elsewhere that asks for credentials.
    #[error("repository {url} refuses access: it needs (other) credentials (the server says: {detail})")]
    Unauthorized {
        /// The URL without credentials.
        url: String,
        /// What Git said.
        detail: String,
    },
    /// A repository elsewhere whose server does not answer.
    #[error("cannot reach {url}: {detail}; check the host name, the network and any proxy")]
    Unreachable {
        /// The URL without credentials.
        url: String,
        /// What Git said.
        detail: String,
    },
    /// Something took too long.
    #[error("{what} did not finish within {} s", .after.as_secs())]
    TimedOut {
        /// What.
        what: String,
        /// The limit.
        after: Duration,
    },
    /// Somebody else moved the branch meanwhile.
    #[error("branch {branch:?} of {repo} was changed at the same time; read it again and repeat the change")]
    Moved {
        /// Repository.
        repo: String,
        /// Branch.
        branch: String,
    },
    /// A change that cannot be committed.
    #[error("cannot commit {path:?}: {why}")]
    InvalidChange {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A file larger than what is read.
    #[error("{path} has {size} bytes; files of more than {} MiB are not read: split it, or keep it out of what is deployed", .limit >> 20)]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Git failed in a way that has no variant of its own.
    #[error("git {command} failed: {detail}")]
    Failed {
        /// The sub-command.
        command: String,
        /// What Git said, shortened.
        detail: String,
    },
    /// The repository's data does not read as Git's.
    #[error("repository data cannot be read: {0}; run `git fsck` in it")]
    Corrupt(String),
    /// The file system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl GitError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> GitError {
        let what = what.into();
        move |source| GitError::Io { what, source }
    }

    /// Whether trying again later, with nothing changed, may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            GitError::Unreachable { .. } | GitError::TimedOut { .. } | GitError::Moved { .. } | GitError::Io { .. }
        )
    }
}

fn known_names(names: &[String]) -> String {
    list("; repositories", names, "; none has been created yet")
}

fn branch_names(names: &[String]) -> String {
    list("; its branches", names, "; it has no commits yet")
}

fn list(what: &str, names: &[String], none: &str) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return none.to_owned();
    }
    let more = names.len().saturating_sub(SHOWN);
    let mut text = format!("{what}: {}", names[..names.len().min(SHOWN)].join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
