//! Whole commands beside ours: `kyverno test`, `gator verify`, `gator bench`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ridgeway_krm::GoDuration;

use super::Peers;

/// Wall time and CPU time of a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// CPU time of children that have ended, in ticks of ten milliseconds.
fn children() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; the fields are counted after it.
    let after = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields = after.split(' ').skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Runs a command so many times; the mean of its costs, and what the last run printed.
fn cost(program: &Path, args: &[&str], folders: &[&Path], folder: &Path, times: u32) -> Result<(Cost, String)> {
    let mut printed = String::new();
    let (begun, before) = (Instant::now(), children());
    for _ in 0..times {
        let output = Command::new(program)
            .args(args)
            .args(folders)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if printed.is_empty() {
            printed = String::from_utf8_lossy(&output.stderr).into_owned();
        }
    }
    let cost = Cost {
        wall: begun.elapsed() / times,
        cpu: children().saturating_sub(before) / times,
    };
    Ok((cost, printed))
}

fn line(what: &str, peer: &str, ours: Cost, theirs: Option<Cost>) {
    print!("{what:42} ours {:>8.2?} wall {:>8.2?} CPU", ours.wall, ours.cpu);
    if let Some(theirs) = theirs {
        let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64().max(1e-3);
        print!(
            "; {peer} {:>8.2?} wall {:>8.2?} CPU; {:.0}x wall, {:.0}x CPU",
            theirs.wall,
            theirs.cpu,
            ratio(theirs.wall, ours.wall),
            ratio(theirs.cpu, ours.cpu)
        );
    }
    println!();
}

/// The last line that says something.
fn last(printed: &str) -> &str {
    printed
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
}

/// Prints a line per command.
pub fn run(root: &Path, binary: &Path, peers: &Peers) -> Result<()> {
    println!("\n== command lines: the same folders, wall and CPU time");
    let kyverno = root.join("kyverno-policies");
    if kyverno.is_dir() {
        let (ours, said) = cost(binary, &["policy", "test", "--failed-only"], &[&kyverno], root, 5)?;
        let theirs = match peers.find("kyverno") {
            Some(program) => Some(cost(program, &["test", "--fail-only"], &[&kyverno], root, 1)?),
            None => None,
        };
        line(
            "kyverno test (404 suites)",
            "kyverno",
            ours,
            theirs.as_ref().map(|(cost, _)| *cost),
        );
        println!("    ours: {}", last(&said));
        if let Some((_, said)) = theirs {
            println!("    kyverno: {}", last(&said));
        }
    }
    let library = root.join("gatekeeper-library");
    if library.is_dir() {
        let gator = peers.find("gator");
        let (ours, said) = cost(binary, &["policy", "test", "--failed-only"], &[&library], root, 10)?;
        let all = library.join("library/...");
        let theirs = match gator {
            Some(program) => Some(cost(program, &["verify"], &[&all], root, 1)?),
            None => None,
        };
        line(
            "gator verify (39 suites)",
            "gator",
            ours,
            theirs.as_ref().map(|(cost, _)| *cost),
        );
        println!("    ours: {}", last(&said));
        if let Some((_, said)) = theirs {
            println!("    gator: {}", last(&said));
        }
        reviews(&library, binary, gator)?;
    }
    Ok(())
}

/// `gator bench` and ours over one set of files: a template, its constraints, its objects.
fn reviews(library: &Path, binary: &Path, gator: Option<&Path>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (number, template) in super::library::load(library).iter().enumerate() {
        let write = |name: &str, text: String| -> Result<PathBuf> {
            let path = folder.path().join(name);
            std::fs::write(&path, text)?;
            Ok(path)
        };
        write(&format!("{number}-template.yaml"), template.doc.root().to_yaml())?;
        for (s, sample) in template.samples.iter().enumerate() {
            write(
                &format!("{number}-constraint-{s}.yaml"),
                sample.constraint.root().to_yaml(),
            )?;
            for (c, case) in sample.cases.iter().enumerate().take(2) {
                if case.object.root().str_at(&["kind"]) != Some("AdmissionReview") {
                    write(&format!("{number}-object-{s}-{c}.yaml"), case.object.root().to_yaml())?;
                }
            }
        }
    }
    println!("gator bench, all templates, constraints and objects of the library in one folder (Rego):");
    let common = [
        "--engine",
        "rego",
        "--iterations",
        "3",
        "--warmup",
        "1",
        "--output",
        "json",
    ];
    let path = folder.path();
    let mean = |program: &Path, first: &[&str]| -> Result<Option<f64>> {
        let args: Vec<&str> = first.iter().copied().chain(common).chain(["--filename"]).collect();
        let (_, printed) = cost(program, &args, &[path], path, 1)?;
        let start = printed.find(['[', '{']).unwrap_or_default();
        let found: serde_json::Value = match serde_json::from_str(printed[start..].trim()) {
            Ok(found) => found,
            Err(_) => {
                println!("    {} said: {}", program.display(), last(&printed));
                return Ok(None);
            }
        };
        let micros = mean_micros(&found);
        println!(
            "    {}: {}",
            first.join(" "),
            micros.map_or("no figure".into(), |m| format!("{m:.1} µs a review"))
        );
        Ok(micros)
    };
    let ours = mean(binary, &["policy", "bench"])?;
    let theirs = match gator {
        Some(gator) => mean(gator, &["bench"])?,
        None => None,
    };
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        println!("    {:.0}x", theirs / ours);
    }
    Ok(())
}

/// The mean time of a review in either tool's output.
fn mean_micros(found: &serde_json::Value) -> Option<f64> {
    let one = found.get(0).unwrap_or(found);
    if let Some(micros) = one["latencyMicros"]["mean"].as_f64() {
        return Some(micros);
    }
    let latencies = one.get("latencies").or_else(|| one.get("Latencies"))?;
    let mean = latencies.get("mean").or_else(|| latencies.get("Mean"))?;
    // Go prints durations as `521.4µs`.
    let text = mean
        .as_str()
        .map(|text| GoDuration::parse(text).map(|duration| duration.0 as f64));
    let nanos = mean.as_f64().or(text.and_then(Result::ok))?;
    Some(nanos / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_both_tools() {
        let ours = serde_json::json!([{"latencyMicros": {"mean": 12.5}}]);
        let theirs = serde_json::json!([{"latencies": {"mean": "521.437µs"}}]);
        assert_eq!(mean_micros(&ours), Some(12.5));
        assert_eq!(mean_micros(&theirs), Some(521.437));
    }
}
