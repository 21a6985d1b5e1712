//! Access reviews: questions about rights that are answered and never stored.

use ridgeway_cluster::{Identity, Status};
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Kind;

use crate::access::Question;
use crate::fault;
use crate::plane::ControlPlane;

impl ControlPlane {
    /// Answers a review that a user asks; whether the user may ask is decided before.
    pub(crate) fn review(&self, user: &Identity, kind: &Kind, review: Node<'_>) -> Result<Value, Status> {
        let spec = review.get("spec");
        let status = match kind.gvk.kind.as_str() {
            "SelfSubjectAccessReview" => self.access_status(user, spec)?,
            "SubjectAccessReview" | "LocalSubjectAccessReview" => self.access_status(&subject(spec), spec)?,
            "SelfSubjectRulesReview" => {
                let namespace = spec.and_then(|s| s.str_at(&["namespace"])).unwrap_or_default();
                self.rules().rules_for(&user.name, &user.groups, namespace)
            }
            "SelfSubjectReview" => {
                let mut status = Value::object();
                status.set(&["userInfo"], user_info(user));
                status
            }
            other => return Err(fault::not_implemented(other)),
        };
        Ok(answered(kind, review, status))
    }

    fn access_status(&self, user: &Identity, spec: Option<Node<'_>>) -> Result<Value, Status> {
        let resource = spec.and_then(|s| s.get("resourceAttributes"));
        let path = spec.and_then(|s| s.get("nonResourceAttributes"));
        if resource.is_some() == path.is_some() {
            return Err(fault::bad_request(
                "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        }
        let attributes = resource.or(path);
        let part = |key: &str| attributes.and_then(|a| a.str_at(&[key])).unwrap_or_default();
        let decision = self.decide(
            user,
            Question {
                verb: part("verb"),
                group: part("group"),
                version: part("version"),
                resource: part("resource"),
                subresource: part("subresource"),
                namespace: part("namespace"),
                name: part("name"),
                path: part("path"),
            },
        );
        let mut status = Value::object();
        status.set(&["allowed"], decision.allowed);
        if !decision.reason.is_empty() {
            status.set(&["reason"], decision.reason);
        }
        if !decision.evaluation_error.is_empty() {
            status.set(&["evaluationError"], decision.evaluation_error);
        }
        Ok(status)
    }
}

/// A review with its answer.
pub(crate) fn answered(kind: &Kind, review: Node<'_>, status: Value) -> Value {
    let mut answer = review.to_value();
    answer.set(&["kind"], kind.gvk.kind.as_str());
    answer.set(&["apiVersion"], kind.gvk.api_version());
    answer.set(&["status"], status);
    answer
}

fn subject(spec: Option<Node<'_>>) -> Identity {
    let groups = spec
        .and_then(|s| s.get("groups"))
        .map(Node::items)
        .into_iter()
        .flatten();
    Identity {
        name: spec.and_then(|s| s.str_at(&["user"])).unwrap_or_default().into(),
        uid: spec.and_then(|s| s.str_at(&["uid"])).unwrap_or_default().into(),
        groups: groups.filter_map(Node::as_str).map(Into::into).collect(),
        source: "access review".into(),
        impersonator: None,
    }
}

/// A user as reviews show one.
pub(crate) fn user_info(user: &Identity) -> Value {
    let mut info = Value::object();
    info.set(&["username"], user.name.as_str());
    if !user.uid.is_empty() {
        info.set(&["uid"], user.uid.as_str());
    }
    info.set(&["groups"], user.groups.iter().collect::<Value>());
    info
}
