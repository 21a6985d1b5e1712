//! `cargo xtask tidy`: habits that a compiler does not check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{charter, layers, run};

/// Longer files are hard to read; the allowance over 600 is for tables.
const MAX_LINES: usize = 640;

/// Runs every check and reports all that is wrong.
pub(crate) fn run() -> Result<()> {
    let mut faults = Vec::new();
    check_layers(&mut faults)?;
    check_charters(&mut faults)?;
    check_files(&mut faults)?;
    for fault in &faults {
        eprintln!("tidy: {fault}");
    }
    if !faults.is_empty() {
        bail!("{} habits broken", faults.len());
    }
    Ok(())
}

fn check_layers(faults: &mut Vec<String>) -> Result<()> {
    let text = run::output(&mut run::cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let short = |value: &Value| {
        let name = value.as_str().unwrap_or_default();
        name.strip_prefix("ridgeway-")
            .map(str::to_owned)
            .or_else(|| (name == "ridgeway").then(|| name.to_owned()))
    };
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(user) = short(&package["name"]) else { continue };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Tests may use what they like: they drive a plane over the real control plane.
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if let Some(used) = short(&dependency["name"]) {
                faults.extend(layers::forbids(&user, &used));
            }
        }
    }
    Ok(())
}

fn check_charters(faults: &mut Vec<String>) -> Result<()> {
    let documented: BTreeMap<_, _> = charter::of_architecture()?.into_iter().collect();
    let mut crates: Vec<_> = fs::read_dir(run::root().join("crates"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    crates.sort();
    for name in crates {
        let charter = charter::of_crate(&name)?;
        match documented.get(&name) {
            None => faults.push(format!("ARCHITECTURE.md's code map has no row for `{name}`")),
            Some(text) if *text != charter => faults.push(format!(
                "the charter of `{name}` is {charter:?} in its code and {text:?} in ARCHITECTURE.md; make them equal"
            )),
            Some(_) => {}
        }
    }
    Ok(())
}

fn check_files(faults: &mut Vec<String>) -> Result<()> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&run::root().join(folder), &mut files)?;
    }
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(run::root()).unwrap_or(&file).display().to_string();
        if !text.starts_with("//!") {
            faults.push(format!("{name} must open with a `//!` line that says what it is"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!(
                "{name} has {lines} lines; split it by meaning (limit {MAX_LINES})"
            ));
        }
        if let Some(line) = text.lines().position(|line| line.ends_with([' ', '\t'])) {
            faults.push(format!("{name}:{} ends in white space", line + 1));
        }
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
