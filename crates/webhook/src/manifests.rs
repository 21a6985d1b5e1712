//! The webhook configurations that `kubectl apply` takes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_doc::Value;

use crate::coverage::Coverage;
use crate::policies::{FailurePolicy, PolicySet};

/// How an API server reaches the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// At a URL such as `https://127.0.0.1:9443`.
    Url(String),
    /// Through a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
}

impl Client {
    /// Reads `NAMESPACE/NAME` or `NAMESPACE/NAME:PORT`.
    pub fn service(text: &str) -> Result<Client, String> {
        let (path, port) = text.split_once(':').unwrap_or((text, "443"));
        let parts = path.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty());
        let (Some((namespace, name)), Ok(port)) = (parts, port.parse()) else {
            return Err(format!("{text:?} is no NAMESPACE/NAME or NAMESPACE/NAME:PORT"));
        };
        Ok(Client::Service {
            namespace: namespace.into(),
            name: name.into(),
            port,
        })
    }

    fn config(&self, path: &str, bundle: &str) -> Value {
        let mut out = Value::object();
        out.set(&["caBundle"], STANDARD.encode(bundle));
        match self {
            Client::Url(url) => out.set(&["url"], format!("{}{path}", url.trim_end_matches('/'))),
            Client::Service { namespace, name, port } => {
                out.set(&["service", "namespace"], namespace.clone());
                out.set(&["service", "name"], name.clone());
                out.set(&["service", "port"], i64::from(*port));
                out.set(&["service", "path"], path);
            }
        }
        out
    }
}

/// What the configurations say beside the rules.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of both configurations.
    pub name: String,
    /// How the API server reaches the webhook.
    pub client: Client,
    /// The authorities to trust, as PEM.
    pub bundle: String,
    /// Namespaces that are never asked about.
    pub exempt: Vec<String>,
    /// How long the API server waits, at least; policies with larger budgets get theirs.
    pub timeout: Duration,
}

/// Both configurations: only what some policy needs is in them.
pub fn manifests(set: &PolicySet, options: &Options) -> Vec<Value> {
    [true, false]
        .into_iter()
        .map(|mutating| configuration(set, options, mutating))
        .collect()
}

fn configuration(set: &PolicySet, options: &Options, mutating: bool) -> Value {
    let mut out = Value::object();
    out.set(&["apiVersion"], "admissionregistration.k8s.io/v1");
    out.set(
        &["kind"],
        if mutating {
            "MutatingWebhookConfiguration"
        } else {
            "ValidatingWebhookConfiguration"
        },
    );
    out.set(&["metadata", "name"], options.name.clone());
    out.set(&["metadata", "labels", "app.kubernetes.io/managed-by"], "ridgeway");
    out.set(
        &["metadata", "annotations", "webhook.ridgeway.dev/policies"],
        set.hash.clone(),
    );
    let webhooks = [FailurePolicy::Fail, FailurePolicy::Ignore]
        .into_iter()
        .filter_map(|failure| {
            let coverage = set.coverage(failure, mutating);
            (!coverage.is_empty()).then(|| webhook(set, options, mutating, failure, &coverage))
        });
    out.set(&["webhooks"], webhooks.collect::<Value>());
    out
}

fn webhook(set: &PolicySet, options: &Options, mutating: bool, failure: FailurePolicy, coverage: &Coverage) -> Value {
    let call = if mutating { "mutate" } else { "validate" };
    let group = failure.as_str().to_lowercase();
    let mut out = Value::object();
    out.set(&["name"], format!("{group}.{call}.webhook.ridgeway.dev"));
    out.set(&["admissionReviewVersions"], ["v1"].into_iter().collect::<Value>());
    let config = options.client.config(&format!("/{call}/{group}"), &options.bundle);
    out.set(&["clientConfig"], config);
    out.set(&["rules"], coverage.to_value());
    out.set(&["failurePolicy"], failure.as_str());
    out.set(&["matchPolicy"], "Equivalent");
    out.set(&["sideEffects"], "None");
    let longest = set.longest_budget(failure, Duration::ZERO);
    let seconds = options.timeout.max(longest).as_secs_f64().ceil().clamp(1.0, 30.0);
    out.set(&["timeoutSeconds"], seconds as i64);
    if mutating {
        // What others change afterwards may need our rules again.
        out.set(&["reinvocationPolicy"], "IfNeeded");
    }
    if !options.exempt.is_empty() {
        let mut expression = Value::object();
        expression.set(&["key"], "kubernetes.io/metadata.name");
        expression.set(&["operator"], "NotIn");
        expression.set(&["values"], options.exempt.iter().cloned().collect::<Value>());
        out.set(
            &["namespaceSelector", "matchExpressions"],
            [expression].into_iter().collect::<Value>(),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::tests::compile_text;

    const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: labels}
spec:
  webhookConfiguration: {timeoutSeconds: 15}
  rules:
    - name: add
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      mutate: {patchStrategicMerge: {metadata: {labels: {seen: 'yes'}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: names}
spec:
  failurePolicy: Ignore
  rules:
    - name: named
      match: {any: [{resources: {kinds: [Secret]}}]}
      validate: {message: no, pattern: {metadata: {name: 'a*'}}}
";

    fn options(client: Client) -> Options {
        Options {
            name: "ridgeway".into(),
            client,
            bundle: "PEM".into(),
            exempt: vec!["kube-system".into()],
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn each_failure_policy_has_its_webhook() {
        let set = compile_text(POLICIES).unwrap();
        let made = manifests(&set, &options(Client::Url("https://127.0.0.1:9443/".into())));
        let text: Vec<String> = made.iter().map(|value| value.node().to_yaml()).collect();
        for want in [
            "failurePolicy: Fail",
            "url: https://127.0.0.1:9443/mutate/fail",
            "timeoutSeconds: 15",
            "caBundle: UEVN",
            "- configmaps",
            "- kube-system",
            "name: fail.mutate.webhook.ridgeway.dev",
        ] {
            assert!(text[0].contains(want), "{want} is not in {}", text[0]);
        }
        for want in [
            "failurePolicy: Ignore",
            "/validate/ignore",
            "timeoutSeconds: 5",
            "- secrets",
        ] {
            assert!(text[1].contains(want), "{want} is not in {}", text[1]);
        }
        assert!(!text[1].contains("configmaps") && !text[1].contains("failurePolicy: Fail"));
    }

    #[test]
    fn services() {
        let set = compile_text(POLICIES).unwrap();
        let client = Client::service("ops/hook:8443").unwrap();
        let made = manifests(&set, &options(client));
        let hook = made[0].node().get("webhooks").unwrap().item(0).unwrap();
        assert_eq!(
            hook.at(&["clientConfig", "service", "port"]).unwrap().as_i64(),
            Some(8443)
        );
        assert_eq!(hook.str_at(&["clientConfig", "service", "path"]), Some("/mutate/fail"));
        for wrong in ["", "a", "a/", "a/b:x", "/b"] {
            assert!(Client::service(wrong).is_err(), "{wrong}");
        }
    }
}
