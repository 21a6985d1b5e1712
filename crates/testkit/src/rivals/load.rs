//! Whole rule sets under load: decisions, memory of many policies, a cold scan of many objects.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ridgeway_doc::{Doc, Node, Value, parse_json};
use ridgeway_krm::Gvk;
use ridgeway_policy::{Outcome, Request, RuleResult, RuleSet};
use serde_json::json;

use super::{cpu, documents, library, measure, shown};

/// A Pod with one container, as people write it.
fn small_pod() -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "owner": "amy.agilebank.demo"}},
        "spec": {"containers": [{
            "name": "web", "image": "ghcr.io/shop/web:1.2.3",
            "resources": {"limits": {"cpu": "100m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        }]},
    })
}

/// A Pod of 5.8 KB, as a real one is after its defaults: some containers with all that hangs on them.
pub(super) fn large_pod(number: usize) -> serde_json::Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/shop/{name}:1.{number}.0"), "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/bin/app"], "args": ["--listen=:8080", "--log=json", format!("--role={name}")],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}},
                {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "database", "key": "url"}}},
                {"name": "REGION", "value": "eu-west-1"},
            ],
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "initialDelaySeconds": 5, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
            "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": true}, {"name": "cache", "mountPath": "/var/cache/app"}],
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("checkout-{number}"), "generateName": "checkout-", "namespace": format!("team-{}", number % 50),
            "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "labels": {"app": "checkout", "team": "shop", "owner": "amy.agilebank.demo", "app.kubernetes.io/name": "checkout", "app.kubernetes.io/version": "1.0.0", "pod-template-hash": "5d4f8c7b9"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-5d4f8c7b9", "uid": "00000000-0000-4000-8000-000000000001", "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": {
            "containers": [container("web"), container("proxy"), container("worker")],
            "initContainers": [{"name": "migrate", "image": "registry.example.com/shop/migrate:1.0.0", "command": ["/usr/bin/migrate"], "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}}, "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}}}],
            "volumes": [{"name": "config", "configMap": {"name": "checkout", "defaultMode": 420}}, {"name": "cache", "emptyDir": {}}],
            "serviceAccountName": "checkout", "automountServiceAccountToken": false, "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
            "securityContext": {"runAsNonRoot": true, "fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
            "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30, "enableServiceLinks": true, "priority": 0,
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
    })
}

/// Templates and their constraints: the first of each, or all.
pub(super) fn templates(root: &Path, all: bool) -> Vec<Doc> {
    let mut out = Vec::new();
    for template in library::load(&root.join("gatekeeper-library")) {
        let samples = template.samples.iter().take(if all { usize::MAX } else { 1 });
        out.extend(samples.map(|sample| sample.constraint.clone()));
        out.push(template.doc);
    }
    out
}

/// Policies of Kyverno below a folder, without those of tests.
pub(super) fn kyverno(root: &Path, folder: &str) -> Vec<Doc> {
    let all = documents(&root.join("kyverno-policies").join(folder)).into_iter();
    let own = all.filter(|(file, _)| !file.components().any(|c| c.as_os_str() == ".kyverno-test"));
    own.map(|(_, doc)| doc)
        .filter(|doc| {
            matches!(
                doc.root().text_at(&["kind"]),
                "ClusterPolicy" | "Policy" | "ValidatingPolicy" | "MutatingPolicy" | "GeneratingPolicy"
            )
        })
        .collect()
}

fn compile(sources: &[Doc]) -> RuleSet {
    let roots: Vec<Node<'_>> = sources.iter().map(Doc::root).collect();
    RuleSet::compile(&roots).0
}

fn decide(rules: &RuleSet, json: &[u8]) -> usize {
    let Ok(doc) = parse_json(json) else { return 0 };
    let gvk = Gvk::new("", "v1", "Pod");
    rules.admit(&Request::create(&gvk, doc.root())).results.len()
}

/// A line with a figure and its goal.
pub(super) fn line(what: &str, figure: String, good: bool, goal: &str) {
    println!("{what:72} {figure:>12}  {} {goal}", if good { "ok  " } else { "MISS" });
}

/// Decisions over the whole libraries.
pub fn decisions(root: &Path, budget: Duration) -> Result<()> {
    println!("\n== decisions, from the JSON text to the verdicts");
    let small = small_pod().to_string();
    for all in [false, true] {
        let rules = compile(&templates(root, all));
        let nanos = measure(budget, || {
            std::hint::black_box(decide(&rules, small.as_bytes()));
        });
        let what = format!(
            "39 templates, {} constraints, small Pod ({} bytes)",
            rules.len(),
            small.len()
        );
        line(&what, shown(nanos), nanos <= 100e3, "100 µs");
    }
    for pod in [&small, &large_pod(1).to_string()] {
        dearest(root, pod, budget / 10)?;
    }
    let pod = large_pod(1).to_string();
    let mut sources = kyverno(root, "pod-security");
    let pss = sources.len();
    sources.extend(templates(root, false));
    for (what, part) in [
        ("PSS policies alone", &sources[..pss]),
        ("templates alone", &sources[pss..]),
    ] {
        let rules = compile(part);
        let nanos = measure(budget, || {
            std::hint::black_box(decide(&rules, pod.as_bytes()));
        });
        println!("    {what}: {} policies, {}", rules.len(), shown(nanos));
    }
    let rules = compile(&sources);
    let nanos = measure(budget, || {
        std::hint::black_box(decide(&rules, pod.as_bytes()));
    });
    let parse = measure(budget, || {
        let _ = std::hint::black_box(parse_json(pod.as_bytes()));
    });
    let what = format!("{pss} PSS policies and 39 templates, Pod of {} bytes, CPU", pod.len());
    line(&what, shown(nanos), nanos <= 400e3, "400 µs");
    println!(
        "    of which parsing {}; {} results",
        shown(parse),
        decide(&rules, pod.as_bytes())
    );
    let (rate, slow) = rate(&rules, pod.as_bytes(), budget * 10);
    line(
        "the same on 2 threads, decisions a second",
        format!("{rate:.0}"),
        rate >= 4000.0,
        "4,000/s",
    );
    line("the same, p99 in process", shown(slow), slow <= 1e6, "1 ms");
    Ok(())
}

/// Which templates cost most on a Pod, each alone with its first constraint.
fn dearest(root: &Path, pod: &str, budget: Duration) -> Result<()> {
    const SHOWN: usize = 8;
    let doc = parse_json(pod.as_bytes())?;
    let gvk = Gvk::new("", "v1", "Pod");
    let mut all = Vec::new();
    for template in library::load(&root.join("gatekeeper-library")) {
        let Some(sample) = template.samples.first() else {
            continue;
        };
        let name = template.doc.root().text_at(&["metadata", "name"]).to_owned();
        let rules = compile(&[sample.constraint.clone(), template.doc]);
        let nanos = measure(budget, || {
            std::hint::black_box(rules.admit(&Request::create(&gvk, doc.root())).results.len());
        });
        all.push((nanos, name));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let dear = all.iter().take(SHOWN);
    let dear: Vec<String> = dear.map(|(nanos, name)| format!("{name} {}", shown(*nanos))).collect();
    println!("    dearest on {} bytes: {}", pod.len(), dear.join(", "));
    Ok(())
}

/// Decisions a second on two threads, and the time that one of a hundred exceeds.
fn rate(rules: &RuleSet, pod: &[u8], time: Duration) -> (f64, f64) {
    let begun = Instant::now();
    let mut took: Vec<f64> = std::thread::scope(|scope| {
        let work = || {
            let mut own = Vec::new();
            while begun.elapsed() < time {
                let one = Instant::now();
                std::hint::black_box(decide(rules, pod));
                own.push(one.elapsed().as_nanos() as f64);
            }
            own
        };
        let (a, b) = (scope.spawn(work), scope.spawn(work));
        [a, b]
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    });
    let rate = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    (rate, took.get(took.len() * 99 / 100).copied().unwrap_or_default())
}

/// So many policies: those of the libraries, again under other names until there are enough.
fn many(root: &Path, count: usize) -> Vec<Doc> {
    let mut all = kyverno(root, "");
    let (constraints, templates): (Vec<Doc>, Vec<Doc>) = templates(root, true)
        .into_iter()
        .partition(|doc| doc.root().text_at(&["kind"]) != "ConstraintTemplate");
    all.extend(constraints);
    let mut out = templates;
    for round in 0.. {
        for doc in &all {
            if out.len() >= count {
                return out;
            }
            let mut value = Value::from(doc.root());
            let name = format!("{}-{round}", doc.root().text_at(&["metadata", "name"]));
            value.set(&["metadata", "name"], name);
            out.push(value.into_doc());
        }
        if all.is_empty() {
            break;
        }
    }
    out
}

/// A figure of this process in KiB.
fn memory(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

/// What a process holds that has compiled a thousand policies and dropped their texts. For a process of its own.
pub fn thousand_policies(root: &Path) -> Result<()> {
    let before = memory("VmRSS:");
    let begun = Instant::now();
    let sources = many(root, 1000);
    ensure!(sources.len() == 1000, "only {} policies were found", sources.len());
    let read = begun.elapsed();
    let begun = Instant::now();
    let rules = compile(&sources);
    let compiled = begun.elapsed();
    drop(sources);
    let after = memory("VmRSS:");
    line(
        &format!(
            "RSS with 1,000 policies loaded ({} compiled, {} KiB before)",
            rules.len(),
            before
        ),
        format!("{:.0} MB", after as f64 / 1024.0),
        after <= 64 * 1024,
        "64 MB",
    );
    println!(
        "    reading {read:.0?}, compiling {compiled:.0?}, peak {} MB",
        memory("VmHWM:") / 1024
    );
    Ok(())
}

/// How many objects are scanned at a time.
const BLOCK: usize = 16;

/// A hundred policies over a hundred thousand objects that lie in a file. For a process of its own.
pub fn cold_scan(root: &Path, objects: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("objects.jsonl");
    let mut file = BufWriter::new(std::fs::File::create(&path)?);
    for number in 0..objects {
        let mut object = if number % 4 == 0 {
            large_pod(number)
        } else {
            small_pod()
        };
        object["metadata"]["name"] = format!("web-{number}").into();
        if number % 3 == 0 {
            object["spec"]["hostNetwork"] = true.into();
        }
        serde_json::to_writer(&mut file, &object)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    drop(file);
    let mut sources = kyverno(root, "pod-security");
    sources.extend(templates(root, false));
    for folder in ["best-practices", "best-practices-vpol", "best-practices-cel", "other"] {
        for doc in kyverno(root, folder) {
            if compile(&sources).len() < 100 {
                sources.push(doc);
            }
        }
    }
    let rules = compile(&sources);
    drop(sources);
    let lines = std::sync::Mutex::new(BufReader::with_capacity(1 << 20, std::fs::File::open(&path)?).lines());
    let (results, failures, seen) = (AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let gvk = Gvk::new("", "v1", "Pod");
    let (begun, start) = (Instant::now(), cpu());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let batch: Vec<String> = match lines.lock() {
                        Ok(mut lines) => lines.by_ref().take(64).map_while(Result::ok).collect(),
                        Err(_) => return,
                    };
                    if batch.is_empty() {
                        return;
                    }
                    for block in batch.chunks(BLOCK) {
                        let read = |text: &String| parse_json(text.as_bytes()).ok();
                        let docs: Vec<Doc> = block.iter().filter_map(read).collect();
                        let requests: Vec<Request<'_>> =
                            docs.iter().map(|doc| Request::create(&gvk, doc.root())).collect();
                        for found in rules.scan_all(&requests) {
                            let failed = |r: &&RuleResult| matches!(r.outcome, Outcome::Fail | Outcome::Warn);
                            failures.fetch_add(found.iter().filter(failed).count() as u64, Ordering::Relaxed);
                            results.fetch_add(found.len() as u64, Ordering::Relaxed);
                            seen.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (took, spent) = (begun.elapsed(), cpu().saturating_sub(start));
    let seen = seen.into_inner();
    ensure!(seen == objects, "only {seen} objects were read");
    line(
        &format!("cold scan, {objects} objects, {} policies, 2 threads", rules.len()),
        format!("{:.1} s", took.as_secs_f64()),
        took <= Duration::from_secs(15),
        "15 s",
    );
    let peak = memory("VmHWM:");
    line(
        "the same, peak memory",
        format!("{} MB", peak / 1024),
        peak <= 512 * 1024,
        "512 MB",
    );
    println!(
        "    {:.1} s CPU, {} results, {} of them failures",
        spent.as_secs_f64(),
        results.into_inner(),
        failures.into_inner()
    );
    Ok(())
}

/// Runs a part of this program as a process of its own, for its memory.
pub fn apart(args: &[&str], root: &Path) -> Result<()> {
    let program = std::env::current_exe().context("this program's own path is not known")?;
    let status = std::process::Command::new(program)
        .args(args)
        .arg("--root")
        .arg(root)
        .status()?;
    ensure!(status.success(), "{args:?} ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_pod_has_the_size_that_goals_name() {
        let size = large_pod(1).to_string().len();
        assert!((5_600..6_000).contains(&size), "{size}");
    }
}
