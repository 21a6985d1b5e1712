//! `ridgeway up`: the arguments; the binary does the work.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where in the data directory admissions are kept.
pub const ADMISSIONS: &str = "admissions";

/// Starts the platform and stays until Ctrl-C.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the platform keeps its data.
    #[arg(long, env = "RIDGEWAY_DATA_DIR", default_value = ".ridgeway")]
    pub data_dir: PathBuf,
    /// Where it keeps the Git repositories it serves; default `git` within the data directory.
    #[arg(long, env = "RIDGEWAY_GIT_DIR")]
    pub git_dir: Option<PathBuf>,
    /// Address of the portal, its API and Git.
    #[arg(long, env = "RIDGEWAY_LISTEN", default_value = "127.0.0.1:7070")]
    pub listen: SocketAddr,
    /// Address of the Kubernetes API.
    #[arg(long, env = "RIDGEWAY_KUBE_LISTEN", default_value = "127.0.0.1:6443")]
    pub kube_listen: SocketAddr,
    /// Loads the demo organisation: its repositories are made in Git if they are not there.
    #[arg(long)]
    pub demo: bool,
    /// Follows a repository from the start: `URL-OR-NAME[#PATH]`, one root Application named after the repository.
    #[arg(long, value_name = "REPOSITORY[#PATH]")]
    pub follow: Vec<String>,
    /// How many simulated nodes there are.
    #[arg(long, default_value_t = 3)]
    pub nodes: u32,
    /// How many MiB of admissions are kept for `ridgeway policy replay`, the newest ones; 0 keeps none.
    #[arg(long, env = "RIDGEWAY_ADMISSIONS_MIB", value_name = "MIB", default_value_t = 64)]
    pub admissions_mib: u64,
    /// How logs look; they go to standard error.
    #[arg(long, env = "RIDGEWAY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, or directives such as `info,ridgeway_deliver=debug`.
    #[arg(long, env = "RIDGEWAY_LOG", default_value = "info")]
    pub log: String,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
