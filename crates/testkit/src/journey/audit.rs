//! The ledger proves what happened, and any flipped byte is found.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};

use super::World;
use crate::report::{Report, ensure, until};

pub(super) fn play(world: &World, report: &mut Report) {
    report.step("drift corrections stand in the ledger", || {
        let output = ridgeway(
            world,
            &["audit", "query", "--json", "--name", "checkout-service"],
            &ledger_of(world),
        )?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure(output.status.success(), || {
            String::from_utf8_lossy(&output.stderr).into_owned()
        })?;
        let drift = text
            .lines()
            .filter(|line| line.contains("\"causality\":\"drift:"))
            .count();
        ensure(drift >= 2, || {
            format!("{drift} corrections among {} entries", text.lines().count())
        })?;
        Ok(format!("{drift} entries"))
    });
    report.step("`ridgeway audit verify` proves all of it", || {
        // The newest entries are signed with the next checkpoint, at most a second later.
        until(std::time::Duration::from_secs(5), || {
            let output = ridgeway(world, &["audit", "verify"], &ledger_of(world))?;
            ensure(output.status.success(), || {
                String::from_utf8_lossy(&output.stderr).into_owned()
            })?;
            Ok(String::from_utf8_lossy(&output.stdout).trim().replace('\n', ", "))
        })
    });
    report.step("flipping any byte makes it fail and say where", || {
        let copy = world.folder.path().join("tampered");
        copy_folder(&ledger_of(world), &copy)?;
        let mut places = Vec::new();
        let files: Vec<_> = std::fs::read_dir(&copy)?
            .filter_map(|e| Some(e.ok()?.path()))
            .filter(|p| p.is_file())
            .collect();
        let segment = files
            .iter()
            .max_by_key(|path| std::fs::metadata(path).map(|m| m.len()).unwrap_or_default())
            .context("the ledger has no files")?;
        let good = std::fs::read(segment)?;
        for part in 1..8 {
            let mut bad = good.clone();
            let at = good.len() * part / 8;
            bad[at] ^= 1;
            std::fs::write(segment, &bad)?;
            let output = ridgeway(world, &["audit", "verify"], &copy)?;
            let says = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure(!output.status.success(), || format!("byte {at} was flipped unseen"))?;
            let name = segment.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ensure(says.contains(&name), || format!("it does not say where: {says}"))?;
            places.push(at);
        }
        Ok(format!("{} places", places.len()))
    });
}

fn ledger_of(world: &World) -> std::path::PathBuf {
    world.data().join("ledger")
}

fn ridgeway(world: &World, args: &[&str], ledger: &Path) -> Result<Output> {
    Command::new(&world.options.binary)
        .args(args)
        .arg("--ledger")
        .arg(ledger)
        .output()
        .context("cannot start ridgeway")
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
