//! The policy kinds, installed through the cluster like anything else.

use std::time::Duration;

use futures_util::future::try_join_all;
use ridgeway_cluster::{Causality, Cluster, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;
use tokio::time::Instant;

use crate::source;

const DEFINITIONS: [&str; 13] = [
    include_str!("../crds/clusterpolicy.yaml"),
    include_str!("../crds/policy.yaml"),
    include_str!("../crds/policyexception.yaml"),
    include_str!("../crds/validatingpolicy.yaml"),
    include_str!("../crds/mutatingpolicy.yaml"),
    include_str!("../crds/generatingpolicy.yaml"),
    include_str!("../crds/deletingpolicy.yaml"),
    include_str!("../crds/cleanuppolicy.yaml"),
    include_str!("../crds/constrainttemplate.yaml"),
    include_str!("../crds/mutators.yaml"),
    include_str!("../crds/expansiontemplate.yaml"),
    include_str!("../crds/gatekeeperconfig.yaml"),
    include_str!("../crds/globalcontextentry.yaml"),
];
/// The field manager of everything that is installed.
pub(crate) const MANAGER: &str = "ridgeway-guard";
/// How long a definition may take to be served.
const ESTABLISHED: Duration = Duration::from_secs(15);

fn definitions() -> Vec<Doc> {
    DEFINITIONS
        .iter()
        .flat_map(|text| parse_yaml(text).expect("the definitions are tested to be YAML"))
        .collect()
}

/// Installs the policy kinds and waits until they are served. Repeating it changes nothing.
pub(crate) async fn install(cluster: &dyn Cluster) -> Result<(), Status> {
    try_join_all(definitions().iter().map(|definition| {
        let options = WriteOptions::by(MANAGER, Some(Causality::new("install:guard"))).forced();
        cluster.apply(definition.root().to_value(), options)
    }))
    .await?;
    for gvk in source::kinds() {
        served(cluster, &gvk).await?;
    }
    Ok(())
}

/// Waits until a kind is served.
pub(crate) async fn served(cluster: &dyn Cluster, gvk: &Gvk) -> Result<(), Status> {
    let deadline = Instant::now() + ESTABLISHED;
    while cluster.kinds().get(gvk).is_none() {
        if Instant::now() > deadline {
            let why = format!("the definition of {gvk} was accepted and is not served; look at its conditions");
            return Err(Status::new(Reason::Timeout, why));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_serve_what_is_followed() {
        let served: Vec<Gvk> = definitions()
            .iter()
            .flat_map(|definition| ridgeway_krm::Kind::from_crd(definition.root()).unwrap())
            .map(|kind| kind.gvk)
            .collect();
        for gvk in source::kinds() {
            let there = served.contains(&gvk) || gvk.group == "admissionregistration.k8s.io";
            assert!(there, "{gvk} is followed and not defined");
            assert!(source::role(&gvk.group, &gvk.kind).is_some(), "{gvk} plays no part");
        }
        for gvk in served {
            let role = source::role(&gvk.group, &gvk.kind);
            assert!(role.is_some(), "{gvk} is defined and plays no part");
        }
    }
}
