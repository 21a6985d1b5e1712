//! The custom resources, installed through the cluster like anything else.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use ridgeway_cluster::{Causality, Cluster, Reason, Status, WriteOptions};
use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;
use tokio::time::Instant;

use crate::names;

const DEFINITIONS: [&str; 4] = [
    include_str!("../crds/application.yaml"),
    include_str!("../crds/appproject.yaml"),
    include_str!("../crds/applicationset.yaml"),
    include_str!("../crds/promotion.yaml"),
];
const DEFAULTS: &str = include_str!("../crds/defaults.yaml");
const MANAGER: &str = "ridgeway-deliver";
/// How long a definition may take to be served.
const ESTABLISHED: Duration = Duration::from_secs(15);

/// The definitions of the custom resources, as documents.
pub fn definitions() -> Vec<Doc> {
    DEFINITIONS
        .iter()
        .flat_map(|text| parse_yaml(text).expect("the definitions are tested to be YAML"))
        .collect()
}

/// Installs the custom resources, the namespace of Applications and the default project. Repeating it changes nothing.
pub fn install_crds(cluster: &dyn Cluster) -> BoxFuture<'_, Result<(), Status>> {
    install(cluster).boxed()
}

async fn install(cluster: &dyn Cluster) -> Result<(), Status> {
    let options = || WriteOptions::by(MANAGER, Some(Causality::new("install:deliver"))).forced();
    try_join_all(
        definitions()
            .iter()
            .map(|definition| cluster.apply(definition.root().to_value(), options())),
    )
    .await?;
    let wanted: [Gvk; 4] = [
        names::application(),
        names::app_project(),
        names::application_set(),
        names::promotion(),
    ];
    let deadline = Instant::now() + ESTABLISHED;
    while let Some(missing) = wanted.iter().find(|gvk| cluster.kinds().get(gvk).is_none()) {
        if Instant::now() > deadline {
            let why = format!("the definition of {missing} was accepted and is not served; look at its conditions");
            return Err(Status::new(Reason::Timeout, why));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for object in parse_yaml(DEFAULTS).expect("the defaults are tested to be YAML") {
        let gvk = Gvk::of(object.root()).expect("the defaults are tested to be objects");
        let part = |key: &str| object.root().str_at(&["metadata", key]).unwrap_or_default().to_owned();
        // Made once and never overwritten: the default project is there to be narrowed.
        match cluster.get(&gvk, &part("namespace"), &part("name")).await {
            Err(status) if status.reason == Reason::NotFound => {}
            Err(status) => return Err(status),
            Ok(_) => continue,
        }
        match cluster.create(object.root().to_value(), options()).await {
            Err(status) if status.reason != Reason::AlreadyExists => return Err(status),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_name_what_is_asked_for() {
        let names: Vec<String> = definitions()
            .iter()
            .filter_map(|d| d.root().str_at(&["metadata", "name"]).map(str::to_owned))
            .collect();
        assert_eq!(
            names,
            [
                "applications.argoproj.io",
                "appprojects.argoproj.io",
                "applicationsets.argoproj.io",
                "promotions.ridgeway.dev"
            ]
        );
        for definition in definitions() {
            let kinds = ridgeway_krm::Kind::from_crd(definition.root()).unwrap();
            assert_eq!(kinds.len(), 1);
        }
        assert!(
            parse_yaml(DEFAULTS)
                .unwrap()
                .iter()
                .all(|doc| Gvk::of(doc.root()).is_some())
        );
    }
}
