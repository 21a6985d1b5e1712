//! Commits: who changed what, when and why.

use crate::error::GitError;
use crate::oid::{CommitId, Oid};
use crate::process;
use crate::repositories::{QUICK, Repositories};

/// What a commit says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its id.
    pub id: CommitId,
    /// Its root directory's hash.
    pub tree: Oid,
    /// The commits it follows.
    pub parents: Vec<CommitId>,
    /// The author's name.
    pub author: String,
    /// The author's mail address.
    pub email: String,
    /// When it was written, in seconds since 1970.
    pub time: i64,
    /// The whole message.
    pub message: String,
    /// Whether it carries a signature (which says nothing about whether that is valid).
    pub signed: bool,
}

impl CommitInfo {
    /// The message's first line.
    pub fn subject(&self) -> &str {
        self.message.lines().next().unwrap_or_default()
    }

    pub(crate) fn parse(id: CommitId, object: &[u8]) -> Option<CommitInfo> {
        let text = String::from_utf8_lossy(object);
        let (headers, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut info = CommitInfo {
            id,
            tree: Oid::ZERO,
            parents: Vec::new(),
            author: String::new(),
            email: String::new(),
            time: 0,
            message: message.to_owned(),
            signed: false,
        };
        for line in headers.lines() {
            match line.split_once(' ')? {
                ("tree", id) => info.tree = id.parse().ok()?,
                ("parent", id) => info.parents.push(id.parse().ok()?),
                ("author", who) => {
                    let (name, rest) = who.split_once('<')?;
                    let (email, when) = rest.split_once('>')?;
                    info.author = name.trim().to_owned();
                    info.email = email.to_owned();
                    info.time = when.split_whitespace().next().and_then(|s| s.parse().ok()).unwrap_or(0);
                }
                ("gpgsig" | "gpgsig-sha256", _) => info.signed = true,
                _ => {}
            }
        }
        (!info.tree.is_zero()).then_some(info)
    }
}

impl Repositories {
    /// What a commit says about itself.
    pub async fn commit_info(&self, repo: &str, commit: CommitId) -> Result<CommitInfo, GitError> {
        self.read(repo, move |objects, directory| {
            let object = objects.commit(directory, commit)?;
            CommitInfo::parse(commit, &object).ok_or_else(|| GitError::Corrupt(format!("commit {commit}")))
        })
        .await
    }

    /// The latest commits that lead to a revision, newest first; with a path, only those that changed it.
    pub async fn log(
        &self,
        repo: &str,
        revision: &str,
        path: Option<&str>,
        limit: usize,
    ) -> Result<Vec<CommitInfo>, GitError> {
        let head = self.resolve(repo, revision).await?;
        let mut command = process::git(Some(&self.directory_of(repo)?));
        command
            .arg("rev-list")
            .arg(format!("--max-count={limit}"))
            .arg(head.to_string())
            .arg("--");
        if let Some(path) = path {
            command.arg(format!(":(literal){path}"));
        }
        let listed = process::finish(command, "git rev-list", Vec::new(), QUICK)
            .await?
            .output("rev-list")?;
        let ids: Vec<CommitId> = String::from_utf8_lossy(&listed)
            .lines()
            .filter_map(|l| l.parse().ok())
            .collect();
        self.read(repo, move |objects, directory| {
            ids.into_iter()
                .map(|id| {
                    let object = objects.commit(directory, id)?;
                    CommitInfo::parse(id, &object).ok_or_else(|| GitError::Corrupt(format!("commit {id}")))
                })
                .collect()
        })
        .await
    }

    /// The paths that differ between two commits.
    pub async fn changed_paths(&self, repo: &str, from: CommitId, to: CommitId) -> Result<Vec<String>, GitError> {
        let mut command = process::git(Some(&self.directory_of(repo)?));
        command
            .args(["diff-tree", "-r", "-z", "--name-only", "--no-renames"])
            .args([from.to_string(), to.to_string()]);
        let listed = process::finish(command, "git diff-tree", Vec::new(), QUICK)
            .await?
            .output("diff-tree")?;
        let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// What changed between two commits, as a unified diff (at most `limit` bytes of it).
    pub async fn patch(&self, repo: &str, from: CommitId, to: CommitId, limit: usize) -> Result<String, GitError> {
        let mut command = process::git(Some(&self.directory_of(repo)?));
        command
            .args(["diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv"])
            .args([from.to_string(), to.to_string()]);
        let mut text = process::finish(command, "git diff-tree", Vec::new(), QUICK)
            .await?
            .output("diff-tree")?;
        text.truncate(limit);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_read_with_signatures_and_odd_names() {
        let tree = "1111111111111111111111111111111111111111";
        let id: Oid = "2222222222222222222222222222222222222222".parse().unwrap();
        let object = format!(
            "tree {tree}\nparent {tree}\nauthor A. B-C <a@b.example> 1700000000 +0100\n\
             committer X <x@y> 1700000001 +0000\ngpgsig -----BEGIN\n more\n -----END\n\nSubject\n\nBody\n"
        );
        let info = CommitInfo::parse(id, object.as_bytes()).unwrap();
        assert_eq!(
            (info.author.as_str(), info.email.as_str(), info.time),
            ("A. B-C", "a@b.example", 1_700_000_000)
        );
        assert_eq!((info.subject(), info.signed, info.parents.len()), ("Subject", true, 1));
        assert!(CommitInfo::parse(id, b"blob").is_none());
    }
}
