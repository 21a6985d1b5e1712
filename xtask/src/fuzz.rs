//! `cargo xtask fuzz`: feeds the fuzz targets for a while, on a stable compiler; with `--peers` looks for objects that
//! another tool judges differently.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{peers, run};

/// What to feed, and for how long.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Seconds for each target.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Changed fixtures before other tools instead (`cargo xtask peers opa-go kyverno` builds them).
    #[arg(long)]
    peers: bool,
    /// The corpora whose fixtures are changed; default `../shared/corpora`.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Where the changes begin; the same number gives the same changes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which targets, or with `--peers` which tools (opa, kyverno); default all.
    names: Vec<String>,
}

/// Runs them one after the other; the first broken promise of each is kept in a file.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.peers {
        return beside(args);
    }
    let mut command = run::cargo(&[
        "run",
        "--quiet",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--bin",
        "fuzz",
        "--",
    ]);
    command
        .args(["--seconds", &args.seconds.to_string()])
        .args(&args.names)
        .env("FUZZ_ARTIFACTS", run::root().join("target/fuzz"));
    run::checked(&mut command)
}

fn beside(args: &Args) -> Result<()> {
    run::checked(&mut run::cargo(&[
        "build",
        "--quiet",
        "--release",
        "--package",
        "ridgeway-testkit",
        "--bin",
        "policy-fuzz",
    ]))?;
    let mut command = Command::new(run::target_dir().join("release/policy-fuzz"));
    command
        .current_dir(run::root())
        .args(["--seconds", &args.seconds.to_string()])
        .args(["--seed", &args.seed.to_string()]);
    let root = args
        .root
        .clone()
        .or_else(|| std::env::var_os("RIDGEWAY_CORPORA").map(PathBuf::from));
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    for (name, path) in peers::programs() {
        command.arg("--peer").arg(format!("{name}={}", path.display()));
    }
    run::checked(command.args(&args.names))
}
