//! Configuration and rights: config maps, secrets, roles, bindings, priorities.

use ridgeway_doc::{Node, Number};

use super::Report;
use crate::path::Path;
use crate::violation::{Fault, Violation};

/// The most that a config map or secret may hold.
const MOST_BYTES: usize = 1024 * 1024;

const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
                   'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn config_key(key: &str) -> Result<(), &'static str> {
    match key {
        "." => Err("must not be '.'"),
        ".." => Err("must not be '..'"),
        _ if key.starts_with("..") => Err("must not start with '..'"),
        _ if key.len() > 253 => Err("must be no more than 253 bytes"),
        "" => Err(KEY),
        _ if key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) =>
        {
            Ok(())
        }
        _ => Err(KEY),
    }
}

fn keys(report: &mut Report, path: &Path<'_>, map: Option<Node<'_>>) -> usize {
    let mut size = 0;
    for (key, value) in map.map(Node::members).into_iter().flatten() {
        if let Err(why) = config_key(key) {
            let path = path.key(key);
            report
                .found
                .push(Violation::of(&path, Fault::Invalid, Some(format!("{key:?}")), why));
        }
        size += value.as_str().map_or(0, str::len);
    }
    size
}

fn frozen(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>, fields: &[&str]) {
    let Some(old) = old.filter(|o| o.get("immutable").and_then(Node::as_bool) == Some(true)) else {
        return;
    };
    let root = Path::Root;
    if object.get("immutable").and_then(Node::as_bool) != Some(true) {
        report.forbidden(&root.field("immutable"), "field is immutable when `immutable` is set");
    }
    for field in fields {
        if object.get(field) != old.get(field) {
            report.forbidden(&root.field(field), "field is immutable when `immutable` is set");
        }
    }
}

/// A ConfigMap.
pub(super) fn config_map(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let (data, binary) = (object.get("data"), object.get("binaryData"));
    let size = keys(report, &root.field("data"), data) + keys(report, &root.field("binaryData"), binary);
    for (key, _) in binary.map(Node::members).into_iter().flatten() {
        if data.is_some_and(|d| d.get(key).is_some()) {
            let path = root.field("data");
            let detail = "duplicate of key present in binaryData";
            report.found.push(Violation::of(
                &path.key(key),
                Fault::Invalid,
                Some(format!("{key:?}")),
                detail,
            ));
        }
    }
    if size > MOST_BYTES {
        let detail = format!("may not be more than {MOST_BYTES} bytes");
        report.found.push(Violation::of(&root, Fault::TooLong, None, detail));
    }
    frozen(report, object, old, &["data", "binaryData"]);
}

/// A Secret.
pub(super) fn secret(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("data");
    let data = object.get("data");
    let size = keys(report, &path, data) / 4 * 3;
    if size > MOST_BYTES {
        let detail = format!("may not be more than {MOST_BYTES} bytes");
        report.found.push(Violation::of(&path, Fault::TooLong, None, detail));
    }
    let wanted: &[&str] = match object.str_at(&["type"]) {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        Some("kubernetes.io/dockerconfigjson") => &[".dockerconfigjson"],
        Some("kubernetes.io/dockercfg") => &[".dockercfg"],
        Some("kubernetes.io/ssh-auth") => &["ssh-privatekey"],
        _ => &[],
    };
    for key in wanted {
        let given = |map: &str| object.get(map).and_then(|m| m.get(key)).is_some();
        if !given("data") && !given("stringData") {
            report.required(&path.key(key), "");
        }
    }
    if let Some(old) = old
        && old.get("type") != object.get("type")
    {
        report.immutable(&root.field("type"), object.get("type"), old.get("type"));
    }
    frozen(report, object, old, &["data"]);
}

/// A Role or ClusterRole.
pub(super) fn role(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let cluster = object.str_at(&["kind"]) == Some("ClusterRole");
    let list = root.field("rules");
    for (i, rule) in object.get("rules").map(Node::items).into_iter().flatten().enumerate() {
        let path = list.index(i);
        let empty = |key: &str| rule.get(key).is_none_or(Node::is_empty);
        if rule.get("verbs").is_some_and(Node::is_empty) {
            report.required(&path.field("verbs"), "verbs must contain at least one value");
        }
        if let Some(urls) = rule.get("nonResourceURLs").filter(|u| !u.is_empty()) {
            let path = path.field("nonResourceURLs");
            if !cluster {
                report.invalid(&path, urls, "namespaced rules cannot apply to non-resource URLs");
            }
            if !empty("apiGroups") || !empty("resources") || !empty("resourceNames") {
                report.invalid(
                    &path,
                    urls,
                    "rules cannot apply to both regular resources and non-resource URLs",
                );
            }
            continue;
        }
        if empty("apiGroups") {
            report.required(
                &path.field("apiGroups"),
                "resource rules must supply at least one api group",
            );
        }
        if empty("resources") {
            report.required(
                &path.field("resources"),
                "resource rules must supply at least one resource",
            );
        }
    }
}

/// A RoleBinding or ClusterRoleBinding.
pub(super) fn binding(report: &mut Report, kind: &str, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("roleRef");
    let role = object.get("roleRef");
    let get = |key: &str| role.and_then(|r| r.get(key));
    if let Some(group) = get("apiGroup").filter(|g| g.as_str() != Some("rbac.authorization.k8s.io")) {
        report.found.push(Violation::not_supported(
            &path.field("apiGroup"),
            group,
            ["rbac.authorization.k8s.io"],
        ));
    }
    let kinds: &[&'static str] = if kind == "RoleBinding" {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    report.one_of(&path.field("kind"), get("kind"), kinds);
    report.not_empty(&path.field("name"), get("name"));
    let list = root.field("subjects");
    for (i, subject) in object
        .get("subjects")
        .map(Node::items)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let path = list.index(i);
        report.not_empty(&path.field("name"), subject.get("name"));
        let account = subject.str_at(&["kind"]) == Some("ServiceAccount");
        report.one_of(
            &path.field("kind"),
            subject.get("kind"),
            &["ServiceAccount", "User", "Group"],
        );
        // Within a namespace an account without one is of that namespace.
        if account && kind == "ClusterRoleBinding" {
            report.required_text(&path.field("namespace"), subject.get("namespace"));
        }
    }
    if let Some(old) = old
        && old.get("roleRef") != role
    {
        let value = role.map_or_else(|| "null".to_owned(), Node::to_json);
        report.found.push(Violation::of(
            &path,
            Fault::Invalid,
            Some(value),
            "cannot change roleRef",
        ));
    }
}

/// A PriorityClass: the highest numbers belong to the system.
pub(super) fn priority_class(report: &mut Report, object: Node<'_>, old: Option<Node<'_>>) {
    const HIGHEST: i64 = 1_000_000_000;
    let root = Path::Root;
    let value = object.get("value");
    let system = object
        .str_at(&["metadata", "name"])
        .is_some_and(|n| n.starts_with("system-"));
    if let Some(value) = value
        && !system
        && value.as_i64().is_some_and(|v| v > HIGHEST)
    {
        report.forbidden(
            &root.field("value"),
            &format!("maximum allowed value of a user defined priority is {HIGHEST}"),
        );
    }
    if let Some(old) = old {
        let number = |n: Option<Node<'_>>| n.and_then(Node::as_number).unwrap_or(Number::Int(0));
        if number(value) != number(old.get("value")) {
            report.forbidden(&root.field("value"), "may not be changed in an update.");
        }
    }
    report.one_of(
        &root.field("preemptionPolicy"),
        object.get("preemptionPolicy"),
        &["Never", "PreemptLowerPriority"],
    );
}
