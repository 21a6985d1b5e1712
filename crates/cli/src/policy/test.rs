//! `ridgeway policy test`: the tests that policies come with, run unmodified, on all cores.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ridgeway_policy::corpus::{Report, RowOutcome, gator, kyverno_test};

use super::on_all_cores;
use super::report::{self, Counted, Finding, Output};
use crate::Exit;
use crate::files::{self, Texts};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files or folders.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only rows that came out otherwise than expected.
    #[arg(long, alias = "fail-only")]
    failed_only: bool,
    /// How the rows are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// The name of Kyverno's test files.
    #[arg(long, short, default_value = "kyverno-test.yaml")]
    file_name: String,
    /// Only rows whose name contains this text.
    #[arg(long)]
    run: Option<String>,
}

/// A file of tests.
struct Suite {
    path: String,
    kyverno: bool,
}

/// Runs it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let mut suites = Vec::new();
    for path in &args.paths {
        let Ok(path) = path.canonicalize() else {
            return Err(Exit::unusable(format!("there is no {}", path.display())).into());
        };
        suites.extend(suites_in(&path, &args.file_name));
    }
    if suites.is_empty() {
        let why = format!(
            "there is no {} and no suite.yaml here; name a folder that has one",
            args.file_name
        );
        return Err(Exit::unusable(why).into());
    }
    let reports = on_all_cores(suites.len(), |i| {
        let suite = &suites[i];
        let files = Texts::default();
        if suite.kyverno {
            kyverno_test::run_suite(&files, &suite.path)
        } else {
            gator::run_suite(&files, &suite.path)
        }
    });
    let here = std::env::current_dir().ok();
    let mut findings = Vec::new();
    for (suite, report) in suites.iter().zip(reports) {
        let shown = here
            .as_deref()
            .and_then(|here| Path::new(&suite.path).strip_prefix(here).ok())
            .map_or_else(|| suite.path.clone(), |path| path.display().to_string());
        findings.extend(rows(suite, &shown, report));
    }
    if let Some(wanted) = &args.run {
        findings.retain(|finding| finding.check.contains(wanted) || finding.group.contains(wanted));
    }
    let counts = report::Counts::of(&findings);
    let summary = format!(
        "{} suites: {} passed, {} failed, {} skipped",
        suites.len(),
        counts.pass,
        counts.fail,
        counts.skip
    );
    let shown = |finding: &Finding| !args.failed_only || finding.counted == Counted::Fail;
    report::print(args.output, &findings, &[], &summary, shown, out)?;
    if counts.fail > 0 {
        let why = format!("{} rows came out otherwise than expected", counts.fail);
        return Err(Exit::refused(why).into());
    }
    Ok(())
}

fn rows(suite: &Suite, shown: &str, report: Report) -> Vec<Finding> {
    let folder = suite.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    report
        .rows
        .into_iter()
        .map(|row| {
            let own = row
                .name
                .strip_prefix(&suite.path)
                .or_else(|| row.name.strip_prefix(folder));
            let check = own.unwrap_or(&row.name).trim().to_owned();
            Finding {
                counted: match row.outcome {
                    RowOutcome::Passed => Counted::Pass,
                    RowOutcome::Failed => Counted::Fail,
                    RowOutcome::Skipped => Counted::Skip,
                },
                group: shown.to_owned(),
                check: if check.is_empty() { "load".into() } else { check },
                object: String::new(),
                message: match row.outcome {
                    RowOutcome::Passed => String::new(),
                    _ => row.detail,
                },
                remedy: String::new(),
                path: String::new(),
                file: shown.to_owned(),
                line: 0,
                column: 0,
                more: serde_json::json!({"suite": shown}),
            }
        })
        .collect()
}

/// The suites below a folder, or the file itself.
fn suites_in(path: &Path, kyverno_name: &str) -> Vec<Suite> {
    if path.is_file() {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        return vec![Suite {
            path: path.display().to_string(),
            kyverno: !text.contains("test.gatekeeper.sh"),
        }];
    }
    let short = kyverno_name.strip_suffix(".yaml").unwrap_or(kyverno_name);
    files::walk(path)
        .into_iter()
        .filter_map(|file| {
            let name = file.rsplit('/').next().unwrap_or_default();
            let kyverno = name == kyverno_name || name.strip_suffix(".yml") == Some(short);
            let gator = matches!(name, "suite.yaml" | "suite.yml");
            (kyverno || gator).then_some(Suite { path: file, kyverno })
        })
        .collect()
}
