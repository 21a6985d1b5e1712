//! Keys and certificates on disk: private where they are secret, whole or not there.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rcgen::KeyPair;

use crate::PkiError;

/// A directory that only its owner may enter; made when it is missing.
///
/// # Errors
/// [`PkiError::File`].
pub fn make_private_directory(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(PkiError::file("create", path))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(PkiError::file("protect", path))
}

/// A text; `None` when the file is not there.
///
/// # Errors
/// [`PkiError::File`].
pub fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::file("read", path)(error)),
    }
}

/// Writes a file that only its owner may read, in one step.
///
/// # Errors
/// [`PkiError::File`].
pub fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    write(path, text, 0o600)
}

/// Writes a file that everybody may read, in one step.
///
/// # Errors
/// [`PkiError::File`].
pub fn write_public(path: &Path, text: &str) -> Result<(), PkiError> {
    write(path, text, 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    // A left-over of an earlier crash may have other permissions.
    let _ = std::fs::remove_file(&temporary);
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)
        .map_err(PkiError::file("create", &temporary))?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .map_err(PkiError::file("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(PkiError::file("put in place", path))
}

/// The key in a file, or a new one that is written there.
///
/// # Errors
/// [`PkiError::Damaged`] when the file holds no key; it is not overwritten.
pub fn load_or_make_key(path: &Path) -> Result<KeyPair, PkiError> {
    if let Some(pem) = read(path)? {
        return KeyPair::from_pem(&pem)
            .map_err(|error| PkiError::damaged(path, format!("no private key in PEM form: {error}")));
    }
    let key = KeyPair::generate().map_err(|error| PkiError::issue("a new key", error))?;
    write_private(path, &key.serialize_pem())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_private_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/b");
        make_private_directory(&directory).unwrap();
        let path = directory.join("ca.key");
        // What a crash left behind neither stands in the way nor lends its permissions.
        std::fs::write(directory.join("ca.key.new"), "half").unwrap();
        let first = load_or_make_key(&path).unwrap().serialize_pem();
        assert_eq!(load_or_make_key(&path).unwrap().serialize_pem(), first);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        assert!(!directory.join("ca.key.new").exists());
    }

    #[test]
    fn a_damaged_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.key");
        std::fs::write(&path, "nonsense").unwrap();
        let said = load_or_make_key(&path).unwrap_err().to_string();
        assert!(
            said.contains("ca.key is damaged") && said.contains("move it away"),
            "{said}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "nonsense");
    }
}
