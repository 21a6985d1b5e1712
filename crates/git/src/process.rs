//! Running `git`: no configuration but ours, no hooks, no prompts, no waiting for ever.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::GitError;

const MAX_DETAIL: usize = 600;

/// What every `git` here is told: repository hooks never run, nothing is collected behind our back, no other
/// configuration than this is read.
const SETTINGS: [&str; 7] = [
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
    "receive.autogc=false",
    "core.quotePath=false",
    "safe.directory=*",
    "credential.helper=",
];

/// The settings as arguments, to stand before the sub-command.
pub(crate) fn settings() -> impl Iterator<Item = &'static str> {
    SETTINGS.into_iter().flat_map(|setting| ["-c", setting])
}

/// Variables to set; and what else of the caller's `GIT_*` variables is set must be removed.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("LC_ALL", "C"),
];

fn inherited() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_string_lossy().starts_with("GIT_"))
}

/// A synchronous `git` in a repository, for long-lived readers.
pub(crate) fn blocking(repository: Option<&Path>) -> std::process::Command {
    let mut command = std::process::Command::new("git");
    inherited().for_each(|name| {
        command.env_remove(name);
    });
    command.envs(ENVIRONMENT).args(settings());
    if let Some(directory) = repository {
        command.arg("--git-dir").arg(directory);
    }
    command
}

/// A `git` in a repository; killed when its handle is dropped.
pub(crate) fn git(repository: Option<&Path>) -> Command {
    let mut command = Command::from(blocking(repository));
    command
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a finished `git` left.
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    /// The output, or the failure under the sub-command's name.
    pub(crate) fn output(self, command: &str) -> Result<Vec<u8>, GitError> {
        if self.success {
            Ok(self.stdout)
        } else {
            Err(GitError::Failed {
                command: command.into(),
                detail: detail(&self.stderr),
            })
        }
    }
}

/// Runs a command to its end, feeding it `input`.
pub(crate) async fn finish(
    mut command: Command,
    what: &str,
    input: Vec<u8>,
    limit: Duration,
) -> Result<Finished, GitError> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(GitError::GitMissing)?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A command that has seen enough closes its end; its exit status says whether that was a failure.
            let _ = stdin.write_all(&input).await;
        }
    };
    let run = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = tokio::time::timeout(limit, run)
        .await
        .map_err(|_| GitError::TimedOut {
            what: what.into(),
            after: limit,
        })?
        .map_err(GitError::io(what))?;
    Ok(Finished {
        success: output.status.success(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Git's own words, on one line, without its markers, and not too many of them.
pub(crate) fn detail(stderr: &str) -> String {
    let mut text = String::new();
    for line in stderr.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = ["fatal: ", "error: ", "warning: "]
            .iter()
            .find_map(|p| line.strip_prefix(p))
            .unwrap_or(line);
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(line);
    }
    if text.is_empty() {
        text.push_str("it gave no reason");
    }
    if text.len() > MAX_DETAIL {
        let cut = (0..=MAX_DETAIL).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// Checks that `git` is there and new enough. Returns its version.
pub(crate) fn check_version() -> Result<String, GitError> {
    let output = blocking(None)
        .arg("version")
        .stdin(Stdio::null())
        .output()
        .map_err(GitError::GitMissing)?;
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if new_enough(&found) {
        Ok(found)
    } else {
        Err(GitError::GitTooOld { found })
    }
}

fn new_enough(version: &str) -> bool {
    let number = version.split(' ').nth(2).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (2, 36)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for (text, expected) in [
            ("git version 2.39.5", true),
            ("git version 2.36.0", true),
            ("git version 2.47.1 (Apple Git-154)", true),
            ("git version 3.0.rc1", true),
            ("git version 2.9.5", false),
            ("git version 2.35.8", false),
            ("", false),
        ] {
            assert_eq!(new_enough(text), expected, "{text}");
        }
    }

    #[test]
    fn details_are_one_short_line() {
        assert_eq!(detail("fatal: a\n\n  error: b \n"), "a; b");
        assert_eq!(detail("  "), "it gave no reason");
        assert!(detail(&"ä".repeat(1000)).len() <= MAX_DETAIL + 3);
    }
}
