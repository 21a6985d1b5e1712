//! `cargo xtask bench`: engines in process, then the running platform.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{run, up};

/// What to measure.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// `engines`, `policy`, `platform`, or a crate's name; default everything.
    names: Vec<String>,
}

/// The crates whose benches lie beside their engine.
const ENGINES: &[&str] = &["doc", "apply", "authz", "policy", "render", "store", "ledger"];

/// The policy command line over the demo's rules, and over the libraries that are at hand: what a user waits for.
fn policy() -> Result<()> {
    println!("== policy, by the command line");
    let binary = up::build(false)?;
    let demo = run::root().join("examples/demo/platform/cluster/policies");
    let tries = run::root().join("examples/try");
    run::checked(Command::new(&binary).args(["policy", "bench"]).args([&demo, &tries]))?;
    let corpora = std::env::var_os("RIDGEWAY_CORPORA").map_or_else(|| run::root().join("corpora"), PathBuf::from);
    for name in ["kyverno-policies", "gatekeeper-library"] {
        let folder = corpora.join(name);
        if !folder.is_dir() {
            println!("{name}: skipped, {} is absent", folder.display());
            continue;
        }
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            let mut command = Command::new(&binary);
            command
                .args(["policy", "test", "--failed-only"])
                .arg(&folder)
                .stdout(Stdio::null());
            // Rows that fail are the tests' business; here only time counts.
            command.status()?;
            best = best.min(start.elapsed());
        }
        println!("policy test {name}: {best:.0?} (best of 3)");
    }
    Ok(())
}

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
    if wanted("policy") {
        policy()?;
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
