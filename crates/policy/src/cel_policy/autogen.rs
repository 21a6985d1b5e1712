//! Policies for Pods, carried over to the controllers that make Pods.

use ridgeway_doc::{Kind, Map, Node, Value};

/// Plural, group, version of the controllers, and whether they hold the template one level deeper.
const CONTROLLERS: [(&str, &str, bool); 6] = [
    ("daemonsets", "apps", false),
    ("deployments", "apps", false),
    ("jobs", "batch", false),
    ("replicasets", "apps", false),
    ("statefulsets", "apps", false),
    ("cronjobs", "batch", true),
];

/// Whether constraints are about Pods and nothing else.
fn only_pods(constraints: Node<'_>) -> bool {
    let selector = constraints.get("objectSelector");
    let selects = ["matchLabels", "matchExpressions"]
        .iter()
        .any(|key| selector.and_then(|s| s.get(key)).is_some_and(|part| !part.is_empty()));
    let excludes = constraints
        .get("excludeResourceRules")
        .is_some_and(|rules| !rules.is_empty());
    let Some(rules) = constraints.get("resourceRules").filter(|rules| rules.len() == 1) else {
        return false;
    };
    let Some(rule) = rules.item(0) else { return false };
    let only = |key: &str, text: &str| {
        rule.get(key)
            .is_some_and(|list| list.len() == 1 && list.item(0).and_then(Node::as_str) == Some(text))
    };
    let named = rule.get("resourceNames").is_some_and(|names| !names.is_empty());
    !selects && !excludes && !named && only("apiGroups", "") && only("apiVersions", "v1") && only("resources", "pods")
}

/// The specifications carried over: `defaults` and `cronjobs`, each with its name.
pub(super) fn specs(spec: Node<'_>, mutates: bool) -> Vec<(&'static str, Value)> {
    let Some(constraints) = spec.get("matchConstraints").filter(|node| only_pods(*node)) else {
        return Vec::new();
    };
    let chosen = spec.at(&["autogen", "podControllers", "controllers"]);
    let wanted = |plural: &str| chosen.is_none_or(|list| list.items().any(|item| item == plural));
    let mut out = Vec::new();
    for (name, deep, template) in [
        ("defaults", false, "spec.template"),
        ("cronjobs", true, "spec.jobTemplate.spec.template"),
    ] {
        let controllers: Vec<_> = CONTROLLERS.iter().filter(|(p, _, d)| *d == deep && wanted(p)).collect();
        if controllers.is_empty() {
            continue;
        }
        let operations = constraints
            .get("resourceRules")
            .and_then(|r| r.item(0))
            .and_then(|r| r.get("operations"))
            .map(Node::to_value);
        let rules = controllers.iter().map(|(plural, group, _)| {
            let mut rule = Map::new();
            rule.insert("apiGroups", [*group].into_iter().collect::<Value>());
            rule.insert("apiVersions", ["v1"].into_iter().collect::<Value>());
            rule.insert("resources", [*plural].into_iter().collect::<Value>());
            rule.insert("operations", operations.clone());
            Value::from(rule)
        });
        let rules: Value = rules.collect();
        let mut carried = spec.to_value();
        carried.remove(&["matchConstraints"]);
        if mutates {
            for list in ["matchConditions", "mutations"] {
                if let Some(list) = carried.get_mut(list) {
                    expressions(list, &|text| mutation(text, template));
                }
            }
        } else {
            expressions(&mut carried, &|text| moved(text, template));
        }
        carried.set(&["matchConstraints", "resourceRules"], rules);
        if let Some(selector) = constraints.get("namespaceSelector") {
            carried.set(&["matchConstraints", "namespaceSelector"], selector.to_value());
        }
        out.push((name, carried));
    }
    out
}

/// The rule of a `ClusterPolicy` in CEL, for a template that lies deeper.
pub(crate) fn rewrite(value: &mut Value, template: &str) {
    expressions(value, &|text| moved(text, template));
}

fn expressions(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value.kind() {
        Kind::Object => {
            for (key, member) in value.make_object().iter_mut() {
                let expression = matches!(key, "expression" | "messageExpression" | "valueExpression");
                match member.as_str() {
                    Some(text) if expression => *member = change(text).into(),
                    _ => expressions(member, change),
                }
            }
        }
        Kind::Array => value.make_array().iter_mut().for_each(|item| expressions(item, change)),
        _ => {}
    }
}

/// `object.spec` becomes `object.spec.template.spec`, and so for metadata; the namespace is the controller's own.
fn moved(text: &str, template: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(at) = rest.find("bject.") {
        let after = &rest[at + 6..];
        let field = ["spec", "metadata"].into_iter().find(|field| after.starts_with(field));
        let opens = rest[..at].ends_with('o') || rest[..at].ends_with("oldO");
        out.push_str(&rest[..at + 6]);
        rest = after;
        if let (Some(field), true) = (field, opens) {
            let tail = &after[field.len()..];
            let own = field == "metadata"
                && tail
                    .strip_prefix(".namespace")
                    .is_some_and(|t| !t.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
            if !own {
                out.push_str(template);
                out.push('.');
            }
            out.push_str(field);
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

/// As [`moved`], but of metadata only labels and annotations, and the object that is applied is put into the template.
fn mutation(text: &str, template: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find("bject.") {
        let after = &rest[at + 6..];
        let fields = ["spec", "metadata.labels", "metadata.annotations"];
        let name = rest[..at]
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .map_or(0, |i| i + 1);
        let ours = matches!(&rest[name..at], "o" | "O" | "oldO");
        let field = fields.into_iter().find(|field| ours && after.starts_with(field));
        out.push_str(&rest[..at + 6]);
        if let Some(field) = field {
            out.push_str(template);
            out.push('.');
            out.push_str(field);
        }
        rest = &after[field.map_or(0, str::len)..];
    }
    out.push_str(rest);
    let trimmed = out.trim();
    let Some(inner) = trimmed
        .strip_prefix("Object")
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('{'))
    else {
        return out;
    };
    let mut depth = 1;
    let Some(end) = inner.char_indices().find_map(|(i, c)| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        (depth == 0).then_some(i)
    }) else {
        return out;
    };
    let (mut open, mut close, mut path) = (String::from("Object{"), String::from("}"), String::from("Object"));
    for key in template.split('.') {
        path.push_str(&format!(".{key}"));
        open.push_str(&format!("{key}: {path}{{"));
        close.push('}');
    }
    format!("{open}{}{close}{}", &inner[..end], &inner[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_move_into_the_template() {
        let template = "spec.template";
        for (text, want) in [
            (
                "object.spec.x == oldObject.spec.x",
                "object.spec.template.spec.x == oldObject.spec.template.spec.x",
            ),
            ("object.metadata.namespace", "object.metadata.namespace"),
            ("object.metadata.namespaces", "object.spec.template.metadata.namespaces"),
            ("namespaceObject.metadata.name", "namespaceObject.metadata.name"),
            (
                "has(object.metadata.labels)",
                "has(object.spec.template.metadata.labels)",
            ),
        ] {
            assert_eq!(moved(text, template), want);
        }
        assert_eq!(
            mutation("Object{spec: Object.spec{x: object.spec.y}}", template),
            "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{x: object.spec.template.spec.y}}}}"
        );
    }
}
