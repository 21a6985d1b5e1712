//! Plays the demo against a binary: one line a step, then `demo: N passed, N failed`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ridgeway_testkit::journey::{Options, play};

/// Plays the demo as a user would.
#[derive(Parser)]
struct Args {
    /// The `ridgeway` binary.
    #[arg(long)]
    binary: PathBuf,
    /// A folder of manifests that replace the examples' own.
    #[arg(long)]
    manifests: Option<PathBuf>,
    /// Also the portal's journey, in a browser.
    #[arg(long)]
    portal: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match play(Options {
        binary: args.binary,
        manifests: args.manifests,
        browser: args.portal,
    }) {
        Ok((passed, failed)) => {
            println!("demo: {passed} passed, {failed} failed");
            if failed == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            println!("demo: 0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}
