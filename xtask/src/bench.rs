//! `cargo xtask bench`: engines in process, then the running platform.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{run, up};

/// What to measure.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// `engines`, `platform`, or a crate's name; default everything.
    names: Vec<String>,
}

/// The crates whose benches lie beside their engine.
const ENGINES: &[&str] = &["doc", "apply", "authz", "policy", "render", "store", "ledger"];

/// Runs the benches one after the other: on two cores they would measure each other.
pub(crate) fn run(args: &Args) -> Result<()> {
    let wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|n| n == name);
    for engine in ENGINES {
        let has = run::root().join("crates").join(engine).join("benches").is_dir();
        if has && (wanted("engines") || wanted(engine)) {
            println!("== {engine}");
            run::checked(
                run::cargo(&[
                    "bench",
                    "--quiet",
                    "--package",
                    &format!("ridgeway-{engine}"),
                    "--benches",
                ])
                .env("DIVAN_TIMER", "os"),
            )?;
        }
    }
    if wanted("platform") {
        println!("== platform");
        let binary = up::build(false)?;
        let mut command = run::cargo(&[
            "run",
            "--quiet",
            "--release",
            "--package",
            "ridgeway-testkit",
            "--bin",
            "platform-bench",
            "--",
        ]);
        run::checked(command.arg("--binary").arg(binary))?;
    }
    Ok(())
}
