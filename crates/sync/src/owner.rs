//! Who set a field: managed fields read backwards.

use ridgeway_doc::{Doc, Node};

use crate::text;

/// The manager, other than `but`, that set the field at a path last. `path` are keys and indexes into `live`.
pub(crate) fn owner(live: Node<'_>, path: &[String], but: Option<&str>) -> Option<String> {
    let entries = live.at(&["metadata", "managedFields"])?;
    entries
        .items()
        .filter(|entry| but.is_none_or(|but| text(*entry, &["manager"]) != but))
        .filter(|entry| entry.get("fieldsV1").is_some_and(|set| covers(set, live, path)))
        .max_by_key(|entry| text(*entry, &["time"]).to_owned())
        .map(|entry| text(entry, &["manager"]).to_owned())
}

/// Takes what a set of managers owns out of consideration: whether one of them owns the field.
pub(crate) fn owned_by(live: Node<'_>, path: &[String], managers: &[String]) -> bool {
    let entries = live
        .at(&["metadata", "managedFields"])
        .map(Node::items)
        .into_iter()
        .flatten();
    entries
        .filter(|entry| managers.iter().any(|m| m == text(*entry, &["manager"])))
        .any(|entry| entry.get("fieldsV1").is_some_and(|set| covers(set, live, path)))
}

/// Whether a `fieldsV1` set holds a path, or a leaf above it.
fn covers(set: Node<'_>, at: Node<'_>, path: &[String]) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return true;
    };
    // A leaf owns all below.
    if set.is_empty() {
        return true;
    }
    if at.is_array() {
        let item = step.parse::<usize>().ok().and_then(|index| at.item(index));
        let Some(item) = item else { return false };
        return set
            .members()
            .any(|(key, below)| key_matches(key, item) && covers(below, item, rest));
    }
    match (set.get(&format!("f:{step}")), at.get(step)) {
        (Some(below), Some(next)) => covers(below, next, rest),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// Whether `k:{…}` or `v:…` names a list item.
fn key_matches(key: &str, item: Node<'_>) -> bool {
    let (keys, text) = match key.split_once(':') {
        Some(("k", text)) => (true, text),
        Some(("v", text)) => (false, text),
        _ => return false,
    };
    let Ok(wanted) = Doc::parse_json(text.as_bytes()) else {
        return false;
    };
    let wanted = wanted.root();
    if keys {
        wanted
            .members()
            .all(|(name, value)| item.get(name).is_some_and(|have| have == value))
    } else {
        wanted == item
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn the_last_one_is_named() {
        let live = &parse_yaml(
            "metadata:\n  managedFields:\n  - {manager: argocd-controller, time: '2026-01-01T00:00:00Z', fieldsV1: {'f:spec': {'f:replicas': {}}}}\n  \
             - {manager: kubectl-edit, time: '2026-01-02T00:00:00Z', fieldsV1: {'f:spec': {'f:replicas': {}, 'f:containers': {'k:{\"name\":\"app\"}': {'f:image': {}}}}}}\n\
             spec: {replicas: 7, containers: [{name: side}, {name: app, image: x}]}",
        )
        .unwrap()[0];
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let of = |text: &str| owner(live.root(), &path(text), Some("argocd-controller"));
        assert_eq!(of("spec.replicas").as_deref(), Some("kubectl-edit"));
        assert_eq!(of("spec.containers.1.image").as_deref(), Some("kubectl-edit"));
        assert_eq!(of("spec.containers.0.image"), None);
        assert!(owned_by(
            live.root(),
            &path("spec.replicas"),
            &["argocd-controller".into()]
        ));
    }
}
