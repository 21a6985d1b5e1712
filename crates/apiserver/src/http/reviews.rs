//! Access and token reviews: questions that are answered and never stored.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use ridgeway_cluster::{Identity, Reason, Status};
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Kind;

use super::{Call, Target, negotiate};
use crate::access::Question;
use crate::fault;

impl Call {
    /// Answers a review.
    pub(super) async fn review(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        if self.method != Method::POST {
            return Err(Status::new(
                Reason::MethodNotAllowed,
                format!("{} can only be created", kind.gvk.kind),
            ));
        }
        self.api
            .plane
            .may_read(&self.user, "create", kind, "", &target.namespace, "")?;
        let review = self.document_of(body).await?;
        let spec = review.root().get("spec");
        let status = match kind.gvk.kind.as_str() {
            "SelfSubjectAccessReview" => self.access_status(&self.user, spec)?,
            "SubjectAccessReview" | "LocalSubjectAccessReview" => {
                let subject = subject(spec);
                self.access_status(&subject, spec)?
            }
            "SelfSubjectRulesReview" => {
                let namespace = spec.and_then(|s| s.str_at(&["namespace"])).unwrap_or_default();
                self.api
                    .plane
                    .rules()
                    .rules_for(&self.user.name, &self.user.groups, namespace)
            }
            "SelfSubjectReview" => {
                let mut status = Value::object();
                status.set(&["userInfo"], user_info(&self.user));
                status
            }
            "TokenReview" => self.token_status(spec),
            other => return Err(fault::not_implemented(other)),
        };
        let mut answer = review.root().to_value();
        answer.set(&["kind"], kind.gvk.kind.as_str());
        answer.set(&["apiVersion"], kind.gvk.api_version());
        answer.set(&["status"], status);
        Ok(negotiate::object(StatusCode::CREATED, answer.node(), &[]))
    }

    fn access_status(&self, user: &Identity, spec: Option<Node<'_>>) -> Result<Value, Status> {
        let resource = spec.and_then(|s| s.get("resourceAttributes"));
        let path = spec.and_then(|s| s.get("nonResourceAttributes"));
        let text =
            |node: Option<Node<'_>>, key: &str| node.and_then(|n| n.str_at(&[key])).unwrap_or_default().to_owned();
        if resource.is_some() == path.is_some() {
            return Err(fault::bad_request(
                "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        }
        let attributes = resource.or(path);
        let part = |key: &str| text(attributes, key);
        let (verb, group, version) = (part("verb"), part("group"), part("version"));
        let (resource, subresource) = (part("resource"), part("subresource"));
        let (namespace, name, path) = (part("namespace"), part("name"), part("path"));
        let decision = self.api.plane.decide(
            user,
            Question {
                verb: &verb,
                group: &group,
                version: &version,
                resource: &resource,
                subresource: &subresource,
                namespace: &namespace,
                name: &name,
                path: &path,
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

    fn token_status(&self, spec: Option<Node<'_>>) -> Value {
        let token = spec.and_then(|s| s.str_at(&["token"])).unwrap_or_default();
        let mut status = Value::object();
        match self.api.authenticator.token(token, "token review") {
            Ok(user) => {
                status.set(&["authenticated"], true);
                status.set(&["user"], user_info(&user));
            }
            Err(why) => {
                status.set(&["authenticated"], false);
                status.set(&["error"], why);
            }
        }
        status
    }
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

fn user_info(user: &Identity) -> Value {
    let mut info = Value::object();
    info.set(&["username"], user.name.as_str());
    if !user.uid.is_empty() {
        info.set(&["uid"], user.uid.as_str());
    }
    info.set(&["groups"], user.groups.iter().collect::<Value>());
    info
}
