//! Load over TLS: so many reviews a second of Pods before the demo policies; prints p50, p99 and what was refused.
//!
//! `cargo run --release -p ridgeway-webhook --example reviews -- [rate] [seconds] [connections]`
#![allow(clippy::expect_used, reason = "a measurement that cannot go on shall stop")]

#[path = "../tests/support/client.rs"]
mod client;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Caller;
use ridgeway_cluster::{Clock, SystemClock};
use ridgeway_webhook::{App, Certificates, Judge, Loaded, Metrics, Options, serve};

const POD: &str = include_str!("../../../examples/try/pod-without-limits.yaml");

fn review(good: bool) -> String {
    let mut pod = ridgeway_doc::parse_yaml(POD)
        .expect("the example is YAML")
        .remove(0)
        .root()
        .to_value();
    if good {
        let container = r#"[{"name":"app","image":"nginx","securityContext":{"runAsNonRoot":true,"allowPrivilegeEscalation":false},"resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"1","memory":"1Gi"}}}]"#;
        let containers = ridgeway_doc::parse_json(container.as_bytes()).expect("JSON");
        pod.set(&["spec", "containers"], containers);
    }
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"operation":"CREATE","namespace":"shop","userInfo":{{"username":"alice","groups":[]}},"object":{}}}}}"#,
        pod.to_json()
    )
}

#[tokio::main]
async fn main() {
    let number = |at: usize, default: u64| {
        std::env::args()
            .nth(at)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (rate, seconds, connections) = (number(1, 1000), number(2, 10), number(3, 4));
    let folder = tempfile::tempdir().expect("a folder");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let names = ["127.0.0.1".to_owned()];
    let certificates =
        Arc::new(Certificates::open(&folder.path().join("certs"), &names, clock.now()).expect("certificates"));
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/demo/platform/cluster/policies");
    let metrics = Arc::new(Metrics::default());
    let app = App {
        loaded: Loaded::open(vec![policies], metrics.clone()).expect("policies"),
        judge: Judge::new(Duration::from_secs(1), metrics),
        clock,
        options: Options::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let bundle = certificates.bundle();
    tokio::spawn(serve(listener, app, certificates, std::future::pending()));
    let mut callers = Vec::new();
    for _ in 0..connections {
        callers.push(Caller::connect(address, &bundle).await);
    }
    let bodies = [review(false), review(true)];
    for caller in &mut callers {
        for body in &bodies {
            caller.post("/mutate?timeout=5s", body.clone()).await;
        }
    }
    // Open loop: each review is sent at its time, whether or not those before it have been answered; waiting counts.
    let begin = Instant::now();
    let mut waiting = Vec::new();
    for n in 0..rate * seconds {
        let due = begin + Duration::from_nanos(1_000_000_000 / rate * n);
        tokio::time::sleep_until(due.into()).await;
        let mut caller = callers[(n % connections) as usize].clone();
        let body = bodies[(n % 2) as usize].clone();
        waiting.push(tokio::spawn(async move {
            let (status, text) = caller.post("/mutate?timeout=5s", body).await;
            assert_eq!(status, 200, "{text}");
            (due.elapsed(), text.contains(r#""allowed":false"#))
        }));
    }
    let (mut times, mut refused) = (Vec::new(), 0u64);
    for task in waiting {
        let (time, no) = task.await.expect("an answer");
        times.push(time);
        refused += u64::from(no);
    }
    let took = begin.elapsed();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{} reviews over TLS at {rate}/s in {took:.1?} ({:.0}/s), {connections} connections: p50 {:.2?}, p90 {:.2?}, p99 {:.2?}, max {:.2?}; \
         {refused} refused",
        times.len(),
        times.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}
