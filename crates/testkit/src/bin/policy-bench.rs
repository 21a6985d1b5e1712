//! Prints what policies cost, beside the tools people use today.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use ridgeway_testkit::rivals::{Peers, cel, load, rego, tools, webhook};

/// Measures policy engines.
#[derive(Parser)]
struct Args {
    /// The corpora; default `../shared/corpora`.
    #[arg(long)]
    root: Option<PathBuf>,
    /// The `ridgeway` binary, for whole commands.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// `NAME=PATH` of a peer's program.
    #[arg(long = "peer")]
    peers: Vec<String>,
    /// Milliseconds for each figure.
    #[arg(long, default_value_t = 30)]
    budget: u64,
    /// Every expression's line, not only those under the goal.
    #[arg(long)]
    verbose: bool,
    /// How many objects are scanned.
    #[arg(long, default_value_t = 100_000)]
    objects: usize,
    /// What is measured; default all but what needs peers.
    parts: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let root = args.root.clone().unwrap_or(default);
    let root = root
        .canonicalize()
        .with_context(|| format!("{} is absent; --root DIR names another place", root.display()))?;
    let budget = Duration::from_millis(args.budget);
    let pairs = args.peers.iter().filter_map(|pair| pair.split_once('='));
    let peers = Peers(
        pairs
            .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
            .collect(),
    );
    let parts: Vec<&str> = match args.parts.is_empty() {
        true => vec!["decisions", "webhook", "memory", "scan"],
        false => args.parts.iter().map(String::as_str).collect(),
    };
    for part in parts {
        match part {
            "rego" => rego::run(&root, &peers, budget)?,
            "cel" => cel::run(&root, &peers, budget, args.verbose)?,
            "tools" => match &args.binary {
                Some(binary) => tools::run(&root, binary, &peers)?,
                None => println!("whole commands: skipped, --binary names none"),
            },
            "webhook" => match &args.binary {
                Some(binary) => webhook::run(&root, binary)?,
                None => println!("webhook: skipped, --binary names none"),
            },
            "decisions" => load::decisions(&root, budget * 10)?,
            "memory" => load::apart(&["memory-here"], &root)?,
            "scan" => load::apart(&["scan-here", "--objects", &args.objects.to_string()], &root)?,
            "memory-here" => load::thousand_policies(&root)?,
            "scan-here" => load::cold_scan(&root, args.objects)?,
            other => {
                anyhow::bail!("unknown part `{other}`; known are rego, cel, tools, decisions, webhook, memory, scan")
            }
        }
    }
    Ok(())
}
