//! `replacements`: values of one object copied into fields of others.

use ridgeway_doc::{Kind, Node, Value, yaml};

use super::file::Kustomization;
use super::resource::Resources;
use super::selector::Selector;
use crate::error::{Fault, RenderError};
use crate::files::Recorder;

/// Applies the `replacements` of a kustomization.
pub(super) fn apply(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    resources: &mut Resources,
) -> Result<(), RenderError> {
    for (field, item) in this.items("replacements") {
        match item.get("path").filter(|p| !p.is_null()) {
            None => replace(item, resources, &|node, message| this.fault(node, &field, message))?,
            Some(path) => {
                let (path, text) = this.read(recorder, path, &format!("{field}.path"))?;
                let docs =
                    yaml::parse_yaml_as(&text, yaml::Reading::GoYaml3).map_err(|e| RenderError::parse(&path, &e))?;
                let fault = |node: Node<'_>, message: String| Fault::in_file(&path, message).at(node);
                for root in docs.iter().map(|d| d.root()) {
                    if root.is_array() {
                        root.items().try_for_each(|item| replace(item, resources, &fault))?;
                    } else {
                        replace(root, resources, &fault)?;
                    }
                }
            }
        }
    }
    Ok(())
}

type MakeFault<'f> = dyn Fn(Node<'_>, String) -> Fault + 'f;

fn replace(item: Node<'_>, resources: &mut Resources, fault: &MakeFault<'_>) -> Result<(), RenderError> {
    let value = source(item, resources, fault)?;
    let Some(targets) = item.get("targets").filter(|t| !t.is_empty()) else {
        return Err(fault(item, "needs at least one target".into()).into());
    };
    for target in targets.items() {
        let Some(select) = target.get("select") else {
            return Err(fault(target, "a target needs select".into()).into());
        };
        let selector = Selector::from_node(select).map_err(|why| fault(select, why))?;
        let rejects: Vec<Selector> = target
            .get("reject")
            .into_iter()
            .flat_map(Node::items)
            .map(|reject| Selector::from_node(reject).map_err(|why| fault(reject, why)))
            .collect::<Result<_, _>>()?;
        let mut paths: Vec<&str> = target
            .get("fieldPaths")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str)
            .collect();
        if paths.is_empty() {
            paths.push("metadata.name");
        }
        let options = target.get("options");
        for resource in &mut resources.0 {
            if !selector.matches(resource) || rejects.iter().any(|r| r.matches(resource)) {
                continue;
            }
            let id = resource.id();
            for path in &paths {
                let parts = field_path(path);
                if parts.first().is_some_and(|p| p == "metadata") && parts.get(1).is_some_and(|p| p == "name") {
                    resource.remember();
                }
                let create = options.and_then(|o| o.get("create")).and_then(Node::as_bool) == Some(true);
                let mut outcome = Ok(());
                let mut set = |field: &mut Value| {
                    if let Err(why) = put(field, &value, options) {
                        outcome = Err(why);
                    }
                };
                let found = visit(&mut resource.value, &parts, create, &mut set);
                outcome.map_err(|why| fault(target, format!("{path} of {id}: {why}")))?;
                if !found {
                    let message = format!("{id} has no field {path}; set options.create to make it");
                    return Err(fault(target, message).into());
                }
            }
        }
    }
    Ok(())
}

/// The value that is copied.
fn source(item: Node<'_>, resources: &Resources, fault: &MakeFault<'_>) -> Result<Value, RenderError> {
    if let Some(value) = item.get("sourceValue") {
        return Ok(value.to_value());
    }
    let Some(source) = item.get("source") else {
        return Err(fault(item, "needs source or sourceValue".into()).into());
    };
    let text = |key: &str| source.str_at(&[key]).unwrap_or_default();
    let found: Vec<_> = resources
        .0
        .iter()
        .filter(|r| {
            r.previous.iter().chain([&r.id()]).any(|id| {
                id.is_selected(text("group"), text("version"), text("kind"))
                    && (text("name").is_empty() || id.name == text("name"))
                    && (text("namespace").is_empty() || id.effective_namespace() == text("namespace"))
            })
        })
        .collect();
    let [resource] = found.as_slice() else {
        let message = match found.len() {
            0 => "no resource matches the source; check kind, name and namespace".to_owned(),
            n => format!("{n} resources match the source; add kind, name or namespace"),
        };
        return Err(fault(source, message).into());
    };
    let path = source
        .str_at(&["fieldPath"])
        .filter(|p| !p.is_empty())
        .unwrap_or("metadata.name");
    let mut copy = resource.value.clone();
    let mut found = None;
    visit(&mut copy, &field_path(path), false, &mut |value| {
        found = Some(value.clone())
    });
    let Some(value) = found else {
        return Err(fault(source, format!("{} has no field {path}", resource.id())).into());
    };
    match source.str_at(&["options", "delimiter"]).filter(|d| !d.is_empty()) {
        None => Ok(value),
        Some(delimiter) => {
            let index = source.at(&["options", "index"]).and_then(Node::as_i64).unwrap_or(0);
            let text = scalar_text(&value).ok_or_else(|| fault(source, "a delimiter needs a scalar".into()))?;
            let part = usize::try_from(index)
                .ok()
                .and_then(|i| text.split(delimiter).nth(i).map(str::to_owned));
            part.map(Value::from)
                .ok_or_else(|| fault(source, format!("options.index {index} is out of bounds for {text:?}")).into())
        }
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value.kind() {
        Kind::Array | Kind::Object => None,
        Kind::String => value.as_str().map(str::to_owned),
        _ => Some(value.to_json()),
    }
}

/// Puts a value into a field; a scalar field keeps its type.
fn put(field: &mut Value, value: &Value, options: Option<Node<'_>>) -> Result<(), String> {
    let mut new = value.clone();
    if let Some(delimiter) = options.and_then(|o| o.str_at(&["delimiter"])).filter(|d| !d.is_empty()) {
        let old = scalar_text(field).ok_or("a delimiter needs a scalar field")?;
        let part = scalar_text(value).ok_or("a delimiter needs a scalar value")?;
        let mut parts: Vec<String> = old.split(delimiter).map(str::to_owned).collect();
        match options.and_then(|o| o.get("index")).and_then(Node::as_i64).unwrap_or(0) {
            i if i < 0 => parts.insert(0, part),
            i if i as usize >= parts.len() => parts.push(part),
            i => parts[i as usize] = part,
        }
        new = parts.join(delimiter).into();
    }
    *field = match (field.kind(), scalar_text(&new)) {
        (Kind::String, Some(text)) => text.into(),
        (Kind::Number | Kind::Bool, Some(text)) => {
            let read = yaml::parse_yaml_as(&text, yaml::Reading::GoYaml3).ok();
            let scalar = read.and_then(|mut docs| (docs.len() == 1).then(|| Value::from(docs.remove(0))));
            scalar
                .filter(|v| !matches!(v.kind(), Kind::Array | Kind::Object))
                .unwrap_or(new)
        }
        _ => new,
    };
    Ok(())
}

/// The parts of a dotted path: `\.` is a dot in a key, `[key=value]` chooses items of a list.
pub(super) fn field_path(path: &str) -> Vec<String> {
    let (mut parts, mut part, mut bracket) = (Vec::new(), String::new(), false);
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'.') => {
                part.push('.');
                chars.next();
            }
            '.' if !bracket => parts.push(std::mem::take(&mut part)),
            '[' if part.is_empty() => {
                bracket = true;
                part.push(c);
            }
            '[' => {
                // `containers[name=x]` and `containers.[name=x]` say the same.
                parts.push(std::mem::take(&mut part));
                bracket = true;
                part.push(c);
            }
            ']' => {
                bracket = false;
                part.push(c);
            }
            _ => part.push(c),
        }
    }
    parts.push(part);
    parts.retain(|p| !p.is_empty());
    for part in &mut parts {
        // `containers[0]` says `containers.0`.
        if let Some(index) = part
            .strip_prefix('[')
            .and_then(|p| p.strip_suffix(']'))
            .filter(|p| !p.contains('='))
        {
            *part = index.to_owned();
        }
    }
    parts
}

/// Calls `set` on every field at the path; whether there was one.
fn visit(value: &mut Value, path: &[String], create: bool, set: &mut dyn FnMut(&mut Value)) -> bool {
    let Some((first, rest)) = path.split_first() else {
        set(value);
        return true;
    };
    if let Some(items) = value.as_array_mut() {
        if let Some((key, want)) = first
            .strip_prefix('[')
            .and_then(|s| s.strip_suffix(']'))
            .and_then(|s| s.split_once('='))
        {
            let chosen = |item: &Value| match key {
                "" => scalar_text(item).is_some_and(|t| t == want),
                _ => item
                    .node()
                    .get(key)
                    .and_then(|n| scalar_text(&n.to_value()))
                    .is_some_and(|t| t == want),
            };
            let mut found = false;
            for item in items.iter_mut().filter(|i| chosen(i)) {
                found |= visit(item, rest, create, set);
            }
            if !found && create && !key.is_empty() {
                let mut item = Value::object();
                item.set(&[key], want);
                found = visit(&mut item, rest, create, set);
                items.push(item);
            }
            return found;
        }
        if first == "*" {
            let mut found = false;
            for item in items.iter_mut() {
                found |= visit(item, rest, create, set);
            }
            return found;
        }
        let at = if first == "-" {
            items.len().checked_sub(1)
        } else {
            first.parse().ok()
        };
        return match at.and_then(|at| items.get_mut(at)) {
            Some(item) => visit(item, rest, create, set),
            None => false,
        };
    }
    if create && value.is_null() {
        *value = Value::object();
    }
    if value.kind() != Kind::Object {
        return false;
    }
    if first == "*" {
        let mut found = false;
        if let Some(map) = value.as_object_mut() {
            for (_, member) in map.iter_mut() {
                found |= visit(member, rest, create, set);
            }
        }
        return found;
    }
    if value.node().get(first).is_none() {
        if !create {
            return false;
        }
        let fresh = if rest.first().is_some_and(|p| p.starts_with('[')) {
            Value::array()
        } else {
            Value::NULL
        };
        value.set(&[first], fresh);
    }
    value
        .get_mut(first)
        .is_some_and(|member| visit(member, rest, create, set))
}
