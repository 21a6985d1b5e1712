//! The policies in force: replaced as a whole when their directories change, or not at all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::metrics::Metrics;
use crate::policies::{LoadError, PolicySet};

/// The policies in force, and why newer ones are not.
pub struct Loaded {
    roots: Vec<PathBuf>,
    set: RwLock<Arc<PolicySet>>,
    refused: RwLock<Option<String>>,
    metrics: Arc<Metrics>,
    /// The files as they were before they were loaded first.
    first: Files,
}

type Files = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

impl Loaded {
    /// Loads directories for the first time; faults are errors.
    pub fn open(roots: Vec<PathBuf>, metrics: Arc<Metrics>) -> Result<Arc<Loaded>, LoadError> {
        let first = fingerprint(&roots);
        let set = PolicySet::load(&roots)?;
        metrics.loaded(Some(set.units.len()));
        Ok(Arc::new(Loaded {
            roots,
            set: RwLock::new(Arc::new(set)),
            refused: RwLock::default(),
            metrics,
            first,
        }))
    }

    /// The policies in force.
    pub fn set(&self) -> Arc<PolicySet> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why what the directories hold now is not in force; `None` when it is.
    pub fn refused(&self) -> Option<String> {
        self.refused.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads the directories again. Faults leave the policies in force as they are.
    pub fn reload(&self) -> Result<(), LoadError> {
        let loaded = PolicySet::load(&self.roots);
        let mut refused = self.refused.write().unwrap_or_else(PoisonError::into_inner);
        match loaded {
            Ok(set) => {
                self.metrics.loaded(Some(set.units.len()));
                *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
                *refused = None;
                Ok(())
            }
            Err(error) => {
                self.metrics.loaded(None);
                *refused = Some(error.to_string());
                Err(error)
            }
        }
    }
}

/// Name, size and time of every file; changes when a file does.
fn fingerprint(roots: &[PathBuf]) -> Files {
    let mut out = BTreeMap::new();
    let mut ahead = roots.to_vec();
    while let Some(path) = ahead.pop() {
        let Ok(about) = std::fs::metadata(&path) else { continue };
        if about.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            ahead.extend(entries.map(|entry| entry.path()).filter(|path| {
                let name = path.file_name().unwrap_or_default();
                !name.to_string_lossy().starts_with('.')
            }));
        } else {
            out.insert(path, (about.len(), about.modified().ok()));
        }
    }
    out
}

/// Follows the directories for ever. A change counts once it has been still for a turn, so that no half is loaded.
pub async fn follow(loaded: Arc<Loaded>, every: Duration) {
    let mut known = loaded.first.clone();
    let mut last = known.clone();
    loop {
        tokio::time::sleep(every).await;
        let looking = loaded.clone();
        let Ok(seen) = tokio::task::spawn_blocking(move || fingerprint(&looking.roots)).await else {
            continue;
        };
        let still = seen == last;
        last = seen;
        if !still || last == known {
            continue;
        }
        known = last.clone();
        let loading = loaded.clone();
        match tokio::task::spawn_blocking(move || loading.reload()).await {
            Ok(Ok(())) => {
                let set = loaded.set();
                tracing::info!(policies = set.units.len(), hash = set.hash, "policies loaded");
                set.notes.iter().for_each(|note| tracing::warn!("{note}"));
            }
            Ok(Err(error)) => {
                tracing::error!("the policies stay as they were, for what is in the directories has faults:\n{error}");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: NAME}\nspec:\n  rules:\n    - name: r\n      match: {any: [{resources: {kinds: [ConfigMap]}}]}\n      validate: {message: no, pattern: {data: {a: '?*'}}}\n";

    #[tokio::test]
    async fn a_change_is_loaded_and_a_fault_disturbs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.yaml", &GOOD.replace("NAME", "a"));
        let loaded = Loaded::open(vec![folder.path().to_owned()], Arc::default()).unwrap();
        let task = tokio::spawn(follow(loaded.clone(), Duration::from_millis(10)));
        let until = async |what: &dyn Fn(&Loaded) -> bool| {
            for _ in 0..500 {
                if what(&loaded) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!(
                "it never came to that: {:?} {:?}",
                loaded.set().units.len(),
                loaded.refused()
            );
        };
        write("b.yaml", &GOOD.replace("NAME", "b"));
        until(&|l| l.set().units.len() == 2).await;
        let before = loaded.set();
        write("c.yaml", &GOOD.replace("NAME", "c").replace("message", "mesage"));
        until(&|l| l.refused().is_some()).await;
        let said = loaded.refused().unwrap();
        assert!(said.contains("c.yaml:8:"), "{said}");
        assert!(Arc::ptr_eq(&before, &loaded.set()));
        write("c.yaml", &GOOD.replace("NAME", "c"));
        until(&|l| l.set().units.len() == 3 && l.refused().is_none()).await;
        task.abort();
    }
}
