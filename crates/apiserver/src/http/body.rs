//! Request bodies: size, format, and the document in them.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ridgeway_cluster::{Reason, Status};
use ridgeway_doc::Doc;

use super::{MAX_BODY, protobuf};
use crate::fault;

/// How much of a body that is too large is read and thrown away: clients that send all before they listen would otherwise
/// see a broken connection instead of the answer.
const DISCARDED: usize = 128 << 20;
/// How long that may take.
const DISCARDING: Duration = Duration::from_secs(10);

/// Reads a body up to the limit.
pub(crate) async fn read(mut body: Body) -> Result<Bytes, Status> {
    match Limited::new(&mut body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let _ = tokio::time::timeout(DISCARDING, discard(body)).await;
            Err(Status::new(
                Reason::RequestEntityTooLarge,
                format!(
                    "Request entity too large: limit is {MAX_BODY} bytes; split the manifest, or keep large data \
                     outside of the object"
                ),
            ))
        }
        Err(error) => Err(fault::bad_request(format!(
            "the request body could not be read: {error}"
        ))),
    }
}

async fn discard(mut body: Body) {
    let mut left = DISCARDED;
    while let Some(Ok(frame)) = body.frame().await {
        let taken = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(taken) {
            Some(rest) => left = rest,
            None => return,
        }
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
