//! `ridgeway policy fix`: the smallest change with which resources would pass.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ridgeway_doc::{Node, Value};
use ridgeway_policy::RuleResult;
use ridgeway_policy::fix::{Fixed, fix};
use serde_json::json;

use super::diff::unified;
use super::edit_yaml;
use super::judge::{Bench, Prepared, Resources};
use super::load::Source;
use crate::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Policies: files or folders.
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    from: Resources,
    /// Write the changes into the files. Values that a person must choose are written as `change-me`.
    #[arg(long)]
    write: bool,
    /// One JSON object instead of diffs.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let bench = Bench::open(&args.policies, &args.from)?;
    bench.check()?;
    bench.complain();
    if bench.resources.is_empty() {
        return Err(Exit::unusable("no resource can be used; name one with --resource FILE").into());
    }
    let sources: Vec<Node<'_>> = bench.policies.iter().map(Source::root).collect();
    let (mut fixed, mut unfixed, mut fine) = (0, 0, 0);
    let mut list = Vec::new();
    // The last resource of a file first: the places of those before it stay right.
    let mut texts: Vec<(String, String, String)> = Vec::new();
    for resource in bench.resources.iter().rev() {
        let found = bench.with_request(resource, |request| fix(&bench.rules, &sources, request));
        match (found.before.is_empty(), found.remaining.is_empty()) {
            (true, _) => fine += 1,
            (_, true) => fixed += 1,
            _ => unfixed += 1,
        }
        if !found.edits.is_empty() && resource.source.file != "-" {
            change(resource, &found, &mut texts)?;
        }
        list.push((resource, found));
    }
    list.reverse();
    texts.reverse();
    if args.json {
        let list: Vec<serde_json::Value> = list.iter().map(|(resource, found)| as_json(resource, found)).collect();
        serde_json::to_writer_pretty(&mut *out, &json!(list))?;
        writeln!(out)?;
    } else {
        for (resource, found) in &list {
            tell(resource, found, out)?;
        }
        for (file, old, new) in &texts {
            write!(out, "{}", unified(file, old, new))?;
        }
        writeln!(
            out,
            "{fixed} fixed, {unfixed} without a whole fix, {fine} pass as they are"
        )?;
    }
    if args.write {
        for (file, _, new) in &texts {
            std::fs::write(file, new).with_context(|| format!("cannot write {file}"))?;
        }
    }
    if unfixed > 0 {
        return Err(Exit::refused(format!("{unfixed} resources need a change that only a person can make")).into());
    }
    if !bench.problems.is_empty() {
        return Err(Exit::unusable(format!("{} inputs could not be used; see above", bench.problems.len())).into());
    }
    Ok(())
}

/// Puts the edits of a resource into the text of its file.
fn change(resource: &Prepared, found: &Fixed, texts: &mut Vec<(String, String, String)>) -> Result<()> {
    let file = &resource.source.file;
    let at = match texts.iter().position(|(name, ..)| name == file) {
        Some(at) => at,
        None => {
            // What a cluster holds is no file.
            let Ok(text) = std::fs::read_to_string(file) else {
                return Ok(());
            };
            texts.push((file.clone(), text.clone(), text));
            texts.len() - 1
        }
    };
    let root = resource.source.root();
    let mut wanted = root.to_value();
    apply(&mut wanted, found);
    let current = &texts[at].2;
    let edited = if file.ends_with(".json") {
        let docs = ridgeway_doc::parse_json(current.as_bytes());
        docs.ok()
            .filter(|doc| doc.root() == root)
            .map(|_| pretty(&wanted))
            .transpose()?
    } else {
        edit_yaml::edit(current, root, &found.steps(), &wanted).or_else(|| whole(current, resource, &wanted))
    };
    match edited {
        Some(text) => texts[at].2 = text,
        None => eprintln!("{file}: the change could not be put into the text; use the JSON patch"),
    }
    Ok(())
}

/// The edits on the object as it was read.
fn apply(object: &mut Value, found: &Fixed) {
    use ridgeway_policy::fix::Step;
    for edit in &found.edits {
        let steps: Vec<Step<'_>> = edit.steps().collect();
        let Some((last, parents)) = steps.split_last() else {
            continue;
        };
        let mut place = Some(&mut *object);
        for step in parents {
            place = place.and_then(|value| match step {
                Step::Key(key) if edit.value.is_some() => Some(value.make_object().entry(key, Value::object)),
                Step::Key(key) => value.get_mut(key),
                Step::Index(index) => value.as_array_mut().and_then(|list| list.get_mut(*index)),
            });
        }
        match (place, last, &edit.value) {
            (Some(parent), Step::Key(key), Some(value)) => {
                parent.make_object().insert(*key, value.clone());
            }
            (Some(parent), Step::Key(key), None) => {
                if let Some(map) = parent.as_object_mut() {
                    map.remove(key);
                }
            }
            (Some(parent), Step::Index(index), value) => {
                if let Some(list) = parent.as_array_mut()
                    && *index < list.len()
                {
                    match value {
                        Some(value) => list[*index] = value.clone(),
                        None => {
                            list.remove(*index);
                        }
                    }
                }
            }
            (None, ..) => {}
        }
    }
}

/// The file with the whole document written anew, where its text could not be edited.
fn whole(text: &str, resource: &Prepared, wanted: &Value) -> Option<String> {
    let start = resource.source.root().position()?.line as usize - 1;
    let lines: Vec<&str> = text.lines().collect();
    let docs = ridgeway_doc::parse_yaml(text).ok()?;
    // Items of lists are no documents of their own.
    docs.iter().find(|doc| doc.root() == resource.source.root())?;
    let marker = |line: &&str| line.starts_with("---");
    let from = lines[..start.min(lines.len())]
        .iter()
        .rposition(marker)
        .map_or(0, |at| at + 1);
    let to = lines
        .iter()
        .skip(start)
        .position(marker)
        .map_or(lines.len(), |at| start + at);
    let mut out: Vec<String> = lines[..from].iter().map(|line| (*line).to_owned()).collect();
    out.extend(wanted.node().to_yaml().lines().map(str::to_owned));
    out.extend(lines[to..].iter().map(|line| (*line).to_owned()));
    Some(out.join("\n") + "\n")
}

fn pretty(value: &Value) -> Result<String> {
    let data: serde_json::Value = serde_json::from_str(&value.to_json())?;
    Ok(serde_json::to_string_pretty(&data)? + "\n")
}

fn named(result: &RuleResult) -> String {
    format!("{}/{}", result.policy, result.rule)
}

fn tell(resource: &Prepared, found: &Fixed, out: &mut dyn Write) -> Result<()> {
    if found.before.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}  {}", resource.shown(), resource.source.file)?;
    for result in &found.before {
        let still = found.remaining.iter().any(|r| named(r) == named(result));
        writeln!(out, "  {} {}", if still { "open " } else { "fixed" }, named(result))?;
    }
    for edit in &found.edits {
        match &edit.value {
            Some(value) => write!(out, "  set {} to {value}", edit.path())?,
            None => write!(out, "  remove {}", edit.path())?,
        }
        writeln!(
            out,
            "{}",
            if edit.placeholder {
                " (put the right value there)"
            } else {
                ""
            }
        )?;
    }
    if let Some(patch) = &found.patch {
        writeln!(out, "  patch {patch}")?;
    }
    for result in &found.remaining {
        writeln!(
            out,
            "  no fix was found for {}: {}",
            named(result),
            result.message.trim()
        )?;
        if !result.remedy.is_empty() {
            writeln!(out, "    {}", result.remedy)?;
        }
    }
    Ok(())
}

fn as_json(resource: &Prepared, found: &Fixed) -> serde_json::Value {
    let data = |value: &Value| serde_json::from_str::<serde_json::Value>(&value.to_json()).unwrap_or_default();
    let rules = |results: &[RuleResult]| results.iter().map(named).collect::<Vec<_>>();
    let edits: Vec<serde_json::Value> = found
        .edits
        .iter()
        .map(|edit| json!({"path": edit.path(), "value": edit.value.as_ref().map(data), "placeholder": edit.placeholder}))
        .collect();
    json!({
        "object": resource.shown(),
        "file": resource.source.file,
        "failed": rules(&found.before),
        "remaining": found.remaining.iter()
            .map(|r| json!({"rule": named(r), "message": r.message, "remedy": r.remedy})).collect::<Vec<_>>(),
        "edits": edits,
        "patch": found.patch.as_ref().map(data),
    })
}
