//! A new user's whole journey through the real binary: Git, kubectl, portal API, refusals, rollback, ledger, restore.

use std::path::{Path, PathBuf};

use ridgeway_testkit::journey::{Options, play};

fn journey(manifests: Option<PathBuf>) {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_ridgeway"));
    let (passed, failed) = play(Options {
        binary,
        manifests,
        browser: false,
    })
    .expect("the platform starts");
    assert_eq!(
        failed, 0,
        "{passed} steps passed, {failed} failed; the lines above say which"
    );
}

#[test]
fn with_the_examples() {
    journey(None);
}

/// The same with the manifests that a platform team brings along, where they lie beside the checkout.
#[test]
fn with_a_teams_own_manifests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/mission");
    if !folder.is_dir() {
        println!(
            "skipped: {} is absent; the journey with the examples covers the same steps",
            folder.display()
        );
        return;
    }
    journey(Some(folder));
}
