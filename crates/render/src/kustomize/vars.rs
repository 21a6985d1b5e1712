//! `vars`: values of one object put where `$(NAME)` stands in another.

use ridgeway_doc::{Kind, Node, Value};

use super::build::Gathered;
use super::file::Kustomization;
use super::replacements::field_path;
use crate::error::{Fault, RenderError};

/// A variable, bound to the resource its value comes from.
pub(super) struct Var {
    name: String,
    path: String,
    fault: Fault,
}

/// Takes in the `vars` of a kustomization.
pub(super) fn gather(this: &Kustomization, gathered: &mut Gathered) -> Result<(), RenderError> {
    for (field, item) in this.items("vars") {
        let Some(name) = item.str_at(&["name"]).filter(|n| !n.is_empty()) else {
            return Err(this.fault(item, &field, "needs a name").into());
        };
        if gathered.vars.iter().any(|v| v.name == name) {
            let message = format!("the var {name} is defined twice; rename one");
            return Err(this.fault(item, &field, message).into());
        }
        let text = |key: &str| item.str_at(&["objref", key]).unwrap_or_default();
        let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
        let path = item
            .str_at(&["fieldref", "fieldpath"])
            .or_else(|| item.str_at(&["fieldref", "fieldPath"]));
        let found: Vec<usize> = (0..gathered.resources.0.len())
            .filter(|&i| {
                let resource = &gathered.resources.0[i];
                resource.previous.iter().chain([&resource.id()]).any(|id| {
                    id.name == text("name")
                        && id.is_selected(group, version, text("kind"))
                        && (text("namespace").is_empty() || id.effective_namespace() == text("namespace"))
                })
            })
            .collect();
        match found.as_slice() {
            [] => {}
            &[at] => gathered.resources.0[at].vars.push(name.to_owned()),
            _ => {
                let message = format!("objref matches {} resources; add apiVersion or namespace", found.len());
                return Err(this.fault(item, &field, message).into());
            }
        }
        gathered.vars.push(Var {
            name: name.into(),
            path: path.filter(|p| !p.is_empty()).unwrap_or("metadata.name").into(),
            fault: this.fault(item, &field, ""),
        });
    }
    Ok(())
}

/// Replaces every `$(NAME)` in the fields that may hold variables.
pub(super) fn resolve(gathered: &mut Gathered) -> Result<(), RenderError> {
    let Gathered {
        resources,
        vars,
        config,
    } = gathered;
    if vars.is_empty() {
        return Ok(());
    }
    let mut values: Vec<(String, Value)> = Vec::new();
    let mut faults = Vec::new();
    for var in vars.iter() {
        let Some(source) = resources.0.iter().find(|r| r.vars.contains(&var.name)) else {
            continue;
        };
        match field_path(&var.path)
            .iter()
            .try_fold(source.node(), |node, key| step(node, key))
        {
            Some(value) => values.push((format!("$({})", var.name), value.to_value())),
            None => {
                let mut fault = var.fault.clone();
                fault.message = format!("the field {} is not set in {}", var.path, source.id());
                faults.push(fault);
            }
        }
    }
    RenderError::check(faults)?;
    for resource in &mut resources.0 {
        let id = resource.id();
        for spec in config.variables.iter().filter(|s| s.selects(&id)) {
            if spec.reaches(resource.node()) {
                spec.visit(&mut resource.value, &Value::NULL, &mut |value| expand(value, &values));
            }
        }
    }
    Ok(())
}

fn step<'a>(node: Node<'a>, key: &str) -> Option<Node<'a>> {
    match node.kind() {
        Kind::Array => key.parse().ok().and_then(|i| node.item(i)),
        _ => node.get(key),
    }
}

fn expand(value: &mut Value, values: &[(String, Value)]) {
    match value.kind() {
        Kind::String => {
            let text = value.as_str().unwrap_or_default();
            if !text.contains("$(") {
                return;
            }
            // A value that is all of the string keeps its type.
            if let Some((_, whole)) = values.iter().find(|(name, _)| name == text) {
                *value = whole.clone();
                return;
            }
            let mut out = text.to_owned();
            for (name, with) in values {
                if out.contains(name.as_str()) {
                    let with = with.as_str().map_or_else(|| with.to_json(), str::to_owned);
                    out = out.replace(name.as_str(), &with);
                }
            }
            *value = out.into();
        }
        Kind::Array => value
            .as_array_mut()
            .into_iter()
            .flatten()
            .for_each(|item| expand(item, values)),
        Kind::Object => {
            if let Some(map) = value.as_object_mut() {
                map.iter_mut().for_each(|(_, member)| expand(member, values));
            }
        }
        _ => {}
    }
}
