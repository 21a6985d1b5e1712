//! What is counted, for Prometheus.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use ridgeway_policy::Outcome;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    call: &'static str,
    answer: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Policy {
    policy: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PolicyOutcome {
    policy: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

/// What the webhook counts. Labels come from loaded policies only, never from requests.
pub struct Metrics {
    registry: Registry,
    reviews: Family<Call, Counter>,
    duration: Family<Call, Histogram>,
    outcomes: Family<PolicyOutcome, Counter>,
    policy_duration: Family<Policy, Histogram>,
    over_budget: Family<Policy, Counter>,
    reloads: Family<Result, Counter>,
    reads: Family<Result, Counter>,
    policies: Gauge,
    certificate_end: Gauge,
}

fn histogram() -> Histogram {
    // 25 µs to 1.6 s.
    Histogram::new(exponential_buckets(0.000_025, 2.0, 17))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ridgeway_webhook");
        let metrics = Metrics {
            reviews: Family::default(),
            duration: Family::new_with_constructor(histogram),
            outcomes: Family::default(),
            policy_duration: Family::new_with_constructor(histogram),
            over_budget: Family::default(),
            reloads: Family::default(),
            reads: Family::default(),
            policies: Gauge::default(),
            certificate_end: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("reviews", "Admission reviews answered", metrics.reviews.clone());
        registry.register(
            "review_duration_seconds",
            "Time to answer an admission review",
            metrics.duration.clone(),
        );
        registry.register("policy_results", "Results of policies", metrics.outcomes.clone());
        registry.register(
            "policy_duration_seconds",
            "Time a policy took",
            metrics.policy_duration.clone(),
        );
        registry.register(
            "policy_over_budget",
            "Times a policy was given up for taking too long",
            metrics.over_budget.clone(),
        );
        registry.register("reloads", "Attempts to load changed policies", metrics.reloads.clone());
        registry.register("cluster_reads", "Reads from the cluster", metrics.reads.clone());
        registry.register("policies", "Policies in force", metrics.policies.clone());
        registry.register(
            "certificate_not_after_seconds",
            "When the serving certificate ends, in seconds since 1970",
            metrics.certificate_end.clone(),
        );
        Metrics { registry, ..metrics }
    }
}

impl Metrics {
    pub(crate) fn answered(&self, mutating: bool, answer: &'static str, took: Duration) {
        let call = if mutating { "mutate" } else { "validate" };
        let call = Call { call, answer };
        self.reviews.get_or_create(&call).inc();
        self.duration.get_or_create(&call).observe(took.as_secs_f64());
    }

    pub(crate) fn outcome(&self, policy: &str, outcome: Outcome) {
        let labels = PolicyOutcome {
            policy: policy.to_owned(),
            outcome: outcome.as_str(),
        };
        self.outcomes.get_or_create(&labels).inc();
    }

    pub(crate) fn took(&self, policy: &str, time: Duration) {
        let labels = Policy {
            policy: policy.to_owned(),
        };
        self.policy_duration.get_or_create(&labels).observe(time.as_secs_f64());
    }

    pub(crate) fn over_budget(&self, policy: &str) {
        let labels = Policy {
            policy: policy.to_owned(),
        };
        self.over_budget.get_or_create(&labels).inc();
    }

    pub(crate) fn loaded(&self, policies: Option<usize>) {
        let result = if policies.is_some() { "loaded" } else { "refused" };
        self.reloads.get_or_create(&Result { result }).inc();
        if let Some(count) = policies {
            self.policies.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn read(&self, result: &'static str) {
        self.reads.get_or_create(&Result { result }).inc();
    }

    pub(crate) fn certificate_ends(&self, second: i64) {
        self.certificate_end.set(second);
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a text cannot fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}
