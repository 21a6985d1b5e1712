//! Request bodies: size, format, and the document in them.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ridgeway_cluster::{Reason, Status};
use ridgeway_doc::Doc;

use super::{MAX_BODY, protobuf};
use crate::fault;

/// Reads a body up to the limit.
pub(crate) async fn read(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Status::new(
            Reason::RequestEntityTooLarge,
            format!(
                "Request entity too large: limit is {MAX_BODY} bytes; split the manifest, or keep large data outside \
                 of the object"
            ),
        )),
        Err(error) => Err(fault::bad_request(format!(
            "the request body could not be read: {error}"
        ))),
    }
}

/// The content type without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let full = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    full.split(';').next().unwrap_or_default().trim()
}

/// The document of a body: JSON, YAML or Kubernetes' protobuf. `None` for an empty body.
pub(crate) fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Option<Doc>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let fail =
        |error: ridgeway_doc::ParseError| fault::bad_request(format!("the object provided is unrecognized: {error}"));
    match content_type(headers) {
        "application/vnd.kubernetes.protobuf" => protobuf::decode(bytes).map(Some),
        "application/yaml" | "application/apply-patch+yaml" | "text/yaml" => {
            let text = std::str::from_utf8(bytes)
                .map_err(|_| fault::bad_request("the object provided is unrecognized: the text is not UTF-8"))?;
            Ok(ridgeway_doc::parse_yaml(text).map_err(fail)?.into_iter().next())
        }
        "application/json"
        | "application/json-patch+json"
        | "application/merge-patch+json"
        | "application/strategic-merge-patch+json"
        | "" => Doc::parse_json(bytes).map(Some).map_err(fail),
        other => Err(Status::new(
            Reason::UnsupportedMediaType,
            format!(
                "the body of the request was in an unknown format ({other}) - accepted media types include: \
                 application/json, application/yaml, application/vnd.kubernetes.protobuf"
            ),
        )),
    }
}
