//! Prometheus metrics of the edge, beside those of the control plane.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: String,
    area: String,
    code: u16,
}

/// Parts of the API that are counted by themselves.
const AREAS: [&str; 11] = [
    "session",
    "system",
    "home",
    "applications",
    "promotions",
    "policies",
    "audit",
    "catalog",
    "repositories",
    "templates",
    "events",
];

/// What the edge counts.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    duration: Family<Labels, Histogram>,
    ledger_size: Gauge,
    store_revision: Gauge,
}

impl Metrics {
    pub(crate) fn new(version: &str) -> Metrics {
        let mut registry = Registry::with_prefix("ridgeway");
        let requests = Family::<Labels, Counter>::default();
        let duration =
            Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 14)));
        let (ledger_size, store_revision) = (Gauge::default(), Gauge::default());
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "Time to answer", duration.clone());
        registry.register("ledger_size", "Entries in the audit ledger", ledger_size.clone());
        registry.register("store_revision", "Revision of the store", store_revision.clone());
        let info = Family::<Vec<(String, String)>, Gauge>::default();
        info.get_or_create(&vec![("version".to_owned(), version.to_owned())])
            .set(1);
        registry.register("build_info", "What runs", info);
        Metrics {
            registry,
            requests,
            duration,
            ledger_size,
            store_revision,
        }
    }

    /// Counts a request; paths are grouped, so that no user's input becomes a label.
    pub(crate) fn observe(&self, method: &Method, path: &str, code: StatusCode, took: Duration) {
        let area = match path.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice() {
            ["api", "v1", "runs", ..] => "templates",
            ["api", "v1", area, ..] => AREAS.iter().find(|known| *known == area).copied().unwrap_or("other"),
            ["git", ..] => "git",
            ["metrics"] => "metrics",
            ["healthz"] => "healthz",
            _ => "portal",
        };
        let method = match *method {
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE | Method::OPTIONS => {
                method.as_str()
            }
            _ => "other",
        };
        let labels = Labels {
            method: method.to_owned(),
            area: area.to_owned(),
            code: code.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// The text format, with the control plane's metrics behind.
    pub(crate) fn render(&self, ledger_size: u64, revision: u64, plane: &str) -> String {
        self.ledger_size.set(ledger_size as i64);
        self.store_revision.set(revision as i64);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "metrics cannot be written");
        }
        // Two parts, one end.
        let text = text.trim_end().trim_end_matches("# EOF");
        format!("{text}{plane}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_cannot_make_labels() {
        let metrics = Metrics::new("0");
        for path in [
            "/api/v1/applications/x",
            "/../../etc",
            "/api/v1/AAAA%20/x",
            "/git/a.git/info/refs",
        ] {
            metrics.observe(&Method::GET, path, StatusCode::OK, Duration::from_millis(3));
        }
        for name in ["invented", "thought"] {
            let method = Method::from_bytes(name.to_uppercase().as_bytes()).unwrap();
            metrics.observe(
                &method,
                &format!("/api/v1/{name}"),
                StatusCode::NOT_FOUND,
                Duration::from_millis(3),
            );
        }
        let text = metrics.render(5, 7, "more 1\n");
        assert!(
            text.contains(r#"area="applications""#) && text.contains(r#"area="portal""#),
            "{text}"
        );
        assert!(
            !text.contains("AAAA") && !text.to_lowercase().contains("invented") && !text.contains("# EOF"),
            "{text}"
        );
        assert!(
            text.contains("ridgeway_ledger_size 5") && text.ends_with("more 1\n"),
            "{text}"
        );
    }
}
