//! The files of one commit.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::GitError;
use crate::objects::{Objects, TreeEntry};
use crate::oid::{CommitId, Oid};

const MAX_LINKS: usize = 16;
const MODE_TREE: u32 = 0o040000;
const MODE_LINK: u32 = 0o120000;
const MODE_SUBMODULE: u32 = 0o160000;
const MODE_EXECUTABLE: u32 = 0o100755;

/// What a directory's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; reading follows it within the repository.
    Link,
    /// Another repository's commit; its files are not here.
    Submodule,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// The hash of its contents.
    pub id: Oid,
}

/// Reads the files of one commit. Cheap to clone; synchronous: call it where blocking for some microseconds is allowed.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) objects: Arc<Objects>,
    pub(crate) directory: Arc<Path>,
    pub(crate) commit: CommitId,
    pub(crate) tree: Oid,
    pub(crate) max_file_bytes: u64,
}

impl Snapshot {
    /// The commit.
    pub fn commit(&self) -> CommitId {
        self.commit
    }

    /// A file's bytes; `None` when there is no file of that path.
    pub fn read(&self, path: &str) -> Result<Option<Bytes>, GitError> {
        match self.find(path)? {
            Some(entry) if is_file(entry.mode) => self
                .objects
                .blob(&self.directory, entry.id, path, self.max_file_bytes)
                .map(Some),
            _ => Ok(None),
        }
    }

    /// A directory's entries, ordered by name; `None` when there is no directory of that path. The root is `""`.
    pub fn list(&self, path: &str) -> Result<Option<Vec<Entry>>, GitError> {
        let Some(entry) = self.find(path)?.filter(|entry| entry.mode == MODE_TREE) else {
            return Ok(None);
        };
        let mut entries: Vec<Entry> = self
            .objects
            .tree(&self.directory, entry.id)?
            .iter()
            .map(|entry| Entry {
                name: entry.name.clone(),
                kind: kind(entry.mode),
                id: entry.id,
            })
            .collect();
        // Git sorts directories as if their names ended in a slash.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(entries))
    }

    /// The hash of a directory with all that is under it; `None` when there is none of that path.
    pub fn tree_hash(&self, path: &str) -> Result<Option<Oid>, GitError> {
        Ok(self
            .find(path)?
            .filter(|entry| entry.mode == MODE_TREE)
            .map(|entry| entry.id))
    }

    /// The hash of what a path leads to, file or directory; `None` when there is nothing.
    pub fn hash(&self, path: &str) -> Result<Option<Oid>, GitError> {
        Ok(self.find(path)?.map(|entry| entry.id))
    }

    /// Whether a path is a file, a directory or nothing (`None`), links followed.
    pub fn kind(&self, path: &str) -> Result<Option<EntryKind>, GitError> {
        Ok(self.find(path)?.map(|entry| kind(entry.mode)))
    }

    /// Whether the path is an executable file.
    pub(crate) fn is_executable(&self, path: &str) -> Result<bool, GitError> {
        Ok(self.find(path)?.is_some_and(|entry| entry.mode == MODE_EXECUTABLE))
    }

    /// Walks to a path, following links; links that leave the repository lead nowhere.
    fn find(&self, path: &str) -> Result<Option<TreeEntry>, GitError> {
        let root = TreeEntry {
            name: String::new(),
            mode: MODE_TREE,
            id: self.tree,
        };
        // The directories from the root to where we are, so that `..` can go back.
        let mut walked = vec![root];
        let mut ahead: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(step) = ahead.pop() {
            match step.as_str() {
                "" | "." => continue,
                ".." => {
                    walked.pop();
                    if walked.is_empty() {
                        return Ok(None);
                    }
                    continue;
                }
                _ => {}
            }
            let Some(here) = walked.last().filter(|here| here.mode == MODE_TREE) else {
                return Ok(None);
            };
            let entries = self.objects.tree(&self.directory, here.id)?;
            let Some(entry) = entries.iter().find(|entry| entry.name == step) else {
                return Ok(None);
            };
            if entry.mode != MODE_LINK {
                walked.push(entry.clone());
                continue;
            }
            links += 1;
            let target = self.objects.blob(&self.directory, entry.id, path, 4096)?;
            let target = String::from_utf8_lossy(&target).into_owned();
            if links > MAX_LINKS || target.starts_with('/') {
                return Ok(None);
            }
            ahead.extend(target.split('/').rev().map(str::to_owned));
        }
        Ok(walked.pop())
    }
}

fn is_file(mode: u32) -> bool {
    mode & 0o170000 == 0o100000
}

fn kind(mode: u32) -> EntryKind {
    match mode {
        MODE_TREE => EntryKind::Directory,
        MODE_LINK => EntryKind::Link,
        MODE_SUBMODULE => EntryKind::Submodule,
        _ => EntryKind::File,
    }
}
