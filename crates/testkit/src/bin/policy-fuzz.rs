//! Puts changed fixtures before other tools and before us, and keeps what is judged differently.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use ridgeway_testkit::rivals::Peers;
use ridgeway_testkit::rivals::fuzz::{Findings, kyverno, templates};

/// Looks for disagreements.
#[derive(Parser)]
struct Args {
    /// The corpora; default `../shared/corpora`.
    #[arg(long)]
    root: Option<PathBuf>,
    /// `NAME=PATH` of a peer's program.
    #[arg(long = "peer")]
    peers: Vec<String>,
    /// How long each peer is asked.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Where the changes begin; the same number gives the same changes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which peers: opa, kyverno; default all.
    names: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<usize> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let root = args.root.clone().unwrap_or_else(|| project.join("../shared/corpora"));
    let root = root
        .canonicalize()
        .with_context(|| format!("{} is absent; --root DIR names another place", root.display()))?;
    let pairs = args.peers.iter().filter_map(|pair| pair.split_once('='));
    let peers = Peers(
        pairs
            .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
            .collect(),
    );
    let folder = project.join("target/peer-fuzz");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let mut findings = Findings::new(&folder);
    let time = Duration::from_secs(args.seconds);
    let wanted = |name: &str| args.names.is_empty() || args.names.iter().any(|wanted| wanted == name);
    if wanted("opa") {
        templates(&root, &peers, time, args.seed, &mut findings)?;
    }
    if wanted("kyverno") {
        kyverno(&root, &peers, time, args.seed, &mut findings)?;
    }
    println!(
        "fuzz with peers: {} compared, {} disagreements",
        findings.compared, findings.apart
    );
    Ok(findings.apart)
}
