//! Rules in plain words.

use ridgeway_doc::Node;

use crate::source::{items, text};

/// How many fields are named before the rest is only counted.
const NAMED: usize = 4;

/// A text in one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `a, b and c`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// A key without the anchor around it.
fn plain(key: &str) -> &str {
    let key = key.trim_start_matches(['+', '=', '^', 'X', '<']);
    key.strip_prefix('(')
        .and_then(|key| key.strip_suffix(')'))
        .unwrap_or(key)
}

/// The leaves of a tree as dotted paths with their values.
fn leaves<'a>(node: Node<'a>, path: &str, out: &mut Vec<(String, Node<'a>)>) {
    if node.is_object() && !node.is_empty() {
        for (key, value) in node.members() {
            let key = if key.contains('(') { plain(key) } else { key };
            let dot = if path.is_empty() { "" } else { "." };
            leaves(value, &format!("{path}{dot}{key}"), out);
        }
    } else if node.is_array() && !node.is_empty() {
        node.items().for_each(|item| leaves(item, &format!("{path}[]"), out));
    } else {
        out.push((path.to_owned(), node));
    }
}

fn fields(tree: Node<'_>, say: impl Fn(&str, Node<'_>) -> String) -> String {
    let mut all = Vec::new();
    leaves(tree, "", &mut all);
    let mut named: Vec<String> = all.iter().take(NAMED).map(|(path, value)| say(path, *value)).collect();
    if all.len() > NAMED {
        named.push(format!("{} more", all.len() - NAMED));
    }
    listed(&named)
}

fn requirement(path: &str, value: Node<'_>) -> String {
    match value.as_str() {
        Some("?*" | "*?") => format!("{path} must be set"),
        Some("*") => format!("{path} may be anything"),
        Some(text) => format!("{path} must be {text}"),
        None => format!("{path} must be {}", value.to_json()),
    }
}

fn validate(validate: Node<'_>) -> String {
    let message = line(text(validate, &["message"]));
    if !message.is_empty() {
        return message;
    }
    if let Some(standard) = validate.get("podSecurity") {
        return format!("Pods satisfy the {} Pod Security Standard", text(standard, &["level"]));
    }
    if let Some(pattern) = validate.get("pattern") {
        return fields(pattern, requirement);
    }
    if validate.get("anyPattern").is_some() {
        let all: Vec<String> = items(validate, &["anyPattern"])
            .map(|pattern| fields(pattern, requirement))
            .collect();
        return all.join("; or ");
    }
    if validate.get("deny").is_some() {
        "changes that meet the rule's conditions are refused".into()
    } else {
        "every element of a list satisfies a check".into()
    }
}

fn mutate(mutate: Node<'_>) -> String {
    if let Some(patch) = mutate.get("patchStrategicMerge") {
        return format!(
            "sets {}",
            fields(patch, |path, value| format!(
                "{path} to {}",
                value.as_str().map_or_else(|| value.to_json(), str::to_owned)
            ))
        );
    }
    if let Some(patch) = mutate.get("patchesJson6902") {
        let operations = patch
            .as_str()
            .and_then(|text| ridgeway_doc::parse_yaml(text).ok())
            .and_then(|docs| docs.into_iter().next());
        let paths: Vec<String> = operations
            .iter()
            .flat_map(|doc| doc.root().items())
            .map(|operation| format!("{} {}", text(operation, &["op"]), text(operation, &["path"])))
            .collect();
        return if paths.is_empty() {
            "changes the object".into()
        } else {
            listed(&paths)
        };
    }
    "changes the object, element by element".into()
}

fn target(target: Node<'_>) -> String {
    let place = match text(target, &["namespace"]) {
        "" => String::new(),
        namespace if namespace.contains("{{") => " in the namespace it is for".into(),
        namespace => format!(" in {namespace}"),
    };
    let from = match target.get("clone") {
        Some(clone) => format!(
            ", copied from {}/{}",
            text(clone, &["namespace"]),
            text(clone, &["name"])
        ),
        None => String::new(),
    };
    format!(
        "the {} {}{place}{from}",
        text(target, &["kind"]),
        text(target, &["name"])
    )
}

fn generate(generate: Node<'_>) -> String {
    let targets: Vec<String> = match generate.get("foreach") {
        Some(list) => list.items().map(target).collect(),
        None => vec![target(generate)],
    };
    let kept = generate.get("synchronize").and_then(Node::as_bool).unwrap_or(false);
    let then = if kept {
        ", and keeps it as the policy says"
    } else {
        ", once"
    };
    format!("makes {}{then}", listed(&targets))
}

/// What a rule asks for.
pub(crate) fn rule(rule: Node<'_>) -> String {
    match (rule.get("validate"), rule.get("mutate"), rule.get("generate")) {
        (Some(node), ..) => validate(node),
        (_, Some(node), _) => mutate(node),
        (.., Some(node)) => generate(node),
        _ => String::new(),
    }
}

fn strings(node: Node<'_>, path: &[&str]) -> Vec<String> {
    items(node, path).filter_map(Node::as_str).map(str::to_owned).collect()
}

/// One filter of a `match` or `exclude`.
fn filter(node: Node<'_>) -> String {
    let resources = node.get("resources").unwrap_or(node);
    let mut out = listed(&strings(resources, &["kinds"]));
    let mut with = |before: &str, list: Vec<String>| {
        if !list.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&format!("{before} {}", listed(&list)));
        }
    };
    let mut names = strings(resources, &["names"]);
    names.extend(resources.str_at(&["name"]).map(str::to_owned));
    with("named", names);
    with("in", strings(resources, &["namespaces"]));
    with("on", strings(resources, &["operations"]));
    for (key, before) in [
        ("selector", "labelled"),
        ("namespaceSelector", "in namespaces labelled"),
    ] {
        let labels = resources.at(&[key, "matchLabels"]).into_iter().flat_map(Node::members);
        let mut said: Vec<String> = labels
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect();
        said.extend(items(resources, &[key, "matchExpressions"]).map(|e| {
            let values = strings(e, &["values"]);
            line(&format!(
                "{} {} {}",
                text(e, &["key"]),
                text(e, &["operator"]),
                values.join("|")
            ))
        }));
        with(before, said);
    }
    let people = items(node, &["subjects"])
        .map(|s| format!("{} {}", text(s, &["kind"]), text(s, &["name"])))
        .collect();
    with("by", people);
    with(
        "by those with the role",
        strings(node, &["clusterRoles"])
            .into_iter()
            .chain(strings(node, &["roles"]))
            .collect(),
    );
    out
}

fn block(node: Node<'_>) -> String {
    let any: Vec<String> = items(node, &["any"])
        .map(filter)
        .filter(|said| !said.is_empty())
        .collect();
    let all: Vec<String> = items(node, &["all"])
        .map(filter)
        .filter(|said| !said.is_empty())
        .collect();
    match (any.is_empty(), all.is_empty()) {
        (false, _) => any.join("; "),
        (_, false) => all.join(", "),
        _ => filter(node),
    }
}

/// What a rule is for.
pub(crate) fn applies(rule: Node<'_>) -> String {
    let mut out = rule.get("match").map(block).unwrap_or_default();
    if let Some(excluded) = rule.get("exclude").map(block).filter(|said| !said.is_empty()) {
        out.push_str(&format!(", except {excluded}"));
    }
    if rule.get("preconditions").is_some() {
        out.push_str(", where its preconditions hold");
    }
    out
}

/// What a constraint is for.
pub(crate) fn constraint(constraint: Node<'_>) -> String {
    let kinds: Vec<String> = items(constraint, &["spec", "match", "kinds"])
        .flat_map(|entry| strings(entry, &["kinds"]))
        .collect();
    let mut out = if kinds.is_empty() {
        "every object".to_owned()
    } else {
        listed(&kinds)
    };
    for (key, before) in [("namespaces", "in"), ("excludedNamespaces", "outside")] {
        let list = strings(constraint, &["spec", "match", key]);
        if !list.is_empty() {
            out.push_str(&format!(" {before} {}", listed(&list)));
        }
    }
    out
}

/// What a policy in CEL asks for: the messages of its validations, or its expressions.
pub(crate) fn cel(policy: Node<'_>, list: &str) -> String {
    let said: Vec<String> = items(policy, &["spec", list])
        .map(|item| {
            let message = ["message", "expression"].iter().find_map(|key| item.str_at(&[key]));
            let deep = ["applyConfiguration", "jsonPatch"]
                .iter()
                .find_map(|key| item.str_at(&[key, "expression"]));
            let text = message.or(deep).unwrap_or_default();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    said.join("; ")
}

/// The requests that `matchConstraints` name.
pub(crate) fn constraints(policy: Node<'_>) -> String {
    let rules = items(policy, &["spec", "matchConstraints", "resourceRules"]);
    let resources: Vec<String> = rules.flat_map(|rule| strings(rule, &["resources"])).collect();
    let mut out = listed(&resources);
    let conditions: Vec<&str> = items(policy, &["spec", "matchConditions"])
        .filter_map(|item| item.str_at(&["expression"]))
        .collect();
    if !conditions.is_empty() {
        out.push_str(&format!(", where {}", conditions.join(" and ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn words() {
        for (yaml, want) in [
            ("validate: {message: \"Say\\n  it\"}", "Say it"),
            (
                "validate: {pattern: {spec: {=(hostPID): false, containers: [{image: '?*'}]}}}",
                "spec.hostPID must be false and spec.containers[].image must be set",
            ),
            (
                "validate: {podSecurity: {level: baseline}}",
                "Pods satisfy the baseline Pod Security Standard",
            ),
            (
                "mutate: {patchStrategicMerge: {metadata: {labels: {+(team): x}}}}",
                "sets metadata.labels.team to x",
            ),
            (
                "mutate: {patchesJson6902: \"- {op: add, path: /a, value: 1}\"}",
                "add /a",
            ),
            (
                "generate: {kind: Secret, name: pull, namespace: '{{request.object.metadata.name}}', synchronize: true, clone: {namespace: ops, name: pull}}",
                "makes the Secret pull in the namespace it is for, copied from ops/pull, and keeps it as the policy says",
            ),
        ] {
            let doc = parse_yaml(yaml).unwrap().remove(0);
            assert_eq!(rule(doc.root()), want);
        }
    }

    #[test]
    fn what_rules_apply_to() {
        for (yaml, want) in [
            (
                "match: {any: [{resources: {kinds: [Pod, Job], namespaces: [shop]}}]}",
                "Pod and Job in shop",
            ),
            (
                "match: {resources: {kinds: [Namespace]}}\nexclude: {any: [{resources: {names: [default, kube-*]}}]}",
                "Namespace, except named default and kube-*",
            ),
            (
                "match: {all: [{resources: {kinds: [Pod], operations: [CREATE], selector: {matchLabels: {a: b}}}}]}\npreconditions: {}",
                "Pod on CREATE labelled a=b, where its preconditions hold",
            ),
        ] {
            let doc = parse_yaml(yaml).unwrap().remove(0);
            assert_eq!(applies(doc.root()), want);
        }
    }
}
