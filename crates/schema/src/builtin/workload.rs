//! Workloads: selectors, templates, strategies.

use ridgeway_doc::Node;
use ridgeway_krm::LabelSelector;

use super::{Report, percent, pod};
use crate::path::Path;
use crate::violation::{Fault, Violation};

/// The kinds of `apps`.
pub(super) fn workload(report: &mut Report, kind: &str, object: Node<'_>, old: Option<Node<'_>>) {
    let root = Path::Root;
    let path = root.field("spec");
    let spec = object.get("spec");
    let get = |key: &str| spec.and_then(|s| s.get(key));
    let template_path = path.field("template");
    let selector_path = path.field("selector");
    report.non_negative(&path.field("replicas"), get("replicas"));
    report.non_negative(&path.field("minReadySeconds"), get("minReadySeconds"));
    report.non_negative(&path.field("revisionHistoryLimit"), get("revisionHistoryLimit"));
    if let Some(selector) = get("selector").filter(|s| s.is_object()) {
        report.selector(&selector_path, selector);
        if selector.members().all(|(_, part)| part.is_empty()) {
            let what = if kind == "StatefulSet" {
                "statefulset"
            } else {
                "deployment"
            };
            report.invalid(
                &selector_path,
                selector,
                format!("empty selector is invalid for {what}"),
            );
        } else if let Ok(parsed) = LabelSelector::from_node(selector) {
            matches_template(report, &template_path, &parsed, get("template"));
        }
    } else if get("selector").is_some_and(Node::is_null) {
        report.required(&selector_path, "");
    }
    let claims = get("volumeClaimTemplates").map(Node::items).into_iter().flatten();
    let claims: Vec<&str> = claims.filter_map(|claim| claim.str_at(&["metadata", "name"])).collect();
    pod::template(report, &template_path, get("template"), &claims);
    let restart = get("template").and_then(|t| t.at(&["spec", "restartPolicy"]));
    if let Some(restart) = restart.filter(|r| r.as_str().is_some_and(|r| matches!(r, "OnFailure" | "Never"))) {
        let pod_spec = template_path.field("spec");
        report.found.push(Violation::not_supported(
            &pod_spec.field("restartPolicy"),
            restart,
            ["Always"],
        ));
    }
    match kind {
        "Deployment" => deployment(report, &path, spec),
        "StatefulSet" => stateful_set(report, &path, spec),
        "DaemonSet" => {
            let strategy = path.field("updateStrategy");
            report.one_of(
                &strategy.field("type"),
                spec.and_then(|s| s.at(&["updateStrategy", "type"])),
                &["OnDelete", "RollingUpdate"],
            );
        }
        _ => {}
    }
    if let Some(old) = old.and_then(|o| o.get("spec")) {
        report.immutable(&selector_path, get("selector"), old.get("selector"));
    }
}

fn matches_template(report: &mut Report, path: &Path<'_>, selector: &LabelSelector, template: Option<Node<'_>>) {
    let labels = template.and_then(|t| t.at(&["metadata", "labels"]));
    if !selector.matches(labels) {
        let value = labels.map_or_else(|| "null".to_owned(), Node::to_json);
        let metadata = path.field("metadata");
        report.found.push(Violation::of(
            &metadata.field("labels"),
            Fault::Invalid,
            Some(value),
            "`selector` does not match template `labels`",
        ));
    }
}

fn deployment(report: &mut Report, path: &Path<'_>, spec: Option<Node<'_>>) {
    let strategy_path = path.field("strategy");
    let strategy = spec.and_then(|s| s.get("strategy"));
    report.one_of(
        &strategy_path.field("type"),
        strategy.and_then(|s| s.get("type")),
        &["Recreate", "RollingUpdate"],
    );
    if strategy.and_then(|s| s.str_at(&["type"])) == Some("Recreate")
        && strategy.is_some_and(|s| s.get("rollingUpdate").is_some_and(|r| !r.is_null()))
    {
        report.forbidden(
            &strategy_path.field("rollingUpdate"),
            "may not be specified when strategy `type` is 'Recreate'",
        );
    }
    let rolling_path = strategy_path.field("rollingUpdate");
    let rolling = strategy.and_then(|s| s.get("rollingUpdate"));
    let part = |key: &str| rolling.and_then(|r| r.get(key));
    report.count_or_percent(&rolling_path.field("maxUnavailable"), part("maxUnavailable"));
    report.count_or_percent(&rolling_path.field("maxSurge"), part("maxSurge"));
    let zero = |value: Option<Node<'_>>| {
        value.is_some_and(|v| v.as_i64() == Some(0) || v.as_str().and_then(percent) == Some(0))
    };
    if zero(part("maxUnavailable"))
        && zero(part("maxSurge"))
        && let Some(value) = part("maxUnavailable")
    {
        report.invalid(
            &rolling_path.field("maxUnavailable"),
            value,
            "may not be 0 when `maxSurge` is 0",
        );
    }
    let deadline = spec.and_then(|s| s.get("progressDeadlineSeconds"));
    let ready = spec
        .and_then(|s| s.get("minReadySeconds"))
        .and_then(Node::as_i64)
        .unwrap_or(0);
    if let Some(deadline) = deadline
        && deadline.as_i64().is_some_and(|d| d <= ready)
    {
        report.invalid(
            &path.field("progressDeadlineSeconds"),
            deadline,
            "must be greater than minReadySeconds",
        );
    }
}

fn stateful_set(report: &mut Report, path: &Path<'_>, spec: Option<Node<'_>>) {
    let get = |keys: &[&str]| spec.and_then(|s| s.at(keys));
    report.one_of(
        &path.field("podManagementPolicy"),
        get(&["podManagementPolicy"]),
        &["OrderedReady", "Parallel"],
    );
    let strategy = path.field("updateStrategy");
    report.one_of(
        &strategy.field("type"),
        get(&["updateStrategy", "type"]),
        &["RollingUpdate", "OnDelete"],
    );
    let rolling = strategy.field("rollingUpdate");
    report.non_negative(
        &rolling.field("partition"),
        get(&["updateStrategy", "rollingUpdate", "partition"]),
    );
}

/// The old kind of ReplicaSet, whose selector is a plain label map.
pub(super) fn replication_controller(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let get = |key: &str| object.get("spec").and_then(|s| s.get(key));
    let template_path = path.field("template");
    report.non_negative(&path.field("replicas"), get("replicas"));
    match get("selector").filter(|s| !s.is_empty()) {
        None => report.required(&path.field("selector"), ""),
        Some(selector) => {
            if let Ok(parsed) = LabelSelector::from_map(selector) {
                matches_template(report, &template_path, &parsed, get("template"));
            }
        }
    }
    pod::template(report, &template_path, get("template"), &[]);
}

/// Autoscalers: bounds in order, a target that can be found.
pub(super) fn autoscaler(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let get = |keys: &[&str]| object.get("spec").and_then(|s| s.at(keys));
    let (min, max) = (get(&["minReplicas"]), get(&["maxReplicas"]));
    if let Some(min) = min
        && min.as_i64().is_some_and(|n| n < 1)
    {
        report.invalid(&path.field("minReplicas"), min, "must be greater than or equal to 1");
    }
    match max {
        None => report.required(&path.field("maxReplicas"), ""),
        Some(max) => {
            if max.as_i64().is_some_and(|n| n < 1) {
                report.invalid(&path.field("maxReplicas"), max, "must be greater than 0");
            } else if let (Some(low), Some(high)) = (min.and_then(Node::as_i64), max.as_i64())
                && high < low
            {
                report.invalid(
                    &path.field("maxReplicas"),
                    max,
                    "must be greater than or equal to `minReplicas`",
                );
            }
        }
    }
    let target = path.field("scaleTargetRef");
    for field in ["kind", "name"] {
        report.not_empty(&target.field(field), get(&["scaleTargetRef", field]));
    }
}

/// Disruption budgets say how many may go or how many must stay, not both.
pub(super) fn disruption_budget(report: &mut Report, object: Node<'_>) {
    let root = Path::Root;
    let path = root.field("spec");
    let Some(spec) = object.get("spec") else { return };
    let (least, most) = (spec.get("minAvailable"), spec.get("maxUnavailable"));
    if least.is_some() && most.is_some() {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        report.invalid(&path, spec, detail);
    }
    report.count_or_percent(&path.field("minAvailable"), least);
    report.count_or_percent(&path.field("maxUnavailable"), most);
    if let Some(selector) = spec.get("selector") {
        report.selector(&path.field("selector"), selector);
    }
}
