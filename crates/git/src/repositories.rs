//! The repositories of one directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast};

use crate::commit::repo_name;
use crate::error::GitError;
use crate::history::CommitInfo;
use crate::mirror::{Credentials, Mirror, encode_url};
use crate::name::{check_name, check_revision, redact};
use crate::objects::Objects;
use crate::oid::{CommitId, Oid};
use crate::process;
use crate::snapshot::Snapshot;

/// How long a command that only touches this machine may take.
pub(crate) const QUICK: Duration = Duration::from_secs(60);
const EVENT_BUFFER: usize = 4096;

/// How repositories are kept.
#[derive(Clone)]
pub struct Options {
    /// The present, in milliseconds since 1970: what commits and events are stamped with.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// URLs under which these repositories are served, such as `http://127.0.0.1:7070/git/`; a URL that starts with
    /// one of them is read here, without a detour over the network.
    pub base_urls: Vec<String>,
    /// Whether `file://` URLs are mirrored. They reach any repository on this machine: for tests only.
    pub allow_local: bool,
    /// How long fetching from elsewhere may take.
    pub fetch_timeout: Duration,
    /// How long serving one request may take.
    pub serve_timeout: Duration,
    /// How large a push may be.
    pub max_push_bytes: u64,
    /// How large a file may be to be read.
    pub max_file_bytes: u64,
    /// Branches that may be neither deleted nor rewritten by a push.
    pub protected_branches: Vec<String>,
    /// How many `git` processes may serve requests at a time.
    pub concurrency: usize,
}

impl Options {
    /// The usual options over a clock.
    pub fn new(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Options {
        Options {
            now_ms: Arc::new(now_ms),
            base_urls: Vec::new(),
            allow_local: false,
            fetch_timeout: Duration::from_secs(60),
            serve_timeout: Duration::from_secs(600),
            max_push_bytes: 512 << 20,
            max_file_bytes: 16 << 20,
            protected_branches: vec!["main".into(), "master".into()],
            concurrency: 32,
        }
    }
}

/// A reference that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEvent {
    /// The repository: its name here, or the URL of a mirrored one.
    pub repo: String,
    /// The reference, such as `refs/heads/main`.
    pub refname: String,
    /// Where it stood; `None` when it is new.
    pub old: Option<CommitId>,
    /// Where it stands; `None` when it was deleted.
    pub new: Option<CommitId>,
    /// Who moved it.
    pub pusher: String,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}

/// Where a repository named in a manifest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Here, under this name.
    Own(String),
    /// Elsewhere, at this URL.
    Elsewhere(String),
}

/// The repositories kept in one directory, and the mirrors of those that are elsewhere.
pub struct Repositories {
    directory: PathBuf,
    pub(crate) options: Options,
    objects: Arc<Objects>,
    events: broadcast::Sender<PushEvent>,
    base_urls: RwLock<Vec<String>>,
    pub(crate) mirrors: Mutex<HashMap<String, Arc<Mirror>>>,
    pub(crate) credentials: RwLock<Vec<(String, Credentials)>>,
    pub(crate) permits: Arc<Semaphore>,
    creation: Mutex<()>,
}

impl Repositories {
    /// Opens a directory of repositories, made where it is missing. Fails when `git` is missing or too old.
    pub fn open(directory: impl Into<PathBuf>, options: Options) -> Result<Arc<Repositories>, GitError> {
        let version = process::check_version()?;
        let directory = directory.into();
        let make =
            |path: &Path| std::fs::create_dir_all(path).map_err(GitError::io(format!("creating {}", path.display())));
        make(&directory.join(".mirrors"))?;
        let directory = directory
            .canonicalize()
            .map_err(GitError::io(format!("opening {}", directory.display())))?;
        tracing::debug!(directory = %directory.display(), git = %version, "repositories opened");
        Ok(Arc::new(Repositories {
            directory,
            objects: Arc::new(Objects::default()),
            events: broadcast::channel(EVENT_BUFFER).0,
            base_urls: RwLock::new(options.base_urls.clone()),
            mirrors: Mutex::new(HashMap::new()),
            credentials: RwLock::new(Vec::new()),
            permits: Arc::new(Semaphore::new(options.concurrency.max(1))),
            creation: Mutex::new(()),
            options,
        }))
    }

    /// Adds a URL under which these repositories are served (known only once a port has been bound).
    pub fn add_base_url(&self, url: &str) {
        self.base_urls
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(url.to_owned());
    }

    pub(crate) fn now(&self) -> i64 {
        (self.options.now_ms)()
    }

    /// Moves of references from now on: pushes, commits made here, and what fetching from elsewhere brought.
    ///
    /// A subscriber that falls far behind is told so (`Lagged`) and must look at everything again.
    pub fn subscribe(&self) -> broadcast::Receiver<PushEvent> {
        self.events.subscribe()
    }

    pub(crate) fn publish(&self, event: PushEvent) {
        tracing::debug!(repo = %event.repo, reference = %event.refname, new = ?event.new, "reference moved");
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }

    /// Creates an empty repository whose branch is to be `main`.
    pub async fn create(&self, name: &str) -> Result<(), GitError> {
        let name = repo_name(name);
        check_name(&name)?;
        let target = self.path(&name);
        let staging = self.directory.join(format!(".new-{}", name.replace('/', "+")));
        let _ = std::fs::remove_dir_all(&staging);
        let mut command = process::git(None);
        command
            .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"])
            .arg(&staging);
        process::finish(command, "git init", Vec::new(), QUICK)
            .await?
            .output("init")?;
        // Renaming onto an existing directory would fail only if that is not empty: look first, one at a time.
        let _one = self.creation.lock().unwrap_or_else(PoisonError::into_inner);
        if target.exists() {
            let _ = std::fs::remove_dir_all(&staging);
            return Err(GitError::AlreadyExists(name));
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(GitError::io(format!("creating {}", parent.display())))?;
        }
        std::fs::rename(&staging, &target).map_err(GitError::io(format!("creating repository {name}")))
    }

    /// Deletes a repository with all its history.
    pub async fn remove(&self, name: &str) -> Result<(), GitError> {
        let directory = self.own_directory(name)?;
        self.objects.forget(&directory);
        let gone = self
            .directory
            .join(format!(".old-{}", repo_name(name).replace('/', "+")));
        let _ = std::fs::remove_dir_all(&gone);
        std::fs::rename(&directory, &gone).map_err(GitError::io(format!("deleting repository {name}")))?;
        std::fs::remove_dir_all(&gone).map_err(GitError::io(format!("deleting repository {name}")))
    }

    /// The names of the repositories kept here, sorted.
    pub fn list(&self) -> Result<Vec<String>, GitError> {
        let mut names = Vec::new();
        self.collect(&self.directory, "", &mut names)?;
        names.sort();
        Ok(names)
    }

    fn collect(&self, directory: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), GitError> {
        let context = || format!("listing {}", directory.display());
        for entry in std::fs::read_dir(directory).map_err(GitError::io(context()))? {
            let entry = entry.map_err(GitError::io(context()))?;
            let Ok(file) = entry.file_name().into_string() else {
                continue;
            };
            if file.starts_with('.') || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            match file.strip_suffix(".git") {
                Some(name) => names.push(format!("{prefix}{name}")),
                None => self.collect(&entry.path(), &format!("{prefix}{file}/"), names)?,
            }
        }
        Ok(())
    }

    /// Whether a repository of that name is kept here.
    pub fn exists(&self, name: &str) -> bool {
        self.own_directory(name).is_ok()
    }

    /// The name of the repository here that a URL (or name) means; `None` for repositories elsewhere.
    pub fn own_name(&self, repo: &str) -> Option<String> {
        match self.locate(repo) {
            Location::Own(name) => Some(name),
            Location::Elsewhere(_) => None,
        }
    }

    pub(crate) fn locate(&self, repo: &str) -> Location {
        let plain = redact(repo);
        let bases = self.base_urls.read().unwrap_or_else(PoisonError::into_inner);
        for base in bases.iter() {
            if let Some(rest) = plain.strip_prefix(base.trim_end_matches('/'))
                && let Some(name) = rest.strip_prefix('/')
            {
                return Location::Own(repo_name(name.trim_end_matches('/')));
            }
        }
        let scp_like = repo.split_once(':').is_some_and(|(host, _)| host.contains('@'));
        if repo.contains("://") || scp_like {
            Location::Elsewhere(repo.to_owned())
        } else {
            Location::Own(repo_name(repo.trim_end_matches('/')))
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.git"))
    }

    /// The directory of a repository kept here.
    pub(crate) fn own_directory(&self, name: &str) -> Result<PathBuf, GitError> {
        let name = repo_name(name);
        check_name(&name)?;
        let path = self.path(&name);
        if path.join("HEAD").is_file() {
            Ok(path)
        } else {
            Err(GitError::NotFound {
                name,
                known: self.list().unwrap_or_default(),
            })
        }
    }

    pub(crate) fn mirror_directory(&self, url: &str) -> Result<PathBuf, GitError> {
        Ok(self.directory.join(".mirrors").join(encode_url(url)?))
    }

    pub(crate) fn directory_of(&self, repo: &str) -> Result<PathBuf, GitError> {
        match self.locate(repo) {
            Location::Own(name) => self.own_directory(&name),
            Location::Elsewhere(url) => self.mirror_directory(&url),
        }
    }

    /// Runs blocking reads of a repository.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        repo: &str,
        work: impl FnOnce(&Arc<Objects>, &Path) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let directory = self.directory_of(repo)?;
        let objects = self.objects.clone();
        tokio::task::spawn_blocking(move || work(&objects, &directory))
            .await
            .map_err(|_| GitError::Corrupt(format!("reading {repo} panicked")))?
    }

    /// The commit that a reference points to, if it exists.
    pub(crate) async fn reference(&self, repo: &str, refname: &str) -> Result<Option<CommitId>, GitError> {
        let name = format!("{refname}^{{commit}}");
        self.read(repo, move |objects, directory| {
            Ok(objects.lookup(directory, &name)?.map(|(id, _)| id))
        })
        .await
    }

    /// The commit that a branch, tag, full reference, commit id (also shortened) or `HEAD` stands for.
    ///
    /// `repo` is a name or URL; a repository elsewhere is fetched when it has not been yet.
    pub async fn resolve(&self, repo: &str, revision: &str) -> Result<CommitId, GitError> {
        let revision = if revision.is_empty() { "HEAD" } else { revision };
        check_revision(revision)?;
        if let Location::Elsewhere(url) = self.locate(repo) {
            self.ensure_mirror(&url).await?;
        }
        let mut tries = Vec::new();
        if revision == "HEAD" || revision.starts_with("refs/") {
            tries.push(revision.to_owned());
        } else {
            let hex = (7..=40).contains(&revision.len()) && revision.bytes().all(|b| b.is_ascii_hexdigit());
            if hex && revision.len() == 40 {
                tries.push(revision.to_owned());
            }
            tries.push(format!("refs/heads/{revision}"));
            tries.push(format!("refs/tags/{revision}"));
            if hex && revision.len() < 40 {
                tries.push(revision.to_owned());
            }
        }
        let found = self
            .read(repo, move |objects, directory| {
                for name in tries {
                    if let Some((id, _)) = objects.lookup(directory, &format!("{name}^{{commit}}"))? {
                        return Ok(Some(id));
                    }
                }
                Ok(None)
            })
            .await?;
        match found {
            Some(id) => Ok(id),
            None => Err(GitError::RevisionNotFound {
                repo: redact(repo),
                revision: revision.to_owned(),
                branches: self
                    .branches(repo)
                    .await
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(name, _)| name)
                    .collect(),
            }),
        }
    }

    /// The branches with their heads, sorted by name.
    pub async fn branches(&self, repo: &str) -> Result<Vec<(String, CommitId)>, GitError> {
        self.short_refs(repo, "refs/heads/").await
    }

    /// The tags with the commits they stand for, sorted by name.
    pub async fn tags(&self, repo: &str) -> Result<Vec<(String, CommitId)>, GitError> {
        self.short_refs(repo, "refs/tags/").await
    }

    async fn short_refs(&self, repo: &str, prefix: &str) -> Result<Vec<(String, CommitId)>, GitError> {
        let refs = self.refs_in(&self.directory_of(repo)?).await?;
        Ok(refs
            .into_iter()
            .filter_map(|(name, id)| Some((name.strip_prefix(prefix)?.to_owned(), id)))
            .collect())
    }

    /// All references below `refs/heads` and `refs/tags`, tags peeled, sorted by name.
    pub(crate) async fn refs_in(&self, directory: &Path) -> Result<Vec<(String, Oid)>, GitError> {
        let mut command = process::git(Some(directory));
        command.args([
            "for-each-ref",
            "--format=%(refname) %(objectname) %(*objectname)",
            "refs/heads",
            "refs/tags",
        ]);
        let listed = process::finish(command, "git for-each-ref", Vec::new(), QUICK)
            .await?
            .output("for-each-ref")?;
        let parse = |line: &str| {
            let mut parts = line.trim_end().split(' ');
            let (name, own) = (parts.next()?, parts.next()?);
            Some((name.to_owned(), parts.next().unwrap_or(own).parse().ok()?))
        };
        Ok(String::from_utf8_lossy(&listed).lines().filter_map(parse).collect())
    }

    /// The files of a commit.
    pub async fn snapshot(&self, repo: &str, commit: CommitId) -> Result<Snapshot, GitError> {
        let max_file_bytes = self.options.max_file_bytes;
        self.read(repo, move |objects, directory| {
            let object = objects.commit(directory, commit)?;
            let info =
                CommitInfo::parse(commit, &object).ok_or_else(|| GitError::Corrupt(format!("commit {commit}")))?;
            Ok(Snapshot {
                objects: objects.clone(),
                directory: directory.into(),
                commit,
                tree: info.tree,
                max_file_bytes,
            })
        })
        .await
    }

    /// Packs a repository's objects. Worth doing now and then; readers and pushes go on meanwhile.
    pub async fn maintain(&self, name: &str) -> Result<(), GitError> {
        let mut command = process::git(Some(&self.own_directory(name)?));
        command.args(["gc", "--quiet", "--no-prune"]);
        process::finish(command, "git gc", Vec::new(), self.options.serve_timeout)
            .await?
            .output("gc")?;
        Ok(())
    }
}
