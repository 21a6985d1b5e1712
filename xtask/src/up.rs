//! `cargo xtask up`: from a checkout to a running platform with a demo.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{run, web};

/// How to come up.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Plays the demo as a user would, prints one line a step, and ends.
    #[arg(long)]
    exit_after_demo: bool,
    /// Builds without optimisation: faster to build, slower to run.
    #[arg(long)]
    debug: bool,
    /// Where the platform keeps its data; default `.ridgeway` in the checkout.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// More arguments for `ridgeway up`.
    #[arg(last = true)]
    more: Vec<String>,
}

/// Builds and runs.
pub(crate) fn run(args: &Args) -> Result<()> {
    let portal = web::Portal::hold()?;
    // In a fresh checkout most of the portal's time is waiting for the network: crates are built meanwhile.
    // The binary's build script waits for the portal.
    let mut ahead = if web::is_fresh() {
        Some(platform(args.debug).spawn()?)
    } else {
        None
    };
    let built = portal.build();
    if let Some(crates) = &mut ahead {
        if built.is_err() {
            crates.kill()?;
        }
        // What fails here fails again below, and is told there.
        crates.wait()?;
    }
    built?;
    println!("building the platform …");
    let binary = build(args.debug)?;
    if args.exit_after_demo {
        let mut command = run::cargo(&["run", "--quiet", "--package", "ridgeway-testkit", "--bin", "demo", "--"]);
        return run::checked(command.arg("--binary").arg(binary));
    }
    let data = args.data_dir.clone().unwrap_or_else(|| run::root().join(".ridgeway"));
    let mut command = std::process::Command::new(binary);
    command
        .current_dir(run::root())
        .args(["up", "--demo", "--data-dir"])
        .arg(data)
        .args(&args.more);
    run::checked(&mut command)
}

/// How the platform is built.
fn platform(debug: bool) -> std::process::Command {
    let mut command = run::cargo(&["build", "--package", "ridgeway"]);
    if !debug {
        command.arg("--release");
    }
    command
}

/// Builds the `ridgeway` binary and says where it is.
pub(crate) fn build(debug: bool) -> Result<PathBuf> {
    run::checked(&mut platform(debug))?;
    Ok(run::target_dir()
        .join(if debug { "debug" } else { "release" })
        .join("ridgeway"))
}
