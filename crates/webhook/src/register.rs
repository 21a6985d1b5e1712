//! Putting the configurations into the cluster, and keeping them as the policies in force need them.

use std::sync::Arc;
use std::time::Duration;

use ridgeway_doc::Value;

use crate::cluster::{Remote, RemoteError};
use crate::manifests::{Options, manifests};
use crate::pki::Certificates;
use crate::reload::Loaded;

const BASE: &str = "/apis/admissionregistration.k8s.io/v1";
const MANAGER: &str = "ridgeway-webhook";

/// Applies configurations as their field manager. The call waits for the cluster.
pub fn register(remote: &Remote, configurations: &[Value]) -> Result<(), RemoteError> {
    for configuration in configurations {
        let node = configuration.node();
        let plural = match node.str_at(&["kind"]) {
            Some("MutatingWebhookConfiguration") => "mutatingwebhookconfigurations",
            _ => "validatingwebhookconfigurations",
        };
        let name = node.str_at(&["metadata", "name"]).unwrap_or_default();
        let path = format!("{BASE}/{plural}/{name}?fieldManager={MANAGER}&force=true");
        let body = ("application/apply-patch+yaml", node.to_json());
        remote.send("PATCH", &path, Some(body))?;
    }
    Ok(())
}

/// Registers for ever: at once, and whenever the policies in force or the authorities are others.
pub async fn keep_registered(
    remote: Arc<Remote>,
    loaded: Arc<Loaded>,
    certificates: Arc<Certificates>,
    options: Options,
    every: Duration,
) {
    let mut known = None;
    loop {
        let set = loaded.set();
        let wanted = (set.hash.clone(), certificates.bundle());
        if known.as_ref() != Some(&wanted) {
            let options = Options {
                bundle: wanted.1.clone(),
                ..options.clone()
            };
            let remote = remote.clone();
            let put = move || register(&remote, &manifests(&set, &options));
            match tokio::task::spawn_blocking(put).await {
                Ok(Ok(())) => {
                    tracing::info!(hash = wanted.0, "the webhook configurations are in the cluster");
                    known = Some(wanted);
                }
                Ok(Err(error)) => tracing::error!(%error, "the webhook configurations could not be put in the cluster"),
                Err(_) => {}
            }
        }
        tokio::time::sleep(every).await;
    }
}
