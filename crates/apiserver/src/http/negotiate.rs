//! Answers: JSON objects, tables, partial metadata, statuses, text.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use ridgeway_cluster::Status;
use ridgeway_doc::Node;

/// How a client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The objects themselves.
    Object,
    /// `meta.k8s.io/v1 Table`, as kubectl prints.
    Table,
    /// `meta.k8s.io/v1 PartialObjectMetadata(List)`.
    Metadata,
}

/// The first acceptable form of the `Accept` header that this server speaks.
pub(crate) fn form(headers: &HeaderMap) -> Form {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    for choice in accept.split(',') {
        if choice.contains("protobuf") {
            continue;
        }
        if choice.contains("as=Table") {
            return Form::Table;
        }
        if choice.contains("as=PartialObjectMetadata") {
            return Form::Metadata;
        }
        if choice.contains("json") || choice.contains("*/*") {
            return Form::Object;
        }
    }
    Form::Object
}

fn build(code: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Plain text.
pub(crate) fn text(code: StatusCode, body: impl Into<Body>) -> Response {
    build(code, "text/plain; charset=utf-8", body)
}

/// JSON bytes as they are.
pub(crate) fn json_bytes(code: StatusCode, json: impl Into<Body>) -> Response {
    build(code, "application/json", json)
}

/// JSON of another media type, such as aggregated discovery.
pub(crate) fn typed_json(content_type: &'static str, json: impl Into<Body>) -> Response {
    build(StatusCode::OK, content_type, json)
}

/// A document as JSON, with warnings in `Warning` headers as kubectl shows them.
pub(crate) fn object(code: StatusCode, node: Node<'_>, warnings: &[String]) -> Response {
    let mut json = Vec::with_capacity(1024);
    node.write_json(&mut json);
    json.push(b'\n');
    let mut response = json_bytes(code, json);
    warn(&mut response, warnings);
    response
}

/// Adds `Warning: 299 - "…"` headers.
pub(crate) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let clean: String = warning
            .chars()
            .map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { ' ' })
            .flat_map(|c| {
                if matches!(c, '"' | '\\') {
                    vec!['\\', c]
                } else {
                    vec![c]
                }
            })
            .collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{clean}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// A failed request.
pub(crate) fn status(status: &Status) -> Response {
    let code = StatusCode::from_u16(status.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = object(code, status.to_value().node(), &[]);
    if let Some(seconds) = status.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
