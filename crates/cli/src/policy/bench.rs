//! `ridgeway policy bench`: how long the rules take over resources.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use ridgeway_doc::{Node, Value};
use ridgeway_policy::RuleSet;
use serde_json::json;

use super::judge::Prepared;
use super::load::{self, Source};
use super::world::World;
use crate::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders or files with policies and resources.
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// More of them, as `gator bench` names them.
    #[arg(long = "filename", short = 'f', value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Which rules are measured.
    #[arg(long, short, value_enum, default_value = "all")]
    engine: Engine,
    /// How often every resource is judged.
    #[arg(long, default_value_t = 1000)]
    iterations: usize,
    /// How often before the measurement.
    #[arg(long, default_value_t = 10)]
    warmup: usize,
    /// Seconds after which an engine's measurement ends with what it has.
    #[arg(long, visible_alias = "duration", default_value_t = 10.0)]
    limit: f64,
    /// How numbers are printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    /// Every engine that something was written for, one after the other.
    All,
    /// Constraint templates in Rego.
    Rego,
    /// Policies and constraint templates in CEL.
    Cel,
    /// Kyverno's rules.
    Kyverno,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// What one engine took.
struct Measured {
    engine: &'static str,
    policies: usize,
    skipped: Vec<String>,
    resources: usize,
    setup: Duration,
    violations: usize,
    /// One review's time each, sorted.
    reviews: Vec<Duration>,
    total: Duration,
    memory_kib: u64,
    peak_kib: u64,
}

/// Runs it.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let paths: Vec<PathBuf> = args.paths.iter().chain(&args.files).cloned().collect();
    if paths.is_empty() {
        return Err(Exit::unusable("name folders or files with policies and resources").into());
    }
    let loaded = load::resources(&paths, None);
    for problem in &loaded.problems {
        eprintln!("{problem}");
    }
    let (policies, resources): (Vec<Source>, Vec<Source>) = loaded.sources.into_iter().partition(load::is_policy);
    let resources: Vec<Prepared> = resources
        .into_iter()
        .filter(|source| {
            !matches!(
                source.kind(),
                "" | "Test" | "Suite" | "AdmissionReview" | "Kustomization"
            )
        })
        .map(|source| Prepared::new(source, "default"))
        .collect();
    if policies.is_empty() || resources.is_empty() {
        let why = format!(
            "{} policies and {} resources were found; a measurement needs both",
            policies.len(),
            resources.len()
        );
        return Err(Exit::unusable(why).into());
    }
    let engines = match args.engine {
        Engine::All => vec![Engine::Rego, Engine::Cel, Engine::Kyverno],
        one => vec![one],
    };
    let mut all = Vec::new();
    for engine in engines {
        all.extend(measure(engine, &policies, &resources, args));
    }
    if all.is_empty() {
        return Err(Exit::unusable("nothing here is written for that engine").into());
    }
    match args.output {
        Format::Table => all.iter().try_for_each(|one| table(one, out))?,
        Format::Json => {
            let list: Vec<serde_json::Value> = all.iter().map(as_json).collect();
            serde_json::to_writer_pretty(&mut *out, &json!(list))?;
            writeln!(out)?;
        }
    }
    Ok(())
}

/// The documents an engine is measured with.
fn chosen(engine: Engine, policies: &[Source]) -> Vec<Source> {
    let mut out = Vec::new();
    for source in policies {
        let keep = match (source.group(), engine) {
            ("constraints.gatekeeper.sh", Engine::Rego | Engine::Cel) => Some(source.clone()),
            ("templates.gatekeeper.sh", Engine::Rego) => template(source, "Rego"),
            ("templates.gatekeeper.sh", Engine::Cel) => template(source, "K8sNativeValidation"),
            ("policies.kyverno.io", Engine::Cel) | ("kyverno.io", Engine::Kyverno) => Some(source.clone()),
            _ => None,
        };
        out.extend(keep);
    }
    // Constraints without their template are another engine's.
    let kinds: Vec<String> = out
        .iter()
        .filter(|source| source.kind() == "ConstraintTemplate")
        .filter_map(|source| source.root().str_at(&["spec", "crd", "spec", "names", "kind"]))
        .map(str::to_owned)
        .collect();
    out.retain(|source| {
        source.group() != "constraints.gatekeeper.sh" || kinds.iter().any(|kind| kind == source.kind())
    });
    out
}

/// A template with the code of one engine alone; `None` when it has none.
fn template(source: &Source, engine: &str) -> Option<Source> {
    let mut value = source.root().to_value();
    let targets = value.at_mut(&["spec", "targets"])?.as_array_mut()?;
    let mut found = false;
    for target in targets {
        let old = target.node().get("rego").is_some();
        let node = target.node();
        let code: Vec<Value> = node
            .get("code")
            .into_iter()
            .flat_map(Node::items)
            .filter(|code| code.str_at(&["engine"]) == Some(engine))
            .map(Node::to_value)
            .collect();
        found |= !code.is_empty() || old && engine == "Rego";
        if engine != "Rego" {
            target.remove(&["rego"]);
            target.remove(&["libs"]);
        }
        if code.is_empty() {
            target.remove(&["code"]);
        } else {
            target.set(&["code"], code.into_iter().collect::<Value>());
        }
    }
    found.then(|| Source::new(&source.file, value.into_doc()))
}

fn measure(engine: Engine, policies: &[Source], resources: &[Prepared], args: &Args) -> Option<Measured> {
    let own = chosen(engine, policies);
    if own.is_empty() {
        return None;
    }
    let before = memory("VmRSS:");
    let start = Instant::now();
    let roots: Vec<Node<'_>> = own.iter().map(Source::root).collect();
    let (rules, errors) = RuleSet::compile(&roots);
    let rules = rules.at(ridgeway_policy::Point::Gator);
    let sources: Vec<Source> = resources.iter().map(|resource| resource.source.clone()).collect();
    let world = World::new(&sources, "default");
    let setup = start.elapsed();
    let judge = |resource: &Prepared| {
        let request = ridgeway_policy::Request {
            namespace: &resource.namespace,
            namespace_object: world.namespace(&resource.namespace),
            data: &world,
            ..ridgeway_policy::Request::create(&resource.gvk, resource.object())
        };
        rules.admit(&request)
    };
    let name = match engine {
        Engine::Cel => "cel",
        Engine::Kyverno => "kyverno",
        _ => "rego",
    };
    let mut progress = Progress::new(name, rules.len(), resources.len(), args);
    'warmup: for _ in 0..args.warmup {
        for resource in resources {
            if progress.exhausted(2) {
                break 'warmup;
            }
            std::hint::black_box(judge(resource));
        }
    }
    let mut violations = 0;
    for resource in resources {
        let verdicts = judge(resource);
        let failed = |r: &&ridgeway_policy::RuleResult| {
            matches!(
                r.outcome,
                ridgeway_policy::Outcome::Fail | ridgeway_policy::Outcome::Warn
            )
        };
        violations += verdicts.results.iter().filter(failed).count();
    }
    let mut reviews = Vec::new();
    let start = Instant::now();
    progress.begin();
    'all: for _ in 0..args.iterations {
        for resource in resources {
            if progress.exhausted(1) {
                break 'all;
            }
            let one = Instant::now();
            std::hint::black_box(judge(resource));
            reviews.push(one.elapsed());
            progress.tell(reviews.len());
        }
    }
    let total = start.elapsed();
    reviews.sort_unstable();
    Some(Measured {
        engine: name,
        policies: rules.len(),
        skipped: load::compile_problems(&errors, &own)
            .iter()
            .map(ToString::to_string)
            .collect(),
        resources: resources.len(),
        setup,
        violations,
        reviews,
        total,
        memory_kib: memory("VmRSS:").saturating_sub(before),
        peak_kib: memory("VmHWM:"),
    })
}

/// Says on standard error how far a measurement is, and when its time is over.
struct Progress {
    engine: &'static str,
    wanted: usize,
    limit: Duration,
    begun: Instant,
    told: Instant,
}

impl Progress {
    fn new(engine: &'static str, policies: usize, resources: usize, args: &Args) -> Progress {
        eprintln!(
            "{engine}: {policies} policies, {resources} resources, up to {} reviews each, at most {} s",
            args.iterations, args.limit
        );
        let now = Instant::now();
        Progress {
            engine,
            wanted: args.iterations * resources,
            limit: Duration::try_from_secs_f64(args.limit).unwrap_or(Duration::MAX),
            begun: now,
            told: now,
        }
    }

    /// Starts the time anew: warming up does not count.
    fn begin(&mut self) {
        self.begun = Instant::now();
        self.told = self.begun;
    }

    /// Whether this part of the time is used up.
    fn exhausted(&self, part: u32) -> bool {
        self.begun.elapsed() > self.limit / part
    }

    /// A line every two seconds.
    fn tell(&mut self, done: usize) {
        if self.told.elapsed() > Duration::from_secs(2) {
            self.told = Instant::now();
            let percent = done * 100 / self.wanted.max(1);
            let took = self.begun.elapsed().as_secs();
            eprintln!(
                "{}: {done} of {} reviews ({percent} %) after {took} s",
                self.engine, self.wanted
            );
        }
    }
}

impl Measured {
    fn percentile(&self, of_thousand: usize) -> Duration {
        let at = (self.reviews.len() * of_thousand).div_ceil(1000).saturating_sub(1);
        self.reviews.get(at).copied().unwrap_or_default()
    }

    fn mean(&self) -> Duration {
        let count = u32::try_from(self.reviews.len()).unwrap_or(u32::MAX).max(1);
        self.reviews.iter().sum::<Duration>() / count
    }

    fn per_second(&self) -> f64 {
        self.reviews.len() as f64 / self.total.as_secs_f64().max(1e-9)
    }
}

fn table(one: &Measured, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "engine      {}", one.engine)?;
    writeln!(out, "policies    {} ({} left out)", one.policies, one.skipped.len())?;
    for skipped in &one.skipped {
        writeln!(out, "            {skipped}")?;
    }
    writeln!(out, "resources   {}", one.resources)?;
    writeln!(out, "violations  {}", one.violations)?;
    writeln!(out, "reviews     {}", one.reviews.len())?;
    writeln!(out, "setup       {:.2?}", one.setup)?;
    writeln!(out, "mean        {:.2?}", one.mean())?;
    for (name, of_thousand) in [("min", 0), ("p50", 500), ("p95", 950), ("p99", 990), ("max", 1000)] {
        writeln!(out, "{name:<11} {:.2?}", one.percentile(of_thousand))?;
    }
    writeln!(out, "reviews/s   {:.0}", one.per_second())?;
    writeln!(
        out,
        "memory      {} KiB for the rules, {} KiB peak",
        one.memory_kib, one.peak_kib
    )?;
    writeln!(out)?;
    Ok(())
}

fn as_json(one: &Measured) -> serde_json::Value {
    let micros = |time: Duration| time.as_nanos() as f64 / 1000.0;
    json!({
        "engine": one.engine,
        "policies": one.policies,
        "leftOut": one.skipped,
        "resources": one.resources,
        "reviews": one.reviews.len(),
        "violations": one.violations,
        "setupMicros": micros(one.setup),
        "latencyMicros": {
            "min": micros(one.percentile(0)),
            "mean": micros(one.mean()),
            "p50": micros(one.percentile(500)),
            "p95": micros(one.percentile(950)),
            "p99": micros(one.percentile(990)),
            "max": micros(one.percentile(1000)),
        },
        "reviewsPerSecond": one.per_second().round(),
        "memoryKiB": one.memory_kib,
        "peakKiB": one.peak_kib,
    })
}

/// A figure of this process, where the system tells it.
fn memory(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
