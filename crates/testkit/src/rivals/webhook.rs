//! The webhook under a steady load: reviews over TLS at a rate that does not wait for their answers.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ridgeway_doc::Doc;
use serde_json::json;
use tokio::runtime::Runtime;

use super::load::{kyverno, large_pod, line, templates};
use super::shown;
use crate::http2::Connection;

/// Reviews a second.
const RATE: u32 = 1000;
/// As an API server keeps a few.
const CONNECTIONS: usize = 4;
/// Reviews that are not counted: connections and caches come about.
const WARMING: usize = 1000;
const GOAL: Duration = Duration::from_millis(3);

/// The server, which ends with its value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `ridgeway webhook serve` over policies and certificates in a folder.
fn serve(binary: &Path, folder: &Path) -> Result<(Server, SocketAddr)> {
    let mut server = Server(
        Command::new(binary)
            .args(["webhook", "serve", "--listen", "127.0.0.1:0"])
            .arg("--policies")
            .arg(folder.join("policies"))
            .arg("--cert-dir")
            .arg(folder.join("certs"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?,
    );
    let stdout = server.0.stdout.take().context("the webhook has no output")?;
    let mut address = None;
    for text in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(found) = text.trim().strip_prefix("webhook") {
            let found = found.trim().trim_start_matches("https://");
            address = found.split('/').next().and_then(|found| found.parse().ok());
        }
        if text.trim().starts_with("ready") {
            break;
        }
    }
    Ok((server, address.context("the webhook did not start")?))
}

fn review(number: usize) -> String {
    let pod = large_pod(number);
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": format!("u-{number}"), "operation": "CREATE", "dryRun": false,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
            "userInfo": {"username": "amy", "groups": ["system:authenticated"]},
            "object": pod, "oldObject": null,
        },
    })
    .to_string()
}

/// Sends reviews when their time has come; how long each answer took from then on. The clock is a thread of its own:
/// timers of the runtime are a millisecond wide.
fn load(runtime: &Runtime, address: SocketAddr, authorities: &[u8], time: Duration) -> Result<Vec<Duration>> {
    let connections: Vec<Connection> = runtime.block_on(async {
        let mut out = Vec::new();
        for _ in 0..CONNECTIONS {
            out.push(Connection::open(address, authorities, None).await?);
        }
        anyhow::Ok(out)
    })?;
    let bodies: Vec<String> = (0..64).map(review).collect();
    let count = WARMING + (time.as_secs_f64() * f64::from(RATE)) as usize;
    let gap = Duration::from_secs(1) / RATE;
    let begun = Instant::now();
    let mut asked = Vec::with_capacity(count);
    for number in 0..count {
        let due = begun + gap * u32::try_from(number)?;
        let mut connection = connections[number % CONNECTIONS].clone();
        let body = bodies[number % bodies.len()].clone();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        asked.push(runtime.spawn(async move {
            let (status, answer) = connection.send("POST", "/validate?timeout=10s", body).await?;
            let took = due.elapsed();
            ensure!(status == 200, "HTTP {status}: {}", String::from_utf8_lossy(&answer));
            let refused = answer.windows(11).any(|part| part == b"\"allowed\":f");
            ensure!(refused, "the Pod was let in");
            Ok(took)
        }));
    }
    let mut took = Vec::with_capacity(count);
    for one in asked {
        took.push(runtime.block_on(one)??);
    }
    Ok(took.split_off(WARMING))
}

/// Prints how long answers take at the rate.
pub fn run(root: &Path, binary: &Path) -> Result<()> {
    println!("\n== webhook, over TLS");
    let folder = tempfile::tempdir()?;
    let mut sources = kyverno(root, "pod-security");
    sources.extend(templates(root, false));
    std::fs::create_dir(folder.path().join("policies"))?;
    let texts: Vec<String> = sources.iter().map(Doc::root).map(|node| node.to_yaml()).collect();
    std::fs::write(folder.path().join("policies/all.yaml"), texts.join("---\n"))?;
    let (_server, address) = serve(binary, folder.path())?;
    let authorities = std::fs::read(folder.path().join("certs/ca.crt"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut took = load(&runtime, address, &authorities, Duration::from_secs(10))?;
    took.sort_unstable();
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    let what = format!(
        "{RATE} reviews a second, 22 PSS and 39 templates, Pod of 5.9 KB: p50 {}, p99",
        shown(at(0.5).as_nanos() as f64)
    );
    line(&what, shown(at(0.99).as_nanos() as f64), at(0.99) < GOAL, "3 ms");
    Ok(())
}
