//! Access: who may do what, asked of the RBAC snapshot, with Kubernetes' words for a refusal.

use ridgeway_authz::{Attributes, Decision};
use ridgeway_cluster::{Identity, Reason, Status};
use ridgeway_krm::Kind;

use crate::plane::ControlPlane;

/// The question in one place: borrowed parts of a request.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(crate) struct Question<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// For requests outside the resource API, such as `/metrics`.
    pub(crate) path: &'a str,
}

impl<'a> Question<'a> {
    /// The question about objects of a kind.
    pub(crate) fn about(
        verb: &'a str,
        kind: &'a Kind,
        subresource: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> Self {
        Question {
            verb,
            group: &kind.gvk.group,
            version: &kind.gvk.version,
            resource: &kind.plural,
            subresource,
            namespace,
            name,
            path: "",
        }
    }
}

impl ControlPlane {
    /// The decision with its proof. Members of `system:masters` may do everything.
    pub(crate) fn decide(&self, user: &Identity, question: Question<'_>) -> Decision {
        self.rules().authorize(&Attributes {
            user: &user.name,
            groups: &user.groups,
            verb: question.verb,
            group: question.group,
            version: question.version,
            resource: question.resource,
            subresource: question.subresource,
            name: question.name,
            namespace: question.namespace,
            non_resource_path: question.path,
        })
    }

    /// The decision, with a refusal as Kubernetes words it.
    pub(crate) fn authorize(&self, user: &Identity, question: Question<'_>) -> Result<Decision, Status> {
        let decision = self.decide(user, question);
        if decision.allowed {
            return Ok(decision);
        }
        Err(forbidden(user, question))
    }
}

/// `deployments.apps "x" is forbidden: User "u" cannot get resource "deployments" in API group "apps" in the
/// namespace "ns"`.
pub(crate) fn forbidden(user: &Identity, question: Question<'_>) -> Status {
    let Question {
        verb,
        group,
        resource,
        subresource,
        namespace,
        name,
        path,
        ..
    } = question;
    if resource.is_empty() {
        let message = format!("forbidden: User {:?} cannot {verb} path {path:?}", user.name);
        return Status::new(Reason::Forbidden, message);
    }
    let full = if subresource.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}/{subresource}")
    };
    let place = if namespace.is_empty() {
        " at the cluster scope".to_owned()
    } else {
        format!(" in the namespace {namespace:?}")
    };
    let why = format!(
        "User {:?} cannot {verb} resource {full:?} in API group {group:?}{place}",
        user.name
    );
    Status::forbidden(group, &full, name, &why).about(group, resource, name)
}

/// The resource that the right to impersonate a user is about: `(resource, namespace, name)`.
pub(crate) fn impersonated_user(user: &str) -> (&'static str, &str, &str) {
    match user
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
    {
        Some((namespace, name)) => ("serviceaccounts", namespace, name),
        None => ("users", "", user),
    }
}
