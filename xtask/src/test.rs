//! `cargo xtask test`: what CI runs, what a contributor runs.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args as ClapArgs;

use crate::{peers, run, tidy, web};

/// Which steps to run.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Only these steps: format, lint, tidy, unit, corpora, portal, journey.
    steps: Vec<String>,
}

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("tidy", tidy::run),
    ("portal", portal),
    ("lint", lint),
    ("unit", unit),
    ("corpora", corpora),
    ("browser", browser),
];

/// Runs the steps in order; the first failure ends it.
pub(crate) fn run(args: &Args) -> Result<()> {
    for name in &args.steps {
        if !STEPS.iter().any(|(step, _)| step == name) {
            let known: Vec<_> = STEPS.iter().map(|(step, _)| *step).collect();
            bail!("unknown step `{name}`; known are {}", known.join(", "));
        }
    }
    let mut passed = 0;
    for (name, step) in STEPS {
        if !args.steps.is_empty() && !args.steps.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("── {name}");
        let start = Instant::now();
        step()?;
        println!("── {name}: ok in {:.0?}", start.elapsed());
        passed += 1;
    }
    println!("steps: {passed} passed, 0 failed");
    Ok(())
}

fn format() -> Result<()> {
    run::checked(&mut run::cargo(&["fmt", "--all", "--check"]))
}

fn lint() -> Result<()> {
    run::checked(&mut run::cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Unit, integration and end-to-end tests: the last start the real binary and drive it with git and kubectl.
fn unit() -> Result<()> {
    for (tool, why, get) in [
        ("git", "Git tests and the demo journey need it", "apt-get install git"),
        (
            "kubectl",
            "the kubectl tests are skipped; the journey sends the same requests itself",
            "go install k8s.io/kubernetes/cmd/kubectl@v1.36.3",
        ),
    ] {
        if !run::have(tool) {
            println!("note: {tool} absent: {why}; `{get}` supplies it");
        }
    }
    peers::note_absent();
    if run::have("cargo-nextest") {
        run::checked(&mut run::cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        return run::checked(&mut run::cargo(&["test", "--workspace", "--doc", "--quiet"]));
    }
    run::checked(&mut run::cargo(&["test", "--workspace", "--no-fail-fast"]))
}

fn corpora() -> Result<()> {
    let mut command = run::cargo(&["run", "--quiet", "--package", "ridgeway-testkit"]);
    run::checked(command.args(["--bin", "corpora"]))
}

fn portal() -> Result<()> {
    let folder = run::root().join("web");
    web::build()?;
    run::checked(&mut run::program("npm", &["run", "--silent", "test"], &folder))?;
    run::checked(&mut run::program("npm", &["run", "--silent", "size"], &folder))
}

/// The portal in a real browser: every route in both themes, then the journey against the running platform.
fn browser() -> Result<()> {
    if !Path::new("/usr/bin/chromium").exists() && !install("chromium") {
        println!("skipped: chromium absent; `apt-get install chromium` supplies it");
        return Ok(());
    }
    let folder = run::root().join("web");
    run::checked(&mut run::program("npm", &["run", "--silent", "e2e"], &folder))?;
    let binary = crate::up::build(true)?;
    let mut command = run::cargo(&["run", "--quiet", "--package", "ridgeway-testkit", "--bin", "demo", "--"]);
    run::checked(command.arg("--binary").arg(binary).arg("--portal"))
}

/// Installs a Debian package where that is ours to do: in CI, as root.
fn install(package: &str) -> bool {
    if std::env::var_os("CI").is_none() || !run::have("apt-get") {
        return false;
    }
    let apt = |args: &[&str]| {
        Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .is_ok_and(|s| s.success())
    };
    apt(&["update", "-qq"]) && apt(&["install", "-y", "-qq", "--no-install-recommends", package])
}
