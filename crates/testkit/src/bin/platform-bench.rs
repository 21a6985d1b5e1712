//! Numbers of the running platform: start, memory, creates, watch fan-out, push to applied.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use ridgeway_testkit::kube::{As, Kube};
use ridgeway_testkit::platform::{Platform, Start};
use ridgeway_testkit::report::{ensure, until};

/// Measures a platform that it starts itself.
#[derive(Parser)]
struct Args {
    /// The `ridgeway` binary.
    #[arg(long)]
    binary: PathBuf,
    /// How many watchers.
    #[arg(long, default_value_t = 1000)]
    watchers: usize,
    /// How long creates are counted, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only count creates.
    #[arg(long)]
    creates: bool,
    /// Over how many connections.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// How many requests at a time go over each connection, where it carries more than one.
    #[arg(long, default_value_t = 16)]
    streams: usize,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let options = Start {
        binary: &args.binary,
        data: &data,
        git: None,
        demo: true,
    };
    let platform = Platform::start(&options)?;
    println!("start to ready, first (with demo load)   {:.0?}", platform.ready_after);
    let kube = Kube::new(&platform.kubeconfig)?;
    healthy(&kube)?;
    if args.creates {
        creates(&platform, args.seconds, args.connections)?;
        multiplexed_creates(&platform, &args)?;
        println!("SIGTERM to exit                          {:.0?}", platform.stop()?);
        return Ok(());
    }
    let password = platform.password.clone().context("no password")?;
    std::thread::sleep(Duration::from_secs(3));
    println!(
        "idle RSS with the demo loaded            {} MB",
        resident(platform.pid())? / 1024
    );
    println!(
        "idle CPU over 5 s                        {:.1} %",
        idle_cpu(platform.pid())?
    );
    push_to_applied(&platform, &password, &kube, folder.path())?;
    change_to_report(&kube)?;
    creates(&platform, args.seconds, args.connections)?;
    multiplexed_creates(&platform, &args)?;
    fan_out(&platform, args.watchers)?;
    println!(
        "RSS afterwards                           {} MB",
        resident(platform.pid())? / 1024
    );
    println!("SIGTERM to exit                          {:.0?}", platform.stop()?);
    let mut starts = Vec::new();
    for _ in 0..5 {
        let platform = Platform::start(&Start { demo: false, ..options })?;
        starts.push(platform.ready_after);
        platform.stop()?;
    }
    starts.sort();
    println!(
        "start to ready, again (median, worst)    {:.0?}, {:.0?}",
        starts[starts.len() / 2],
        starts[starts.len() - 1]
    );
    Ok(())
}

fn healthy(kube: &Kube) -> Result<()> {
    until(Duration::from_secs(60), || {
        let all = kube.list("applications.argoproj.io", "argocd")?;
        let good = all
            .iter()
            .filter(|a| a["status"]["health"]["status"] == "Healthy")
            .count();
        ensure(all.len() >= 3 && good == all.len(), || {
            format!("{good} of {} healthy", all.len())
        })
    })
}

/// Resident memory in KiB.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .context("no number in VmRSS")
}

fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or_default();
    Ok(number(11) + number(12))
}

fn idle_cpu(pid: u32) -> Result<f64> {
    let before = cpu_ticks(pid)?;
    std::thread::sleep(Duration::from_secs(5));
    // A tick is 10 ms, so ticks over 5 s are parts of 500.
    Ok((cpu_ticks(pid)? - before) as f64 / 5.0)
}

fn percentile(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(((last as f64) * part).round() as usize)
        .copied()
        .unwrap_or_default()
}

/// From the start of `git push` to the object in the cluster.
fn push_to_applied(platform: &Platform, password: &str, kube: &Kube, folder: &Path) -> Result<()> {
    let url = platform.portal.replacen("://", &format!("://admin:{password}@"), 1);
    let clone = folder.join("clone");
    let git = |args: &[&str], dir: &Path| -> Result<()> {
        let output = std::process::Command::new("git").args(args).current_dir(dir).output()?;
        ensure(output.status.success(), || {
            String::from_utf8_lossy(&output.stderr).into_owned()
        })
    };
    git(
        &[
            "clone",
            "--quiet",
            &format!("{url}/git/checkout.git"),
            &clone.to_string_lossy(),
        ],
        folder,
    )?;
    git(&["config", "user.name", "Bench"], &clone)?;
    git(&["config", "user.email", "bench@example.org"], &clone)?;
    let file = clone.join("deploy/base/service.yaml");
    let base = std::fs::read_to_string(&file)?;
    let (mut whole, mut after_push) = (Vec::new(), Vec::new());
    for round in 0..30 {
        let text = base.replacen("  labels:\n", &format!("  labels:\n    bench: r{round}\n"), 1);
        std::fs::write(&file, text)?;
        git(&["commit", "--quiet", "-am", "bench"], &clone)?;
        let start = Instant::now();
        git(&["push", "--quiet"], &clone)?;
        let pushed = Instant::now();
        loop {
            let service = kube
                .get("services", "checkout-staging", "checkout-service")?
                .context("gone")?;
            if service["metadata"]["labels"]["bench"] == format!("r{round}") {
                break;
            }
            ensure(start.elapsed() < Duration::from_secs(20), || {
                "a push was not applied".into()
            })?;
            std::thread::sleep(Duration::from_millis(2));
        }
        whole.push(start.elapsed());
        after_push.push(pushed.elapsed());
    }
    whole.sort();
    after_push.sort();
    println!(
        "push → applied, from git push's start     p50 {:.0?}, p99 {:.0?}; after it returned p50 {:.0?}, p99 {:.0?}",
        percentile(&whole, 0.5),
        percentile(&whole, 0.99),
        percentile(&after_push, 0.5),
        percentile(&after_push, 0.99)
    );
    Ok(())
}

const REPORTING: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: bench-names-its-source}
spec:
  validationFailureAction: Audit
  rules:
  - name: source
    match: {any: [{resources: {kinds: [ConfigMap], namespaces: [default], names: ['bench-reported']}}]}
    validate:
      message: say where the data comes from
      pattern: {metadata: {labels: {source: '?*'}}}
";

/// From the request that changes an object to the policy report that says so.
fn change_to_report(kube: &Kube) -> Result<()> {
    let apply = |body: &str, path: &str| {
        let path = format!("{path}?fieldManager=bench&force=true");
        kube.request(
            As::Admin,
            "PATCH",
            &path,
            Some(("application/apply-patch+yaml", body.to_owned())),
        )
    };
    apply(REPORTING, "/apis/kyverno.io/v1/clusterpolicies/bench-names-its-source")?;
    let object = |labels: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: bench-reported, namespace: default, labels: {{{labels}}}}}\n"
        )
    };
    let path = "/api/v1/namespaces/default/configmaps/bench-reported";
    let mut took = Vec::new();
    for round in 0..40 {
        let wanted = if round % 2 == 0 { "fail" } else { "pass" };
        let start = Instant::now();
        apply(&object(if round % 2 == 0 { "" } else { "source: bench" }), path)?;
        loop {
            let reports = kube.list("policyreports.wgpolicyk8s.io", "default")?;
            let of = reports
                .iter()
                .find(|report| report["scope"]["name"] == "bench-reported");
            let results = of.and_then(|report| report["results"].as_array());
            let mut results = results.into_iter().flatten();
            let result = results.find(|result| result["policy"] == "bench-names-its-source");
            if result.is_some_and(|result| result["result"] == wanted) {
                break;
            }
            ensure(start.elapsed() < Duration::from_secs(20), || {
                "a change was not reported".into()
            })?;
            std::thread::sleep(Duration::from_millis(1));
        }
        // The first ones wait for the policy itself.
        if round >= 10 {
            took.push(start.elapsed());
        }
    }
    took.sort();
    println!(
        "change → policy report                   p50 {:.0?}, p99 {:.0?}",
        percentile(&took, 0.5),
        percentile(&took, 0.99)
    );
    Ok(())
}

/// ConfigMaps created over some connections, each waiting for its answer before it asks again.
fn creates(platform: &Platform, seconds: u64, connections: usize) -> Result<()> {
    let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let before = cpu_ticks(platform.pid())?;
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let kube = Kube::new(&platform.kubeconfig)?;
            let (done, stop) = (done.clone(), stop.clone());
            Ok(std::thread::spawn(move || -> Result<Vec<Duration>> {
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let body = format!(
                        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c-{worker}-{}"}},"data":{{"key":"value"}}}}"#,
                        times.len()
                    );
                    let start = Instant::now();
                    let path = "/api/v1/namespaces/default/configmaps";
                    kube.request(As::Admin, "POST", path, Some(("application/json", body)))?;
                    times.push(start.elapsed());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(times)
            }))
        })
        .collect::<Result<_>>()?;
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds));
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
    }
    let rate = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    let cpu = (cpu_ticks(platform.pid())? - before) as f64 * 10_000.0 / times.len().max(1) as f64;
    times.sort();
    println!(
        "create ConfigMap, {connections} connections           {rate:.0}/s, p50 {:.2?}, p99 {:.2?}, {cpu:.0} µs server CPU each",
        percentile(&times, 0.5),
        percentile(&times, 0.99)
    );
    Ok(())
}

/// ConfigMaps created over as many HTTP/2 connections, each carrying several requests at a time, as Kubernetes clients do.
fn multiplexed_creates(platform: &Platform, args: &Args) -> Result<()> {
    let kube = Kube::new(&platform.kubeconfig)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = (cpu_ticks(platform.pid())?, cpu_ticks(std::process::id())?);
    let start = Instant::now();
    let end = start + Duration::from_secs(args.seconds);
    let mut times = runtime.block_on(async {
        let mut workers = tokio::task::JoinSet::new();
        for connection in 0..args.connections {
            let shared = kube.connection().await?;
            for stream in 0..args.streams {
                let mut connection_of_worker = shared.clone();
                workers.spawn(async move {
                    let mut times = Vec::new();
                    while Instant::now() < end {
                        let body = format!(
                            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m-{connection}-{stream}-{}"}},"data":{{"key":"value"}}}}"#,
                            times.len()
                        );
                        let start = Instant::now();
                        let path = "/api/v1/namespaces/default/configmaps";
                        let (status, answer) = connection_of_worker.send("POST", path, body).await?;
                        ensure(status == 201, || String::from_utf8_lossy(&answer).into_owned())?;
                        times.push(start.elapsed());
                    }
                    anyhow::Ok(times)
                });
            }
        }
        let mut times = Vec::new();
        while let Some(done) = workers.join_next().await {
            times.extend(done??);
        }
        anyhow::Ok(times)
    })?;
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    let each = |before: u64, after: u64| (after - before) as f64 * 10_000.0 / times.len().max(1) as f64;
    let server = each(before.0, cpu_ticks(platform.pid())?);
    let client = each(before.1, cpu_ticks(std::process::id())?);
    times.sort();
    println!(
        "create ConfigMap, {} HTTP/2 x {} streams    {rate:.0}/s, p50 {:.2?}, p99 {:.2?}, {server:.0} µs server CPU each, {client:.0} µs here",
        args.connections,
        args.streams,
        percentile(&times, 0.5),
        percentile(&times, 0.99)
    );
    Ok(())
}

/// One change seen by many watchers.
fn fan_out(platform: &Platform, watchers: usize) -> Result<()> {
    let kube = Arc::new(Kube::new(&platform.kubeconfig)?);
    let create = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"watched"},"data":{"n":"0"}}"#;
    let collection = "/api/v1/namespaces/kube-public/configmaps";
    kube.request(
        As::Admin,
        "POST",
        collection,
        Some(("application/json", create.to_owned())),
    )?;
    let (sender, arrivals) = mpsc::channel();
    let ready = Arc::new(Barrier::new(watchers + 1));
    for _ in 0..watchers {
        let (kube, sender, ready) = (kube.clone(), sender.clone(), ready.clone());
        std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || -> Result<()> {
                let stream = kube.stream(
                    "/api/v1/namespaces/kube-public/configmaps?watch=true&fieldSelector=metadata.name%3Dwatched",
                );
                ready.wait();
                for line in BufReader::new(stream?).lines() {
                    if line?.contains("MODIFIED") && sender.send(Instant::now()).is_err() {
                        return Ok(());
                    }
                }
                Ok(())
            })?;
    }
    ready.wait();
    std::thread::sleep(Duration::from_secs(1));
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for round in 1..=20 {
        let patch = format!(r#"{{"data":{{"n":"{round}"}}}}"#);
        let start = Instant::now();
        let path = format!("{collection}/watched");
        kube.request(As::Admin, "PATCH", &path, Some(("application/merge-patch+json", patch)))?;
        let mut times: Vec<Duration> = Vec::with_capacity(watchers);
        while times.len() < watchers {
            let at = arrivals
                .recv_timeout(Duration::from_secs(10))
                .context("a watcher missed a change")?;
            times.push(at.duration_since(start));
        }
        times.sort();
        first.push(times[0]);
        all.extend(times);
    }
    all.sort();
    println!(
        "watch fan-out, {watchers} watchers             p50 {:.1?}, p99 {:.1?}, last {:.1?}",
        percentile(&all, 0.5),
        percentile(&all, 0.99),
        percentile(&all, 1.0)
    );
    Ok(())
}
