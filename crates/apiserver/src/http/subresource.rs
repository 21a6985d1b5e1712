//! Subresources: status, scale, finalize, eviction, binding, tokens, logs. What is missing answers 501.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use jiff::Timestamp;
use ridgeway_cluster::{Body as Change, Cause, DeleteOptions, Reason, Status};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind, LabelSelector};
use ridgeway_ledger::Verdict;

use super::{Call, Target, negotiate};
use crate::access::Question;
use crate::authn::Bound;
use crate::logs::LogQuery;
use crate::write::Asked;
use crate::{codec, fault};

impl Call {
    /// A request for a subresource of one object.
    pub(super) async fn subresource(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        if !kind.subresources.iter().any(|sub| sub.name == target.subresource) {
            return Err(super::not_found());
        }
        match target.subresource.as_str() {
            "status" => self.status(kind, target, body).await,
            "scale" => self.scale(kind, target, body).await,
            "finalize" if self.method == Method::PUT => {
                let object = self.document_of(body).await?;
                let written = self
                    .run(kind, target, "finalize", Change::Update(object.root().to_value()))
                    .await?;
                self.answer(kind, &written)
            }
            "eviction" if self.method == Method::POST => self.evict(kind, target, body).await,
            "binding" if self.method == Method::POST => self.bind(kind, target, body).await,
            "token" if self.method == Method::POST => self.token(kind, target, body).await,
            "log" if self.method == Method::GET => self.log(kind, target).await,
            other => Err(fault::not_implemented(&format!(
                "{} {}/{other}",
                self.method, kind.plural
            ))),
        }
    }

    async fn status(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        let change = match self.method {
            Method::GET => {
                self.may("get", kind, target).await?;
                return self.read_one(kind, target);
            }
            Method::PUT => Change::Update(self.object_of(body).await?.root().to_value()),
            Method::PATCH => {
                let (kind, patch) = self.patch_of(body).await?;
                Change::Patch(kind, patch)
            }
            _ => return Err(Status::new(Reason::MethodNotAllowed, "status takes GET, PUT and PATCH")),
        };
        let written = self.run(kind, target, "status", change).await?;
        self.answer(kind, &written)
    }

    /// An eviction is a deletion that disruption budgets may refuse.
    async fn evict(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        let eviction = self.document_of(body).await?;
        let grace = eviction
            .root()
            .at(&["deleteOptions", "gracePeriodSeconds"])
            .and_then(Node::as_i64);
        self.may("create", kind, target).await?;
        if let Some(budget) = self.exhausted_budget(kind, target)? {
            let mut status = Status::new(
                Reason::TooManyRequests,
                format!(
                    "Cannot evict pod as it would violate the pod's disruption budget: {budget} allows no disruption now"
                ),
            );
            status.causes.push(Cause {
                reason: "DisruptionBudget".into(),
                message: format!("The disruption budget {budget} needs more healthy pods before one may go"),
                field: String::new(),
            });
            status.retry_after = Some(10);
            return Err(status);
        }
        let options = DeleteOptions {
            grace_period_seconds: grace,
            ..DeleteOptions::default()
        };
        let asked = Asked {
            verb: "create",
            subresource: "eviction",
        };
        self.run_as(kind, target, "", Change::Delete(options), Some(asked))
            .await?;
        Ok(success())
    }

    /// The disruption budget that covers a Pod and allows no disruption, if there is one.
    fn exhausted_budget(&self, pods: &Kind, target: &Target) -> Result<Option<String>, Status> {
        let plane = &self.api.plane;
        let pod = codec::decode(&*plane.must_entry(pods, &target.namespace, &target.name)?)?;
        let budgets = plane.kind(&Gvk::new("policy", "v1", "PodDisruptionBudget"))?;
        let prefix = crate::keys::prefix(&budgets, Some(&target.namespace));
        let page = plane.inner.store.range_latest(&prefix, 0).map_err(fault::store)?;
        for entry in &page.entries {
            let budget = codec::decode(entry)?;
            let selector = LabelSelector::from_node(budget.root().at(&["spec", "selector"]));
            let covers = selector.is_ok_and(|s| s.matches(pod.root().at(&["metadata", "labels"])));
            let allowed = budget
                .root()
                .at(&["status", "disruptionsAllowed"])
                .and_then(Node::as_i64);
            if covers && allowed == Some(0) {
                return Ok(budget.root().str_at(&["metadata", "name"]).map(str::to_owned));
            }
        }
        Ok(None)
    }

    async fn bind(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        let binding = self.document_of(body).await?;
        let node = binding.root().str_at(&["target", "name"]).unwrap_or_default();
        if node.is_empty() {
            return Err(fault::bad_request("a binding needs `target.name`, the node"));
        }
        let mut patch = Value::object();
        patch.set(&["spec", "nodeName"], node);
        let change = Change::Patch(ridgeway_cluster::PatchKind::Merge, patch.into_doc());
        let asked = Asked {
            verb: "create",
            subresource: "binding",
        };
        self.run_as(kind, target, "binding", change, Some(asked)).await?;
        Ok(success())
    }

    /// `TokenRequest`: a signed token for a service account.
    async fn token(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        self.may("create", kind, target).await?;
        let request = self.document_of(body).await?;
        let spec = |path: &[&str]| request.root().get("spec").and_then(|spec| spec.at(path));
        let account = codec::decode(&*self.api.plane.must_entry(kind, &target.namespace, &target.name)?)?;
        let bound =
            |object: &Doc, name: &str| Bound::new(name, object.root().str_at(&["metadata", "uid"]).unwrap_or_default());
        let pod = match spec(&["boundObjectRef"]).filter(|reference| !reference.is_empty()) {
            None => None,
            Some(reference) if reference.str_at(&["kind"]) == Some("Pod") => {
                let pods = self.api.plane.kind(&Gvk::new("", "v1", "Pod"))?;
                let name = reference.str_at(&["name"]).unwrap_or_default();
                let pod = codec::decode(&*self.api.plane.must_entry(&pods, &target.namespace, name)?)?;
                Some(bound(&pod, name))
            }
            Some(_) => return Err(fault::not_implemented("a token bound to anything but a Pod")),
        };
        let seconds = spec(&["expirationSeconds"]).and_then(Node::as_i64).unwrap_or(3600);
        if seconds < 600 {
            return Err(fault::bad_request(
                "spec.expirationSeconds: may not specify a duration less than 10 minutes",
            ));
        }
        let seconds = seconds.min(24 * 3600);
        let audiences: Vec<String> = spec(&["audiences"])
            .map(Node::items)
            .into_iter()
            .flatten()
            .filter_map(Node::as_str)
            .map(Into::into)
            .collect();
        let account = bound(&account, &target.name);
        let now = self.api.plane.now();
        let issued = self
            .api
            .authenticator
            .issue_for(&target.namespace, account, pod, &audiences, now, seconds)
            .map_err(fault::internal)?;
        self.tell_of_token(kind, target, &audiences, issued.expires).await;
        let mut answer = request.root().to_value();
        answer.set(&["kind"], "TokenRequest");
        answer.set(&["apiVersion"], "authentication.k8s.io/v1");
        answer.set(&["metadata", "name"], target.name.as_str());
        answer.set(&["metadata", "namespace"], target.namespace.as_str());
        answer.set(&["spec", "expirationSeconds"], seconds);
        answer.set(&["status", "token"], issued.token);
        answer.set(
            &["status", "expirationTimestamp"],
            ridgeway_cluster::rfc3339(issued.expires),
        );
        Ok(negotiate::object(StatusCode::CREATED, answer.node(), &[]))
    }

    /// Who was given a token for which account, until when: never the token.
    async fn tell_of_token(&self, kind: &Kind, target: &Target, audiences: &[String], expires: Timestamp) {
        let question = Question::about("create", kind, "token", &target.namespace, &target.name);
        let issued = Verdict {
            allowed: true,
            ..Verdict::default()
        };
        let mut detail = BTreeMap::from([("expires".to_owned(), ridgeway_cluster::rfc3339(expires))]);
        if !audiences.is_empty() {
            detail.insert("audiences".into(), audiences.join(", "));
        }
        let plane = &self.api.plane;
        plane
            .tell(&self.user, &self.causality, question, 201, issued, detail)
            .await;
    }

    async fn log(self, kind: &Arc<Kind>, target: &Target) -> Result<Response, Status> {
        self.may("get", kind, target).await?;
        let entry = self.api.plane.must_entry(kind, &target.namespace, &target.name)?;
        let container = self.log_container(&codec::decode(&entry)?, &target.name)?;
        let source = self
            .api
            .plane
            .logs()
            .get()
            .ok_or_else(|| fault::not_implemented("reading logs (no node runs here)"))?;
        let mut lines = source.logs(&LogQuery {
            namespace: target.namespace.clone(),
            pod: target.name.clone(),
            container,
            follow: self.query.flag("follow"),
            previous: self.query.flag("previous"),
            tail: self.query.number("tailLines").map(|n| n as usize),
            timestamps: self.query.flag("timestamps"),
        })?;
        let stream = futures_util::stream::poll_fn(move |context| {
            lines
                .poll_recv(context)
                .map(|line| line.map(|l| Ok::<_, std::convert::Infallible>(Bytes::from(l))))
        });
        Ok(negotiate::text(StatusCode::OK, Body::from_stream(stream)))
    }

    /// The container asked for, or the only one.
    fn log_container(&self, pod: &Doc, name: &str) -> Result<String, Status> {
        let names: Vec<&str> = ["containers", "initContainers"]
            .iter()
            .filter_map(|key| pod.root().at(&["spec", key]))
            .flat_map(Node::items)
            .filter_map(|c| c.str_at(&["name"]))
            .collect();
        match (self.query.get("container"), names.as_slice()) {
            ("", [only]) => Ok((*only).to_owned()),
            ("", all) => Err(fault::bad_request(format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                all.join(" ")
            ))),
            (wanted, all) if all.contains(&wanted) => Ok(wanted.to_owned()),
            (wanted, _) => Err(fault::bad_request(format!(
                "container {wanted} is not valid for pod {name}"
            ))),
        }
    }
}

/// A `Status` that says yes.
fn success() -> Response {
    let mut status = Value::object();
    status.set(&["kind"], "Status");
    status.set(&["apiVersion"], "v1");
    status.set(&["metadata"], Value::object());
    status.set(&["status"], "Success");
    status.set(&["code"], 201i64);
    negotiate::object(StatusCode::CREATED, status.node(), &[])
}
