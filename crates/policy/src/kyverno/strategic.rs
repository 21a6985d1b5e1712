//! `patchStrategicMerge`: anchors are resolved against the object first, then the rest is merged into it.

use ridgeway_doc::{Kind, Node, Value};

use super::anchor::{self, Anchor};
use super::context::Env;
use super::pattern::{Mismatch, Pattern};
use crate::jmespath::Fault;

/// Why a patch does not apply.
enum Unmet {
    /// A condition of the map at hand.
    Local,
    /// A condition of the whole rule.
    Global,
    Fault(Fault),
}

/// Applies a patch whose variables have been evaluated; `None` when its conditions do not hold.
pub(crate) fn apply(object: Node<'_>, patch: Value, env: &Env<'_>) -> Result<Option<Value>, Fault> {
    let mut patch = patch;
    match resolve(&mut patch, Some(object), env) {
        Ok(()) => {}
        Err(Unmet::Local | Unmet::Global) => return Ok(None),
        Err(Unmet::Fault(fault)) => return Err(fault),
    }
    drop_conditions(&mut patch);
    let mut out = object.to_value();
    Merge {
        known: is_known(object),
        append: false,
    }
    .merge(&mut out, patch.node(), &[]);
    Ok(Some(out))
}

/// Merges a configuration as server-side apply would: items of keyed lists where they are, new ones at the end.
pub(crate) fn apply_configuration(object: Node<'_>, configuration: Node<'_>) -> Value {
    let mut out = object.to_value();
    Merge {
        known: is_known(object),
        append: true,
    }
    .merge(&mut out, configuration, &[]);
    out
}

/// Whether the object is of a kind whose lists are known.
fn is_known(object: Node<'_>) -> bool {
    let group = object
        .str_at(&["apiVersion"])
        .unwrap_or_default()
        .split_once('/')
        .map_or("", |(group, _)| group);
    !group.contains('.') || group.ends_with(".k8s.io")
}

fn is_condition(anchor: Anchor) -> bool {
    matches!(anchor, Anchor::Condition | Anchor::Global)
}

fn resolve(pattern: &mut Value, resource: Option<Node<'_>>, env: &Env<'_>) -> Result<(), Unmet> {
    env.fuel.burn(1).map_err(|e| Unmet::Fault(e.into()))?;
    match pattern.kind() {
        Kind::Object => resolve_map(pattern, resource, env),
        Kind::Array if pattern.node().item(0).is_some_and(Node::is_object) => resolve_list(pattern, resource, env),
        _ => Ok(()),
    }
}

/// Keys to be added when missing lose their anchor, or go when the object has them. How many there were.
fn resolve_additions(pattern: &mut Value, resource: Option<Node<'_>>) -> usize {
    let Some(map) = pattern.as_object_mut() else { return 0 };
    let mut count = 0;
    let old = std::mem::take(map);
    for (key, value) in old {
        match anchor::parse(&key) {
            (Anchor::AddIfMissing, bare) => {
                count += 1;
                if resource.is_none_or(|r| r.get(bare).is_none()) {
                    map.insert(bare, value);
                }
            }
            _ => {
                map.insert(key, value);
            }
        }
    }
    count
}

fn resolve_map(pattern: &mut Value, resource: Option<Node<'_>>, env: &Env<'_>) -> Result<(), Unmet> {
    resolve_additions(pattern, resource);
    for wanted in [Anchor::Global, Anchor::Condition] {
        let Some(map) = pattern.as_object_mut() else {
            return Ok(());
        };
        for (key, value) in map.iter_mut() {
            let (anchor, bare) = anchor::parse(key);
            if anchor != wanted {
                continue;
            }
            let unmet = || {
                if wanted == Anchor::Global {
                    Unmet::Global
                } else {
                    Unmet::Local
                }
            };
            let Some(found) = resource.and_then(|r| r.get(bare)) else {
                return Err(unmet());
            };
            if resolve_additions(value, Some(found)) > 0 {
                continue;
            }
            let pattern = Pattern::plain(value.node()).map_err(|e| Unmet::Fault(Fault::Invalid(e)))?;
            let fuel = crate::budget::Fuel::default();
            let bare_env = Env::bare(env.request, &fuel);
            match pattern.check(&bare_env, Some(found)) {
                Ok(()) => {}
                Err(Mismatch::Fault(fault)) => return Err(Unmet::Fault(fault)),
                Err(_) => return Err(unmet()),
            }
        }
    }
    let Some(map) = pattern.as_object_mut() else {
        return Ok(());
    };
    for (key, value) in map.iter_mut() {
        if !is_condition(anchor::parse(key).0) {
            resolve(value, resource.and_then(|r| r.get(key)), env)?;
        }
    }
    Ok(())
}

fn has(pattern: Node<'_>, wanted: fn(Anchor) -> bool) -> bool {
    match pattern.kind() {
        Kind::Object => pattern
            .members()
            .any(|(key, value)| wanted(anchor::parse(key).0) || has(value, wanted)),
        Kind::Array => pattern.items().any(|item| has(item, wanted)),
        _ => false,
    }
}

fn any_anchor(anchor: Anchor) -> bool {
    is_condition(anchor) || anchor == Anchor::AddIfMissing
}

/// An element with anchors stands for every item of the object's list that meets its conditions.
fn resolve_list(pattern: &mut Value, resource: Option<Node<'_>>, env: &Env<'_>) -> Result<(), Unmet> {
    let elements = std::mem::take(pattern.make_array());
    let mut out = Vec::new();
    let mut made = Vec::new();
    for element in elements {
        if !has(element.node(), any_anchor) {
            out.push(element);
            continue;
        }
        let global = has(element.node(), |anchor| anchor == Anchor::Global);
        let (mut met, mut unmet) = (false, false);
        for item in resource.into_iter().flat_map(Node::items) {
            let mut copy = element.clone();
            match resolve(&mut copy, Some(item), env) {
                Ok(()) if global => met = true,
                Ok(()) => {
                    let Some(name) = item.get("name") else { continue };
                    if !delete_anchors(&mut copy, true) {
                        copy.set(&["name"], name.to_value());
                        made.push(copy);
                    }
                }
                Err(Unmet::Local) => {}
                Err(Unmet::Global) => unmet = true,
                Err(fault) => return Err(fault),
            }
        }
        if unmet && !met {
            return Err(Unmet::Global);
        }
    }
    // What is left empty was only there for its conditions.
    out.extend(made);
    *pattern = if out.is_empty() { dropped() } else { out.into() };
    Ok(())
}

/// The mark of a list of which nothing is left.
fn dropped() -> Value {
    let mut out = Value::object();
    out.set(&[DROPPED], true);
    out
}

const DROPPED: &str = "\u{0}dropped";

fn is_dropped(value: &Value) -> bool {
    value.node().get(DROPPED).is_some()
}

fn drop_conditions(pattern: &mut Value) {
    let Some(map) = pattern.as_object_mut() else { return };
    let old = std::mem::take(map);
    for (key, mut value) in old {
        let condition = is_condition(anchor::parse(&key).0);
        if !delete_anchors(&mut value, condition) {
            map.insert(if condition { anchor::bare_key(&key) } else { &*key }, value);
        }
    }
}

/// Removes what was only a condition; whether nothing is left.
fn delete_anchors(value: &mut Value, scalars_too: bool) -> bool {
    if is_dropped(value) {
        return true;
    }
    match value.kind() {
        Kind::Object => {
            let map = value.make_object();
            if map.is_empty() {
                return false;
            }
            let old = std::mem::take(map);
            for (key, mut member) in old {
                let condition = is_condition(anchor::parse(&key).0);
                if !delete_anchors(&mut member, condition) {
                    map.insert(if condition { anchor::bare_key(&key) } else { &*key }, member);
                }
            }
            map.is_empty()
        }
        Kind::Array => {
            let items = value.make_array();
            let was_empty = items.is_empty();
            items.retain_mut(|item| !(item.node().is_object() && delete_anchors(item, false)));
            items.is_empty() && !was_empty
        }
        _ => scalars_too,
    }
}

/// The key by which items of a list are told apart, by the list's place.
fn merge_key(path: &[&str]) -> Option<&'static str> {
    let (field, parents) = path.split_last()?;
    let in_container = || parents.last().is_some_and(|p| p.ends_with("ontainers"));
    Some(match *field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "imagePullSecrets"
        | "env"
        | "resourceClaims"
        | "webhooks"
        | "schedulingGates" => "name",
        "secrets" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        "ownerReferences" => "uid",
        "ports" if in_container() => "containerPort",
        "ports" if *parents == ["spec"] => "port",
        "conditions" => "type",
        _ => return None,
    })
}

/// How a patch is merged.
#[derive(Clone, Copy)]
struct Merge {
    /// Keys of lists are known.
    known: bool,
    /// New items go to the end of their list.
    append: bool,
}

impl Merge {
    fn merge<'p>(self, into: &mut Value, patch: Node<'p>, path: &[&'p str]) {
        if !patch.is_object() {
            *into = patch.to_value();
            return;
        }
        if patch.str_at(&["$patch"]) == Some("replace") {
            *into = without_directives(patch);
            return;
        }
        let map = into.make_object();
        for (key, value) in patch.members() {
            if key == "$patch" || key.starts_with("$setElementOrder/") {
                continue;
            }
            let mut below = path.to_vec();
            below.push(key);
            if value.is_null() || value.str_at(&["$patch"]) == Some("delete") {
                map.remove(key);
            } else if value.is_array() {
                let old = map.get_mut(key).map(|value| std::mem::replace(value, Value::NULL));
                let merged = self.list(old, value, &below);
                map.insert(key, merged);
            } else if value.is_object() {
                let old = map.get(key).cloned().filter(|old| old.node().is_object());
                let mut place = old.unwrap_or_else(Value::object);
                self.merge(&mut place, value, &below);
                map.insert(key, place);
            } else {
                map.insert(key, value.to_value());
            }
        }
    }

    /// In a strategic merge, items of the patch come first, in its order, merged with what they replace, and the others
    /// follow as they were.
    fn list<'p>(self, old: Option<Value>, patch: Node<'p>, path: &[&'p str]) -> Value {
        let fresh = |item: Node<'p>| {
            if !item.is_object() {
                return item.to_value();
            }
            let mut fresh = Value::object();
            self.merge(&mut fresh, item, path);
            fresh
        };
        let replace = || {
            patch
                .items()
                .filter(|item| item.str_at(&["$patch"]).is_none())
                .map(fresh)
                .collect()
        };
        let Some(old) = old.filter(|old| old.node().is_array()) else {
            return replace();
        };
        if path.last() == Some(&"finalizers") {
            let mut out: Vec<Value> = patch.items().map(Node::to_value).collect();
            out.extend(
                old.node()
                    .items()
                    .filter(|item| !patch.items().any(|p| p == *item))
                    .map(Node::to_value),
            );
            return out.into();
        }
        let Some(key) = self.known.then(|| merge_key(path)).flatten() else {
            return replace();
        };
        if !patch.items().all(|item| item.get(key).is_some()) {
            return replace();
        }
        let mut rest: Vec<Value> = old.node().items().map(Node::to_value).collect();
        let mut out = Vec::new();
        for item in patch.items() {
            let at = rest.iter().position(|have| have.node().get(key) == item.get(key));
            let deleted = item.str_at(&["$patch"]) == Some("delete");
            match at {
                Some(i) if self.append && !deleted => self.merge(&mut rest[i], item, path),
                Some(i) => {
                    let mut place = rest.remove(i);
                    if !deleted {
                        self.merge(&mut place, item, path);
                        out.push(place);
                    }
                }
                None if deleted => {}
                None => out.push(fresh(item)),
            }
        }
        if self.append {
            rest.extend(out);
            return rest.into();
        }
        out.extend(rest);
        out.into()
    }
}

fn without_directives(node: Node<'_>) -> Value {
    let mut out = node.to_value();
    if let Some(map) = out.as_object_mut() {
        map.remove("$patch");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Fuel;
    use crate::request::Request;
    use ridgeway_doc::parse_yaml;
    use ridgeway_krm::Gvk;

    fn patched(object: &str, patch: &str) -> String {
        let (object, patch) = (parse_yaml(object).unwrap(), parse_yaml(patch).unwrap());
        let gvk = Gvk::new("", "v1", "Pod");
        let request = Request::create(&gvk, object[0].root());
        let fuel = Fuel::default();
        let env = Env::bare(&request, &fuel);
        match apply(object[0].root(), patch[0].root().to_value(), &env) {
            Ok(Some(value)) => value.to_json(),
            Ok(None) => "unmet".into(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn anchors_and_merge_keys() {
        let pod = "{spec: {containers: [{name: a, image: x}, {name: b, image: w, imagePullPolicy: Never}]}}";
        for (patch, want) in [
            (
                "{metadata: {labels: {+(team): t}}}",
                r#"{"spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"w","imagePullPolicy":"Never"}]},"metadata":{"labels":{"team":"t"}}}"#,
            ),
            (
                "{spec: {containers: [{(image): x, +(imagePullPolicy): Always}]}}",
                r#"{"spec":{"containers":[{"name":"a","image":"x","imagePullPolicy":"Always"},{"name":"b","image":"w","imagePullPolicy":"Never"}]}}"#,
            ),
            (
                "{spec: {containers: [{(name): '*', +(imagePullPolicy): Always}]}}",
                r#"{"spec":{"containers":[{"name":"a","image":"x","imagePullPolicy":"Always"},{"name":"b","image":"w","imagePullPolicy":"Never"}]}}"#,
            ),
            (
                "{spec: {containers: [{name: c, image: z}]}}",
                r#"{"spec":{"containers":[{"name":"c","image":"z"},{"name":"a","image":"x"},{"name":"b","image":"w","imagePullPolicy":"Never"}]}}"#,
            ),
            ("{spec: {containers: [{<(image): 'q*'}], hostPID: true}}", "unmet"),
            ("{(kind): Service, spec: {hostPID: true}}", "unmet"),
            (
                "{spec: {containers: [{name: b, $patch: delete}]}}",
                r#"{"spec":{"containers":[{"name":"a","image":"x"}]}}"#,
            ),
            ("{spec: {containers: null}}", r#"{"spec":{}}"#),
        ] {
            assert_eq!(patched(pod, patch), want, "{patch}");
        }
    }
}
