//! `ridgeway audit`: the ledger, proved and searched from its files alone.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use ridgeway_ledger::{Entry, read_dir, verify_dir};

use crate::table;

/// The audit ledger: verify, query. Reads the files; the platform need not run, and may.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Proves the whole ledger; exits with 1 and says where when it is not as it was written.
    Verify(Source),
    /// Searches the ledger, newest first.
    Query(Box<Query>),
}

/// Where the ledger is.
#[derive(Debug, clap::Args)]
struct Source {
    /// Directory of the ledger; default `ledger` within the data directory.
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// Data directory of the platform.
    #[arg(long, env = "RIDGEWAY_DATA_DIR", default_value = ".ridgeway")]
    data_dir: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Query {
    #[command(flatten)]
    source: Source,
    /// Who acted.
    #[arg(long)]
    actor: Option<String>,
    /// What was done: create, update, patch, delete, sign-in, …
    #[arg(long)]
    verb: Option<String>,
    /// Plural resource, such as `deployments`.
    #[arg(long)]
    resource: Option<String>,
    /// Namespace of the object.
    #[arg(long, short)]
    namespace: Option<String>,
    /// Name of the object.
    #[arg(long)]
    name: Option<String>,
    /// What it goes back to: `git:<commit>`, `drift:…`, `req:…`; the beginning is enough.
    #[arg(long)]
    causality: Option<String>,
    /// Only what was refused or failed.
    #[arg(long)]
    refused: bool,
    /// At most so many; 0 for all.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

impl Source {
    fn directory(&self) -> PathBuf {
        self.ledger.clone().unwrap_or_else(|| self.data_dir.join("ledger"))
    }
}

/// Runs it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    match &args.action {
        Action::Verify(source) => verify(source, out),
        Action::Query(query) => search(query, out),
    }
}

fn verify(source: &Source, out: &mut dyn Write) -> Result<()> {
    let directory = source.directory();
    let verified =
        verify_dir(&directory).with_context(|| format!("the ledger in {} is not intact", directory.display()))?;
    writeln!(
        out,
        "{} entries in {} segments are as they were written",
        verified.size, verified.segments
    )?;
    writeln!(
        out,
        "signed up to entry {} by {}",
        verified.checkpoint.size,
        verified.key.name()
    )?;
    if verified.after_checkpoint() > 0 {
        writeln!(
            out,
            "{} newer ones are whole, and signed with the next checkpoint",
            verified.after_checkpoint()
        )?;
    }
    Ok(())
}

fn search(query: &Query, out: &mut dyn Write) -> Result<()> {
    let directory = query.source.directory();
    let (_, bodies) =
        read_dir(&directory).with_context(|| format!("the ledger in {} cannot be trusted", directory.display()))?;
    let mut rows = Vec::new();
    let mut found = 0;
    for (index, body) in bodies.iter().enumerate().rev() {
        let entry: Entry = serde_json::from_slice(body).with_context(|| format!("entry {index} is no audit entry"))?;
        if !query.matches(&entry) {
            continue;
        }
        if query.json {
            writeln!(out, "{}", String::from_utf8_lossy(body))?;
        } else {
            rows.push(row(index, &entry));
        }
        found += 1;
        if query.limit > 0 && found >= query.limit {
            break;
        }
    }
    if !query.json {
        let headers = ["INDEX", "TIME", "ACTOR", "VERB", "OBJECT", "OUTCOME", "BECAUSE OF"];
        write!(out, "{}", table::render(&headers, &rows))?;
    }
    Ok(())
}

impl Query {
    fn matches(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.actor, &entry.actor.user)
            && is(&self.verb, &entry.verb)
            && is(&self.resource, entry.object.main_resource())
            && is(&self.namespace, &entry.object.namespace)
            && is(&self.name, &entry.object.name)
            && self
                .causality
                .as_deref()
                .is_none_or(|wanted| entry.causality.starts_with(wanted))
            && (!self.refused || !entry.decision.allowed || entry.code >= 400)
    }
}

fn row(index: usize, entry: &Entry) -> Vec<String> {
    let object = &entry.object;
    let place = if object.namespace.is_empty() {
        String::new()
    } else {
        format!("{}/", object.namespace)
    };
    let outcome = match (entry.decision.allowed, entry.code) {
        (false, code) => format!("refused ({code})"),
        (true, 0) => "intent".to_owned(),
        (true, code) => code.to_string(),
    };
    vec![
        index.to_string(),
        entry.time.clone(),
        entry.actor.user.clone(),
        entry.verb.clone(),
        format!("{} {place}{}", object.resource, object.name),
        outcome,
        entry.causality.clone(),
    ]
}
