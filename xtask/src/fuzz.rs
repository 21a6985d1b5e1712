//! `cargo xtask fuzz`: feeds the fuzz targets for a while, on a stable compiler.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::run;

/// What to feed, and for how long.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Seconds for each target.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Which targets; default all.
    names: Vec<String>,
}

/// Runs them one after the other; the first broken promise of each is kept in a file.
pub(crate) fn run(args: &Args) -> Result<()> {
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
