//! The filters: `value | name(argument)`.

use ridgeway_doc::{Kind, Map, Node, Value};

use super::evaluate::{printed, truthy};
use super::{Evaluated, Fault};
use crate::reference::EntityRef;

const KNOWN: [&str; 25] = [
    "abs",
    "capitalize",
    "d",
    "default",
    "dump",
    "first",
    "float",
    "indent",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "parseEntityRef",
    "parseRepoUrl",
    "pick",
    "projectSlug",
    "replace",
    "reverse",
    "safe",
    "slug",
    "sort",
    "string",
    "trim",
    "upper",
];

/// Applies one filter. `offset` is the filter's place, `from` its input's.
pub(crate) fn apply(
    name: &str,
    input: Evaluated,
    arguments: &[Value],
    offset: usize,
    from: usize,
) -> Result<Value, Fault> {
    let argument = |index: usize| arguments.get(index);
    if matches!(name, "default" | "d") {
        let fallback = argument(0).cloned().unwrap_or_else(|| "".into());
        let also_empty = argument(1).is_some_and(truthy);
        return Ok(match input {
            Evaluated::Value(value) if !also_empty || truthy(&value) => value,
            _ => fallback,
        });
    }
    let value = input.defined(from)?;
    let node = value.node();
    let text = || printed(&value, offset);
    let needs = |what: &str| Fault::new(offset, format!("`{name}` needs {what}, found {}", node.kind()));
    let string_argument = |index: usize| -> Result<String, Fault> {
        match argument(index) {
            Some(value) => printed(value, offset),
            None => Err(Fault::new(offset, format!("`{name}` needs {} argument(s)", index + 1))),
        }
    };
    Ok(match name {
        "upper" => text()?.to_uppercase().into(),
        "lower" => text()?.to_lowercase().into(),
        "capitalize" => {
            let text = text()?.to_lowercase();
            let mut rest = text.chars();
            rest.next()
                .map(|c| c.to_uppercase().chain(rest).collect::<String>())
                .unwrap_or_default()
                .into()
        }
        "trim" => text()?.trim().into(),
        "string" | "safe" => text()?.into(),
        "slug" => slug(&text()?).into(),
        "replace" => text()?.replace(&string_argument(0)?, &string_argument(1)?).into(),
        "indent" => {
            let width = argument(0).and_then(|v| v.node().as_i64()).unwrap_or(4).clamp(0, 64) as usize;
            text()?.replace('\n', &format!("\n{}", " ".repeat(width))).into()
        }
        "int" => match (
            node.as_f64(),
            node.as_str().and_then(|text| text.trim().parse::<f64>().ok()),
        ) {
            (Some(number), _) | (None, Some(number)) => (number.trunc() as i64).into(),
            _ => return Err(needs("a number")),
        },
        "float" => match (
            node.as_f64(),
            node.as_str().and_then(|text| text.trim().parse::<f64>().ok()),
        ) {
            (Some(number), _) | (None, Some(number)) => number.into(),
            _ => return Err(needs("a number")),
        },
        "abs" => match (node.as_i64(), node.as_f64()) {
            (Some(int), _) => int.wrapping_abs().into(),
            (None, Some(float)) => float.abs().into(),
            _ => return Err(needs("a number")),
        },
        "dump" => value.to_json().into(),
        "length" => match node.kind() {
            Kind::String => (node.as_str().unwrap_or_default().chars().count() as i64).into(),
            Kind::Array | Kind::Object => (node.len() as i64).into(),
            _ => return Err(needs("a text, a list or an object")),
        },
        "first" => node
            .items()
            .next()
            .ok_or_else(|| needs("a list that is not empty"))?
            .to_value(),
        "last" => node
            .items()
            .next_back()
            .ok_or_else(|| needs("a list that is not empty"))?
            .to_value(),
        "reverse" if node.is_array() => node.items().rev().collect(),
        "reverse" => text()?.chars().rev().collect::<String>().into(),
        "sort" if node.is_array() => {
            let mut items: Vec<Value> = node.items().map(Node::to_value).collect();
            items.sort_by(|a, b| match (a.node().as_f64(), b.node().as_f64()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => a.as_str().unwrap_or_default().cmp(b.as_str().unwrap_or_default()),
            });
            items.into()
        }
        "sort" => return Err(needs("a list")),
        "join" if node.is_array() => {
            let separator = argument(0).map_or(Ok(String::new()), |v| printed(v, offset))?;
            let items: Result<Vec<String>, Fault> = node.items().map(|i| printed(&i.to_value(), offset)).collect();
            items?.join(&separator).into()
        }
        "join" => return Err(needs("a list")),
        "pick" => node.get(&string_argument(0)?).map_or(Value::NULL, Node::to_value),
        "parseEntityRef" => {
            let kind = argument(0).and_then(|v| v.node().str_at(&["defaultKind"]).map(str::to_owned));
            let reference = EntityRef::parse(&text()?, kind.as_deref(), "default")
                .map_err(|error| Fault::new(from, error.to_string()))?;
            let parts = [
                ("kind", reference.kind),
                ("namespace", reference.namespace),
                ("name", reference.name),
            ];
            parts.into_iter().collect::<Map>().into()
        }
        "parseRepoUrl" => parse_repo_url(&text()?, from)?,
        "projectSlug" => {
            let parts = parse_repo_url(&text()?, from)?;
            let part = |name| parts.node().str_at(&[name]).unwrap_or_default().to_owned();
            format!("{}/{}", part("owner"), part("repo")).into()
        }
        _ => {
            return Err(Fault::new(
                offset,
                format!(
                    "`{name}` is not a filter that templates have; known are {}",
                    KNOWN.join(", ")
                ),
            ));
        }
    })
}

/// A repository picker's value, `host?owner=o&repo=r`, as an object.
pub(crate) fn parse_repo_url(text: &str, offset: usize) -> Result<Value, Fault> {
    let (host, query) = text.split_once('?').unwrap_or((text, ""));
    let host = host.trim_start_matches("https://").trim_end_matches('/');
    let mut parts = Map::new();
    parts.insert("host", host);
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        parts.insert(key, value);
    }
    if parts.get("repo").is_none() {
        let message = format!("`{text}` names no repository; write `host?owner=team&repo=name`");
        return Err(Fault::new(offset, message));
    }
    Ok(parts.into())
}

/// Lower-case letters, digits and single dashes: a name that Kubernetes takes.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(63);
    out.trim_end_matches('-').to_owned()
}
