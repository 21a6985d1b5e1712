//! Folders as data for the pure engines.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// YAML and JSON files named, or found in folders named, in order.
pub(crate) fn manifests(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for path in paths {
        collect(path, path.is_file(), &mut found)?;
    }
    Ok(found)
}

fn collect(path: &Path, named: bool, found: &mut Vec<(PathBuf, String)>) -> Result<()> {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
            .with_context(|| format!("cannot list {}", path.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| collect(entry, false, found));
    }
    let manifest = path.extension().is_some_and(|e| matches!(e.to_str(), Some("yaml" | "yml" | "json")));
    if named || manifest {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        found.push((path.to_path_buf(), text));
    }
    Ok(())
}
