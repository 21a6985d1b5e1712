//! Every recorded answer of kube-apiserver, when the corpus is there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn recorded_access_reviews_are_answered_alike() {
    let root = std::env::var_os("RIDGEWAY_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let cases = root.join("rbac-sar/cases");
    let Ok(entries) = fs::read_dir(&cases) else {
        eprintln!(
            "skipped: {} is absent; set RIDGEWAY_CORPORA to the corpora folder",
            cases.display()
        );
        return;
    };
    let (mut worlds, mut passed, mut failed) = (0, 0, Vec::new());
    for entry in entries {
        let path = entry.unwrap().path();
        let (good, bad) = ridgeway_authz::corpus::check_case(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        worlds += 1;
        passed += good;
        failed.extend(bad.into_iter().map(|failure| format!("{}: {failure}", path.display())));
    }
    eprintln!(
        "corpus rbac-sar: {worlds} worlds, {passed} passed, {} failed",
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(passed > 0, "{} holds no review", cases.display());
}
