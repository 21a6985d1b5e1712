//! Reviews over HTTP: access reviews, and what a token stands for.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use ridgeway_cluster::{Reason, Status};
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Kind;

use super::{Call, Target, negotiate};
use crate::review;

impl Call {
    /// Answers a review.
    pub(super) async fn review(self, kind: &Arc<Kind>, target: &Target, body: Body) -> Result<Response, Status> {
        if self.method != Method::POST {
            return Err(Status::new(
                Reason::MethodNotAllowed,
                format!("{} can only be created", kind.gvk.kind),
            ));
        }
        self.may("create", kind, target).await?;
        let review = self.object_of(body).await?;
        let answer = match kind.gvk.kind.as_str() {
            "TokenReview" => review::answered(kind, review.root(), self.token_status(review.root().get("spec"))),
            _ => self.api.plane.review(&self.user, kind, review.root())?,
        };
        Ok(negotiate::object(StatusCode::CREATED, answer.node(), &[]))
    }

    fn token_status(&self, spec: Option<Node<'_>>) -> Value {
        let token = spec.and_then(|s| s.str_at(&["token"])).unwrap_or_default();
        let mut status = Value::object();
        match self.api.authenticator.token(token, "token review") {
            Ok(user) => {
                status.set(&["authenticated"], true);
                status.set(&["user"], review::user_info(&user));
            }
            Err(why) => {
                status.set(&["authenticated"], false);
                status.set(&["error"], why);
            }
        }
        status
    }
}
