//! The order in which a build prints its objects.

use ridgeway_doc::Node;

use super::file::Kustomization;
use super::resource::{Resource, Resources};
use crate::error::RenderError;

/// Kinds that come first, in this order.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Sorts as the kustomization says; by kind, if it says nothing.
pub(super) fn sort(resources: &mut Resources, kustomization: &Kustomization) -> Result<(), RenderError> {
    let options = kustomization.get("sortOptions");
    let strings = |key: &str| -> Option<Vec<String>> {
        let list = options?.at(&["legacySortOptions", key])?;
        Some(list.items().filter_map(Node::as_str).map(str::to_owned).collect())
    };
    match options.map(|o| o.str_at(&["order"]).unwrap_or_default()) {
        Some("fifo") => return Ok(()),
        None | Some("legacy") => {}
        Some(other) => {
            let message = format!("{other:?} is no order; use legacy or fifo");
            let node = options.unwrap_or(kustomization.value.node());
            return Err(kustomization.fault(node, "sortOptions.order", message).into());
        }
    }
    let custom = options.is_some_and(|o| o.get("legacySortOptions").is_some());
    let table = |names: Option<Vec<String>>, default: &[&str]| {
        names.unwrap_or_else(|| {
            if custom {
                Vec::new()
            } else {
                default.iter().map(|s| (*s).to_owned()).collect()
            }
        })
    };
    let first = table(strings("orderFirst"), &FIRST);
    let last = table(strings("orderLast"), &LAST);
    let rank = |kind: &str| -> i64 {
        let at = |list: &[String]| list.iter().rposition(|k| k == kind).map(|i| i as i64);
        match (at(&last), at(&first)) {
            (Some(i), _) => i + 1,
            (None, Some(i)) => i - first.len() as i64,
            (None, None) => 0,
        }
    };
    resources.0.sort_by_cached_key(|resource: &Resource| {
        let id = resource.id();
        let or = |text: &str, other: &str| {
            if text.is_empty() {
                other.to_owned()
            } else {
                text.to_owned()
            }
        };
        let (group, version) = (or(&id.gvk.group, "~G"), or(&id.gvk.version, "~V"));
        let names = format!("{}|{}", or(&id.namespace, "~X"), or(&id.name, "~N"));
        (rank(&id.gvk.kind), format!("{group}_{version}_{}", id.gvk.kind), names)
    });
    Ok(())
}
