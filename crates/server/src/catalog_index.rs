//! The catalog of all repositories, rebuilt when somebody pushes.

use std::sync::{Arc, PoisonError, RwLock};

use ridgeway_catalog::{Catalog, Entity, SourceFile};
use ridgeway_git::{GitError, Repositories};

/// The file that describes entities, at the root of a repository.
const FILE: &str = "catalog-info.yaml";

/// The catalog now.
#[derive(Default)]
pub(crate) struct CatalogIndex(RwLock<Arc<Catalog>>);

impl CatalogIndex {
    /// A snapshot.
    pub(crate) fn now(&self) -> Arc<Catalog> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads every repository's file anew. A repository that cannot be read is left out and logged.
    pub(crate) async fn rebuild(&self, repositories: &Repositories) {
        let names = match repositories.list() {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "repositories cannot be listed for the catalog");
                return;
            }
        };
        let mut files = Vec::new();
        for name in names {
            match read(repositories, &name).await {
                Ok(Some(text)) => files.push((name, text)),
                Ok(None) => {}
                Err(error) => tracing::debug!(repository = name, %error, "not in the catalog"),
            }
        }
        let sources = files.iter().map(|(repository, text)| SourceFile {
            repository,
            path: FILE,
            text,
        });
        let catalog = Catalog::build(sources);
        for problem in catalog.problems() {
            tracing::info!(%problem, "left out of the catalog");
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }
}

async fn read(repositories: &Repositories, name: &str) -> Result<Option<String>, GitError> {
    let commit = repositories.resolve(name, "HEAD").await?;
    let snapshot = repositories.snapshot(name, commit).await?;
    let bytes = snapshot.read(FILE)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()))
}

/// The component that a repository describes: its first one.
pub(crate) fn component_of<'c>(catalog: &'c Catalog, repository: &str) -> Option<&'c Entity> {
    catalog
        .entities()
        .find(|entity| entity.kind().eq_ignore_ascii_case("component") && entity.origin().repository == repository)
}
