//! Folders as data for the pure engines.

use std::path::{Path, PathBuf};

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
