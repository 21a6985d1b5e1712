//! `ridgeway webhook`: policies before another cluster.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ridgeway_apiserver::bind;
use ridgeway_cli::webhook::{Action, Args, Manifests, Serve, Shared};
use ridgeway_cluster::{Clock, SystemClock};
use ridgeway_webhook::{
    App, Certificates, Client, EXEMPT_NAMESPACES, Judge, Loaded, ManifestOptions, Metrics, Options, PolicySet, Remote,
    keep_registered, manifests,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::logging;

/// How often the directories and the registration are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.action {
        Action::Manifests(args) => print(args),
        Action::Serve(args) => {
            logging::start(args.log_format, &args.log)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .thread_name("ridgeway")
                .build()
                .context("cannot start the runtime")?;
            let outcome = runtime.block_on(serve(args));
            // A rule that still computes must not hold up the end.
            runtime.shutdown_timeout(Duration::from_millis(100));
            outcome
        }
    }
}

/// The names that the serving certificate is for.
fn names(shared: &Shared, client: &Client, listen: Option<SocketAddr>) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    match client {
        Client::Service { namespace, name, .. } => {
            names.push(format!("{name}.{namespace}.svc"));
            names.push(format!("{name}.{namespace}.svc.cluster.local"));
        }
        Client::Url(url) => {
            let host = url.split("://").last().unwrap_or_default();
            let host = host.split('/').next().unwrap_or_default();
            let host = match host.strip_prefix('[') {
                Some(rest) => rest.split(']').next().unwrap_or_default(),
                None => host.split(':').next().unwrap_or_default(),
            };
            names.push(host.to_owned());
        }
    }
    names.extend(listen.filter(|a| !a.ip().is_unspecified()).map(|a| a.ip().to_string()));
    names.extend(shared.dns_name.iter().cloned());
    names.retain(|name| !name.is_empty());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn client(shared: &Shared, listen: SocketAddr) -> Result<Client> {
    Ok(match (&shared.service, &shared.url) {
        (Some(service), _) => Client::service(service).map_err(|fault| anyhow!("--service: {fault}"))?,
        (None, Some(url)) => {
            anyhow::ensure!(
                url.starts_with("https://"),
                "--url: an API server calls webhooks over https:// only, not {url}"
            );
            Client::Url(url.clone())
        }
        (None, None) => Client::Url(format!("https://{listen}")),
    })
}

fn exempt(shared: &Shared) -> Vec<String> {
    let own = EXEMPT_NAMESPACES.into_iter().map(str::to_owned);
    own.chain(shared.exempt_namespace.iter().cloned()).collect()
}

fn options(shared: &Shared, client: Client, bundle: String) -> ManifestOptions {
    ManifestOptions {
        name: shared.name.clone(),
        client,
        bundle,
        exempt: exempt(shared),
        timeout: Duration::from_secs(shared.timeout),
    }
}

fn print(args: &Manifests) -> Result<()> {
    let shared = &args.shared;
    let set = PolicySet::load(&shared.policies).context("the policies have faults")?;
    let client = client(shared, SocketAddr::from(([127, 0, 0, 1], 9443)))?;
    let certificates = Certificates::open(&shared.cert_dir, &names(shared, &client, None), SystemClock.now())?;
    let options = options(shared, client, certificates.bundle());
    let mut out = std::io::stdout().lock();
    for (at, configuration) in manifests(&set, &options).into_iter().enumerate() {
        let between = if at > 0 { "---\n" } else { "" };
        write!(out, "{between}{}", configuration.node().to_yaml())?;
    }
    set.notes.iter().for_each(|note| eprintln!("note: {note}"));
    Ok(())
}

async fn serve(args: &Serve) -> Result<()> {
    let shared = &args.shared;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = Arc::new(Metrics::default());
    let loaded = Loaded::open(shared.policies.clone(), metrics.clone()).context("the policies have faults")?;
    let listener = bind(args.listen).await.context("the webhook (--listen)")?;
    let listen = listener.local_addr()?;
    let client = client(shared, listen)?;
    let certificates = Certificates::open(&shared.cert_dir, &names(shared, &client, Some(listen)), clock.now())?;
    let certificates = Arc::new(certificates);
    let remote = match &args.kubeconfig {
        Some(path) => Some(Arc::new(Remote::open(path, metrics.clone())?)),
        None => None,
    };
    let judge = Judge {
        remote: remote.clone(),
        exempt: Arc::new(exempt(shared)),
        ..Judge::new(Duration::from_millis(args.budget), metrics)
    };
    let app = App {
        loaded: loaded.clone(),
        judge,
        clock,
        options: Options {
            max_body: args.max_body,
            poll: EVERY,
            client_ca: args.client_ca.clone(),
        },
    };
    let set = loaded.set();
    println!("Ridgeway {} admission webhook\n", env!("CARGO_PKG_VERSION"));
    println!("  webhook     https://{listen}");
    println!("  policies    {} ({})", set.units.len(), set.hash);
    println!("  certificate until {}", certificates.not_after());
    set.notes.iter().for_each(|note| println!("  note        {note}"));
    let registering = match remote.filter(|_| args.register) {
        Some(remote) => {
            let options = options(shared, client, certificates.bundle());
            let certificates = certificates.clone();
            Some(tokio::spawn(keep_registered(
                remote,
                loaded,
                certificates,
                options,
                EVERY,
            )))
        }
        None => None,
    };
    println!("  ready       Ctrl-C ends it");
    std::io::stdout().flush()?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    ridgeway_webhook::serve(listener, app, certificates, stop).await?;
    if let Some(registering) = registering {
        registering.abort();
    }
    Ok(())
}
