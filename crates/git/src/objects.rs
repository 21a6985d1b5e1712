//! Reading objects: pooled `git cat-file --batch-command` processes and a cache by hash.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::GitError;
use crate::oid::Oid;
use crate::process;

/// How many readers may wait idle, over all repositories.
const MAX_IDLE: usize = 16;
/// How many bytes each of the cache's two generations holds.
const GENERATION_BYTES: usize = 24 << 20;
/// Files larger than this are not cached.
const MAX_CACHED_BLOB: usize = 512 << 10;

/// A directory's entry as Git stores it.
#[derive(Clone, Debug)]
pub(crate) struct TreeEntry {
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) id: Oid,
}

#[derive(Clone)]
enum Cached {
    Tree(Arc<[TreeEntry]>),
    Blob(Bytes),
}

impl Cached {
    fn weight(&self) -> usize {
        match self {
            Cached::Tree(entries) => 64 + entries.len() * 80,
            Cached::Blob(bytes) => 64 + bytes.len(),
        }
    }
}

/// A cache of two generations: when the young one is full it becomes the old one, and what was old is dropped.
#[derive(Default)]
struct Cache {
    young: HashMap<Oid, Cached>,
    old: HashMap<Oid, Cached>,
    weight: usize,
}

impl Cache {
    fn get(&mut self, id: &Oid) -> Option<Cached> {
        if let Some(found) = self.young.get(id) {
            return Some(found.clone());
        }
        let found = self.old.remove(id)?;
        self.put(*id, found.clone());
        Some(found)
    }

    fn put(&mut self, id: Oid, object: Cached) {
        self.weight += object.weight();
        self.young.insert(id, object);
        if self.weight > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
    }
}

/// Reads objects of any repository.
#[derive(Default)]
pub(crate) struct Objects {
    idle: Mutex<Vec<(PathBuf, Reader)>>,
    cache: Mutex<Cache>,
}

impl Objects {
    /// What a name (an id, or a reference, possibly peeled with `^{commit}`) stands for: its id and type.
    pub(crate) fn lookup(&self, repository: &Path, name: &str) -> Result<Option<(Oid, String)>, GitError> {
        self.with(repository, |reader| {
            Ok(reader.info(name)?.map(|header| (header.id, header.kind)))
        })
    }

    /// A directory's entries.
    pub(crate) fn tree(&self, repository: &Path, id: Oid) -> Result<Arc<[TreeEntry]>, GitError> {
        if let Some(Cached::Tree(entries)) = self.cached(&id) {
            return Ok(entries);
        }
        let bytes = self.read(repository, id, "tree", u64::MAX)?;
        let entries: Arc<[TreeEntry]> = parse_tree(&bytes)
            .ok_or_else(|| GitError::Corrupt(format!("tree {id}")))?
            .into();
        self.remember(id, Cached::Tree(entries.clone()));
        Ok(entries)
    }

    /// A file's bytes.
    pub(crate) fn blob(&self, repository: &Path, id: Oid, path: &str, limit: u64) -> Result<Bytes, GitError> {
        if let Some(Cached::Blob(bytes)) = self.cached(&id) {
            return Ok(bytes);
        }
        let bytes = Bytes::from(self.read(repository, id, "blob", limit).map_err(|error| match error {
            GitError::TooLarge { size, limit, .. } => GitError::TooLarge {
                path: path.into(),
                size,
                limit,
            },
            other => other,
        })?);
        if bytes.len() <= MAX_CACHED_BLOB {
            self.remember(id, Cached::Blob(bytes.clone()));
        }
        Ok(bytes)
    }

    /// A commit object's text.
    pub(crate) fn commit(&self, repository: &Path, id: Oid) -> Result<Vec<u8>, GitError> {
        self.read(repository, id, "commit", 8 << 20)
    }

    fn cached(&self, id: &Oid) -> Option<Cached> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    fn remember(&self, id: Oid, object: Cached) {
        self.cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(id, object);
    }

    fn read(&self, repository: &Path, id: Oid, kind: &str, limit: u64) -> Result<Vec<u8>, GitError> {
        let found = self.with(repository, |reader| {
            let name = id.to_string();
            if limit < u64::MAX
                && let Some(header) = reader.info(&name)?
                && header.size > limit
            {
                return Ok(Some(Err(header.size)));
            }
            Ok(reader.contents(&name)?.map(Ok))
        })?;
        match found {
            Some(Ok((header, bytes))) if header.kind == kind => Ok(bytes),
            Some(Ok((header, _))) => Err(GitError::Corrupt(format!(
                "{id} is a {} where a {kind} should be",
                header.kind
            ))),
            Some(Err(size)) => Err(GitError::TooLarge {
                path: id.to_string(),
                size,
                limit,
            }),
            None => Err(GitError::Corrupt(format!("{kind} {id} is missing"))),
        }
    }

    /// Lends a reader of a repository. One that fails (its repository was replaced, it was killed) is replaced once.
    fn with<T>(&self, repository: &Path, mut work: impl FnMut(&mut Reader) -> Result<T, Error>) -> Result<T, GitError> {
        let lent = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.iter()
                .rposition(|(path, _)| path == repository)
                .map(|at| idle.remove(at).1)
        };
        if let Some(mut reader) = lent
            && let Ok(done) = work(&mut reader)
        {
            self.take_back(repository, reader);
            return Ok(done);
        }
        let mut reader = Reader::start(repository).map_err(GitError::GitMissing)?;
        let done = work(&mut reader).map_err(GitError::io(format!("reading {}", repository.display())))?;
        self.take_back(repository, reader);
        Ok(done)
    }

    fn take_back(&self, repository: &Path, reader: Reader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MAX_IDLE {
            idle.remove(0);
        }
        idle.push((repository.to_owned(), reader));
    }

    /// Ends the idle readers of a repository that goes away.
    pub(crate) fn forget(&self, repository: &Path) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(path, _)| path != repository);
    }
}

struct Header {
    id: Oid,
    kind: String,
    size: u64,
}

/// One `git cat-file --batch-command`.
struct Reader {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Reader {
    fn start(repository: &Path) -> Result<Reader, Error> {
        let mut command = process::blocking(Some(repository));
        command.args(["cat-file", "--batch-command"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let missing = || Error::new(ErrorKind::BrokenPipe, "git cat-file has no pipe");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = BufReader::with_capacity(64 << 10, child.stdout.take().ok_or_else(missing)?);
        Ok(Reader { child, stdin, stdout })
    }

    fn ask(&mut self, verb: &str, name: &str) -> Result<Option<Header>, Error> {
        debug_assert!(!name.contains('\n'), "names are checked before they come here");
        self.stdin.write_all(format!("{verb} {name}\n").as_bytes())?;
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "git cat-file ended; is this a Git repository?",
            ));
        }
        // `<id> <type> <size>`, or `<name> missing` and the like.
        let mut parts = line.trim_end().rsplitn(3, ' ');
        let (size, kind, id) = (parts.next(), parts.next(), parts.next());
        let header = (|| {
            Some(Header {
                id: id?.parse().ok()?,
                kind: kind?.to_owned(),
                size: size?.parse().ok()?,
            })
        })();
        Ok(header)
    }

    fn info(&mut self, name: &str) -> Result<Option<Header>, Error> {
        self.ask("info", name)
    }

    fn contents(&mut self, name: &str) -> Result<Option<(Header, Vec<u8>)>, Error> {
        let Some(header) = self.ask("contents", name)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; usize::try_from(header.size).map_err(|_| ErrorKind::OutOfMemory)? + 1];
        self.stdout.read_exact(&mut bytes)?;
        bytes.pop();
        Ok(Some((header, bytes)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse_tree(mut bytes: &[u8]) -> Option<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|b| *b == b' ')?;
        let mode = u32::from_str_radix(std::str::from_utf8(&bytes[..blank]).ok()?, 8).ok()?;
        let end = blank + bytes[blank..].iter().position(|b| *b == 0)?;
        let name = String::from_utf8_lossy(&bytes[blank + 1..end]).into_owned();
        let id = Oid::from_bytes(bytes.get(end + 1..end + 21)?)?;
        entries.push(TreeEntry { name, mode, id });
        bytes = &bytes[end + 21..];
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_parsed_and_damage_is_seen() {
        let mut bytes = b"100644 a b.yaml\0".to_vec();
        bytes.extend([7; 20]);
        bytes.extend(b"40000 dir\0");
        bytes.extend([8; 20]);
        let entries = parse_tree(&bytes).unwrap();
        let seen: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.mode)).collect();
        assert_eq!(seen, [("a b.yaml", 0o100644), ("dir", 0o40000)]);
        assert!(parse_tree(&bytes[..bytes.len() - 1]).is_none());
    }

    #[test]
    fn the_cache_forgets_what_was_not_used_for_two_generations() {
        let id = |n: u8| Oid::from_bytes(&[n; 20]).unwrap();
        let mut cache = Cache::default();
        let blob = |n: usize| Cached::Blob(Bytes::from(vec![0; n]));
        cache.put(id(1), blob(10));
        cache.put(id(2), blob(10));
        cache.put(id(3), blob(GENERATION_BYTES));
        assert!(
            cache.get(&id(1)).is_some(),
            "still in the old generation, and young again"
        );
        cache.put(id(4), blob(GENERATION_BYTES));
        assert!(cache.get(&id(1)).is_some());
        assert!(cache.get(&id(2)).is_none());
    }
}
