//! Command line types and printing, one file per command.
//!
//! Must not know: how the platform is wired.
//!
//! [`Cli`] is the whole command line. Commands that only read files ([`render`], [`policy`], [`audit`]) run here; those
//! about a running platform ([`app`], [`template`]) speak its API through [`client`]; `up` is the binary's.

pub mod app;
pub mod audit;
pub mod client;
mod files;
pub mod policy;
pub mod render;
mod table;
pub mod template;
pub mod up;

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
    /// Policies: test files.
    Policy(policy::Args),
    /// The audit ledger: verify, query.
    Audit(audit::Args),
    /// Golden paths: list, run.
    Template(template::Args),
    /// Prints the version and what this build is.
    Version,
    /// Prints completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// Runs a command that needs no platform in this process. `Up` is answered with `None`: the binary does it.
pub fn run(command: &Command) -> Option<anyhow::Result<()>> {
    run_to(command, &mut std::io::stdout().lock())
}

/// As [`run`]; what the commands that read files have to say goes to `out`.
pub fn run_to(command: &Command, out: &mut dyn std::io::Write) -> Option<anyhow::Result<()>> {
    Some(match command {
        Command::Up(_) => return None,
        Command::App(args) => app::run(args),
        Command::Render(args) => render::run(args, out),
        Command::Policy(args) => policy::run(args, out),
        Command::Audit(args) => audit::run(args, out),
        Command::Template(args) => template::run(args),
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
            "ridgeway audit verify --ledger l",
            "ridgeway audit query --json --name x",
            "ridgeway template run golden-service --set name=basket",
            "ridgeway completions bash",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }
}
