//! Every case of the shared proof corpus gets the answer it wants.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::path::{Path, PathBuf};

fn json_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

#[test]
fn every_case_of_the_merkle_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/merkle");
    if !root.is_dir() {
        println!("skipped: no corpus at {}", root.display());
        return;
    }
    let mut files = Vec::new();
    json_files(&root, &mut files);
    assert!(!files.is_empty(), "no case under {}", root.display());
    let failed: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let verdict = ridgeway_ledger::corpus::check_case(&std::fs::read_to_string(file).unwrap());
            (verdict != Ok(true)).then(|| format!("{}: {verdict:?}", file.display()))
        })
        .collect();
    println!(
        "corpus merkle: {} passed, {} failed",
        files.len() - failed.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
