//! Volumes, claims, classes and quotas.

use jiff::Timestamp;
use ridgeway_doc::{Node, Value};

use super::{items, text};

pub(super) fn access_modes(object: Node<'_>, _: Timestamp) -> Value {
    let kept = match object.at(&["status", "accessModes"]) {
        Some(_) => &["status", "accessModes"],
        None if object.str_at(&["kind"]) == Some("PersistentVolumeClaim") => return "".into(),
        None => &["spec", "accessModes"],
    };
    let short = items(object, kept).filter_map(|mode| match mode.as_str()? {
        "ReadWriteOnce" => Some("RWO"),
        "ReadOnlyMany" => Some("ROX"),
        "ReadWriteMany" => Some("RWX"),
        "ReadWriteOncePod" => Some("RWOP"),
        _ => None,
    });
    short.collect::<Vec<_>>().join(",").into()
}

pub(super) fn volume_status(object: Node<'_>, _: Timestamp) -> Value {
    if object.at(&["metadata", "deletionTimestamp"]).is_some() {
        return "Terminating".into();
    }
    text(object, &["status", "phase"]).into()
}

pub(super) fn volume_claim(object: Node<'_>, _: Timestamp) -> Value {
    match object.at(&["spec", "claimRef"]) {
        Some(claim) => format!("{}/{}", text(claim, &["namespace"]), text(claim, &["name"])).into(),
        None => "".into(),
    }
}

pub(super) fn default_class(object: Node<'_>, _: Timestamp) -> Value {
    let name = text(object, &["metadata", "name"]);
    let annotation = "storageclass.kubernetes.io/is-default-class";
    if text(object, &["metadata", "annotations", annotation]) == "true" {
        return format!("{name} (default)").into();
    }
    name.into()
}

/// `pods: 1/10, requests.cpu: 0/2`: used of allowed; limits apart from the rest.
fn quota(object: Node<'_>, limits: bool) -> Value {
    let hard = object.at(&["spec", "hard"]).or_else(|| object.at(&["status", "hard"]));
    let mut lines: Vec<String> = hard
        .map(Node::members)
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, hard)| {
            let used = object
                .at(&["status", "used", name])
                .and_then(Node::as_str)
                .unwrap_or("0");
            format!(
                "{name}: {used}/{}",
                hard.as_str().map_or_else(|| hard.to_json(), Into::into)
            )
        })
        .collect();
    lines.sort();
    lines.join(", ").into()
}

pub(super) fn quota_requests(object: Node<'_>, _: Timestamp) -> Value {
    quota(object, false)
}

pub(super) fn quota_limits(object: Node<'_>, _: Timestamp) -> Value {
    quota(object, true)
}
