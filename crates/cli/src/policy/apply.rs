//! `ridgeway policy apply`: resources judged by policies.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ridgeway_doc::Value;
use ridgeway_policy::{Action, Dialect, Outcome, RuleResult, Verdicts};

use super::judge::{Bench, Prepared, Resources};
use super::on_all_cores;
use super::report::{self, Counted, Counts, Finding, Output};
use crate::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Policies: files or folders of Kyverno policies, constraint templates with constraints, or Rego.
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    from: Resources,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Violations of rules that only audit count as warnings.
    #[arg(long)]
    audit_warn: bool,
    /// Also print what passes.
    #[arg(long, alias = "detailed-results")]
    detailed: bool,
    /// Write the resources as mutating rules change them to this file; `-` for standard output.
    #[arg(long, value_name = "FILE")]
    mutated: Option<PathBuf>,
}

/// Runs it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let bench = Bench::open(&args.policies, &args.from)?;
    bench.check()?;
    if bench.resources.is_empty() {
        bench.complain();
        let why = "no resource can be used; name files or folders with --resource, pipe them in with --resource -, or \
                   judge a cluster with --cluster";
        return Err(Exit::unusable(why).into());
    }
    let verdicts = on_all_cores(bench.resources.len(), |i| bench.admit(&bench.resources[i]));
    let mut findings = Vec::new();
    for (resource, verdicts) in bench.resources.iter().zip(&verdicts) {
        findings.extend(verdicts.results.iter().map(|r| finding(resource, r, args.audit_warn)));
    }
    if let Some(path) = &args.mutated {
        write_mutated(path, &bench, &verdicts, out)?;
    }
    let counts = Counts::of(&findings);
    let summary = format!(
        "{} policies, {} resources: pass: {}, fail: {}, warn: {}, error: {}, skip: {}",
        bench.rules.len(),
        bench.resources.len(),
        counts.pass,
        counts.fail,
        counts.warn,
        counts.error,
        counts.skip
    );
    let shown = |finding: &Finding| args.detailed || !matches!(finding.counted, Counted::Pass | Counted::Skip);
    report::print(args.output, &findings, &bench.problems, &summary, shown, out)?;
    if counts.fail + counts.error > 0 {
        let said = match counts.fail + counts.error {
            1 => "1 finding refuses".to_owned(),
            count => format!("{count} findings refuse"),
        };
        return Err(Exit::refused(said).into());
    }
    if !bench.problems.is_empty() {
        return Err(Exit::unusable(format!("{} inputs could not be used; see above", bench.problems.len())).into());
    }
    Ok(())
}

/// How a result counts. Upstream's command lines differ: Kyverno counts what audits as failed unless told otherwise,
/// Gatekeeper refuses only what it denies.
fn counted(result: &RuleResult, audit_warn: bool) -> Counted {
    match result.outcome {
        Outcome::Pass => Counted::Pass,
        Outcome::Skip => Counted::Skip,
        Outcome::Warn => Counted::Warn,
        Outcome::Error => Counted::Error,
        Outcome::Fail => match (result.action, result.dialect) {
            (Action::Enforce, _) => Counted::Fail,
            (Action::Audit, Dialect::Kyverno) if !audit_warn => Counted::Fail,
            _ => Counted::Warn,
        },
    }
}

fn finding(resource: &Prepared, result: &RuleResult, audit_warn: bool) -> Finding {
    let (line, column) = Bench::place(resource, &result.path);
    let data = |value: &Value| serde_json::from_str::<serde_json::Value>(&value.to_json()).unwrap_or_default();
    let dialect = match result.dialect {
        Dialect::Kyverno => "kyverno",
        Dialect::Gatekeeper => "gatekeeper",
        Dialect::PodSecurity => "pod-security",
        Dialect::Kubernetes => "kubernetes",
    };
    Finding {
        counted: counted(result, audit_warn),
        group: resource.source.file.clone(),
        check: format!("{}/{}", result.policy, result.rule),
        object: resource.shown(),
        message: result.message.clone(),
        remedy: result.remedy.clone(),
        path: result.path.clone(),
        file: resource.source.file.clone(),
        line,
        column,
        more: serde_json::json!({
            "policy": result.policy,
            "rule": result.rule,
            "dialect": dialect,
            "action": result.action.as_str(),
            "author": result.author,
            "resource": {
                "group": resource.gvk.group,
                "version": resource.gvk.version,
                "kind": resource.gvk.kind,
                "namespace": resource.namespace,
                "name": resource.name,
            },
            "found": result.value.as_ref().map(data),
            "patch": result.patch.as_ref().map(data),
        }),
    }
}

fn write_mutated(path: &std::path::Path, bench: &Bench, verdicts: &[Verdicts], out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    for (resource, verdicts) in bench.resources.iter().zip(verdicts) {
        text.push_str("---\n");
        match &verdicts.mutated {
            Some(object) => text.push_str(&object.node().to_yaml()),
            None => text.push_str(&resource.source.root().to_yaml()),
        }
    }
    if path.as_os_str() == "-" {
        return Ok(out.write_all(text.as_bytes())?);
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
