//! Candidates for rules in expressions: the fields their text names, with the values their parameters name.

use std::collections::BTreeSet;

use ridgeway_doc::{Node, Value};

use super::candidates::{PLACEHOLDER, placeholder};
use super::edit::Edit;
use crate::explain::{reads, strings};
use crate::path::{FieldPath, Segment};
use crate::verdict::{Dialect, RuleResult};

/// More would take longer than a person waits.
const MOST: usize = 400;

/// Fields that a workload is nothing without.
const ESSENTIAL: [&str; 9] = [
    "name",
    "image",
    "containers",
    "initContainers",
    "template",
    "selector",
    "spec",
    "metadata",
    "volumes",
];

/// Fields that tie objects together: another value makes it another thing.
const IDENTITY: [&str; 5] = ["selector", "matchLabels", "roleRef", "ownerReferences", "serviceName"];

/// Edits to try one by one, the gentlest first.
pub(crate) fn of_expressions(sources: &[Node<'_>], result: &RuleResult, object: Node<'_>) -> Vec<Vec<Edit>> {
    let Some((source, texts)) = texts(sources, result) else {
        return Vec::new();
    };
    let parameters = source.at(&["spec", "parameters"]);
    let mut out = required(parameters, object);
    let words: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))))
        .collect();
    let mut values = Vec::new();
    leaves_of(parameters, &mut values);
    let mut fields = Vec::new();
    collect(object, &mut FieldPath::default(), &mut fields);
    // What is there: another value, or none.
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (path, node) in &fields {
        let named = path.0.iter().rev().find_map(|segment| match segment {
            Segment::Key(key) => Some(words.contains(&**key)),
            Segment::Index(_) => None,
        });
        let keys = path.keys();
        let map = keys.iter().any(|key| matches!(*key, "annotations"));
        if !(named == Some(true) || map) || keys.iter().any(|key| IDENTITY.contains(key)) {
            continue;
        }
        let essential = keys.last().is_some_and(|last| ESSENTIAL.contains(last));
        if let Some(flag) = node.as_bool() {
            set.push(vec![Edit::set(path.clone(), !flag)]);
        }
        for value in values
            .iter()
            .filter(|value| !essential && alike(**value, *node) && **value != *node)
        {
            set.push(vec![Edit::set(path.clone(), value.to_value())]);
        }
        if !essential && keys.first() != Some(&"metadata") || map {
            removed.push(vec![Edit::remove(path.clone())]);
        }
    }
    // What is not there, but read: each value of the parameters.
    for path in texts.iter().flat_map(|text| reads::paths(text)) {
        for (path, node) in reads::places(&path, object) {
            let keys = FieldPath::parse(&path);
            let keys = keys.keys();
            let barred = keys.iter().any(|key| IDENTITY.contains(key))
                || keys.last().is_some_and(|last| ESSENTIAL.contains(last));
            if node.is_none() && !path.contains('*') && !barred {
                let values = values.iter().map(|value| value.to_value());
                for value in values.chain([Value::from(true), Value::from(false)]) {
                    set.push(vec![Edit::set(FieldPath::parse(&path), value)]);
                }
            }
        }
    }
    out.extend(set);
    // Short paths take more away: they come last.
    removed.sort_by_key(|group| std::cmp::Reverse(group[0].at.0.len()));
    out.extend(removed);
    out.truncate(MOST);
    out
}

/// The source of a rule in expressions, and every text of it.
fn texts<'a>(sources: &[Node<'a>], result: &RuleResult) -> Option<(Node<'a>, Vec<&'a str>)> {
    let (kind, name) = match result.dialect {
        Dialect::Gatekeeper => result.policy.split_once('/')?,
        Dialect::Kyverno | Dialect::Kubernetes => ("", result.policy.rsplit('/').next()?),
        Dialect::PodSecurity => return None,
    };
    let source = sources.iter().find(|source| {
        source.str_at(&["metadata", "name"]) == Some(name)
            && match kind {
                "" => source.str_at(&["apiVersion"]).is_some_and(|version| {
                    let own = version.starts_with("admissionregistration.k8s.io");
                    own == (result.dialect == Dialect::Kubernetes)
                        && (own || version.starts_with("policies.kyverno.io"))
                }),
                kind => source.str_at(&["kind"]) == Some(kind),
            }
    })?;
    let mut out = Vec::new();
    if kind.is_empty() {
        strings(source.get("spec"), &mut out);
    } else {
        let template = sources
            .iter()
            .find(|other| other.str_at(&["spec", "crd", "spec", "names", "kind"]) == Some(kind))?;
        strings(template.at(&["spec", "targets"]), &mut out);
    }
    Some((*source, out))
}

/// Labels and annotations that parameters ask for by key, with a value that their pattern allows.
fn required(parameters: Option<Node<'_>>, object: Node<'_>) -> Vec<Vec<Edit>> {
    let mut out = Vec::new();
    for place in ["labels", "annotations"] {
        let mut group = Vec::new();
        for item in parameters.and_then(|p| p.get(place)).into_iter().flat_map(Node::items) {
            let Some(key) = item.str_at(&["key"]).or(item.as_str()) else {
                continue;
            };
            let at = ["metadata", place, key].map(|key| Segment::Key(key.to_owned().into()));
            if item.str_at(&["allowedRegex"]).is_none_or(str::is_empty) {
                group.push(placeholder(FieldPath(at.to_vec()), object));
            } else if let Some(value) = sample(item.str_at(&["allowedRegex"]).unwrap_or_default(), object) {
                group.push(Edit {
                    placeholder: true,
                    ..Edit::set(FieldPath(at.to_vec()), value)
                });
            }
        }
        if !group.is_empty() {
            out.push(group);
        }
    }
    out
}

/// A text that a pattern allows.
fn sample(pattern: &str, object: Node<'_>) -> Option<String> {
    let name = object.str_at(&["metadata", "name"]).unwrap_or("name");
    let plain = pattern.trim_start_matches('^').trim_end_matches('$');
    let regex = crate::pattern_text::regex(pattern).ok()?;
    let made = crate::pattern_text::sample(&plain.replace("\\.", ".").replace('+', "{4}"), 1);
    let tries = [
        PLACEHOLDER,
        "changeme",
        name,
        "https://example.com",
        "me@example.com",
        "1",
        plain,
    ];
    let found = tries
        .iter()
        .find(|text| regex.is_match(text))
        .map(|text| (*text).to_owned());
    found.or(made.filter(|text| regex.is_match(text)))
}

/// Whether a value could stand where another one is.
fn alike(value: Node<'_>, other: Node<'_>) -> bool {
    let scalars = |node: Node<'_>| node.items().all(|item| !item.is_object() && !item.is_array());
    value.as_str().is_some() == other.as_str().is_some()
        && value.as_number().is_some() == other.as_number().is_some()
        && value.as_bool().is_some() == other.as_bool().is_some()
        && value.is_array() == other.is_array()
        && (!value.is_array() || scalars(value) && scalars(other) && !other.is_empty())
        && !value.is_object()
        && !other.is_object()
}

/// Every scalar and list below a node.
fn leaves_of<'a>(node: Option<Node<'a>>, out: &mut Vec<Node<'a>>) {
    let Some(node) = node else { return };
    if node.is_object() {
        node.members().for_each(|(_, member)| leaves_of(Some(member), out));
    } else if node.is_array() {
        out.push(node);
        node.items().for_each(|item| leaves_of(Some(item), out));
    } else if !node.is_null() {
        out.push(node);
    }
}

/// Every field of an object that may be edited, with its path.
fn collect<'a>(node: Node<'a>, at: &mut FieldPath, out: &mut Vec<(FieldPath, Node<'a>)>) {
    let top = at.0.len();
    let each = |segment: Segment, inner: Node<'a>, at: &mut FieldPath, out: &mut Vec<(FieldPath, Node<'a>)>| {
        at.0.push(segment);
        out.push((at.clone(), inner));
        collect(inner, at, out);
        at.0.pop();
    };
    if node.is_object() {
        for (key, member) in node.members() {
            if top == 0 && matches!(key, "apiVersion" | "kind" | "status") {
                continue;
            }
            each(Segment::Key(key.to_owned().into()), member, at, out);
        }
    } else if node.is_array() {
        for (i, item) in node.items().enumerate() {
            each(Segment::Index(i), item, at, out);
        }
    }
}
