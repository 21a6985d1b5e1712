//! What might mend a failure.

use ridgeway_doc::{Node, Value};

use super::edit::Edit;
use super::guesses;
use crate::explain::{Asked, Look, Part, Trace, dotted};
use crate::image::{CONTAINER_LISTS, pod_spec_path};
use crate::kyverno::Body;
use crate::path::{FieldPath, Segment};
use crate::pattern_text::has_wildcard;
use crate::request::Request;
use crate::ruleset::RuleSet;
use crate::verdict::RuleResult;

/// What stands for a value that a person must choose.
pub(crate) const PLACEHOLDER: &str = "change-me";

/// Groups of edits to try, the likeliest first; a group is tried as a whole.
pub(crate) fn groups(
    set: &RuleSet,
    sources: &[Node<'_>],
    request: &Request<'_>,
    object: Node<'_>,
    failing: &[RuleResult],
) -> Vec<Vec<Edit>> {
    let mut out: Vec<Vec<Edit>> = Vec::new();
    let mut add = |group: Vec<Edit>| {
        let group: Vec<Edit> = group.into_iter().filter(|edit| !names_the_object(&edit.at)).collect();
        if !group.is_empty() && !out.contains(&group) {
            out.push(group);
        }
    };
    for result in failing {
        let brought: Vec<Edit> = brought(result).into_iter().map(|edit| typed(edit, object)).collect();
        let looks = looks(set, request, object, result);
        let looked = looks.iter().filter_map(|look| of_look(look, object));
        let looked: Vec<Edit> = looked.map(|edit| typed(edit, object)).collect();
        // What the patch leaves out the looks may know.
        let mut both = brought.clone();
        both.extend(looked.iter().filter(|e| !brought.iter().any(|b| b.at == e.at)).cloned());
        add(brought);
        add(both);
        for edit in looked {
            add(vec![edit]);
        }
    }
    if let Some(path) = pod_spec_path(&request.gvk.kind) {
        for group in usual(path, object) {
            add(group);
        }
    }
    for result in failing {
        for edit in of_words(result, object) {
            add(vec![edit]);
        }
    }
    for result in failing {
        for group in guesses::of_expressions(sources, result, object) {
            add(group);
        }
    }
    out
}

/// Patterns write what they ask for as text; the field wants it as what it is.
fn typed(edit: Edit, object: Node<'_>) -> Edit {
    let map_of_texts = edit
        .at
        .keys()
        .iter()
        .any(|key| matches!(*key, "labels" | "annotations"));
    let found = crate::refine::at(object, &edit.at);
    let Some(text) = edit.value.as_ref().and_then(Value::as_str) else {
        return edit;
    };
    let number = found.is_some_and(|node| node.as_number().is_some());
    let value = match (text, text.parse::<i64>()) {
        _ if map_of_texts || found.is_some_and(|node| node.as_str().is_some()) => return edit,
        ("true", _) => Value::from(true),
        ("false", _) => Value::from(false),
        (_, Ok(n)) if number => Value::from(n),
        _ => return edit,
    };
    Edit {
        value: Some(value),
        ..edit
    }
}

/// Identity is not what a fix may touch.
fn names_the_object(path: &FieldPath) -> bool {
    let keys = path.keys();
    matches!(
        keys.as_slice(),
        ["apiVersion" | "kind"] | ["metadata", "name" | "namespace" | "generateName"]
    )
}

/// The edits of the patch that a result brings.
fn brought(result: &RuleResult) -> Vec<Edit> {
    let patch = result.patch.as_ref().map(Value::node);
    let mut out = Vec::new();
    for op in patch.into_iter().flat_map(Node::items) {
        let Some(path) = op.str_at(&["path"]) else { continue };
        let at = FieldPath::parse(&dotted(path));
        match op.get("value") {
            Some(value) => leaves(at, value, &mut out),
            None => out.push(Edit::remove(at)),
        }
    }
    out
}

/// One edit for each leaf of a value, so that the ones that are not needed can go.
fn leaves(at: FieldPath, value: Node<'_>, out: &mut Vec<Edit>) {
    if !value.is_object() || value.is_empty() {
        out.push(Edit::set(at, value.to_value()));
        return;
    }
    for (key, member) in value.members() {
        let mut below = at.clone();
        below.0.push(Segment::Key(key.to_owned().into()));
        leaves(below, member, out);
    }
}

/// What the rule of a result looked at in vain.
fn looks(set: &RuleSet, request: &Request<'_>, object: Node<'_>, result: &RuleResult) -> Vec<Look> {
    let request = Request {
        object: Some(object),
        ..*request
    };
    let mut out = Vec::new();
    for policy in set.policies.iter().filter(|policy| policy.name == result.policy) {
        for rule in policy.rules.iter().filter(|rule| rule.name == result.rule) {
            if matches!(rule.body, Body::Validate(_)) {
                let trace = Trace::default();
                set.finding(rule, &request, &[], Some(&trace));
                out.extend(trace.into_looks());
            }
        }
    }
    out.retain(|look| match look.part {
        Part::Deny => look.holds,
        Part::Pattern => !look.holds,
        _ => false,
    });
    out
}

/// The edit after which a look would find what it asks for.
fn of_look(look: &Look, object: Node<'_>) -> Option<Edit> {
    let plain = !look.path.is_empty() && !look.path.contains(['(', '{', ' ', '*']) && !look.path.contains("[]");
    if !plain || look.path.starts_with("request.") {
        return None;
    }
    let at = FieldPath::parse(&look.path);
    match &look.asked {
        Asked::Pattern(_, Some(value)) => Some(Edit::set(at, value.clone())),
        Asked::Pattern(text, None) => pattern(at, text, object),
        Asked::Present => Some(placeholder(at, object)),
        Asked::Absent => Some(Edit::remove(at)),
        Asked::Condition { operator, value } => denied(at, operator, value, look.found.as_ref()),
        Asked::Shape(_) | Asked::Read => None,
    }
}

/// A value for a leaf pattern: the first alternative that tells one.
fn pattern(at: FieldPath, text: &str, object: Node<'_>) -> Option<Edit> {
    for part in text.split('|').map(str::trim) {
        if part.contains('&') {
            continue;
        }
        let number = |by: i64, rest: &str| -> Option<Value> {
            match rest.trim().parse::<i64>() {
                Ok(n) => Some(Value::from(n + by)),
                Err(_) if by == 0 => Some(Value::from(rest.trim())),
                Err(_) => None,
            }
        };
        let found = if let Some(rest) = part.strip_prefix(">=").or(part.strip_prefix("<=")) {
            number(0, rest)
        } else if let Some(rest) = part.strip_prefix('>') {
            number(1, rest)
        } else if let Some(rest) = part.strip_prefix('<') {
            number(-1, rest)
        } else if let Some(rest) = part.strip_prefix('!') {
            match rest.trim() {
                "true" => Some(Value::from(false)),
                "false" => Some(Value::from(true)),
                _ => None,
            }
        } else if matches!(part, "?*" | "*") {
            return Some(placeholder(at, object));
        } else if !has_wildcard(part) && !part.is_empty() {
            Some(Value::from(part))
        } else {
            None
        };
        if let Some(value) = found {
            return Some(Edit::set(at, value));
        }
    }
    None
}

/// What undoes a condition of `deny` that holds.
fn denied(at: FieldPath, operator: &str, value: &Value, found: Option<&Value>) -> Option<Edit> {
    let node = value.node();
    let step = |by: i64| node.as_i64().map(|n| Value::from(n + by));
    match operator {
        "Equal" | "Equals" => Some(match node.as_bool() {
            Some(wrong) => Edit::set(at, !wrong),
            None => Edit::remove(at),
        }),
        "NotEqual" | "NotEquals" => Some(Edit::set(at, value.clone())),
        "AnyIn" | "AllIn" | "In" => Some(match found.map(Value::node).filter(|f| f.is_array()) {
            Some(list) => {
                let wrong = |item: Node<'_>| node == item || node.items().any(|other| other == item);
                Edit::set(
                    at,
                    list.items()
                        .filter(|item| !wrong(*item))
                        .map(Node::to_value)
                        .collect::<Value>(),
                )
            }
            None => Edit::remove(at),
        }),
        "AnyNotIn" | "AllNotIn" | "NotIn" => {
            let allowed: Vec<Node<'_>> = if node.is_array() {
                node.items().collect()
            } else {
                vec![node]
            };
            let kept: Vec<Value> = found
                .map(Value::node)
                .into_iter()
                .flat_map(Node::items)
                .filter(|item| allowed.contains(item))
                .map(Node::to_value)
                .collect();
            let first = allowed.first()?.to_value();
            let list = found.is_some_and(|f| f.node().is_array());
            Some(match (list, kept.is_empty()) {
                (true, false) => Edit::set(at, kept.into_iter().collect::<Value>()),
                (true, true) => Edit::set(at, [first].into_iter().collect::<Value>()),
                (false, _) => Edit::set(at, first),
            })
        }
        "GreaterThan" | "LessThan" => Some(Edit::set(at, value.clone())),
        "GreaterThanOrEquals" => step(-1).map(|value| Edit::set(at, value)),
        "LessThanOrEquals" => step(1).map(|value| Edit::set(at, value)),
        _ => None,
    }
}

/// A value that is only known to have to be there.
pub(crate) fn placeholder(at: FieldPath, object: Node<'_>) -> Edit {
    let keys = at.keys();
    let name = object.str_at(&["metadata", "name"]).unwrap_or_default();
    let usual = match keys.as_slice() {
        [.., "resources", which, resource] => amount(which, resource),
        [
            ..,
            "labels",
            "app" | "app.kubernetes.io/name" | "app.kubernetes.io/instance",
        ] if !name.is_empty() => Some(name.to_owned()),
        _ => None,
    };
    match usual {
        Some(value) => Edit::set(at, value),
        None => Edit {
            placeholder: true,
            ..Edit::set(at, PLACEHOLDER)
        },
    }
}

/// The usual first amount of a resource.
fn amount(which: &str, resource: &str) -> Option<String> {
    let text = match (which, resource) {
        ("limits", "cpu") => "500m",
        ("limits", "memory") => "256Mi",
        ("requests", "cpu") => "100m",
        ("requests", "memory") => "128Mi",
        (_, "ephemeral-storage") => "1Gi",
        _ => return None,
    };
    Some(text.to_owned())
}

/// The usual remedies for Pods, one group for each.
fn usual(path: &[&str], object: Node<'_>) -> Vec<Vec<Edit>> {
    let mut out: Vec<Vec<Edit>> = Vec::new();
    let root = FieldPath(path.iter().map(|key| Segment::Key((*key).to_owned().into())).collect());
    let below = |base: &FieldPath, keys: &[&str]| {
        let mut at = base.clone();
        at.0.extend(keys.iter().map(|key| Segment::Key((*key).to_owned().into())));
        at
    };
    let Some(spec) = object.at(path) else { return out };
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec.get(key).is_some() {
            out.push(vec![Edit::remove(below(&root, &[key]))]);
        }
    }
    let mut containers: Vec<(FieldPath, Node<'_>, bool)> = Vec::new();
    for list in CONTAINER_LISTS {
        for (i, container) in spec.get(list).into_iter().flat_map(Node::items).enumerate() {
            let mut at = below(&root, &[list]);
            at.0.push(Segment::Index(i));
            containers.push((at, container, list == "containers"));
        }
    }
    let mut each = |keys: &[&str], value: Value, all: bool| {
        let edits = containers
            .iter()
            .filter(|(_, container, main)| (all || *main) && container.at(keys) != Some(value.node()))
            .map(|(at, ..)| Edit::set(below(at, keys), value.clone()));
        out.push(edits.collect());
    };
    let mut localhost = Value::object();
    localhost.set(&["type"], "RuntimeDefault");
    for (keys, value) in [
        (&["securityContext", "privileged"][..], Value::from(false)),
        (&["securityContext", "allowPrivilegeEscalation"], Value::from(false)),
        (&["securityContext", "runAsNonRoot"], Value::from(true)),
        (&["securityContext", "readOnlyRootFilesystem"], Value::from(true)),
        (&["securityContext", "seccompProfile"], localhost.clone()),
        (&["imagePullPolicy"], Value::from("Always")),
    ] {
        each(keys, value, true);
    }
    for which in ["limits", "requests"] {
        for resource in ["cpu", "memory"] {
            if let Some(text) = amount(which, resource) {
                each(&["resources", which, resource], Value::from(text), true);
            }
        }
    }
    // Both together: most rules ask for both.
    for (which, missing) in [("limits", ["cpu", "memory"]), ("requests", ["cpu", "memory"])] {
        let mut group = Vec::new();
        for (at, container, _) in &containers {
            for resource in missing {
                if let (None, Some(text)) = (container.at(&["resources", which, resource]), amount(which, resource)) {
                    group.push(Edit::set(below(at, &["resources", which, resource]), text));
                }
            }
        }
        out.push(group);
    }
    let mut dropped = Vec::new();
    let mut added = Vec::new();
    for (at, container, _) in &containers {
        let drop = container.at(&["securityContext", "capabilities", "drop"]);
        let mut list: Vec<Value> = drop.into_iter().flat_map(Node::items).map(Node::to_value).collect();
        if !list.iter().any(|item| item.as_str() == Some("ALL")) {
            list.push("ALL".into());
            let value = list.into_iter().collect::<Value>();
            dropped.push(Edit::set(
                below(at, &["securityContext", "capabilities", "drop"]),
                value,
            ));
        }
        if container.at(&["securityContext", "capabilities", "add"]).is_some() {
            added.push(Edit::remove(below(at, &["securityContext", "capabilities", "add"])));
        }
        for port in container.get("ports").into_iter().flat_map(Node::items).enumerate() {
            if port.1.get("hostPort").is_some() {
                let mut path = below(at, &["ports"]);
                path.0.push(Segment::Index(port.0));
                added.push(Edit::remove(below(&path, &["hostPort"])));
            }
        }
    }
    let profile = localhost;
    let pod = |key: &str, value: Value| vec![Edit::set(below(&root, &["securityContext", key]), value)];
    out.extend([
        dropped,
        added,
        pod("runAsNonRoot", true.into()),
        pod("seccompProfile", profile),
        pod("fsGroup", 1000.into()),
        pod("runAsUser", 1000.into()),
        vec![Edit::set(below(&root, &["automountServiceAccountToken"]), false)],
    ]);
    let mut volumes = Vec::new();
    for (i, volume) in spec.get("volumes").into_iter().flat_map(Node::items).enumerate() {
        if volume.get("hostPath").is_some() {
            let mut at = below(&root, &["volumes"]);
            at.0.push(Segment::Index(i));
            volumes.push(Edit::remove(below(&at, &["hostPath"])));
            volumes.push(Edit {
                bound: true,
                ..Edit::set(below(&at, &["emptyDir"]), Value::object())
            });
        }
    }
    out.push(volumes);
    out
}

/// Labels and annotations that a message names: `you must provide labels: {"owner"}`.
fn of_words(result: &RuleResult, object: Node<'_>) -> Vec<Edit> {
    let words = result.author.to_lowercase();
    let place = match (words.contains("label"), words.contains("annotation")) {
        (true, false) => "labels",
        (false, true) => "annotations",
        _ => return Vec::new(),
    };
    let mut out = Vec::new();
    for word in result.author.split(|c: char| {
        matches!(
            c,
            '"' | '\'' | '`' | '<' | '>' | '{' | '}' | ',' | ' ' | '[' | ']' | ':'
        )
    }) {
        let word = word.trim_end_matches(['.', ';']);
        let quoted = ["\"", "'", "`", "<", "{"]
            .iter()
            .any(|q| result.author.contains(&format!("{q}{word}")));
        if quoted && !word.is_empty() && ridgeway_krm::validate_label_key(word).is_ok() {
            let path = ["metadata", place, word];
            if object.at(&path).is_none() {
                let at = FieldPath(path.iter().map(|key| Segment::Key((*key).to_owned().into())).collect());
                out.push(placeholder(at, object));
            }
        }
    }
    out
}
