//! What a sync would change in a live object.

use base64::Engine;
use ridgeway_doc::{Kind, Node, Value};
use ridgeway_krm::{Gvk, SchemaRef};

use crate::changes::compare;
use crate::ignore::IgnoreRule;
use crate::owner::{owned_by, owner};
use crate::{annotation, text};

/// Where `kubectl apply` remembers its configuration.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What stands in place of a secret value.
const MASKED: &str = "<hidden>";

/// How to compare.
#[derive(Clone, Debug, Default)]
pub struct DiffOptions {
    /// `spec.ignoreDifferences`.
    pub ignore: Vec<IgnoreRule>,
    /// Predict as server-side apply by this manager; `None` merges three ways from the remembered configuration.
    pub server_side_manager: Option<String>,
    /// Leave out rules that an aggregated ClusterRole got from others.
    pub ignore_aggregated_roles: bool,
}

/// The outcome of a comparison.
#[derive(Clone, Debug)]
pub struct Diff {
    /// Whether a sync would change anything.
    pub modified: bool,
    /// What it would change.
    pub changes: Vec<Change>,
    /// The live object without what is never compared.
    pub live: Value,
    /// What a sync would leave.
    pub predicted: Value,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where, as a JSON pointer.
    pub path: String,
    /// What is there; `None` when nothing is.
    pub before: Option<Value>,
    /// What a sync would leave; `None` takes it away.
    pub after: Option<Value>,
    /// Who set the live field, if somebody but the sync did.
    pub owner: Option<String>,
}

/// Compares an object from Git with the live one.
pub fn diff(desired: Node<'_>, live: Node<'_>, schema: Option<SchemaRef<'_>>, options: &DiffOptions) -> Diff {
    let wanted = prepared(desired, live);
    let mut predicted = predict(wanted.node(), live, schema, options);
    let mut current = live.to_value();
    for side in [&mut predicted, &mut current] {
        if let Some(schema) = schema {
            ridgeway_schema::default(schema, side);
        }
        normalise(side, options);
    }
    keep_additions(wanted.node(), current.node(), &mut predicted);
    for rule in options.ignore.iter().filter(|rule| rule.matches(live)) {
        rule.strip(&mut predicted);
        rule.strip(&mut current);
    }
    let mut changes = Vec::new();
    compare(
        current.node(),
        predicted.node(),
        &mut Vec::new(),
        &mut |path, before, after| {
            let trusted = options
                .ignore
                .iter()
                .any(|rule| !rule.managers.is_empty() && rule.matches(live) && owned_by(live, path, &rule.managers));
            if !trusted {
                changes.push(Change {
                    path: pointer(path),
                    before: before.map(Node::to_value),
                    after: after.map(Node::to_value),
                    owner: owner(live, path, options.server_side_manager.as_deref()),
                });
            }
        },
    );
    if Gvk::of(live).is_some_and(|gvk| gvk.group.is_empty() && gvk.kind == "Secret") {
        changes.iter_mut().for_each(mask);
    }
    Diff {
        modified: !changes.is_empty(),
        changes,
        live: current,
        predicted,
    }
}

/// The desired object as a server takes it: without what only servers write, secrets encoded.
fn prepared(desired: Node<'_>, live: Node<'_>) -> Value {
    let mut wanted = desired.to_value();
    drop_nulls(&mut wanted);
    wanted.remove(&["status"]);
    // Whether the kind has a namespace, the live object knows.
    if live.at(&["metadata", "namespace"]).is_none() {
        wanted.remove(&["metadata", "namespace"]);
    }
    for field in [
        "creationTimestamp",
        "managedFields",
        "resourceVersion",
        "uid",
        "generation",
        "selfLink",
    ] {
        wanted.remove(&["metadata", field]);
    }
    let secret = text(desired, &["kind"]) == "Secret" && text(desired, &["apiVersion"]) == "v1";
    if secret && let Some(plain) = wanted.remove(&["stringData"]) {
        for (key, value) in plain.node().members() {
            let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
            wanted.set(&["data", key], base64::engine::general_purpose::STANDARD.encode(text));
        }
    }
    wanted
}

/// Takes out what is `null`: a server reads that as not sent.
fn drop_nulls(value: &mut Value) {
    fn has_null(node: Node<'_>) -> bool {
        match node.kind() {
            Kind::Object => node.members().any(|(_, member)| member.is_null() || has_null(member)),
            Kind::Array => node.items().any(has_null),
            _ => false,
        }
    }
    if !has_null(value.node()) {
        return;
    }
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, member| !member.is_null());
        map.iter_mut().for_each(|(_, member)| drop_nulls(member));
    }
    value.as_array_mut().into_iter().flatten().for_each(drop_nulls);
}

/// In lists that are replaced as one, keeps what the server added to items that are wanted as they are.
///
/// Without this, a default inside such a list that nobody can predict would look like drift for ever.
fn keep_additions(wanted: Node<'_>, live: Node<'_>, predicted: &mut Value) {
    match (wanted.kind(), live.kind()) {
        (Kind::Object, Kind::Object) => {
            let differs = |key: &str| predicted.node().get(key) != live.get(key);
            let keys: Vec<&str> = wanted
                .members()
                .map(|(key, _)| key)
                .filter(|key| differs(key))
                .collect();
            for key in keys {
                if let (Some(wanted), Some(live), Some(predicted)) =
                    (wanted.get(key), live.get(key), predicted.get_mut(key))
                {
                    keep_additions(wanted, live, predicted);
                }
            }
        }
        (Kind::Array, Kind::Array) if covers(live, wanted) => *predicted = live.to_value(),
        _ => {}
    }
}

/// Whether everything wanted is there, whatever else is.
fn covers(live: Node<'_>, wanted: Node<'_>) -> bool {
    match (live.kind(), wanted.kind()) {
        (Kind::Object, Kind::Object) => wanted
            .members()
            .all(|(key, member)| live.get(key).is_some_and(|have| covers(have, member))),
        (Kind::Array, Kind::Array) => {
            live.len() == wanted.len() && live.items().zip(wanted.items()).all(|(a, b)| covers(a, b))
        }
        _ => live == wanted,
    }
}

fn predict(wanted: Node<'_>, live: Node<'_>, schema: Option<SchemaRef<'_>>, options: &DiffOptions) -> Value {
    if let Some(manager) = &options.server_side_manager {
        match ridgeway_apply::apply(Some(live), wanted, schema, manager, true, "", "") {
            Ok(applied) => return applied.object,
            // What cannot be merged is replaced; the sync itself will say what is wrong.
            Err(_) => return wanted.to_value(),
        }
    }
    let last = annotation(live, LAST_APPLIED);
    match ridgeway_doc::parse_json(last.as_bytes()) {
        Ok(last) if last.root().is_object() => {
            let last = remembered(last.root());
            ridgeway_apply::three_way(last.node(), live, wanted, schema)
        }
        _ => ridgeway_apply::three_way(wanted, live, wanted, schema),
    }
}

/// A remembered configuration without what says nothing: that it no longer says it must take nothing away.
fn remembered(last: Node<'_>) -> Value {
    let mut last = last.to_value();
    drop_nulls(&mut last);
    last.remove(&["metadata", "namespace"]);
    for field in ["annotations", "labels"] {
        if last.node().at(&["metadata", field]).is_some_and(Node::is_empty) {
            last.remove(&["metadata", field]);
        }
    }
    last
}

/// Takes out what is bookkeeping, and what means the same however it is written.
fn normalise(object: &mut Value, options: &DiffOptions) {
    let metadata = [
        "managedFields",
        "resourceVersion",
        "generation",
        "uid",
        "creationTimestamp",
        "selfLink",
    ];
    for field in metadata {
        object.remove(&["metadata", field]);
    }
    object.remove(&["status"]);
    if object.node().at(&["metadata", "annotations", LAST_APPLIED]).is_some() {
        object.remove(&["metadata", "annotations", LAST_APPLIED]);
    }
    for field in ["annotations", "labels"] {
        if object
            .node()
            .at(&["metadata", field])
            .is_some_and(|map| map.is_null() || map.is_empty())
        {
            object.remove(&["metadata", field]);
        }
    }
    let kind = text(object.node(), &["kind"]).to_owned();
    if kind == "Endpoints" && text(object.node(), &["apiVersion"]) == "v1" {
        sort_endpoints(object);
    }
    if matches!(kind.as_str(), "ClusterRole" | "Role") {
        let aggregated = object.node().get("aggregationRule").is_some();
        let empty = object
            .node()
            .get("rules")
            .is_some_and(|rules| rules.is_null() || rules.is_empty());
        if empty || (aggregated && options.ignore_aggregated_roles) {
            object.remove(&["rules"]);
        }
    }
}

/// Endpoints mean the same in any order, and their protocol is TCP where none is said.
fn sort_endpoints(object: &mut Value) {
    let sort = |list: &mut Value| {
        if let Some(items) = list.as_array_mut() {
            items.sort_by_cached_key(|item| {
                let node = item.node();
                (
                    text(node, &["ip"]).to_owned(),
                    node.get("port").and_then(Node::as_i64),
                    node.to_json(),
                )
            });
        }
    };
    let Some(subsets) = object.get_mut("subsets") else {
        return;
    };
    for subset in subsets.as_array_mut().into_iter().flatten() {
        for port in subset
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if text(port.node(), &["protocol"]).is_empty() {
                port.set(&["protocol"], "TCP");
            }
        }
        for list in ["addresses", "notReadyAddresses", "ports"] {
            if let Some(list) = subset.get_mut(list) {
                sort(list);
            }
        }
    }
    sort(subsets);
}

fn pointer(path: &[String]) -> String {
    path.iter().fold(String::new(), |out, token| {
        out + "/" + &token.replace('~', "~0").replace('/', "~1")
    })
}

fn mask(change: &mut Change) {
    if change.path.starts_with("/data") || change.path.starts_with("/stringData") {
        for side in [&mut change.before, &mut change.after].into_iter().flatten() {
            *side = MASKED.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::{Doc, parse_yaml};

    use super::*;

    const MANAGER: &str = "argocd-controller";

    fn doc(yaml: &str) -> Doc {
        parse_yaml(yaml).unwrap().remove(0)
    }

    fn options() -> DiffOptions {
        DiffOptions {
            server_side_manager: Some(MANAGER.into()),
            ..DiffOptions::default()
        }
    }

    /// What a server stores when the sync applies an object.
    fn stored(yaml: &str) -> Value {
        let applied = ridgeway_apply::apply(None, doc(yaml).root(), None, MANAGER, true, "", "2026-01-01T00:00:00Z");
        let mut object = applied.unwrap().object;
        object.set(&["metadata", "uid"], "u");
        object.set(&["metadata", "resourceVersion"], "7");
        object.set(&["status", "phase"], "x");
        object
    }

    fn changes(desired: &str, live: &Value) -> Vec<String> {
        let diff = diff(doc(desired).root(), live.node(), None, &options());
        assert_eq!(diff.modified, !diff.changes.is_empty());
        diff.changes
            .iter()
            .map(|c| {
                let show = |v: &Option<Value>| v.as_ref().map_or("-".to_owned(), Value::to_json);
                format!(
                    "{} {} → {} {}",
                    c.path,
                    show(&c.before),
                    show(&c.after),
                    c.owner.clone().unwrap_or_default()
                )
            })
            .collect()
    }

    const MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1', z: '2'}}";

    #[test]
    fn what_was_applied_is_in_sync() {
        assert_eq!(changes(MAP, &stored(MAP)), Vec::<String>::new());
    }

    #[test]
    fn what_others_add_is_not_drift_but_what_they_change_is() {
        let mut live = stored(MAP);
        live.set(&["metadata", "annotations", "added"], "by a policy");
        assert_eq!(changes(MAP, &live), Vec::<String>::new());
        live.set(&["data", "x"], "9");
        assert_eq!(changes(MAP, &live), [r#"/data/x "9" → "1" "#]);
    }

    #[test]
    fn what_git_drops_goes() {
        let less = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1'}}";
        assert_eq!(changes(less, &stored(MAP)), [r#"/data/z "2" → - "#]);
    }

    #[test]
    fn secrets_are_encoded_for_comparison_and_masked_in_the_answer() {
        let plain = "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {password: secret}}";
        let mut live = stored("{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {password: c2VjcmV0}}");
        assert_eq!(changes(plain, &live), Vec::<String>::new());
        live.set(&["data", "password"], "b3RoZXI=");
        assert_eq!(changes(plain, &live), [r#"/data/password "<hidden>" → "<hidden>" "#]);
    }

    #[test]
    fn ignored_fields_do_not_count() {
        let mut live = stored(MAP);
        live.set(&["data", "x"], "9");
        let rules = doc("- {group: '', kind: ConfigMap, jsonPointers: [/data/x]}");
        let options = DiffOptions {
            ignore: IgnoreRule::from_spec(Some(rules.root())).unwrap(),
            ..options()
        };
        assert!(!diff(doc(MAP).root(), live.node(), None, &options).modified);
    }

    #[test]
    fn three_ways_without_a_manager() {
        let mut live = doc(MAP).root().to_value();
        live.set(&["metadata", "annotations", LAST_APPLIED], doc(MAP).root().to_json());
        let less = doc("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1'}}");
        let found = diff(less.root(), live.node(), None, &DiffOptions::default());
        assert_eq!(found.changes.len(), 1);
        assert_eq!(found.changes[0].path, "/data/z");
    }
}
