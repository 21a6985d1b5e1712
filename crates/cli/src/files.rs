//! Folders as data for the pure engines.

use std::cell::RefCell;
use std::path::{Component, Path, PathBuf};

/// A folder on disk as the renderer reads it.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn new(root: &Path) -> Disk {
        Disk(root.to_path_buf())
    }
}

impl ridgeway_render::Files for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match std::fs::read(self.0.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<ridgeway_render::DirEntry>>, String> {
        let entries = match std::fs::read_dir(self.0.join(dir)) {
            Ok(entries) => entries,
            Err(error) if missing(&error) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let is_dir = entry.path().is_dir();
            list.push(ridgeway_render::DirEntry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir,
            });
        }
        Ok(Some(list))
    }
}

fn missing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

/// Texts on disk by their paths, as the runners of policy tests read them. Keeps the last file read: the runners ask
/// whether a file is there before they read it.
#[derive(Default)]
pub(crate) struct Texts(RefCell<Option<(String, String)>>);

impl ridgeway_policy::corpus::Files for Texts {
    fn read(&self, path: &str) -> Option<String> {
        if let Some((last, text)) = &*self.0.borrow()
            && last == path
        {
            return Some(text.clone());
        }
        let text = std::fs::read_to_string(path).ok()?;
        *self.0.borrow_mut() = Some((path.to_owned(), text.clone()));
        Some(text)
    }

    fn walk(&self, folder: &str) -> Vec<String> {
        walk(Path::new(folder))
    }
}

/// Every file below a folder, sorted; what is hidden (`.git`) is passed over.
pub(crate) fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_path_buf()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(".git") {
                continue;
            }
            // The kind is known from the listing; only links need to be looked at.
            let is_dir = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => kind.is_dir(),
                _ => path.is_dir(),
            };
            if is_dir {
                ahead.push(path);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The root of the repository a folder lies in, and the folder's path within: references may climb out of the folder,
/// up to the root. Without a repository the root is that of the file system.
pub(crate) fn in_repository(folder: &Path) -> Option<(PathBuf, String)> {
    let folder = folder.canonicalize().ok()?;
    let root = folder
        .ancestors()
        .find(|p| p.join(".git").exists())
        .unwrap_or_else(|| Path::new("/"));
    let inner = folder.strip_prefix(root).unwrap_or(&folder);
    let parts = inner.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    Some((root.to_path_buf(), parts.collect::<Vec<_>>().join("/")))
}
