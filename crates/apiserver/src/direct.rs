//! The `Cluster` trait by direct calls: our own controllers, through the same gate as everybody.

use std::sync::Arc;

use async_trait::async_trait;
use ridgeway_cluster::{Body, Cluster, Identity, List, ListOptions, Status, Watch, WatchEvent, Write};
use ridgeway_doc::Doc;
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_store::Revision;
use tokio::sync::mpsc;

use crate::access::{self, Question};
use crate::plane::ControlPlane;
use crate::read::{ListQuery, Seen, SeenKind, Selection};
use crate::write::is_review;
use crate::{codec, fault};

/// How many events a controller may lag before the watch waits for it.
const WATCH_BUFFER: usize = 256;

/// The control plane on behalf of one identity.
pub(crate) struct DirectCluster {
    plane: ControlPlane,
    /// Who acts; or why nobody may, after an impersonation that was refused.
    identity: Result<Identity, Status>,
}

impl DirectCluster {
    pub(crate) fn new(plane: ControlPlane, identity: Identity) -> Self {
        DirectCluster {
            plane,
            identity: Ok(identity),
        }
    }

    fn identity(&self) -> Result<&Identity, Status> {
        self.identity.as_ref().map_err(Status::clone)
    }
}

#[async_trait]
impl Cluster for DirectCluster {
    fn kinds(&self) -> Arc<KindTable> {
        self.plane.kinds()
    }

    async fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Result<Doc, Status> {
        let kind = self.plane.kind(gvk)?;
        self.plane
            .may_read(self.identity()?, "get", &kind, "", namespace, name)?;
        codec::decode_as(&kind, &*self.plane.must_entry(&kind, namespace, name)?)
    }

    async fn list(&self, gvk: &Gvk, namespace: Option<&str>, options: &ListOptions) -> Result<List, Status> {
        let kind = self.plane.kind(gvk)?;
        self.plane
            .may_read(self.identity()?, "list", &kind, "", namespace.unwrap_or_default(), "")?;
        let selection = Selection::parse(&options.labels, &options.fields)?;
        let query = ListQuery {
            selection,
            ..ListQuery::default()
        };
        let page = self.plane.page(&kind, namespace, &query).await?;
        let items = page
            .entries
            .iter()
            .map(|entry| codec::decode_as(&kind, entry))
            .collect::<Result<_, _>>()?;
        Ok(List {
            items,
            resource_version: page.revision.to_string(),
        })
    }

    async fn watch(
        &self,
        gvk: &Gvk,
        namespace: Option<&str>,
        options: &ListOptions,
        from: &str,
    ) -> Result<Watch, Status> {
        let kind = self.plane.kind(gvk)?;
        self.plane
            .may_read(self.identity()?, "watch", &kind, "", namespace.unwrap_or_default(), "")?;
        let after: u64 = from
            .parse()
            .map_err(|_| fault::bad_request(format!("resourceVersion {from:?} is not a number")))?;
        let selection = Selection::parse(&options.labels, &options.fields)?;
        let mut changes = self.plane.changes(&kind, namespace, selection, Revision(after)).await?;
        let (sender, receiver) = mpsc::channel(WATCH_BUFFER);
        tokio::spawn(async move {
            loop {
                let seen = tokio::select! {
                    seen = changes.next() => seen,
                    () = sender.closed() => return,
                };
                let event = match seen {
                    None => return,
                    Some(Ok(seen)) => event_of(&kind, &seen),
                    Some(Err(status)) => Err(status),
                };
                let (event, last) = match event {
                    Ok(event) => (event, false),
                    Err(status) => (WatchEvent::Error(status), true),
                };
                if sender.send(event).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    async fn write(&self, write: Write) -> Result<Doc, Status> {
        let identity = self.identity()?;
        let kind = self.plane.kind(&write.gvk)?;
        if let Body::Create(review) = &write.body
            && is_review(&kind.gvk)
        {
            self.plane
                .may_read(identity, "create", &kind, "", &write.namespace, "")?;
            return self
                .plane
                .review(identity, &kind, review.node())
                .map(ridgeway_doc::Value::into_doc);
        }
        let written = self.plane.execute(identity, write).await?;
        for warning in &written.warnings {
            tracing::debug!(user = %identity.name, "{warning}");
        }
        written.doc()
    }

    fn impersonate(&self, identity: Identity) -> Arc<dyn Cluster> {
        let plane = self.plane.clone();
        let Ok(own) = &self.identity else {
            return Arc::new(DirectCluster {
                plane,
                identity: self.identity.clone(),
            });
        };
        // The groups that every identity of its kind has by itself need no right of their own.
        let implied = |group: &String| group == "system:authenticated" || group.starts_with("system:serviceaccounts");
        let groups = identity
            .groups
            .iter()
            .filter(|group| !implied(group))
            .map(|group| ("groups", group.as_str()));
        let refusal = std::iter::once(access::impersonated_user(&identity.name))
            .map(|(resource, namespace, name)| Question {
                verb: "impersonate",
                resource,
                namespace,
                name,
                ..Question::default()
            })
            .chain(groups.map(|(resource, name)| Question {
                verb: "impersonate",
                resource,
                name,
                ..Question::default()
            }))
            .find_map(|question| self.plane.authorize(own, question).err());
        let identity = match refusal {
            Some(status) => Err(status),
            None => Ok(Identity {
                impersonator: Some(own.name.clone()),
                ..identity
            }),
        };
        Arc::new(DirectCluster { plane, identity })
    }
}

fn event_of(kind: &ridgeway_krm::Kind, seen: &Seen) -> Result<WatchEvent, Status> {
    let revision = match seen.kind {
        SeenKind::Deleted => seen.revision,
        _ => seen.entry.mod_revision,
    };
    let doc = codec::decode_at(kind, &seen.entry, revision)?;
    Ok(match seen.kind {
        SeenKind::Added => WatchEvent::Added(doc),
        SeenKind::Modified => WatchEvent::Modified(doc),
        SeenKind::Deleted => WatchEvent::Deleted(doc),
    })
}
