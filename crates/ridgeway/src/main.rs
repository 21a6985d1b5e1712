//! The Ridgeway binary: configuration, wiring, signals.
//!
//! Must not know: anything that could live in a crate below.

mod data;
mod demo;
mod embedded;
mod fetch;
mod logging;
mod logs;
mod platform;
mod renewal;
mod webhook;

use std::process::ExitCode;

use clap::Parser;
use ridgeway_cli::{Cli, Command, Exit};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match (&cli.command, ridgeway_cli::run(&cli.command)) {
        (_, Some(outcome)) => outcome,
        (Command::Up(args), None) => platform::up(args),
        (Command::Webhook(args), None) => webhook::run(args),
        (_, None) => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read what we print has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(Exit::code_of(&error))
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
