//! Rules for Pods, carried over to the controllers that make Pods.

use ridgeway_doc::{Kind, Node, Value};

const ANNOTATION: &str = "pod-policies.kyverno.io/autogen-controllers";
const CONTROLLERS: [&str; 6] = [
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// The kinds as rules for them name them.
fn full_kind(kind: &str) -> String {
    match kind {
        "ReplicationController" => "v1/ReplicationController".into(),
        "Job" | "CronJob" => format!("batch/v1/{kind}"),
        other => format!("apps/v1/{other}"),
    }
}

fn kinds_of(filter: Node<'_>) -> Vec<&str> {
    filter
        .at(&["resources", "kinds"])
        .map(|kinds| kinds.items().filter_map(Node::as_str).collect())
        .unwrap_or_default()
}

fn is_pod(kind: &str) -> bool {
    let last = kind.rsplit('/').next().unwrap_or(kind);
    last == "Pod"
}

/// The blocks of a `match` or `exclude`, whatever its form.
fn filters(block: Node<'_>) -> Vec<Node<'_>> {
    for key in ["any", "all"] {
        if let Some(list) = block.get(key)
            && !list.is_empty()
        {
            return list.items().collect();
        }
    }
    vec![block]
}

/// Which controllers the policy's rules are carried over to; empty when none.
fn controllers(policy: Node<'_>) -> Vec<String> {
    let mut needed = false;
    for rule in policy.at(&["spec", "rules"]).into_iter().flat_map(Node::items) {
        if rule.get("generate").is_some() || rule.at(&["mutate", "patchesJson6902"]).is_some() {
            return Vec::new();
        }
        if rule
            .at(&["mutate", "foreach"])
            .is_some_and(|list| list.items().any(|f| f.get("patchesJson6902").is_some()))
        {
            return Vec::new();
        }
        for block in ["match", "exclude"].iter().filter_map(|key| rule.get(key)) {
            for filter in filters(block) {
                let kinds = kinds_of(filter);
                let has = |key: &str| filter.at(&["resources", key]).is_some();
                let mixed = kinds.len() > 1 && kinds.iter().any(|kind| is_pod(kind));
                if has("name") || has("names") || has("selector") || has("annotations") || mixed {
                    return Vec::new();
                }
                needed |= kinds
                    .iter()
                    .any(|kind| *kind == "Pod" || *kind == "CronJob" || CONTROLLERS.contains(kind));
            }
        }
    }
    if !needed {
        return Vec::new();
    }
    let all = || {
        CONTROLLERS
            .iter()
            .copied()
            .chain(["CronJob"])
            .map(str::to_owned)
            .collect()
    };
    match policy
        .at(&["metadata", "annotations"])
        .and_then(|a| a.str_at(&[ANNOTATION]))
    {
        None | Some("all") => all(),
        Some("none") => Vec::new(),
        Some(list) => list.split(',').map(|kind| kind.trim().to_owned()).collect(),
    }
}

/// The rules that stand beside a policy's own, each with the index of the rule it comes from.
pub(crate) fn rules(policy: Node<'_>) -> Vec<(usize, Value)> {
    let controllers = controllers(policy);
    if controllers.is_empty() {
        return Vec::new();
    }
    let plain: Vec<&str> = CONTROLLERS
        .iter()
        .copied()
        .filter(|kind| controllers.iter().any(|c| c == kind))
        .collect();
    let cron = controllers.iter().any(|kind| kind == "CronJob");
    let mut out = Vec::new();
    for (i, rule) in policy
        .at(&["spec", "rules"])
        .into_iter()
        .flat_map(Node::items)
        .enumerate()
    {
        if !carries(rule) {
            continue;
        }
        if !plain.is_empty() {
            out.extend(carried(rule, "autogen", &plain, &["template"]).map(|rule| (i, rule)));
        }
        if cron {
            out.extend(
                carried(
                    rule,
                    "autogen-cronjob",
                    &["CronJob"],
                    &["jobTemplate", "spec", "template"],
                )
                .map(|r| (i, r)),
            );
        }
    }
    out
}

fn carries(rule: Node<'_>) -> bool {
    let name = rule.str_at(&["name"]).unwrap_or_default();
    let names_pod = |key: &str| {
        let kinds: Vec<&str> = rule.get(key).into_iter().flat_map(filters).flat_map(kinds_of).collect();
        (kinds.is_empty(), kinds.iter().any(|kind| is_pod(kind)))
    };
    let ((_, matched), (no_exclude, excluded)) = (names_pod("match"), names_pod("exclude"));
    !name.starts_with("autogen-") && matched && (no_exclude || excluded)
}

fn carried(rule: Node<'_>, prefix: &str, kinds: &[&str], template: &[&str]) -> Option<Value> {
    let mut out = rule.to_value();
    let name: String = format!("{prefix}-{}", rule.str_at(&["name"])?)
        .chars()
        .take(63)
        .collect();
    out.set(&["name"], name);
    for key in ["match", "exclude"] {
        if let Some(block) = out.get_mut(key) {
            rename_kinds(block, kinds);
        }
    }
    let shift = |node: Node<'_>| -> Value {
        template.iter().rev().fold(node.to_value(), |inner, key| {
            let mut outer = Value::object();
            outer.set(&[key], inner);
            outer
        })
    };
    let under_spec = |node: Node<'_>| -> Value {
        let mut outer = Value::object();
        outer.set(&["spec"], shift(node));
        outer
    };
    if let Some(mutate) = rule.get("mutate") {
        if let Some(patch) = mutate.get("patchStrategicMerge") {
            out.set(&["mutate", "patchStrategicMerge"], under_spec(patch));
        } else if let Some(list) = mutate.get("foreach") {
            let items = list.items().map(|item| {
                let mut carried = item.to_value();
                if let Some(patch) = item.get("patchStrategicMerge") {
                    carried.set(&["patchStrategicMerge"], under_spec(patch));
                }
                carried
            });
            out.set(&["mutate", "foreach"], items.collect::<Value>());
        } else {
            return None;
        }
    } else if let Some(validate) = rule.get("validate") {
        if let Some(pattern) = validate.get("pattern") {
            out.set(&["validate", "pattern"], under_spec(pattern));
        } else if let Some(any) = validate.get("anyPattern") {
            out.set(
                &["validate", "anyPattern"],
                any.items().map(under_spec).collect::<Value>(),
            );
        }
    } else if rule.get("verifyImages").is_none() {
        return None;
    }
    if rule.at(&["validate", "cel"]).is_some() {
        let template = format!("spec.{}", template.join("."));
        for part in ["validate", "celPreconditions"] {
            if let Some(part) = out.get_mut(part) {
                crate::cel_policy::rewrite(part, &template);
            }
        }
        return Some(out);
    }
    // Expressions look into the template; the block that selects is about the controller itself.
    let prefix = format!("spec.{}", template.join("."));
    let selectors: Vec<(&str, Option<Value>)> = ["match", "exclude"]
        .into_iter()
        .map(|key| (key, out.remove(&[key])))
        .collect();
    rewrite(&mut out, &prefix);
    for (key, block) in selectors {
        if let Some(block) = block {
            out.set(&[key], block);
        }
    }
    Some(out)
}

fn rename_kinds(block: &mut Value, kinds: &[&str]) {
    let names = || kinds.iter().map(|kind| Value::from(full_kind(kind))).collect::<Value>();
    let grouped = ["any", "all"]
        .into_iter()
        .find(|key| block.node().get(key).is_some_and(|list| !list.is_empty()));
    match grouped {
        Some(key) => {
            for filter in block.get_mut(key).into_iter().flat_map(Value::make_array) {
                if kinds_of(filter.node()).iter().any(|kind| is_pod(kind)) {
                    filter.set(&["resources", "kinds"], names());
                }
            }
        }
        None => {
            if block.node().at(&["resources", "kinds"]).is_some() {
                block.set(&["resources", "kinds"], names());
            }
        }
    }
}

fn rewrite(value: &mut Value, prefix: &str) {
    match value.kind() {
        Kind::String => {
            let text = value.as_str().unwrap_or_default();
            if text.contains("request.") {
                *value = rewritten(text, prefix).into();
            }
        }
        Kind::Array => value.make_array().iter_mut().for_each(|item| rewrite(item, prefix)),
        Kind::Object => {
            let map = value.make_object();
            let old = std::mem::take(map);
            for (key, mut member) in old {
                rewrite(&mut member, prefix);
                map.insert(rewritten(&key, prefix), member);
            }
        }
        _ => {}
    }
}

fn rewritten(text: &str, prefix: &str) -> String {
    let mut out = text.to_owned();
    for object in ["request.object", "request.oldObject"] {
        for field in ["spec", "metadata"] {
            let from = format!("{object}.{field}");
            // The `spec` of the prefix must not be found again: one pass over what was there.
            out = out
                .split(&from)
                .collect::<Vec<_>>()
                .join(&format!("{object}.\u{0}{field}"));
        }
    }
    out.replace('\u{0}', &format!("{prefix}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridgeway_doc::parse_yaml;

    #[test]
    fn pod_rules_reach_controllers() {
        let docs = parse_yaml(
            "metadata: {name: p}\nspec:\n  rules:\n  - name: r\n    match: {any: [{resources: {kinds: [Pod]}}]}\n    preconditions:\n      all: [{key: '{{ request.object.spec.x }}', operator: Equals, value: '{{request.object.metadata.name}}'}]\n    validate:\n      pattern: {spec: {containers: [{name: '?*'}]}}\n",
        )
        .unwrap();
        let rules = rules(docs[0].root());
        assert_eq!(rules.len(), 2);
        let (_, first) = &rules[0];
        assert_eq!(first.node().str_at(&["name"]), Some("autogen-r"));
        assert!(
            first
                .node()
                .at(&["validate", "pattern", "spec", "template", "spec", "containers"])
                .is_some()
        );
        assert!(
            first.to_json().contains("request.object.spec.template.spec.x"),
            "{first}"
        );
        assert!(first.to_json().contains("apps/v1/Deployment"), "{first}");
        let (_, cron) = &rules[1];
        assert_eq!(cron.node().str_at(&["name"]), Some("autogen-cronjob-r"));
        assert!(
            cron.to_json()
                .contains("request.object.spec.jobTemplate.spec.template.metadata.name"),
            "{cron}"
        );
    }
}
