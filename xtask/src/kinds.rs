//! `cargo xtask kinds`: makes the data files of the kind table from the published Kubernetes definitions.
//!
//! Source is the Python package `kubernetes-validate`, which ships the OpenAPI definitions of each release as JSON
//! Schema. What is served is said by `crates/krm/data/resources.txt`; only those kinds and what they refer to is kept.
//! Schemas and their descriptions go into two files, because validation needs only the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::{Compression, GzBuilder};
use serde_json::{Map, Value, json};

use crate::run;

/// The package and the release whose definitions are taken.
const PACKAGE: &str = "kubernetes-validate==1.37.0";
const RELEASE: &str = "1.36";

/// Kinds that every document refers to, served or not.
const ALWAYS: [&str; 5] = ["DeleteOptions", "Status", "ObjectMeta", "ListMeta", "LabelSelector"];
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Defaults that merging needs (they are part of list keys) and that the published definitions leave out.
const KEY_DEFAULTS: [(&str, &str, &str); 2] = [
    ("io.k8s.api.core.v1.ContainerPort", "protocol", "TCP"),
    ("io.k8s.api.core.v1.ServicePort", "protocol", "TCP"),
];

/// Writes `schemas-*.json.gz` and `descriptions-*.json.gz` into `crates/krm/data`. The argument is a folder that the
/// package is unpacked in, or its `_definitions.json`; without one the package is downloaded with pip.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let text = match arguments {
        [] => download()?,
        [flag, path] if flag == "--definitions" => definitions(Path::new(path))?,
        [path] if !path.starts_with('-') => definitions(Path::new(path))?,
        _ => bail!("usage: cargo xtask kinds [PACKAGE-FOLDER | --definitions FILE]"),
    };
    let data = run::root().join("crates/krm/data");
    let document: Value = serde_json::from_slice(&text).context("the definitions are not JSON")?;
    let all = document["$defs"]
        .as_object()
        .context("the definitions have no `$defs`")?;
    let resources = data.join("resources.txt");
    let served = served(&fs::read_to_string(&resources).with_context(|| format!("reading {}", resources.display()))?)?;
    let kept = closure(all, &served)?;
    let (mut schemas, mut descriptions) = (Map::new(), Map::new());
    for name in &kept {
        schemas.insert(name.clone(), cleaned(&all[name]));
        let texts = texts(&all[name]);
        if !texts.is_empty() {
            descriptions.insert(name.clone(), texts.into());
        }
    }
    repair(&mut schemas)?;
    let schemas_text = with_key_defaults(&serde_json::to_vec(&schemas)?)?;
    let descriptions_text = serde_json::to_vec(&descriptions)?;
    for (name, content, plain) in [
        ("schemas", schemas, schemas_text),
        ("descriptions", descriptions, descriptions_text),
    ] {
        let path = data.join(format!("{name}-{RELEASE}.json.gz"));
        if unpacked(&path).is_some_and(|before| before == plain) {
            println!("{}: up to date", path.display());
            continue;
        }
        let mut gz = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        std::io::Write::write_all(&mut gz, &plain)?;
        let packed = gz.finish()?;
        fs::write(&path, &packed).with_context(|| format!("writing {}", path.display()))?;
        println!(
            "{}: {} definitions, {} bytes, {} packed",
            path.display(),
            content.len(),
            plain.len(),
            packed.len()
        );
    }
    Ok(())
}

/// Downloads the package into a temporary folder and reads the definitions of the release.
fn download() -> Result<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("ridgeway-kinds-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let result = unpack(&folder);
    fs::remove_dir_all(&folder)?;
    result
}

fn unpack(folder: &Path) -> Result<Vec<u8>> {
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", PACKAGE];
    run::checked(&mut run::program("python3", &pip, folder))?;
    let wheel: PathBuf = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .context("pip downloaded no wheel")?;
    let wheel = wheel.to_str().context("the temporary folder's name is not UTF-8")?;
    run::checked(&mut run::program(
        "python3",
        &["-m", "zipfile", "-e", wheel, "."],
        folder,
    ))?;
    definitions(folder)
}

/// The definitions of the release: from the folder that the package is unpacked in, or the file itself.
fn definitions(path: &Path) -> Result<Vec<u8>> {
    let inside = format!("kubernetes_validate/kubernetes-json-schema/v{RELEASE}.0-local/_definitions.json");
    let path = if path.is_dir() { path.join(inside) } else { path.into() };
    fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

/// What a data file holds now; `None` when it cannot be read.
fn unpacked(path: &Path) -> Option<Vec<u8>> {
    let packed = fs::read(path).ok()?;
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut plain).ok()?;
    Some(plain)
}

/// The served kinds as (apiVersion, kind), lists and subresource kinds among them.
fn served(resources: &str) -> Result<BTreeSet<(String, String)>> {
    let mut served = BTreeSet::new();
    let mut group = "";
    for line in resources.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["scale", ..] => {}
            [first, ..] if first.starts_with('#') => {}
            ["sub", _, "=", _] => {}
            ["sub", _, kind, _] => {
                let (api_version, kind) = kind.rsplit_once('/').context("`sub` names apiVersion/Kind")?;
                served.insert((api_version.into(), kind.into()));
            }
            ["group", api_version] => group = api_version,
            [_, kind, ..] => {
                served.insert((group.into(), (*kind).into()));
                served.insert((group.into(), format!("{kind}List")));
            }
            [_] => bail!("resources.txt: cannot read {line:?}"),
        }
    }
    Ok(served)
}

/// The served definitions and everything they refer to.
fn closure(all: &Map<String, Value>, served: &BTreeSet<(String, String)>) -> Result<BTreeSet<String>> {
    let mut open: Vec<String> = ALWAYS.iter().map(|name| format!("{META}{name}")).collect();
    let mut found = BTreeSet::new();
    for (name, schema) in all {
        for gvk in schema["x-kubernetes-group-version-kind"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let part = |key: &str| gvk[key].as_str().unwrap_or_default().to_owned();
            let api_version = match part("group").as_str() {
                "" => part("version"),
                group => format!("{group}/{}", part("version")),
            };
            let key = (api_version, part("kind"));
            if served.contains(&key) {
                found.insert(key);
                open.push(name.clone());
            }
        }
    }
    // Option kinds of connect subresources are not published; everything else must be.
    let missing: Vec<String> = served
        .difference(&found)
        .filter(|(_, kind)| !kind.ends_with("List") && !kind.ends_with("Options"))
        .map(|(api_version, kind)| format!("{api_version} {kind}"))
        .collect();
    ensure!(
        missing.is_empty(),
        "release {RELEASE} does not publish: {}",
        missing.join(", ")
    );
    let mut kept = BTreeSet::new();
    while let Some(name) = open.pop() {
        let schema = all
            .get(&name)
            .with_context(|| format!("no definition is called {name}"))?;
        if kept.insert(name) {
            references(schema, &mut open);
        }
    }
    Ok(kept)
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, member) in map {
                match member.as_str() {
                    Some(reference) if key == "$ref" => found.extend(reference.rsplit('/').next().map(Into::into)),
                    _ => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// The OpenAPI schema: without texts, and without what the conversion to JSON Schema added.
fn cleaned(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let mut out = Map::new();
    for (key, member) in map {
        let member = match (key.as_str(), member) {
            ("description" | "enum" | "x-kubernetes-unions", _) => continue,
            ("type", Value::Array(types)) => types.iter().find(|t| *t != "null").cloned().unwrap_or_default(),
            ("$ref", Value::String(reference)) => {
                let name = reference.rsplit('/').next().unwrap_or_default();
                json!(format!("#/components/schemas/{name}"))
            }
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, property)| (name.clone(), cleaned(property)))
                .collect::<Map<_, _>>()
                .into(),
            (_, Value::Array(items)) => items.iter().map(cleaned).collect(),
            (_, member) => cleaned(member),
        };
        out.insert(key.clone(), member);
    }
    out.into()
}

/// A definition's text under the empty key, and its properties'.
fn texts(schema: &Value) -> Map<String, Value> {
    let own = [("", schema)].into_iter();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let all = own.chain(properties.map(|(name, property)| (name.as_str(), property)));
    let texts: BTreeMap<&str, &Value> = all
        .filter(|(_, s)| s["description"].is_string())
        .map(|(name, s)| (name, &s["description"]))
        .collect();
    texts
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.clone()))
        .collect()
}

/// What the conversion to JSON Schema lost.
fn repair(schemas: &mut Map<String, Value>) -> Result<()> {
    let mut put = |name: &str, schema: Value| {
        let slot = schemas
            .get_mut(name)
            .with_context(|| format!("no definition is called {name}"))?;
        *slot = schema;
        anyhow::Ok(())
    };
    put(
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
    )?;
    put(
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
    )?;
    Ok(())
}

/// Adds [`KEY_DEFAULTS`]: published keys keep their order and additions come last.
fn with_key_defaults(schemas: &[u8]) -> Result<Vec<u8>> {
    let mut schemas: ridgeway_doc::Value = ridgeway_doc::parse_json(schemas)?.into();
    for (name, property, default) in KEY_DEFAULTS {
        let slot = schemas.at_mut(&[name, "properties", property]);
        slot.with_context(|| format!("{name} has no property {property}"))?
            .set(&["default"], default);
    }
    Ok(schemas.to_json().into_bytes())
}
