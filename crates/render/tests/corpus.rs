//! Every kustomization of the shared corpus renders to what the real tool printed.

use std::path::{Path, PathBuf};

use ridgeway_render::{DirEntry, Files};

/// A directory of this machine.
struct Disk(PathBuf);

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.0.join(path);
        if !path.is_file() {
            return Ok(None);
        }
        std::fs::read(&path).map(Some).map_err(|e| e.to_string())
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<DirEntry>>, String> {
        let Ok(entries) = std::fs::read_dir(self.0.join(dir)) else {
            return Ok(None);
        };
        let entry = |e: std::io::Result<std::fs::DirEntry>| {
            let path = e.expect("the directory was just opened").path();
            DirEntry {
                name: path
                    .file_name()
                    .expect("an entry has a name")
                    .to_string_lossy()
                    .into_owned(),
                is_dir: path.is_dir(),
            }
        };
        Ok(Some(entries.map(entry).collect()))
    }
}

fn goldens(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the corpus is a directory")
        .flatten()
        .map(|e| e.path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            goldens(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_golden_of_the_kustomize_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/kustomize-goldens");
    if !root.is_dir() {
        println!("skipped: no corpus at {}", root.display());
        return;
    }
    let (mut passed, mut failed) = (0, Vec::new());
    for set in ["argo-cd", "kustomize"] {
        let base = root.join(set).join("goldens");
        let mut files = Vec::new();
        goldens(&base, &mut files);
        for file in files {
            let dir = file.strip_prefix(&base).unwrap().with_extension("");
            let golden = std::fs::read_to_string(&file).unwrap();
            let disk = Disk(root.join(set).join("src"));
            match ridgeway_render::corpus::check_case(&disk, dir.to_str().unwrap(), &golden) {
                Ok(()) => passed += 1,
                Err(why) => failed.push(format!("{set}/{}: {why}", dir.display())),
            }
        }
    }
    println!("corpus kustomize-goldens: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
