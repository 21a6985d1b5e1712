//! Errors of the portal's API: one JSON shape, a code for machines, a sentence for people, the request's id.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ridgeway_cluster::{Reason, Status};
use serde::Serialize;
use serde_json::{Value, json};

/// What was refused, by which rule, where, and what would make it pass (`Refusal` of the contract).
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refusal {
    pub(crate) policy: String,
    pub(crate) policy_id: Option<String>,
    pub(crate) rule: String,
    pub(crate) message: String,
    pub(crate) path: String,
    pub(crate) value: Value,
    pub(crate) remedy: String,
    pub(crate) patch: Option<Value>,
    pub(crate) object: Option<Value>,
    pub(crate) ask: Option<String>,
}

/// A failed request.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: StatusCode,
    name: &'static str,
    message: String,
    refusals: Vec<Refusal>,
    problems: Vec<Value>,
}

impl ApiError {
    fn new(code: StatusCode, name: &'static str, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            name,
            message: message.into(),
            refusals: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// 401: nobody is signed in.
    pub(crate) fn unauthenticated(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// 403: the request does not prove that it comes from the portal's own page.
    pub(crate) fn csrf() -> ApiError {
        let message = "the X-CSRF-Token header is missing or not this session's; send the csrfToken of GET /session";
        ApiError::new(StatusCode::FORBIDDEN, "csrf", message)
    }

    /// 403.
    pub(crate) fn forbidden(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what}"))
    }

    /// 409.
    pub(crate) fn conflict(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 400 or 422: the input cannot be used as it is.
    pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// 413 or 415: the body is none that is taken.
    pub(crate) fn unusable_body(code: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError::new(code, "invalid", message)
    }

    /// What was refused before a handler saw it, such as a method that a path does not have.
    pub(crate) fn early(code: StatusCode, message: impl Into<String>) -> ApiError {
        let name = match code {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            code if code.is_server_error() => "internal",
            _ => "invalid",
        };
        ApiError::new(code, name, message)
    }

    /// 429.
    pub(crate) fn too_many_requests(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
    }

    /// 500.
    pub(crate) fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The status that is answered.
    pub(crate) fn status(&self) -> StatusCode {
        self.code
    }

    /// The error as a line of text, for clients such as Git that show what they get.
    pub(crate) fn into_text(self) -> Response {
        (self.code, format!("{}\n", self.message)).into_response()
    }

    /// Adds input problems: JSON pointer and sentence.
    pub(crate) fn with_problems(mut self, problems: Vec<(String, String)>) -> ApiError {
        self.problems = problems
            .into_iter()
            .map(|(field, message)| json!({"field": field, "message": message}))
            .collect();
        self
    }
}

/// A `Status` of the object API as an error of this one. Policy refusals keep their rules as causes.
impl From<Status> for ApiError {
    fn from(status: Status) -> ApiError {
        let refusals: Vec<_> = refusals_of(&status);
        let (code, name) = match status.reason {
            Reason::Forbidden if !status.causes.is_empty() => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
            Reason::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Reason::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Reason::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Reason::Conflict | Reason::AlreadyExists => (StatusCode::CONFLICT, "conflict"),
            Reason::ServiceUnavailable | Reason::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Reason::InternalError | Reason::NotImplemented => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        };
        ApiError {
            code,
            name,
            message: status.message,
            refusals,
            problems: Vec::new(),
        }
    }
}

/// The single refusals within a refused change's `Status`.
pub(crate) fn refusals_of(status: &Status) -> Vec<Refusal> {
    if status.reason != Reason::Forbidden {
        return Vec::new();
    }
    if status.causes.is_empty() {
        return vec![Refusal {
            policy: "access".into(),
            message: status.message.clone(),
            ..Refusal::default()
        }];
    }
    status
        .causes
        .iter()
        .map(|cause| {
            let (policy, rule) = cause.reason.split_once('/').unwrap_or((&cause.reason, ""));
            Refusal {
                policy: policy.into(),
                rule: rule.into(),
                message: cause.message.clone(),
                path: cause.field.clone(),
                ..Refusal::default()
            }
        })
        .collect()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.name, "message": self.message, "requestId": ""});
        if !self.refusals.is_empty() {
            error["refusals"] = json!(self.refusals);
        }
        if !self.problems.is_empty() {
            error["problems"] = json!(self.problems);
        }
        let mut response = (self.code, axum::Json(json!({"error": error}))).into_response();
        // The middleware that knows the request's id puts it into the body; it finds the error here.
        response.extensions_mut().insert(ErrorBody(json!({"error": error})));
        response
    }
}

/// The error's body on its way to the middleware that adds the request id.
#[derive(Clone, Debug)]
pub(crate) struct ErrorBody(pub(crate) Value);
