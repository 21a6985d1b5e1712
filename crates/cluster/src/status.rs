//! Kubernetes' `Status`: the one error of the object API.

use std::fmt;

use ridgeway_doc::{Map, Node, Value};

/// `StatusReason` with its HTTP code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 406
    NotAcceptable,
    /// 409, the name is taken
    AlreadyExists,
    /// 409, the object changed meanwhile
    Conflict,
    /// 410, the resource version is too old
    Expired,
    /// 413
    RequestEntityTooLarge,
    /// 415
    UnsupportedMediaType,
    /// 422
    Invalid,
    /// 429
    TooManyRequests,
    /// 500
    InternalError,
    /// 501
    NotImplemented,
    /// 503
    ServiceUnavailable,
    /// 504
    Timeout,
}

impl Reason {
    /// The reason's name and HTTP code.
    pub fn parts(self) -> (&'static str, u16) {
        match self {
            Reason::BadRequest => ("BadRequest", 400),
            Reason::Unauthorized => ("Unauthorized", 401),
            Reason::Forbidden => ("Forbidden", 403),
            Reason::NotFound => ("NotFound", 404),
            Reason::MethodNotAllowed => ("MethodNotAllowed", 405),
            Reason::NotAcceptable => ("NotAcceptable", 406),
            Reason::AlreadyExists => ("AlreadyExists", 409),
            Reason::Conflict => ("Conflict", 409),
            Reason::Expired => ("Expired", 410),
            Reason::RequestEntityTooLarge => ("RequestEntityTooLarge", 413),
            Reason::UnsupportedMediaType => ("UnsupportedMediaType", 415),
            Reason::Invalid => ("Invalid", 422),
            Reason::TooManyRequests => ("TooManyRequests", 429),
            Reason::InternalError => ("InternalError", 500),
            Reason::NotImplemented => ("NotImplemented", 501),
            Reason::ServiceUnavailable => ("ServiceUnavailable", 503),
            Reason::Timeout => ("Timeout", 504),
        }
    }
}

/// One cause in a status' details.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable reason, such as `FieldValueRequired` or a policy's name.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// The field, as a dotted path.
    pub field: String,
}

/// A failed request, as Kubernetes answers it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Status {
    /// Why.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
    /// Group of the resource concerned.
    pub group: Box<str>,
    /// Resource (or kind) concerned.
    pub kind: Box<str>,
    /// Name concerned.
    pub name: String,
    /// The single faults.
    pub causes: Vec<Cause>,
    /// When to try again, in seconds.
    pub retry_after: Option<u32>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Status {
    /// A status of a reason with its sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Status {
        Status {
            reason,
            message: message.into(),
            group: Box::default(),
            kind: Box::default(),
            name: String::new(),
            causes: Vec::new(),
            retry_after: None,
        }
    }

    /// Names the object concerned.
    pub fn about(mut self, group: &str, kind: &str, name: &str) -> Status {
        self.group = group.into();
        self.kind = kind.into();
        self.name = name.into();
        self
    }

    /// Adds causes.
    pub fn with_causes(mut self, causes: Vec<Cause>) -> Status {
        self.causes = causes;
        self
    }

    fn qualified(group: &str, resource: &str) -> String {
        if group.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}.{group}")
        }
    }

    /// `deployments.apps "x" not found`
    pub fn not_found(group: &str, resource: &str, name: &str) -> Status {
        let message = format!("{} {name:?} not found", Self::qualified(group, resource));
        Status::new(Reason::NotFound, message).about(group, resource, name)
    }

    /// `deployments.apps "x" already exists`
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Status {
        let message = format!("{} {name:?} already exists", Self::qualified(group, resource));
        Status::new(Reason::AlreadyExists, message).about(group, resource, name)
    }

    /// `Operation cannot be fulfilled on deployments.apps "x": why`
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Status {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            Self::qualified(group, resource)
        );
        Status::new(Reason::Conflict, message).about(group, resource, name)
    }

    /// `deployments.apps "x" is forbidden: why`
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Status {
        let qualified = Self::qualified(group, resource);
        let message = if name.is_empty() {
            format!("{qualified} is forbidden: {why}")
        } else {
            format!("{qualified} {name:?} is forbidden: {why}")
        };
        Status::new(Reason::Forbidden, message).about(group, resource, name)
    }

    /// `Deployment.apps "x" is invalid: [causes]`, as upstream joins them.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Status {
        let text: Vec<String> = causes
            .iter()
            .map(|c| {
                if c.field.is_empty() {
                    c.message.clone()
                } else {
                    format!("{}: {}", c.field, c.message)
                }
            })
            .collect();
        let text = match text.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {text}", Self::qualified(group, kind));
        Status::new(Reason::Invalid, message)
            .about(group, kind, name)
            .with_causes(causes)
    }

    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        self.reason.parts().1
    }

    /// The `Status` object (`v1`).
    pub fn to_value(&self) -> Value {
        let (reason, code) = self.reason.parts();
        let mut status = Value::object();
        status.set(&["kind"], "Status");
        status.set(&["apiVersion"], "v1");
        status.set(&["metadata"], Value::object());
        status.set(&["status"], "Failure");
        status.set(&["message"], self.message.as_str());
        status.set(&["reason"], reason);
        let mut details = Map::new();
        for (key, text) in [("name", &*self.name), ("group", &*self.group), ("kind", &*self.kind)] {
            if !text.is_empty() {
                details.insert(key, text);
            }
        }
        if !self.causes.is_empty() {
            let causes: Value = self
                .causes
                .iter()
                .map(|cause| {
                    let mut value = Value::object();
                    value.set(&["reason"], cause.reason.as_str());
                    value.set(&["message"], cause.message.as_str());
                    if !cause.field.is_empty() {
                        value.set(&["field"], cause.field.as_str());
                    }
                    value
                })
                .collect();
            details.insert("causes", causes);
        }
        if let Some(seconds) = self.retry_after {
            details.insert("retryAfterSeconds", seconds);
        }
        if !details.is_empty() {
            status.set(&["details"], details);
        }
        status.set(&["code"], i64::from(code));
        status
    }

    /// Reads a `Status` object back; unknown reasons become [`Reason::InternalError`].
    pub fn from_node(node: Node<'_>) -> Status {
        const ALL: [Reason; 17] = [
            Reason::BadRequest,
            Reason::Unauthorized,
            Reason::Forbidden,
            Reason::NotFound,
            Reason::MethodNotAllowed,
            Reason::NotAcceptable,
            Reason::AlreadyExists,
            Reason::Conflict,
            Reason::Expired,
            Reason::RequestEntityTooLarge,
            Reason::UnsupportedMediaType,
            Reason::Invalid,
            Reason::TooManyRequests,
            Reason::InternalError,
            Reason::NotImplemented,
            Reason::ServiceUnavailable,
            Reason::Timeout,
        ];
        let name = node.str_at(&["reason"]).unwrap_or_default();
        let reason = ALL
            .into_iter()
            .find(|r| r.parts().0 == name)
            .unwrap_or(Reason::InternalError);
        let text = |path: &[&str]| node.str_at(path).unwrap_or_default().to_owned();
        let mut status = Status::new(reason, text(&["message"])).about(
            &text(&["details", "group"]),
            &text(&["details", "kind"]),
            &text(&["details", "name"]),
        );
        if let Some(causes) = node.at(&["details", "causes"]) {
            let part = |cause: Node<'_>, key: &str| cause.str_at(&[key]).unwrap_or_default().to_owned();
            status.causes = causes
                .items()
                .map(|c| Cause {
                    reason: part(c, "reason"),
                    message: part(c, "message"),
                    field: part(c, "field"),
                })
                .collect();
        }
        status
    }
}
