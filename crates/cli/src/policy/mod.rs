//! `ridgeway policy`: rules as a tool: test, apply, bench, explain, fix, replay. Reads files; a cluster only when asked.

mod apply;
mod bench;
mod cluster;
mod diff;
mod edit_yaml;
mod explain;
mod fix;
mod judge;
mod load;
mod parse;
mod rego;
mod replay;
mod report;
mod test;
mod world;

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

/// Policies: test, apply, bench, explain, fix, replay.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Runs `kyverno-test.yaml` and gator `suite.yaml` files, found in folders or named.
    Test(test::Args),
    /// Judges manifests, configuration files or a cluster by policies; exits with 1 on a denial, 2 on unusable input.
    Apply(Box<apply::Args>),
    /// Measures how long the rules take over resources, as `gator bench` does.
    Bench(bench::Args),
    /// Shows how a verdict came about: which rules matched or why not, which fields were looked at, what was found.
    Explain(Box<explain::Args>),
    /// Finds the smallest change with which the resources would pass.
    Fix(Box<fix::Args>),
    /// Puts recorded admissions, or what a cluster holds, before proposed rules: which decisions flip, and for whom.
    Replay(Box<replay::Args>),
}

/// Runs it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    match &args.action {
        Action::Test(args) => test::run(args, out),
        Action::Apply(args) => apply::run(args, out),
        Action::Bench(args) => bench::run(args, out),
        Action::Explain(args) => explain::run(args, out),
        Action::Fix(args) => fix::run(args, out),
        Action::Replay(args) => replay::run(args, out),
    }
}

/// Runs work over `0..count` on all cores; what it gives, in order.
fn on_all_cores<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count);
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let run = || {
        let mut own = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return own;
            }
            own.push((i, work(i)));
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            match other.join() {
                Ok(part) => all.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn work_on_all_cores_keeps_its_order() {
        let squares = super::on_all_cores(100, |i| i * i);
        assert_eq!(squares, (0..100).map(|i| i * i).collect::<Vec<_>>());
        assert!(super::on_all_cores(0, |i| i).is_empty());
    }
}
