//! The loops that Kubernetes runs beside its API server and that every object relies on.
//!
//! One watch over the whole store feeds them all ([`observe`]): namespace termination, garbage collection by owner,
//! event expiry, accounts and the authority's certificate in every namespace, quota usage, the end of custom kinds. What they change goes through
//! the pipeline, each under its own identity.

mod accounts;
mod definitions;
mod events;
mod garbage;
mod graph;
mod history;
mod namespaces;
mod observe;
mod quotas;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ridgeway_cluster::{Cluster, Identity};
use tokio::task::JoinSet;

use crate::plane::ControlPlane;
use observe::{Observer, Seen};

/// How long to wait before trying again what failed.
const RETRY: Duration = Duration::from_millis(250);

/// What the controllers need to know beyond the plane.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The authority's certificate, published as `kube-root-ca.crt` in every namespace.
    pub root_ca: Option<String>,
}

/// Runs all controllers until `shutdown` resolves or the future is dropped.
pub fn run<'a>(
    plane: ControlPlane,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'a,
) -> BoxFuture<'a, ()> {
    until(plane, options, shutdown.boxed())
}

/// Boxed here, so that it is compiled with this crate and not again in each that runs it.
fn until(plane: ControlPlane, options: Options, shutdown: BoxFuture<'_, ()>) -> BoxFuture<'_, ()> {
    let work = async move {
        tokio::select! {
            () = forever(plane, options) => {}
            () = shutdown => {}
        }
    };
    work.boxed()
}

async fn forever(plane: ControlPlane, options: Options) {
    loop {
        // A watch that was cut off starts everything anew: the controllers keep nothing that cannot be seen again.
        if let Err(status) = once(&plane, &options).await {
            tracing::warn!(%status, "the controllers start again");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn once(plane: &ControlPlane, options: &Options) -> Result<(), ridgeway_cluster::Status> {
    let namespaces = Arc::new(namespaces::Namespaces::new(plane));
    let garbage = Arc::new(garbage::Garbage::new(plane));
    let events = Arc::new(events::Events::new(plane));
    let accounts = Arc::new(accounts::Accounts::new(plane, options.root_ca.clone()));
    let quotas = Arc::new(quotas::Quotas::new(plane));
    let definitions = Arc::new(definitions::Definitions::new(plane));
    let observers: [Arc<dyn Observer>; 6] = [
        namespaces.clone(),
        garbage.clone(),
        events.clone(),
        accounts.clone(),
        quotas.clone(),
        definitions.clone(),
    ];
    let mut source = observe::Source::open(plane).await?;
    // Everything that is there is seen before anything is done: a dependent not yet seen must not count as absent.
    source.replay(&observers);
    let mut workers = JoinSet::new();
    workers.spawn(namespaces.work());
    workers.spawn(events.work());
    workers.spawn(accounts.work());
    workers.spawn(quotas.work());
    workers.spawn(definitions.work());
    workers.spawn(history::work(plane.clone()));
    for _ in 0..garbage::WORKERS {
        workers.spawn(garbage.clone().work());
    }
    source.follow(&observers).await
}

/// One of the plane's own controllers, as a service account of `kube-system`.
fn client(plane: &ControlPlane, name: &str) -> Arc<dyn Cluster> {
    plane.client(identity(name))
}

fn identity(name: &str) -> Identity {
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"];
    Identity::user(
        &format!("system:serviceaccount:kube-system:{name}"),
        &groups,
        "controller",
    )
}
