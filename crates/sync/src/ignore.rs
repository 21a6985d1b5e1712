//! `ignoreDifferences`: fields that a diff leaves out.

use ridgeway_doc::{Node, Pointer, Value};
use ridgeway_krm::Gvk;

use crate::error::SyncError;
use crate::text;

/// One rule of `spec.ignoreDifferences`.
#[derive(Clone, Debug, Default)]
pub struct IgnoreRule {
    group: String,
    kind: String,
    name: String,
    namespace: String,
    paths: Vec<Vec<Step>>,
    pub(crate) managers: Vec<String>,
}

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Each,
    /// `select(.field == "value")`
    Where(String, String),
}

impl IgnoreRule {
    /// Reads the list. `jsonPointers` are RFC 6901; of jq, paths with `.key`, `["key"]`, `[n]`, `[]` and
    /// `select(.field == "value")` are understood, joined by `|`.
    pub fn from_spec(list: Option<Node<'_>>) -> Result<Vec<IgnoreRule>, SyncError> {
        let items = list.map(Node::items).into_iter().flatten();
        items.enumerate().map(|(i, rule)| IgnoreRule::read(rule, i)).collect()
    }

    fn read(rule: Node<'_>, index: usize) -> Result<IgnoreRule, SyncError> {
        let fail = |field: &str, message: String| SyncError::Option {
            object: "Application".into(),
            field: format!("spec.ignoreDifferences[{index}].{field}"),
            message,
        };
        let list = |key: &str| {
            rule.get(key)
                .map(Node::items)
                .into_iter()
                .flatten()
                .filter_map(Node::as_str)
        };
        let mut paths = Vec::new();
        for pointer in list("jsonPointers") {
            let parsed = Pointer::parse(pointer).map_err(|error| fail("jsonPointers", error.to_string()))?;
            let step = |token: &String| match token.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(token.clone()),
            };
            paths.push(parsed.tokens().iter().map(step).collect());
        }
        for expression in list("jqPathExpressions") {
            let path = jq(expression).ok_or_else(|| {
                fail(
                    "jqPathExpressions",
                    format!(
                        "`{expression}` is not understood; use `.key`, `[\"key\"]`, `[n]`, `[]` and \
                         `select(.field == \"value\")`, or `jsonPointers`"
                    ),
                )
            })?;
            paths.push(path);
        }
        Ok(IgnoreRule {
            group: text(rule, &["group"]).into(),
            kind: text(rule, &["kind"]).into(),
            name: text(rule, &["name"]).into(),
            namespace: text(rule, &["namespace"]).into(),
            paths,
            managers: list("managedFieldsManagers").map(str::to_owned).collect(),
        })
    }

    /// Whether the rule is about an object. `*` matches any group or kind.
    pub(crate) fn matches(&self, object: Node<'_>) -> bool {
        let gvk = Gvk::of(object).unwrap_or_default();
        let is = |rule: &str, value: &str| rule == "*" || rule == value;
        is(&self.group, &gvk.group)
            && is(&self.kind, &gvk.kind)
            && (self.name.is_empty() || self.name == text(object, &["metadata", "name"]))
            && (self.namespace.is_empty() || self.namespace == text(object, &["metadata", "namespace"]))
    }

    /// Takes the ignored fields out of an object.
    pub(crate) fn strip(&self, object: &mut Value) {
        for path in &self.paths {
            remove(object, path);
        }
    }
}

fn remove(value: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    match step {
        Step::Where(field, wanted) => {
            if value.node().str_at(&[field]) == Some(wanted) {
                remove(value, rest);
            }
        }
        Step::Key(key) if rest.is_empty() => {
            if value.node().is_object() {
                value.remove(&[key]);
            }
        }
        Step::Key(key) => {
            if let Some(member) = value.at_mut(&[key]) {
                remove(member, rest);
            }
        }
        Step::Index(index) => {
            let Some(items) = value.as_array_mut() else {
                // A pointer's number may also be a key.
                return remove(value, &[&[Step::Key(index.to_string())], rest].concat());
            };
            if rest.is_empty() && *index < items.len() {
                items.remove(*index);
            } else if let Some(item) = items.get_mut(*index) {
                remove(item, rest);
            }
        }
        Step::Each => {
            if let Some(items) = value.as_array_mut() {
                if rest.is_empty() {
                    items.clear();
                } else {
                    // A condition at the end of the path takes whole items out.
                    if let [Step::Where(field, wanted)] = rest {
                        items.retain(|item| item.node().str_at(&[field]) != Some(wanted));
                        return;
                    }
                    items.iter_mut().for_each(|item| remove(item, rest));
                }
            }
        }
    }
}

/// A path in the part of jq that paths need.
fn jq(expression: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in expression.split('|') {
        let part = part.trim();
        if let Some(condition) = part.strip_prefix("select(").and_then(|p| p.strip_suffix(')')) {
            let (field, value) = condition.split_once("==")?;
            let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
            steps.push(Step::Where(
                field.trim().strip_prefix('.')?.to_owned(),
                value.to_owned(),
            ));
            continue;
        }
        let mut rest = part.strip_prefix('.')?;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (inside, after) = inner.split_once(']')?;
                steps.push(match inside {
                    "" => Step::Each,
                    quoted if quoted.starts_with('"') => {
                        Step::Key(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned())
                    }
                    number => Step::Index(number.parse().ok()?),
                });
                rest = after.trim_start_matches('?');
            } else {
                rest = rest.strip_prefix('.').unwrap_or(rest);
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let key = rest[..end].trim_end_matches('?');
                let key = key.strip_prefix('"').and_then(|k| k.strip_suffix('"')).unwrap_or(key);
                if key.is_empty() || key.contains(['(', ')', ' ', ',']) {
                    return None;
                }
                steps.push(Step::Key(key.to_owned()));
                rest = &rest[end..];
            }
        }
    }
    (!steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn stripped(rule: &str) -> String {
        let rules = parse_yaml(&format!("- {{group: apps, kind: Deployment, {rule}}}")).unwrap();
        let rules = IgnoreRule::from_spec(Some(rules[0].root())).unwrap();
        let object = parse_yaml(
            "{apiVersion: apps/v1, kind: Deployment, metadata: {annotations: {a/b: x}}, \
             spec: {replicas: 3, list: [{name: app, image: i}, {name: side, image: j}]}}",
        )
        .unwrap();
        assert!(rules[0].matches(object[0].root()));
        let mut value = object[0].root().to_value();
        rules[0].strip(&mut value);
        value.node().at(&["spec"]).unwrap().to_json() + &value.node().at(&["metadata"]).unwrap().to_json()
    }

    #[test]
    fn paths() {
        let (list, meta) = (
            r#"[{"name":"app","image":"i"},{"name":"side","image":"j"}]"#,
            r#"{"annotations":{"a/b":"x"}}"#,
        );
        for (rule, want) in [
            ("jsonPointers: [/spec/replicas]", format!(r#"{{"list":{list}}}{meta}"#)),
            (
                "jsonPointers: [/metadata/annotations/a~1b]",
                format!(r#"{{"replicas":3,"list":{list}}}{{"annotations":{{}}}}"#),
            ),
            (
                "jsonPointers: [/spec/list/1/image]",
                format!(r#"{{"replicas":3,"list":[{{"name":"app","image":"i"}},{{"name":"side"}}]}}{meta}"#),
            ),
            (
                "jqPathExpressions: ['.spec.list[] | select(.name == \"app\") | .image']",
                format!(r#"{{"replicas":3,"list":[{{"name":"app"}},{{"name":"side","image":"j"}}]}}{meta}"#),
            ),
            (
                "jqPathExpressions: ['.spec.list[] | select(.name == \"app\")']",
                format!(r#"{{"replicas":3,"list":[{{"name":"side","image":"j"}}]}}{meta}"#),
            ),
            (
                "jqPathExpressions: ['.spec.list[].image']",
                format!(r#"{{"replicas":3,"list":[{{"name":"app"}},{{"name":"side"}}]}}{meta}"#),
            ),
            (
                "jqPathExpressions: ['.metadata.annotations[\"a/b\"]']",
                format!(r#"{{"replicas":3,"list":{list}}}{{"annotations":{{}}}}"#),
            ),
        ] {
            assert_eq!(stripped(rule), want, "{rule}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        let rules = parse_yaml("- {jqPathExpressions: ['.spec | to_entries']}").unwrap();
        let error = IgnoreRule::from_spec(Some(rules[0].root())).unwrap_err().to_string();
        assert!(
            error.contains("spec.ignoreDifferences[0].jqPathExpressions") && error.contains("to_entries"),
            "{error}"
        );
    }
}
