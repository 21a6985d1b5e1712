//! Generated ConfigMaps and Secrets, and the hashes in their names.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};
use ridgeway_doc::{Map, Node, Value};

use super::file::Kustomization;
use super::resource::{Behavior, Resource, Resources};
use crate::error::{Fault, RenderError};
use crate::files::{Recorder, base_name};

/// The `configMapGenerator` of a kustomization.
pub(super) fn config_maps(recorder: &Recorder<'_>, this: &Kustomization) -> Result<Vec<Resource>, RenderError> {
    generate(recorder, this, "configMapGenerator", false)
}

/// The `secretGenerator` of a kustomization.
pub(super) fn secrets(recorder: &Recorder<'_>, this: &Kustomization) -> Result<Vec<Resource>, RenderError> {
    generate(recorder, this, "secretGenerator", true)
}

/// The fields of a generator.
const FIELDS: [&str; 9] = [
    "name",
    "namespace",
    "behavior",
    "literals",
    "files",
    "envs",
    "env",
    "options",
    "type",
];

fn generate(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    list: &'static str,
    secret: bool,
) -> Result<Vec<Resource>, RenderError> {
    let (mut resources, mut faults) = (Vec::new(), Vec::new());
    for (field, item) in this.items(list) {
        match one(recorder, this, &field, item, secret) {
            Ok(resource) => resources.push(resource),
            Err(error) => faults.extend(error.faults),
        }
    }
    RenderError::check(faults)?;
    Ok(resources)
}

fn one(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    field: &str,
    item: Node<'_>,
    secret: bool,
) -> Result<Resource, RenderError> {
    if let Some((key, value)) = item.members().find(|(k, _)| !FIELDS.contains(k)) {
        let message = format!("is no field of a generator; use {}", FIELDS.join(", "));
        return Err(this.fault(value, &format!("{field}.{key}"), message).into());
    }
    let Some(name) = item.str_at(&["name"]).filter(|n| !n.is_empty()) else {
        return Err(this.fault(item, &format!("{field}.name"), "is missing").into());
    };
    let mut value = Value::object();
    value.set(&["apiVersion"], "v1");
    value.set(&["kind"], if secret { "Secret" } else { "ConfigMap" });
    value.set(&["metadata", "name"], name);
    if let Some(namespace) = item.str_at(&["namespace"]).filter(|n| !n.is_empty()) {
        value.set(&["metadata", "namespace"], namespace);
    }
    if secret {
        value.set(
            &["type"],
            item.str_at(&["type"]).filter(|t| !t.is_empty()).unwrap_or("Opaque"),
        );
    }
    for (key, bytes) in pairs(recorder, this, field, item)? {
        match String::from_utf8(bytes) {
            Ok(text) if !secret => value.set(&["data", &key], text),
            Ok(text) => value.set(&["data", &key], wrapped_base64(text.as_bytes())),
            Err(binary) => {
                let target = if secret { "data" } else { "binaryData" };
                value.set(&[target, &key], wrapped_base64(binary.as_bytes()));
            }
        }
    }
    let options = [this.get("generatorOptions"), item.get("options")];
    let flag = |name: &str| {
        options
            .iter()
            .flatten()
            .any(|o| o.get(name).and_then(Node::as_bool) == Some(true))
    };
    for what in ["labels", "annotations"] {
        // Own options overrule the common ones.
        for (key, text) in options
            .iter()
            .flatten()
            .filter_map(|o| o.get(what))
            .flat_map(Node::members)
        {
            value.set(&["metadata", what, key], text);
        }
    }
    if flag("immutable") {
        value.set(&["immutable"], true);
    }
    let line = item.position().map_or(1, |p| p.line);
    let mut resource = Resource::new(value, &this.file, line);
    resource.hashed = !flag("disableNameSuffixHash");
    resource.behavior = match item.str_at(&["behavior"]).unwrap_or_default() {
        "" | "create" => Behavior::Create,
        "merge" => Behavior::Merge,
        "replace" => Behavior::Replace,
        other => {
            let message = format!("{other:?} is no behavior; use create, merge or replace");
            return Err(this.fault(item, &format!("{field}.behavior"), message).into());
        }
    };
    Ok(resource)
}

/// The keys and values of a generator.
fn pairs(
    recorder: &Recorder<'_>,
    this: &Kustomization,
    field: &str,
    item: Node<'_>,
) -> Result<BTreeMap<String, Vec<u8>>, RenderError> {
    let mut pairs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut put = |key: &str, bytes: Vec<u8>, node: Node<'_>, field: &str| -> Result<(), Fault> {
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            let message = format!("{key:?} is no key; use letters, digits, `-`, `_` and `.`");
            return Err(this.fault(node, field, message));
        }
        if pairs.insert(key.to_owned(), bytes).is_some() {
            return Err(this.fault(node, field, format!("the key {key:?} is given twice; remove one")));
        }
        Ok(())
    };
    let list = |name: &str| item.get(name).into_iter().flat_map(Node::items);
    for source in list("envs").chain(item.get("env")) {
        let field = format!("{field}.envs");
        let (_, text) = this.read(recorder, source, &field)?;
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The real tool takes the value of a bare key from its environment; a rendering has none.
            let (key, value) = line.split_once('=').unwrap_or((line.trim_end(), ""));
            put(key, value.into(), source, &field)?;
        }
    }
    for source in list("literals") {
        let field = format!("{field}.literals");
        let text = source.as_str().unwrap_or_default();
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                put(key, value.trim_matches(['"', '\'']).into(), source, &field)?;
            }
            _ => {
                return Err(this
                    .fault(source, &field, format!("{text:?} is no literal; write key=value"))
                    .into());
            }
        }
    }
    for source in list("files") {
        let field = format!("{field}.files");
        let text = source.as_str().unwrap_or_default();
        let (key, path) = match text.split_once('=') {
            Some((key, path)) => (key, path),
            None => (base_name(text), text),
        };
        let named = Value::from(path);
        let path = this.path(named.node(), &field).map_err(|mut e| {
            e.faults
                .iter_mut()
                .for_each(|f| f.line = source.position().map(|p| p.line));
            e
        })?;
        let Some(bytes) = recorder.read(&path)? else {
            let message = format!("there is no file {path:?} in this revision");
            return Err(this.fault(source, &field, message).into());
        };
        put(key, bytes, source, &field)?;
    }
    Ok(pairs)
}

/// Base64 with a line break after every 70 characters, if it is longer than that.
fn wrapped_base64(bytes: &[u8]) -> String {
    const WIDTH: usize = 70;
    let text = STANDARD.encode(bytes);
    if text.len() < WIDTH {
        return text;
    }
    let mut out = String::with_capacity(text.len() + text.len() / WIDTH + 1);
    for (i, c) in text.chars().enumerate() {
        out.push(c);
        if (i + 1) % WIDTH == 0 || i + 1 == text.len() {
            out.push('\n');
        }
    }
    out
}

/// Appends the content hash to the names that want one.
pub(super) fn add_hashes(resources: &mut Resources) {
    for resource in &mut resources.0 {
        if resource.hashed {
            let hash = hash(resource.node());
            resource.remember();
            let name = format!("{}-{hash}", resource.name());
            resource.set_name(&name);
        }
    }
}

/// The hash of a ConfigMap or Secret: over its kind, type and data, in canonical JSON.
fn hash(node: Node<'_>) -> String {
    let secret = node.str_at(&["kind"]) == Some("Secret");
    let text = |path: &[&str]| Value::from(node.str_at(path).unwrap_or_default());
    let data = |field: &str| match node.get(field).filter(|d| !d.is_null()) {
        Some(map) => sorted(map),
        None => Value::from(""),
    };
    // The members stand in the order of their keys.
    let mut map = Map::new();
    if !secret && node.get("binaryData").is_some_and(Node::is_object) {
        map.insert("binaryData", data("binaryData"));
    }
    map.insert("data", data("data"));
    map.insert("kind", text(&["kind"]));
    // The hash was meant to cover the name; the real tool looks it up under a wrong path and finds nothing, and by now
    // the names of deployed objects depend on that.
    map.insert("name", "");
    if secret {
        if node.get("stringData").is_some_and(Node::is_object) {
            map.insert("stringData", data("stringData"));
        }
        map.insert("type", text(&["type"]));
    }
    let json = escape_html(&Value::from(map).to_json());
    let sum = digest::digest(&digest::SHA256, json.as_bytes());
    let hex = sum
        .as_ref()
        .iter()
        .take(5)
        .map(|b| format!("{b:02x}"))
        .collect::<String>();
    // Letters and digits that could spell words are exchanged.
    hex.chars()
        .map(|c| match c {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            c => c,
        })
        .collect()
}

fn sorted(map: Node<'_>) -> Value {
    let mut value = map.to_value();
    value.make_object().sort_keys();
    value
}

/// Escapes what Go's JSON encoder escapes beyond the standard.
fn escape_html(json: &str) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\u{7f}', '\\']) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' => out.push_str(&format!("\\u{:04x}", c as u32)),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn hashes_are_the_real_ones() {
        // Values of the real hasher.
        for (yaml, want) in [
            ("{apiVersion: v1, kind: ConfigMap}", "6ct58987ht"),
            ("{apiVersion: v1, kind: ConfigMap, data: {one: ''}}", "9g67k2htb6"),
            (
                "{apiVersion: v1, kind: ConfigMap, data: {two: '2', one: '', three: '3'}}",
                "f5h7t85m9b",
            ),
            ("{apiVersion: v1, kind: Secret, type: my-type}", "5gmgkf8578"),
            (
                "{apiVersion: v1, kind: Secret, type: my-type, data: {one: ''}}",
                "74bd68bm66",
            ),
        ] {
            assert_eq!(hash(parse_yaml(yaml).unwrap()[0].root()), want, "{yaml}");
        }
    }

    #[test]
    fn long_base64_is_wrapped() {
        assert_eq!(wrapped_base64(b"abc"), "YWJj");
        let long = wrapped_base64(&[b'x'; 60]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [70, 10]);
        assert!(long.ends_with('\n'));
    }
}
