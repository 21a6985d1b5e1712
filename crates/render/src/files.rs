//! Where sources come from: [`Files`], and the recorder that notes what was looked at.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Fault, RenderError};

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 10 * 1024 * 1024;

/// The files of one revision of one repository.
///
/// Paths are relative to the repository root, separated by `/`, without `.`, `..` or a leading `/`; the root is empty.
pub trait Files {
    /// The content of a file; `None` when there is no such file. Symbolic links are followed.
    ///
    /// # Errors
    /// A sentence, when the file exists and cannot be read.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String>;

    /// The entries of a directory, in any order; `None` when there is no such directory.
    ///
    /// # Errors
    /// A sentence, when the directory exists and cannot be read.
    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, String>;
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name within the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Files held in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryFiles(BTreeMap<String, Vec<u8>>);

impl MemoryFiles {
    /// No files.
    pub fn new() -> MemoryFiles {
        MemoryFiles::default()
    }

    /// With one more file.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> MemoryFiles {
        self.insert(path, content);
        self
    }

    /// Adds a file.
    pub fn insert(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.0.insert(path.into(), content.into());
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, String> {
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let entries: BTreeSet<DirEntry> = self
            .0
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => DirEntry {
                    name: name.into(),
                    is_dir: true,
                },
                None => DirEntry {
                    name: rest.into(),
                    is_dir: false,
                },
            })
            .collect();
        Ok((!entries.is_empty() || dir.is_empty()).then(|| entries.into_iter().collect()))
    }
}

/// Reads through another [`Files`], notes every path, and refuses files that are too large.
pub(crate) struct Recorder<'f> {
    inner: &'f dyn Files,
    files: RefCell<BTreeSet<String>>,
    directories: RefCell<BTreeSet<String>>,
}

impl<'f> Recorder<'f> {
    pub(crate) fn new(inner: &'f dyn Files) -> Recorder<'f> {
        Recorder {
            inner,
            files: RefCell::default(),
            directories: RefCell::default(),
        }
    }

    /// The files and directories that were looked at, also those that do not exist.
    pub(crate) fn into_seen(self) -> (Vec<String>, Vec<String>) {
        (
            self.files.into_inner().into_iter().collect(),
            self.directories.into_inner().into_iter().collect(),
        )
    }

    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RenderError> {
        self.files.borrow_mut().insert(path.into());
        let content = self.inner.read(path).map_err(|e| Fault::in_file(path, e))?;
        if let Some(content) = &content
            && content.len() > MAX_FILE_BYTES
        {
            let (size, limit) = (content.len() / (1024 * 1024), MAX_FILE_BYTES / (1024 * 1024));
            let message = format!("the file has {size} MiB; files up to {limit} MiB are read: split it");
            return Err(Fault::in_file(path, message).into());
        }
        Ok(content)
    }

    /// A file as text.
    pub(crate) fn read_text(&self, path: &str) -> Result<Option<String>, RenderError> {
        match self.read(path)? {
            None => Ok(None),
            Some(content) => match String::from_utf8(content) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Fault::in_file(path, "the file is not UTF-8 text").into()),
            },
        }
    }

    pub(crate) fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, RenderError> {
        self.directories.borrow_mut().insert(dir.into());
        let mut entries = self.inner.list(dir).map_err(|e| Fault::in_file(dir, e))?;
        if let Some(entries) = &mut entries {
            entries.sort();
        }
        Ok(entries)
    }

    pub(crate) fn is_dir(&self, dir: &str) -> Result<bool, RenderError> {
        Ok(self.list(dir)?.is_some())
    }
}

/// Joins a relative path to a directory; `None` when it leaves the repository.
pub(crate) fn join(dir: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') {
        return None;
    } else {
        dir.split('/').filter(|p| !p.is_empty() && *p != ".").collect()
    };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a path is a directory or lies below it.
pub(crate) fn is_within(path: &str, dir: &str) -> bool {
    dir.is_empty() || path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

/// The last element of a path.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_within_the_repository() {
        for (dir, path, want) in [
            ("a/b", "c.yaml", Some("a/b/c.yaml")),
            ("a/b", "./../c", Some("a/c")),
            ("a/b", "../..", Some("")),
            ("a/b", "../../../c", None),
            ("", "./x", Some("x")),
            (".", "x/", Some("x")),
            ("a", "/etc/passwd", None),
        ] {
            assert_eq!(join(dir, path).as_deref(), want, "{dir} {path}");
        }
        assert!(is_within("a/b", "a") && !is_within("ab", "a") && is_within("x", ""));
    }

    #[test]
    fn the_recorder_notes_what_it_saw_and_refuses_giants() {
        let files = MemoryFiles::new()
            .with("a/x.yaml", "x")
            .with("a/big.yaml", vec![b'x'; MAX_FILE_BYTES + 1]);
        let recorder = Recorder::new(&files);
        assert_eq!(recorder.read("a/none").unwrap(), None);
        assert_eq!(recorder.read_text("a/x.yaml").unwrap().as_deref(), Some("x"));
        assert_eq!(recorder.list("a").unwrap().unwrap().len(), 2);
        let error = recorder.read("a/big.yaml").unwrap_err().to_string();
        assert_eq!(
            error,
            "a/big.yaml: the file has 10 MiB; files up to 10 MiB are read: split it"
        );
        let (files, directories) = recorder.into_seen();
        assert_eq!(files, ["a/big.yaml", "a/none", "a/x.yaml"]);
        assert_eq!(directories, ["a"]);
    }
}
