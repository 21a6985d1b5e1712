//! Rights at the edge, asked of the same RBAC rules as the Kubernetes API's.

use ridgeway_authz::Attributes;
use ridgeway_cluster::Identity;
use ridgeway_krm::ObjectRef;

use crate::Shared;
use crate::api::applications::NAMESPACE;
use crate::error::ApiError;

/// Something that somebody may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// Syncing and rolling back: changing Applications.
    Deploy,
    /// Approving promotions: changing Promotions.
    Promote,
    /// Running golden paths: making Applications (and the repositories that they follow).
    RunTemplates,
    /// Cloning: whoever sees Applications sees what they are made from.
    ReadRepositories,
    /// Pushing: what is pushed is deployed, so it takes the right to change Applications.
    WriteRepositories,
    /// Reading the ledger, which tells about everybody: `get` on the path `/audit`.
    Audit,
    /// Scraping metrics: `get` on the path `/metrics`, as in Kubernetes.
    Metrics,
}

impl Right {
    fn attributes(self) -> Attributes<'static> {
        let applications = |verb| Attributes {
            verb,
            group: "argoproj.io",
            resource: "applications",
            namespace: NAMESPACE,
            ..Attributes::default()
        };
        let path = |path| Attributes {
            verb: "get",
            non_resource_path: path,
            ..Attributes::default()
        };
        match self {
            Right::Deploy | Right::WriteRepositories => applications("patch"),
            Right::RunTemplates => applications("create"),
            Right::ReadRepositories => applications("get"),
            Right::Promote => Attributes {
                verb: "patch",
                group: "ridgeway.dev",
                resource: "promotions",
                namespace: NAMESPACE,
                ..Attributes::default()
            },
            Right::Audit => path("/audit"),
            Right::Metrics => path("/metrics"),
        }
    }

    /// What it is, for a refusal.
    fn words(self) -> &'static str {
        match self {
            Right::Deploy => "change Applications in argocd",
            Right::Promote => "change Promotions in argocd",
            Right::RunTemplates => "create Applications in argocd, as a golden path does",
            Right::ReadRepositories => "read repositories, which takes the right to get Applications in argocd",
            Right::WriteRepositories => "push, which takes the right to patch Applications in argocd",
            Right::Audit => "read the audit ledger, which takes the right to get the path /audit",
            Right::Metrics => "read metrics, which takes the right to get the path /metrics",
        }
    }
}

impl Shared {
    /// Whether somebody has a right.
    pub(crate) fn may(&self, identity: &Identity, right: Right) -> bool {
        let attributes = Attributes {
            user: &identity.name,
            groups: &identity.groups,
            ..right.attributes()
        };
        self.plane.rules().authorize(&attributes).allowed
    }

    /// 403 for those who lack a right.
    pub(crate) fn demand(&self, identity: &Identity, right: Right) -> Result<(), ApiError> {
        if self.may(identity, right) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!(
            "{} may not {}; ask the platform team",
            identity.name,
            right.words()
        )))
    }

    /// Whether somebody may read an object.
    pub(crate) fn may_see(&self, identity: &Identity, object: &ObjectRef) -> bool {
        let kinds = self.plane.kinds();
        let kind = kinds
            .kinds()
            .find(|kind| kind.gvk.group == object.group && kind.gvk.kind == object.kind);
        let attributes = Attributes {
            user: &identity.name,
            groups: &identity.groups,
            verb: "get",
            group: &object.group,
            resource: kind.as_ref().map_or("", |kind| kind.plural.as_str()),
            namespace: &object.namespace,
            name: &object.name,
            ..Attributes::default()
        };
        self.plane.rules().authorize(&attributes).allowed
    }
}
