//! The demo organisation: two repositories made through Git, and a root Application that follows one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use ridgeway_cluster::{Cluster, Reason, WriteOptions};
use ridgeway_doc::Value;
use ridgeway_git::{Author, Repositories};

use crate::embedded::DEMO;

/// Makes the demo's repositories where they are not there yet; those that are there stay as their users left them.
pub(crate) async fn load(repositories: &Arc<Repositories>) -> Result<()> {
    let mut by_repository: BTreeMap<&str, Vec<(&str, Option<bytes::Bytes>)>> = BTreeMap::new();
    for (path, content) in DEMO {
        if let Some((repository, file)) = path.split_once('/') {
            by_repository
                .entry(repository)
                .or_default()
                .push((file, Some(bytes::Bytes::from_static(content))));
        }
    }
    let author = Author::new("Ridgeway", "demo@ridgeway.example");
    let author = &author;
    let make = |(repository, files): (&'static str, Vec<_>)| async move {
        if repositories.exists(repository) {
            return Ok(());
        }
        repositories
            .create(repository)
            .await
            .with_context(|| format!("repository {repository}"))?;
        repositories
            .commit_files(repository, "main", author, "The demo organisation", &files)
            .await
            .with_context(|| format!("repository {repository}"))?;
        tracing::info!(repository, files = files.len(), "loaded through Git");
        anyhow::Ok(())
    };
    try_join_all(by_repository.into_iter().map(make)).await.map(drop)
}

/// A root Application that follows `REPOSITORY[#PATH]`, unless there is one of that name.
pub(crate) async fn follow(cluster: &Arc<dyn Cluster>, what: &str) -> Result<()> {
    let (repository, path) = what.split_once('#').unwrap_or((what, "."));
    let name = repository
        .trim_end_matches('/')
        .trim_end_matches(".git")
        .rsplit(['/', ':'])
        .next()
        .unwrap_or(repository);
    let mut application = Value::object();
    application.set(&["apiVersion"], "argoproj.io/v1alpha1");
    application.set(&["kind"], "Application");
    application.set(&["metadata", "name"], name.to_lowercase());
    application.set(&["metadata", "namespace"], "argocd");
    application.set(&["spec", "project"], "default");
    application.set(&["spec", "source", "repoURL"], repository);
    application.set(&["spec", "source", "targetRevision"], "HEAD");
    application.set(&["spec", "source", "path"], path);
    application.set(&["spec", "source", "directory", "recurse"], true);
    application.set(&["spec", "destination", "server"], "https://kubernetes.default.svc");
    application.set(&["spec", "destination", "namespace"], "default");
    application.set(&["spec", "syncPolicy", "automated", "prune"], true);
    application.set(&["spec", "syncPolicy", "automated", "selfHeal"], true);
    match cluster.create(application, WriteOptions::by("ridgeway", None)).await {
        Ok(_) => Ok(()),
        Err(status) if status.reason == Reason::AlreadyExists => Ok(()),
        Err(status) => Err(status).with_context(|| format!("following {what}")),
    }
}
