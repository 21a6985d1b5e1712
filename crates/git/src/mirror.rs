//! Repositories that live elsewhere: fetched into mirrors, read like our own.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::GitError;
use crate::name::redact;
use crate::oid::Oid;
use crate::process::{self, Finished};
use crate::repositories::{Location, PushEvent, QUICK, Repositories};

/// A name and password (or token) for a server. Cannot be printed.
#[derive(Clone)]
pub struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// Credentials.
    pub fn new(username: &str, password: &str) -> Credentials {
        Credentials {
            username: username.into(),
            password: password.into(),
        }
    }

    fn header(&self) -> String {
        let pair = format!("{}:{}", self.username, self.password);
        format!(
            "Authorization: Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        )
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What is known of one repository elsewhere.
#[derive(Default)]
pub(crate) struct Mirror {
    /// When the last fetch succeeded; the lock makes concurrent fetches one.
    fetched: Mutex<Option<Instant>>,
    ready: AtomicBool,
}

impl Repositories {
    /// Gives credentials for all URLs that start with `prefix`; `None` takes them away. The longest prefix counts.
    pub fn set_credentials(&self, prefix: &str, credentials: Option<Credentials>) {
        let mut all = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(known, _)| known != prefix);
        all.extend(credentials.map(|credentials| (prefix.to_owned(), credentials)));
        all.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    fn mirror(&self, url: &str) -> Arc<Mirror> {
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.entry(url.to_owned()).or_default().clone()
    }

    /// Fetches a repository that has not been fetched in this process and has no mirror from an earlier one.
    pub(crate) async fn ensure_mirror(&self, url: &str) -> Result<(), GitError> {
        let mirror = self.mirror(url);
        if mirror.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.mirror_directory(url)?.join("HEAD").is_file() {
            mirror.ready.store(true, Ordering::Release);
            return Ok(());
        }
        self.refresh(url).await.map(drop)
    }

    /// Fetches a repository that lives elsewhere and announces what moved. Returns whether anything did.
    ///
    /// For repositories kept here there is nothing to fetch: only whether they exist is checked.
    pub async fn refresh(&self, repo: &str) -> Result<bool, GitError> {
        self.refresh_if_older(repo, Duration::ZERO).await
    }

    /// Fetches a repository unless that was done within `age`.
    pub async fn refresh_if_older(&self, repo: &str, age: Duration) -> Result<bool, GitError> {
        let url = match self.locate(repo) {
            Location::Own(name) => return self.own_directory(&name).map(|_| false),
            Location::Elsewhere(url) => url,
        };
        self.check_url(&url)?;
        let directory = self.mirror_directory(&url)?;
        let mirror = self.mirror(&url);
        let asked = Instant::now();
        let mut fetched = mirror.fetched.lock().await;
        // Somebody else's fetch that began after we asked is as good as our own.
        if fetched.is_some_and(|at| at >= asked || at.elapsed() < age) {
            return Ok(false);
        }
        let began = Instant::now();
        let seen_before = directory.join("HEAD").is_file();
        let moved = if seen_before {
            self.fetch(&url, &directory, true).await?
        } else {
            let staging = directory.with_extension("new");
            let _ = std::fs::remove_dir_all(&staging);
            let made = self.make_mirror(&url, &staging).await;
            if made.is_err() {
                let _ = std::fs::remove_dir_all(&staging);
            }
            let moved = made?;
            std::fs::rename(&staging, &directory).map_err(GitError::io("creating a mirror"))?;
            moved
        };
        mirror.ready.store(true, Ordering::Release);
        *fetched = Some(began);
        drop(fetched);
        let changed = !moved.is_empty();
        let time_ms = self.now();
        for (refname, (old, new)) in moved {
            let pusher = "elsewhere".to_owned();
            self.publish(PushEvent {
                repo: url.clone(),
                refname,
                old,
                new,
                pusher,
                time_ms,
            });
        }
        Ok(changed)
    }

    fn check_url(&self, url: &str) -> Result<(), GitError> {
        let local = url.starts_with("file://");
        let good = ["https://", "http://", "ssh://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
            || (!url.contains("://") && url.contains('@'))
            || (local && self.options.allow_local);
        if good && !url.contains(char::is_whitespace) && !url.contains(char::is_control) && !url.starts_with('-') {
            return Ok(());
        }
        let why = if local {
            "file:// URLs reach into the server's own disk; push the repository here or give an https:// URL"
        } else {
            "use an https://, http:// or ssh:// URL, or the name of a repository kept here"
        };
        Err(GitError::InvalidUrl {
            url: redact(url),
            why: why.into(),
        })
    }

    async fn make_mirror(&self, url: &str, staging: &Path) -> Result<Moved, GitError> {
        let mut command = process::git(None);
        command
            .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"])
            .arg(staging);
        process::finish(command, "git init", Vec::new(), QUICK)
            .await?
            .output("init")?;
        let moved = self.fetch(url, staging, false).await?;
        let mut command = self.remote_git(None, url);
        command.args(["ls-remote", "--symref", "--", url, "HEAD"]);
        let listed = self.talk(command, url, true).await?;
        let head = listed
            .lines()
            .find_map(|line| line.strip_prefix("ref: ")?.strip_suffix("\tHEAD"));
        if let Some(head) = head.filter(|head| head.starts_with("refs/heads/")) {
            let mut command = process::git(Some(staging));
            command.args(["symbolic-ref", "HEAD", head]);
            process::finish(command, "git symbolic-ref", Vec::new(), QUICK)
                .await?
                .output("symbolic-ref")?;
        }
        Ok(moved)
    }

    async fn fetch(&self, url: &str, directory: &Path, seen_before: bool) -> Result<Moved, GitError> {
        let before = self.refs_in(directory).await?;
        let mut command = self.remote_git(Some(directory), url);
        command.args([
            "fetch",
            "--quiet",
            "--force",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--",
            url,
        ]);
        command.args(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]);
        self.talk(command, url, seen_before).await?;
        let after = self.refs_in(directory).await?;
        Ok(moved(before, after))
    }

    fn remote_git(&self, directory: Option<&Path>, url: &str) -> Command {
        let mut command = process::git(directory);
        let protocols = if self.options.allow_local {
            "https:http:ssh:file"
        } else {
            "https:http:ssh"
        };
        command.env("GIT_ALLOW_PROTOCOL", protocols);
        command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15");
        let credentials = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let found = credentials.iter().find(|(prefix, _)| url.starts_with(prefix.as_str()));
        let header = found.map(|(_, credentials)| credentials.header());
        // Through the environment: arguments can be read by everybody on the machine.
        let settings = [
            ("http.lowSpeedLimit", "1000".to_owned()),
            ("http.lowSpeedTime", "20".to_owned()),
        ];
        let settings = settings
            .into_iter()
            .chain(header.map(|header| ("http.extraHeader", header)));
        let mut count = 0;
        for (key, value) in settings {
            command
                .env(format!("GIT_CONFIG_KEY_{count}"), key)
                .env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        command
    }

    async fn talk(&self, command: Command, url: &str, seen_before: bool) -> Result<String, GitError> {
        let what = format!("fetching {}", redact(url));
        let finished = process::finish(command, &what, Vec::new(), self.options.fetch_timeout).await?;
        if finished.success {
            return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
        }
        Err(failure(url, seen_before, &finished))
    }
}

type Moved = BTreeMap<String, (Option<Oid>, Option<Oid>)>;

fn moved(before: Vec<(String, Oid)>, after: Vec<(String, Oid)>) -> Moved {
    let mut all = Moved::new();
    for (name, id) in before {
        all.entry(name).or_default().0 = Some(id);
    }
    for (name, id) in after {
        all.entry(name).or_default().1 = Some(id);
    }
    all.retain(|_, (old, new)| old != new);
    all
}

/// Reads what Git said about a failed conversation.
fn failure(url: &str, seen_before: bool, finished: &Finished) -> GitError {
    let (shown, said) = (redact(url), finished.stderr.as_str());
    let detail = process::detail(&said.replace(url, &shown));
    let any = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    let refused = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "Permission denied",
        "error: 401",
        "error: 403",
        "HTTP 401",
        "HTTP 403",
    ];
    let gone = [
        "not found",
        "does not appear to be a git repository",
        "does not exist",
        "error: 404",
        "HTTP 404",
    ];
    let away = [
        "Could not resolve host",
        "Failed to connect",
        "Couldn't connect",
        "Connection refused",
        "Connection timed out",
        "Connection reset",
        "Operation timed out",
        "Operation too slow",
        "unable to access",
        "Could not resolve hostname",
        "Empty reply",
    ];
    if any(&refused) {
        GitError::Unauthorized { url: shown, detail }
    } else if any(&gone) {
        GitError::Vanished {
            url: shown,
            seen_before,
            detail,
        }
    } else if any(&away) {
        GitError::Unreachable { url: shown, detail }
    } else {
        GitError::Failed {
            command: format!("fetch {shown}"),
            detail,
        }
    }
}

/// A URL as a file name, different for different URLs. User information is left out: it is nothing to keep on disk.
pub(crate) fn encode_url(url: &str) -> Result<String, GitError> {
    let plain = redact(url);
    let mut name = String::new();
    for byte in plain.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => name.push(char::from(byte)),
            b'/' => name.push('_'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() > 240 {
        return Err(GitError::InvalidUrl {
            url: plain,
            why: "it is longer than 240 characters".into(),
        });
    }
    Ok(format!("{name}.git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_and_hide_passwords() {
        let said = |stderr: &str| {
            let finished = Finished {
                success: false,
                stdout: vec![],
                stderr: stderr.into(),
            };
            failure("https://me:secret@host/x.git", true, &finished)
        };
        assert!(matches!(
            said("fatal: Authentication failed for 'x'"),
            GitError::Unauthorized { .. }
        ));
        assert!(matches!(
            said("fatal: repository 'x' not found"),
            GitError::Vanished { seen_before: true, .. }
        ));
        assert!(matches!(
            said("fatal: unable to access 'x': Could not resolve host: h"),
            GitError::Unreachable { .. }
        ));
        assert!(matches!(said("fatal: something else"), GitError::Failed { .. }));
        let text = said("fatal: unable to access 'https://me:secret@host/x.git/': Failed to connect").to_string();
        assert!(
            !text.contains("secret") && text.contains("https://host/x.git"),
            "{text}"
        );
        assert_eq!(format!("{:?}", Credentials::new("me", "secret")), "Credentials(…)");
    }

    #[test]
    fn urls_become_different_file_names() {
        let names: std::collections::HashSet<String> = [
            "https://h/a/b",
            "https://h/a_b",
            "https://h/a%5fb",
            "http://h/a/b",
            "git@h:a/b",
        ]
        .iter()
        .map(|url| encode_url(url).unwrap())
        .collect();
        assert_eq!(names.len(), 5);
        assert!(names.iter().all(|name| !name.contains('/')));
        assert!(encode_url(&format!("https://h/{}", "x".repeat(300))).is_err());
    }

    #[test]
    fn only_what_moved_is_told() {
        let id = |n: u8| Oid::from_bytes(&[n; 20]);
        let refs = |list: &[(&str, u8)]| {
            list.iter()
                .map(|(name, n)| ((*name).to_owned(), id(*n).unwrap()))
                .collect::<Vec<_>>()
        };
        let got = moved(
            refs(&[("a", 1), ("b", 1), ("c", 1)]),
            refs(&[("a", 1), ("b", 2), ("d", 3)]),
        );
        let expected =
            [("b", (id(1), id(2))), ("c", (id(1), None)), ("d", (None, id(3)))].map(|(k, v)| (k.to_owned(), v));
        assert_eq!(got, Moved::from(expected));
    }
}
