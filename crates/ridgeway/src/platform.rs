//! `ridgeway up`: opens the data, wires the planes, listens, and ends cleanly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use ridgeway_apiserver::{Authenticator, ControlPlane, Parts, SystemRandomness, bind, pki, router, serve};
use ridgeway_cli::client::{ACCESS_FILE, Access};
use ridgeway_cli::up::{ADMISSIONS, Args};
use ridgeway_cluster::{Clock, Identity, SystemClock};
use ridgeway_deliver::Deliver;
use ridgeway_git::Repositories;
use ridgeway_guard::Guard;
use ridgeway_ledger::{Journal, Ledger};
use ridgeway_nodes::Nodes;
use ridgeway_server::{About, Accounts, Assets, Library};
use ridgeway_store::SqliteStore;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::data::{DataDir, write_private};
use crate::logs::NodeLogs;
use crate::{demo, embedded, logging, renewal};

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
    let kube_listener = bind(args.kube_listen)
        .await
        .context("the Kubernetes API (--kube-listen)")?;
    let portal_listener = bind(args.listen).await.context("the portal (--listen)")?;
    let kubernetes_url = format!("https://{}", kube_listener.local_addr()?);
    let portal_url = format!("http://{}", portal_listener.local_addr()?);

    // What does not need each other is opened side by side: a first start makes keys, hashes a password and runs git.
    let ledger_dir = data.join("ledger");
    let ledger = spawn_blocking({
        let (dir, clock) = (ledger_dir.clone(), clock.clone());
        move || open_ledger(&dir, &clock)
    });
    let accounts = spawn_blocking({
        let file = data.join("accounts.json");
        move || Accounts::open(&file)
    });
    let repositories = open_repositories(args, &data, &clock, &portal_url)?;
    let demo = args.demo.then(|| {
        let repositories = repositories.clone();
        tokio::spawn(async move { demo::load(&repositories).await })
    });
    let store = SqliteStore::open(data.join("store.db")).context("opening the store")?;
    let mut kinds = ridgeway_krm::KindTable::builtin();
    ridgeway_guard::report_kinds()
        .into_iter()
        .for_each(|kind| kinds.insert(kind));
    let ledger = ledger.await.context("opening the ledger")??;
    let plane = ControlPlane::open(Parts {
        store: Arc::new(store),
        ledger: Some(ledger.clone()),
        kinds,
        clock: clock.clone(),
        randomness: Arc::new(SystemRandomness),
    })
    .await
    .context("opening the control plane")?;
    let journal = match args.admissions_mib {
        0 => None,
        mib => {
            let journal = Journal::open(&data.join(ADMISSIONS), mib.saturating_mul(1 << 20))
                .context("opening the journal of admissions")?;
            Some(Arc::new(journal))
        }
    };
    journal.iter().for_each(|journal| plane.set_journal(journal.clone()));

    let pki = pki::Pki::open(&data.join("pki"), clock.now()).context("opening the certificates")?;
    let authenticator = Arc::new(Authenticator::new(plane.clone(), pki.token_signer()));
    let kubeconfig = write_kubeconfig(&data, &pki, &kubernetes_url, clock.now())?;
    let access = local_access(&authenticator, &portal_url)?;
    write_private(&data.join(ACCESS_FILE), &serde_json::to_string(&access)?)?;

    let (stop, stopping) = watch::channel(false);
    ridgeway_apiserver::bootstrap(&plane)
        .await
        .context("creating what every cluster has")?;
    let mut tasks = tokio::task::JoinSet::new();
    let options = ridgeway_apiserver::controllers::Options {
        root_ca: Some(pki.ca_pem().to_owned()),
    };
    tasks.spawn(ridgeway_apiserver::controllers::run(
        plane.clone(),
        options,
        stopped(stopping.clone()),
    ));

    let guard = Guard::new(plane.client(Identity::controller("guard")), clock.clone());
    guard.fetch_with(Arc::new(crate::fetch::Http));
    guard.install_crds().await.context("installing the policy kinds")?;
    plane.set_gate(guard.gate());
    for group in ["wgpolicyk8s.io", "openreports.io"] {
        let guard = guard.clone();
        plane.set_view(group, Arc::new(move |gvk, namespace| guard.reports(gvk, namespace)));
    }
    let deliver_cluster = plane.client(Identity::controller("deliver"));
    ridgeway_deliver::install_crds(&*deliver_cluster)
        .await
        .context("installing the delivery kinds")?;
    let deliver = Deliver::new(
        deliver_cluster.clone(),
        repositories.clone(),
        clock.clone(),
        ridgeway_deliver::Options::default(),
    );
    let nodes = Nodes::new(
        plane.client(Identity::controller("nodes")),
        clock.clone(),
        ridgeway_nodes::Options {
            nodes: args.nodes,
            ..ridgeway_nodes::Options::default()
        },
    );
    plane.logs().set(Arc::new(NodeLogs(nodes.clone())));
    tasks.spawn(guard.clone().run(stopping.clone()));
    // Policies that are stored already must be in force before anything else moves.
    guard.synced().await;
    tasks.spawn(deliver.clone().run(stopping.clone()));
    tasks.spawn(nodes.run(stopping.clone()));

    let kube = router(plane.clone(), authenticator.clone());
    tasks.spawn(listen(
        kube_listener,
        kube,
        Some(pki.server_config()?),
        stopping.clone(),
    ));
    tasks.spawn(renewal::keep(pki, clock.clone(), renewal::DAILY, stopping.clone()));
    let (accounts, password) = accounts.await.context("opening the accounts")??;
    let edge = ridgeway_server::router(ridgeway_server::Parts {
        plane: plane.clone(),
        authenticator,
        ledger: ledger.clone(),
        repositories: repositories.clone(),
        git_access: git_access(),
        deliver,
        guard,
        templates: Arc::new(Library::new(embedded::TEMPLATES.iter().copied())),
        accounts,
        assets: Assets::new(
            embedded::PORTAL
                .iter()
                .map(|(path, bytes)| ((*path).to_owned(), (*bytes).into())),
        ),
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
    tasks.spawn(listen(portal_listener, edge, None, stopping.clone()));

    if let Some(demo) = demo {
        demo.await
            .context("loading the demo organisation")?
            .context("loading the demo organisation")?;
    }
    let follow = args
        .follow
        .iter()
        .cloned()
        .chain(args.demo.then(|| "platform#cluster".to_owned()));
    for repository in follow {
        demo::follow(&deliver_cluster, &repository).await?;
    }

    print_welcome(
        &portal_url,
        &kubernetes_url,
        &kubeconfig,
        password.as_ref().map(|p| p.reveal()),
        args.demo,
    );
    println!("  ready       after {:.0?}; Ctrl-C ends it", begun.elapsed());
    let signal = signals.next().await;
    tracing::info!(signal, "ending");
    stop.send_replace(true);
    let farewell = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(std::time::Duration::from_millis(800), farewell)
        .await
        .is_err()
    {
        tracing::warn!("some tasks did not end in time and are cut off");
    }
    if let Some(journal) = journal {
        let _ = spawn_blocking(move || journal.close()).await;
    }
    ledger.close().await.context("closing the ledger")?;
    Ok(())
}

/// Signals that end the platform.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Resolves when the platform ends.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn listen(
    listener: TcpListener,
    router: axum::Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    stopping: watch::Receiver<bool>,
) {
    if let Err(error) = serve(listener, router, tls, stopped(stopping)).await {
        tracing::error!(%error, "a listener ended");
    }
}

fn open_ledger(directory: &Path, clock: &Arc<dyn Clock>) -> Result<Arc<Ledger>> {
    let now = clock.clone();
    let options = ridgeway_ledger::Options {
        origin: "ridgeway".to_owned(),
        now: Some(Arc::new(move || now.now())),
        ..ridgeway_ledger::Options::default()
    };
    Ledger::open(directory, options).context("opening the audit ledger")
}

fn open_repositories(args: &Args, data: &DataDir, clock: &Arc<dyn Clock>, portal: &str) -> Result<Arc<Repositories>> {
    let directory = args.git_dir.clone().unwrap_or_else(|| data.join("git"));
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make the directory of repositories {}", directory.display()))?;
    let now = clock.clone();
    let options = ridgeway_git::Options::new(move || now.now().as_millisecond());
    let repositories = Repositories::open(directory, options).context("opening the Git repositories")?;
    repositories.add_base_url(&format!("{portal}/git"));
    Ok(repositories)
}

/// The administrator's kubeconfig, with a certificate of its own.
fn write_kubeconfig(data: &DataDir, pki: &pki::Pki, server: &str, now: jiff::Timestamp) -> Result<PathBuf> {
    let certificate = pki
        .client_certificate("admin", &["system:masters"], now)
        .context("issuing a certificate")?;
    let text = pki.kubeconfig(server, "admin", &pki::Credential::Certificate(certificate));
    let path = data.join("kubeconfig");
    write_private(&path, &text)?;
    Ok(path)
}

/// Lets the command line of this machine's user in: a token that lives as long as this process.
fn local_access(authenticator: &Authenticator, portal: &str) -> Result<Access> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    authenticator.add_token(&token, Identity::user("admin", &["system:masters"], "command line"));
    Ok(Access {
        url: portal.to_owned(),
        token,
    })
}

/// Who may use which repository. The edge has asked access by then; nobody unnamed gets this far.
fn git_access() -> Arc<ridgeway_git::Access> {
    Arc::new(|user: &str, _repository: &str, _write: bool| !user.is_empty())
}

fn print_welcome(portal: &str, kubernetes: &str, kubeconfig: &Path, password: Option<&str>, demo: bool) {
    println!(
        "Ridgeway {} (simulated runtime: no container runs)\n",
        env!("CARGO_PKG_VERSION")
    );
    println!("  portal      {portal}");
    println!("  user        admin");
    match password {
        Some(password) => println!("  password    {password}   (shown this once)"),
        None => println!("  password is the one that the first start printed"),
    }
    println!("  kubernetes  {kubernetes}");
    println!("  kubeconfig  {}", kubeconfig.display());
    println!("  git         {portal}/git/<repository>.git");
    if demo {
        println!("\nThree things to try:");
        println!("  1. Open the portal and look at the application `checkout-production`.");
        println!(
            "  2. kubectl --kubeconfig {} apply -f examples/try/pod-without-limits.yaml",
            kubeconfig.display()
        );
        println!(
            "  3. git clone {portal}/git/checkout.git, set `newTag: v1.2.4` in deploy/base/kustomization.yaml, push."
        );
    }
    println!();
}
