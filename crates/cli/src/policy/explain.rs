//! `ridgeway policy explain`: how a verdict came about.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use ridgeway_doc::{Node, Value};
use ridgeway_policy::explain::{Asked, Explained, Look, Part, explain};
use ridgeway_policy::{Outcome, RuleResult};
use serde_json::json;

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
    /// Only rules that are for the resource.
    #[arg(long)]
    matched: bool,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let bench = Bench::open(&args.policies, &args.from)?;
    bench.check()?;
    if bench.resources.is_empty() {
        bench.complain();
        return Err(Exit::unusable("no resource can be used; name one with --resource FILE").into());
    }
    let sources: Vec<Node<'_>> = bench.policies.iter().map(Source::root).collect();
    let mut list = Vec::new();
    for resource in &bench.resources {
        let mut all = bench.with_request(resource, |request| explain(&bench.rules, &sources, request));
        all.retain(|one| one.matched || !args.matched);
        if args.json {
            list.push(json!({"object": resource.shown(), "file": resource.source.file,
                "rules": all.iter().map(|one| as_json(resource, one)).collect::<Vec<_>>()}));
            continue;
        }
        let mut text = format!("{}  {}\n", resource.shown(), resource.source.file);
        for one in &all {
            lines(resource, one, &mut text);
        }
        let refused = all.iter().flat_map(|one| &one.results).filter(|r| r.refuses()).count();
        let verdict = match refused {
            0 => "verdict: allowed".to_owned(),
            1 => "verdict: refused by 1 rule".to_owned(),
            count => format!("verdict: refused by {count} rules"),
        };
        let _ = writeln!(text, "{verdict}\n");
        out.write_all(text.as_bytes())?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &json!(list))?;
        writeln!(out)?;
    }
    bench.complain();
    if !bench.problems.is_empty() {
        return Err(Exit::unusable(format!("{} inputs could not be used; see above", bench.problems.len())).into());
    }
    Ok(())
}

fn lines(resource: &Prepared, one: &Explained, out: &mut String) {
    if !one.matched {
        let _ = writeln!(
            out,
            "  -     {}/{}: not for it: {}",
            one.policy,
            one.rule,
            one.why.join("; ")
        );
        return;
    }
    let word = match one.outcome() {
        None => "none",
        Some(Outcome::Fail) => "FAIL",
        Some(outcome) => outcome.as_str(),
    };
    let _ = writeln!(out, "  {word:<5} {}/{}", one.policy, one.rule);
    for why in &one.why {
        let _ = writeln!(out, "        because: {why}");
    }
    for look in &one.looks {
        let _ = writeln!(out, "        {}", sentence(resource, look));
    }
    for result in one.results.iter().filter(|r| told(r)) {
        let action = result.action.as_str();
        let _ = writeln!(out, "        => {}: {}", action.to_lowercase(), result.message.trim());
    }
}

fn told(result: &RuleResult) -> bool {
    matches!(result.outcome, Outcome::Fail | Outcome::Warn | Outcome::Error)
}

/// `no   spec.x (a.yaml:3:5): expected ?*, found nothing`
fn sentence(resource: &Prepared, look: &Look) -> String {
    let mark = match (look.part, look.holds) {
        (Part::Expression, _) => "see ",
        // Conditions of a denial that hold are what is wrong.
        (Part::Deny, true) | (Part::Pattern | Part::Precondition | Part::Result, false) => "no  ",
        _ => "ok  ",
    };
    let part = match look.part {
        Part::Precondition => "if ",
        Part::Deny => "deny if ",
        _ => "",
    };
    let found = look.found.as_ref().map_or_else(|| "nothing".to_owned(), short);
    let path = if look.path.is_empty() { "the value" } else { &look.path };
    let place = match Bench::place(resource, &look.path) {
        _ if look.path.is_empty() || look.path.starts_with("request.") => String::new(),
        (0, _) => String::new(),
        (line, column) => format!(" ({}:{line}:{column})", resource.source.file),
    };
    match &look.asked {
        Asked::Read => format!("{mark}{path}{place}: found {found}"),
        asked => format!("{mark}{part}{path}{place}: expected {asked}, found {found}"),
    }
}

/// A value that fits a line.
fn short(value: &Value) -> String {
    let text = value.to_json();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn as_json(resource: &Prepared, one: &Explained) -> serde_json::Value {
    let data = |value: &Value| serde_json::from_str::<serde_json::Value>(&value.to_json()).unwrap_or_default();
    let looks: Vec<serde_json::Value> = one
        .looks
        .iter()
        .map(|look| {
            let (line, column) = Bench::place(resource, &look.path);
            json!({
                "part": format!("{:?}", look.part).to_lowercase(),
                "path": look.path,
                "line": line,
                "column": column,
                "expected": look.asked.to_string(),
                "found": look.found.as_ref().map(data),
                "holds": look.holds,
            })
        })
        .collect();
    let results: Vec<serde_json::Value> = one
        .results
        .iter()
        .map(|r| json!({"outcome": r.outcome.as_str(), "action": r.action.as_str(), "message": r.message}))
        .collect();
    json!({
        "policy": one.policy,
        "rule": one.rule,
        "matched": one.matched,
        "why": one.why,
        "outcome": one.outcome().map(Outcome::as_str),
        "looks": looks,
        "results": results,
    })
}
