//! Runs corpora and prints one line each: `corpus NAME: P passed, F failed, S skipped`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ridgeway_testkit::corpora::{CORPORA, Pins, Runner, Tally};

/// Runs every registered corpus, or those named.
#[derive(Parser)]
struct Args {
    /// A folder with one folder per corpus.
    #[arg(long)]
    root: Option<PathBuf>,
    /// Raises the pinned counts to what passes now (default root only).
    #[arg(long)]
    pin: bool,
    /// Which corpora; default all.
    names: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let default = project.join("../shared/corpora");
    let root = args.root.clone().unwrap_or_else(|| default.clone());
    let pinned = args.root.is_none();
    let pin_file = project.join("corpora.json");
    let mut pins = Pins::read(&pin_file)?;
    for name in &args.names {
        if !CORPORA.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = CORPORA.iter().map(|(name, _)| *name).collect();
            bail!("no corpus runner is called `{name}`; known are {}", known.join(", "));
        }
    }
    let mut good = true;
    for (name, runner) in CORPORA {
        if !args.names.is_empty() && !args.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let folder = root.join(name);
        if !folder.is_dir() {
            println!(
                "corpus {name}: skipped, {} is absent; `--root DIR` names another place",
                folder.display()
            );
            continue;
        }
        let tally = judge(name, *runner, &folder)?;
        report(&project, name, &tally)?;
        let pin = pins.0.get(*name).copied().unwrap_or_default();
        if pinned && tally.passed < pin {
            eprintln!(
                "corpus {name}: {} passed, but {pin} are pinned in corpora.json; see target/corpora/{name}.txt",
                tally.passed
            );
            good = false;
        }
        if pinned && args.pin {
            pins.raise(name, tally.passed);
        }
    }
    if pinned && args.pin {
        pins.write(&pin_file)?;
    }
    Ok(good)
}

fn judge(name: &str, runner: Runner, folder: &Path) -> Result<Tally> {
    let start = std::time::Instant::now();
    let tally = runner(folder).with_context(|| format!("corpus {name}"))?;
    println!(
        "corpus {name}: {} passed, {} failed, {} skipped",
        tally.passed,
        tally.failing.len(),
        tally.skipped.len()
    );
    eprintln!("  {name} took {:.2?}", start.elapsed());
    Ok(tally)
}

/// Failing and skipped case ids with their reasons.
fn report(project: &Path, name: &str, tally: &Tally) -> Result<()> {
    let folder = project.join("target/corpora");
    fs::create_dir_all(&folder)?;
    let lines = |label: &str, cases: &[(String, String)]| -> String {
        cases
            .iter()
            .map(|(id, why)| format!("{label}\t{id}\t{}\n", why.replace('\n', " | ")))
            .collect()
    };
    let text = lines("failed", &tally.failing) + &lines("skipped", &tally.skipped);
    fs::write(folder.join(format!("{name}.txt")), text)?;
    Ok(())
}
