//! A platform with a few repositories, and the things around it that break.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ridgeway_testkit::journey::git;
use ridgeway_testkit::kube::{As, Kube};
use ridgeway_testkit::platform::{Platform, Start};
use ridgeway_testkit::report::{ensure, until};
use serde_json::{Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const BINARY: &str = env!("CARGO_BIN_EXE_ridgeway");

/// A running platform.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    data: PathBuf,
    pub(crate) platform: Platform,
    pub(crate) kube: Kube,
    pub(crate) password: String,
}

impl World {
    pub(crate) fn start(repositories: &[&str]) -> Result<World> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        World::start_in(folder, data, repositories)
    }

    pub(crate) fn start_in(folder: tempfile::TempDir, data: PathBuf, repositories: &[&str]) -> Result<World> {
        let repos = folder.path().join("repositories");
        for name in repositories {
            std::fs::create_dir_all(&repos)?;
            git(
                &repos,
                &[
                    "init",
                    "--quiet",
                    "--bare",
                    "--initial-branch=main",
                    &format!("{name}.git"),
                ],
            )?;
        }
        let platform = start(folder.path(), &data)?;
        let kube = Kube::new(&platform.kubeconfig)?;
        let password = platform.password.clone().context("no password was printed")?;
        Ok(World {
            folder,
            data,
            platform,
            kube,
            password,
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// Ends the platform, cleanly or not, and starts it again on the same data.
    pub(crate) fn restart(&mut self) -> Result<()> {
        Command::new("kill").arg(self.platform.pid().to_string()).status()?;
        until(Duration::from_secs(10), || {
            let gone = !self.alive()?;
            ensure(gone, || "it does not end".into())
        })?;
        self.platform = start(self.folder.path(), &self.data)?;
        self.kube = Kube::new(&self.platform.kubeconfig)?;
        Ok(())
    }

    /// Whether the process still runs; one that ended and was not waited for does not.
    fn alive(&self) -> Result<bool> {
        match std::fs::read_to_string(format!("/proc/{}/stat", self.platform.pid())) {
            Ok(stat) => Ok(!stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .trim_start()
                .starts_with('Z')),
            Err(_) => Ok(false),
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> Result<usize> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.platform.pid()))?;
        let pages: usize = text.split(' ').nth(1).context("no resident set")?.parse()?;
        Ok(pages * 4096)
    }

    fn clone_of(&self, repository: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join("clones").join(repository);
        if !folder.exists() {
            let portal = self
                .platform
                .portal
                .replacen("://", &format!("://admin:{}@", self.password), 1);
            let url = format!("{portal}/git/{repository}.git");
            git(
                self.folder.path(),
                &["clone", "--quiet", &url, &folder.to_string_lossy()],
            )?;
            identify(&folder)?;
        }
        Ok(folder)
    }

    /// Writes files, commits and pushes.
    pub(crate) fn push(&self, repository: &str, files: &[(&str, &str)]) -> Result<String> {
        let folder = self.clone_of(repository)?;
        for (path, text) in files {
            write(&folder.join(path), text)?;
        }
        commit(&folder, "files")?;
        git(&folder, &["push", "--quiet", "origin", "HEAD:main"])?;
        git(&folder, &["rev-parse", "HEAD"])
    }

    pub(crate) fn remove(&self, repository: &str, path: &str) -> Result<()> {
        let folder = self.clone_of(repository)?;
        git(&folder, &["rm", "--quiet", path])?;
        git(&folder, &["commit", "--quiet", "-m", "removed"])?;
        git(&folder, &["push", "--quiet", "origin", "HEAD:main"]).map(drop)
    }

    /// An Application of one of the platform's own repositories, synced by itself.
    pub(crate) fn application(&self, repository: &str, name: &str, path: &str) -> Result<()> {
        self.application_of(repository, name, path)
    }

    pub(crate) fn application_of(&self, url: &str, name: &str, path: &str) -> Result<()> {
        let application = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {
                "project": "default",
                "source": {"repoURL": url, "targetRevision": "main", "path": path},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "default"},
                "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
            },
        });
        let path = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications";
        let body = Some(("application/json", application.to_string()));
        self.kube.request(As::Admin, "POST", path, body).map(drop)
    }

    pub(crate) fn status(&self, name: &str) -> Result<Value> {
        let application = self.kube.get("applications.argoproj.io", "argocd", name)?;
        Ok(application.with_context(|| format!("no Application {name}"))?["status"].clone())
    }

    pub(crate) fn conditions(&self, name: &str) -> Result<String> {
        let status = self.status(name)?;
        let list = status["conditions"].as_array().cloned().unwrap_or_default();
        let messages = list.iter().map(|c| c["message"].as_str().unwrap_or_default());
        Ok(messages.collect::<Vec<_>>().join("\n"))
    }

    /// Waits until an Application complains with all of these words, and gives what it says.
    pub(crate) fn complains(&self, name: &str, words: &[&str]) -> Result<String> {
        until(PATIENCE, || {
            let conditions = self.conditions(name)?;
            says(&conditions, words)
        })
    }

    /// Waits until an Application is in step with its repository's last commit and complains of nothing.
    pub(crate) fn synced(&self, name: &str) -> Result<()> {
        until(PATIENCE, || {
            let status = self.status(name)?;
            let conditions = self.conditions(name)?;
            ensure(status["sync"]["status"] == "Synced" && conditions.is_empty(), || {
                format!("{}: {conditions}", status["sync"])
            })
        })
    }

    /// Asks for a look at the repository now.
    pub(crate) fn refresh(&self, name: &str) -> Result<()> {
        let patch = r#"{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}"#;
        self.kube
            .merge_patch(As::Admin, "applications.argoproj.io", "argocd", name, patch)
    }

    /// Creates a ConfigMap; an answer is an acknowledgement.
    pub(crate) fn create(&self, name: &str, value: &str) -> Result<()> {
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}});
        let path = "/api/v1/namespaces/default/configmaps";
        let body = Some(("application/json", object.to_string()));
        self.kube.request(As::Admin, "POST", path, body).map(drop)
    }

    pub(crate) fn value_of(&self, name: &str, wanted: &str) -> Result<()> {
        let map = self
            .kube
            .get("configmaps", "default", name)?
            .with_context(|| format!("{name} is gone"))?;
        ensure(map["data"]["key"] == wanted, || {
            format!("{name} holds {:.60}", map["data"].to_string())
        })
    }

    /// Posts a body to the portal's API as a client that sends on while the answer comes; gives status and answer.
    pub(crate) fn post_slowly(&self, body: &[u8]) -> Result<(u16, String)> {
        self.kube
            .post_bytes("/api/v1/namespaces/default/configmaps", "application/yaml", body)
    }

    /// Runs the command line against this platform; gives all that it says.
    pub(crate) fn command(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(BINARY)
            .args(args)
            .env("RIDGEWAY_DATA_DIR", &self.data)
            .current_dir(self.folder.path())
            .output()?;
        Ok(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

fn start(folder: &Path, data: &Path) -> Result<Platform> {
    Platform::start(&Start {
        binary: Path::new(BINARY),
        data,
        git: Some(&folder.join("repositories")),
        demo: false,
    })
}

/// Starts a platform that must not start, and gives what it says.
pub(crate) fn refused_start(data: &Path, args: &[&str]) -> String {
    let output = Command::new(BINARY)
        .arg("up")
        .args(args)
        .arg("--data-dir")
        .arg(data)
        .output()
        .unwrap();
    assert!(!output.status.success(), "it started");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{key: {value}}}\n")
}

/// The first line of what was said, when all of these words are in it.
pub(crate) fn says(said: &str, words: &[&str]) -> Result<String> {
    for word in words {
        ensure(said.contains(word), || format!("{word:?} is missing: {said:.600}"))?;
    }
    Ok(said.lines().next().unwrap_or_default().chars().take(200).collect())
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::create_dir_all(path.parent().context("no folder")?)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn identify(folder: &Path) -> Result<()> {
    git(folder, &["config", "user.name", "Carla"])?;
    git(folder, &["config", "user.email", "carla@example.org"]).map(drop)
}

fn commit(folder: &Path, message: &str) -> Result<()> {
    git(folder, &["add", "--all"])?;
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", message]).map(drop)
}

/// Somebody else's Git server: bare repositories as files over HTTP.
pub(crate) struct Static {
    root: PathBuf,
    pub(crate) url: String,
    away: Arc<AtomicBool>,
}

impl Static {
    pub(crate) fn serve(root: PathBuf) -> Static {
        std::fs::create_dir_all(&root).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let away = Arc::new(AtomicBool::new(false));
        let (folder, stopped) = (root.clone(), away.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    let _ = answer(stream, &folder);
                }
            }
        });
        Static { root, url, away }
    }

    /// Commits a file into a bare repository, as its owner would with a push.
    pub(crate) fn commit(&self, repository: &str, path: &str, text: &str) -> Result<()> {
        let bare = self.root.join(repository);
        if !bare.exists() {
            git(
                &self.root,
                &["init", "--quiet", "--bare", "--initial-branch=main", repository],
            )?;
        }
        let work = self.root.join(format!("{repository}.work"));
        if !work.exists() {
            git(
                &self.root,
                &["clone", "--quiet", &bare.to_string_lossy(), &work.to_string_lossy()],
            )?;
            identify(&work)?;
        }
        write(&work.join(path), text)?;
        commit(&work, path)?;
        git(&work, &["push", "--quiet", "origin", "HEAD:main"])?;
        git(&bare, &["update-server-info"]).map(drop)
    }

    pub(crate) fn hide(&self, repository: &str) -> Result<()> {
        Ok(std::fs::rename(self.root.join(repository), self.root.join(".hidden"))?)
    }

    pub(crate) fn show(&self, repository: &str) -> Result<()> {
        Ok(std::fs::rename(self.root.join(".hidden"), self.root.join(repository))?)
    }

    /// Stops listening.
    pub(crate) fn stop(&self) {
        self.away.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

/// Answers one request with a file.
fn answer(stream: TcpStream, root: &Path) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    if path.contains("..") {
        bail!("a path that leaves the folder");
    }
    let mut stream = stream;
    let mut bytes = Vec::new();
    let found = std::fs::File::open(root.join(path))
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .is_ok();
    let status = if found { "200 OK" } else { "404 Not Found" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        bytes.len()
    )?;
    stream.write_all(&bytes)?;
    Ok(())
}

/// A file system that is soon full; unmounted when dropped.
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount one.
    pub(crate) fn mount(bytes: u64) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "ridgeway-test"])
            .arg(folder.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then_some(SmallDisk(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("filler")).unwrap();
        for size in [1 << 20, 4096, 1] {
            let block = vec![0u8; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}
