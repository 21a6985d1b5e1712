//! `ridgeway policy`: the tests that policies come with, run unmodified.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use ridgeway_policy::corpus::{Files, Report, RowOutcome, gator, kyverno_test};

/// Policies: test files.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Runs `kyverno-test.yaml` and gator `suite.yaml` files, found in folders or named.
    Test {
        /// Files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Only rows that came out otherwise than expected.
        #[arg(long)]
        failed_only: bool,
    },
}

/// Runs it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let Action::Test { paths, failed_only } = &args.action;
    let disk = Disk;
    let (mut passed, mut failed, mut skipped, mut suites) = (0, 0, 0, 0);
    for path in paths {
        let path = path
            .canonicalize()
            .with_context(|| format!("there is no {}", path.display()))?;
        for file in suites_in(&disk, &path) {
            let kyverno = file.ends_with("kyverno-test.yaml") || file.ends_with("kyverno-test.yml");
            let report = if kyverno {
                kyverno_test::run_suite(&disk, &file)
            } else {
                gator::run_suite(&disk, &file)
            };
            suites += 1;
            print(&report, *failed_only, out)?;
            let result = report.result();
            passed += result.passed;
            failed += result.failed;
            skipped += result.skipped;
        }
    }
    if suites == 0 {
        bail!("there is no kyverno-test.yaml and no suite.yaml here; name a folder that has one");
    }
    writeln!(
        out,
        "{suites} suites: {passed} passed, {failed} failed, {skipped} skipped"
    )?;
    if failed > 0 {
        bail!("{failed} rows came out otherwise than expected");
    }
    Ok(())
}

fn print(report: &Report, failed_only: bool, out: &mut dyn Write) -> Result<()> {
    for row in &report.rows {
        let word = match row.outcome {
            RowOutcome::Passed => "pass",
            RowOutcome::Failed => "FAIL",
            RowOutcome::Skipped => "skip",
        };
        if !failed_only || row.outcome == RowOutcome::Failed {
            writeln!(out, "{word}  {}", row.name)?;
        }
        if row.outcome == RowOutcome::Failed && !row.detail.is_empty() {
            writeln!(out, "      {}", row.detail)?;
        }
    }
    Ok(())
}

/// The suites below a folder, or the file itself.
fn suites_in(disk: &Disk, path: &Path) -> Vec<String> {
    if path.is_file() {
        return vec![path.display().to_string()];
    }
    let name = |file: &String| file.rsplit('/').next().unwrap_or_default().to_owned();
    let mut found: Vec<String> = disk
        .walk(&path.display().to_string())
        .into_iter()
        .filter(|file| {
            matches!(
                name(file).as_str(),
                "kyverno-test.yaml" | "kyverno-test.yml" | "suite.yaml"
            )
        })
        .collect();
    found.sort();
    found
}

/// Files on disk by their paths.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }

    fn walk(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut ahead = vec![PathBuf::from(folder)];
        while let Some(folder) = ahead.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    ahead.push(path);
                } else {
                    found.push(path.display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}
