//! An Application's status: building it, and writing only what changed of it.

use jiff::Timestamp;
use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Map, Node, Value};
use ridgeway_sync::{Health, HealthStatus};

use crate::compare::{Comparison, Resource};
use crate::spec::Application;

/// How many corrections of drift are remembered.
const MAX_CORRECTIONS: usize = 10;

/// What is wrong, or worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

pub(crate) const INVALID_SPEC: &str = "InvalidSpecError";
pub(crate) const COMPARISON_ERROR: &str = "ComparisonError";
pub(crate) const SYNC_ERROR: &str = "SyncError";
pub(crate) const DELETION_ERROR: &str = "DeletionError";
pub(crate) const REPEATED: &str = "RepeatedResourceWarning";
pub(crate) const SHARED: &str = "SharedResourceWarning";
pub(crate) const QUARANTINED: &str = "RevisionQuarantined";
pub(crate) const WAITING: &str = "WaitingForPromotion";

/// The conditions as a status holds them; one that stays keeps its time.
pub(crate) fn conditions(new: &[Condition], old: Option<Node<'_>>, now: Timestamp) -> Option<Value> {
    let since = |condition: &Condition| -> String {
        let same = |node: &Node<'_>| {
            node.str_at(&["type"]) == Some(condition.kind) && node.str_at(&["message"]) == Some(&condition.message)
        };
        let known = old.and_then(|list| {
            list.items()
                .find(same)?
                .str_at(&["lastTransitionTime"])
                .map(str::to_owned)
        });
        known.unwrap_or_else(|| rfc3339(now))
    };
    let write = |condition: &Condition| {
        let mut value = Value::object();
        value.set(&["type"], condition.kind);
        value.set(&["message"], &condition.message);
        value.set(&["lastTransitionTime"], since(condition));
        value
    };
    (!new.is_empty()).then(|| new.iter().map(write).collect())
}

pub(crate) fn health_value(health: &Health) -> Value {
    let mut value = Value::object();
    value.set(&["status"], health.status.to_string());
    if !health.message.is_empty() {
        value.set(&["message"], &health.message);
    }
    value
}

/// `status.resources`
pub(crate) fn resources(comparison: &Comparison) -> Value {
    let shown = comparison
        .resources
        .iter()
        .filter(|resource| !resource.place.name.is_empty());
    let shown = shown.filter(|resource| !resource.hook || resource.live.is_some());
    shown.map(resource).collect()
}

fn resource(resource: &Resource) -> Value {
    let mut value = Value::object();
    let place = &resource.place;
    for (key, text) in [
        ("group", place.gvk.group.as_str()),
        ("version", place.gvk.version.as_str()),
        ("kind", place.gvk.kind.as_str()),
        ("namespace", place.namespace.as_str()),
        ("name", place.name.as_str()),
    ] {
        if !text.is_empty() {
            value.set(&[key], text);
        }
    }
    if resource.hook {
        value.set(&["hook"], true);
    } else {
        value.set(&["status"], if resource.is_synced() { "Synced" } else { "OutOfSync" });
    }
    if let Some(health) = &resource.health {
        value.set(&["health"], health_value(health));
    }
    if resource.is_extraneous() {
        value.set(&["requiresPruning"], true);
    }
    let object = resource.desired.as_ref().map(|object| object.doc.root());
    let wave = object.and_then(|object| object.str_at(&["metadata", "annotations", "argocd.argoproj.io/sync-wave"]));
    if let Some(wave) = wave
        .and_then(|wave| wave.trim().parse::<i64>().ok())
        .filter(|wave| *wave != 0)
    {
        value.set(&["syncWave"], wave);
    }
    value
}

/// `status.summary`: the images that run.
pub(crate) fn summary(comparison: &Comparison) -> Value {
    let mut images = Vec::new();
    for resource in &comparison.resources {
        let Some(live) = &resource.live else { continue };
        for template in [
            &["spec", "template", "spec"][..],
            &["spec", "jobTemplate", "spec", "template", "spec"],
            &["spec"],
        ] {
            let Some(pod) = live.root().at(template) else { continue };
            let lists = ["initContainers", "containers"]
                .into_iter()
                .filter_map(|list| pod.get(list));
            let found = lists
                .flat_map(|list| list.items())
                .filter_map(|container| container.str_at(&["image"]));
            images.extend(found.map(str::to_owned));
        }
    }
    images.sort();
    images.dedup();
    let mut value = Value::object();
    if !images.is_empty() {
        value.set(&["images"], images.into_iter().collect::<Value>());
    }
    value
}

/// `status.sync.comparedTo`
pub(crate) fn compared_to(app: &Application) -> Value {
    let spec = app.doc.root().get("spec");
    let mut value = Value::object();
    for part in ["source", "destination"] {
        if let Some(node) = spec.and_then(|spec| spec.get(part)) {
            value.set(&[part], node);
        }
    }
    value
}

/// One more history entry, the oldest dropped beyond the limit.
pub(crate) fn push_history(status: &mut Value, mut entry: Map, limit: usize) {
    let history = status.make_object().entry("history", Value::array).make_array();
    let next = history
        .iter()
        .filter_map(|entry| entry.node().get("id")?.as_i64())
        .max()
        .map_or(0, |id| id + 1);
    entry.insert("id", next);
    history.push(entry.into());
    let surplus = history.len().saturating_sub(limit.max(1));
    history.drain(..surplus);
}

/// One more correction of drift.
pub(crate) fn push_correction(status: &mut Value, entry: Value) {
    let list = status.make_object().entry("corrections", Value::array).make_array();
    list.push(entry);
    let surplus = list.len().saturating_sub(MAX_CORRECTIONS);
    list.drain(..surplus);
}

/// The JSON merge patch that makes `new` of `old`; `None` when they are equal.
pub(crate) fn merge_patch(old: Option<Node<'_>>, new: Node<'_>) -> Option<Value> {
    let Some(old) = old.filter(|old| old.is_object()) else {
        return Some(without_nulls(new));
    };
    let mut patch = Map::new();
    for (key, member) in new.members() {
        if member.is_null() {
            if old.get(key).is_some_and(|old| !old.is_null()) {
                patch.insert(key, Value::NULL);
            }
            continue;
        }
        match old.get(key) {
            Some(old) if old == member => {}
            Some(old) if old.is_object() && member.is_object() => {
                if let Some(inner) = merge_patch(Some(old), member) {
                    patch.insert(key, inner);
                }
            }
            // A merge patch puts objects in as they are, and nulls in them would delete nothing.
            _ => {
                patch.insert(key, without_nulls(member));
            }
        }
    }
    for (key, _) in old.members() {
        if new.get(key).is_none() {
            patch.insert(key, Value::NULL);
        }
    }
    (!patch.is_empty()).then(|| patch.into())
}

fn without_nulls(node: Node<'_>) -> Value {
    if !node.is_object() {
        return node.to_value();
    }
    let members = node.members().filter(|(_, member)| !member.is_null());
    members
        .map(|(key, member)| (key, without_nulls(member)))
        .collect::<Map>()
        .into()
}

/// A health of no objects.
pub(crate) fn unknown_health(message: &str) -> Health {
    Health {
        status: HealthStatus::Unknown,
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> ridgeway_doc::Doc {
        ridgeway_doc::parse_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn merge_patches_hold_only_what_changed_and_take_away_what_is_gone() {
        for (old, new, patch) in [
            (r#"{"a":1}"#, r#"{"a":1}"#, None),
            (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, Some(r#"{"b":null}"#)),
            (
                r#"{"a":{"x":1,"y":2}}"#,
                r#"{"a":{"x":3}}"#,
                Some(r#"{"a":{"x":3,"y":null}}"#),
            ),
            (r#"{}"#, r#"{"a":{"x":null,"y":1},"b":null}"#, Some(r#"{"a":{"y":1}}"#)),
            (r#"{"l":[1,2]}"#, r#"{"l":[1]}"#, Some(r#"{"l":[1]}"#)),
            (r#"{"a":[1]}"#, r#"{"a":{"b":1}}"#, Some(r#"{"a":{"b":1}}"#)),
        ] {
            let (old, new) = (parse(old), parse(new));
            let got = merge_patch(Some(old.root()), new.root());
            assert_eq!(got.map(|patch| patch.to_json()).as_deref(), patch);
        }
    }

    #[test]
    fn history_is_numbered_and_limited() {
        let mut status = Value::object();
        for _ in 0..4 {
            push_history(&mut status, Map::new(), 2);
        }
        assert_eq!(status.to_json(), r#"{"history":[{"id":2},{"id":3}]}"#);
    }

    #[test]
    fn conditions_keep_their_time_while_they_stay() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let later = Timestamp::from_second(1_700_000_100).unwrap();
        let condition = |message: &str| Condition {
            kind: SYNC_ERROR,
            message: message.into(),
        };
        let first = conditions(&[condition("a")], None, now).unwrap();
        let second = conditions(&[condition("a"), condition("b")], Some(first.node()), later).unwrap();
        let times: Vec<_> = second
            .node()
            .items()
            .map(|c| c.str_at(&["lastTransitionTime"]).unwrap())
            .collect();
        assert_eq!(times, [rfc3339(now), rfc3339(later)]);
        assert!(conditions(&[], Some(second.node()), later).is_none());
    }
}
