//! One rule of a role as it is written, and how it is shown in messages.

use ridgeway_doc::{Node, Value};

/// A policy rule: verbs on resources of API groups, or on paths outside the resource API.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRule {
    /// Verbs; `*` for all.
    pub verbs: Vec<String>,
    /// API groups, empty text for core; `*` for all.
    pub api_groups: Vec<String>,
    /// Resources: `pods`, `pods/log`, `*/scale` or `*`.
    pub resources: Vec<String>,
    /// The only objects meant; empty for all.
    pub resource_names: Vec<String>,
    /// Paths: exact, or ending in `*`.
    pub non_resource_urls: Vec<String>,
}

fn texts(rule: Node<'_>, key: &str) -> Vec<String> {
    let items = rule.get(key).map(Node::items).into_iter().flatten();
    items.filter_map(Node::as_str).map(Into::into).collect()
}

impl PolicyRule {
    /// Reads an item of a role's `rules`. What is not a list of strings counts as empty and so grants nothing.
    pub fn of(rule: Node<'_>) -> PolicyRule {
        PolicyRule {
            verbs: texts(rule, "verbs"),
            api_groups: texts(rule, "apiGroups"),
            resources: texts(rule, "resources"),
            resource_names: texts(rule, "resourceNames"),
            non_resource_urls: texts(rule, "nonResourceURLs"),
        }
    }

    /// The rules of a role object.
    pub(crate) fn all_of(role: Node<'_>) -> Vec<PolicyRule> {
        role.get("rules")
            .map(Node::items)
            .into_iter()
            .flatten()
            .map(PolicyRule::of)
            .collect()
    }

    /// The rule in the form of the API, without empty lists.
    pub fn to_value(&self) -> Value {
        let mut value = Value::object();
        for (key, list) in [
            ("verbs", &self.verbs),
            ("apiGroups", &self.api_groups),
            ("resources", &self.resources),
            ("resourceNames", &self.resource_names),
            ("nonResourceURLs", &self.non_resource_urls),
        ] {
            if !list.is_empty() || key == "verbs" {
                value.set(&[key], list.iter().map(String::as_str).collect::<Value>());
            }
        }
        value
    }

    /// One line, as kube-apiserver shows rules in refusals: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`.
    pub fn compact(&self) -> String {
        let mut parts = Vec::new();
        for (name, list) in [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ] {
            if !list.is_empty() {
                parts.push(format!("{name}:{}", quoted(list)));
            }
        }
        format!("{{{}}}", parts.join(", "))
    }
}

/// `["a" "b"]`, as Go prints quoted lists.
pub(crate) fn quoted(list: &[String]) -> String {
    let items: Vec<_> = list.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}

/// Whether a path pattern of a rule covers a path (or a narrower pattern).
pub(crate) fn url_covers(pattern: &str, path: &str) -> bool {
    pattern == "*" || pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_shows_as_the_api_server_shows_it() {
        let text =
            br#"{"apiGroups":["apps",""],"resources":["deployments"],"verbs":["get","list"],"resourceNames":["web"]}"#;
        let doc = ridgeway_doc::Doc::parse_json(text).unwrap();
        let rule = PolicyRule::of(doc.root());
        let want = r#"{APIGroups:["apps" ""], Resources:["deployments"], ResourceNames:["web"], Verbs:["get" "list"]}"#;
        assert_eq!(rule.compact(), want);
        assert_eq!(rule.to_value().node(), doc.root());
    }

    #[test]
    fn path_patterns() {
        for (pattern, path, covers) in [
            ("*", "/x", true),
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/ready", false),
            ("/healthz/*", "/healthz/ready", true),
            ("/healthz*", "/healthz", true),
            ("/healthz/*", "/healthz", false),
            ("/api**", "/apis", true),
            ("", "/x", false),
        ] {
            assert_eq!(url_covers(pattern, path), covers, "{pattern} {path}");
        }
    }
}
