//! Command line types and printing, one file per command.
//!
//! Must not know: how the platform is wired.
//!
//! [`Cli`] is the whole command line. Commands that only read files ([`render`], [`policy`], [`audit`]) run here; those
//! about a running platform ([`app`], [`template`]) speak its API through [`client`]; `up` and `webhook` are the
//! binary's.

pub mod app;
pub mod audit;
pub mod client;
mod files;
pub mod policy;
pub mod render;
mod table;
pub mod template;
pub mod up;
pub mod webhook;

use std::fmt;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// The internal developer platform in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "ridgeway",
    version,
    about,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the platform and stays until Ctrl-C.
    Up(Box<up::Args>),
    /// Applications: list, diff, sync, rollback.
    App(app::Args),
    /// Renders a folder of manifests or a kustomization and prints the objects.
    Render(render::Args),
    /// Policies: test, apply, bench, explain, fix, replay.
    Policy(policy::Args),
    /// The audit ledger: verify, query.
    Audit(audit::Args),
    /// Golden paths: list, run.
    Template(template::Args),
    /// Policies before another cluster: admission webhooks over HTTPS, and their manifests.
    Webhook(webhook::Args),
    /// Prints the version and what this build is.
    Version,
    /// Prints completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// An ending that scripts tell apart by its code.
#[derive(Debug)]
pub struct Exit {
    /// The code of the process.
    pub code: u8,
    /// Why.
    pub message: String,
}

impl Exit {
    /// Something was refused, or came out otherwise than expected: 1.
    pub fn refused(message: impl Into<String>) -> Exit {
        Exit {
            code: 1,
            message: message.into(),
        }
    }

    /// The input cannot be used: 2.
    pub fn unusable(message: impl Into<String>) -> Exit {
        Exit {
            code: 2,
            message: message.into(),
        }
    }

    /// The code that an error asks for; 1 when it asks for none.
    pub fn code_of(error: &anyhow::Error) -> u8 {
        error.downcast_ref::<Exit>().map_or(1, |exit| exit.code)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Exit {}

/// Runs a command that needs no server in this process. `Up` and `Webhook` are answered with `None`: the binary does
/// them.
pub fn run(command: &Command) -> Option<anyhow::Result<()>> {
    run_to(command, &mut std::io::stdout().lock())
}

/// As [`run`]; what the commands that read files have to say goes to `out`.
pub fn run_to(command: &Command, out: &mut dyn std::io::Write) -> Option<anyhow::Result<()>> {
    Some(match command {
        Command::Up(_) | Command::Webhook(_) => return None,
        Command::App(args) => app::run(args, out),
        Command::Render(args) => render::run(args, out),
        Command::Policy(args) => policy::run(args, out),
        Command::Audit(args) => audit::run(args, out),
        Command::Template(args) => template::run(args, out),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            let what = "embedded control plane with the simulated runtime: no container runs";
            writeln!(out, "ridgeway {version}\n{what}").map_err(Into::into)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "ridgeway", &mut script);
            out.write_all(&script).map_err(Into::into)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_scripts_rely_on_parses() {
        for line in [
            "ridgeway up --demo --data-dir d --git-dir g --listen 127.0.0.1:0 --kube-listen 127.0.0.1:0",
            "ridgeway app list",
            "ridgeway app sync checkout-staging --revision main",
            "ridgeway app rollback checkout-staging 3",
            "ridgeway render deploy/overlays/staging",
            "ridgeway policy test a b",
            "ridgeway policy test a --output junit --fail-only",
            "ridgeway policy apply p q --resource r --resource - --audit-warn --output sarif",
            "ridgeway policy apply p --cluster --namespace shop",
            "ridgeway policy bench a b -f c --engine rego --iterations 5 --output json",
            "ridgeway policy explain p --resource r",
            "ridgeway policy fix p --resource r --write",
            "ridgeway policy replay p --admissions a.jsonl",
            "ridgeway audit verify --ledger l",
            "ridgeway audit query --json --name x",
            "ridgeway template run golden-service --set name=basket",
            "ridgeway webhook serve --policies p --policies q --listen 127.0.0.1:0 --cert-dir c --kubeconfig k",
            "ridgeway webhook manifests --policies p --service ops/hook:8443 --exempt-namespace x",
            "ridgeway completions bash",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }
}
