//! Committing files without a work tree.

use std::io::Write;

use bytes::Bytes;

use crate::error::GitError;
use crate::name::check_revision;
use crate::oid::{CommitId, Oid};
use crate::process;
use crate::repositories::{PushEvent, QUICK, Repositories};

/// How often a commit is tried again when somebody else's came first.
const ATTEMPTS: usize = 5;

/// Who writes a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

impl Author {
    /// An author.
    pub fn new(name: &str, email: &str) -> Author {
        Author {
            name: name.into(),
            email: email.into(),
        }
    }
}

/// One file to write, or to remove (`None`).
pub type FileChange<'a> = (&'a str, Option<Bytes>);

impl Repositories {
    /// Commits files on top of a branch (made where it is missing) and moves it there, all or nothing.
    ///
    /// Returns the branch's head unmoved when the files are so already.
    pub async fn commit_files(
        &self,
        repo: &str,
        branch: &str,
        author: &Author,
        message: &str,
        changes: &[FileChange<'_>],
    ) -> Result<CommitId, GitError> {
        check_revision(branch)?;
        for (path, _) in changes {
            check_path(path)?;
        }
        let directory = self.own_directory(repo)?;
        let refname = format!("refs/heads/{branch}");
        for _ in 0..ATTEMPTS {
            let parent = self.reference(repo, &refname).await?;
            let modes = match self.differing(repo, parent, changes).await? {
                Some(modes) => modes,
                None => return parent.ok_or_else(|| nothing(changes)),
            };
            let stream = self.stream(&refname, parent, author, message, changes, &modes);
            let mut command = process::git(Some(&directory));
            command.args(["fast-import", "--quiet", "--done", "--date-format=raw"]);
            let finished = process::finish(command, "git fast-import", stream, QUICK).await?;
            if !finished.success {
                if finished.stderr.contains("Not updating") || finished.stderr.contains("cannot lock ref") {
                    continue;
                }
                return Err(GitError::Failed {
                    command: "fast-import".into(),
                    detail: process::detail(&finished.stderr),
                });
            }
            let answer = String::from_utf8_lossy(&finished.stdout).into_owned();
            let commit: Oid = answer
                .trim()
                .parse()
                .map_err(|_| GitError::Corrupt(format!("fast-import answered {answer:?}")))?;
            self.publish(PushEvent {
                repo: repo_name(repo),
                refname,
                old: parent,
                new: Some(commit),
                pusher: author.name.clone(),
                time_ms: self.now(),
            });
            return Ok(commit);
        }
        Err(GitError::Moved {
            repo: repo.into(),
            branch: branch.into(),
        })
    }

    /// The modes to write the files with, or `None` when nothing would change.
    async fn differing(
        &self,
        repo: &str,
        parent: Option<CommitId>,
        changes: &[FileChange<'_>],
    ) -> Result<Option<Vec<&'static str>>, GitError> {
        let Some(parent) = parent else {
            let any = changes.iter().any(|(_, file)| file.is_some());
            return Ok(any.then(|| vec!["100644"; changes.len()]));
        };
        let snapshot = self.snapshot(repo, parent).await?;
        let owned: Vec<(String, Option<Bytes>)> = changes.iter().map(|(p, f)| ((*p).to_owned(), f.clone())).collect();
        let compare = move || -> Result<Option<Vec<&'static str>>, GitError> {
            let (mut modes, mut differs) = (Vec::new(), false);
            for (path, file) in &owned {
                // A removed path may be a directory; a written one replaces whatever is there.
                differs |= match file {
                    Some(file) => snapshot.read(path)?.as_ref() != Some(file),
                    None => snapshot.kind(path)?.is_some(),
                };
                modes.push(if snapshot.is_executable(path)? {
                    "100755"
                } else {
                    "100644"
                });
            }
            Ok(differs.then_some(modes))
        };
        tokio::task::spawn_blocking(compare)
            .await
            .map_err(|_| GitError::Corrupt("reader panicked".into()))?
    }

    fn stream(
        &self,
        refname: &str,
        parent: Option<CommitId>,
        author: &Author,
        message: &str,
        changes: &[FileChange<'_>],
        modes: &[&str],
    ) -> Vec<u8> {
        let clean = |text: &str| {
            text.chars()
                .filter(|c| !c.is_control() && !"<>".contains(*c))
                .collect::<String>()
        };
        let who = format!(
            "{} <{}> {} +0000",
            clean(&author.name),
            clean(&author.email),
            self.now().div_euclid(1000)
        );
        let mut out = Vec::new();
        let mut put = |text: String| out.extend_from_slice(text.as_bytes());
        put(format!("commit {refname}\nmark :1\nauthor {who}\ncommitter {who}\n"));
        put(format!("data {}\n{message}\n", message.len()));
        if let Some(parent) = parent {
            put(format!("from {parent}\n"));
        }
        for ((path, file), mode) in changes.iter().zip(modes) {
            match file {
                Some(bytes) => {
                    let _ = write!(out, "M {mode} inline {path}\ndata {}\n", bytes.len());
                    out.extend_from_slice(bytes);
                    out.push(b'\n');
                }
                None => {
                    let _ = writeln!(out, "D {path}");
                }
            }
        }
        out.extend_from_slice(b"\nget-mark :1\ndone\n");
        out
    }
}

pub(crate) fn repo_name(repo: &str) -> String {
    repo.strip_suffix(".git").unwrap_or(repo).to_owned()
}

fn nothing(changes: &[FileChange<'_>]) -> GitError {
    let path = changes.first().map_or("", |(path, _)| path);
    GitError::InvalidChange {
        path: path.into(),
        why: "the branch does not exist and nothing would be written to it",
    }
}

fn check_path(path: &str) -> Result<(), GitError> {
    let bad = |why| Err(GitError::InvalidChange { path: path.into(), why });
    if path.is_empty() || path.len() > 1024 {
        return bad("a path has between 1 and 1024 bytes");
    }
    if path.chars().any(char::is_control) || path.starts_with('"') {
        return bad("a path holds no control characters and does not start with a quotation mark");
    }
    for part in path.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return bad("a path is relative to the repository and holds no empty part, `.` or `..`");
        }
        if part.eq_ignore_ascii_case(".git") {
            return bad("`.git` is Git's own");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_repository() {
        for good in [
            "a",
            "deploy/base/kustomization.yaml",
            "with blank",
            "ä.yaml",
            ".gitignore",
        ] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a//b",
            "a/../b",
            "./a",
            ".git/config",
            "x/.GIT/hooks",
            "a\nb",
            "\"a\"",
            "a/",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
