//! Selecting resources: the `target` of patches and the `select` of replacements.

use regex::Regex;
use ridgeway_doc::Node;

use super::resource::{Id, Resource};

/// A selector with its patterns compiled.
pub(super) struct Selector {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

/// One requirement on labels or annotations.
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    /// Reads a selector; patterns are anchored regular expressions.
    pub(super) fn from_node(node: Node<'_>) -> Result<Selector, String> {
        for (key, _) in node.members() {
            let known = [
                "group",
                "version",
                "kind",
                "name",
                "namespace",
                "labelSelector",
                "annotationSelector",
                "apiVersion",
                "path",
                "fieldPath",
                "options",
            ];
            if !known.contains(&key) {
                return Err(format!(
                    "{key} is no field of a selector; use {}",
                    known[..7].join(", ")
                ));
            }
        }
        let pattern = |key: &str| -> Result<Option<Regex>, String> {
            match node.str_at(&[key]).filter(|s| !s.is_empty()) {
                None => Ok(None),
                Some(text) => Regex::new(&format!("^(?:{text})$"))
                    .map(Some)
                    .map_err(|_| format!("{key} {text:?} is no regular expression")),
            }
        };
        Ok(Selector {
            group: pattern("group")?,
            version: pattern("version")?,
            kind: pattern("kind")?,
            name: pattern("name")?,
            namespace: pattern("namespace")?,
            labels: requirements(node.str_at(&["labelSelector"]).unwrap_or_default())?,
            annotations: requirements(node.str_at(&["annotationSelector"]).unwrap_or_default())?,
        })
    }

    /// Whether the selector fits a resource, by what it is or was called first.
    pub(super) fn matches(&self, resource: &Resource) -> bool {
        let (now, first) = (resource.id(), resource.original_id());
        let fits = |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|p| p.is_match(text));
        let either = |pattern: &Option<Regex>, of: &dyn Fn(&Id) -> String| {
            pattern
                .as_ref()
                .is_none_or(|p| p.is_match(&of(&first)) || p.is_match(&of(&now)))
        };
        let metadata = |field: &str, wants: &[Requirement]| {
            let map = resource.node().at(&["metadata", field]);
            wants.iter().all(|want| want.holds(map))
        };
        fits(&self.group, &now.gvk.group)
            && fits(&self.version, &now.gvk.version)
            && fits(&self.kind, &now.gvk.kind)
            && either(&self.namespace, &|id| id.effective_namespace().to_owned())
            && either(&self.name, &|id| id.name.clone())
            && metadata("labels", &self.labels)
            && metadata("annotations", &self.annotations)
    }
}

impl Requirement {
    fn holds(&self, map: Option<Node<'_>>) -> bool {
        let get = |key: &str| map.and_then(|m| m.str_at(&[key]));
        match self {
            Requirement::Exists(key) => get(key).is_some(),
            Requirement::Absent(key) => get(key).is_none(),
            Requirement::In(key, values) => get(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Requirement::NotIn(key, values) => get(key).is_none_or(|v| !values.iter().any(|w| w == v)),
        }
    }
}

/// Parses a label selector as Kubernetes writes it.
fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
        .into_iter()
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(requirement)
        .collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let owned = |s: &str| s.trim().to_owned();
    let list = |s: &str| -> Option<Vec<String>> {
        let inner = s.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(owned).collect())
    };
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(owned(key), vec![owned(value)]));
    }
    if let Some((key, value)) = text.split_once('=') {
        return Ok(Requirement::In(owned(key), vec![owned(value.trim_start_matches('='))]));
    }
    let bad = || format!("{text:?} is no selector; write key=value, key!=value, key in (a,b), key or !key");
    if let Some((key, values)) = text.split_once(" notin ") {
        return Ok(Requirement::NotIn(owned(key), list(values).ok_or_else(bad)?));
    }
    if let Some((key, values)) = text.split_once(" in ") {
        return Ok(Requirement::In(owned(key), list(values).ok_or_else(bad)?));
    }
    match text.strip_prefix('!') {
        Some(key) => Ok(Requirement::Absent(owned(key))),
        None if text.contains([' ', '(']) => Err(bad()),
        None => Ok(Requirement::Exists(owned(text))),
    }
}
