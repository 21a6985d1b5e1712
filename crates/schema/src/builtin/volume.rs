//! Persistent volumes and claims to them.

use ridgeway_doc::{Node, Value};

use super::{QUANTITY, Report, quantity};
use crate::path::Path;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn access_modes(report: &mut Report, path: &Path<'_>, spec: Node<'_>) {
    let list = path.field("accessModes");
    let modes = spec.get("accessModes");
    if modes.is_none_or(Node::is_empty) {
        report.required(&list, "at least 1 access mode is required");
    }
    for (i, mode) in modes.map(Node::items).into_iter().flatten().enumerate() {
        report.one_of(&list.index(i), Some(mode), &MODES);
    }
    report.one_of(
        &path.field("volumeMode"),
        spec.get("volumeMode"),
        &["Block", "Filesystem"],
    );
}

fn size(report: &mut Report, path: &Path<'_>, value: Option<Node<'_>>) {
    match value.map(|v| (v, quantity(v))) {
        None => report.required(path, ""),
        Some((value, None)) => report.invalid(path, value, QUANTITY),
        Some((value, Some(q))) if !q.sign().is_gt() => report.invalid(path, value, "must be greater than zero"),
        Some(_) => {}
    }
}

/// A PersistentVolumeClaim.
pub(super) fn claim(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("spec");
    let Some(spec) = object.get("spec") else {
        report.required(&path.field("accessModes"), "at least 1 access mode is required");
        return;
    };
    access_modes(report, &path, spec);
    let resources = path.field("resources");
    size(
        report,
        &resources.key("storage"),
        spec.at(&["resources", "requests", "storage"]),
    );
    let Some(before) = old.and_then(|o| o.get("spec")) else {
        return;
    };
    // A bound claim may grow; everything else of it stands.
    let rest = |spec: Node<'_>| {
        let mut rest: Value = spec.to_value();
        for free in ["resources", "volumeName", "volumeAttributesClassName"] {
            rest.remove(&[free]);
        }
        rest
    };
    if rest(spec) != rest(before) {
        report.forbidden(
            &path,
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
    let amount = |spec: Node<'_>| spec.at(&["resources", "requests", "storage"]).and_then(quantity);
    if let (Some(now), Some(was)) = (amount(spec), amount(before))
        && now < was
    {
        let requests = resources.field("requests");
        report.forbidden(&requests.field("storage"), "field can not be less than status.capacity");
    }
}

/// A PersistentVolume.
pub(super) fn persistent_volume(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let Some(spec) = object.get("spec") else {
        report.required(&path.field("accessModes"), "at least 1 access mode is required");
        return;
    };
    access_modes(report, &path, spec);
    let capacity = path.field("capacity");
    size(report, &capacity.key("storage"), spec.at(&["capacity", "storage"]));
    report.one_of(
        &path.field("persistentVolumeReclaimPolicy"),
        spec.get("persistentVolumeReclaimPolicy"),
        &["Delete", "Recycle", "Retain"],
    );
}
