//! Trying again.

use std::time::Duration;

use ridgeway_doc::Node;
use ridgeway_krm::GoDuration;

/// How failed syncs are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often; negative is for ever.
    pub limit: i64,
    /// The first wait.
    pub base: Duration,
    /// By how much each wait grows.
    pub factor: u32,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Retry {
    /// No retry; with a limit, the pauses of Argo CD.
    fn default() -> Retry {
        Retry {
            limit: 0,
            base: Duration::from_secs(5),
            factor: 2,
            max: Duration::from_secs(180),
        }
    }
}

impl Retry {
    /// Reads `spec.syncPolicy.retry`; durations are Go durations or whole seconds. `None` is no retry.
    pub fn from_node(retry: Option<Node<'_>>) -> Retry {
        let mut out = Retry::default();
        let Some(node) = retry else { return out };
        let duration = |key: &str, default: Duration| {
            let value = node.at(&["backoff", key]);
            let go = value
                .and_then(Node::as_str)
                .and_then(|t| GoDuration::parse(t).ok())
                .and_then(GoDuration::to_std);
            let seconds = value
                .and_then(Node::as_i64)
                .and_then(|s| u64::try_from(s).ok())
                .map(Duration::from_secs);
            go.or(seconds).unwrap_or(default)
        };
        out.limit = node.get("limit").and_then(Node::as_i64).unwrap_or(5);
        out.base = duration("duration", out.base);
        out.max = duration("maxDuration", out.max);
        let factor = node.at(&["backoff", "factor"]).and_then(Node::as_i64);
        out.factor = factor
            .and_then(|f| u32::try_from(f).ok())
            .filter(|f| *f > 0)
            .unwrap_or(2);
        out
    }

    pub(crate) fn after(&self, attempt: u32) -> Duration {
        let growth = self.factor.max(1).saturating_pow(attempt.saturating_sub(1));
        self.base.saturating_mul(growth).min(self.max)
    }
}
