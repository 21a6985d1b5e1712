//! Developer tasks: `up`, `test`, `tidy`, `bench`, `corpora`, `kinds`, `peers`.

mod bench;
mod charter;
mod fuzz;
mod kinds;
mod layers;
mod peers;
mod run;
mod test;
mod tidy;
mod up;
mod web;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Everything a developer of Ridgeway does, one command each.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the portal and the platform, starts it with the demo, and stays until Ctrl-C.
    Up(up::Args),
    /// Runs everything that must pass: format, lints, tidy, tests, corpora, portal, end to end.
    Test(test::Args),
    /// Checks the habits: layers, charters, first doc lines, file sizes.
    Tidy,
    /// Prints the numbers: engines and the running platform.
    Bench(bench::Args),
    /// Feeds the fuzz targets for a while.
    Fuzz(fuzz::Args),
    /// Runs the corpora and prints one line each.
    Corpora {
        /// A folder of the same layout; default `../shared/corpora`.
        #[arg(long)]
        root: Option<PathBuf>,
        /// Raises the pinned pass counts to what passes now.
        #[arg(long)]
        pin: bool,
        /// Which corpora; default all.
        names: Vec<String>,
    },
    /// Builds other tools that tests and benches compare with, into a cache outside the tree.
    Peers(peers::Args),
    /// Regenerates the kind table from the published Kubernetes schemas.
    Kinds {
        /// Arguments of the generator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Up(args) => up::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Tidy => tidy::run(),
        Task::Bench(args) => bench::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Peers(args) => peers::run(&args),
        Task::Corpora { root, pin, names } => corpora(root, pin, &names),
        Task::Kinds { args } => kinds::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn corpora(root: Option<PathBuf>, pin: bool, names: &[String]) -> Result<()> {
    let mut command = run::cargo(&["run", "--quiet", "--package", "ridgeway-testkit"]);
    command.args(["--bin", "corpora", "--"]);
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    if pin {
        command.arg("--pin");
    }
    run::checked(command.args(names))
}
