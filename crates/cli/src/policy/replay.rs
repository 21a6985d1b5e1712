//! `ridgeway policy replay`: which decisions flip under proposed rules.

mod journal;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ridgeway_doc::Value;
use ridgeway_ledger::Entry;
use ridgeway_policy::RuleSet;
use ridgeway_policy::replay::{Admission, Flip, RecordError, Replayed};
use serde_json::json;

use super::judge::{Bench, Prepared, Resources};
use super::load::Problem;
use super::on_all_cores;
use crate::{Exit, table};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The proposed rules: files or folders.
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// Recorded admissions, one JSON object a line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    admissions: Vec<PathBuf>,
    /// The data directory of a platform, whose journal of admissions is replayed; where its ledger is there, each record is
    /// checked against the ledger's entry about it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The ledger, for refusals on record. It keeps who, what and which rule, not the object: a refusal counts as
    /// passing when no rule that refused it is among the proposed ones.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    from: Resources,
    /// Write the resources judged (--resource, --cluster) as recorded admissions to this file.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// One JSON object instead of tables.
    #[arg(long)]
    json: bool,
}

/// Records read at once: enough for all cores, few enough to fit.
const CHUNK: usize = 20_000;

/// Runs it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let bench = Bench::open(&args.policies, &args.from)?;
    bench.check()?;
    let mut problems = bench.problems.clone();
    let mut replayed = Replayed::default();
    for path in &args.admissions {
        read(path, &bench, &mut replayed, &mut problems)?;
    }
    let journal = match &args.data {
        Some(folder) => Some(journal::replay(folder, &bench, &mut replayed, &mut problems)?),
        None => None,
    };
    let stored = on_all_cores(bench.resources.len(), |i| {
        let admission = recorded(&bench, &bench.resources[i]);
        let mut one = Replayed::default();
        if let Ok(admission) = &admission {
            one.add(&bench.rules, admission, &bench.world);
        }
        (one, admission)
    });
    let mut lines = String::new();
    for ((one, admission), resource) in stored.into_iter().zip(&bench.resources) {
        replayed.append(one);
        match admission {
            Ok(_) if args.record.is_some() => lines.push_str(&format!("{}\n", as_record(&bench, resource))),
            Ok(_) => {}
            Err(why) => problems.push(Problem::new(&resource.source.file, why)),
        }
    }
    if let Some(path) = &args.record {
        std::fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let refusals = match &args.ledger {
        Some(folder) => Some(refusals(folder, &bench.rules, &mut replayed)?),
        None => None,
    };
    if replayed.total == 0 && refusals.is_none() && journal.is_none() {
        problems.iter().for_each(|problem| eprintln!("{problem}"));
        let why = "nothing was recorded: name a file with --admissions, a platform's data with --data, or objects with --resource or \
                   --cluster";
        return Err(Exit::unusable(why).into());
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &as_json(&replayed, refusals.as_ref(), journal.as_ref()))?;
        writeln!(out)?;
    } else {
        tell(&replayed, refusals.as_ref(), journal.as_ref(), out)?;
    }
    problems.iter().for_each(|problem| eprintln!("{problem}"));
    if replayed.flips.iter().any(|flip| !flip.after) {
        let count = replayed.flips.iter().filter(|flip| !flip.after).count();
        return Err(Exit::refused(format!("{count} admissions that were allowed would be refused")).into());
    }
    if !problems.is_empty() {
        return Err(Exit::unusable(format!("{} inputs could not be used; see above", problems.len())).into());
    }
    Ok(())
}

/// Reads records and puts them before the rules.
fn read(path: &Path, bench: &Bench, replayed: &mut Replayed, problems: &mut Vec<Problem>) -> Result<()> {
    let shown = path.display().to_string();
    let reader: Box<dyn BufRead> = if shown == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let file = std::fs::File::open(path)
            .map_err(|error| Exit::unusable(format!("{shown}: {error}; name a file of recorded admissions")))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    put(&shown, reader, &|_| Ok(()), bench, replayed, problems)
}

/// Whether a record is to be believed; why not.
type Check<'c> = &'c (dyn Fn(&Admission) -> std::result::Result<(), String> + Sync);

/// Puts the records of a text before the rules, a chunk at a time, on all cores.
fn put(
    shown: &str,
    reader: impl BufRead,
    check: Check<'_>,
    bench: &Bench,
    replayed: &mut Replayed,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let mut lines = reader.lines();
    let mut at = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        for line in lines.by_ref().take(CHUNK) {
            chunk.push(line.map_err(|error| Exit::unusable(format!("{shown}:{}: {error}", at + chunk.len() + 1)))?);
        }
        if chunk.is_empty() {
            return Ok(());
        }
        // Few large parts: each core works a while on its own.
        let part = chunk.len().div_ceil(16);
        let parts: Vec<&[String]> = chunk.chunks(part).collect();
        let done = on_all_cores(parts.len(), |i| {
            let (mut own, mut faults) = (Replayed::default(), Vec::new());
            for (j, line) in parts[i].iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let read = Admission::read(line).and_then(|admission| match check(&admission) {
                    Ok(()) => Ok(admission),
                    Err(why) => Err(RecordError::Shape(why)),
                });
                match read {
                    Ok(admission) => own.add(&bench.rules, &admission, &bench.world),
                    Err(error) => faults.push((i * part + j, error)),
                }
            }
            (own, faults)
        });
        for (own, faults) in done {
            replayed.append(own);
            for (line, error) in faults.into_iter().take(20) {
                let (column, message) = match &error {
                    RecordError::Json(e) => (e.position.column, e.message.clone()),
                    other => (1, other.to_string()),
                };
                problems.push(Problem {
                    file: shown.to_owned(),
                    line: (at + line + 1) as u32,
                    column,
                    message: format!("this line is no recorded admission: {message}"),
                });
            }
        }
        at += chunk.len();
    }
}

/// A stored object as the admission that let it in.
fn as_record(bench: &Bench, resource: &Prepared) -> Value {
    let mut out = Value::object();
    let root = resource.object();
    out.set(&["request", "operation"], "CREATE");
    for (key, text) in [
        ("group", &resource.gvk.group),
        ("version", &resource.gvk.version),
        ("kind", &resource.gvk.kind),
    ] {
        out.set(&["request", "kind", key], text.as_str());
    }
    out.set(&["request", "namespace"], resource.namespace.as_str());
    out.set(&["request", "name"], resource.name.as_str());
    out.set(&["request", "object"], root.to_value());
    if let Some(time) = root.str_at(&["metadata", "creationTimestamp"]) {
        out.set(&["time"], time);
    }
    if let Some(namespace) = bench.world.namespace(&resource.namespace) {
        out.set(&["namespaceObject"], namespace.to_value());
    }
    out.set(&["decision", "allowed"], true);
    out
}

fn recorded(bench: &Bench, resource: &Prepared) -> std::result::Result<Admission, String> {
    Admission::of(as_record(bench, resource).into_doc()).map_err(|error| error.to_string())
}

/// What the ledger tells of refusals.
struct Refusals {
    /// Refusals by rules on record.
    total: usize,
    /// Of them, those whose rules are still among the proposed ones: without the object, nobody can tell.
    open: usize,
}

fn refusals(folder: &Path, rules: &RuleSet, replayed: &mut Replayed) -> Result<Refusals> {
    let mut known: Vec<String> = Vec::new();
    for policy in rules.policies() {
        known.push(policy.name.clone());
    }
    let mut out = Refusals { total: 0, open: 0 };
    let (_, bodies) = ridgeway_ledger::read_dir(folder)
        .with_context(|| format!("the ledger in {} cannot be trusted", folder.display()))?;
    for (index, body) in bodies.iter().enumerate() {
        let entry: Entry = serde_json::from_slice(body).with_context(|| format!("entry {index} is no audit entry"))?;
        let by: Vec<String> = entry
            .detail
            .iter()
            .filter_map(|(key, said)| key.strip_prefix("rule:").filter(|_| refuses(said)))
            .map(str::to_owned)
            .collect();
        if entry.code != 403 || entry.decision.allowed || by.is_empty() {
            continue;
        }
        out.total += 1;
        let still = by
            .iter()
            .any(|rule| known.iter().any(|name| rule.starts_with(&format!("{name}/"))));
        if still {
            out.open += 1;
            continue;
        }
        replayed.total += 1;
        replayed.flips.push(Flip {
            time: entry.time,
            team: String::new(),
            namespace: entry.object.namespace,
            object: format!("{}/{}", entry.object.resource, entry.object.name),
            operation: entry.verb.to_uppercase(),
            user: entry.actor.user,
            before: false,
            after: true,
            by,
            message: entry.decision.message,
        });
    }
    Ok(out)
}

/// Whether what a rule said, as the ledger keeps it, is a refusal.
fn refuses(said: &str) -> bool {
    let said = said.to_lowercase();
    ["fail", "error", "refuse", "deny"]
        .iter()
        .any(|word| said.starts_with(word))
}

fn tell(
    replayed: &Replayed,
    refusals: Option<&Refusals>,
    journal: Option<&journal::Told>,
    out: &mut dyn Write,
) -> Result<()> {
    let word = |allowed: bool| if allowed { "allowed" } else { "refused" };
    let dash = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    if !replayed.flips.is_empty() {
        let teams: Vec<Vec<String>> = replayed
            .by_team()
            .iter()
            .map(|((team, namespace), (refused, allowed))| {
                vec![dash(team), dash(namespace), refused.to_string(), allowed.to_string()]
            })
            .collect();
        let headers = ["TEAM", "NAMESPACE", "WOULD BE REFUSED", "WOULD BE ALLOWED"];
        writeln!(out, "{}", table::render(&headers, &teams))?;
        let rows: Vec<Vec<String>> = replayed
            .flips
            .iter()
            .map(|flip| {
                vec![
                    dash(&flip.team),
                    dash(&flip.namespace),
                    flip.object.clone(),
                    flip.operation.clone(),
                    dash(&flip.user),
                    format!("{} -> {}", word(flip.before), word(flip.after)),
                    flip.by.join(", "),
                ]
            })
            .collect();
        let headers = ["TEAM", "NAMESPACE", "OBJECT", "OPERATION", "USER", "DECISION", "BY"];
        writeln!(out, "{}", table::render(&headers, &rows))?;
    }
    if let Some(refusals) = refusals {
        writeln!(
            out,
            "{} refusals are in the ledger, {} of them by rules that are proposed too: the ledger keeps no object, so \
             whether those would pass is open",
            refusals.total, refusals.open
        )?;
    }
    if let Some(journal) = journal.filter(|journal| journal.missed > 0) {
        writeln!(
            out,
            "{} admissions were left out of the journal: it could not keep up, or could not be written",
            journal.missed
        )?;
    }
    writeln!(
        out,
        "{} admissions: {} still allowed, {} still refused, {} flip, {} would be warned about",
        replayed.total,
        replayed.still_allowed,
        replayed.still_refused,
        replayed.flips.len(),
        replayed.warned
    )?;
    Ok(())
}

fn as_json(replayed: &Replayed, refusals: Option<&Refusals>, journal: Option<&journal::Told>) -> serde_json::Value {
    let flips: Vec<serde_json::Value> = replayed
        .flips
        .iter()
        .map(|f| {
            json!({"time": f.time, "team": f.team, "namespace": f.namespace, "object": f.object,
                "operation": f.operation, "user": f.user, "before": f.before, "after": f.after, "by": f.by,
                "message": f.message})
        })
        .collect();
    let teams: Vec<serde_json::Value> = replayed
        .by_team()
        .iter()
        .map(|((team, namespace), (refused, allowed))| {
            json!({"team": team, "namespace": namespace, "refused": refused, "allowed": allowed})
        })
        .collect();
    json!({
        "total": replayed.total,
        "stillAllowed": replayed.still_allowed,
        "stillRefused": replayed.still_refused,
        "warned": replayed.warned,
        "flips": flips,
        "teams": teams,
        "journal": journal.map(|told| json!({"missed": told.missed, "checked": told.checked})),
        "ledger": refusals.map(|r| json!({"refusals": r.total, "open": r.open})),
    })
}
