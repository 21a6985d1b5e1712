//! Deleting an Application together with what it deployed.

use std::time::Duration;

use ridgeway_cluster::{Causality, EventType, Propagation, WriteOptions};
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;

use crate::compare::has_option;
use crate::controller::{Deliver, Memory, Work};
use crate::execute::Executor;
use crate::names;
use crate::spec::{AppKey, Application};
use crate::status::{self, Condition};

/// How often an unfinished deletion is looked at without any event.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

impl Deliver {
    /// Deletes the objects of an Application that is being deleted; when they are gone, lets it go.
    pub(crate) async fn cascade(&self, app: &Application, memory: &mut Memory) {
        memory.running = None;
        let Some(finalizer) = app.cascade().map(str::to_owned) else {
            return;
        };
        let propagation = if finalizer.ends_with("/background") {
            Propagation::Background
        } else {
            Propagation::Foreground
        };
        let items = app
            .status()
            .and_then(|status| status.get("resources"))
            .into_iter()
            .flat_map(|list| list.items());
        let part = |item: Node<'_>, key: &str| item.str_at(&[key]).unwrap_or_default().to_owned();
        let kinds = items.map(|item| Gvk::new(&part(item, "group"), &part(item, "version"), &part(item, "kind")));
        self.live.ensure(kinds.collect::<Vec<_>>()).await;
        let executor = Executor {
            cluster: &*self.cluster,
            live: &self.live,
            origins: &|_| None,
        };
        let causality = Causality::new(format!("delete:{}", app.key));
        let mut left = 0;
        let mut faults = Vec::new();
        for place in self.live.tracked(&app.key.instance(&self.options.control_plane)) {
            let Some(live) = self.live.get(&place) else { continue };
            let root = live.root();
            let owned = root
                .at(&["metadata", "ownerReferences"])
                .is_some_and(|owners| !owners.is_empty());
            if owned || has_option(root, "argocd.argoproj.io/sync-options", "Delete=false") {
                continue;
            }
            left += 1;
            if root.at(&["metadata", "deletionTimestamp"]).is_some() {
                continue;
            }
            if let Err(why) = executor.delete(&place, propagation, &causality, false).await {
                faults.push(format!("{}: {why}", place.reference()));
            } else if self.live.get(&place).is_none() {
                left -= 1;
            }
        }
        if left == 0 {
            return self.let_go(app, &finalizer).await;
        }
        self.queue.add_after(Work::Application(app.key.clone()), LOOK_AGAIN);
        let condition = faults.first().map(|_| Condition {
            kind: status::DELETION_ERROR,
            message: faults.join("; "),
        });
        let old = app.status();
        let conditions: Vec<Condition> = condition.into_iter().collect();
        let known = old.and_then(|status| status.get("conditions"));
        let conditions = status::conditions(&conditions, known, self.clock.now());
        if conditions.as_ref().map(Value::node) != known {
            let mut patch = Value::object();
            patch.set(&["status", "conditions"], conditions);
            self.patch(&app.key, patch).await;
        }
    }

    async fn let_go(&self, app: &Application, finalizer: &str) {
        let rest: Value = app
            .doc
            .root()
            .at(&["metadata", "finalizers"])
            .into_iter()
            .flat_map(|list| list.items())
            .filter(|name| name.as_str() != Some(finalizer))
            .collect();
        let mut patch = Value::object();
        patch.set(&["metadata", "finalizers"], rest);
        self.event(
            app.doc.root(),
            EventType::Normal,
            "ResourcesDeleted",
            "everything it deployed is deleted",
        );
        self.patch(&app.key, patch).await;
    }

    async fn patch(&self, key: &AppKey, patch: Value) {
        let options = WriteOptions::by(names::STATUS_MANAGER, None);
        let written = self
            .cluster
            .merge_patch(&names::application(), &key.namespace, &key.name, patch, options)
            .await;
        if let Err(error) = written
            && error.reason != ridgeway_cluster::Reason::NotFound
        {
            tracing::warn!(application = %key, %error, "the Application could not be written");
            self.queue.add_after(Work::Application(key.clone()), LOOK_AGAIN);
        }
    }
}
