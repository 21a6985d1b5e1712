//! `cargo xtask bench`: engines in process, then the running platform.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{peers, run, up};

/// What to measure.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// `engines`, `policy`, `platform`, or a crate's name; default everything.
    names: Vec<String>,
    /// Beside other tools, as far as `cargo xtask peers` has built them (`policy`).
    #[arg(long)]
    peers: bool,
    /// The corpora that policies are measured with; default `../shared/corpora`.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Every line of a comparison, not only what misses its goal.
    #[arg(long)]
    verbose: bool,
    /// Which parts of `policy`: rego, cel, tools, decisions, webhook, memory, scan.
    #[arg(long)]
    part: Vec<String>,
}

/// The crates whose benches lie beside their engine.
const ENGINES: &[&str] = &["doc", "apply", "authz", "policy", "render", "store", "ledger"];

/// The policy engines: over the demo's rules, whole libraries under load, and beside other tools.
fn policy(args: &Args) -> Result<()> {
    let binary = up::build(false)?;
    run::checked(&mut run::cargo(&[
        "build",
        "--quiet",
        "--release",
        "--package",
        "ridgeway-testkit",
        "--bin",
        "policy-bench",
    ]))?;
    if args.part.is_empty() {
        println!("== policy, by the command line");
        let demo = run::root().join("examples/demo/platform/cluster/policies");
        let tries = run::root().join("examples/try");
        run::checked(Command::new(&binary).args(["policy", "bench"]).args([&demo, &tries]))?;
    }
    let mut command = Command::new(run::target_dir().join("release/policy-bench"));
    command.current_dir(run::root()).arg("--binary").arg(&binary);
    let root = args
        .root
        .clone()
        .or_else(|| std::env::var_os("RIDGEWAY_CORPORA").map(PathBuf::from));
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    if args.verbose {
        command.arg("--verbose");
    }
    let parts = match (args.part.is_empty(), args.peers) {
        (true, true) => ["rego", "cel", "tools", "decisions", "webhook", "memory", "scan"]
            .map(str::to_owned)
            .to_vec(),
        (true, false) => ["decisions", "webhook", "memory", "scan"].map(str::to_owned).to_vec(),
        (false, _) => args.part.clone(),
    };
    if args.peers {
        for (name, path) in peers::programs() {
            command.arg("--peer").arg(format!("{name}={}", path.display()));
        }
    }
    run::checked(command.args(parts))
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
        policy(args)?;
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
