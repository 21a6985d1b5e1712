//! `ridgeway up`: opens the data, wires the planes, listens, and ends cleanly.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use ridgeway_apiserver::{Authenticator, ControlPlane, Parts, SystemRandomness, bind, pki, router, serve};
use ridgeway_cli::client::{ACCESS_FILE, Access};
use ridgeway_cli::up::Args;
use ridgeway_cluster::{Clock, Identity, SystemClock};
use ridgeway_deliver::Deliver;
use ridgeway_git::Repositories;
use ridgeway_guard::Guard;
use ridgeway_ledger::Ledger;
use ridgeway_server::{About, Accounts, Assets, Library};
use ridgeway_store::{SqliteOptions, SqliteStore};
use tokio::sync::watch;

use crate::data::{DataDir, write_private};
use crate::{demo, embedded, logging};

/// Starts the platform and stays until SIGINT or SIGTERM.
pub(crate) fn up(args: &Args) -> Result<()> {
    logging::start(args.log_format, &args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("ridgeway")
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run(args));
    // Blocking tasks that are left (a git process, a password check) must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    outcome
}

async fn run(args: &Args) -> Result<()> {
    let begun = Instant::now();
    let mut signals = Signals::new()?;
    let data = DataDir::open(&args.data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // Ports first: a taken one is the likeliest fault, and nothing has been changed yet.
    let kube_listener = bind(args.kube_listen).await.context("the Kubernetes API (--kube-listen)")?;
    let portal_listener = bind(args.listen).await.context("the portal (--listen)")?;
    let kubernetes_url = format!("https://{}", kube_listener.local_addr()?);
    let portal_url = format!("http://{}", portal_listener.local_addr()?);

    let store = SqliteStore::open(&data.join("store.db"), SqliteOptions::default()).context("opening the store")?;
    let ledger_dir = data.join("ledger");
    let ledger = open_ledger(&ledger_dir, &clock)?;
    let plane = ControlPlane::open(Parts {
        store: Arc::new(store),
        ledger: Some(ledger.clone()),
        kinds: ridgeway_krm::KindTable::builtin(),
        clock: clock.clone(),
        randomness: Arc::new(SystemRandomness),
    })
    .await
    .context("opening the control plane")?;

    let pki = pki::Pki::open(&data.join("pki"), clock.now()).context("opening the certificates")?;
    let authenticator = Arc::new(Authenticator::new(plane.clone(), pki.token_signer()?));
    let kubeconfig = write_kubeconfig(&data, &pki, &kubernetes_url, clock.now())?;
    let (accounts, password) = Accounts::open(&data.join("accounts.json"))?;
    let access = local_access(&authenticator, &portal_url)?;
    write_private(&data.join(ACCESS_FILE), &serde_json::to_string(&access)?)?;

    let (stop, stopping) = watch::channel(false);
    ridgeway_apiserver::bootstrap(&plane).await.context("creating what every cluster has")?;
    let mut tasks = tokio::task::JoinSet::new();
    let options = ridgeway_apiserver::controllers::Options { root_ca: Some(pki.ca_pem().to_owned()) };
    tasks.spawn(ridgeway_apiserver::controllers::run(plane.clone(), options, stopped(stopping.clone())));

    let repositories = open_repositories(args, &data, &clock, &portal_url)?;
    let guard = Guard::new(plane.client(Identity::controller("guard")), clock.clone());
    guard.install_crds().await.context("installing the policy kinds")?;
    plane.set_gate(guard.gate());
    let deliver = Deliver::new(
        plane.client(Identity::controller("deliver")),
        repositories.clone(),
        clock.clone(),
        ridgeway_deliver::Options::default(),
    );
    deliver.install_crds().await.context("installing the delivery kinds")?;
    tasks.spawn(guard.clone().run(stopping.clone()));
    tasks.spawn(deliver.clone().run(stopping.clone()));
    let nodes = ridgeway_nodes::Nodes::new(
        plane.client(Identity::controller("nodes")),
        clock.clone(),
        ridgeway_nodes::Options { nodes: args.nodes, ..ridgeway_nodes::Options::default() },
    );
    plane.logs().set(Arc::new(crate::logs::NodeLogs(nodes.clone())));
    tasks.spawn(nodes.run(stopping.clone()));

    tasks.spawn(async_serve(kube_listener, router(plane.clone(), authenticator.clone()), Some(pki.server_config()?), &stopping));
    let edge = ridgeway_server::router(ridgeway_server::Parts {
        plane: plane.clone(),
        authenticator,
        ledger: ledger.clone(),
        repositories: repositories.clone(),
        git_access: git_access(),
        deliver,
        guard,
        templates: Arc::new(Library::new(embedded::TEMPLATES)),
        accounts,
        assets: Assets::new(embedded::PORTAL.iter().map(|(path, bytes)| ((*path).to_owned(), (*bytes).into()))),
        clock: clock.clone(),
        stopping: stopping.clone(),
        about: About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: clock.now(),
            portal_url: portal_url.clone(),
            kubernetes_url: kubernetes_url.clone(),
            kubeconfig: kubeconfig.display().to_string(),
            ledger_dir,
        },
    });
    tasks.spawn(async_serve(portal_listener, edge, None, &stopping));

    if args.demo {
        demo::load(&repositories).await.context("loading the demo organisation")?;
    }
    let follow = args.follow.iter().cloned().chain(args.demo.then(|| "platform#cluster".to_owned()));
    for repository in follow {
        demo::follow(&plane.client(Identity::controller("deliver")), &repository).await?;
    }

    print_welcome(&portal_url, &kubernetes_url, &kubeconfig, password.as_ref().map(|p| p.reveal()), args.demo);
    println!("  ready       after {:.0?}; Ctrl-C ends it", begun.elapsed());
    let signal = signals.next().await;
    tracing::info!(signal, "ending");
    stop.send_replace(true);
    let farewell = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(std::time::Duration::from_millis(800), farewell).await.is_err() {
        tracing::warn!("some tasks did not end in time and are cut off");
    }
    ledger.close().await.context("closing the ledger")?;
    Ok(())
}
