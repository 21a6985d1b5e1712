//! What built-in kinds demand beyond their schema: the checks that users meet most, in Kubernetes' words.
//!
//! That a field is there at all is the schema's to say where it lists the field as required; here is only that it is
//! not empty.

mod batch;
mod config;
mod network;
mod pod;
mod volume;
mod workload;

use ridgeway_doc::{Node, Number};
use ridgeway_krm::Gvk;

use crate::path::Path;
use crate::violation::{Fault, Violation, printed};

/// The faults of an object of a built-in kind that no schema can express. `old` is the object as it was, for fields
/// that may not change. Kinds without such checks have no faults here.
pub fn validate_builtin(gvk: &Gvk, object: Node<'_>, old: Option<Node<'_>>) -> Vec<Violation> {
    let mut report = Report::default();
    let root = Path::Root;
    let spec = root.field("spec");
    let part = |key: &str| object.get(key).filter(|n| n.is_object());
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => pod::pod(&mut report, object, old),
        ("", "PodTemplate") => pod::template(&mut report, &root.field("template"), object.get("template"), &[]),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") => {
            workload::workload(&mut report, &gvk.kind, object, old);
        }
        ("", "ReplicationController") => workload::replication_controller(&mut report, object),
        ("batch", "Job") => batch::job(&mut report, object, old),
        ("batch", "CronJob") => batch::cron_job(&mut report, object),
        ("", "Service") => network::service(&mut report, object, old),
        ("networking.k8s.io", "Ingress") => network::ingress(&mut report, object),
        ("networking.k8s.io", "NetworkPolicy") => network::policy(&mut report, object),
        ("", "ConfigMap") => config::config_map(&mut report, object, old),
        ("", "Secret") => config::secret(&mut report, object, old),
        ("", "PersistentVolumeClaim") => volume::claim(&mut report, object, old),
        ("", "PersistentVolume") => volume::persistent_volume(&mut report, object),
        ("", "ResourceQuota") => {
            if let Some(hard) = part("spec").and_then(|s| s.get("hard")) {
                report.quantities(&spec.field("hard"), hard);
            }
        }
        ("autoscaling", "HorizontalPodAutoscaler") => workload::autoscaler(&mut report, object),
        ("policy", "PodDisruptionBudget") => workload::disruption_budget(&mut report, object),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => config::role(&mut report, object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            config::binding(&mut report, &gvk.kind, object, old);
        }
        ("storage.k8s.io", "StorageClass") => {
            report.not_empty(&root.field("provisioner"), object.get("provisioner"));
        }
        ("scheduling.k8s.io", "PriorityClass") => config::priority_class(&mut report, object, old),
        _ => {}
    }
    report.found
}

/// Collects faults, with the phrases that many kinds share.
#[derive(Default)]
struct Report {
    found: Vec<Violation>,
}

const NON_NEGATIVE: &str = "must be greater than or equal to 0";
const PORT: &str = "must be between 1 and 65535, inclusive";

impl Report {
    fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.found.push(Violation::required(path, detail));
    }

    fn invalid(&mut self, path: &Path<'_>, value: Node<'_>, detail: impl Into<String>) {
        self.found.push(Violation::invalid(path, value, detail));
    }

    fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.found.push(Violation::forbidden(path, detail));
    }

    fn duplicate(&mut self, path: &Path<'_>, value: Node<'_>) {
        self.found
            .push(Violation::of(path, Fault::Duplicate, Some(printed(value)), ""));
    }

    fn not_found(&mut self, path: &Path<'_>, value: Node<'_>) {
        self.found
            .push(Violation::of(path, Fault::NotFound, Some(printed(value)), ""));
    }

    /// A text that must be there and not empty.
    fn required_text(&mut self, path: &Path<'_>, value: Option<Node<'_>>) {
        match value.filter(|v| !v.is_null()) {
            None => self.required(path, ""),
            value => self.not_empty(path, value),
        }
    }

    /// A text that, where given, is not empty.
    fn not_empty(&mut self, path: &Path<'_>, value: Option<Node<'_>>) {
        if value.is_some_and(|v| v.as_str() == Some("")) {
            self.required(path, "");
        }
    }

    /// A text that, where given, is one of a few.
    fn one_of(&mut self, path: &Path<'_>, value: Option<Node<'_>>, supported: &[&'static str]) {
        if let Some(value) = value
            && let Some(text) = value.as_str()
            && !supported.contains(&text)
        {
            self.found
                .push(Violation::not_supported(path, value, supported.iter().copied()));
        }
    }

    /// A number that, where given, is not negative.
    fn non_negative(&mut self, path: &Path<'_>, value: Option<Node<'_>>) {
        if let Some(value) = value
            && value.as_i64().is_some_and(|n| n < 0)
        {
            self.invalid(path, value, NON_NEGATIVE);
        }
    }

    /// A number that, where given, is positive.
    fn positive(&mut self, path: &Path<'_>, value: Option<Node<'_>>) {
        if let Some(value) = value
            && value.as_i64().is_some_and(|n| n <= 0)
        {
            self.invalid(path, value, "must be greater than 0");
        }
    }

    fn port_number(&mut self, path: &Path<'_>, value: Node<'_>) {
        if value.as_i64().is_some_and(|n| !(1..=65535).contains(&n)) {
            self.invalid(path, value, PORT);
        }
    }

    /// A port by number or name.
    fn port(&mut self, path: &Path<'_>, value: Option<Node<'_>>) {
        let Some(value) = value else { return };
        match value.as_str() {
            None => self.port_number(path, value),
            Some(name) => {
                if let Err(why) = port_name(name) {
                    self.invalid(path, value, why);
                }
            }
        }
    }

    /// A DNS label.
    fn label(&mut self, path: &Path<'_>, value: Node<'_>) {
        if let Some(text) = value.as_str()
            && let Err(why) = ridgeway_krm::validate_label(text)
        {
            self.invalid(path, value, why);
        }
    }

    /// Quantities by resource name.
    fn quantities(&mut self, path: &Path<'_>, map: Node<'_>) {
        for (name, value) in map.members() {
            let path = path.key(name);
            match quantity(value) {
                None => self.invalid(&path, value, QUANTITY),
                Some(q) if q.sign().is_lt() => self.invalid(&path, value, NON_NEGATIVE),
                Some(_) => {}
            }
        }
    }

    /// A label map as templates and selectors have.
    fn labels(&mut self, path: &Path<'_>, map: Node<'_>) {
        for (key, value) in map.members() {
            if let Err(why) = ridgeway_krm::validate_label_key(key) {
                self.found
                    .push(Violation::of(path, Fault::Invalid, Some(format!("{key:?}")), why));
            }
            if let Some(text) = value.as_str()
                && let Err(why) = ridgeway_krm::validate_label_value(text)
            {
                self.invalid(path, value, why);
            }
        }
    }

    /// A label selector of `matchLabels` and `matchExpressions`.
    fn selector(&mut self, path: &Path<'_>, selector: Node<'_>) {
        if let Some(labels) = selector.get("matchLabels") {
            self.labels(&path.field("matchLabels"), labels);
        }
        let list = path.field("matchExpressions");
        for (i, expression) in selector
            .get("matchExpressions")
            .map(Node::items)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = list.index(i);
            let values = expression.get("values").map_or(0, Node::len);
            match expression.str_at(&["operator"]) {
                Some("In" | "NotIn") if values == 0 => {
                    self.required(
                        &path.field("values"),
                        "must be specified when `operator` is 'In' or 'NotIn'",
                    );
                }
                Some("Exists" | "DoesNotExist") if values > 0 => {
                    self.forbidden(
                        &path.field("values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                    );
                }
                Some("In" | "NotIn" | "Exists" | "DoesNotExist") => {}
                _ => {
                    let operator = path.field("operator");
                    if let Some(value) = expression.get("operator") {
                        self.invalid(&operator, value, "not a valid selector operator");
                    }
                }
            }
            if let Some(key) = expression.get("key")
                && let Err(why) = ridgeway_krm::validate_label_key(key.as_str().unwrap_or_default())
            {
                self.invalid(&path.field("key"), key, why);
            }
        }
    }

    /// A field that may not change once the object is there.
    fn immutable(&mut self, path: &Path<'_>, new: Option<Node<'_>>, old: Option<Node<'_>>) {
        if new != old {
            let value = new.map_or_else(|| "null".to_owned(), printed);
            self.found
                .push(Violation::of(path, Fault::Invalid, Some(value), "field is immutable"));
        }
    }

    /// A count or a percentage.
    fn count_or_percent(&mut self, path: &Path<'_>, value: Option<Node<'_>>) {
        let Some(value) = value else { return };
        match (value.as_str(), value.as_i64()) {
            (None, Some(n)) if n < 0 => self.invalid(path, value, NON_NEGATIVE),
            (Some(text), _) if percent(text).is_none() => {
                self.invalid(
                    path,
                    value,
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                     regex used for validation is '[0-9]+%')",
                );
            }
            _ => {}
        }
    }
}

const QUANTITY: &str = "quantities must match the regular expression \
                        '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// A quantity written as text or number.
fn quantity(value: Node<'_>) -> Option<ridgeway_krm::Quantity> {
    match (value.as_str(), value.as_number()) {
        (Some(text), _) => ridgeway_krm::Quantity::parse(text).ok(),
        (None, Some(Number::Int(n))) => Some(ridgeway_krm::Quantity::from_units(n)),
        (None, Some(number)) => ridgeway_krm::Quantity::parse(&number.to_string()).ok(),
        (None, None) => None,
    }
}

fn percent(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// An IANA service name: at most 15 of `a-z0-9-`, a letter among them, no hyphen at an edge or doubled.
fn port_name(name: &str) -> Result<(), String> {
    Err(if name.is_empty() || name.len() > 15 {
        "must be no more than 15 characters".into()
    } else if !name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into()
    } else if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        "must contain at least one letter (a-z)".into()
    } else if name.contains("--") {
        "must not contain consecutive hyphens".into()
    } else if name.starts_with('-') || name.ends_with('-') {
        "must not begin or end with a hyphen".into()
    } else {
        return Ok(());
    })
}

#[cfg(test)]
mod tests;
