//! `ridgeway webhook`: the arguments; the binary does the work.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use crate::up::LogFormat;

/// Policies before another cluster: admission webhooks over HTTPS, and their manifests.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Answers admission reviews over HTTPS and stays until Ctrl-C.
    Serve(Box<Serve>),
    /// Prints the webhook configurations for `kubectl apply -f -`.
    Manifests(Box<Manifests>),
}

/// What both share.
#[derive(Clone, Debug, clap::Args)]
pub struct Shared {
    /// Directories (or files) of policies: Kyverno, Gatekeeper templates and constraints; may be given several times.
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    pub policies: Vec<PathBuf>,
    /// Where authority and serving certificate lie; made if absent. With tls.crt, tls.key and no ca.key it is only read.
    #[arg(long, value_name = "DIR", default_value = ".ridgeway/webhook")]
    pub cert_dir: PathBuf,
    /// Reach the webhook through this Service.
    #[arg(long, value_name = "NAMESPACE/NAME[:PORT]", conflicts_with = "url")]
    pub service: Option<String>,
    /// Reach the webhook at this address; default `https://` and the address it listens on.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Name of both configurations.
    #[arg(long, default_value = "ridgeway")]
    pub name: String,
    /// A further namespace that no policy is asked about, beside those of the cluster itself.
    #[arg(long, value_name = "NAMESPACE")]
    pub exempt_namespace: Vec<String>,
    /// How long the API server waits, in seconds; policies with more time of their own get theirs.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=30))]
    pub timeout: u64,
    /// A further DNS name or address for the serving certificate.
    #[arg(long, value_name = "NAME")]
    pub dns_name: Vec<String>,
}

/// `ridgeway webhook serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    #[allow(missing_docs, reason = "its fields are documented")]
    pub shared: Shared,
    /// Where to listen.
    #[arg(long, env = "RIDGEWAY_WEBHOOK_LISTEN", default_value = "127.0.0.1:9443")]
    pub listen: SocketAddr,
    /// The cluster whose namespaces, bindings and other objects rules read; `in-cluster` within a Pod.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Puts the webhook configurations into the cluster, and keeps them as the policies need them.
    #[arg(long, requires = "kubeconfig")]
    pub register: bool,
    /// Only clients with a certificate of this authority may ask.
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// How long a policy may take that does not say otherwise, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=30_000))]
    pub budget: u64,
    /// The largest request body in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    pub max_body: usize,
    /// How logs look; they go to standard error.
    #[arg(long, env = "RIDGEWAY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged.
    #[arg(long, env = "RIDGEWAY_LOG", default_value = "info")]
    pub log: String,
}

/// `ridgeway webhook manifests`.
#[derive(Clone, Debug, clap::Args)]
pub struct Manifests {
    #[command(flatten)]
    #[allow(missing_docs, reason = "its fields are documented")]
    pub shared: Shared,
}
