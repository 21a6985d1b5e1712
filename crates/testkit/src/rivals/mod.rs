//! Side by side with the tools people use today: the same work for them and for us, in CPU time.
//!
//! Cases come from corpora on disk; peers are programs that `cargo xtask peers` builds. One that is absent is named and
//! passed over.

pub mod cel;
pub mod fuzz;
pub mod library;
pub mod load;
pub mod mutate;
pub mod rego;
pub mod tools;
pub mod webhook;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

/// Where the programs of peers lie, by name.
#[derive(Clone, Debug, Default)]
pub struct Peers(pub Vec<(String, PathBuf)>);

impl Peers {
    /// The program of a peer; says on standard output how to get one that is absent.
    pub fn find(&self, name: &str) -> Option<&Path> {
        let found = self.0.iter().find(|(known, path)| known == name && path.exists());
        if found.is_none() {
            println!("skipped: peer {name} absent; cargo xtask peers {name} builds it");
        }
        found.map(|(_, path)| &**path)
    }
}

/// CPU time of this process so far.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// CPU nanoseconds of one step: the best of three rounds that fill the budget together.
pub fn measure(budget: Duration, mut step: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..3 {
        let mut count = 1_u32;
        loop {
            let (begun, start) = (Instant::now(), cpu());
            (0..count).for_each(|_| step());
            let took = cpu().saturating_sub(start);
            if begun.elapsed() >= budget / 3 {
                best = best.min(took.as_nanos() as f64 / f64::from(count));
                break;
            }
            count = count.saturating_mul(2);
        }
    }
    best
}

/// Feeds lines to a program and gives the lines it answers.
pub fn ask(program: &Path, args: &[&str], lines: &[String]) -> Result<Vec<serde_json::Value>> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut input = child.stdin.take().context("no standard input")?;
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    if !output.status.success() {
        bail!("{} ended with {}", program.display(), output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Nanoseconds for people.
pub fn shown(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e4 => format!("{:.2} µs", n / 1e3),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n if n < 1e9 => format!("{:.1} ms", n / 1e6),
        n => format!("{:.2} s", n / 1e9),
    }
}

/// What was found over many ratios, against a goal.
pub fn summary(what: &str, unit: &str, goal: f64, ratios: &[(String, f64)]) {
    let mut sorted = ratios.to_vec();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let Some((worst, low)) = sorted.first() else {
        println!("summary {what}: nothing was compared");
        return;
    };
    let under: Vec<String> = sorted
        .iter()
        .filter(|(_, ratio)| *ratio < goal)
        .map(|(name, ratio)| format!("{name} ({ratio:.1}x)"))
        .collect();
    let median = sorted[sorted.len() / 2].1;
    println!(
        "summary {what}: {} {unit}; worst {low:.1}x ({worst}), median {median:.1}x; under {goal:.0}x: {}",
        sorted.len(),
        if under.is_empty() {
            "none".to_owned()
        } else {
            format!("{} – {}", under.len(), under.join(", "))
        }
    );
}

/// Every YAML document below a folder with its file; files that cannot be read are passed over.
pub fn documents(folder: &Path) -> Vec<(PathBuf, ridgeway_doc::Doc)> {
    let mut files = crate::corpora::files(folder, "yaml").unwrap_or_default();
    files.extend(crate::corpora::files(folder, "yml").unwrap_or_default());
    files.sort();
    let mut out = Vec::new();
    for file in files {
        out.extend(read(&file).into_iter().map(|doc| (file.clone(), doc)));
    }
    out
}

/// The documents of a file, lists opened; nothing when it cannot be read.
pub fn read(file: &Path) -> Vec<ridgeway_doc::Doc> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut out = Vec::new();
    for doc in ridgeway_doc::parse_yaml(&text).unwrap_or_default() {
        let root = doc.root();
        let list = root.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
        match root.get("items").filter(|items| list && items.is_array()) {
            Some(items) => out.extend(items.items().map(|item| item.to_doc())),
            None if root.is_object() => out.push(doc),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_people() {
        let all: Vec<String> = [512.0, 2_345.0, 45_678.0, 3_000_000.0].map(shown).into();
        assert_eq!(all, ["512 ns", "2.35 µs", "45.7 µs", "3.0 ms"]);
    }

    #[test]
    fn a_step_takes_time() {
        let took = measure(Duration::from_millis(3), || {
            std::hint::black_box((0..1000_u64).map(std::hint::black_box).sum::<u64>());
        });
        assert!(took > 10.0 && took < 1e7, "{took}");
    }
}
