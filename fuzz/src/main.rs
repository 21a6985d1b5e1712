//! Runs the targets on a stable compiler: `fuzz [--seconds N] [TARGET…]`; an input that breaks one is kept in a file.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ridgeway_fuzz::generate::{Random, mutate};
use ridgeway_fuzz::targets::{ALL, Target};

/// An input that takes longer than this breaks the promise that work is bounded by what comes in.
const TOO_LONG: Duration = Duration::from_secs(5);
/// How many inputs are kept to grow others from.
const POOL: usize = 2_000;

fn main() -> ExitCode {
    let mut seconds = 10;
    let mut wanted = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--seconds" => match args.next().and_then(|n| n.parse().ok()) {
                Some(n) => seconds = n,
                None => return usage("--seconds takes a number"),
            },
            name if ALL.iter().any(|target| target.name == name) => wanted.push(arg),
            name if std::path::Path::new(name).is_file() => return again(&wanted, name),
            other => return usage(&format!("there is no target {other:?}")),
        }
    }
    let targets = ALL
        .iter()
        .filter(|target| wanted.is_empty() || wanted.iter().any(|name| name == target.name));
    let mut good = true;
    for target in targets {
        good &= run(target, Duration::from_secs(seconds));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage(why: &str) -> ExitCode {
    let names: Vec<&str> = ALL.iter().map(|target| target.name).collect();
    eprintln!(
        "{why}\nfuzz [--seconds N] [TARGET…]   targets: {}\nfuzz TARGET FILE              runs one input again",
        names.join(", ")
    );
    ExitCode::FAILURE
}

/// Runs one input again, as it was kept.
fn again(wanted: &[String], file: &str) -> ExitCode {
    let Some(target) = ALL.iter().find(|target| wanted.iter().any(|name| name == target.name)) else {
        return usage("name the target before the file");
    };
    match std::fs::read(file) {
        Ok(input) => (target.run)(&input),
        Err(error) => return usage(&format!("{file}: {error}")),
    }
    println!("{file}: nothing is broken");
    ExitCode::SUCCESS
}

/// Feeds a target for a time. Whether it kept its promises.
fn run(target: &Target, time: Duration) -> bool {
    let mut random = Random::new(target.name.len() as u64 + time.as_secs());
    let mut pool: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let mut seen = HashSet::new();
    let start = Instant::now();
    let mut runs = 0u64;
    while start.elapsed() < time {
        let input = if runs < pool.len() as u64 {
            pool[runs as usize].clone()
        } else {
            mutate(&mut random, &pool)
        };
        runs += 1;
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let slow = begun.elapsed() > TOO_LONG;
        if outcome.is_err() || slow {
            let what = if slow { "took too long" } else { "broke a promise" };
            println!(
                "{}: {what} on its input {runs}; kept in {}",
                target.name,
                keep(target, &input)
            );
            return false;
        }
        // No coverage is measured here: inputs of a new shape stand for new paths.
        if seen.insert(shape(&input)) && pool.len() < POOL {
            pool.push(input);
        }
    }
    println!(
        "{}: {runs} inputs in {:.0?}, nothing broken",
        target.name,
        start.elapsed()
    );
    true
}

/// What an input looks like from afar: its classes of characters, runs as one.
fn shape(input: &[u8]) -> u64 {
    let class = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' => b'a',
        b'0'..=b'9' => b'0',
        0x80.. => 0x80,
        other => other,
    };
    let mut classes: Vec<u8> = input.iter().map(|byte| class(*byte)).collect();
    classes.dedup();
    let mut hasher = DefaultHasher::new();
    classes.hash(&mut hasher);
    hasher.finish()
}

fn keep(target: &Target, input: &[u8]) -> String {
    let folder = PathBuf::from(std::env::var_os("FUZZ_ARTIFACTS").unwrap_or_else(|| "target/fuzz".into()));
    let path = folder.join(format!("{}-{:016x}", target.name, shape(input)));
    match std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input)) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("no file ({error}): {:?}", String::from_utf8_lossy(input)),
    }
}
