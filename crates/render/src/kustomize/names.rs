//! Repairing references to objects whose names have changed.

use ridgeway_doc::{Kind, Node, Value};

use super::config::Config;
use super::fieldspec::FieldSpec;
use super::resource::{Id, Resource, Resources};
use super::tables::NameReference;
use crate::error::{Fault, RenderError};

/// What a candidate for a reference is and was called.
struct Candidate {
    name: String,
    namespace: String,
    id: Id,
    previous: Vec<Id>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

/// Rewrites every field that names an object by a name it no longer has.
pub(super) fn repair(resources: &mut Resources, config: &Config) -> Result<(), RenderError> {
    // Only what was renamed or moved can need a repair.
    let candidates: Vec<Candidate> = resources
        .0
        .iter()
        .filter(|r| !r.previous.is_empty())
        .map(|r| Candidate {
            name: r.name().to_owned(),
            namespace: r.namespace().to_owned(),
            id: r.id(),
            previous: r.previous.clone(),
            prefixes: r.prefixes.clone(),
            suffixes: r.suffixes.clone(),
        })
        .collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let mut faults = Vec::new();
    for resource in &mut resources.0 {
        let first = resource.original_id();
        let visible: Vec<&Candidate> = visible(resource, &candidates);
        for reference in &config.name_references {
            let fields: Vec<&FieldSpec> = reference
                .fields
                .iter()
                .filter(|f| f.selects(&first) && f.reaches(resource.node()))
                .collect();
            for field in fields {
                repair_field(resource, reference, field, &visible, &mut faults);
            }
        }
    }
    RenderError::check(faults)
}

/// What a resource could refer to: all, if it is cluster-scoped; else what is cluster-scoped, in its namespace, or in
/// a namespace that its subjects name.
fn visible<'c>(resource: &Resource, candidates: &'c [Candidate]) -> Vec<&'c Candidate> {
    let id = resource.id();
    if id.is_cluster_scoped() {
        return candidates.iter().collect();
    }
    let subjects: Vec<&str> = match id.gvk.kind.as_str() {
        "RoleBinding" => resource
            .node()
            .get("subjects")
            .into_iter()
            .flat_map(Node::items)
            .filter(|s| s.str_at(&["kind"]) == Some("ServiceAccount"))
            .filter_map(|s| s.str_at(&["namespace"]))
            .collect(),
        _ => Vec::new(),
    };
    candidates
        .iter()
        .filter(|c| {
            c.id.is_cluster_scoped()
                || c.id.effective_namespace() == id.effective_namespace()
                || subjects.contains(&c.namespace.as_str())
                || c.previous.iter().any(|p| subjects.contains(&p.namespace.as_str()))
        })
        .collect()
}

fn repair_field(
    resource: &mut Resource,
    reference: &NameReference,
    field: &FieldSpec,
    visible: &[&Candidate],
    faults: &mut Vec<Fault>,
) {
    let (id, prefixes, suffixes) = (resource.id(), resource.prefixes.clone(), resource.suffixes.clone());
    // A role binding says what its role is, so a Role is not taken for a ClusterRole of the same name.
    let role = field.path.ends_with("roleRef/name").then(|| {
        let text = |key: &str| resource.node().str_at(&["roleRef", key]).unwrap_or_default().to_owned();
        (text("apiGroup"), text("kind"))
    });
    let select = |old: &str, namespace: Option<&str>, whole: bool| -> Result<Option<&Candidate>, String> {
        let mut found: Vec<&Candidate> = visible
            .iter()
            .copied()
            .filter(|c| c.previous.iter().any(|p| p.name == old))
            .filter(|c| {
                let is = |p: &Id| p.is_selected(&reference.group, &reference.version, &reference.kind);
                c.previous.iter().any(is)
            })
            .filter(|c| {
                role.as_ref()
                    .is_none_or(|(g, k)| c.previous.iter().any(|p| p.is_selected(g, "", k)))
            })
            .filter(|c| {
                id.is_cluster_scoped()
                    || c.id.is_cluster_scoped()
                    || c.id.gvk.kind == "ServiceAccount"
                    || c.id.effective_namespace() == id.effective_namespace()
            })
            .collect();
        if let Some(namespace) = namespace {
            let was = |c: &&&Candidate| c.previous.first().is_some_and(|p| p.effective_namespace() == namespace);
            let by_first: Vec<&Candidate> = found.iter().filter(was).copied().collect();
            if by_first.is_empty() {
                found.retain(|c| c.id.effective_namespace() == namespace);
            } else {
                found = by_first;
            }
        }
        for allow_empty in [true, false] {
            if found.len() <= 1 {
                return Ok(found.first().copied());
            }
            let same = |a: &[String], b: &[String]| {
                allow_empty && (a.is_empty() || b.is_empty())
                    || a.iter().rev().zip(b.iter().rev()).all(|(x, y)| x == y) && (a.is_empty() == b.is_empty())
            };
            found.retain(|c| same(&c.prefixes, &prefixes) && same(&c.suffixes, &suffixes));
        }
        let Some(first) = found.first().copied() else {
            return Ok(None);
        };
        if found
            .iter()
            .all(|c| c.name == first.name && (!whole || c.namespace == first.namespace))
        {
            return Ok(Some(first));
        }
        let names: Vec<String> = found.iter().map(|c| c.id.to_string()).collect();
        Err(format!("{old:?} could refer to several objects: {}", names.join(", ")))
    };
    let mut why = None;
    let mut scalar = |value: &mut Value| {
        let Some(old) = value.as_str() else { return };
        match select(old, None, false) {
            Ok(Some(found)) if found.name != old => *value = Value::from(&found.name),
            Ok(_) => {}
            Err(text) => why = Some(text),
        }
    };
    let mut failed = None;
    let mut mapping = |value: &mut Value| {
        let node = value.node();
        let Some(old) = node.str_at(&["name"]) else { return };
        match select(old, node.str_at(&["namespace"]), true) {
            Ok(Some(found)) => {
                let unchanged = found.name == old && found.namespace.is_empty();
                if !unchanged {
                    value.set(&["name"], &found.name);
                    if !found.namespace.is_empty() {
                        value.set(&["namespace"], &found.namespace);
                    }
                }
            }
            Ok(None) => {}
            Err(text) => failed = Some(text),
        }
    };
    let mut value = std::mem::take(&mut resource.value);
    field.visit(&mut value, &Value::NULL, &mut |found| match found.kind() {
        Kind::String => scalar(found),
        Kind::Object => mapping(found),
        Kind::Array => {
            for item in found.as_array_mut().into_iter().flatten() {
                match item.kind() {
                    Kind::String => scalar(item),
                    Kind::Object => mapping(item),
                    _ => {}
                }
            }
        }
        _ => {}
    });
    resource.value = value;
    for text in why.into_iter().chain(failed) {
        let message = format!("{text}; give them names that differ");
        faults.push(resource.fault(message).field(field.path.replace('/', ".")));
    }
}
