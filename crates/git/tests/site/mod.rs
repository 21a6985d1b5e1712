//! A served directory of repositories, and a user's `git`.

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be set up fails its test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use base64::Engine;
use bytes::Bytes;
use ridgeway_git::{Author, Options, Repositories, SmartHttp};

/// 2024-01-01, in milliseconds: tests need no clock.
pub(crate) const NOW_MS: i64 = 1_704_067_200_000;

pub(crate) struct Site {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) repositories: Arc<Repositories>,
    pub(crate) url: String,
}

#[allow(dead_code, reason = "not every test file uses everything")]
impl Site {
    /// Serves an empty directory. `alice` may do anything, `bob` only read, nobody else anything.
    pub(crate) async fn start() -> Site {
        Site::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Site {
        let scratch = tempfile::tempdir().unwrap();
        let mut options = Options::new(|| NOW_MS);
        options.allow_local = true;
        change(&mut options);
        let repositories = Repositories::open(scratch.path().join("git"), options).unwrap();
        let access = |user: &str, _: &str, write: bool| user == "alice" || (user == "bob" && !write);
        let server = SmartHttp::new(repositories.clone(), Arc::new(access));
        let app = Router::new().fallback(move |request: Request| {
            let server = server.clone();
            async move {
                let user = request.headers().get("authorization").and_then(|value| {
                    let packed = value.to_str().ok()?.strip_prefix("Basic ")?.to_owned();
                    let pair = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
                    Some(String::from_utf8(pair).ok()?.split(':').next()?.to_owned())
                });
                server.handle(user.as_deref(), request).await
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/git", listener.local_addr().unwrap());
        repositories.add_base_url(&format!("{url}/"));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Site {
            scratch,
            repositories,
            url,
        }
    }

    /// A repository with one commit on `main`.
    pub(crate) async fn seeded(&self, name: &str) -> ridgeway_git::CommitId {
        self.repositories.create(name).await.unwrap();
        let file = Some(Bytes::from_static(b"replicas: 1\n"));
        let author = Author::new("Seeder", "seed@example.org");
        self.repositories
            .commit_files(name, "main", &author, "Seed", &[("app/deploy.yaml", file)])
            .await
            .unwrap()
    }

    pub(crate) fn remote(&self, user: &str, name: &str) -> String {
        format!(
            "{}/{name}.git",
            self.url.replace("http://", &format!("http://{user}:x@"))
        )
    }

    pub(crate) async fn clone(&self, user: &str, name: &str, directory: &str) -> PathBuf {
        let target = self.scratch.path().join(directory);
        let remote = self.remote(user, name);
        self.git(self.scratch.path(), &["clone", "-q", &remote, target.to_str().unwrap()])
            .await
            .unwrap();
        target
    }

    /// Runs a user's git; the error is what it printed.
    pub(crate) async fn git(&self, directory: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("git");
        command.current_dir(directory).args(arguments);
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Ann")
                .env(format!("GIT_{role}_EMAIL"), "ann@example.org");
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        if output.status.success() {
            Ok(out.trim().to_owned())
        } else {
            Err(format!("{out}{err}"))
        }
    }

    pub(crate) async fn commit(&self, work: &Path, file: &str, text: &str) -> String {
        std::fs::write(work.join(file), text).unwrap();
        self.git(work, &["add", "-A"]).await.unwrap();
        self.git(work, &["commit", "-q", "-m", &format!("Write {file}")])
            .await
            .unwrap();
        self.git(work, &["rev-parse", "HEAD"]).await.unwrap()
    }
}
