//! What the control plane counts and times, as Prometheus text for whoever serves `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ridgeway_ledger::journal;

/// Upper bounds of the duration buckets in seconds.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Counters and durations. Cheap to update; read as a whole.
#[derive(Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
    in_flight: AtomicI64,
    watches: AtomicI64,
    journal: OnceLock<Arc<journal::Counts>>,
}

/// What has been counted so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Changes stored, by verb.
    pub writes: BTreeMap<&'static str, u64>,
    /// Changes refused by access or policy, by verb.
    pub refused: BTreeMap<&'static str, u64>,
    /// Changes that were tried again because somebody else was faster.
    pub retries: u64,
    /// Requests over HTTP, by verb, group, resource and status code.
    pub requests: BTreeMap<(String, String, String, u16), u64>,
    /// Durations of requests other than watches, by verb.
    pub durations: BTreeMap<String, Histogram>,
}

/// A distribution over fixed buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, seconds: f64) {
        for (bucket, bound) in self.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// Counts something as long as it lives.
pub(crate) struct Gauge<'a>(&'a AtomicI64);

impl<'a> Gauge<'a> {
    fn up(value: &'a AtomicI64) -> Self {
        value.fetch_add(1, Ordering::Relaxed);
        Gauge(value)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn writes(&self, verb: &'static str) {
        *self.lock().writes.entry(verb).or_default() += 1;
    }

    pub(crate) fn refused(&self, verb: &'static str) {
        *self.lock().refused.entry(verb).or_default() += 1;
    }

    pub(crate) fn retried(&self) {
        self.lock().retries += 1;
    }

    pub(crate) fn request(&self, verb: &str, group: &str, resource: &str, code: u16, took: Option<Duration>) {
        let mut counts = self.lock();
        let key = (verb.to_owned(), group.to_owned(), resource.to_owned(), code);
        *counts.requests.entry(key).or_default() += 1;
        if let Some(took) = took {
            match counts.durations.get_mut(verb) {
                Some(histogram) => histogram.observe(took.as_secs_f64()),
                None => counts
                    .durations
                    .entry(verb.to_owned())
                    .or_default()
                    .observe(took.as_secs_f64()),
            }
        }
    }

    pub(crate) fn in_flight(&self) -> Gauge<'_> {
        Gauge::up(&self.in_flight)
    }

    pub(crate) fn watching(&self) -> Gauge<'_> {
        Gauge::up(&self.watches)
    }

    /// Tells what a journal of admissions has done, too.
    pub(crate) fn watch_journal(&self, counts: Arc<journal::Counts>) {
        let _ = self.journal.set(counts);
    }

    /// A copy of the counts.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self) -> String {
        let counts = self.counts();
        let mut out = String::with_capacity(4096);
        let mut text = Text(&mut out);
        text.family("ridgeway_changes_total", "counter", "Changes stored.");
        for (verb, n) in &counts.writes {
            text.sample("ridgeway_changes_total", &[("verb", verb)], n);
        }
        text.family(
            "ridgeway_refusals_total",
            "counter",
            "Changes refused by access rules or policies.",
        );
        for (verb, n) in &counts.refused {
            text.sample("ridgeway_refusals_total", &[("verb", verb)], n);
        }
        text.family(
            "ridgeway_change_retries_total",
            "counter",
            "Changes tried again after losing a race.",
        );
        text.sample("ridgeway_change_retries_total", &[], counts.retries);
        if let Some(journal) = self.journal.get() {
            for (name, about, n) in [
                (
                    "ridgeway_admissions_recorded_total",
                    "Admissions written to the journal.",
                    journal.written(),
                ),
                (
                    "ridgeway_admissions_missed_total",
                    "Admissions left out of the journal.",
                    journal.missed(),
                ),
            ] {
                text.family(name, "counter", about);
                text.sample(name, &[], n);
            }
        }
        text.family(
            "apiserver_request_total",
            "counter",
            "Requests by verb, group, resource and status code.",
        );
        for ((verb, group, resource, code), n) in &counts.requests {
            let labels = [
                ("verb", verb.as_str()),
                ("group", group),
                ("resource", resource),
                ("code", &code.to_string()),
            ];
            text.sample("apiserver_request_total", &labels, n);
        }
        text.family(
            "apiserver_request_duration_seconds",
            "histogram",
            "Duration of requests, without watches.",
        );
        for (verb, histogram) in &counts.durations {
            for (n, bound) in histogram.buckets.iter().zip(BUCKETS) {
                let labels = [("verb", verb.as_str()), ("le", &bound.to_string())];
                text.sample("apiserver_request_duration_seconds_bucket", &labels, n);
            }
            let labels = [("verb", verb.as_str()), ("le", "+Inf")];
            text.sample("apiserver_request_duration_seconds_bucket", &labels, histogram.count);
            text.sample("apiserver_request_duration_seconds_sum", &labels[..1], histogram.sum);
            text.sample(
                "apiserver_request_duration_seconds_count",
                &labels[..1],
                histogram.count,
            );
        }
        text.family(
            "apiserver_current_inflight_requests",
            "gauge",
            "Requests being handled, without watches.",
        );
        text.sample(
            "apiserver_current_inflight_requests",
            &[],
            self.in_flight.load(Ordering::Relaxed),
        );
        text.family("apiserver_longrunning_requests", "gauge", "Watches being served.");
        text.sample(
            "apiserver_longrunning_requests",
            &[("verb", "WATCH")],
            self.watches.load(Ordering::Relaxed),
        );
        out
    }
}

struct Text<'a>(&'a mut String);

impl Text<'_> {
    fn family(&mut self, name: &str, kind: &str, about: &str) {
        let _ = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (i, (key, text)) in labels.iter().enumerate() {
            let open = if i == 0 { '{' } else { ',' };
            let clean = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{open}{key}=\"{clean}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_text() {
        let metrics = Metrics::default();
        metrics.writes("create");
        metrics.request("create", "apps", "deploy\"s", 201, Some(Duration::from_millis(2)));
        metrics.request("watch", "", "pods", 200, None);
        let watching = metrics.watching();
        let text = metrics.render();
        for line in [
            "ridgeway_changes_total{verb=\"create\"} 1",
            r#"apiserver_request_total{verb="create",group="apps",resource="deploy\"s",code="201"} 1"#,
            "apiserver_request_duration_seconds_bucket{verb=\"create\",le=\"0.001\"} 0",
            "apiserver_request_duration_seconds_bucket{verb=\"create\",le=\"0.0025\"} 1",
            "apiserver_request_duration_seconds_count{verb=\"create\"} 1",
            "apiserver_longrunning_requests{verb=\"WATCH\"} 1",
            "ridgeway_change_retries_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\nnot in\n{text}");
        }
        assert!(
            !text.contains("duration_seconds_count{verb=\"watch\"}"),
            "watches have no duration"
        );
        drop(watching);
        assert!(
            metrics
                .render()
                .contains("apiserver_longrunning_requests{verb=\"WATCH\"} 0")
        );
    }
}
